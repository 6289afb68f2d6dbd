"""Our own requests in one window of a rate limit.

The server counts a request when it arrives: after it was sent, and before it was answered. So a request expires here
only when the server must have removed it: at `min(answered, sent + JITTER) + span`.

All counts are cumulative, so that a request changes few of them: `total - removed` units are in the window.
"""

import math
from collections import deque
from typing import Any, Final

from attrs import define, field

from generor_async.rules.permit import Corrections, Entry, Permit
from generor_async.rules.state_json import int_reader, read_flag, read_past, read_past_or_never
from generor_async.values import JSON

__all__ = ["ENTRIES_PER_SPAN", "JITTER", "OwnUsage"]

JITTER: Final = 0.35
"""Seconds by which one request may take longer to arrive than another; with 0, nearly one in six is refused."""
ENTRIES_PER_SPAN: Final = 720
"""The most entries for the requests of an hour or a day; they expire up to 5 s or 2 min late for it."""

_COUNT: Final = int_reader()


@define
class OwnUsage:
    """Our own requests in one window, in the order of sending."""

    span: float
    entry_seconds: float
    """Requests sent within so many seconds share an entry; 0 for a minute, where each has its own."""
    total: int = field(default=0, init=False)
    """Units sent so far."""
    removed: int = field(default=0, init=False)
    """Units removed from the window so far: expired, dropped or refused."""
    settled: int = field(default=0, init=False)
    """Units that the server has certainly counted or refused; brought up to date by `units_in_flight`."""
    corrections: Corrections = field(default=Corrections(0, 0), init=False)
    last_expiry: float = field(default=-math.inf, init=False)
    """When an entry expired last."""
    next_expiry: float = field(default=math.inf, init=False)
    """When the oldest entry expires; infinity without entries."""
    _entries: deque[Entry] = field(factory=deque[Entry], init=False)
    """The entries, with consecutive places."""
    next_place: int = field(default=0, init=False)
    """The place of the next entry."""
    _expiring: int = field(default=0, init=False)
    """How many of the first entries the server may remove before a request sent now arrives."""
    _removed_on_arrival: int = field(default=0, init=False)
    """Units removed from the window by then, at most."""
    _in_flight: dict[int, Entry] = field(factory=dict[int, Entry], init=False)
    """Entries that the server may not have counted yet, by place and in the order of sending."""
    _next_settles: float = field(default=math.inf, init=False)
    """A time no later than that at which the first of these is certainly counted."""

    @property
    def latest(self) -> float:
        """When the newest entry was begun."""
        return self._entries[-1].sent if self._entries else -math.inf

    @property
    def units(self) -> int:
        """Units in the window; brought up to date by `expire`."""
        return self.total - self.removed

    @property
    def expired(self) -> int:
        """Units that expired so far."""
        return self.removed - sum(self.corrections)

    def add(self, units: int, sent: float) -> int:
        """Record units sent together, in the newest entry where that is young enough; return the entry's place."""
        entries = self._entries
        self.total += units
        if entries and sent < entries[-1].sent + self.entry_seconds:
            last = entries[-1]
            last.counted_by, last.units = sent + JITTER, last.units + units
        else:
            self._append(sent, sent + JITTER, units)
        self._find_next_expiry()
        return self.next_place - 1

    def _append(self, sent: float, counted_by: float, units: int) -> Entry:
        entry = Entry(units, sent)
        entry.counted_by, entry.place = counted_by, self.next_place
        self.next_place += 1
        self._entries.append(entry)
        return entry

    def answered(self, permit: Permit, now: float) -> None:
        """Record an answer: the server counted the request before it came."""
        place = permit.place
        entry = self._in_flight.get(place)
        if entry is None or now >= entry.counted_by:
            return
        del self._in_flight[place]
        self.settled += entry.units
        entry.counted_by = now
        if entry is self._entries[0]:
            self.next_expiry = now + self.span

    def remove(self, place: int, units: int) -> None:
        """Remove units that the server did not count, unless their entry has expired."""
        at = self._index(place)
        if at is not None:
            self._take(at, units, refused=True)

    def remove_latest(self, units: int) -> None:
        """Remove units of the newest entry that the server did not count."""
        self.remove(self.next_place - 1, units)

    def _index(self, place: int) -> int | None:
        """Return the index of an entry; None where it has expired."""
        at = place - self.next_place + len(self._entries)
        return at if 0 <= at < len(self._entries) else None

    def _take(self, at: int, units: int, *, refused: bool) -> int:
        """Remove units of an entry; return how many it had."""
        entry = self._entries[at]
        units = min(units, entry.units)
        # In a new entry, because this one may be a permit, whose units are what its request weighs.
        self._entries[at] = rest = Entry(entry.units - units, entry.sent)
        rest.counted_by, rest.place = entry.counted_by, entry.place
        self.removed += units
        if at >= self._expiring:
            self._removed_on_arrival += units
        if entry.place in self._in_flight:
            self._in_flight[entry.place] = rest
            self.settled += units
        known = self.corrections
        self.corrections = Corrections(known.dropped + units * (not refused), known.refused + units * refused)
        return units

    def expire(self, now: float) -> None:
        """Remove what the server must have removed."""
        if now >= self._next_settles:
            self._settle(now)
        entries, end = self._entries, self.next_expiry
        while end <= now:
            units = entries.popleft().units
            self.removed += units
            if self._expiring:
                self._expiring -= 1
            else:
                self._removed_on_arrival += units
            self.last_expiry = end
            self.next_expiry = end = entries[0].counted_by + self.span if entries else math.inf

    def sent(self, permit: Permit, sent: float) -> None:
        """Record a request in a minute, and in its permit what the server will have counted when it arrives."""
        if self.next_expiry <= sent:
            self.expire(sent)
        if sent >= self._next_settles:
            self._settle(sent)
        entries, in_flight = self._entries, self._in_flight
        counted_by, units = sent + JITTER, permit.units
        since, at, count = counted_by - self.span, self._expiring, len(entries)
        while at < count and (entry := entries[at]).sent <= since:
            self._removed_on_arrival += entry.units
            self._expiring = at = at + 1
        permit.least = self.settled - self._removed_on_arrival + units
        permit.total = self.total = total = self.total + units
        permit.most = total - self.removed
        permit.corrections = self.corrections
        permit.place = place = self.next_place
        self.next_place = place + 1
        if not count:
            self.next_expiry = counted_by + self.span
        if not in_flight:
            self._next_settles = counted_by
        permit.counted_by = counted_by
        in_flight[place] = permit
        entries.append(permit)

    def sent_just_after(self, permit: Permit, now: float) -> int:
        """Count the units sent so soon after a request that they may have arrived before it."""
        at, until = self._index(permit.place), permit.sent + JITTER
        if at is None or now <= until:
            return self.total - permit.total
        units, entries = 0, self._entries
        while (at := at + 1) < len(entries) and (entry := entries[at]).sent <= until:
            units += entry.units
        return units

    def units_in_flight(self, now: float) -> int:
        """Count the units that may still be refused: neither answered, nor older than `JITTER`."""
        if now >= self._next_settles:
            self._settle(now)
        return self.total - self.settled

    def _settle(self, now: float) -> None:
        in_flight = self._in_flight
        while in_flight:
            first = next(iter(in_flight.values()))
            if first.counted_by > now:
                self._next_settles = first.counted_by
                return
            del in_flight[first.place]
            self.settled += first.units
        self._next_settles = math.inf

    def settles_at(self) -> float:
        """Return when the first request in flight counts as admitted."""
        return next((entry.counted_by for entry in self._in_flight.values()), math.inf)

    def drop_oldest(self, units: int) -> None:
        """Remove the oldest units, because the window holds less than all of ours: it doesn't slide.

        Those in flight go last. Requests sent within `JITTER` of what goes may have gone instead of it, so they expire
        no sooner than it would have.
        """
        sent = counted_by = -math.inf
        for flying in (False, True):
            for at, entry in enumerate(self._entries):
                if units <= 0:
                    break
                if (entry.place in self._in_flight) == flying and entry.units:
                    sent, counted_by = max(sent, entry.sent), max(counted_by, entry.counted_by)
                    units -= self._take(at, entry.units, refused=False)
        for entry in self._entries:
            if entry.sent > sent + JITTER:
                break
            entry.counted_by = max(entry.counted_by, counted_by)
        while self._entries and not self._entries[0].units:
            self._in_flight.pop(self._entries.popleft().place, None)
            self._expiring = max(0, self._expiring - 1)
        self._find_next_expiry()

    def _find_next_expiry(self) -> None:
        self.next_expiry = self._entries[0].counted_by + self.span if self._entries else math.inf

    def dump(self) -> JSON:
        """Return the state as JSON data."""
        entries = [[each.sent, each.counted_by, each.units, each.place in self._in_flight] for each in self._entries]
        last_expiry = None if self.last_expiry == -math.inf else self.last_expiry
        return [self.next_place, *self.corrections, self.expired, last_expiry, entries]

    def load(self, dumped: Any, now: float) -> None:
        """Restore a state from `dump`; raises ValueError or TypeError."""
        place, dropped, refused, expired, last_expiry, entries = dumped
        self.next_place = _COUNT(place, now) - len(entries)
        self.corrections = Corrections(_COUNT(dropped, now), _COUNT(refused, now))
        self.last_expiry = read_past_or_never(last_expiry, now)
        self._entries, self._in_flight = deque[Entry](), {}
        for sent, counted_by, units, flying in entries:
            entry = self._append(read_past(sent, now), read_past(counted_by, now + JITTER), _COUNT(units, now))
            if read_flag(flying, now):
                self._in_flight[entry.place] = entry
        self.removed = _COUNT(expired, now) + sum(self.corrections)
        self.total = self.removed + sum(each.units for each in self._entries)
        self.settled = self.total - sum(each.units for each in self._in_flight.values())
        self._expiring, self._removed_on_arrival = 0, self.removed
        self._next_settles = -math.inf
        self._find_next_expiry()
