"""Formats amounts, times and texts for the page."""

import re
from datetime import UTC, datetime
from html import escape

from generor_async.batch.report.markup import PatternValues
from generor_async.batch.report.rows import Unit

__all__ = ["amount", "class_name", "excerpt", "fold", "number", "period", "span"]

SHORT = 140
"""Characters of a text that are shown at once."""


def number(value: float) -> str:
    """Format a number with at most two decimals: `1,234.5`."""
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def amount(value: float, unit: Unit) -> str:
    """Format a sum of money: `12 credits`, `$0.0404`."""
    if unit == "dollars":
        return f"${value:,.2f}" if round(value, 2) == round(value, 4) else f"${value:,.4f}"
    return f"{number(value)} {'credit' if number(value) == '1' else 'credits'}"


def span(seconds: float) -> str:
    """Format a duration in its largest units: `8.4 s`, `3 min 5 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{number(round(seconds, 1))} s"
    large, name, small, rest_name = (60, "min", 1, "s")
    if whole >= 86400:
        large, name, small, rest_name = (86400, "d", 3600, "h")
    elif whole >= 3600:
        large, name, small, rest_name = (3600, "h", 60, "min")
    rest = whole % large // small
    return f"{whole // large} {name}" + (f" {rest} {rest_name}" if rest else "")


def period(began: float, ended: float) -> str:
    """Format two Unix times as `time` elements: `2025-11-22 00:14 to 01:02 UTC`."""
    first, last = (datetime.fromtimestamp(time, UTC) for time in (began, ended))
    last_shown = f"{last:%H:%M}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M}"
    return (
        f'<time datetime="{first:%Y-%m-%dT%H:%M:%SZ}">{first:%Y-%m-%d %H:%M}</time> to '
        f'<time datetime="{last:%Y-%m-%dT%H:%M:%SZ}">{last_shown}</time> UTC'
    )


def class_name(name: str) -> str:
    """Format a class's name as HTML that can be broken between its words."""
    return re.sub("(?<=[a-z])(?=[A-Z])", "<wbr>", escape(name))


def excerpt(text: str) -> str:
    """Shorten a text to one line, between words if possible."""
    line = " ".join(text[: 4 * SHORT].split())
    if len(line) <= SHORT and len(text) <= 4 * SHORT:
        return line
    cut = line[:SHORT]
    return f"{cut.rpartition(' ')[0] or cut}…"


def fold(text: str, kind: str, slots: PatternValues) -> str:
    """Format a text; a long one is folded to its beginning."""
    whole = slots.text(text)
    if len(text) <= SHORT:
        return f'<p class="{kind}" dir="auto">{whole}</p>'
    return (
        f'<details class="{kind}"><summary><span dir="auto">{slots.text(excerpt(text))}</span> '
        f'<span class="more">all {slots.text(f"{len(text):,}")} characters</span></summary>'
        f'<p dir="auto">{whole}</p></details>'
    )
