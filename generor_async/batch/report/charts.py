"""Draws the report's charts as SVG. A chart is as wide as the page allows; its text isn't scaled."""

from collections.abc import Mapping, Sequence
from math import ceil, log10

from generor_async.batch.report.counters import TimeBin
from generor_async.batch.report.formatting import amount, number, span
from generor_async.batch.report.row_card import STATE_NAMES
from generor_async.batch.report.rows import ReportState, Unit

__all__ = ["figure_rows", "spend", "state_bar", "throughput"]

# Pixels. The plot goes from TOP to BOTTOM, with the times below it and the values at its left.
TOP, BOTTOM, HEIGHT, LABEL_WIDTH = 14, 164, 190, 64
_TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Seconds between two labels of a time axis; beyond the last one, whole days."""
_MAX_TIME_STEPS = 5


def state_bar(states: Mapping[ReportState, int]) -> str:
    """Draw one bar, divided into the shares of the states."""
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
    """Draw a bar chart of the rows that ended per minute, over the time of the run."""
    minutes = (bins[0].end - bins[0].begin) / 60
    top, ticks = _scale(max(time_bin.done + time_bin.failed for time_bin in bins) / minutes)
    bars = list[str]()
    for index, time_bin in enumerate(bins):
        done, failed = (100 * rows / minutes / top for rows in (time_bin.done, time_bin.failed))
        bars.append(_bar("done", index, 100 - done, done) + _bar("failed", index, 100 - done - failed, failed))
    fastest = max(bins, key=lambda time_bin: time_bin.done + time_bin.failed)
    label = (
        f"Bar chart of rows ended a minute over {span(bins[-1].end)}: "
        f"at most {number((fastest.done + fastest.failed) / minutes)}, after {span(fastest.begin)}"
    )
    hints = [f"{_time_range(time_bin)}: {time_bin.done:,} done, {time_bin.failed:,} failed" for time_bin in bins]
    return _chart("".join(bars), bins, hints, label, [(tick / top, number(tick)) for tick in ticks])


def spend(bins: Sequence[TimeBin], *, cap: float | None, unit: Unit) -> str:
    """Draw a line chart of the spending over the time of the run, with the cap if at least half of it is spent."""
    spent = bins[-1].spent
    near = cap if cap is not None and cap <= 2 * spent else None
    top, ticks = _scale(max(spent, near or 0.0))
    line = "".join(f" L{index + 1},{100 - 100 * time_bin.spent / top:.2f}" for index, time_bin in enumerate(bins))
    drawing = f'<path class="area" d="M0,100{line} L{len(bins)},100 Z"/><path class="line" d="M0,100{line}"/>'
    label = f"Line chart of spending over {span(bins[-1].end)}: {amount(spent, unit)} in the end"
    if near is not None:
        level = 100 - 100 * near / top
        drawing += f'<path class="cap" d="M0,{level:.2f} L{len(bins)},{level:.2f}"/>'
        label += f", of a cap of {amount(near, unit)}, drawn as a dashed line"
    hints = [f"{_time_range(time_bin)}: {amount(time_bin.spent, unit)} so far" for time_bin in bins]
    labels = [(tick / top, amount(tick, unit) if unit == "dollars" else number(tick)) for tick in ticks]
    return _chart(drawing, bins, hints, label, labels)


def figure_rows(bins: Sequence[TimeBin], unit: Unit) -> str:
    """Return the values of both charts as HTML table rows."""
    return "".join(
        f'<tr><th scope="row">{_time_range(time_bin)}</th><td>{time_bin.done:,}</td><td>{time_bin.failed:,}</td>'
        f"<td>{amount(time_bin.spent, unit)}</td></tr>\n"
        for time_bin in bins
    )


def _chart(
    drawing: str, bins: Sequence[TimeBin], hints: Sequence[str], label: str, labels: Sequence[tuple[float, str]]
) -> str:
    """Put a drawing between its axes, with a hint over each bin. A bin is one unit wide; the drawing is 100 high."""
    levels = [(BOTTOM - share * (BOTTOM - TOP), text) for share, text in labels]
    grid = "".join(f'<line class="grid" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>' for y, _ in levels)
    value_axis = "".join(
        f'<text x="{LABEL_WIDTH - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>' for y, text in levels
    )
    targets = "".join(
        f'<rect class="target" x="{index}" width="1" height="100"><title>{hint}</title></rect>'
        for index, hint in enumerate(hints)
    )
    return (
        f'<div class="plot"><svg width="{LABEL_WIDTH}" height="{HEIGHT}" aria-hidden="true">{value_axis}</svg>'
        f'<svg role="img" aria-label="{label}" width="100%" height="{HEIGHT}">{grid}'
        f'<svg y="{TOP}" width="100%" height="{BOTTOM - TOP}" viewBox="0 0 {len(bins)} 100" preserveAspectRatio="none">'
        f"{drawing}{targets}</svg>{_time_axis(bins[-1].end)}</svg></div>"
    )


def _bar(css_class: str, index: int, top: float, height: float) -> str:
    return (
        f'<rect class="{css_class}" x="{index + 0.1:.1f}" y="{top:.2f}" width=".8" height="{height:.2f}"/>'
        if height
        else ""
    )


def _time_axis(seconds: float) -> str:
    """Return the labels of the time axis; the first and the last one stay inside the chart."""
    step = next(
        (step for step in _TIME_STEPS if seconds / step <= _MAX_TIME_STEPS),
        86400 * ceil(seconds / 86400 / _MAX_TIME_STEPS),
    )
    marks = list[str]()
    for mark in range(0, int(seconds) + 1, step):
        share = 100 * mark / seconds
        anchor = "start" if share < 4 else "end" if share > 94 else "middle"
        marks.append(f'<text x="{share:.2f}%" y="{BOTTOM + 20}" text-anchor="{anchor}">{span(mark)}</text>')
    return "".join(marks)


def _scale(maximum: float) -> tuple[float, list[float]]:
    """Return the top of a value axis, a round number of at least `maximum`, and its ticks, at most five."""
    if maximum <= 0:
        return 1.0, [0.0]
    power = 10.0 ** (ceil(log10(maximum)) - 1)
    step = next(step for step in (0.2, 0.25, 0.5, 1, 2, 2.5, 5) if step * power * 4 >= maximum) * power
    ticks = [step * n for n in range(5) if step * (n - 1) < maximum]
    return ticks[-1], ticks


def _time_range(time_bin: TimeBin) -> str:
    return f"{span(time_bin.begin)} to {span(time_bin.end)}"
