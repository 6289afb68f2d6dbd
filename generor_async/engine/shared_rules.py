"""Rules whose state is kept in a store: the same rules, applied to what all processes did.

Each step loads the state, applies the rule's own step, and saves the state. Times in the state are by a clock that all
processes share: that of the process whose clock is ahead of all others. It never goes back; every process knows its own
offset from it.

While the store can't be used, a process goes on with what it knows. That costs speed, or a refusal, but never a call.
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
"""Seconds until a busy store is tried again."""
BUSY_LIMIT: Final = 2.0
"""Seconds for which a store may be busy until this process goes on without it."""
SYNC_SECONDS: Final = 1.0
"""Seconds after which a call that needs no permit loads the state: a 429 may hold all calls of the key."""
LATEST_TIME: Final = 1e11
"""Seconds beyond which a shared time can't be right."""
RECHECK_SECONDS: Final = 0.25
"""Seconds after which a rule that made calls wait is asked again: another process may have changed its state."""
LINK: Final = "see "
"""Prefix of rows that named another row, in files of version 0.1.0. Such a row has no state."""
RETRY_SECONDS: Final = 5.0
"""Seconds until a store that failed is tried again."""

logger = logging.getLogger("generor_async")


@frozen
class KeyState:
    """The rules of one key, or of several keys that share their limits."""

    pace: Pace
    slots: Slots
    holds: Holds = field(factory=Holds)
    """The holds that 429s have begun, by this process's own clock."""

    def restrict(self, limits: Limits) -> None:
        """Apply the limits that one more client was given as well."""
        self.pace.restrict(tier=limits.tier, rpm=limits.rpm, share=limits.max_share)
        self.slots.restrict(limits.jobs, limits.max_share)

    def dump(self) -> JSON:
        """Return the state as plain data."""
        slots = self.slots
        return {"windows": self.pace.dump(), "slots": slots.dump(), "weights": slots.weights.dump()}

    def load(self, dumped: Any, now: float) -> None:
        """Replace the state by a dumped one."""
        self.pace.load(dumped["windows"], now)
        self.slots.weights.load(dumped["weights"])
        self.slots.load(dumped["slots"], now)


Step: TypeAlias = Callable[[KeyState, float], T]


