"""How a batch goes on, while it does: live on a terminal, a line every ten seconds elsewhere."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from generor_async.batch.amounts import shown
from generor_async.batch.progress import Phase, Progress
from generor_async.batch.runner import Batch
from generor_async.cli.exit_codes import printable

__all__ = ["duration", "tell"]

LIVE_EVERY, LINE_EVERY = 0.25, 10.0
"""Seconds between two pictures, and two lines."""
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
PHASES: Mapping[Phase, str] = {
    "held": "nothing new is submitted until outputs can be had again: {why}",
    "settling": "looking in the account for what became of the unknown rows",
    "stopping": "stopping: what is paid for is waited for; Ctrl-C again stops at once",
    "capped": "the cap allows no more: what is paid for is waited for; Ctrl-C stops at once",
    "halted": "stopping, as something is wrong: what is paid for is waited for; Ctrl-C stops at once: {why}",
    "draining": "stopping: answers under way are waited for; Ctrl-C stops at once",
}


async def tell(batch: Batch, console: Console, *, note: str = "") -> None:
    """Tell how a batch goes on, until cancelled; `note` is shown below the picture."""
    with suppress(asyncio.CancelledError):
        if console.is_terminal and not console.is_dumb_terminal:
            await _live(batch, console, note)
        else:
            await _lines(batch, console)


async def _live(batch: Batch, console: Console, note: str) -> None:
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while True:
            if (progress := batch.progress) is not None:
                live.update(_picture(progress, note), refresh=True)
            await asyncio.sleep(LIVE_EVERY)


async def _lines(batch: Batch, console: Console) -> None:
    while True:
        await asyncio.sleep(LINE_EVERY)
        if (progress := batch.progress) is not None:
            facts = [*_facts(progress).values(), *filter(None, [_phase(progress)])]
            console.print("; ".join(facts), soft_wrap=True, highlight=False, markup=False)


def _picture(progress: Progress, note: str) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for name, text in _facts(progress).items():
        table.add_row(Text(name, style="dim"), Text(text))
    below = [Text(phase, style="yellow")] if (phase := _phase(progress)) else []
    if note:
        below.append(Text(note, style="dim"))
    bar = Table.grid(expand=True)
    bar.add_row(ProgressBar(total=max(1, progress.total), completed=progress.ended))
    return Group(bar, table, *below)


def _phase(progress: Progress) -> str:
    """Say what is to be known beside, if anything."""
    return PHASES.get(progress.phase, "").format(why=printable(progress.why))


def _facts(progress: Progress) -> dict[str, str]:
    """Say how it stands, by subject; each in a line of its own of 80 columns, as far as that can be."""
    facts = {"rows": _rows(progress), "rate": _rate(progress), "credits": _credits(progress)}
    if progress.cap is not None:
        facts["cap"] = _amount(progress.cap, progress)
    return {**facts, "time": _time(progress)}


def _rows(progress: Progress) -> str:
    states = {
        "done": progress.done,
        "running": progress.running,
        "waiting": progress.waiting,
        "left to the next run": progress.later,
        "failed": progress.failed,
        "unknown": progress.unknown,
        "set aside": progress.rejected,
    }
    always = {"done", "running", "waiting"}
    told = ", ".join(f"{rows:,} {state}" for state, rows in states.items() if rows or state in always)
    return f"{told}; reading on" if progress.is_reading else told


def _rate(progress: Progress) -> str:
    limits = [] if progress.allowed is None else [f"{progress.allowed:,} calls"]
    limits += [] if progress.jobs is None else [f"{progress.jobs:,} jobs at once"]
    return f"{_rounded(progress.rate)} a minute" + (
        f", where the limits allow {' and '.join(limits)}" if limits else ""
    )


def _credits(progress: Progress) -> str:
    parts = [f"{_amount(progress.spent, progress)} spent"]
    if progress.to_come is not None:
        parts.append(f"about {_amount(progress.to_come, progress)} to come")
    if progress.doubtful:
        parts.append(f"{_amount(progress.doubtful, progress)} in doubt")
    return ", ".join(parts)


def _amount(credits_: float, progress: Progress) -> str:
    return _rounded(credits_) + shown(credits_, progress.credit_dollars)


def _time(progress: Progress) -> str:
    so_far = f"{duration(progress.elapsed)} so far"
    if progress.waits_for:
        return f"{so_far}; waiting for {printable(progress.waits_for)}{_until(progress.waits_until)}"
    return so_far if progress.seconds_left is None else f"{so_far}, about {duration(progress.seconds_left)} left"


def _until(when: datetime | None) -> str:
    """Say until when, by this machine's zone; of today, the time alone."""
    if when is None:
        return ""
    local = when.astimezone()
    return (
        f", until {local:%H:%M:%S}"
        if local.date() == datetime.now().astimezone().date()
        else f", until {local:%Y-%m-%d %H:%M}"
    )


def _rounded(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def duration(seconds: float) -> str:
    """Say how long something takes, as people do."""
    if seconds < 1.5 * MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 1.5 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    large, unit, small, part = (DAY, "d", HOUR, "h") if seconds >= 2 * DAY else (HOUR, "h", MINUTE, "min")
    whole, rest = divmod(round(seconds / small) * small, large)
    return f"{whole:.0f} {unit} {rest / small:.0f} {part}" if rest else f"{whole:.0f} {unit}"
