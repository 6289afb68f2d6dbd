"""Rules whose state is kept in a store: the same rules, over what all processes did.

Each step loads the state, takes the rule's own step, and keeps the state again. The times in it are those of the
store, which all processes have in common, and not of the clock that only this process has. The store's time only goes
on: it is that of the process whose clock is ahead of all others, and the others know by how much theirs is behind.

Where the store can't be used for a while, this process goes on with what it knows: that costs speed, or a refusal, but
never a call.
"""

import json
import logging
import math
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any, Final, TypeAlias, TypeVar

from attrs import evolve, field, frozen

from generor_async.engine.events import EventStream
from generor_async.engine.limits import Limits
from generor_async.engine.store import LimitStore, StoreBusyError, StoreError
from generor_async.rules.holds import Holds
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
SYNC_SECONDS: Final = 1.0
"""Seconds after which calls look at the store that ask the rules nothing: all of the key may be held."""
LATEST: Final = 1e11
"""Seconds of a store's time that no clock shows."""
ASK_AGAIN: Final = 0.25
"""Seconds after which a rule is asked again that has calls wait: another process may have changed its state."""
LINK: Final = "see "
"""How a row begins that an earlier version had name another one: it holds nothing."""
AGAIN: Final = 5.0
"""Seconds until a store that failed is tried again."""

logger = logging.getLogger("generor_async")


@frozen
class KeyState:
    """All rules of one key, or of several whose clients share their limits."""

    pace: Pace
    slots: Slots
    holds: Holds = field(factory=Holds)
    """What 429s have calls wait for, by this process's own clock."""

    def restrict(self, limits: Limits) -> None:
        """Keep to the limits of one more client as well."""
        self.pace.restrict(tier=limits.tier, rpm=limits.rpm, share=limits.max_share)
        self.slots.restrict(limits.jobs, limits.max_share)

    def dump(self) -> JSON:
        """Return the state as plain data."""
        slots = self.slots
        return {"windows": self.pace.dump(), "slots": slots.dump(), "weights": slots.weights.dump()}

    def load(self, dumped: Any, now: float) -> None:
        """Take over a state."""
        self.pace.load(dumped["windows"], now)
        self.slots.weights.load(dumped["weights"])
        self.slots.load(dumped["slots"], now)


Step: TypeAlias = Callable[[KeyState, float], T]


