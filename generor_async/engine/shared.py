"""Rules whose state is kept in a store: the same rules, over what all processes did.

Each step loads the state, takes the rule's own step, and keeps the state again. The times in it are those of the
store, which all processes have in common, and not of the clock that only this process has. They are wall time, but for
what that was ever set back: the store's time only goes on.

Where the store can't be used for a while, this process goes on with what it knows: that costs speed, or a refusal, but
never a call.
"""

import json
import logging
import math
from collections.abc import Callable, Hashable
from typing import Any, Final, TypeAlias, TypeVar

from attrs import evolve, field, frozen

from generor_async.engine.events import EventStream
from generor_async.engine.store import LimitStore, StoreBusyError, StoreError
from generor_async.rules.holds import SCOPES, Hold, Holds
from generor_async.rules.pace import Pace
from generor_async.rules.slots import Slots
from generor_async.rules.wait import LimitScope, Wait
from generor_async.values import JSON, Clock

__all__ = ["SharedRules"]

T = TypeVar("T")

BUSY_WAIT: Final = 0.05
"""Seconds until a busy store is asked again."""
BUSY_MOST: Final = 2.0
"""Seconds for which a store may be busy until this process goes on without it."""
ASK_AGAIN: Final = 0.25
"""Seconds after which a rule is asked again that has calls wait: another process may have changed its state."""
AGAIN: Final = 5.0
"""Seconds until a store that failed is tried again."""

logger = logging.getLogger("generor_async")


@frozen
class KeyState:
    """All rules of one key."""

    pace: Pace
    slots: Slots
    holds: Holds = field(factory=Holds)
    """What 429s have calls wait for, by this process's own clock."""

    def dump(self) -> JSON:
        """Return the state as plain data."""
        slots = self.slots
        return {"windows": self.pace.dump(), "slots": slots.dump(), "weights": slots.weights.dump()}

    def load(self, dumped: Any, now: float) -> None:
        """Take over a state."""
        self.pace.load(dumped["windows"], now)
        self.slots.weights.load(dumped["weights"])
        self.slots.load(dumped["slots"])


Step: TypeAlias = Callable[[KeyState, float], T]


