"""Draws the page's charts as SVG. Widths are in per cent: a chart fills its place, and its text keeps its size."""

from collections.abc import Mapping, Sequence
from itertools import count
from math import ceil, log10

from generor_async.batch.report.counters import TimeBin
from generor_async.batch.report.formatting import amount, number, span
from generor_async.batch.report.row_card import STATE_NAMES
from generor_async.batch.report.rows import ReportState, Unit

__all__ = ["spend", "state_bar", "table_rows", "throughput"]

TOP, FOOT, GUTTER = 14, 164, 64
"""The top and bottom of a chart's plot, and the width of its labels, in pixels."""
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Seconds between two marks of a time axis."""


def state_bar(states: Mapping[ReportState, int]) -> str:
    """Draw the share of each state as one bar."""
    total, left, pieces = sum(states.values()) or 1, 0.0, list[str]()
    for state, name in STATE_NAMES.items():
        width = 100 * states.get(state, 0) / total
        title = f"<title>{name}: {states.get(state, 0):,}</title>"
        pieces.append(f'<rect class="{state}" x="{left:.3f}%" width="{width:.3f}%" height="100%">{title}</rect>')
        left += width
    label = ", ".join(f"{states[state]:,} {name.lower()}" for state, name in STATE_NAMES.items() if states.get(state))
    attributes = f'role="img" aria-label="{label or "no rows"}"'
    return f'<svg class="shares" {attributes} width="100%" height="10">{"".join(pieces)}</svg>'


def throughput(bins: Sequence[TimeBin]) -> str:
    """Draw the rows ended a minute over the time of the run."""
    minutes = (bins[0].end - bins[0].begin) / 60
    top, ticks = _scale(max(piece.done + piece.failed for piece in bins) / minutes)
    bars = list[str]()
    for place, piece in enumerate(bins):
        done, failed = (100 * rows / minutes / top for rows in (piece.done, piece.failed))
        bars.append(_bar("done", place, 100 - done, done) + _bar("failed", place, 100 - done - failed, failed))
    fastest = max(bins, key=lambda piece: piece.done + piece.failed)
    label = (
        f"Bar chart of rows ended a minute over {span(bins[-1].end)}: "
        f"at most {number((fastest.done + fastest.failed) / minutes)}, after {span(fastest.begin)}"
    )
    hints = [f"{_time_range(piece)}: {piece.done:,} done, {piece.failed:,} failed" for piece in bins]
    return _chart("".join(bars), bins, hints, label, [(tick / top, number(tick)) for tick in ticks])


def spend(bins: Sequence[TimeBin], *, cap: float | None, unit: Unit) -> str:
    """Draw the spending over the time of the run, and the cap if it is near."""
    spent = bins[-1].spent
    near = cap if cap is not None and cap <= 2 * spent else None
    top, ticks = _scale(max(spent, near or 0.0))
    line = "".join(f" L{place + 1},{100 - 100 * piece.spent / top:.2f}" for place, piece in enumerate(bins))
    drawing = f'<path class="area" d="M0,100{line} L{len(bins)},100 Z"/><path class="line" d="M0,100{line}"/>'
    label = f"Line chart of spending over {span(bins[-1].end)}: {amount(spent, unit)} in the end"
    if near is not None:
        level = 100 - 100 * near / top
        drawing += f'<path class="cap" d="M0,{level:.2f} L{len(bins)},{level:.2f}"/>'
        label += f", of a cap of {amount(near, unit)}, drawn as a dashed line"
    hints = [f"{_time_range(piece)}: {amount(piece.spent, unit)} so far" for piece in bins]
    labels = [(tick / top, amount(tick, unit) if unit == "dollars" else number(tick)) for tick in ticks]
    return _chart(drawing, bins, hints, label, labels)


def table_rows(bins: Sequence[TimeBin], unit: Unit) -> str:
    """Return the values of both charts as rows of a table."""
    return "".join(
        f'<tr><th scope="row">{_time_range(piece)}</th><td>{piece.done:,}</td><td>{piece.failed:,}</td>'
        f"<td>{amount(piece.spent, unit)}</td></tr>\n"
        for piece in bins
    )


def _chart(
    drawing: str, bins: Sequence[TimeBin], hints: Sequence[str], label: str, labels: Sequence[tuple[float, str]]
) -> str:
    """Put a drawing, 100 units high and as many wide as there are bins, between its axes."""
    levels = [(FOOT - share * (FOOT - TOP), text) for share, text in labels]
    grid = "".join(f'<line class="grid" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>' for y, _ in levels)
    beside = "".join(f'<text x="{GUTTER - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>' for y, text in levels)
    targets = "".join(
        f'<rect class="target" x="{place}" width="1" height="100"><title>{hint}</title></rect>'
        for place, hint in enumerate(hints)
    )
    return (
        f'<div class="plot"><svg width="{GUTTER}" height="190" aria-hidden="true">{beside}</svg>'
        f'<svg role="img" aria-label="{label}" width="100%" height="190">{grid}'
        f'<svg y="{TOP}" width="100%" height="{FOOT - TOP}" viewBox="0 0 {len(bins)} 100" preserveAspectRatio="none">'
        f"{drawing}{targets}</svg>{_time_axis(bins[-1].end)}</svg></div>"
    )


def _bar(kind: str, place: int, top: float, height: float) -> str:
    return (
        f'<rect class="{kind}" x="{place + 0.1:.1f}" y="{top:.2f}" width=".8" height="{height:.2f}"/>' if height else ""
    )


def _time_axis(seconds: float) -> str:
    step = next((step for step in _STEPS if seconds / step <= 5), 86400 * ceil(seconds / 86400 / 5))
    marks = list[str]()
    for mark in count(0, step):
        if mark > seconds:
            return "".join(marks)
        share = 100 * mark / seconds
        anchor = "start" if share < 4 else "end" if share > 94 else "middle"
        marks.append(f'<text x="{share:.2f}%" y="{FOOT + 20}" text-anchor="{anchor}">{span(mark)}</text>')
    raise AssertionError


def _scale(most: float) -> tuple[float, list[float]]:
    """Return a round number not below `most`, and round ticks from 0 to it."""
    if most <= 0:
        return 1.0, [0.0]
    power = 10.0 ** (ceil(log10(most)) - 1)
    step = next(step for step in (0.2, 0.25, 0.5, 1, 2, 2.5, 5) if step * power * 4 >= most) * power
    ticks = [step * n for n in range(5) if step * (n - 1) < most]
    return ticks[-1], ticks


def _time_range(piece: TimeBin) -> str:
    return f"{span(piece.begin)} to {span(piece.end)}"
