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

from generor_async.rules.permit import Permit
from generor_async.rules.state_json import int_reader, read_bool, read_past, read_past_or_never, time_reader
from generor_async.rules.wait_headers import LONGEST_BELIEVED_WAIT
from generor_async.values import JSON

__all__ = ["GRAINS", "JITTER", "ForeignUsage", "OwnUsage"]

JITTER: Final = 0.35
"""Seconds by which one request may take longer to arrive than another: with none, nearly one in six is refused."""
PARTS: Final = 12
"""Into how many intervals the requests of others in one span are divided at most, but for one."""
GRAINS: Final = 720
"""Into how many entries our own requests of an hour or a day are put at most; 5 s and 2 min are lost at the worst."""

_COUNT: Final = int_reader()
_SOME: Final = int_reader(1)
_AWAY: Final = time_reader(LONGEST_BELIEVED_WAIT)
"""When others came: a refusal that names a long wait says that it was later than it can be."""


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
    """Their numbers follow one another."""
    next: int = field(default=0, init=False)
    """The number of the next entry."""
    _leaving: int = field(default=0, init=False)
    """How many of the first entries the server may have forgotten when a request sent now arrives."""
    _leaving_units: int = field(default=0, init=False)
    """Their units."""
    _flights: dict[int, Entry] = field(factory=dict[int, Entry], init=False)
    """Entries that the server may not have counted yet, by number and in the order of sending."""
    flying: int = field(default=0, init=False)
    """Their units; or more, where `in_flight` was not asked of late."""
    _lands: float = field(default=math.inf, init=False)
    """When the first of them must have been counted, or sooner."""

    @property
    def latest(self) -> float:
        """When the last request was sent, or the first of its entry."""
        return self._entries[-1].sent if self._entries else -math.inf

    @property
    def total(self) -> int:
        """How many units were ever sent."""
        return self.units + self.gone + self.dropped + self.refused

    def add(self, sent: float, units: int) -> int:
        """Note a request, and return its entry's number.

        It is counted `JITTER` later at the latest, unless its answer comes sooner.
        """
        if self.grain:
            return self._add_to_last(sent, units)
        number, base, entries = self.next, sent + JITTER, self._entries
        entry = Entry(number, sent, base, units)
        self.next = number + 1
        self.units += units
        if not entries:
            self.next_end = base + self.span
        entries.append(entry)
        if not self._flights:
            self._lands = base
        self._flights[number] = entry
        self.flying += units
        return number

    def _add_to_last(self, sent: float, units: int) -> int:
        entries = self._entries
        self.units += units
        if entries and sent < entries[-1].sent + self.grain:
            last = entries[-1]
            last.base, last.units = sent + JITTER, last.units + units
        else:
            entries.append(Entry(self.next, sent, sent + JITTER, units))
            self.next += 1
        self._oldest()
        return self.next - 1

    def answered(self, number: int, now: float) -> None:
        """Note when the answer to the only request of an entry came."""
        entry = self._flights.get(number)
        if entry is None or now >= entry.base:
            return
        del self._flights[number]
        self.flying -= entry.units
        entry.base = now
        if entry is self._entries[0]:
            self.next_end = now + self.span

    def remove(self, number: int, units: int) -> None:
        """Note that the server did not count a request; one that has left the window already stays so."""
        at = self._place(number)
        if at is not None:
            self.refused += self._take(at, units)

    def remove_latest(self, units: int) -> None:
        """Note that the server did not count some of what was sent last."""
        self.remove(self.next - 1, units)

    def _place(self, number: int) -> int | None:
        """Return the place of an entry; None where it has left the window."""
        at = number - self.next + len(self._entries)
        return at if 0 <= at < len(self._entries) else None

    def _take(self, at: int, units: int) -> int:
        """Take units out of the entry at a place; return how many there were."""
        entry = self._entries[at]
        units = min(units, entry.units)
        entry.units -= units
        self.units -= units
        if at < self._leaving:
            self._leaving_units -= units
        if entry.number in self._flights:
            self.flying -= units
        return units

    def forget(self, now: float) -> None:
        """Take away what the server must have forgotten."""
        entries = self._entries
        if now >= self._lands:
            self._land(now)
        while self.next_end <= now:
            self.last_end = self.next_end
            units = entries.popleft().units
            self.units -= units
            self.gone += units
            if self._leaving:
                self._leaving -= 1
                self._leaving_units -= units
            self.next_end = entries[0].base + self.span if entries else math.inf

    def sent(self, permit: Permit, sent: float) -> None:
        """Note that a request leaves, and in its permit what the server will have counted when it arrives."""
        if self.next_end <= sent:
            self.forget(sent)
        entries, since, at = self._entries, sent + JITTER - self.span, self._leaving
        count = len(entries)
        while at < count and (entry := entries[at]).sent <= since:
            self._leaving_units += entry.units
            at += 1
        self._leaving = at
        if sent >= self._lands:
            self._land(sent)
        permit.least = self.units - self.flying - self._leaving_units + permit.units
        permit.entry = self.add(sent, permit.units)
        permit.most = self.units
        permit.dropped, permit.refused, permit.gone = self.dropped, self.refused, self.gone

    def sent_between(self, number: int, until: float) -> int | None:
        """Count the units that were sent after an entry, and up to a moment; None where it is forgotten already."""
        at, units = self._place(number), 0
        if at is None:
            return None
        while (at := at + 1) < len(self._entries) and (entry := self._entries[at]).sent <= until:
            units += entry.units
        return units

    def in_flight(self, now: float) -> int:
        """Count the units of which neither an answer nor its absence has told that they were not refused."""
        if now >= self._lands:
            self._land(now)
        return self.flying

    def _land(self, now: float) -> None:
        flights = self._flights
        while flights:
            first = next(iter(flights.values()))
            if first.base > now:
                self._lands = first.base
                return
            del flights[first.number]
            self.flying -= first.units
        self._lands = math.inf

    def settles_at(self) -> float:
        """Return when the first of those in flight is taken for admitted."""
        return next((entry.base for entry in self._flights.values()), math.inf)

    def drop_oldest(self, units: int) -> None:
        """Take away the oldest: the window holds less than all of ours, so it doesn't slide.

        What is still under way goes last. Those that were sent soon after what goes may have gone instead, so they end
        no sooner.
        """
        sent = base = -math.inf
        for flying in (False, True):
            for at, entry in enumerate(self._entries):
                if units <= 0:
                    break
                if (entry.number in self._flights) == flying and entry.units:
                    sent, base = max(sent, entry.sent), max(base, entry.base)
                    taken = self._take(at, entry.units)
                    self.dropped, units = self.dropped + taken, units - taken
        for entry in self._entries:
            if entry.sent > sent + JITTER:
                break
            entry.base = max(entry.base, base)
        while self._entries and not self._entries[0].units:
            self._flights.pop(self._entries.popleft().number, None)
            self._leaving = max(0, self._leaving - 1)
        self._oldest()

    def _oldest(self) -> None:
        self.next_end = self._entries[0].base + self.span if self._entries else math.inf

    def dump(self) -> JSON:
        """Return what `load` takes."""
        entries = [[each.sent, each.base, each.units, each.number in self._flights] for each in self._entries]
        last_end = None if self.last_end == -math.inf else self.last_end
        return [self.next, self.dropped, self.refused, self.gone, last_end, entries]

    def load(self, dumped: Any, now: float) -> None:
        """Take over what another has sent. Raises ValueError or TypeError for anything else."""
        number, dropped, refused, gone, last_end, entries = dumped
        self.next, self.dropped, self.refused, self.gone = (_COUNT(n, now) for n in (number, dropped, refused, gone))
        self.last_end = read_past_or_never(last_end, now)
        self._entries, self._flights = deque[Entry](), {}
        for number, (sent, base, units, flying) in enumerate(entries, self.next - len(entries)):
            entry = Entry(number, read_past(sent, now), read_past(base, now + JITTER), _COUNT(units, now))
            self._entries.append(entry)
            if read_bool(flying, now):
                self._flights[number] = entry
        self.units = sum(each.units for each in self._entries)
        self.flying = sum(each.units for each in self._flights.values())
        self._leaving = self._leaving_units = 0
        self._lands = -math.inf
        self._oldest()


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

    def none_ends_before(self, moment: float, *, latest: float) -> None:
        """Learn that the oldest request of the window leaves it at a moment or later, but not after `latest`."""
        since, until, intervals = moment - self.span, -math.inf, self._intervals
        if not intervals or intervals[0].since >= since:
            return
        for interval in intervals:
            if interval.until < since:  # they came later than was thought
                until = latest - self.span
            interval.since = max(interval.since, since)
            interval.until = max(interval.until, until)

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
        before = -math.inf
        for interval in self._intervals:
            if units <= interval.units:
                share = units / interval.units
                return max(before, interval.since + share * (interval.until - interval.since)) + self.span
            before = interval.until  # the next interval may begin sooner
            units -= interval.units
        return math.inf

    def dump(self) -> JSON:
        """Return what `load` takes."""
        seen = None if self.seen == -math.inf else self.seen
        return [seen, [[each.since, each.until, each.units] for each in self._intervals]]

    def load(self, dumped: Any, now: float) -> None:
        """Take over what another has seen. Raises ValueError or TypeError for anything else."""
        seen, intervals = dumped
        self.seen = read_past_or_never(seen, now)
        self._intervals = deque(
            _Interval(_AWAY(since, now), _AWAY(until, now), _SOME(units, now)) for since, until, units in intervals
        )
        self.units = sum(each.units for each in self._intervals)
