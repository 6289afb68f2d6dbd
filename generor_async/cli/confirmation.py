"""The confirmation before a run spends credits: rows, price and time, and the question."""

import hashlib
import json
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from generor_async.batch.amounts import format_credits, format_dollars, rounded
from generor_async.batch.estimate import BatchEstimate
from generor_async.batch.notices import MAX_REJECTS_NAMED
from generor_async.batch.runner import Batch
from generor_async.cli.batch_options import OutputOptions
from generor_async.cli.progress_view import duration
from generor_async.cli.signals import SignalledError, raise_signals
from generor_async.errors import InvalidRequestError
from generor_async.stores.records import Reject

__all__ = ["DeclinedError", "confirm", "confirm_run", "print_plan", "unless_changed"]


READING_MESSAGE: Final = "Reading the rows and getting their prices"
ROWS_PREVIEWED: Final = 10_000
"""Rows that are read for the preview of a run that needs no confirmation."""


class DeclinedError(Exception):
    """The person who was asked said no."""


async def confirm_run(batch: Batch, *, api: str, agreed: bool) -> None:
    """Show what a run would do and cost, and ask; raises DeclinedError after a no.

    If it is `agreed` already, nothing is asked, and only the first rows are counted, so that the run starts soon.
    """
    console = Console(stderr=True)
    with console.status(READING_MESSAGE):
        estimate = await batch.estimate(first=ROWS_PREVIEWED if agreed else None)
    if not estimate.rows:
        return
    console.print(_table(estimate, api=api))
    if not agreed:
        confirm(f"Spend this through {api.capitalize()}'s real API?")


async def print_plan(batch: Batch, *, api: str, output: OutputOptions) -> None:
    """Print what a run would do and cost, without a question."""
    if output.is_json:
        kind = {"simulated": True} if output.simulated else {}
        typer.echo(json.dumps({"dry_run": True, **kind, **_plan_json(await batch.estimate(), batch.set_aside)}))
        return
    with Console(stderr=True, quiet=output.quiet).status(READING_MESSAGE):
        estimate = await batch.estimate()
    if output.simulated:
        typer.echo("simulated: nothing would be charged")
    Console().print(_table(estimate, api=api))


def _plan_json(plan: BatchEstimate, set_aside: Sequence[Reject]) -> dict[str, object]:
    amounts = {"estimated": plan.credits, "counted": plan.counted, "cap": plan.cap}
    plan_json: dict[str, object] = {
        "rows": {"new": plan.new, "ready": plan.ready, "under_way": plan.under_way},
        "begun": plan.rows,
        "limit": plan.limit,
        "unpriced": plan.unpriced,
        "rejected": plan.rejected,
        "set_aside": [{"place": one.place, "reason": one.reason} for one in set_aside[:MAX_REJECTS_NAMED]],
        "duplicates": plan.duplicates,
        "again": plan.again,
        "columns": list(plan.columns),
        "credits": amounts | {"balance": plan.balance},
        "price_sources": list(plan.price_sources),
        "seconds": None if plan.seconds is None else round(plan.seconds, 1),
    }
    if (worth := plan.credit_dollars) is not None:
        plan_json["dollars"] = {
            name: None if amount is None else rounded(amount * worth) for name, amount in amounts.items()
        }
    return plan_json


def confirm(question: str) -> None:
    """Ask a question on stderr; raises DeclinedError after a no, and SignalledError."""
    try:
        with raise_signals(), redirect_stdout(sys.stderr):
            wanted = typer.confirm(question, err=True)
    except (typer.Abort, SignalledError) as error:
        typer.echo(err=True)  # the line of the question ends
        if isinstance(error, SignalledError):
            raise
        wanted = False
    if not wanted:
        raise DeclinedError


@contextmanager
def unless_changed(rows: Path) -> Generator[None]:
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


def _table(estimate: BatchEstimate, *, api: str) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, text in _plan_facts(estimate, api=api).items():
        table.add_row(Text(name, style="dim"), Text(text))
    return table


def _plan_facts(estimate: BatchEstimate, *, api: str) -> dict[str, str]:
    """Return what a run would do and cost: texts by subject."""
    cap = estimate.cap
    facts = {"rows": _rows(estimate), "price": _price(estimate, api=api)}
    if estimate.again:
        facts["again"] = (
            f"{estimate.again:,} of the new rows are already there, under another id or with other parameters"
        )
    if estimate.unpriced:
        fate = "they are run at any price" if cap is None else "under a cap they are not run"
        if api == "generor":
            fate = "the API refuses such calls"
        facts[""] = f"{estimate.unpriced:,} rows have no known price and are not included: {fate}"
    facts["cap"] = "none: --max-credits sets one" if cap is None else _cap(estimate, cap)
    if estimate.balance is not None:
        facts["account"] = f"{format_credits(estimate.balance)} credits"
    if estimate.seconds is None:
        facts["time"] = "unknown until the first answer tells the key's limits"
    else:
        facts["time"] = f"at least {duration(estimate.seconds)}, at the key's limits"
    return facts


def _rows(estimate: BatchEstimate) -> str:
    parts = [f"{estimate.new:,} new"]
    if estimate.ready:
        parts.append(f"{estimate.ready:,} from earlier runs")
    if estimate.under_way:
        parts.append(f"{estimate.under_way:,} under way and paid for")
    if estimate.rejected:
        parts.append(f"{estimate.rejected:,} set aside")
    if estimate.duplicates:
        parts.append(f"{estimate.duplicates:,} duplicate{'s' if estimate.duplicates > 1 else ''}, run once")
    text = ", ".join(parts)
    if estimate.rows < estimate.new + estimate.ready:
        text = f"{text}; --limit starts {estimate.rows:,} of them"
    return text if estimate.whole else f"{text}, of the first {ROWS_PREVIEWED:,}; price and time are for these"


def _price(estimate: BatchEstimate, *, api: str) -> str:
    credits_ = f"{estimate.credits:,.2f} credits"
    if api == "generor":
        return f"{credits_} as the API estimates it; what is charged may differ"
    return ", ".join([credits_ + format_dollars(estimate.credits, estimate.credit_dollars), *estimate.price_sources])


def _cap(estimate: BatchEstimate, cap: float) -> str:
    counted = f"{estimate.counted:,.2f}{format_dollars(estimate.counted, estimate.credit_dollars)}"
    used = f", {counted} of it used" if estimate.counted else ""
    worth = format_dollars(cap, estimate.credit_dollars)
    short = "; not all rows fit" if estimate.counted + estimate.credits > cap else ""
    return f"{format_credits(cap)} credits{worth}{used}{short}"
