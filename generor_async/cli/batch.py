"""`generor batch`: rows of a file through one of the APIs, and what there is to know of them afterwards."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any

import typer

from generor_async.batch.call_log import CALLS
from generor_async.batch.export import FORMATS, Format, exported
from generor_async.batch.fetch import fetch_missing
from generor_async.batch.outcomes import is_own, write_whole
from generor_async.batch.retry import make_ready
from generor_async.batch.sqlite import open_reader
from generor_async.batch.sqlite.recover import recover as rebuild
from generor_async.batch.status import is_simulated, read_status
from generor_async.batch.status import report as write_report
from generor_async.cli.batch_options import Folder, Json, Output, Quiet, TakeOver
from generor_async.cli.batch_run import SIMULATOR, run
from generor_async.cli.clients import opened
from generor_async.cli.exit_codes import BAD_USE, BY_SIGNAL, SOME_MISSING, finish, say, stop
from generor_async.cli.signals import SignalledError, unless_signalled
from generor_async.cli.status_view import follow as follow_run
from generor_async.cli.status_view import show

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
    folder: Folder,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on showing it until the run has ended, every ten seconds in JSON.")
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Show how the rows stand; also while they are run. Elsewhere than on a terminal, stdout is JSON.

    Exits with 0 where all rows are done, and with 3 where some are not, or were set aside.
    """
    output = Output(quiet=quiet, json=as_json)

    async def main() -> int:
        if follow:
            try:
                await unless_signalled(follow_run(folder, output))
            except SignalledError as error:
                raise stop("interrupted", BY_SIGNAL + error.number) from None
        standing = await read_status(folder)
        show(standing, folder, output)
        return 0 if standing.is_complete else SOME_MISSING

    finish(main())


@command.command()
def retry(
    folder: Folder,
    failed: Annotated[bool, typer.Option("--failed", help="Rows that failed.")] = False,
    unknown: Annotated[
        bool, typer.Option("--unknown", help="Rows that may have been charged: they may be charged again.")
    ] = False,
    ids: Annotated[
        list[str] | None, typer.Option("--id", metavar="ID", help="The row of this id alone; may be given repeatedly.")
    ] = None,
    take_over: TakeOver = False,
) -> None:
    """Make rows ready again, for the next `run`."""
    if not (failed or unknown or ids):
        raise typer.BadParameter("say which rows: --failed, --unknown or both, or --id")

    async def main() -> int:
        ready = await make_ready(folder, failed=failed, unknown=unknown, ids=ids or (), take_over=take_over)
        typer.echo("1 row is ready to be run again" if ready == 1 else f"{ready:,} rows are ready to be run again")
        return 0

    finish(main())


@command.command()
def recover(folder: Folder, take_over: TakeOver = False) -> None:
    """Rebuild a journal that was lost, from what is beside it: calls.jsonl, results.jsonl and the media.

    Buys nothing. Rows of which nobody knows what came of them are unknown; what there was of the journal is kept.
    """

    async def main() -> int:
        found = await rebuild(folder, take_over=take_over)
        rows = ", ".join(f"{count:,} {state}" for state, count in found.counts.items()) or "no row"
        typer.echo(f"the journal is rebuilt, with {rows}; the same run goes on with it")
        if not found.knows_calls:
            say(
                f"{CALLS} is missing: rows that were bought and have no result yet are not known, and the next run buys"
                " them again. Look into the account first"
            )
        if found.strays:
            say(f"{found.strays:,} files in {folder / 'media'} belong to no row that is known")
        return 0

    finish(main())


@command.command()
def fetch(folder: Folder, take_over: TakeOver = False) -> None:
    """Fetch again what was made and is no longer in the folder; nothing is charged for that."""

    async def main() -> int:
        reader = await open_reader(folder)
        try:
            key: Any = await reader.read_note("key")
        finally:
            await reader.close()
        api, simulated = key["operation"].partition(".")[0], is_simulated(key)
        async with opened(api, simulated=simulated, kept_in=folder / SIMULATOR if simulated else None) as client:
            fetched = await fetch_missing(client, folder, take_over=take_over)
        rows = "1 row has its files" if fetched.rows == 1 else f"{fetched.rows:,} rows have their files"
        typer.echo(f"{rows} again" if fetched.rows or fetched.lost else "no file is missing")
        for id_, error in fetched.errors:
            say(f"the files of {id_} can't be had: {error}")
        if more := fetched.lost - len(fetched.errors):
            say(f"and those of {more:,} more")
        return SOME_MISSING if fetched.lost else 0

    finish(main())


@command.command()
def report(folder: Folder) -> None:
    """Write report.html, with every output, and print where it is."""

    async def main() -> int:
        typer.echo(await write_report(folder))
        return 0

    finish(main())


@command.command()
def export(
    folder: Folder,
    form: Annotated[
        Format | None, typer.Option("--format", help="By default as --to is called, or else jsonl.", show_default=False)
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            help="The file to write, whole or not at all, by its name .csv, .jsonl or .json; - or nothing is stdout.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write out all rows with what came of them, also while they are run.

    `credits` is what a row cost with all its attempts or, where nobody can say, may have cost. Files are relative to
    the folder; times are UTC. In CSV a text that a spreadsheet would take for a formula begins with an apostrophe:
    who needs every text as it was takes JSON lines.
    """
    if to is not None and str(to) == "-":
        to = None
    chosen = form or _format_of(to)
    if to is not None and is_own(to, folder):
        raise typer.BadParameter(f"{to} is the batch's own: give it another name or place", param_hint="--to")

    async def main() -> int:
        reader = await open_reader(folder)
        try:
            async with aclosing(exported(reader, chosen)) as lines:
                if to is not None:
                    return await _written(to, lines)
                async for line in lines:
                    sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace"))
            sys.stdout.buffer.flush()
        except BrokenPipeError:  # who reads has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        finally:
            await reader.close()
        return 0

    finish(main())


async def _written(to: Path, lines: AsyncIterator[str]) -> int:
    try:
        await write_whole(to, lines)
    except OSError as error:
        raise stop(f"{to}: {error.strerror}", BAD_USE) from None
    return 0


def _format_of(to: Path | None) -> Format:
    """Return the format that a file is called by."""
    if to is None:
        return "jsonl"
    for known in FORMATS:
        if to.suffix.lower() == f".{known}":
            return known
    raise typer.BadParameter(
        f"{to.name!r} is called neither .csv nor .jsonl nor .json: name it so, or say --format", param_hint="--to"
    )
