"""`generor batch`: rows of a file through one of the APIs, and what there is to know of them afterwards."""

import asyncio
import json
import os
import sys
from collections.abc import Coroutine
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from generor_async.batch.calls import CALLS
from generor_async.batch.export import FORMATS, Format, exported
from generor_async.batch.fetch import fetch_missing
from generor_async.batch.folder import Folder as ResultsFolder
from generor_async.batch.money import shown
from generor_async.batch.outcomes import write_whole
from generor_async.batch.parameters import OPERATIONS
from generor_async.batch.recover import recover as rebuild
from generor_async.batch.retry import make_ready
from generor_async.batch.runner import run_batch
from generor_async.batch.sqlite import open_reader
from generor_async.batch.status import check_kind, is_simulated, read_status
from generor_async.batch.status import report as write_report
from generor_async.cli.clients import SPEED, opened
from generor_async.cli.endings import BAD_USE, INTERRUPTED, SOME_MISSING, printable, say, stop, told
from generor_async.cli.question import ask, confirmed
from generor_async.cli.running import carry_out, refuse
from generor_async.cli.standing import follow as follow_run
from generor_async.cli.standing import show
from generor_async.errors import BuysAgainError, GenerorAsyncError
from generor_async.rules.vendors import vendor_of

__all__ = ["commands"]

SIMULATOR = "simulator.jsonl"
"""Where a folder keeps what the simulator was asked to do: it goes on with that."""
SIMULATED = f"simulated, {SPEED:g} times as fast: nothing is paid"

Folder = Annotated[Path, typer.Argument(help="The folder that was given to `run`.")]
TakeOver = Annotated[
    bool, typer.Option("--take-over", help="Go on in a folder that may be in use, once the process it names has ended.")
]

commands = typer.Typer(no_args_is_help=True, help="Run many prompts, each charged at most once.")


@commands.command()
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
    concurrency: Annotated[int | None, typer.Option(min=1, help="Rows in work at once.")] = None,
    prompt_column: Annotated[str | None, typer.Option(help="The column that holds the prompt.")] = None,
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
    again: Annotated[
        bool, typer.Option("--again", help="Buy once more what the folder has under another id, or made another way.")
    ] = False,
    drain: Annotated[
        float, typer.Option(min=0.0, help="Seconds for which SIGTERM and SIGHUP wait for answers of calls under way.")
    ] = 8.0,
    take_over: TakeOver = False,
    simulate: Annotated[bool, typer.Option("--simulate", help="Use the built-in simulator: free, and fast.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Spend without being asked first.")] = False,
) -> None:
    """Run the rows of a file. Ctrl-C waits for what is paid for; again, it stops at once. Either way it can go on.

    SIGTERM and SIGHUP submit nothing more either, and wait for the answers of calls under way alone, for --drain
    seconds at the most: what was taken on goes on, and is fetched by the next run.

    Elsewhere than on a terminal, stdout is JSON, whose `reason` is done, failed, cap, credits, key, unknown, downloads,
    disk, folder or interrupted. Exits with 0 where all rows are done; 1 after an error that nobody foresaw; 2 where
    nothing was begun, as for bad use or a bad key; 3 where it ran to its end, and some rows failed, are unknown or were
    set aside; 4 where the cap or the credits stopped it; 5 where it stopped as something is wrong with the key, the
    answers, the downloads, the disk, the folder or the network; 129, 130 and 143 after SIGHUP, Ctrl-C and SIGTERM.
    """
    if not (simulate or yes or (sys.stdin.isatty() and str(rows) != "-")):
        worth = shown(max_credits or 0.0, vendor_of(f"{api}.").credit_dollars)
        most = "without a cap" if max_credits is None else f"up to {max_credits:g} credits{worth}"
        raise typer.BadParameter(f"this spends real credits, {most}: say --yes, or --simulate to try it for nothing")

    operation = OPERATIONS[api]

    async def begun() -> int:
        await check_kind(out, simulated=simulate)
        if simulate:
            ResultsFolder(out, take_over=take_over).let_go()  # one simulator at a time goes on with its file
        async with opened(api, simulated=simulate, kept_in=out / SIMULATOR) as client:
            made = partial(
                run_batch,
                client,
                rows,
                to=out,
                max_credits=max_credits,
                price=price,
                refunds=refunds,
                concurrency=concurrency,
                prompt_column=prompt_column,
                common=dict(map(_parameter, param or ())),
                allow_duplicates=allow_duplicates,
                keep=keep or (),
                drain=drain,
                take_over=take_over,
            )
            batch = made(again=again)
            batch.tell(_say)
            if not simulate:
                await ask(batch, api=api, cap=max_credits, agreed=yes)
            ended = partial(carry_out, out=out, operation=operation, note=SIMULATED if simulate else "", drain=drain)
            try:
                return await ended(batch)
            except BuysAgainError as error:  # which --yes is no answer to
                if not (sys.stdin.isatty() and rows.is_file()):  # a pipe can't be read again
                    raise
                if not confirmed(f"{error.problem}. Buy it again?"):
                    raise stop("nothing was spent", INTERRUPTED) from None
            batch = made(again=True)
            batch.tell(_say)
            return await ended(batch)

    async def main() -> int:
        try:
            return await begun()
        except GenerorAsyncError as error:
            return await refuse(error, out, operation)

    _finish(main())


@commands.command()
def status(
    folder: Folder,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on showing it until the run has ended, every ten seconds in JSON.")
    ] = False,
) -> None:
    """Show how the rows stand; also while they are run."""

    async def main() -> int:
        if follow:
            await follow_run(folder)
        standing = await read_status(folder)
        show(standing, folder)
        return 0 if standing.is_complete else SOME_MISSING

    _finish(main())


@commands.command()
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
        typer.echo(f"{ready} rows are ready to be run again")
        return 0

    _finish(main())


@commands.command()
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

    _finish(main())


@commands.command()
def fetch(folder: Folder, take_over: TakeOver = False) -> None:
    """Fetch again what was made and is no longer in the folder; nothing is charged for that."""

    async def main() -> int:
        reader = await open_reader(folder)
        try:
            key: Any = await reader.recall("key")
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

    _finish(main())


@commands.command()
def report(folder: Folder) -> None:
    """Write report.html, with every output, and print where it is."""

    async def main() -> int:
        typer.echo(await write_report(folder))
        return 0

    _finish(main())


@commands.command()
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

    async def main() -> int:
        reader = await open_reader(folder)
        try:
            async with aclosing(exported(reader, chosen)) as lines:
                if to is not None:
                    await write_whole(to, lines)
                    return 0
                async for line in lines:
                    sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace"))
            sys.stdout.buffer.flush()
        except BrokenPipeError:  # who reads has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        finally:
            await reader.close()
        return 0

    _finish(main())


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


def _finish(main: Coroutine[Any, Any, int]) -> None:
    """Run a command, and exit with what it says."""
    try:
        code = asyncio.run(main)
    except KeyboardInterrupt:
        raise stop("interrupted", INTERRUPTED) from None
    except GenerorAsyncError as error:
        say(told(error))
        raise typer.Exit(BAD_USE) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise stop(f"{where}{error.strerror or error}", BAD_USE) from None
    raise typer.Exit(code)


def _say(sentence: str) -> None:
    typer.echo(printable(sentence), err=True)


def _parameter(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--param")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
