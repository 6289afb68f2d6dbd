"""Rules whose state is kept in a store: the same rules, applied to what all processes did.

What happens here is a list of steps. An update loads the state, applies the steps to it, and saves it. As a store may
have an update decided again, steps can be repeated: they set what they change in objects of this process anew, and the
state is loaded again before.

Times in the state are the store's. While the store can't be used, a process goes on with what it knows, and with its
part of the limits: one of as many as there were processes. That costs speed, or a refusal, but never a call. When the
store is back, each process tells what the state lacks of it (`engine.own_steps`), whatever the store has lost.

A store on a server is used in a thread: `lock` is held while something is decided, and not while a server is waited
for. All other calls hold it.
"""

import json
import logging
import math
import secrets
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar

from attrs import define, evolve

from generor_async.engine.events import EventStream
from generor_async.engine.key_state import KeyState, Step, ended_of
from generor_async.engine.limits import Limits
from generor_async.engine.own_steps import OwnSteps
from generor_async.rules.wait import LimitScope, Wait
from generor_async.stores.limit_store import LimitStore, StoreBusyError, StoreError
from generor_async.values import Clock

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AbandonedError", "KeyState", "SharedRules", "Step", "Urgency"]

T = TypeVar("T")

BUSY_WAIT: Final = 0.05
"""Seconds until a busy store is tried again."""
BUSY_LIMIT: Final = 2.0
"""Seconds for which a store may be busy until this process goes on without it."""
SYNC_SECONDS: Final = 1.0
"""Seconds after which a call that needs no permit loads the state: a 429 may hold all calls of the key."""
RECHECK_SECONDS: Final = 0.25
"""The fewest seconds after which a rule that made calls wait is asked again: another process may have changed its
state."""
RETRY_SECONDS: Final = 5.0
"""Seconds until a store that failed is tried again."""

logger = logging.getLogger("generor_async")

Urgency: TypeAlias = Literal["now", "soon", "later"]
"""When to tell the store of something: at once, as all processes wait for it; soon, as some may; or when it is used."""


class AbandonedError(Exception):
    """An update is no longer waited for."""


@define(eq=False)
class _Attempt:
    """An update under way."""

    steps: int
    """How many of the waiting steps it applies."""
    decided: str | None = None
    """The state that was decided upon; None until then."""
    written: bool = False
    """Whether it differs from what the store had."""


