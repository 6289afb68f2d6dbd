"""`generor batch`: run the rows of a file, or submit them for workers; show, retry, fetch, report and export them."""

import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path
from typing import Annotated

import typer

from generor_async import AsyncGeneror, AsyncLuma
from generor_async.batch.call_log import CALLS
from generor_async.batch.export import FORMATS, ExportFormat, export_lines
from generor_async.batch.fetch import fetch_missing
from generor_async.batch.journal import open_reader
from generor_async.batch.outcomes import is_own_file, write_atomically
from generor_async.batch.recover import recover as rebuild
from generor_async.batch.retry import make_ready
from generor_async.batch.run_key import RunKey, read_key
from generor_async.batch.status import read_status
from generor_async.batch.status import report as write_report
from generor_async.cli.batch_adopt import adopt
from generor_async.cli.batch_health import check_health
from generor_async.cli.batch_options import FolderArgument, JsonOption, OutputOptions, QuietOption, TakeOverOption
from generor_async.cli.batch_places import (
    NameOption,
    Place,
    PlaceArgument,
    choose_run,
    find_place,
    shared_limits_url,
)
from generor_async.cli.batch_queue import wake
from generor_async.cli.batch_run import SIMULATOR, run
from generor_async.cli.batch_runs import delete, migrate, resume, stop
from generor_async.cli.batch_submit import submit
from generor_async.cli.batch_worker import worker
from generor_async.cli.clients import open_client
from generor_async.cli.error_output import exit_with, print_error, run_and_exit
from generor_async.cli.exit_codes import BAD_USE, SIGNAL_BASE, SOME_MISSING
from generor_async.cli.signals import SignalledError, unless_signalled
from generor_async.cli.status_view import follow_status as follow_run
from generor_async.cli.status_view import print_status, print_stop, workers_of
from generor_async.rules.row_states import PAID_STATES

__all__ = ["command"]

command = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Run many prompts, each charged at most once.",
)


command.command()(run)
command.command()(submit)
command.command()(worker)


@command.command()
def status(
    place: PlaceArgument = None,
    name: NameOption = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on showing it until the run has ended, every ten seconds in JSON.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Print nothing if all is well; for probes, by the exit code.")
    ] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show the state of the rows, also during a run. Without a terminal, stdout is JSON.

    Exits with 0 if all rows are done; with 3 if some are not, or were set aside. With --check, 0 also means that the
    run goes on; 4 that money stopped it, 5 that a problem did or that no worker is there, and 2 that it can't be read.
    """
    output, found = OutputOptions(quiet=quiet, json=as_json), find_place(place, name)

    async def main() -> int:
        if check:
            return await check_health(found)
        chosen = await choose_run(found)
        if follow:
            try:
                await unless_signalled(follow_run(chosen, output))
            except SignalledError as error:
                raise exit_with("interrupted", SIGNAL_BASE + error.number) from None
        current = await read_status(chosen.to, name=chosen.name)
        print_status(current, chosen, output, workers=await workers_of(chosen))
        await print_stop(chosen, output)
        return 0 if current.is_complete else SOME_MISSING

    run_and_exit(main())


@command.command()
def retry(
    place: PlaceArgument = None,
    name: NameOption = None,
    failed: Annotated[bool, typer.Option("--failed", help="Rows that failed.")] = False,
    unknown: Annotated[
        bool, typer.Option("--unknown", help="Rows that may have been charged: they may be charged again.")
    ] = False,
    ids: Annotated[
        list[str] | None, typer.Option("--id", metavar="ID", help="The row of this id alone; may be given repeatedly.")
    ] = None,
    take_over: TakeOverOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make rows ready: for the next `run`, or for the workers of a database."""
    if not (failed or unknown or ids):
        raise typer.BadParameter("choose the rows with --failed, --unknown or --id")
    found = find_place(place, name)

    async def main() -> int:
        chosen = await choose_run(found)
        ready = await make_ready(
            chosen.to, name=chosen.name, failed=failed, unknown=unknown, ids=ids or (), take_over=take_over
        )
        typer.echo("1 row is ready to be run again" if ready == 1 else f"{ready:,} rows are ready to be run again")
        await print_stop(chosen, OutputOptions(quiet=quiet))
        await wake(chosen, OutputOptions(quiet=quiet))
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
def fetch(place: PlaceArgument = None, name: NameOption = None, take_over: TakeOverOption = False) -> None:
    """Download files that are missing in the folder or the object storage; costs nothing.

    Exits with 3 if some could not be downloaded, or come only with the next `run`.
    """
    found = find_place(place, name)

    async def main() -> int:
        chosen = await choose_run(found)
        reader = await open_reader(chosen.to, name=chosen.name)
        try:
            key = await read_key(reader)
        finally:
            await reader.close()
        assert key is not None
        async with _client_of(chosen, key) as client:
            fetched = await fetch_missing(client, chosen.to, name=chosen.name, take_over=take_over)
        counts = (await read_status(chosen.to, name=chosen.name, checks_storage=False)).counts
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


def _client_of(place: Place, key: RunKey) -> AbstractAsyncContextManager[AsyncGeneror | AsyncLuma]:
    """Return the client for a batch: of the API, or of the simulator that its folder has."""
    if isinstance(place.to, Path):
        return open_client(
            key.api, simulated=key.is_simulated, kept_in=place.to / SIMULATOR if key.is_simulated else None
        )
    return open_client(key.api, limits_at=shared_limits_url(place.url))


@command.command()
def report(
    place: PlaceArgument = None,
    name: NameOption = None,
    to: Annotated[
        Path | None,
        typer.Option(help="The page; by default report.html in the folder, or NAME.html here.", show_default=False),
    ] = None,
    signed_links: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="Sign links to outputs in object storage: who has the page can open them so long."
        ),
    ] = None,
) -> None:
    """Write a page with all outputs, and print its path."""
    found = find_place(place, name)

    async def main() -> int:
        chosen = await choose_run(found)
        typer.echo(await write_report(chosen.to, name=chosen.name, page=to, signed_links=signed_links))
        return 0

    run_and_exit(main())


@command.command()
def export(
    place: PlaceArgument = None,
    name: NameOption = None,
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
    chosen_form, found = form or _format_of(to), find_place(place, name)
    if to is not None and isinstance(found.to, Path) and is_own_file(to, found.to):
        raise typer.BadParameter(
            f"{to} is one of the batch's own files: choose another name or folder", param_hint="--to"
        )

    async def main() -> int:
        chosen = await choose_run(found)
        reader = await open_reader(chosen.to, name=chosen.name)
        try:
            async with aclosing(export_lines(reader, chosen_form)) as lines:
                if to is not None:
                    return await _write_export(to, lines)
                async for line in lines:
                    sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace"))
            sys.stdout.buffer.flush()
        finally:
            await reader.close()
        return 0

    run_and_exit(main())


for made in (adopt, stop, resume, delete, migrate):
    command.command()(made)


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