class SharedRules:
    """The rules of one name, whose state a store keeps for all processes."""

    def __init__(self, state: KeyState, store: LimitStore, scope: str, clock: Clock) -> None:
        self._state = state
        self._store = store
        self._scope = scope
        self._clock = clock
        self._offset = clock.time() - clock.monotonic()
        """Seconds by which the shared clock is ahead of this process's own."""
        self._known: str | None = None
        """The state in the store as it was last loaded or saved; None where the store may have another."""
        self._initial = self._dump()
        """The state before anything happened."""
        self._steps: list[Step[object]] = []
        """Steps that the store has not been told of."""
        self._waits: dict[Hashable, Wait] = {}
        """The last decision on each kind of request that has to wait."""
        self.expire_waits: Callable[[float], None] = _ignore
        """Ends the waits whose deadline is before a moment, when another process's hold is loaded."""
        self.synced_at = -math.inf
        """When the store was last used, by this process's own clock."""
        self._busy_since: float | None = None
        self._busy_until = -math.inf
        """Until when a busy store is not tried again."""
        self._failing = False
        """Whether this process goes on without the store, until a try succeeds."""
        self._without_until = -math.inf
        """Until when a failed store is not tried again, by this process's own clock."""

    def now(self) -> float:
        """Return the time by the shared clock."""
        return self._clock.monotonic() + self._offset

    def shared_time(self, now: float) -> float:
        """Convert a moment of this process's own clock to the shared clock.

        Only within a step is the offset up to date.
        """
        return now + self._offset

    def reserve(self, scope: LimitScope, what: Hashable, step: Step[T | Wait]) -> T | Wait:
        """Apply a step that reserves something; the times of a Wait are by this process's own clock.

        `scope` is the limit to name while the store is busy. For a moment, all requests for the same `what` get the
        same Wait, unless something happens here.
        """
        known = self._waits.get(what)
        if known is not None and self._clock.monotonic() < known.ask_at:
            return known
        decided = self._reserve(scope, step)
        if isinstance(decided, Wait):
            self._waits[what] = decided
        else:
            self._waits.clear()
        return decided

    def _reserve(self, scope: LimitScope, step: Step[T | Wait]) -> T | Wait:
        try:
            decided = self._update(step)
        except StoreBusyError:
            again = self._clock.monotonic() + BUSY_WAIT
            return Wait(again, scope, ask_at=again)
        if not isinstance(decided, Wait):
            return decided
        until, now = decided.until - self._offset, self._clock.monotonic()
        return evolve(decided, until=until, ask_at=min(until, now + RECHECK_SECONDS))

    def record(self, step: Step[object]) -> None:
        """Apply a step now, or as soon as the store can be used."""
        self.defer(step)
        self.flush()

    def flush(self) -> None:
        """Save the steps that were deferred, if the store can be used."""
        if self._steps:
            self.sync()

    def sync(self) -> None:
        """Load the state that other processes have saved."""
        with suppress(StoreBusyError):
            self._update(_no_step)

    def defer(self, step: Step[object]) -> None:
        """Apply a step together with the next one that uses the store."""
        self._waits.clear()
        self._steps.append(step)

    def query(self, step: Step[T]) -> T:
        """Return what a step returns that changes nothing, from the state that was loaded last."""
        return step(self._state, self.now())

    def _update(self, step: Step[T]) -> T:
        began = self._clock.monotonic()
        if began < self._without_until:
            return self._apply_locally(step)
        if began < self._busy_until:
            raise StoreBusyError
        results: list[tuple[T, str]] = []
        try:
            self._store.update(self._scope, lambda text: (self._decide(text, step, results), None))
        except StoreBusyError as error:
            self._wait_while_busy(began, error, decided=bool(results))
        except StoreError as error:
            self._continue_without_store(began, error)
        else:
            self._known, self._busy_since, self._failing = results[0][1], None, False
            self.synced_at = began
        return results[0][0] if results else self._apply_locally(step)

    def _decide(self, text: str | None, step: Step[T], results: list[tuple[T, str]]) -> str | None:
        """Apply a step to the stored state; return the text to store instead, or None where nothing has changed."""
        if isinstance(text, str) and text.startswith(LINK):
            text = None
        kept = self._initial if text is None else self._known if self._load(text) else None
        self._state.pace.renew(self.now())
        result = self._apply_locally(step)
        state = self._dump()
        results.append((result, state))
        return None if state == kept else f"{json.dumps([self.now()])}\n{state}"

    def _apply_locally(self, step: Step[T]) -> T:
        """Apply a step to the state that is known here, after all deferred steps."""
        now = self.now()
        steps, self._steps = self._steps, []
        for deferred in steps:
            deferred(self._state, now)
        return step(self._state, now)

    def _load(self, text: str) -> bool:
        """Load a stored state, unless it is the one that is known here.

        Return False where it can't be read; then the rules begin anew.
        """
        try:
            head, _, state = text.partition("\n")
            self._offset = max(self._offset, _written_at(json.loads(head)) - self._clock.monotonic())
            if state != self._known:
                known = json.loads(state)
                self._state.load(known["rules"], self.now())
                self._load_holds(known["holds"])
                self._known = state
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            logger.warning("the limits that were kept can't be read (%r): they begin anew", error)
            self._state.load(json.loads(self._initial)["rules"], self.now())
            return False
        return True

    def _load_holds(self, known: Any) -> None:
        """Add the holds of other processes to the own ones, and warn of long ones."""
        now, holds = self._clock.monotonic(), self._state.holds
        news = holds.news
        for hold in holds.load(known, now, self._offset):
            EventStream.warn_of_hold(hold, hold.until - now, hold.until - now + self._clock.time())
        if holds.news != news:
            self.expire_waits(
                max((hold.until for hold in holds.by_scope.values() if hold.scope != "jobs"), default=now)
            )

    def _dump(self) -> str:
        """Return the whole state as text."""
        holds = self._state.holds.dump(self._clock.monotonic(), self._offset)
        return json.dumps({"rules": self._state.dump(), "holds": holds}, separators=(",", ":"))

    def _wait_while_busy(self, now: float, error: StoreBusyError, *, decided: bool) -> None:
        """Raise the error while the store may become free soon; go on without the store after `BUSY_LIMIT` seconds."""
        if self._busy_since is None:
            self._busy_since = now
        if decided or self._failing or now >= self._busy_since + BUSY_LIMIT:
            self._continue_without_store(now, error)
        else:
            self._busy_until = self._clock.monotonic() + BUSY_WAIT
            raise error

    def _continue_without_store(self, now: float, error: StoreError) -> None:
        if not self._failing:
            logger.warning("the store of limits can't be used (%s): this process goes on by itself for a while", error)
        self._failing, self._busy_since, self._without_until = True, None, now + RETRY_SECONDS


def _ignore(until: float) -> None:
    """Do nothing: nobody waits yet."""


def _written_at(head: Any) -> float:
    """Return the shared time at which a state was written."""
    (last,) = head
    if not -LATEST_TIME <= last <= LATEST_TIME:
        raise ValueError(f"{last} is no time")
    return float(last)


def _no_step(_: KeyState, __: float) -> None:
    """Change nothing: only deferred steps are applied."""
