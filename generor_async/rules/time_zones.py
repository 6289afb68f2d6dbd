"""Determines the time zone of an account's dates, which the documents don't tell, by a vote.

Evidence is a date that was shown, with two moments between which it must have been: an own creation was made between
its call and the response, a change of the balance between the begin of the batch and now. Each agrees with some zones.
A zone outvotes another if clearly more evidence agrees with it. Zones that are not outvoted stay possible, and
conclusions must hold in all of them. So one wrong date among many does nothing, and a single date proves nothing.

The server's clock may have been changed for summer or winter meanwhile. That is assumed if it explains clearly more
evidence than any single zone.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import ceil, floor, inf
from statistics import median
from typing import Final, TypeAlias

from attrs import frozen

__all__ = ["CLOCK_SLACK", "TimeEvidence", "ZoneReading", "corrected_dates", "possible_zones"]

CLOCK_SLACK: Final = 120.0
"""Seconds by which clocks may differ, and dates be rounded."""
QUARTER_HOUR: Final = 900
"""Step between time zones, in seconds."""
OFFSETS: Final = tuple(range(-12 * 3_600, 14 * 3_600 + 1, QUARTER_HOUR))
"""Possible offsets from UTC, in seconds."""
CHANGES: Final = (-3_600, 3_600, -1_800, 1_800)
"""Seconds by which clocks are changed for summer and winter."""
OUTVOTE_MARGIN: Final = 2
"""Votes that a zone must have more than another to outvote it; also how many times as many."""
LIST_NEIGHBOURS: Final = 5
"""Number of entries on each side, by id, that an entry's date is compared with."""
LEAST_CONTRARY: Final = 3
"""Number of them that must contradict it."""
ORDER_SLACK: Final = 3_600.0
"""Seconds by which dates may be out of the order of ids."""


@frozen
class TimeEvidence:
    """A date that was shown, and the moments between which it must have been."""

    shown: float
    """Unix seconds, read as if it were UTC."""
    earliest: float
    latest: float

    def offsets(self) -> range:
        """Return the offsets from UTC that it agrees with."""
        least = ceil((self.shown - self.latest - CLOCK_SLACK) / QUARTER_HOUR) * QUARTER_HOUR
        most = floor((self.shown - self.earliest + CLOCK_SLACK) / QUARTER_HOUR) * QUARTER_HOUR
        return range(max(least, OFFSETS[0]), min(most, OFFSETS[-1]) + 1, QUARTER_HOUR)


@frozen
class ZoneReading:
    """A way to read dates without a zone: by one offset, or by another one from some moment on."""

    before: float
    """Seconds ahead of UTC."""
    after: float
    changed: float = inf
    """The moment of the change, in Unix seconds."""
    earlier: bool = True
    """Whether a time that the clock showed twice, as it was set back, means the earlier moment."""

    def read(self, shown: float) -> float:
        """Convert a shown date, given as if it were UTC, to Unix seconds."""
        sooner, later = shown - self.before, shown - self.after
        may_be_later = later >= self.changed
        return later if may_be_later and not (self.earlier and sooner < self.changed) else sooner


_Voters: TypeAlias = int
"""A set of evidence, as a bit mask of indices."""


def possible_zones(witnesses: Iterable[TimeEvidence]) -> Sequence[ZoneReading]:
    """Return the zones that are not outvoted; all zones without evidence."""
    voting = list(witnesses)
    voters: dict[int, _Voters] = dict.fromkeys(OFFSETS, 0)
    for place, witness in enumerate(voting):
        for offset in witness.offsets():
            voters[offset] |= 1 << place
    unchanged = {ZoneReading(offset, offset): by for offset, by in voters.items()}
    best = max(unchanged.values(), key=int.bit_count)
    changed = dict(_changes(voting, voters, least=best.bit_count() + OUTVOTE_MARGIN))
    most = max(changed.values(), key=int.bit_count, default=0)
    if _outvotes(most, best):
        return [zone for zone, by in changed.items() if not _outvotes(most, by)]
    return [zone for zone, by in unchanged.items() if not _outvotes(best, by)]


def _outvotes(some: _Voters, others: _Voters) -> bool:
    more, less = (some & ~others).bit_count(), (others & ~some).bit_count()
    return more >= less + OUTVOTE_MARGIN and more >= less * OUTVOTE_MARGIN


def _changes(
    voting: Sequence[TimeEvidence], voters: Mapping[int, _Voters], *, least: int
) -> Iterator[tuple[ZoneReading, _Voters]]:
    """Yield the best changes for every pair of offsets with at least `least` votes."""
    for before, by_before in voters.items():
        for after in (before + change for change in CHANGES):
            by_after = voters.get(after, 0)
            if by_before and by_after and (by_before | by_after).bit_count() >= least:
                yield from _best_changes(voting, before, by_before, after, by_after)


def _best_changes(
    voting: Sequence[TimeEvidence], before: int, by_before: _Voters, after: int, by_after: _Voters
) -> Iterator[tuple[ZoneReading, _Voters]]:
    """Yield the first and last moment of the change with the most votes, each with both readings of repeated times."""
    since = {place: one.shown - before + 1 for place, one in enumerate(voting) if by_before >> place & 1}
    until = {place: one.shown - after for place, one in enumerate(voting) if by_after >> place & 1}
    counts = _counts(since, until)
    most = max(counts.values())
    best = [moment for moment, count in counts.items() if count == most]
    for moment in (min(best), max(best)):
        voters = sum(1 << place for place, first in since.items() if first <= moment)
        voters |= sum(1 << place for place, last in until.items() if moment <= last)
        for earlier in (True, False):
            yield ZoneReading(before, after, moment, earlier), voters


def _counts(since: Mapping[int, float], until: Mapping[int, float]) -> dict[float, int]:
    """Return the number of votes for each moment at which that number changes."""
    both = [place for place in since.keys() & until.keys() if since[place] <= until[place]]
    firsts, lasts = sorted(since.values()), sorted(until.values())
    both_firsts, both_lasts = sorted(since[place] for place in both), sorted(until[place] for place in both)
    return {
        moment: bisect_right(firsts, moment)
        + len(lasts)
        - bisect_left(lasts, moment)
        - (bisect_right(both_firsts, moment) - bisect_left(both_lasts, moment))
        for moment in {*firsts, *lasts}
    }


def corrected_dates(dated: Mapping[int, float]) -> dict[int, float]:
    """Return the dates of a list's entries by id; a date that contradicts its neighbours is replaced by their median.

    It is assumed that ids grow with time. One or two wrong dates never make a right one look wrong.
    """
    ids = sorted(dated)
    dates = [dated[id_] for id_ in ids]
    mended: dict[int, float] = {}
    for place, id_ in enumerate(ids):
        sooner, later = dates[max(0, place - LIST_NEIGHBOURS) : place], dates[place + 1 : place + 1 + LIST_NEIGHBOURS]
        contrary = max(
            sum(other > dates[place] + ORDER_SLACK for other in sooner),
            sum(other < dates[place] - ORDER_SLACK for other in later),
        )
        mended[id_] = median([*sooner, *later]) if contrary >= LEAST_CONTRARY else dates[place]
    return mended
