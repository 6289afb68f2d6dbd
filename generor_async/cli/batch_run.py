"""`generor batch run`: run the rows of a file through one of the APIs, after a person has agreed to the price."""

import hashlib
import json
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from generor_async.batch.amounts import format_credits, format_dollars
from generor_async.batch.folder import ResultsFolder
from generor_async.batch.parameters import OPERATIONS
from generor_async.batch.runner import run_batch
from generor_async.batch.status import check_simulated
from generor_async.cli.batch_execution import execute_batch, report_abandoned, report_refused
from generor_async.cli.batch_options import JsonOption, OutputOptions, QuietOption, TakeOverOption
from generor_async.cli.clients import SPEED, open_client
from generor_async.cli.confirmation import DeclinedError, confirm, confirm_run, print_plan
from generor_async.cli.exit_codes import escape_controls, run_and_exit
from generor_async.cli.signals import SignalledError, unless_signalled
from generor_async.errors import BuysAgainError, GenerorAsyncError, InvalidRequestError
from generor_async.rules.vendors import vendor_of

__all__ = ["SIMULATOR", "run"]

SIMULATOR: Final = "simulator.jsonl"
"""The file in the results folder with the simulator's recording; the next run continues from it."""
SIMULATED_NOTE: Final = f"simulated, {SPEED:g} times as fast: nothing is charged"


def run(
    rows: Annotated[
        Path,
        typer.Argument(
            help="A .jsonl, .json, .csv or .tsv file, also .gz, or - for stdin: the parameters of one call a row."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The folder for the journal, results and media; goes on where it was.")],
    api: Annotated[Literal["luma", "generor"], typer.Option(help="The API to use.")] = "luma",
    max_credits: Annotated[float | None, typer.Option(help="What may be spent, in the API's credits.")] = None,
    price: Annotated[
        float | None, typer.Option(help="US dollars a generation, where no price list of Luma has one.")
    ] = None,
    refunds: Annotated[
        bool, typer.Option("--refunds", help="Count what Luma's FAQ says is refunded as refunded, for the cap.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Rows to begin, at the most; the others wait for the next run.")
    ] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Rows in work at once.")] = None,
    prompt_column: Annotated[str | None, typer.Option(help="The column, or key, that holds the prompt.")] = None,
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter of every row that doesn't give it.")
    ] = None,
    allow_duplicates: Annotated[
        bool, typer.Option("--allow-duplicates", help="Run a row as often as it comes, instead of once.")
    ] = False,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="What rows have beside parameters, to come out again in results and export."),
    ] = None,
    tag_rows: Annotated[
        bool, typer.Option("--tag-rows", help="Send Luma each row's id as its `user_id`, for support to find it by.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Buy once more what the folder has under another id, or made another way.")
    ] = False,
    drain: Annotated[
        float, typer.Option(min=0.0, help="Seconds for which SIGTERM and SIGHUP wait for answers of calls under way.")
    ] = 8.0,
    take_over: TakeOverOption = False,
    simulate: Annotated[bool, typer.Option("--simulate", help="Use the built-in simulator: free, and fast.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would do and cost, and leave everything as it is.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Spend without being asked first.")] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run the rows of a file. Ctrl-C waits for rows that are paid for; a second Ctrl-C stops at once.

    The next run continues in either case. SIGTERM and SIGHUP submit nothing more, and wait only for the answers to
    calls under way, at most --drain seconds; jobs that the API has accepted continue there, and the next run downloads
    them. A Ctrl-C after that stops at once.

    Without a terminal, stdout is JSON, whose `reason` is done, failed, cap, credits, key, unknown, downloads, disk,
    folder or interrupted. Exit codes: 0 if all rows are done, or as many as --limit allows; 1 after an unexpected
    error, or if the JSON can't be written; 2 if nothing was sent because of wrong options or a bad key; 3 if the run is
    complete, and some rows failed, are unknown or were set aside; 4 if the cap or the credits stopped it; 5 if a
    problem with the key, the answers, the downloads, the disk, the folder or the network stopped it; 129, 130 and 143
    after SIGHUP, Ctrl-C (or a no to the question) and SIGTERM.
    """
    output = OutputOptions(quiet=quiet, json=as_json, simulated=simulate)
    if not (simulate or yes or dry_run or (sys.stdin.isatty() and str(rows) != "-")):
        worth = format_dollars(max_credits or 0.0, vendor_of(f"{api}.").credit_dollars)
        most = "without a cap" if max_credits is None else f"up to {format_credits(max_credits)} credits{worth}"
        raise typer.BadParameter(
            f"this spends real credits, {most}: confirm with --yes, or try it for free with --simulate"
        )

    operation = OPERATIONS[api]

    async def begun() -> int:
        await check_simulated(out, simulated=simulate)
        if not dry_run and (simulate or out.exists()):
            # Before anybody is asked; and one simulator at a time goes on with its file.
            ResultsFolder(out, take_over=take_over).release()
        async with open_client(api, simulated=simulate, kept_in=None if dry_run else out / SIMULATOR) as client:
            made = partial(
                run_batch,
                client,
                rows,
                to=out,
                max_credits=max_credits,
                price=price,
                refunds=refunds,
                concurrency=concurrency,
                limit=limit,
                tag_rows=tag_rows,
                prompt_column=prompt_column,
                common=dict(map(_parse_parameter, param or ())),
                allow_duplicates=allow_duplicates,
                keep=keep or (),
                drain=drain,
                take_over=take_over,
            )
            batch = made(again=again)
            batch.tell(_print_note)
            if dry_run:
                await print_plan(batch, api=api, output=output)
                return 0
            if not simulate and not (yes and quiet):
                with nullcontext() if yes else _unless_changed(rows):
                    await confirm_run(batch, api=api, agreed=yes)
            note = SIMULATED_NOTE if simulate else ""
            ended = partial(execute_batch, out=out, operation=operation, note=note, drain=drain, output=output)
            try:
                return await ended(batch)
            except BuysAgainError as error:  # which --yes is no answer to
                if not (sys.stdin.isatty() and rows.is_file()):  # a pipe can't be read again
                    raise
                with _unless_changed(rows):
                    confirm(f"{error.problem}. Buy it again?")
            batch = made(again=True)
            batch.tell(_print_note)
            return await ended(batch)

    async def main() -> int:
        try:
            return await unless_signalled(begun())
        except GenerorAsyncError as error:
            return await report_refused(error, out, operation, output)
        except DeclinedError:
            return await report_abandoned("nothing was spent", signal.SIGINT, out, operation, output)
        except SignalledError as error:
            return await report_abandoned("stopped before any row was started", error.number, out, operation, output)

    run_and_exit(main())


@contextmanager
def _unless_changed(rows: Path) -> Generator[None]:
    """Raise InvalidRequestError if the file is not the one that a question was asked about."""
    before = _read_digest(rows)
    yield
    if _read_digest(rows) != before:
        raise InvalidRequestError(
            "rows", f"{rows} has changed since the question was asked", advice="Nothing was spent: run it again"
        )


def _read_digest(rows: Path) -> bytes | None:
    """Return the digest of a file; None for a pipe, or if it can't be read."""
    try:
        if not rows.is_file():
            return None
        with rows.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return None


def _print_note(sentence: str) -> None:
    typer.echo(escape_controls(sentence), err=True)


def _parse_parameter(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--param")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
