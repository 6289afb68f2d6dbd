"""`generor batch`: rows of a file through one of the APIs, and what there is to know of them afterwards."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Coroutine
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any, Literal
from zlib import crc32

import typer
from rich.console import Console

from generor_async.batch.export import exported
from generor_async.batch.folder import Folder as ResultsFolder
from generor_async.batch.money import shown
from generor_async.batch.outcomes import write_whole
from generor_async.batch.runner import Batch, run_batch
from generor_async.batch.sqlite import open_reader
from generor_async.batch.status import make_ready, read_status
from generor_async.batch.status import report as write_report
from generor_async.cli.clients import SPEED, opened
from generor_async.cli.endings import BAD_USE, INTERRUPTED, SOME_MISSING, printable, say, stop
from generor_async.cli.progress import tell
from generor_async.cli.question import ask
from generor_async.cli.standing import show
from generor_async.errors import GenerorAsyncError
from generor_async.rules.vendors import vendor_of

__all__ = ["commands"]

PORTS = range(18_000, 28_000)
"""Where the simulator listens: a folder goes on at the address where it began."""
SIMULATED = f"simulated, {SPEED:g} times as fast: nothing is paid"

Folder = Annotated[Path, typer.Argument(help="The folder that was given to `run`.")]
Lines = Literal["jsonl", "csv"]

commands = typer.Typer(no_args_is_help=True, help="Run many prompts, each charged at most once.")


@commands.command()
def run(
    rows: Annotated[Path, typer.Argument(help="A .jsonl, .csv or .tsv file: the parameters of one call a line.")],
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
    simulate: Annotated[bool, typer.Option("--simulate", help="Use the built-in simulator: free, and fast.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Spend without being asked first.")] = False,
) -> None:
    """Run the rows of a file. Ctrl-C waits for what is paid for; again, it stops at once. Either way it can go on.

    Exits with 0 where all rows are done, with 3 where some failed, are unknown, wait or were set aside, with 2 where
    nothing could be begun, and with 130 where it was interrupted.
    """
    if not (simulate or yes or sys.stdin.isatty()):
        worth = shown(max_credits or 0.0, vendor_of(f"{api}.").credit_dollars)
        most = "without a cap" if max_credits is None else f"up to {max_credits:g} credits{worth}"
        raise typer.BadParameter(f"this spends real credits, {most}: say --yes, or --simulate to try it for nothing")

    async def main() -> int:
        if simulate:
            ResultsFolder(out).let_go()  # says who uses it, before somebody else's simulator is met at its port
        async with opened(api, simulated=simulate, port=_port(out)) as client:
            batch = run_batch(
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
            )
            if not (simulate or yes):
                await ask(batch, api=api, cap=max_credits)
            return await _run(batch, out, note=SIMULATED if simulate else "")

    _finish(main())


@commands.command()
def status(folder: Folder) -> None:
    """Show how the rows stand; also while they are run."""

    async def main() -> int:
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
) -> None:
    """Make rows ready again, for the next `run`."""
    if not failed and not unknown:
        raise typer.BadParameter("say which rows: --failed, --unknown or both")

    async def main() -> int:
        typer.echo(f"{await make_ready(folder, failed=failed, unknown=unknown)} rows are ready to be run again")
        return 0

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
        Lines | None, typer.Option("--format", help="By default as --to is called, or else jsonl.", show_default=False)
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="The file to write, whole or not at all; by default stdout.", show_default=False)
    ] = None,
) -> None:
    """Write out all rows with what came of them, also while they are run.

    `credits` is what a row cost with all its attempts or, where nobody can say, may have cost. Files are relative to
    the folder; times are UTC. In CSV a text that a spreadsheet would take for a formula begins with an apostrophe:
    who needs every text as it was takes JSON lines.
    """
    chosen: Lines = form or ("csv" if to is not None and to.suffix.lower() == ".csv" else "jsonl")

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


def _finish(main: Coroutine[Any, Any, int]) -> None:
    """Run a command, and exit with what it says."""
    try:
        code = asyncio.run(main)
    except KeyboardInterrupt:
        raise stop("interrupted", INTERRUPTED) from None
    except GenerorAsyncError as error:
        _complain(error)
        raise typer.Exit(BAD_USE) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise stop(f"{where}{error.strerror or error}", BAD_USE) from None
    raise typer.Exit(code)


def _complain(error: GenerorAsyncError) -> None:
    """Say what an error says, with its notes on how to go on."""
    say(str(error))
    for note in getattr(error, "__notes__", ()):
        typer.echo(printable(note), err=True)


def _port(out: Path) -> int:
    return PORTS[crc32(os.fsencode(out.resolve())) % len(PORTS)]


async def _run(batch: Batch, out: Path, *, note: str) -> int:
    """Run it, say what came of it, and return how to exit."""
    problem: GenerorAsyncError | None = None
    stopped = False
    try:
        stopped = await _follow(batch, note)
    except GenerorAsyncError as error:
        if batch.progress is None or not batch.progress.total:
            raise
        problem = error
    standing = await read_status(out)
    show(standing, out)
    if problem is not None:
        _complain(problem)
    elif stopped:
        say("stopped; nothing is lost: run the same again to go on")
    elif batch.progress is not None and batch.progress.phase == "capped":
        say("the cap allows no more; run the same with a higher --max-credits to go on")
    page = await batch.report()
    if sys.stdout.isatty():
        typer.echo(f"see {page}")
    if stopped:
        return INTERRUPTED
    return 0 if standing.is_complete else SOME_MISSING


async def _follow(batch: Batch, note: str) -> bool:
    """Run it, telling how it goes; return whether Ctrl-C stopped it."""
    console, stops = Console(stderr=True), list[int]()

    def stop() -> None:
        stops.append(1)
        if len(stops) == 1 and not console.is_terminal:
            console.print("stopping: what is paid for is waited for; Ctrl-C again stops at once", soft_wrap=True)
        batch.stop()

    loop = asyncio.get_running_loop()
    if sys.platform != "win32":
        loop.add_signal_handler(signal.SIGINT, stop)
    telling = asyncio.create_task(tell(batch, console, note=note))
    try:
        async for _ in batch:
            pass
    finally:
        telling.cancel()
        await asyncio.wait([telling])
        if sys.platform != "win32":
            loop.remove_signal_handler(signal.SIGINT)
    return bool(stops)


def _parameter(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--param")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
