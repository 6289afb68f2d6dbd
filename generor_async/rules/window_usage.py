"""What is in a window of the server's: our own requests, which we know, and those of others, which are estimated.

The server counts a request when it arrives, which is after it was sent and before it was answered. So ours are
forgotten only when the server must have forgotten them: at `min(received, sent + jitter) + span`.

Others use the same key, and no answer lists their requests: it only says how many units the window holds. So they are
counted by the interval in which they must have come. Until a span after the end of that interval they may be counted;
within it they are expected to leave evenly. No number of a header makes the list longer.
"""

import math
from collections import deque
from typing import Any, Final

from attrs import define, field

from generor_async.values import JSON

__all__ = ["GRAINS", "JITTER", "ForeignUsage", "OwnUsage"]

JITTER: Final = 0.35
"""Seconds by which one request may take longer to arrive than another: with none, nearly one in six is refused."""
PARTS: Final = 12
"""Into how many intervals the requests of others in one span are divided at most, but for one."""
GRAINS: Final = 720
"""Into how many entries our own requests of an hour or a day are put at most; 5 s and 2 min are lost at the worst."""


@define(eq=False)
class Entry:
    """Requests of ours that were sent together: one in a minute's window, some in those of an hour and a day."""

    number: int
    """Its place among all entries that there ever were."""
    sent: float
    """When the first of them was sent."""
    base: float
    """When the server had counted the last of them, at the latest."""
    units: int
    flying: bool
    """Whether the server may not have counted it yet."""


@define
class OwnUsage:
    """Our own requests in one window, in the order of sending."""

    span: float
    grain: float
    """Requests that are sent within so many seconds are one entry; 0 keeps each by itself."""
    units: int = field(default=0, init=False)
    """How many units the server may still count; those that are older are taken away by `forget`."""
    dropped: int = field(default=0, init=False)
    """How many units the server was seen to have forgotten before their time."""
    refused: int = field(default=0, init=False)
    """How many units the server was seen not to have counted."""
    gone: int = field(default=0, init=False)
    """How many units have left it in their time."""
    last_end: float = field(default=-math.inf, init=False)
    """When the last of these left."""
    next_end: float = field(default=math.inf, init=False)
    """When the server must have forgotten the oldest; infinity where there is none."""
    _entries: deque[Entry] = field(factory=deque[Entry], init=False)
    _first: int = field(default=0, init=False)
    """The number of the first entry."""
    _leaving: int = field(default=0, init=False)
    """The number of the first entry that the server can't have forgotten when a request sent now arrives."""
    _leaving_units: int = field(default=0, init=False)
    """The units from the first entry up to that one."""
    _flights: deque[Entry] = field(factory=deque[Entry], init=False)
    """Entries that may be under way, and some that were answered already, in the order of sending."""
    _flying: int = field(default=0, init=False)
    """The units that are under way."""

    def add(self, sent: float, units: int) -> int:
        """Note a request, and return its entry's number.

        It is counted `JITTER` later at the latest, unless its answer comes sooner.
        """
        entries = self._entries
        self.units += units
        if self.grain and entries and sent < entries[-1].sent + self.grain:
            entry = entries[-1]
            entry.base, entry.units = sent + JITTER, entry.units + units
            self._oldest()
            return entry.number
        entry = Entry(self._first + len(entries), sent, sent + JITTER, units, not self.grain)
        if not entries:
            self.next_end = entry.base + self.span
        entries.append(entry)
        if not self.grain:
            self._flights.append(entry)
            self._flying += units
        return entry.number

    def answered(self, number: int, now: float) -> None:
        """Note when the answer to the only request of an entry came."""
        at = number - self._first
        if self.grain or not 0 <= at < len(self._entries) or now >= (entry := self._entries[at]).base:
            return
        entry.base = now
        if entry.flying:
            entry.flying = False
            self._flying -= entry.units
        if not at:
            self.next_end = now + self.span

    def remove(self, number: int, units: int) -> None:
        """Note that the server did not count a request; one that has left the window already stays so."""
        entry = self._entry(number)
        if entry is not None:
            self.refused += self._take(entry, units)

    def _take(self, entry: Entry, units: int) -> int:
        """Take units out of an entry; return how many there were."""
        units = min(units, entry.units)
        entry.units -= units
        self.units -= units
        if entry.number < self._leaving:
            self._leaving_units -= units
        if entry.flying:
            self._flying -= units
        return units

    def remove_latest(self, units: int) -> None:
        """Note that the server did not count some of what was sent last."""
        if self._entries:
            self.remove(self._entries[-1].number, units)

    def _entry(self, number: int) -> Entry | None:
        at = number - self._first
        return self._entries[at] if 0 <= at < len(self._entries) else None

    def forget(self, now: float) -> None:
        """Take away what the server must have forgotten."""
        while self.next_end <= now:
            self.gone += self._entries[0].units
            self.last_end = self.next_end
            self._drop(self._entries.popleft())

    def surely(self, sent: float) -> int:
        """Count the units that the server has counted for sure when a request that is sent now arrives."""
        entries, since = self._entries, sent + JITTER - self.span
        at = self._leaving - self._first
        while at < len(entries) and entries[at].sent <= since:
            self._leaving_units += entries[at].units
            at += 1
        self._leaving = self._first + at
        self._land(sent)
        return max(0, self.units - self._flying - self._leaving_units)

    def sent_between(self, number: int, until: float) -> int | None:
        """Count the units that were sent after an entry, and up to a moment; None where it is forgotten already."""
        if self._entry(number) is None:
            return None
        at, units = number - self._first + 1, 0
        while at < len(self._entries) and (entry := self._entries[at]).sent <= until:
            at, units = at + 1, units + entry.units
        return units

    def in_flight(self, now: float) -> int:
        """Count the units of which neither an answer nor its absence has told that they were not refused."""
        self._land(now)
        return self._flying

    def drop_oldest(self, units: int) -> None:
        """Take away the oldest: the window holds less than all of ours, so it doesn't slide.

        What is still under way goes last. Those that were sent soon after what goes may have gone instead, so they end
        no sooner.
        """
        sent = base = -math.inf
        for flying in (False, True):
            for entry in self._entries:
                if units <= 0:
                    break
                if entry.flying == flying and entry.units:
                    sent, base = max(sent, entry.sent), max(base, entry.base)
                    taken = self._take(entry, entry.units)
                    self.dropped, units = self.dropped + taken, units - taken
        for entry in self._entries:
            if entry.sent > sent + JITTER:
                break
            entry.base = max(entry.base, base)
        self._sweep()

    def settles_at(self) -> float:
        """Return when the first of those in flight is taken for admitted."""
        return self._flights[0].base if self._flights else math.inf

    def _land(self, now: float) -> None:
        flights = self._flights
        while flights and (not (first := flights[0]).flying or first.base <= now):
            if first.flying:
                first.flying = False
                self._flying -= first.units
            flights.popleft()

    def dump(self) -> JSON:
        """Return what `load` takes."""
        entries = [[each.sent, each.base, each.units, each.flying] for each in self._entries]
        return [self._first, self.dropped, self.refused, self.gone, self.last_end, entries]

    def load(self, dumped: Any) -> None:
        """Take over what another has sent."""
        first, dropped, refused, gone, last_end, entries = dumped
        self._first, self.dropped, self.refused, self.gone = int(first), int(dropped), int(refused), int(gone)
        self.last_end = float(last_end)
        self._entries = deque(
            Entry(self._first + at, float(sent), float(base), int(units), bool(flying))
            for at, (sent, base, units, flying) in enumerate(entries)
        )
        self._flights = deque(each for each in self._entries if each.flying)
        self.units = sum(each.units for each in self._entries)
        self._flying = sum(each.units for each in self._flights)
        self._leaving, self._leaving_units = self._first, 0
        self._oldest()

    def _drop(self, entry: Entry) -> None:
        self.units -= entry.units
        self._first += 1
        if self._leaving > entry.number:
            self._leaving_units -= entry.units
        else:
            self._leaving = self._first
        if entry.flying:
            entry.flying = False
            self._flying -= entry.units
        self._oldest()

    def _sweep(self) -> None:
        """Let go of entries at the front of which nothing is left."""
        while self._entries and not self._entries[0].units:
            self._drop(self._entries.popleft())
        self._oldest()

    def _oldest(self) -> None:
        self.next_end = self._entries[0].base + self.span if self._entries else math.inf


