"""The question before anything is spent: what would be made, what it costs, how long it takes."""

import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from generor_async.batch.amounts import rounded, shown, written
from generor_async.batch.estimate import BatchEstimate
from generor_async.batch.journal import Reject
from generor_async.batch.runner import Batch
from generor_async.batch.source import SET_ASIDE_SHOWN
from generor_async.cli.batch_options import Output
from generor_async.cli.progress_view import duration
from generor_async.cli.signals import SignalledError, raising

__all__ = ["NotWantedError", "ask", "confirm", "tell_plan"]


READING: Final = "Reading the rows, and asking for their prices"
FIRST: Final = 10_000
"""Rows that are read before a run that nobody is asked about."""


class NotWantedError(Exception):
    """Whoever was asked doesn't want it."""


async def ask(batch: Batch, *, api: str, agreed: bool) -> None:
    """Show what a run would come to, and ask; raises NotWantedError where it is not wanted.

    What was `agreed` to isn't asked, and shown of the first rows alone, as the run is not to wait for the others.
    """
    console = Console(stderr=True)
    with console.status(READING):
        estimate = await batch.estimate(first=FIRST if agreed else None)
    if not estimate.rows:
        return
    console.print(_table(estimate, api=api))
    if not agreed:
        confirm(f"Spend this through the real API of {api.capitalize()}?")


async def tell_plan(batch: Batch, *, api: str, output: Output) -> None:
    """Show what a run would come to, which nobody is asked about."""
    if output.is_json:
        kind = {"simulated": True} if output.simulated else {}
        typer.echo(json.dumps({"dry_run": True, **kind, **_plan(await batch.estimate(), batch.set_aside)}))
        return
    with Console(stderr=True, quiet=output.quiet).status(READING):
        estimate = await batch.estimate()
    if output.simulated:
        typer.echo("simulated: nothing would be paid")
    Console().print(_table(estimate, api=api))


def _plan(plan: BatchEstimate, set_aside: Sequence[Reject]) -> dict[str, object]:
    amounts = {"estimated": plan.credits, "counted": plan.counted, "cap": plan.cap}
    told: dict[str, object] = {
        "rows": {"new": plan.new, "ready": plan.ready, "under_way": plan.under_way},
        "begun": plan.rows,
        "limit": plan.limit,
        "unpriced": plan.unpriced,
        "rejected": plan.rejected,
        "set_aside": [{"place": one.place, "reason": one.reason} for one in set_aside[:SET_ASIDE_SHOWN]],
        "duplicates": plan.duplicates,
        "again": plan.again,
        "columns": list(plan.columns),
        "credits": amounts | {"balance": plan.balance},
        "price_sources": list(plan.price_sources),
        "seconds": None if plan.seconds is None else round(plan.seconds, 1),
    }
    if (worth := plan.credit_dollars) is not None:
        told["dollars"] = {
            name: None if amount is None else rounded(amount * worth) for name, amount in amounts.items()
        }
    return told


def confirm(question: str) -> None:
    """Ask a person; raises NotWantedError after a no, and SignalledError. Nothing of it is written to stdout."""
    try:
        with raising(), redirect_stdout(sys.stderr):
            wanted = typer.confirm(question, err=True)
    except (typer.Abort, SignalledError) as error:
        typer.echo(err=True)  # the line of the question ends
        if isinstance(error, SignalledError):
            raise
        wanted = False
    if not wanted:
        raise NotWantedError


def _table(estimate: BatchEstimate, *, api: str) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, text in _facts(estimate, api=api).items():
        table.add_row(Text(name, style="dim"), Text(text))
    return table


def _facts(estimate: BatchEstimate, *, api: str) -> dict[str, str]:
    """Say what a run would come to, by subject."""
    cap = estimate.cap
    facts = {"rows": _rows(estimate), "price": _price(estimate, api=api)}
    if estimate.again:
        facts["again"] = f"{estimate.again:,} of the new ones are in the folder already, called or made another way"
    if estimate.unpriced:
        fate = "they are run at whatever they cost" if cap is None else "under a cap they are not run"
        if api == "generor":
            fate = "the API refuses such calls"
        facts[""] = f"without {estimate.unpriced:,} rows whose price is not known: {fate}"
    facts["cap"] = "none: --max-credits sets one" if cap is None else _cap(estimate, cap)
    if estimate.balance is not None:
        facts["account"] = f"{written(estimate.balance)} credits"
    if estimate.seconds is None:
        facts["time"] = "not known: the first answer names the key's limits"
    else:
        facts["time"] = f"about {duration(estimate.seconds)} at the least, at the key's limits"
    return facts


def _rows(estimate: BatchEstimate) -> str:
    parts = [f"{estimate.new:,} new"]
    if estimate.ready:
        parts.append(f"{estimate.ready:,} from before")
    if estimate.under_way:
        parts.append(f"{estimate.under_way:,} under way and paid for")
    if estimate.rejected:
        parts.append(f"{estimate.rejected:,} set aside")
    if estimate.duplicates:
        parts.append(f"{estimate.duplicates:,} duplicate{'s' if estimate.duplicates > 1 else ''}, made once")
    told = ", ".join(parts)
    if estimate.rows < estimate.new + estimate.ready:
        told = f"{told}; {estimate.rows:,} are begun, as --limit says"
    return told if estimate.whole else f"{told}, of the first {FIRST:,}; the price and the time are theirs"


def _price(estimate: BatchEstimate, *, api: str) -> str:
    credits_ = f"{estimate.credits:,.2f} credits"
    if api == "generor":
        return f"{credits_} as the API estimates it; what is charged may differ"
    return ", ".join([credits_ + shown(estimate.credits, estimate.credit_dollars), *estimate.price_sources])


def _cap(estimate: BatchEstimate, cap: float) -> str:
    counted = f"{estimate.counted:,.2f}{shown(estimate.counted, estimate.credit_dollars)}"
    used = f", {counted} of it used" if estimate.counted else ""
    worth = shown(cap, estimate.credit_dollars)
    short = "; not all rows fit" if estimate.counted + estimate.credits > cap else ""
    return f"{written(cap)} credits{worth}{used}{short}"
