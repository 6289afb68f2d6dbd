"""Our own requests in one window of a rate limit.

The server counts a request when it arrives: after it was sent, and before it was answered. So a request expires here
only when the server must have removed it: at `min(answered, sent + JITTER) + span`.

All counts are cumulative, so that a request changes few of them: `total - removed` units are in the window.
"""

import math
from collections import deque
from itertools import islice
from statistics import fmean
from typing import Any, Final

from attrs import define, field

from generor_async.rules.permit import Corrections, Permit, SentUnits
from generor_async.rules.state_json import LARGEST_COUNT, int_reader, read_past_or_never
from generor_async.values import JSON

__all__ = ["JITTER", "SLICES", "OwnUsage"]

JITTER: Final = 0.35
"""Seconds by which one request may take longer to arrive than another; with 0, nearly one in six is refused."""
SLICES: Final = 64
"""Into how many slices an hour or a day is divided. A slice is one entry with the sum of its requests, and expires with
the last of them: the first expire up to 57 seconds, or 23 minutes, late. A slice of an hour is shorter than a minute:
what a full minute lets go at once is then one slice, and not two by a few milliseconds more or less."""
NEWEST: Final = 16
"""Number of requests that tell how soon requests are counted."""

_COUNT: Final = int_reader()
_MILLISECONDS: Final = int_reader(-LARGEST_COUNT)
"""Requests of several processes are not always recorded in the order of sending."""
_ROUNDING: Final = 0.01
"""Milliseconds by which a float may be off: a moment that was dumped and loaded is dumped alike."""


