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
from generor_async.rules.state_json import int_reader, read_bool, read_past, read_past_or_never
from generor_async.values import JSON

__all__ = ["GRAINS", "JITTER", "OwnUsage"]

JITTER: Final = 0.35
"""Seconds by which one request may take longer to arrive than another: with none, nearly one in six is refused."""
GRAINS: Final = 720
"""Into how many entries our own requests of an hour or a day are put at most; 5 s and 2 min are lost at the worst."""

_COUNT: Final = int_reader()


@define
class OwnUsage:
    """Our own requests in one window, in the order of sending."""

    span: float
    grain: float
    """Requests that are sent within so many seconds are one entry; 0 keeps each by itself."""
    total: int = field(default=0, init=False)
    """How many units were ever sent."""
    left: int = field(default=0, init=False)
    """How many of these have left the window: by `forget`, because they were dropped, or because they were refused."""
    landed: int = field(default=0, init=False)
    """How many of these the server must have counted or refused, as far as `in_flight` was asked."""
    corrections: Corrections = field(default=Corrections(0, 0), init=False)
    last_end: float = field(default=-math.inf, init=False)
    """When the last of these left."""
    next_end: float = field(default=math.inf, init=False)
    """When the server must have forgotten the oldest; infinity where there is none."""
    _entries: deque[Entry] = field(factory=deque[Entry], init=False)
    """Their places follow one another."""
    next: int = field(default=0, init=False)
    """The place of the next entry."""
    _leaving: int = field(default=0, init=False)
    """How many of the first entries may have left the window when a request sent now arrives."""
    _may_have_left: int = field(default=0, init=False)
    """How many units will have left by then, these among them."""
    _flights: dict[int, Entry] = field(factory=dict[int, Entry], init=False)
    """Entries that the server may not have counted yet, by number and in the order of sending."""
    _lands: float = field(default=math.inf, init=False)
    """When the first of them must have been counted, or sooner."""

    @property
    def latest(self) -> float:
        """When the last request was sent, or the first of its entry."""
        return self._entries[-1].sent if self._entries else -math.inf

    @property
    def units(self) -> int:
        """How many units the server may still count, as far as `forget` was told what time it is."""
        return self.total - self.left

    @property
    def gone(self) -> int:
        """How many units have left the window at their time."""
        return self.left - sum(self.corrections)

    def add(self, units: int, sent: float) -> int:
        """Note units that left together, and return their entry's place: that of those before, within one grain."""
        entries = self._entries
        self.total += units
        if entries and sent < entries[-1].sent + self.grain:
            last = entries[-1]
            last.base, last.units = sent + JITTER, last.units + units
        else:
            self._append(sent, sent + JITTER, units)
        self._find_next_end()
        return self.next - 1

    def _append(self, sent: float, base: float, units: int) -> Entry:
        entry = Entry(units, sent)
        entry.base, entry.place = base, self.next
        self.next += 1
        self._entries.append(entry)
        return entry

    def answered(self, permit: Permit, now: float) -> None:
        """Note when the answer to a request came: it was counted before that."""
        place = permit.place
        entry = self._flights.get(place)
        if entry is None or now >= entry.base:
            return
        del self._flights[place]
        self.landed += entry.units
        entry.base = now
        if entry is self._entries[0]:
            self.next_end = now + self.span

    def remove(self, place: int, units: int) -> None:
        """Note that the server did not count some of an entry; what has left the window already stays so."""
        at = self._index(place)
        if at is not None:
            self._take(at, units, refused=True)

    def remove_latest(self, units: int) -> None:
        """Note that the server did not count some of what was sent last."""
        self.remove(self.next - 1, units)

    def _index(self, place: int) -> int | None:
        """Return where in the window an entry stands; None where it has left."""
        at = place - self.next + len(self._entries)
        return at if 0 <= at < len(self._entries) else None

    def _take(self, at: int, units: int, *, refused: bool) -> int:
        """Take units out of an entry; return how many there were. What the request weighs stays in its permit."""
        entry = self._entries[at]
        units = min(units, entry.units)
        self._entries[at] = rest = Entry(entry.units - units, entry.sent)
        rest.base, rest.place = entry.base, entry.place
        self.left += units
        if at >= self._leaving:
            self._may_have_left += units
        if entry.place in self._flights:
            self._flights[entry.place] = rest
            self.landed += units
        known = self.corrections
        self.corrections = Corrections(known.dropped + units * (not refused), known.refused + units * refused)
        return units

    def forget(self, now: float) -> None:
        """Take away what the server must have forgotten."""
        if now >= self._lands:
            self._land(now)
        entries, end = self._entries, self.next_end
        while end <= now:
            units = entries.popleft().units
            self.left += units
            if self._leaving:
                self._leaving -= 1
            else:
                self._may_have_left += units
            self.last_end = end
            self.next_end = end = entries[0].base + self.span if entries else math.inf

    def sent(self, permit: Permit, sent: float) -> None:
        """Note that a request leaves, and in its permit what the server will have counted when it arrives.

        It is counted `JITTER` later at the latest, unless its answer comes sooner.
        """
        if self.next_end <= sent:
            self.forget(sent)
        if sent >= self._lands:
            self._land(sent)
        entries, flights = self._entries, self._flights
        base, units = sent + JITTER, permit.units
        since, at, count = base - self.span, self._leaving, len(entries)
        while at < count and (entry := entries[at]).sent <= since:
            self._may_have_left += entry.units
            self._leaving = at = at + 1
        permit.least = self.landed - self._may_have_left + units
        permit.total = self.total = total = self.total + units
        permit.most = total - self.left
        permit.corrections = self.corrections
        permit.place = place = self.next
        self.next = place + 1
        if not count:
            self.next_end = base + self.span
        if not flights:
            self._lands = base
        permit.base = base
        flights[place] = permit
        entries.append(permit)

    def overtaking(self, permit: Permit, now: float) -> int:
        """Count the units that were sent so soon after a request that they may have arrived before it."""
        at, until = self._index(permit.place), permit.sent + JITTER
        if at is None or now <= until:
            return self.total - permit.total
        units, entries = 0, self._entries
        while (at := at + 1) < len(entries) and (entry := entries[at]).sent <= until:
            units += entry.units
        return units

    def in_flight(self, now: float) -> int:
        """Count the units of which neither an answer nor its absence has told that they were not refused."""
        if now >= self._lands:
            self._land(now)
        return self.total - self.landed

    def _land(self, now: float) -> None:
        flights = self._flights
        while flights:
            first = next(iter(flights.values()))
            if first.base > now:
                self._lands = first.base
                return
            del flights[first.place]
            self.landed += first.units
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
                if (entry.place in self._flights) == flying and entry.units:
                    sent, base = max(sent, entry.sent), max(base, entry.base)
                    units -= self._take(at, entry.units, refused=False)
        for entry in self._entries:
            if entry.sent > sent + JITTER:
                break
            entry.base = max(entry.base, base)
        while self._entries and not self._entries[0].units:
            self._flights.pop(self._entries.popleft().place, None)
            self._leaving = max(0, self._leaving - 1)
        self._find_next_end()

    def _find_next_end(self) -> None:
        self.next_end = self._entries[0].base + self.span if self._entries else math.inf

    def dump(self) -> JSON:
        """Return what `load` takes."""
        entries = [[each.sent, each.base, each.units, each.place in self._flights] for each in self._entries]
        last_end = None if self.last_end == -math.inf else self.last_end
        return [self.next, *self.corrections, self.gone, last_end, entries]

    def load(self, dumped: Any, now: float) -> None:
        """Take over what another has sent. Raises ValueError or TypeError for anything else."""
        place, dropped, refused, gone, last_end, entries = dumped
        self.next = _COUNT(place, now) - len(entries)
        self.corrections = Corrections(_COUNT(dropped, now), _COUNT(refused, now))
        self.last_end = read_past_or_never(last_end, now)
        self._entries, self._flights = deque[Entry](), {}
        for sent, base, units, flying in entries:
            entry = self._append(read_past(sent, now), read_past(base, now + JITTER), _COUNT(units, now))
            if read_bool(flying, now):
                self._flights[entry.place] = entry
        self.left = _COUNT(gone, now) + sum(self.corrections)
        self.total = self.left + sum(each.units for each in self._entries)
        self.landed = self.total - sum(each.units for each in self._flights.values())
        self._leaving, self._may_have_left = 0, self.left
        self._lands = -math.inf
        self._find_next_end()
