"""How the command runs a batch: what signals do, what is said at its end, and how it exits."""

import asyncio
import shlex
import signal
from functools import partial
from pathlib import Path
from typing import Final

import typer
from attrs import evolve
from rich.console import Console

from generor_async.batch.progress import Progress
from generor_async.batch.runner import Batch
from generor_async.batch.status import Status, read_status, report
from generor_async.batch.stopping import reason_of
from generor_async.cli.batch_options import Output
from generor_async.cli.exit_codes import BY_SIGNAL, FAILED, exit_code, say, told
from generor_async.cli.progress_view import tell
from generor_async.cli.signals import heeding
from generor_async.cli.status_view import show
from generor_async.cli.std_streams import is_written
from generor_async.errors import GenerorAsyncError, InvalidRequestError
from generor_async.rules.resume_advice import Reason
from generor_async.rules.vendors import vendor_of

__all__ = ["carry_out", "give_up", "refuse"]

NEW_THUMBNAILS: Final = 2_000
"""How many are made at the end of a run, which is not to take minutes; `generor batch report` makes all."""
GO_ON: Final = "run the same again to go on"


class Signals:
    """Stops a batch when a signal comes: after Ctrl-C when what is paid for is stored, else as soon as may be."""

    def __init__(self, batch: Batch, console: Console, drain: float, output: Output) -> None:
        self._batch = batch
        self._console = console
        self._drain = drain
        self._output = output
        self.first: int | None = None
        """The signal that came first."""
        self.hurried = False
        """Whether nothing but what must be is to be done."""

    def heed(self, number: int) -> None:
        again, self.first = self.first is not None, self.first or number
        if number == signal.SIGINT:
            self.hurried = again
            self._say("what is paid for is waited for; Ctrl-C again stops at once", said=again)
            self._batch.stop()
        else:
            self._say(f"answers under way are waited for, for {self._drain:g} s at the most", said=self.hurried)
            self.hurried = True
            self._batch.stop(drain=self._drain)

    def _say(self, what: str, *, said: bool) -> None:
        if not (said or self._output.quiet or self._console.is_terminal):
            self._console.print(f"stopping: {what}", soft_wrap=True, highlight=False)


async def carry_out(batch: Batch, out: Path, *, operation: str, note: str, drain: float, output: Output) -> int:
    """Run a batch, say what came of it, and return how to exit.

    Raises InvalidRequestError for what can't be asked for.
    """
    console, problem = Console(stderr=True), None
    signals = Signals(batch, console, drain, output)
    with heeding(signals.heed):
        try:
            await _follow(batch, None if output.quiet else console, note)
        except GenerorAsyncError as error:
            problem = error
    reason = batch.reason or "failed"
    if problem is not None and not batch.begun and batch.progress is None:
        return await refuse(problem, out, operation, output)
    if isinstance(problem, InvalidRequestError) and reason == "failed" and not batch.begun:
        raise problem
    standing = evolve(await _standing(batch.progress, out, operation, output), reason=reason)
    is_shown = is_written(partial(show, standing, out, output, named=True))
    if sentence := _sentence(reason, problem, standing, out):
        say(sentence)
    elif rest := standing.counts.get("ready"):
        output.note(f"as many were begun as --limit says: {rest:,} rows are left to the next run")
    if batch.progress is not None and not signals.hurried:
        await _report(batch, out, output)
    if reason == "interrupted" and signals.first is not None:
        return BY_SIGNAL + signals.first
    if not is_shown:
        say(f"what came of it could not be written to stdout: `generor batch status {shlex.quote(str(out))}` says it")
        return FAILED
    return exit_code(reason, begun=batch.begun, error=problem is not None)


async def give_up(why: str, number: int, out: Path, operation: str, output: Output) -> int:
    """Say why nothing was begun, of which a signal is the reason, or whoever was asked, and return how to exit."""
    if output.is_json:
        show(evolve(await _standing(None, out, operation, output), reason="interrupted"), out, output)
    say(why)
    return BY_SIGNAL + number


async def refuse(error: GenerorAsyncError, out: Path, operation: str, output: Output) -> int:
    """Say why nothing was begun, and return how to exit; raises again what is bad use of the command."""
    reason = reason_of(error)
    if isinstance(error, InvalidRequestError) and reason == "failed":
        raise error
    if output.is_json:
        show(evolve(await _standing(None, out, operation, output), reason=reason), out, output)
    say(told(error))
    return exit_code(reason, begun=False, error=True)


async def _follow(batch: Batch, console: Console | None, note: str) -> None:
    """Run it, telling how it goes where there is anybody to be told."""
    telling = asyncio.create_task(asyncio.sleep(0) if console is None else tell(batch, console, note=note))
    try:
        async for _ in batch:
            pass
    finally:
        telling.cancel()
        await asyncio.wait([telling])
        if not telling.cancelled():
            telling.exception()


async def _standing(progress: Progress | None, out: Path, operation: str, output: Output) -> Status:
    """Return how the rows stand; from memory, where the folder doesn't tell, or not any more."""
    try:
        return await read_status(out)
    except GenerorAsyncError:
        nothing = _nothing(operation, simulated=output.simulated)
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


def _nothing(operation: str, *, simulated: bool) -> Status:
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


def _sentence(reason: Reason, problem: GenerorAsyncError | None, standing: Status, out: Path) -> str:
    """Say why it has ended, and what to do; nothing where all is well."""
    if problem is not None:
        return told(problem)
    match reason:
        case "interrupted":
            return f"stopped; nothing is lost: {GO_ON}"
        case "cap":
            return "the cap allows no more; run the same with a higher --max-credits to go on"
        case "failed":
            return _what_is_missing(standing, out)
        case _:
            return ""


def _what_is_missing(standing: Status, out: Path) -> str:
    counts = standing.counts
    waiting = sum(doubt.until is not None for doubt in standing.doubts)
    given_up = counts.get("unknown", 0) - waiting
    folder = shlex.quote(str(out))
    missing = (
        (counts.get("failed", 0), "failed", f"`generor batch retry {folder} --failed` has them run again"),
        (waiting, "unknown for now", "the same run again looks for them in the account"),
        (given_up, "unknown", f"`generor batch retry {folder} --unknown` may have them charged again"),
        (standing.rejected, "set aside", "mend those lines, and run it again"),
    )
    parts = [f"{rows:,} {what} ({how})" for rows, what, how in missing if rows]
    return f"not all rows are done: {', '.join(parts)}"


async def _report(batch: Batch, out: Path, output: Output) -> None:
    """Write the page, and say where it is; a folder that takes no page was told of before."""
    try:
        page = await report(out, new_thumbnails=NEW_THUMBNAILS)
    except GenerorAsyncError as error:
        if batch.reason not in {"disk", "folder"}:
            say(str(error))
        return
    if not (output.is_json or output.quiet):
        typer.echo(f"see {page}")