@define
class OwnUsage:
    """Our own requests in one window, in the order of sending."""

    span: float
    slice_seconds: float
    """Requests sent within so many seconds share an entry, a slice; 0 for a minute, where each has its own."""
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
    _entries: deque[SentUnits] = field(factory=deque[SentUnits], init=False)
    """The entries, with consecutive places."""
    next_place: int = field(default=0, init=False)
    """The place of the next entry."""
    _expiring: int = field(default=0, init=False)
    """How many of the first entries the server may remove before a request sent now arrives."""
    _removed_on_arrival: int = field(default=0, init=False)
    """Units removed from the window by then, at most."""
    _in_flight: dict[int, SentUnits] = field(factory=dict[int, SentUnits], init=False)
    """Entries that the server may not have counted yet, by place and in the order of sending."""
    _next_settles: float = field(default=math.inf, init=False)
    """A time no later than that at which the first of these is certainly counted."""

    _last_told: float = field(default=-math.inf, init=False)
    """The latest time so far at which a request was sent, certainly counted, or expired. Other processes tell later of
    requests that were sent before that."""

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
        if entries and sent < entries[-1].sent + self.slice_seconds:
            last = entries[-1]
            last.counted_by, last.units = max(last.counted_by, sent + JITTER), last.units + units
        else:
            self._append(sent, sent + JITTER, units)
        self._find_next_expiry()
        return self.next_place - 1

    def _append(self, sent: float, counted_by: float, units: int) -> SentUnits:
        entry = SentUnits(units, sent)
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
        self._last_told = max(self._last_told, now)
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
        self._entries[at] = rest = SentUnits(entry.units - units, entry.sent)
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
            self._last_told = max(self._last_told, end)
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
        if self._last_told > sent:
            self._insert(permit, sent)
            return
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
        self._last_told = sent
        in_flight[place] = permit
        entries.append(permit)

    def _insert(self, permit: Permit, sent: float) -> None:
        """Record a request of one process although others have told of later ones: where it belongs, by its time."""
        entries, flying = self._entries, [*self._in_flight.values(), permit]
        at, later, doubtful = len(entries), 0, 0
        while at and (entry := entries[at - 1]).sent > sent:
            at -= 1
            later += entry.units
        for entry in reversed(entries):
            if entry.sent <= sent - JITTER:
                break
            if entry.counted_by > sent and entry.place not in self._in_flight:  # counted, but perhaps after this one
                doubtful += entry.units
        self.total += permit.units
        permit.total = self.total - later
        permit.most = permit.total - (0 if self.last_expiry > sent else self.removed)  # else some were still in it
        permit.least = max(0, self.settled - doubtful - self._removed_on_arrival) + permit.units
        permit.sent, permit.counted_by, permit.corrections = sent, sent + JITTER, self.corrections
        entries.insert(at, permit)
        if at < self._expiring:
            self._expiring += 1
            self._removed_on_arrival += permit.units
        self._number_anew(flying)
        self._last_told = max(self._last_told, sent)
        self._find_next_expiry()

    def _number_anew(self, flying: list[SentUnits]) -> None:
        """Give all entries consecutive places, after one was inserted; `flying` are those in flight."""
        self.next_place += 1
        for place, entry in enumerate(self._entries, self.next_place - len(self._entries)):
            entry.place = place
        self._in_flight = {entry.place: entry for entry in sorted(flying, key=_sent_at)}
        self._next_settles = -math.inf

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
            self._last_told = max(self._last_told, first.counted_by)
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
                    # Of a slice, the first have expired and the others not; a request goes as a whole.
                    units -= self._take(at, units if self.slice_seconds else entry.units, refused=False)
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

    def expiry_after(self, moment: float, units: int) -> float:
        """Return when so many units will have expired after a moment; or all, where there are fewer."""
        since, end = moment - self.span, -math.inf
        for entry in self._entries:
            if entry.counted_by > since:
                end = entry.counted_by + self.span
                units -= entry.units
                if units <= 0:
                    break
        return end

    def ends(self) -> list[float]:
        """Return when each unit expires, in order, without those of a slice that may get more."""
        closed = len(self._entries) - (1 if self.slice_seconds and self._entries else 0)
        ends = [each.counted_by + self.span for each in islice(self._entries, closed) for _ in range(each.units)]
        ends.sort()  # requests sent one after the other are not always answered so
        return ends

    @property
    def newest_slice(self) -> tuple[int, float, float]:
        """Return the units of the newest slice, when the last was sent, and until when it may get more."""
        if not (self.slice_seconds and self._entries):
            return 0, -math.inf, -math.inf
        newest = self._entries[-1]
        return newest.units, newest.counted_by - JITTER, newest.sent + self.slice_seconds

    def seconds_until_counted(self) -> float:
        """Return the seconds after which the newest requests were certainly counted, on average."""
        known = (each for each in reversed(self._entries) if each.place not in self._in_flight)
        newest = [each.counted_by - each.sent for each in islice(known, NEWEST)]
        return fmean(newest) if newest else JITTER

    def dump(self) -> JSON:
        """Return the state as JSON data: of each entry the milliseconds since the one before, and until it counts."""
        entries: list[list[int]] = []
        before = 0
        for each in self._entries:
            sent = round(each.sent * 1_000)
            settles = math.ceil(each.counted_by * 1_000 - _ROUNDING) - sent
            entries.append([sent - before, settles, each.units, int(each.place in self._in_flight)])
            before = sent
        last_expiry = None if self.last_expiry == -math.inf else self.last_expiry
        return [self.next_place, *self.corrections, self.expired, last_expiry, entries]

    def load(self, dumped: Any, now: float) -> None:
        """Restore a state from `dump`; raises ValueError or TypeError."""
        place, dropped, refused, expired, last_expiry, entries = dumped
        self.next_place = _COUNT(place, now) - len(entries)
        self.corrections = Corrections(_COUNT(dropped, now), _COUNT(refused, now))
        self.last_expiry = read_past_or_never(last_expiry, now)
        self._entries, self._in_flight = deque[SentUnits](), {}
        before = 0
        for later, settles, units, flying in entries:
            before += _MILLISECONDS(later, now)
            counted_by = min((before + _MILLISECONDS(settles, now)) / 1_000, now + JITTER)
            entry = self._append(min(before / 1_000, now), counted_by, _COUNT(units, now))
            if flying:
                self._in_flight[entry.place] = entry
        self.removed = _COUNT(expired, now) + sum(self.corrections)
        self.total = self.removed + sum(each.units for each in self._entries)
        self.settled = self.total - sum(each.units for each in self._in_flight.values())
        self._expiring, self._removed_on_arrival = 0, self.removed
        self._next_settles = -math.inf
        settled = (each.counted_by for each in self._entries if each.place not in self._in_flight)
        self._last_told = max(self.latest, max(settled, default=-math.inf))
        self._find_next_expiry()


def _sent_at(entry: SentUnits) -> float:
    return entry.sent
