"""`generor batch`: run the rows of a file, show their status, retry, fetch, report and export."""

import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any

import typer

from generor_async.batch.call_log import CALLS
from generor_async.batch.export import FORMATS, ExportFormat, export_lines
from generor_async.batch.fetch import fetch_missing
from generor_async.batch.outcomes import is_own_file, write_atomically
from generor_async.batch.retry import make_ready
from generor_async.batch.sqlite import open_reader
from generor_async.batch.sqlite.recover import recover as rebuild
from generor_async.batch.status import is_simulated, read_status
from generor_async.batch.status import report as write_report
from generor_async.cli.batch_options import FolderArgument, JsonOption, OutputOptions, QuietOption, TakeOverOption
from generor_async.cli.batch_run import SIMULATOR, run
from generor_async.cli.clients import open_client
from generor_async.cli.exit_codes import BAD_USE, SIGNAL_BASE, SOME_MISSING, exit_with, print_error, run_and_exit
from generor_async.cli.signals import SignalledError, unless_signalled
from generor_async.cli.status_view import follow_status as follow_run
from generor_async.cli.status_view import print_status
from generor_async.rules.row_states import PAID_STATES

__all__ = ["command"]

command = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Run many prompts, each charged at most once.",
)


command.command()(run)


@command.command()
def status(
    folder: FolderArgument,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on showing it until the run has ended, every ten seconds in JSON.")
    ] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show the state of the rows, also during a run. Without a terminal, stdout is JSON.

    Exits with 0 if all rows are done; with 3 if some are not, or were set aside.
    """
    output = OutputOptions(quiet=quiet, json=as_json)

    async def main() -> int:
        if follow:
            try:
                await unless_signalled(follow_run(folder, output))
            except SignalledError as error:
                raise exit_with("interrupted", SIGNAL_BASE + error.number) from None
        current = await read_status(folder)
        print_status(current, folder, output)
        return 0 if current.is_complete else SOME_MISSING

    run_and_exit(main())


@command.command()
def retry(
    folder: FolderArgument,
    failed: Annotated[bool, typer.Option("--failed", help="Rows that failed.")] = False,
    unknown: Annotated[
        bool, typer.Option("--unknown", help="Rows that may have been charged: they may be charged again.")
    ] = False,
    ids: Annotated[
        list[str] | None, typer.Option("--id", metavar="ID", help="The row of this id alone; may be given repeatedly.")
    ] = None,
    take_over: TakeOverOption = False,
) -> None:
    """Make rows ready for the next `run`."""
    if not (failed or unknown or ids):
        raise typer.BadParameter("choose the rows with --failed, --unknown or --id")

    async def main() -> int:
        ready = await make_ready(folder, failed=failed, unknown=unknown, ids=ids or (), take_over=take_over)
        typer.echo("1 row is ready to be run again" if ready == 1 else f"{ready:,} rows are ready to be run again")
        return 0

    run_and_exit(main())


@command.command()
def recover(folder: FolderArgument, take_over: TakeOverOption = False) -> None:
    """Rebuild a lost journal from the other files of the folder: calls.jsonl, results.jsonl and the media.

    Buys nothing. Rows whose outcome nobody knows become unknown; what is left of the old journal is kept.
    """

    async def main() -> int:
        found = await rebuild(folder, take_over=take_over)
        rows = ", ".join(f"{count:,} {state}" for state, count in found.counts.items()) or "no row"
        typer.echo(f"the journal is rebuilt, with {rows}; run the batch again to continue")
        if not found.knows_calls:
            print_error(
                f"{CALLS} is missing: rows that were charged and have no result are not known, and the next run would"
                " buy them again. Check the account first"
            )
        if found.strays:
            print_error(f"{found.strays:,} files in {folder / 'media'} belong to no known row")
        return 0

    run_and_exit(main())


@command.command()
def fetch(folder: FolderArgument, take_over: TakeOverOption = False) -> None:
    """Download files that are missing in the folder; costs nothing.

    Exits with 3 if some could not be downloaded, or come only with the next `run`.
    """

    async def main() -> int:
        reader = await open_reader(folder)
        try:
            key: Any = await reader.read_note("key")
        finally:
            await reader.close()
        api, simulated = key["operation"].partition(".")[0], is_simulated(key)
        async with open_client(api, simulated=simulated, kept_in=folder / SIMULATOR if simulated else None) as client:
            fetched = await fetch_missing(client, folder, take_over=take_over)
        counts = (await read_status(folder)).counts
        unfinished = sum(counts.get(state, 0) for state in PAID_STATES)
        rows = "1 row has its files" if fetched.rows == 1 else f"{fetched.rows:,} rows have their files"
        if fetched.rows or fetched.lost or not unfinished:
            typer.echo(f"{rows} again" if fetched.rows or fetched.lost else "no file is missing")
        for id_, error in fetched.errors:
            print_error(f"the files of {id_} could not be downloaded: {error}")
        if more := fetched.lost - len(fetched.errors):
            print_error(f"and those of {more:,} more rows")
        if unfinished:
            print_error(
                f"{unfinished:,} {'row is' if unfinished == 1 else 'rows are'} paid for, and not downloaded yet: run"
                " the batch again, which downloads them at no cost"
            )
        return SOME_MISSING if fetched.lost or unfinished else 0

    run_and_exit(main())


@command.command()
def report(folder: FolderArgument) -> None:
    """Write report.html with all outputs, and print its path."""

    async def main() -> int:
        typer.echo(await write_report(folder))
        return 0

    run_and_exit(main())


@command.command()
def export(
    folder: FolderArgument,
    form: Annotated[
        ExportFormat | None,
        typer.Option("--format", help="By default as --to is called, or else jsonl.", show_default=False),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            help="The file to write, whole or not at all, by its name .csv, .jsonl or .json; - or nothing is stdout.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Export all rows with their results, also during a run.

    `credits` is the cost of all attempts of a row or, for an unknown row, what it may have cost. File paths are
    relative to the folder; times are UTC. In CSV, a text that a spreadsheet would read as a formula begins with an
    apostrophe; JSON lines have every text unchanged.
    """
    if to is not None and str(to) == "-":
        to = None
    chosen = form or _format_of(to)
    if to is not None and is_own_file(to, folder):
        raise typer.BadParameter(
            f"{to} is one of the batch's own files: choose another name or folder", param_hint="--to"
        )

    async def main() -> int:
        reader = await open_reader(folder)
        try:
            async with aclosing(export_lines(reader, chosen)) as lines:
                if to is not None:
                    return await _write_export(to, lines)
                async for line in lines:
                    sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace"))
            sys.stdout.buffer.flush()
        finally:
            await reader.close()
        return 0

    run_and_exit(main())


async def _write_export(to: Path, lines: AsyncIterator[str]) -> int:
    try:
        await write_atomically(to, lines)
    except OSError as error:
        raise exit_with(f"{to}: {error.strerror}", BAD_USE) from None
    return 0


def _format_of(to: Path | None) -> ExportFormat:
    """Return the format for a file name's suffix."""
    if to is None:
        return "jsonl"
    for known in FORMATS:
        if to.suffix.lower() == f".{known}":
            return known
    raise typer.BadParameter(
        f"{to.name!r} does not end in .csv, .jsonl or .json: rename it, or give --format", param_hint="--to"
    )
