"""Runs a batch for the command: handles signals, prints the result and the problems, and returns the exit code."""

import asyncio
import shlex
import signal
from functools import partial
from pathlib import Path
from typing import Final

import typer
from attrs import evolve
from rich.console import Console

from generor_async.batch.progress import BatchProgress
from generor_async.batch.runner import Batch
from generor_async.batch.status import Status, read_status, report
from generor_async.batch.stopping import stop_reason
from generor_async.cli.batch_options import OutputOptions
from generor_async.cli.batch_places import Place
from generor_async.cli.error_output import error_text, print_error
from generor_async.cli.exit_codes import FAILED, SIGNAL_BASE, exit_code
from generor_async.cli.progress_view import show_progress
from generor_async.cli.signals import handle_signals
from generor_async.cli.status_view import print_status
from generor_async.cli.std_streams import write_stdout
from generor_async.errors import GenerorAsyncError, InvalidRequestError
from generor_async.rules.stop_rules import StopReason
from generor_async.rules.vendors import vendor_of

__all__ = ["execute_batch", "report_abandoned", "report_refused"]

NEW_THUMBNAILS: Final = 2_000
"""Most thumbnails that the end of a run makes, so that it takes no minutes; `generor batch report` makes all."""
RESUME_ADVICE: Final = "run the same command again to continue"


class StopOnSignal:
    """Stops a batch on a signal: after Ctrl-C, once all paid rows are stored; after any other, as soon as possible."""

    def __init__(self, batch: Batch, console: Console, drain: float, output: OutputOptions) -> None:
        self._batch = batch
        self._console = console
        self._drain = drain
        self._output = output
        self.named: int | None = None
        """The signal that the exit code names: the first, or a SIGTERM after a SIGHUP, as the order in which two
        signals that wait are delivered is that of their numbers, not that in which they were sent."""
        self.urgent = False
        """Whether to skip everything that isn't necessary, such as the report."""

    def on_signal(self, number: int) -> None:
        again = self.named is not None
        if self.named is None or (number == signal.SIGTERM and self.named != signal.SIGINT):
            self.named = number
        if number == signal.SIGINT:
            self.urgent = again
            self._say("waiting for paid rows; Ctrl-C again stops at once", skip=again)
            self._batch.stop()
        else:
            self._say(f"waiting up to {self._drain:g} s for answers to calls under way", skip=self.urgent)
            self.urgent = True
            self._batch.stop(drain=self._drain)

    def _say(self, what: str, *, skip: bool) -> None:
        if not (skip or self._output.quiet or self._console.is_terminal):
            self._console.print(f"stopping: {what}", soft_wrap=True, highlight=False)


async def execute_batch(
    batch: Batch, out: Path, *, operation: str, note: str, drain: float, output: OutputOptions
) -> int:
    """Run a batch, print its result, and return the exit code.

    Raises InvalidRequestError for wrong options.
    """
    console, problem = Console(stderr=True), None
    signals = StopOnSignal(batch, console, drain, output)
    with handle_signals(signals.on_signal):
        try:
            await _run_with_progress(batch, None if output.quiet else console, note)
        except GenerorAsyncError as error:
            problem = error
    reason = batch.reason or "failed"
    if problem is not None and not batch.begun and batch.progress is None:
        return await report_refused(problem, out, operation, output)
    if isinstance(problem, InvalidRequestError) and reason == "failed" and not batch.begun:
        raise problem
    status = evolve(await _read_final_status(batch.progress, out, operation, output), reason=reason)
    is_shown = write_stdout(partial(print_status, status, Place(out), output, named=True))
    if sentence := _end_message(reason, problem, status, out):
        print_error(sentence)
    elif rest := status.counts.get("ready"):
        output.note(f"--limit is reached: {rest:,} rows are left for the next run")
    if batch.progress is not None and not signals.urgent:
        await _write_report(batch, out, output)
    if reason == "interrupted" and signals.named is not None:
        return SIGNAL_BASE + signals.named
    if not is_shown:
        print_error(
            f"the result could not be written to stdout: `generor batch status {shlex.quote(str(out))}` shows it"
        )
        return FAILED
    return exit_code(reason, begun=batch.begun, error=problem is not None)


