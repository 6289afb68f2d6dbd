"""What has happened in this process: steps that the store has not been told of, and those that it may lose again.

A step belongs to the update that has applied it, and updates are numbered. A state says which of this process's updates
it contains (`rules.processes`), so those that it lacks are known exactly, and their steps are applied once more: when a
store was emptied or restored, and also when nobody knows whether an update was written.
"""

from collections import deque
from typing import Final

from attrs import define, field

from generor_async.engine.key_state import Own, Step
from generor_async.rules.window import HOUR, MINUTE

__all__ = ["OwnSteps"]

KEPT_SECONDS: Final = 1.25 * MINUTE
"""Seconds for which a step is kept that a store has: those after it would restore the minute's window."""
UNTOLD_SECONDS: Final = HOUR
"""Seconds for which a step is kept that no store has."""
MOST_KEPT: Final = 20_000
"""How many steps are kept at most."""


@define
class OwnSteps:
    """The steps of one process, in their order."""

    waiting: list[Step[object]] = field(factory=list[Step[object]], init=False)
    """Those that are to be applied with the next update."""
    updates: int = field(default=0, init=False)
    """The number of this process's last update."""
    _applied: deque[tuple[int, float, Step[object]]] = field(factory=lambda: deque(maxlen=MOST_KEPT), init=False)
    """Those that were applied, with the number and time of their update."""
    _ended: deque[tuple[int, Own]] = field(factory=lambda: deque(maxlen=MOST_KEPT), init=False)
    """What was under way before an update and not after it, with its number."""
    _told: int = field(default=0, init=False)
    """The last update that a store is known to have had."""

    def apply(self, count: int, now: float, number: int, ended: Own | None) -> None:
        """Record that an update of this number has applied the first steps that wait, and what has `ended` with it."""
        self.updates = number
        if ended is not None:
            self._ended.append((number, ended))
        self._applied.extend((number, now, step) for step in self.waiting[:count])
        del self.waiting[:count]

    def tell(self, number: int, now: float) -> None:
        """Record that a store has the updates up to a number; forget the steps that nobody needs any more."""
        self._told, applied = max(self._told, number), self._applied
        while applied and self._is_old(applied[0], now):
            applied.popleft()
        while self._ended and self._ended[0][0] <= self._told and (not applied or self._ended[0][0] < applied[0][0]):
            self._ended.popleft()

    def _is_old(self, applied: tuple[int, float, Step[object]], now: float) -> bool:
        number, at, _ = applied
        return at + (KEPT_SECONDS if number <= self._told else UNTOLD_SECONDS) <= now

    def ended_since(self, told: int) -> list[Own]:
        """Return what has ended with the updates that a state lacks which has them up to a number."""
        return [ended for number, ended in self._ended if number > told]

    def lost(self, told: int) -> list[Step[object]]:
        """Return the steps that a state lacks which has the updates up to a number."""
        return [step for number, _, step in self._applied if number > told]
