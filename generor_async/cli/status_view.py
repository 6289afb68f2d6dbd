"""How the rows of a batch stand: a table on a terminal, JSON elsewhere."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from generor_async.batch.amounts import rounded, shown
from generor_async.batch.folder import LOCK
from generor_async.batch.folder_lock import Lock
from generor_async.batch.journal import Failure
from generor_async.batch.outcomes import REJECTED
from generor_async.batch.status import NOTHING_PAID, Status, read_status
from generor_async.cli.batch_options import Output
from generor_async.cli.exit_codes import printable

__all__ = ["follow", "show"]

CENT = 0.005
LIVE_EVERY, LINE_EVERY = 1.0, 10.0
"""Seconds between two pictures, and two lines."""


def show(standing: Status, folder: Path, output: Output, *, named: bool = False) -> None:
    """Print how the rows stand, and name the first lines that were set aside, unless they were `named` before.

    Of unknown rows it is said what is waited for, and until when: in JSON of each, else of all that have it in common.
    """
    if output.is_json:
        typer.echo(json.dumps(_told(standing)))
    else:
        Console().print(_table(standing))
    for failure in standing.failures:
        typer.echo(f"{failure.rows:,} failed: {printable(_why(failure))}", err=True)
    for why, rows in Counter(doubt.why for doubt in standing.doubts).items():
        until = max((doubt.until for doubt in standing.doubts if doubt.why == why and doubt.until), default=None)
        typer.echo(f"{rows:,} unknown: {printable(why)}{_until(until)}", err=True)
    if standing.missing:
        output.note(
            f"{standing.missing:,} of the rows that are done were stored, and their files are no longer in {folder}:"
            f" `generor batch fetch {folder}` has them again, at no cost"
        )
    for reject in standing.set_aside if not named else ():
        typer.echo(f"{reject.place} was set aside: {reject.reason}", err=True)
    if more := standing.rejected - len(standing.set_aside):
        typer.echo(f"and {more:,} more: see {folder / REJECTED}", err=True)
    for again in standing.came_again:
        output.note(f"{again.place} is the same row as {again.first}: it is run once")
    if more := standing.duplicates - len(standing.came_again):
        output.note(f"and {more:,} more came again: `export` has each of them, with the result of the first")


async def follow(folder: Path, output: Output) -> None:
    """Show how the rows stand for as long as a run goes on."""
    if not output.is_json:
        with Live(auto_refresh=False, transient=True) as live:
            async for standing in _while_running(folder, every=LIVE_EVERY):
                live.update(_table(standing), refresh=True)
    else:
        async for standing in _while_running(folder, every=LINE_EVERY):
            typer.echo(json.dumps(_told(standing)))


async def _while_running(folder: Path, *, every: float) -> AsyncIterator[Status]:
    while Lock.is_held(folder / LOCK):
        yield await read_status(folder)
        await asyncio.sleep(every)


def _told(standing: Status) -> dict[str, object]:
    amounts = {"spent": standing.spent, "estimated": standing.estimated, "doubtful": standing.doubtful}
    if standing.refundable:
        amounts["refundable"] = standing.refundable
    told: dict[str, object] = {
        "operation": standing.operation,
        "reason": standing.reason,
        **({"simulated": True} if standing.simulated else {}),
        "rows": {state: rows for state, rows in standing.counts.items() if rows},
        "unknown": [
            {
                "id": doubt.id,
                "place": doubt.place,
                "why": doubt.why,
                "until": None if doubt.until is None else doubt.until.isoformat(timespec="seconds"),
            }
            for doubt in standing.doubts
        ],
        "failed": [
            {"rows": one.rows, "error": one.error, **({"code": one.code} if one.code else {}), "message": one.message}
            for one in standing.failures
        ],
        **({"missing": standing.missing} if standing.missing else {}),
        "rejected": standing.rejected,
        "set_aside": [{"place": reject.place, "reason": reject.reason} for reject in standing.set_aside],
        "duplicates": standing.duplicates,
        "credits": amounts | {"cap": standing.cap},
    }
    if (worth := standing.credit_dollars) is not None:
        told["dollars"] = {name: rounded(amount * worth) for name, amount in amounts.items()} | {
            "cap": None if standing.cap is None else rounded(standing.cap * worth)
        }
    return told


def _why(failure: Failure) -> str:
    code = f" ({failure.code})" if failure.code else ""
    example = "" if failure.rows == 1 else ", such as"
    return f"{failure.error}{code}{example}: {failure.message}" if failure.error else failure.message


def _until(when: datetime | None) -> str:
    """Say until when is waited, by the time of this machine's zone."""
    return "" if when is None else f" (until {when.astimezone():%Y-%m-%d %H:%M:%S %Z})"


def _table(standing: Status) -> Table:
    table = Table.grid(padding=(0, 2))
    if standing.simulated:
        table.add_row("", NOTHING_PAID)
    for state, rows in standing.counts.items():
        if rows:
            table.add_row(state, f"{rows:,}")
    if standing.rejected:
        table.add_row("set aside", f"{standing.rejected:,}")
    if standing.duplicates:
        table.add_row("duplicates", f"{standing.duplicates:,}, each run once with the first")
    spent = f"{standing.spent:,.2f} credits{shown(standing.spent, standing.credit_dollars)}"
    if abs(standing.estimated - standing.spent) >= CENT:
        spent += f", estimated at {standing.estimated:,.2f}"
    table.add_row("spent", spent)
    if standing.doubtful >= CENT:
        worth = shown(standing.doubtful, standing.credit_dollars)
        table.add_row("may be spent", f"{standing.doubtful:,.2f} credits{worth}")
    if standing.refundable >= CENT:
        worth = shown(standing.refundable, standing.credit_dollars)
        table.add_row(
            "", f"{standing.refundable:,.2f} credits{worth} of it refunded, says the FAQ: --refunds counts it so"
        )
    return table
