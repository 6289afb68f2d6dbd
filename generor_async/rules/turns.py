"""The processes in which calls wait for one limit, and whose turn is next.

An order tells each process when to ask. Without it all of them would ask for each place that becomes free. Nobody is
kept from a request that a window has room for, but for one case: a bulk request leaves the room to the interactive
calls of other processes, for `YIELD_SECONDS` at most, and not when `MOST_PASSED_BY` requests have gone before it.

With the slots of jobs it is otherwise. The process whose job has ended is the first to know, so it would keep the slot
for as long as it has calls. It leaves a free slot to the process whose turn it is, for `YIELD_SECONDS` at most.

Processes whose first call is interactive come first. Whoever got a place goes to the end. A process that has not asked
for `TURN_SECONDS` has ended.
"""

from typing import Any, Final

from attrs import define, field

from generor_async.rules.state_json import int_reader, optional_reader, read_flag, read_past, read_text
from generor_async.values import JSON

__all__ = ["LATER_RECHECK", "LONGEST_RECHECK", "YIELD_SECONDS", "Turns"]

LONGEST_RECHECK: Final = 5.0
"""The most seconds after which the process whose turn is next asks again."""
LATER_RECHECK: Final = 3 * LONGEST_RECHECK
"""The same of the others: they find out later."""
CONFIRM_SECONDS: Final = 5.0
"""Seconds after which a process that waits says so again: not each time, as each change is written."""
TURN_SECONDS: Final = CONFIRM_SECONDS + 2 * LATER_RECHECK
"""Seconds after which a process that does not say so is forgotten."""
YIELD_SECONDS: Final = 2.0
"""Seconds after which a process that does not ask for the place that was left to it has missed its turn."""
MOST_PASSED_BY: Final = 9
"""Number of requests of others after which a process that waits has to leave nothing to interactive calls."""

_COUNT: Final = int_reader()
_YIELDED: Final = optional_reader(read_past)


@define
class _Waiting:
    """A process with waiting calls."""

    since: float
    """When it said last that it waits."""
    urgent: bool = False
    """Whether its first call is interactive."""
    units: int = 1
    """What that call takes."""
    passed_by: int = 0
    """Number of requests of others that have gone before it since it was served, other than bulk ones."""
    calls: int = 1
    """How many of its calls waited when it said so."""

    @property
    def goes_first(self) -> bool:
        """Whether it comes before those that are not urgent."""
        return self.urgent or self.passed_by >= MOST_PASSED_BY


@define
class Turns:
    """Processes with waiting calls, the next one first."""

    _waiting: dict[str, _Waiting] = field(factory=dict[str, _Waiting], init=False)
    """By the time at which they came or were served."""
    _left: tuple[str, float] | None = field(default=None, init=False)
    """For which process a free slot was left, and since when."""
    _yielded: float | None = field(default=None, init=False)
    """Since when room in a window is left to interactive calls."""

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, process: str) -> bool:
        return process in self._waiting

    def others(self, process: str, now: float) -> list[int]:
        """Return how many calls wait in each other process, as it said last."""
        self._forget(now)
        return [each.calls for name, each in self._waiting.items() if name != process]

    def _order(self) -> list[str]:
        return sorted(self._waiting, key=lambda process: not self._waiting[process].goes_first)

    def wait(
        self, process: str, now: float, *, served: bool, urgent: bool = False, units: int = 1, calls: int = 1
    ) -> int:
        """Record that calls of a process wait, and that it was served; return how many processes are before it.

        Args:
            process: Which process.
            now: The time.
            served: Whether it has just got a place.
            urgent: Whether the first of its calls is interactive.
            units: What this call takes.
            calls: How many of its calls wait.
        """
        self._forget(now)
        known = self._waiting.get(process)
        if known is None or served:
            self._waiting.pop(process, None)
            self._waiting[process] = _Waiting(now, urgent, units, calls=calls)
        else:
            known.urgent, known.units = urgent, units
            if known.since + CONFIRM_SECONDS <= now:
                known.since, known.calls = now, calls
        return self._order().index(process)

    def yield_until(self, process: str, now: float, *, free: int = 0) -> float | None:
        """Return until when to leave a free slot to another process, whose turn it is; None for no such process.

        `free` slots stay free besides: if there is one for each process before this one, none has to be left.
        """
        self._forget(now)
        self._waiting.setdefault(process, _Waiting(now))
        if free >= self._order().index(process):
            return None
        while (first := self._order()[0]) != process:
            if self._left is None or self._left[0] != first:
                self._left = first, now
            until = self._left[1] + YIELD_SECONDS
            if now < until:
                return until
            self._waiting[first].urgent, self._waiting[first].passed_by = False, 0  # it missed its turn
            self.serve(first)
        return None

    def leave_room(self, process: str, now: float, left: int) -> float | None:
        """Return until when a bulk request leaves its room to other processes' interactive calls; None if it may go.

        Args:
            process: The process of the request.
            now: The time.
            left: Units that are free besides.
        """
        self._forget(now)
        urgent = [each for name, each in self._waiting.items() if each.urgent and name != process]
        mine = self._waiting.get(process)
        if sum(each.units for each in urgent) <= left or (mine is not None and mine.passed_by >= MOST_PASSED_BY):
            return None
        if self._yielded is None:
            self._yielded = now
        if now < self._yielded + YIELD_SECONDS:
            return self._yielded + YIELD_SECONDS
        for each in urgent:  # they missed their turn
            each.urgent = False
        self._yielded = None
        return None

    def granted(self, process: str, *, bulk: bool) -> None:
        """Record that a request of a process may go."""
        self._yielded = None
        for name, each in self._waiting.items():
            if name == process:
                each.passed_by = 0
            elif not bulk:
                each.passed_by += 1

    def serve(self, process: str) -> None:
        """Record that a process got a slot: it goes to the end."""
        if process in self._waiting:
            self._waiting[process] = self._waiting.pop(process)
        self._left = None

    def _forget(self, now: float) -> None:
        """Remove the processes that have ended."""
        for name in [name for name, each in self._waiting.items() if each.since + TURN_SECONDS <= now]:
            del self._waiting[name]

    def leave(self, process: str) -> None:
        """Record that no call of a process waits."""
        self._waiting.pop(process, None)

    def dump(self) -> JSON:
        """Return the state as JSON data."""
        waiting = [
            [name, each.since, each.urgent, each.units, each.passed_by, each.calls]
            for name, each in self._waiting.items()
        ]
        return [waiting, self._left, self._yielded]

    def load(self, dumped: Any, now: float) -> None:
        """Restore a state from `dump`; raises ValueError or TypeError."""
        waiting, left, yielded = dumped
        self._waiting = {
            read_text(name, now): _Waiting(
                read_past(since, now),
                read_flag(urgent, now),
                *(_COUNT(number, now) for number in (units, passed_by, calls)),
            )
            for name, since, urgent, units, passed_by, calls in waiting
        }
        self._left = None
        if left is not None:
            first, since = left
            self._left = read_text(first, now), read_past(since, now)
        self._yielded = _YIELDED(yielded, now)