class SharedRules:
    """The rules of one key, whose state a store keeps for all processes."""

    def __init__(self, state: KeyState, store: LimitStore, scope: str, clock: Clock) -> None:
        self._state = state
        self._store = store
        self._scope = scope
        self._clock = clock
        self._behind = 0.0
        """Seconds by which wall time was ever set back."""
        self._anew = json.dumps(state.dump())
        """The state that the rules begin with."""
        self._seen: str | None = None
        """The state in the store that the rules go on from."""
        self._steps: list[Step[object]] = []
        """What has happened that the store hasn't been told."""
        self._waits: dict[Hashable, Wait] = {}
        """What was decided last of those who have to wait."""
        self.give_up: Callable[[float], None] = _nobody
        """Ends the waits that must end before a moment: another process was told that nothing leaves until then."""
        self._busy_since: float | None = None
        self._without_until = -math.inf
        """Until when the store is left alone, by this process's own clock."""

    def now(self) -> float:
        """Return the time that all processes have in common."""
        return self._clock.time() + self._behind

    def at(self, now: float) -> float:
        """Return a moment of this process's own clock by the one that processes have in common.

        It is to be asked for in a step: only there it is known whether that clock was set back.
        """
        return now + self.now() - self._clock.monotonic()

    def reserve(self, scope: LimitScope, what: Hashable, step: Step[T | Wait]) -> T | Wait:
        """Let the rules decide; their waits are told by this process's own clock.

        `scope` is what is waited for where the store is busy. Whoever has to wait for `what` is told the same for a
        moment, unless something happens here.
        """
        known = self._waits.get(what)
        if known is not None and self._clock.monotonic() < known.ask_at:
            return known
        found = self._reserve(scope, step)
        if isinstance(found, Wait):
            self._waits[what] = found
        else:
            self._waits.clear()
        return found

    def _reserve(self, scope: LimitScope, step: Step[T | Wait]) -> T | Wait:
        try:
            decided = self._update(step)
        except StoreBusyError:
            again = self._clock.monotonic() + BUSY_WAIT
            return Wait(again, scope, ask_at=again)
        if not isinstance(decided, Wait):
            return decided
        now = self.now()
        began = self._clock.monotonic() - now
        return evolve(decided, until=decided.until + began, ask_at=began + min(decided.until, now + ASK_AGAIN))

    def note(self, step: Step[object]) -> None:
        """Let the rules take note of something, now or as soon as the store can be told."""
        self._waits.clear()
        try:
            self._update(step)
        except StoreBusyError:
            self._steps.append(step)

    def look(self) -> None:
        """Take over what other processes know."""
        self.note(lambda _, __: None)

    def defer(self, step: Step[object]) -> None:
        """Let the rules take note of something when the store is told of something else."""
        self._waits.clear()
        self._steps.append(step)

    def query(self, step: Step[T]) -> T:
        """Ask the rules something that changes nothing for others, of what was known last."""
        return step(self._state, self.now())

    def _update(self, step: Step[T]) -> T:
        began = self._clock.monotonic()
        if began < self._without_until:
            return self._alone(step)
        came_to: list[T] = []

        def decide(text: str | None) -> tuple[str | None, str]:
            if text is not None:
                self._load(text)
            came_to.append(self._alone(step))
            state = self._text()
            known = text is not None and state == self._seen
            return None if known else f"{json.dumps([self.now(), self._behind])}\n{state}", state

        try:
            self._seen = self._store.update(self._scope, decide)
        except StoreError as error:
            if isinstance(error, StoreBusyError) and not came_to and began < self._first_busy(began) + BUSY_MOST:
                raise
            self._go_on_without(began, error)
        self._busy_since = None
        return came_to[0] if came_to else self._alone(step)

    def _alone(self, step: Step[T]) -> T:
        """Take a step on the state as it is known here, after those that the store hasn't been told."""
        now = self.now()
        steps, self._steps = self._steps, []
        for missed in steps:
            missed(self._state, now)
        return step(self._state, now)

    def _load(self, text: str) -> None:
        """Take over what others did; where they did nothing, the rules here know more."""
        try:
            head, _, state = text.partition("\n")
            last, behind = (_finite(moment) for moment in json.loads(head))
            self._behind = max(behind, last - self._clock.time())
            if state != self._seen:
                known = json.loads(state)
                self._state.load(known["rules"], self.now())
                self._take_over(known["holds"])
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            logger.warning("the limits that were kept can't be read (%r): they begin anew", error)
            self._state.load(json.loads(self._anew), self.now())

    def _take_over(self, known: Any) -> None:
        """Have calls wait here as well for what another process was told; people are told of a long wait."""
        now, ahead = self._clock.monotonic(), self._ahead
        holds = [Hold(until=float(until) - ahead, scope=SCOPES[scope], reason=str(why)) for scope, until, why in known]
        news = self._state.holds.news
        for hold in self._state.holds.replace(holds, now):
            EventStream.warn(hold, hold.until - now, hold.until - now + self._clock.time())
        if self._state.holds.news != news:
            self.give_up(max((hold.until for hold in holds if hold.scope != "jobs"), default=now))

    @property
    def _ahead(self) -> float:
        """Seconds by which the time of all processes is ahead of this process's own clock."""
        return self.now() - self._clock.monotonic()

    def _text(self) -> str:
        """Return the whole state; moments of holds are told to a tenth of a second, so that it stays the same text."""
        held = self._state.holds.all(self._clock.monotonic())
        holds = [[hold.scope, round(hold.until + self._ahead, 1), hold.reason] for hold in held]
        return json.dumps({"rules": self._state.dump(), "holds": holds}, separators=(",", ":"))

    def _first_busy(self, now: float) -> float:
        self._busy_since = now if self._busy_since is None else self._busy_since
        return self._busy_since

    def _go_on_without(self, now: float, error: StoreError) -> None:
        logger.warning("the store of limits can't be used (%s): this process goes on by itself for a while", error)
        self._without_until = now + AGAIN


def _nobody(until: float) -> None:
    """Nobody waits here yet."""


def _finite(moment: float) -> float:
    if not math.isfinite(moment):
        raise ValueError(f"{moment} is no time")
    return moment
