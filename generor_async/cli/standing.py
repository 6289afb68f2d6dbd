"""How the rows of a batch stand: a table on a terminal, JSON elsewhere."""

import json
import sys

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from generor_async.batch.status import Status

__all__ = ["show"]

CENT = 0.005


def show(standing: Status) -> None:
    """Print how the rows stand, and why the first of the lines that were set aside were."""
    if sys.stdout.isatty():
        Console().print(_table(standing))
    else:
        typer.echo(json.dumps(_told(standing)))


def _told(standing: Status) -> dict[str, object]:
    return {
        "operation": standing.operation,
        "rows": {state: rows for state, rows in standing.counts.items() if rows},
        "rejected": standing.rejected,
        "set_aside": [{"place": reject.place, "reason": reject.reason} for reject in standing.set_aside],
        "credits": {
            "spent": standing.spent,
            "estimated": standing.estimated,
            "doubtful": standing.doubtful,
            "cap": standing.cap,
        },
    }


def _table(standing: Status) -> Table:
    table = Table.grid(padding=(0, 2))
    for state, rows in standing.counts.items():
        if rows:
            table.add_row(state, f"{rows:,}")
    if standing.rejected:
        table.add_row("set aside", f"{standing.rejected:,}")
    for reject in standing.set_aside:
        table.add_row("", Text(f"{reject.place}: {reject.reason}", style="dim"))
    spent = f"{standing.spent:,.2f} credits"
    if abs(standing.estimated - standing.spent) >= CENT:
        spent += f", estimated at {standing.estimated:,.2f}"
    table.add_row("spent", spent)
    if standing.doubtful >= CENT:
        table.add_row("may be spent", f"{standing.doubtful:,.2f} credits")
    return table