async def report_abandoned(why: str, number: int, out: Path, operation: str, output: OutputOptions) -> int:
    """Print why a run was abandoned (by a signal or a no) before anything was sent; return the exit code."""
    if output.is_json:
        print_status(
            evolve(await _read_final_status(None, out, operation, output), reason="interrupted"), Place(out), output
        )
    print_error(why)
    return SIGNAL_BASE + number


async def report_refused(error: GenerorAsyncError, out: Path, operation: str, output: OutputOptions) -> int:
    """Print why a run was refused before anything was sent, and return the exit code; raises wrong options again."""
    reason = stop_reason(error)
    if isinstance(error, InvalidRequestError) and reason == "failed":
        raise error
    if output.is_json:
        print_status(evolve(await _read_final_status(None, out, operation, output), reason=reason), Place(out), output)
    print_error(error_text(error))
    return exit_code(reason, begun=False, error=True)


async def _run_with_progress(batch: Batch, console: Console | None, note: str) -> None:
    """Run the batch, showing its progress on the console if there is one."""
    display = asyncio.create_task(asyncio.sleep(0) if console is None else show_progress(batch, console, note=note))
    try:
        async for _ in batch:
            pass
    finally:
        display.cancel()
        await asyncio.wait([display])
        if not display.cancelled():
            display.exception()


async def _read_final_status(
    progress: BatchProgress | None, out: Path, operation: str, output: OutputOptions
) -> Status:
    """Return the state of the rows: from the folder or, if that can't be read, from the run's last progress."""
    try:
        return await read_status(out, checks_storage=False)
    except GenerorAsyncError:
        nothing = _empty_status(operation, simulated=output.simulated)
        if progress is None:
            return nothing
        return evolve(
            nothing,
            counts={
                "ready": progress.waiting + progress.later,
                "accepted": progress.running,
                "done": progress.done,
                "failed": progress.failed,
                "unknown": progress.unknown,
            },
            rejected=progress.rejected,
            spent=progress.spent,
            doubtful=progress.doubtful,
            cap=progress.cap,
        )


def _empty_status(operation: str, *, simulated: bool) -> Status:
    return Status(
        operation=operation,
        reason=None,
        simulated=simulated,
        counts={},
        rejected=0,
        set_aside=(),
        spent=0.0,
        estimated=0.0,
        doubtful=0.0,
        doubts=(),
        refundable=0.0,
        cap=None,
        credit_dollars=vendor_of(operation).credit_dollars,
    )


def _end_message(reason: StopReason, problem: GenerorAsyncError | None, status: Status, out: Path) -> str:
    """Return why the run has ended, and what to do next; empty if all is well."""
    if problem is not None:
        return error_text(problem)
    match reason:
        case "interrupted":
            return f"stopped; nothing is lost: {RESUME_ADVICE}"
        case "cap":
            return "the cap is reached: run the same command with a higher --max-credits to continue"
        case "failed":
            return _missing_rows_message(status, out)
        case _:
            return ""


def _missing_rows_message(status: Status, out: Path) -> str:
    counts = status.counts
    waiting = sum(doubt.until is not None for doubt in status.doubts)
    given_up = counts.get("unknown", 0) - waiting
    folder = shlex.quote(str(out))
    missing = (
        (counts.get("failed", 0), "failed", f"`generor batch retry {folder} --failed` makes them ready to run again"),
        (waiting, "unknown for now", "the next run looks for them in the account"),
        (
            given_up,
            "unknown",
            f"`generor batch retry {folder} --unknown` has them run again, and they may be charged twice",
        ),
        (status.rejected, "set aside", "correct those lines, and run it again"),
    )
    parts = [f"{rows:,} {what} ({how})" for rows, what, how in missing if rows]
    return f"not all rows are done: {', '.join(parts)}"


async def _write_report(batch: Batch, out: Path, output: OutputOptions) -> None:
    """Write the report and print its path; where the disk or the folder ended the run, its error is not repeated."""
    try:
        page = await report(out, new_thumbnails=NEW_THUMBNAILS)
    except GenerorAsyncError as error:
        if batch.reason not in {"disk", "folder"}:
            print_error(str(error))
        return
    if not (output.is_json or output.quiet):
        typer.echo(f"see {page}")
