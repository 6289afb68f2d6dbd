"""Prints the state of a batch's rows: a table on a terminal, JSON elsewhere."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from generor_async.batch.amounts import format_dollars, rounded
from generor_async.batch.folder import LOCK
from generor_async.batch.folder_lock import FolderLock
from generor_async.batch.outcomes import REJECTED
from generor_async.batch.runs import live_workers, read_run
from generor_async.batch.status import NOTHING_PAID, Status, read_status
from generor_async.cli.batch_options import OutputOptions
from generor_async.cli.batch_places import Place
from generor_async.cli.error_output import escape_controls
from generor_async.errors import InvalidRequestError, JournalError
from generor_async.rules.stop_rules import StopReason
from generor_async.stores.records import Failure, LiveOwner

__all__ = ["follow_status", "print_status", "print_stop", "workers_of"]

CENT = 0.005
STOPPED: Final[Mapping[StopReason | None, str]] = {
    "cap": "the cap is reached: submit the rows again with a higher --max-credits",
    "credits": "the account has no credits left: top it up, then `{resume}`",
    "key": "the key of the last worker was refused: correct it on its machine, and start it again",
    "database": "the database is another one than before: see what the account says, then `{resume} --after-failover`",
}
"""Why no worker goes on with a run in a database, and what to do."""
LIVE_EVERY, LINE_EVERY = 1.0, 10.0
"""Seconds between two updates of the live view, and between two lines."""


def print_status(
    status: Status,
    place: Place,
    output: OutputOptions,
    *,
    named: bool = False,
    workers: Sequence[LiveOwner] | None = None,
) -> None:
    """Print the state of the rows, and the first lines that were set aside unless they were `named` before.

    `workers` are those at work on a run in a database.

    For unknown rows, say what they wait for and until when: for each row in JSON, else for all rows with the same
    reason.
    """
    if output.is_json:
        typer.echo(json.dumps(_status_json(status, workers)))
    else:
        Console().print(_table(status, workers))
    for failure in status.failures:
        typer.echo(f"{failure.rows:,} failed: {escape_controls(_failure_text(failure))}", err=True)
    for why, rows in Counter(doubt.why for doubt in status.doubts).items():
        until = max((doubt.until for doubt in status.doubts if doubt.why == why and doubt.until), default=None)
        typer.echo(f"{rows:,} unknown: {escape_controls(why)}{_until(until)}", err=True)
    if status.missing:
        output.note(
            f"{status.missing:,} of the rows that are done have files that are no longer there:"
            f" `{place.command('fetch')}` downloads them again at no cost"
        )
    if status.storage_problem:
        output.note(f"the storage can't be asked for files: {escape_controls(status.storage_problem)}")
    for reject in status.set_aside if not named else ():
        typer.echo(f"{reject.place} was set aside: {reject.reason}", err=True)
    if more := status.rejected - len(status.set_aside):
        where = f": see {place.to / REJECTED}" if isinstance(place.to, Path) else ""
        typer.echo(f"and {more:,} more{where}", err=True)
    for again in status.came_again:
        output.note(f"{again.place} is the same row as {again.first}: it is run once")
    if more := status.duplicates - len(status.came_again):
        output.note(f"and {more:,} more duplicates: `export` lists each with the result of the first")


async def follow_status(place: Place, output: OutputOptions) -> None:
    """Show the state of the rows for as long as a run uses the folder or, in a database, is unfinished."""
    if not output.is_json:
        with Live(auto_refresh=False, transient=True) as live:
            async for status, workers in _while_running(place, output, every=LIVE_EVERY):
                live.update(_table(status, workers), refresh=True)
    else:
        async for status, workers in _while_running(place, output, every=LINE_EVERY):
            typer.echo(json.dumps(_status_json(status, workers)))


async def _while_running(
    place: Place, output: OutputOptions, *, every: float
) -> AsyncIterator[tuple[Status, Sequence[LiveOwner] | None]]:
    """Yield the status again and again; a database that is away for a while is waited for."""
    is_away = False
    while True:
        try:
            if not await _is_running(place):
                return
            status = await read_status(place.to, name=place.name, checks_storage=False)
            workers = await workers_of(place)
        except (InvalidRequestError, JournalError) as error:
            if isinstance(place.to, Path):
                raise
            if not is_away:
                output.note(f"{error} It is tried again.")
            is_away = True
        else:
            is_away = False
            yield status, workers
        await asyncio.sleep(every)


async def _is_running(place: Place) -> bool:
    if isinstance(place.to, Path):
        return FolderLock.is_held(place.to / LOCK)
    return (await read_run(place.url, place.run)).wants_shifts


async def print_stop(place: Place, output: OutputOptions) -> None:
    """Say why no worker goes on with a run in a database, if that is so."""
    if not isinstance(place.to, Path):
        run, resume = await read_run(place.url, place.run), place.command("resume")
        if run.is_stopped and run.has_open_rows:
            output.note(f"stopped by `generor batch stop`: `{resume}` goes on with it")
        elif run.reason in STOPPED:
            output.note(f"stopped: {STOPPED[run.reason].format(resume=resume)}")


async def workers_of(place: Place) -> Sequence[LiveOwner] | None:
    """Return who is at work on a run in a database; None for a folder."""
    return None if isinstance(place.to, Path) else await live_workers(place.url, place.run)


def _status_json(status: Status, workers: Sequence[LiveOwner] | None) -> dict[str, object]:
    amounts = {"spent": status.spent, "estimated": status.estimated, "doubtful": status.doubtful}
    if status.refundable:
        amounts["refundable"] = status.refundable
    result: dict[str, object] = {
        "operation": status.operation,
        "reason": status.reason,
        **({"simulated": True} if status.simulated else {}),
        "rows": {state: rows for state, rows in status.counts.items() if rows},
        **({} if workers is None else {"workers": [worker.process for worker in workers]}),
        "unknown": [
            {
                "id": doubt.id,
                "place": doubt.place,
                "why": doubt.why,
                "until": None if doubt.until is None else doubt.until.isoformat(timespec="seconds"),
            }
            for doubt in status.doubts
        ],
        "failed": [
            {"rows": one.rows, "error": one.error, **({"code": one.code} if one.code else {}), "message": one.message}
            for one in status.failures
        ],
        **({"missing": status.missing} if status.missing else {}),
        **({"storage_problem": status.storage_problem} if status.storage_problem else {}),
        "rejected": status.rejected,
        "set_aside": [{"place": reject.place, "reason": reject.reason} for reject in status.set_aside],
        "duplicates": status.duplicates,
        "credits": amounts | {"cap": status.cap},
    }
    if (worth := status.credit_dollars) is not None:
        result["dollars"] = {name: rounded(amount * worth) for name, amount in amounts.items()} | {
            "cap": None if status.cap is None else rounded(status.cap * worth)
        }
    return result


def _failure_text(failure: Failure) -> str:
    code = f" ({failure.code})" if failure.code else ""
    example = "" if failure.rows == 1 else ", such as"
    return f"{failure.error}{code}{example}: {failure.message}" if failure.error else failure.message


def _until(when: datetime | None) -> str:
    """Return until when a row waits, in the local time zone."""
    return "" if when is None else f" (until {when.astimezone():%Y-%m-%d %H:%M:%S %Z})"


def _table(status: Status, workers: Sequence[LiveOwner] | None) -> Table:
    table = Table.grid(padding=(0, 2))
    if status.simulated:
        table.add_row("", NOTHING_PAID)
    for state, rows in status.counts.items():
        if rows:
            table.add_row(state, f"{rows:,}")
    if workers is not None:
        table.add_row("workers", ", ".join(worker.process for worker in workers) or "none")
    if status.rejected:
        table.add_row("set aside", f"{status.rejected:,}")
    if status.duplicates:
        table.add_row("duplicates", f"{status.duplicates:,}, each run once with the first")
    spent = f"{status.spent:,.2f} credits{format_dollars(status.spent, status.credit_dollars)}"
    if abs(status.estimated - status.spent) >= CENT:
        spent += f", estimated at {status.estimated:,.2f}"
    table.add_row("spent", spent)
    if status.doubtful >= CENT:
        worth = format_dollars(status.doubtful, status.credit_dollars)
        table.add_row("may have been spent", f"{status.doubtful:,.2f} credits{worth}")
    if status.refundable >= CENT:
        worth = format_dollars(status.refundable, status.credit_dollars)
        table.add_row(
            "",
            f"{status.refundable:,.2f} credits{worth} of it refunded, says the vendor's FAQ: --refunds subtracts it",
        )
    return table