@define
class _Interval:
    """Requests of others that came after `since` and up to `until`."""

    since: float
    until: float
    units: int


@define
class ForeignUsage:
    """How many units of others a window holds, and when they will leave it."""

    span: float
    units: int = field(default=0, init=False)
    """How many the server may still count."""
    seen: float = field(default=-math.inf, init=False)
    """When many of them were in the window last."""
    _intervals: deque[_Interval] = field(factory=deque[_Interval], init=False)

    def forget(self, now: float) -> None:
        """Take away what the server must have forgotten."""
        intervals, span = self._intervals, self.span
        while intervals and intervals[0].until + span <= now:
            self.units -= intervals.popleft().units

    def raise_to(self, units: int, *, since: float, until: float) -> None:
        """Learn that there are at least so many: those that are new came in this time."""
        more = units - self.units
        if more <= 0:
            return
        self.units = units
        last = self._intervals[-1] if self._intervals else None
        if last is not None and until <= last.since + self.span / PARTS:
            last.until, last.units = max(last.until, until), last.units + more
        else:
            start = max(since, until - self.span, -math.inf if last is None else last.since)
            self._intervals.append(_Interval(min(start, until), until, more))

    def lower_to(self, units: int) -> None:
        """Learn that there are at most so many: those that came first have left."""
        fewer = self.units - max(units, 0)
        while fewer > 0:
            first = self._intervals[0]
            gone = min(fewer, first.units)
            first.units -= gone
            fewer -= gone
            self.units -= gone
            if not first.units:
                self._intervals.popleft()

    def none_ends_before(self, moment: float) -> None:
        """Learn when the oldest request of the window leaves it."""
        since = moment - self.span
        for interval in self._intervals:
            if interval.since >= since:
                return
            interval.since = since
            interval.until = max(interval.until, since)

    @property
    def next_end(self) -> float:
        """When the server must have forgotten the first of them; infinity where there is none."""
        return self._intervals[0].until + self.span if self._intervals else math.inf

    @property
    def earliest_end(self) -> float:
        """When the first of them may have left; infinity where there is none."""
        return self._intervals[0].since + self.span if self._intervals else math.inf

    def expected_end(self, units: int) -> float:
        """Return when so many are expected to have left."""
        for interval in self._intervals:
            if units <= interval.units:
                share = units / interval.units
                return interval.since + share * (interval.until - interval.since) + self.span
            units -= interval.units
        return math.inf

    def dump(self) -> JSON:
        """Return what `load` takes."""
        return [self.seen, [[each.since, each.until, each.units] for each in self._intervals]]

    def load(self, dumped: Any) -> None:
        """Take over what another has seen."""
        seen, intervals = dumped
        self.seen = float(seen)
        self._intervals = deque(_Interval(float(since), float(until), int(units)) for since, until, units in intervals)
        self.units = sum(each.units for each in self._intervals)
