"""Shows the progress of a batch: live on a terminal, a line every ten seconds elsewhere."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from generor_async.batch.amounts import format_dollars
from generor_async.batch.progress import BatchProgress, Phase
from generor_async.batch.runner import Batch
from generor_async.cli.error_output import escape_controls

__all__ = ["duration", "show_progress"]

LIVE_EVERY, LINE_EVERY = 0.25, 10.0
"""Seconds between two updates of the live view, and between two lines."""
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
PHASE_MESSAGES: Mapping[Phase, str] = {
    "held": "no new rows are submitted until downloads work again: {why}",
    "settling": "looking for the unknown rows in the account",
    "stopping": "stopping: waiting for paid rows; Ctrl-C again stops at once",
    "capped": "the cap is reached: waiting for paid rows; Ctrl-C stops at once",
    "halted": "stopping because of a problem: waiting for paid rows; Ctrl-C stops at once: {why}",
    "draining": "stopping: waiting for answers; Ctrl-C stops at once",
}


async def show_progress(batch: Batch, console: Console, *, note: str = "") -> None:
    """Show the progress of a batch until cancelled; `note` stands below the live view."""
    with suppress(asyncio.CancelledError):
        if console.is_terminal and not console.is_dumb_terminal:
            await _live(batch, console, note)
        else:
            await _lines(batch, console)


async def _live(batch: Batch, console: Console, note: str) -> None:
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while True:
            if (progress := batch.progress) is not None:
                live.update(_render(progress, note), refresh=True)
            await asyncio.sleep(LIVE_EVERY)


async def _lines(batch: Batch, console: Console) -> None:
    while True:
        await asyncio.sleep(LINE_EVERY)
        if (progress := batch.progress) is not None:
            facts = [*_progress_facts(progress).values(), *filter(None, [_phase_message(progress)])]
            console.print("; ".join(facts), soft_wrap=True, highlight=False, markup=False)


def _render(progress: BatchProgress, note: str) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for name, text in _progress_facts(progress).items():
        table.add_row(Text(name, style="dim"), Text(text))
    below = [Text(phase, style="yellow")] if (phase := _phase_message(progress)) else []
    if note:
        below.append(Text(note, style="dim"))
    bar = Table.grid(expand=True)
    bar.add_row(ProgressBar(total=max(1, progress.total), completed=progress.ended))
    return Group(bar, table, *below)


def _phase_message(progress: BatchProgress) -> str:
    """Return what to say about the phase of the run; empty where there is nothing."""
    return PHASE_MESSAGES.get(progress.phase, "").format(why=escape_controls(progress.why))


def _progress_facts(progress: BatchProgress) -> dict[str, str]:
    """Return the progress as texts by subject, each short enough for a line of 80 columns where possible."""
    facts = {"rows": _rows(progress), "rate": _rate(progress), "credits": _credits(progress)}
    if progress.cap is not None:
        facts["cap"] = _amount(progress.cap, progress)
    return {**facts, "time": _time(progress)}


def _rows(progress: BatchProgress) -> str:
    states = {
        "done": progress.done,
        "running": progress.running,
        "waiting": progress.waiting,
        "left for the next run": progress.later,
        "failed": progress.failed,
        "unknown": progress.unknown,
        "set aside": progress.rejected,
    }
    always = {"done", "running", "waiting"}
    text = ", ".join(f"{rows:,} {state}" for state, rows in states.items() if rows or state in always)
    return f"{text}; still reading" if progress.is_reading else text


def _rate(progress: BatchProgress) -> str:
    limits = [] if progress.allowed is None else [f"{progress.allowed:,} calls"]
    limits += [] if progress.jobs is None else [f"{progress.jobs:,} jobs at once"]
    return f"{_rounded(progress.rate)} a minute" + (
        f", where the limits allow {' and '.join(limits)}" if limits else ""
    )


def _credits(progress: BatchProgress) -> str:
    parts = [f"{_amount(progress.spent, progress)} spent"]
    if progress.to_come is not None:
        parts.append(f"about {_amount(progress.to_come, progress)} to come")
    if progress.doubtful:
        parts.append(f"{_amount(progress.doubtful, progress)} may have been spent")
    return ", ".join(parts)


def _amount(credits_: float, progress: BatchProgress) -> str:
    return _rounded(credits_) + format_dollars(credits_, progress.credit_dollars)


def _time(progress: BatchProgress) -> str:
    so_far = f"{duration(progress.elapsed)} so far"
    if progress.waits_for:
        return f"{so_far}; waiting for {escape_controls(progress.waits_for)}{_until(progress.waits_until)}"
    return so_far if progress.seconds_left is None else f"{so_far}, about {duration(progress.seconds_left)} left"


def _until(when: datetime | None) -> str:
    """Return a time in the local time zone, without the date if it is today."""
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
    """Write a duration with one or two units."""
    if seconds < 1.5 * MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 1.5 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    large, unit, small, part = (DAY, "d", HOUR, "h") if seconds >= 2 * DAY else (HOUR, "h", MINUTE, "min")
    whole, rest = divmod(round(seconds / small) * small, large)
    return f"{whole:.0f} {unit} {rest / small:.0f} {part}" if rest else f"{whole:.0f} {unit}"
