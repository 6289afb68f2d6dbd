"""The periods of budgets: when one began, and when the next begins.

Names begin with the moment at which the period ends, so that a store finds the accounts of past ones.
"""

from datetime import UTC, datetime, time, timedelta
from math import floor
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from attrs import frozen

__all__ = ["PERIOD", "BudgetPeriod", "Every", "ended_before", "period_at"]

PERIOD: Final = "until "
"""With this the names of periods begin that end."""

_LATEST: Final = 253_402_300_799.0
"""The last second of the year 9999."""

Every: TypeAlias = Literal["day", "hour"] | float | None
"""How often a budget begins anew: each day or hour of a time zone, after so many seconds, or never."""


@frozen
class BudgetPeriod:
    """One period of a budget."""

    name: str
    """Its name, which no other period has; empty for a budget that never begins anew."""
    ends_at: float | None
    """When the next one begins, in Unix seconds; None for never."""


def period_at(every: Every, timezone: ZoneInfo, now: float) -> BudgetPeriod:
    """Return the period at a moment in Unix seconds; days are those of the time zone, with its changes of clocks."""
    second = floor(now)  # a date would be rounded to the next one
    match every:
        case None:
            return BudgetPeriod("", None)
        case "day":
            today = datetime.fromtimestamp(second, timezone).date()
            tomorrow = datetime.combine(today + timedelta(days=1), time.min, timezone)
            return _period(tomorrow.timestamp(), f"day {today} {timezone.key}")
        case "hour":
            local = datetime.fromtimestamp(second, timezone)
            began = second - local.minute * 60 - local.second
            return _period(began + 3_600.0, "hour")
        case _:
            number = floor(now / every)
            return _period((number + 1) * float(every), f"{float(every)!r} s {number}")


def ended_before(moment: float) -> str:
    """Return the text before which, from PERIOD on, the names of all periods lie that ended before a moment."""
    return f"{PERIOD}{_text(moment)}"


def _period(ends_at: float, kind: str) -> BudgetPeriod:
    return BudgetPeriod(f"{ended_before(ends_at)} {kind}", ends_at)


def _text(moment: float) -> str:
    """Return a moment as text, in whose order moments are."""
    return f"{datetime.fromtimestamp(min(max(moment, 0.0), _LATEST), UTC):%Y-%m-%dT%H:%M:%SZ}"
