"""Finds spends of the account that no known call explains: they may have paid for an unresolved call.

A spend that names a creation is explained by the call that made it. Of the other spends, each known call has one at its
time. The rest may be those of unresolved calls, whose creations may have been deleted.

The date of a spend may be wrong, or the server's clock may have been changed. So its time is also bounded by its place
among all spends, because ids grow with time (assumed): by the spends of known calls before and after it, and by the
dates of others, of which one may be wrong and all may be an hour off.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from math import inf
from typing import Final, TypeAlias

from attrs import frozen

from generor_async.rules.time_zones import CLOCK_SLACK, ORDER_SLACK

__all__ = ["Charge", "DatedSpend", "UnexplainedSpend", "unexplained_spends"]

Interval: TypeAlias = tuple[float, float]

LEAST_BOUNDS: Final = 2
"""Number of other dates that bound a spend on each side: one may be wrong."""


@frozen(kw_only=True)
class Charge:
    """A call that was charged."""

    began: float
    ended: float
    """Infinity while it is under way."""
    creation_ids: tuple[int, ...] = ()

    @property
    def interval(self) -> Interval:
        """The earliest and latest date of its spend."""
        return self.began - CLOCK_SLACK, self.ended + CLOCK_SLACK


@frozen(kw_only=True)
class DatedSpend:
    """A spend among the account's transactions."""

    when: float
    creation_id: int | None = None
    """Its creation; None where it names none."""


@frozen
class UnexplainedSpend:
    """A spend that may have paid for an unresolved call."""

    when: float
    """Its date."""
    earliest: float
    latest: float

    def may_be_within(self, begin: float, end: float) -> bool:
        """Tell whether it may be from this period, by its date or by its place among the others."""
        return begin <= self.when <= end or (self.earliest <= end and begin <= self.latest)


def unexplained_spends(
    spends: Sequence[DatedSpend],
    charges: Sequence[Charge],
    *,
    since: float,
    shown_until: float,
    others: Collection[int],
) -> list[UnexplainedSpend] | None:
    """Return the spends that may be left over when each charge has one; None if a charge has none, or may not yet.

    `spends` are in the order of their ids, and `others` are the creations of other users. The assignment of spends to
    charges may be ambiguous: then a spend counts as well whose charge could have another one. Spends and charges before
    `since` are left out; charges that ended by `shown_until` are listed.
    """
    calls = {id_: charge.interval for charge in charges for id_ in charge.creation_ids}
    named = {spend.creation_id for spend in spends} - {None}
    unnamed = [charge for charge in charges if named.isdisjoint(charge.creation_ids)]
    if any(charge.ended > shown_until for charge in unnamed):
        return None
    intervals = sorted(charge.interval for charge in unnamed)
    left = [
        one
        for spend, one in zip(spends, _with_bounds(spends, calls), strict=True)
        if spend.creation_id not in calls and spend.creation_id not in others and max(one.when, one.latest) >= since
    ]
    left.sort(key=_when)
    return _leftovers(intervals, left)


def _with_bounds(spends: Sequence[DatedSpend], calls: Mapping[int, Interval]) -> Iterator[UnexplainedSpend]:
    """Yield each spend with the bounds that its place among the others gives."""
    bounds = [_bounds(spend, calls) for spend in spends]
    after = list(_running_maxima((first, sure) for first, _, sure in bounds))
    before = list(_running_maxima((-last, sure) for _, last, sure in reversed(bounds)))[::-1]
    for spend, earliest, latest in zip(spends, after, before, strict=True):
        yield UnexplainedSpend(spend.when, earliest, -latest)


def _bounds(spend: DatedSpend, calls: Mapping[int, Interval]) -> tuple[float, float, bool]:
    """Return the bounds of a spend by itself, and whether they are certain, as for the spend of a known call."""
    if spend.creation_id is not None and spend.creation_id in calls:
        return *calls[spend.creation_id], True
    return spend.when - ORDER_SLACK - CLOCK_SLACK, spend.when + ORDER_SLACK + CLOCK_SLACK, False


def _running_maxima(moments: Iterable[tuple[float, bool]]) -> Iterator[float]:
    """Yield the maximum of all previous moments; of the uncertain ones, the highest that `LEAST_BOUNDS` reach."""
    sure = -inf
    unsure = [-inf] * LEAST_BOUNDS
    for moment, is_sure in moments:
        yield max(sure, unsure[0])
        if is_sure:
            sure = max(sure, moment)
        else:
            unsure = sorted([*unsure, moment])[1:]


def _leftovers(intervals: Sequence[Interval], spends: Sequence[UnexplainedSpend]) -> list[UnexplainedSpend] | None:
    """Return the spends that may be left over when each interval has one within it; both are in order."""
    spend_of = _assign(intervals, spends)
    if spend_of is None:
        return None
    left_over = set(range(len(spends))) - set(spend_of.values())
    pending = list(left_over)
    while pending:
        spend = spends[pending.pop()]
        able = [interval for interval in spend_of if spend.may_be_within(*intervals[interval])]
        freed = {spend_of.pop(interval) for interval in able}
        pending += freed
        left_over |= freed
    return [spends[spend] for spend in sorted(left_over)]


def _assign(intervals: Sequence[Interval], spends: Sequence[UnexplainedSpend]) -> dict[int, int] | None:
    """Assign to each interval a spend within it, by their indices; None where that is impossible.

    Intervals are in the order of their begin, spends of their date. A spend goes to the open interval that ends first,
    which finds an assignment if there is one.
    """
    given: dict[int, int] = {}
    waiting: list[tuple[float, int]] = []
    coming = 0
    for number, spend in enumerate(spends):
        while coming < len(intervals) and intervals[coming][0] <= spend.when:
            heappush(waiting, (intervals[coming][1], coming))
            coming += 1
        if waiting:
            end, interval = heappop(waiting)
            if end < spend.when:
                return None
            given[interval] = number
    return given if len(given) == len(intervals) else None


def _when(spend: UnexplainedSpend) -> float:
    return spend.when