class SharedRules:
    """The rules of one name, whose state a store keeps for all processes in the row of a scope."""

    def __init__(self, state: KeyState, store: LimitStore, scope: str, clock: Clock) -> None:
        self._state = state
        self._store = store
        self._scope = scope
        self._clock = clock
        self._ahead = clock.time() - clock.monotonic()
        """Seconds by which the store's time is ahead of this process's own clock."""
        self._seen: str | None = None
        """The state in the store that the rules go on from."""
        self._anew = self._text()
        """What is known at the beginning."""
        self._steps: list[Step[object]] = []
        """What has happened that the store hasn't been told."""
        self._waits: dict[Hashable, Wait] = {}
        """What was decided last of those who have to wait."""
        self.give_up: Callable[[float], None] = _nobody
        """Ends the waits that must end before a moment: another process was told that nothing leaves until then."""
        self.looked = -math.inf
        """When the store was looked at last, by this process's own clock."""
        self._busy_since: float | None = None
        self._busy_until = -math.inf
        """Until when it isn't asked again."""
        self._failing = False
        """Whether this process goes on without the store, until a try succeeds."""
        self._without_until = -math.inf
        """Until when the store is left alone, by this process's own clock."""

    def now(self) -> float:
        """Return the time that all processes have in common."""
        return self._clock.monotonic() + self._ahead

    def at(self, now: float) -> float:
        """Return a moment of this process's own clock by the one that processes have in common.

        It is to be asked for in a step: only there it is known what time it is for the others.
        """
        return now + self._ahead

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
        until, now = decided.until - self._ahead, self._clock.monotonic()
        return evolve(decided, until=until, ask_at=min(until, now + ASK_AGAIN))

    def note(self, step: Step[object]) -> None:
        """Let the rules take note of something, now or as soon as the store can be told."""
        self.defer(step)
        self.flush()

    def flush(self) -> None:
        """Tell the store what it hasn't been told, if it can be."""
        if self._steps:
            self.sync()

    def sync(self) -> None:
        """Take over what other processes know."""
        with suppress(StoreBusyError):
            self._update(_nothing)

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
            return self._apply_locally(step)
        if began < self._busy_until:
            raise StoreBusyError
        came_to: list[tuple[T, str]] = []
        try:
            self._store.update(self._scope, lambda text: (self._decide(text, step, came_to), None))
        except StoreBusyError as error:
            self._wait_while_busy(began, error, decided=bool(came_to))
        except StoreError as error:
            self._continue_without_store(began, error)
        else:
            self._seen, self._busy_since, self._failing = came_to[0][1], None, False
            self.looked = began
        return came_to[0][0] if came_to else self._apply_locally(step)

    def _decide(self, text: str | None, step: Step[T], came_to: list[tuple[T, str]]) -> str | None:
        """Take a step on what is kept; return what is to be kept instead, if anything."""
        if isinstance(text, str) and text.startswith(LINK):
            text = None
        kept = self._anew if text is None else self._seen if self._load(text) else None
        self._state.pace.renew(self.now())
        result = self._apply_locally(step)
        state = self._text()
        came_to.append((result, state))
        return None if state == kept else f"{json.dumps([self.now()])}\n{state}"

    def _apply_locally(self, step: Step[T]) -> T:
        """Take a step on the state as it is known here, after those that the store hasn't been told."""
        now = self.now()
        steps, self._steps = self._steps, []
        for missed in steps:
            missed(self._state, now)
        return step(self._state, now)

    def _load(self, text: str) -> bool:
        """Take over what others did; where they did nothing, the rules here know more.

        Return whether it can be read; if not, the rules begin anew.
        """
        try:
            head, _, state = text.partition("\n")
            self._ahead = max(self._ahead, _last(json.loads(head)) - self._clock.monotonic())
            if state != self._seen:
                known = json.loads(state)
                self._state.load(known["rules"], self.now())
                self._take_over(known["holds"])
                self._seen = state
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            logger.warning("the limits that were kept can't be read (%r): they begin anew", error)
            self._state.load(json.loads(self._anew)["rules"], self.now())
            return False
        return True

    def _take_over(self, known: Any) -> None:
        """Have calls wait here as well for what another process was told; people are told of a long wait."""
        now, holds = self._clock.monotonic(), self._state.holds
        news = holds.news
        for hold in holds.load(known, now, self._ahead):
            EventStream.warn_of_hold(hold, hold.until - now, hold.until - now + self._clock.time())
        if holds.news != news:
            self.give_up(max((hold.until for hold in holds.by_scope.values() if hold.scope != "jobs"), default=now))

    def _text(self) -> str:
        """Return the whole state."""
        holds = self._state.holds.dump(self._clock.monotonic(), self._ahead)
        return json.dumps({"rules": self._state.dump(), "holds": holds}, separators=(",", ":"))

    def _wait_while_busy(self, now: float, error: StoreBusyError, *, decided: bool) -> None:
        """Wait while somebody else is at the store, for a moment; raises the error, or goes on without."""
        if self._busy_since is None:
            self._busy_since = now
        if decided or self._failing or now >= self._busy_since + BUSY_MOST:
            self._continue_without_store(now, error)
        else:
            self._busy_until = self._clock.monotonic() + BUSY_WAIT
            raise error

    def _continue_without_store(self, now: float, error: StoreError) -> None:
        if not self._failing:
            logger.warning("the store of limits can't be used (%s): this process goes on by itself for a while", error)
        self._failing, self._busy_since, self._without_until = True, None, now + AGAIN


def _nobody(until: float) -> None:
    """Nobody waits here yet."""


def _last(head: Any) -> float:
    """Return what time it was when a state was written."""
    (last,) = head
    if not -LATEST <= last <= LATEST:
        raise ValueError(f"{last} is no time")
    return float(last)


def _nothing(_: KeyState, __: float) -> None:
    """Have the rules take note of what they weren't told yet."""