class SharedRules:
    """The rules of one name, whose state a store keeps for all processes."""

    def __init__(
        self, state: KeyState, store: LimitStore, scope: str, clock: Clock, lock: "threading.RLock | None" = None
    ) -> None:
        self._state = state
        self._store = store
        self._scope = scope
        self._clock = clock
        self._lock = lock or threading.RLock()
        self.process = secrets.token_hex(4)
        """Tells this process from others in the store."""
        self._offset = clock.time() - clock.monotonic()
        """Seconds by which the store's clock is ahead of this process's own."""
        self._initial = self._dump()
        """The state before anything happened."""
        self._base: str | None = self._initial
        """The state here as it was after the last update; None where it has to be dumped."""
        self._stored: str | None = None
        """What the store had then; None where that isn't the state here."""
        self._own = state.own()
        """What of the state was this process's own after the last update."""
        self._changed = False
        """Whether the state here was changed by an update that hasn't succeeded."""
        self._steps = OwnSteps()
        self._recorded_at = -math.inf
        """When the last update was made, by the store's clock."""
        self._lost: list[Step[object]] = []
        """Steps that the state lacks which was loaded last."""
        self._attempt: _Attempt | None = None
        """The update under way."""
        self._at: float | None = None
        """The time of the update that is being decided; None outside."""
        self.tells_again = False
        """Whether steps are applied that a state has lost."""
        self.expire_waits: Callable[[float], None] = _ignore
        """Ends the waits whose deadline is before a moment, when another process's hold is loaded."""
        self.noted: Callable[[Urgency], None] = self._flush_noted
        """Called after each `note`: has the store told of it."""
        self.answered = False
        """Whether an answer has come that may name a limit; whoever asks resets it."""
        self.synced_at = -math.inf
        """When the store was last used, by this process's own clock."""
        self._busy_since: float | None = None
        self._busy_until = -math.inf
        """Until when a busy store is not tried again."""
        self._parts = 0
        """Into how many parts the limits are divided while the store can't be used; 0 while it can."""
        self.trouble = ""
        """Since when and why the store can't be used; empty while it can."""
        self._without_until = -math.inf
        """Until when a failed store is not tried again, by this process's own clock; infinite for one on a server."""
        self._retry_at = -math.inf
        """When a failed store on a server is looked for again."""

    def now(self) -> float:
        """Return the time by the store's clock."""
        return self._clock.monotonic() + self._offset

    def shared_time(self, now: float) -> float:
        """Convert a moment of this process's own clock to the store's clock.

        Only within a step is the offset up to date.
        """
        return now + self._offset

    def own_time(self, at: float) -> float:
        """Convert a moment of the store's clock to this process's own clock."""
        return at - self._offset

    @property
    def remote(self) -> bool:
        """Whether an update waits for a network."""
        return self._store.remote

    @property
    def without_store(self) -> bool:
        """Whether updates are applied here, without the store."""
        return self._clock.monotonic() < self._without_until

    @property
    def is_busy(self) -> bool:
        """Whether the store was busy when it was last used."""
        return self._busy_since is not None

    @property
    def has_steps(self) -> bool:
        """Whether there are steps that the store has not been told of."""
        return bool(self._steps.waiting)

    @property
    def has_own(self) -> bool:
        """Whether other processes count requests or submissions that this one has to confirm."""
        (pending, _), submissions = self._own
        return bool(pending or submissions)

    @property
    def others_may_go_on(self) -> bool:
        """Whether other processes wait although there is room: for those requests under way."""
        state = self._state
        return len(state.turns) > (self.process in state.turns) and state.pace.left > 0

    @property
    def others_need_slots(self) -> bool:
        """Whether submissions of other processes wait for a slot."""
        turns = self._state.job_turns
        return len(turns) > (self.process in turns)

    def reserve(self, scope: LimitScope, step: Step[T | Wait]) -> T | Wait:
        """Apply a step that reserves something: within the update that is being decided, or in one of its own.

        Within an update, the times of a Wait are by the store's clock, else by this process's own. `scope` is the limit
        to name while the store is busy.
        """
        if self._at is not None:
            return step(self._state, self._at)
        try:
            decided = self.update(step)
        except StoreBusyError:
            return self.busy_wait(scope)
        if not isinstance(decided, Wait):
            return decided
        until, now = self.own_time(decided.until), self._clock.monotonic()
        return evolve(decided, until=until, ask_at=min(until, now + RECHECK_SECONDS))

    def busy_wait(self, scope: LimitScope) -> Wait:
        """Return the wait for a busy store."""
        again = self._clock.monotonic() + BUSY_WAIT
        return Wait(again, scope, ask_at=again)

    def record(self, step: Step[object]) -> None:
        """Apply a step now, or as soon as the store can be used."""
        self._steps.waiting.append(step)
        if self._store.remote:
            self.noted("now")
        else:
            self.flush()

    def restrict(self, limits: Limits) -> None:
        """Apply the limits that one more client was given as well: they concern this process alone."""
        if self._store.remote:
            self._state.restrict(limits)
            self.defer(lambda state, _: state.restrict(limits))
        else:
            self.record(lambda state, _: state.restrict(limits))

    def note(self, step: Step[object], urgency: Urgency = "later") -> None:
        """Apply a step together with others, as soon as somebody may need it."""
        self._steps.waiting.append(step)
        self.noted(urgency)

    def flush(self) -> None:
        """Save the steps that were deferred, if the store can be used."""
        if self._steps.waiting:
            self.sync()

    def sync(self) -> None:
        """Load the state that other processes have saved."""
        with suppress(StoreBusyError):
            self.update(_no_step)

    def defer(self, step: Step[object]) -> None:
        """Apply a step together with the next one that uses the store, whenever that is."""
        self._steps.waiting.append(step)

    def query(self, step: Step[T]) -> T:
        """Return what a step returns that changes nothing, from the state that was loaded last."""
        return step(self._state, self.now())

    # --- updates --------------------------------------------------------------------------------------------------

    def update(self, step: Step[T]) -> T:
        """Apply a step to the stored state; without the store, to the state that is known here.

        Raises:
            StoreBusyError: The store may become free soon; nothing was applied.
            AbandonedError: `abandon` was called meanwhile.
        """
        with self._lock:
            began = self._clock.monotonic()
            if self.without_store:
                return self._apply_here(step)
            if began < self._busy_until:
                raise StoreBusyError
            if self._base is None:
                self._base = self._dump()
            attempt = self._attempt = _Attempt(len(self._steps.waiting))
        results: list[T] = []
        failure: StoreError | None = None
        try:
            self._store.update(self._scope, lambda text, now: (self._decide(text, now, step, attempt, results), None))
        except StoreError as error:
            failure = error
        with self._lock:
            self._check_waited_for(attempt)
            self._attempt = None
            if failure is not None and (not results or isinstance(failure, StoreBusyError)):
                return self._apply_without(step, began, failure)
            if failure is None:
                self._base = self._stored = attempt.decided
                self._succeeded(began)
            else:  # it may have been written or not
                self._base = self._stored = None
            self._commit(attempt, began)
            if failure is None:
                self._steps.tell(self._steps.updates, began)
            else:
                self._continue_without_store(began, failure)
            return results[-1]

    def _decide(self, text: str | None, now: float, step: Step[T], attempt: _Attempt, results: list[T]) -> str | None:
        """Apply the steps to the stored state; return the text to store instead, or None where nothing has changed."""
        with self._lock:
            self._check_waited_for(attempt)
            self._offset = now - self._clock.monotonic()
            kept = self._load(text, now)
            self._changed = True
            if self._parts:
                self._state.divide(1, now)
            results.append(self._apply(attempt.steps, step, now))
            rules = self._dump_rules()
            attempt.decided = self._dump(rules)
            attempt.written = attempt.decided != kept
            if not attempt.written:
                return None
            self._state.processes.record(self.process, self._steps.updates + 1, now)
            attempt.decided = self._dump(rules)
            return attempt.decided

    def _check_waited_for(self, attempt: _Attempt) -> None:
        if self._attempt is not attempt:
            raise AbandonedError

    def _commit(self, attempt: _Attempt, now: float) -> None:
        """Take over what an update has decided."""
        before, self._own = self._own, self._state.own()
        self._steps.apply(attempt.steps, now, self._steps.updates + attempt.written, ended_of(before, self._own))
        self._changed, self._lost, self._recorded_at = False, [], self.now()

    def abandon(self, step: Step[T]) -> T:
        """Wait no longer for the update under way, and go on without the store; return what the step returns."""
        attempt, self._attempt = self._attempt, None
        now = self._clock.monotonic()
        self._continue_without_store(now, StoreError("it does not answer"))
        if attempt is not None and attempt.decided is not None:  # it may be written some time
            self._apply_here(_no_step, attempt.steps)
        return self._apply_here(step)

    def find_store(self) -> bool:
        """Look whether a store on a server can be used again; return whether it can."""
        try:
            self._store.update(self._scope, _look)
        except StoreError as error:
            with self._lock:
                self._continue_without_store(self._clock.monotonic(), error)
            return False
        with self._lock:
            self._without_until = -math.inf
        return True

    @property
    def is_to_look(self) -> bool:
        """Whether it is time to look for a store on a server that failed."""
        return self._clock.monotonic() >= self._retry_at

    def _apply_without(self, step: Step[T], began: float, failure: StoreError) -> T:
        """Apply a step here after the store failed; raise the error of a store that may become free soon."""
        if isinstance(failure, StoreBusyError):
            self._wait_while_busy(began, failure)
        else:
            self._continue_without_store(began, failure)
        return self._apply_here(step)

    def _apply_here(self, step: Step[T], steps: int | None = None) -> T:
        """Apply a step to the state that is known here, after the first deferred steps; after all where None."""
        now, count = self.now(), len(self._steps.waiting) if steps is None else steps
        if self._changed:
            assert self._base is not None
            self._restore(self._base, now)
        self._base = self._stored = None
        if self._parts:
            self._state.divide(self._parts, now)
        result = self._apply(count, step, now)
        self._commit(_Attempt(count, written=True), self._clock.monotonic())
        self._state.processes.record(self.process, self._steps.updates, now)
        return result

    def _apply(self, steps: int, step: Step[T], now: float) -> T:
        """Apply what the state lacks, the first of the deferred steps, and then a step."""
        self._at = now
        try:
            self._state.pace.renew(now)
            self._state.slots.renew(now)
            self.tells_again = True
            for lost in self._lost:
                lost(self._state, now)
            self.tells_again = False
            for deferred in self._steps.waiting[:steps]:
                deferred(self._state, now)
            return step(self._state, now)
        finally:
            self._at, self.tells_again = None, False

    # --- the state as text ----------------------------------------------------------------------------------------

    def _load(self, text: str | None, now: float) -> str | None:
        """Load what the store has, unless it is known here; return it as this process would write it.

        Where there is nothing, what is known here stays. Where it can't be read, the rules begin anew, and None is
        returned.
        """
        if text is None:
            if self._changed:
                assert self._base is not None
                self._restore(self._base, now)
            return self._initial
        if text == self._stored and not self._changed:
            return text
        try:
            self._restore(text, now)
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            logger.warning("the limits that were kept can't be read (%r): they begin anew", error)
            self._restore(self._initial, now)
            return None
        return text

    def _restore(self, text: str, now: float) -> None:
        """Replace the state by a stored one, in which what was this process's own still is."""
        state, steps = self._state, self._steps
        known = json.loads(text)
        state.processes.load(known.get("processes", []), now)
        told = state.processes.told(self.process, steps.updates, self._recorded_at, now)
        ended = steps.ended_since(told)
        state.set_own([*ended, self._own])
        state.load(known["rules"], now)
        self._load_holds(known["holds"])
        if told < steps.updates:
            state.restore_own(self._own, ended)
        self._lost = steps.lost(told)

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

    def _dump(self, rules: str | None = None) -> str:
        """Return the whole state as text, in which `rules` is what `_dump_rules` returned."""
        rules = self._dump_rules() if rules is None else rules
        return f'{rules[:-1]},"processes":{json.dumps(self._state.processes.dump(), separators=(",", ":"))}}}'

    def _dump_rules(self) -> str:
        """Return rules and holds as text."""
        holds = self._state.holds.dump(self._clock.monotonic(), self._offset)
        return json.dumps({"rules": self._state.dump(), "holds": holds}, separators=(",", ":"))

    # --- a store that can't be used -------------------------------------------------------------------------------

    def _flush_noted(self, _: Urgency) -> None:
        self.flush()

    def _wait_while_busy(self, now: float, error: StoreBusyError) -> None:
        """Raise the error while the store may become free soon; go on without the store after `BUSY_LIMIT` seconds."""
        if self._busy_since is None:
            self._busy_since = now
        if self._parts or now >= self._busy_since + BUSY_LIMIT:
            self._continue_without_store(now, error)
        else:
            self._busy_until = self._clock.monotonic() + BUSY_WAIT
            raise error

    def _continue_without_store(self, now: float, error: StoreError) -> None:
        if not self._parts:
            since = datetime.fromtimestamp(self._clock.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            self._parts = self._state.processes.count(self.process, self.now())
            part = f", and keeps to one of {self._parts} parts of the limits" if self._parts > 1 else ""
            self.trouble = f"unavailable since {since}: {error}"
            logger.warning(
                "the store of limits can't be used (%s): this process goes on by itself for a while%s", error, part
            )
        self._busy_since, self._retry_at = None, now + RETRY_SECONDS
        self._without_until = math.inf if self._store.remote else self._retry_at

    def _succeeded(self, began: float) -> None:
        if self._parts:
            self._state.reunite()
            logger.warning("the store of limits answers again: the limits are shared as before")
        self._busy_since, self._parts, self.trouble, self.synced_at = None, 0, "", began


def _ignore(until: float) -> None:
    """Do nothing: nobody waits yet."""


def _no_step(_: KeyState, __: float) -> None:
    """Change nothing: only deferred steps are applied."""


def _look(_: str | None, __: float) -> tuple[None, None]:
    """Write nothing."""
    return None, None
