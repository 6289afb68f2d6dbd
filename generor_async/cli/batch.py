"""`generor batch`: rows of a file through one of the APIs, and what there is to know of them afterwards."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal
from zlib import crc32

import typer
from rich.console import Console
from rich.table import Table

from generor_async import AsyncGeneror, AsyncLuma
from generor_async.batch.folder import Folder as ResultsFolder
from generor_async.batch.runner import Batch, run_batch
from generor_async.batch.status import Status, make_ready, read_rejected, read_status
from generor_async.batch.status import report as write_report
from generor_async.engine.client import Client
from generor_async.errors import GenerorAsyncError
from generor_async.simulator import Simulator

__all__ = ["commands"]

SOME_MISSING, BAD_USE, INTERRUPTED = 3, 2, 130
NAMED = 5
"""Lines that were set aside which are named on the terminal."""
EVERY = 10.0
"""Seconds between two lines of progress."""
SPEED = 60.0
"""Simulated seconds that pass in a real one."""
PORTS = range(18_000, 28_000)
"""Where the simulator listens: a folder goes on at the address where it began."""

Folder = Annotated[Path, typer.Argument(help="The folder that was given to `run`.")]

commands = typer.Typer(no_args_is_help=True, help="Run many prompts, each charged at most once.")


@commands.command()
def run(
    rows: Annotated[Path, typer.Argument(help="A .jsonl, .csv or .tsv file: the parameters of one call a line.")],
    out: Annotated[Path, typer.Option(help="The folder for the journal, results and media; goes on where it was.")],
    api: Annotated[Literal["luma", "generor"], typer.Option(help="The API to use.")] = "luma",
    max_credits: Annotated[float | None, typer.Option(help="What may be spent, in the API's credits.")] = None,
    price: Annotated[float | None, typer.Option(help="US dollars a generation, where Luma names none.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Rows in work at once.")] = None,
    prompt_column: Annotated[str | None, typer.Option(help="The column that holds the prompt.")] = None,
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter of every row that doesn't give it.")
    ] = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="Use the built-in simulator: free, and fast.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Spend without being asked first.")] = False,
) -> None:
    """Run the rows of a file. Ctrl-C waits for what is paid for; again, it stops at once. Either way it can go on."""
    if not (simulate or yes):
        _ask(rows, api, max_credits)

    async def main() -> int:
        async with _client(api, out, simulated=simulate) as client:
            batch = run_batch(
                client,
                rows,
                to=out,
                max_credits=max_credits,
                price=price,
                concurrency=concurrency,
                prompt_column=prompt_column,
                common=dict(map(_parameter, param or ())),
            )
            stopped = await _follow(batch, out)
            await batch.report()
        standing = await read_status(out)
        _show(standing)
        await _name_rejected(out, standing)
        if stopped:
            return INTERRUPTED
        return 0 if standing.is_complete else SOME_MISSING

    _finish(main())


@commands.command()
def status(folder: Folder) -> None:
    """Show how the rows stand; also while they are run."""

    async def main() -> int:
        standing = await read_status(folder)
        _show(standing)
        await _name_rejected(folder, standing)
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


def _ask(rows: Path, api: str, max_credits: float | None) -> None:
    """Ask whether real money may be spent; where nobody can answer, it may not."""
    most = "without a cap" if max_credits is None else f"up to {max_credits:g} credits"
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"this spends real credits, {most}: say --yes, or --simulate to try it for nothing")
    typer.confirm(f"Run the rows of {rows} through the real API of {api}, {most}?", abort=True)


def _finish(main: Any) -> None:
    """Run a command, and exit with what it says."""
    try:
        code = asyncio.run(main)
    except GenerorAsyncError as error:
        typer.echo(f"generor: {error}", err=True)
        raise typer.Exit(BAD_USE) from None
    except OSError as error:
        typer.echo(f"generor: {error.strerror or error}", err=True)
        raise typer.Exit(BAD_USE) from None
    raise typer.Exit(code)


def _port(out: Path) -> int:
    return PORTS[crc32(os.fsencode(out.resolve())) % len(PORTS)]


@asynccontextmanager
async def _client(api: str, out: Path, *, simulated: bool) -> AsyncGenerator[Client, None]:
    kind = AsyncLuma if api == "luma" else AsyncGeneror
    if not simulated:
        async with kind() as client:
            yield client
        return
    ResultsFolder(out).let_go()  # says who uses it, before somebody else's simulator is met at its port
    async with Simulator(speed=SPEED, tier="pro", generor_credits=1_000_000, port=_port(out)) as simulator:
        options = simulator.luma_options if api == "luma" else simulator.generor_options
        async with kind(**options) as client:
            yield client


async def _follow(batch: Batch, out: Path) -> bool:
    """Run it, telling how it goes; return whether Ctrl-C stopped it."""
    stops: list[int] = []

    def stop() -> None:
        stops.append(1)
        typer.echo("stopping: what is paid for is waited for; Ctrl-C again stops at once" * (len(stops) == 1), err=True)
        batch.stop()

    loop = asyncio.get_running_loop()
    if sys.platform != "win32":
        loop.add_signal_handler(signal.SIGINT, stop)
    telling = asyncio.create_task(_tell(out))
    try:
        async for _ in batch:
            pass
    finally:
        telling.cancel()
        if sys.platform != "win32":
            loop.remove_signal_handler(signal.SIGINT)
    return bool(stops)


async def _tell(out: Path) -> None:
    while True:
        await asyncio.sleep(EVERY)
        counts = (await read_status(out)).counts
        typer.echo(", ".join(f"{rows} {state}" for state, rows in counts.items() if rows), err=True)


async def _name_rejected(folder: Path, standing: Status) -> None:
    """Name the lines that were set aside, each with what to do about it."""
    for reject in await read_rejected(folder, most=NAMED):
        typer.echo(f"{reject.place} was set aside: {reject.reason}", err=True)
    if standing.rejected > NAMED:
        typer.echo(f"and {standing.rejected - NAMED:,} more: see {folder / 'rejected.jsonl'}", err=True)


def _parameter(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--param")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _show(standing: Status) -> None:
    """Print how the rows stand: a table on a terminal, JSON elsewhere."""
    told = {
        "operation": standing.operation,
        "rows": {state: rows for state, rows in standing.counts.items() if rows},
        "rejected": standing.rejected,
        "credits": {"spent": standing.spent, "doubtful": standing.doubtful, "cap": standing.cap},
    }
    if not sys.stdout.isatty():
        typer.echo(json.dumps(told))
        return
    table = Table.grid(padding=(0, 2))
    for state, rows in standing.counts.items():
        if rows:
            table.add_row(state, f"{rows:,}")
    if standing.rejected:
        table.add_row("set aside", f"{standing.rejected:,}")
    table.add_row("spent", f"{standing.spent:,.2f} credits")
    if standing.doubtful:
        table.add_row("may be spent", f"{standing.doubtful:,.2f} credits")
    Console().print(table)
