"""Keeps calls to the limits of their key: requests in a time, and jobs at once.

`rules.pace` and `rules.slots` decide, `engine.queue` waits; this module passes on to them what happens. All clients of
one name, one store and one clock share a keeper, whatever thread or event loop they run in. It lives as long as one of
them. In a forked child the clients share the parent's keepers, which begin there without the parent's requests.
"""

import atexit
import hashlib
import math
import os
import threading
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeAlias

from attrs import evolve

from generor_async.engine.exchange import Exchange
from generor_async.engine.expected_waits import Outlook
from generor_async.engine.limits import Limits, RateLimits
from generor_async.engine.outage import OutageGates
from generor_async.engine.queue import Queue
from generor_async.engine.shared_pace import SharedPace
from generor_async.engine.shared_queue import SharedQueue
from generor_async.engine.shared_rules import SYNC_SECONDS, KeyState, SharedRules
from generor_async.engine.shared_slots import SharedSlots
from generor_async.engine.slots import JobSlots
from generor_async.rules.holds import Hold
from generor_async.rules.pace import Pace, Permit
from generor_async.rules.rate_headers import RateLimitReport
from generor_async.rules.schedule import JobDurations
from generor_async.rules.slots import Slots
from generor_async.rules.vendors import GENEROR, Vendor
from generor_async.rules.weights import LearnedWeights, RequestType
from generor_async.rules.window import Scope
from generor_async.stores.limit_store import LimitStore
from generor_async.stores.places import LimitPlace
from generor_async.values import Clock, Secret

__all__ = ["LimitKeeper", "keeper_of"]


class LimitKeeper:
    """The limits of all clients of one name: their queues, windows, slots, holds and outages."""

    def __init__(self, limits: Limits, vendor: Vendor, clock: Clock, *, scope: str, keyless: bool = False) -> None:
        self._given = [limits]
        """The different limits that clients were given."""
        self._vendor = vendor
        self._clock = clock
        self._scope = scope
        """The key of the row in the store."""
        self._keyless = keyless
        self._store = None if limits.store is None else _open_store(limits.store, clock)
        self._lock = threading.RLock()
        self._open()

    def restrict(self, limits: Limits) -> None:
        """Apply the limits that one more client was given as well."""
        with self._lock:
            if limits not in self._given:
                self._given.append(limits)
                self._restrict(limits)
                self.unbound &= self._pace.unbound
                now = self._clock.monotonic()
                for queue in self._queues:
                    queue.pump(now)

    def _restrict(self, limits: Limits) -> None:
        if self._shared is None:
            self._rules.restrict(limits)
        else:
            self._shared.restrict(limits)

    def lock_before_fork(self) -> None:
        """Wait for the transactions of other threads, and let none begin."""
        self._lock.acquire()

    def unlock_after_fork(self) -> None:
        """Let transactions begin again in the parent."""
        self._lock.release()

    def reset_after_fork(self) -> None:
        """Begin with empty logs, queues and locks in a forked child."""
        self._lock = threading.RLock()
        if self._store is not None:
            self._store.reset_after_fork()
        self._open()

    def _open(self) -> None:
        vendor, clock = self._vendor, self._clock
        rules = self._rules = self._make_rules(self._given[0])
        pace: Pace | SharedPace = rules.pace
        slots: Slots | SharedSlots = rules.slots
        shared: SharedRules | None = None
        exchange: Exchange | None = None
        self.next_sync = math.inf
        """When a call that needs no permit is to `sync`, by this process's own clock."""
        if (store := self._store) is not None:
            shared = SharedRules(rules, store, self._scope, clock, self._lock)
            exchange = Exchange(shared, clock, self._lock)
            pace, slots = SharedPace(shared), SharedSlots(shared)
        self._shared, self._exchange = shared, exchange
        if store is not None:
            if store.remote:
                self.next_sync = -math.inf  # where and when a client is made, nothing is waited for
            else:
                self.sync(clock.monotonic())  # whatever others were told holds for the first call as well
        for limits in self._given[1:]:
            self._restrict(limits)
        self._pace = pace
        weigh = rules.pace.weights.of
        self.queue: Queue[Permit] = (
            Queue(pace, clock, self._lock, weigh)
            if exchange is None
            else SharedQueue(pace, clock, self._lock, exchange, "minute", weigh)
        )
        """Calls that wait for a window."""
        self.slots = (
            None if vendor is GENEROR else JobSlots(slots, pace, clock, self._lock, exchange, rules.slots.units_for)
        )
        """The slots of Luma's jobs; None for Generor."""
        self._queues: list[Queue[Any]] = [self.queue] if self.slots is None else [self.slots.queue, self.queue]
        self.unbound: bool = False
        """Whether there is no limit to keep to, so that calls need no permits."""
        self.holds = rules.holds
        """The holds that 429s have begun."""
        self.gates = OutageGates(clock)
        """Where calls wait during an outage of the API."""
        if shared is not None and exchange is not None:
            shared.expire_waits = self._expire_waits
            exchange.on_round = lambda: self._update_unbound(shared)

    def _make_rules(self, limits: Limits) -> KeyState:
        rpm, share = limits.rpm, limits.max_share
        slots = Slots(limits.jobs, share, LearnedWeights())
        if self._vendor is GENEROR:
            pace = Pace.of_generor(keyless=self._keyless, tier=limits.tier, rpm=rpm, share=share)
        else:
            pace = Pace.of_luma(rpm=rpm, share=share, weights=slots.weights)
        return KeyState(pace, slots)

    def sync(self, now: float) -> None:
        """Load what other processes have learned, once in `SYNC_SECONDS`: a 429 may hold all calls of the key.

        A server is not waited for.
        """
        with self._lock:
            if (shared := self._shared) is not None and (exchange := self._exchange) is not None:
                if now >= shared.synced_at + SYNC_SECONDS:
                    exchange.refresh()
                self.next_sync = max(now, shared.synced_at) + SYNC_SECONDS

    async def save(self) -> None:
        """Save what has happened, because it may be the last; not for long where a server does not answer."""
        if self._exchange is not None:
            await self._exchange.save()

    def save_at_exit(self) -> None:
        """Do the same without an event loop."""
        if self._exchange is not None:
            self._exchange.save_at_exit()

    def _update_unbound(self, shared: SharedRules) -> None:
        if shared.answered:
            shared.answered, self.unbound = False, self._pace.unbound

    def sent(self, permit: Permit, now: float) -> None:
        """Record that a request leaves this machine. Its place may be the first of which the end is known."""
        with self._lock:
            self._pace.sent(permit, now)
            for queue in self._queues:
                if queue.no_timer:
                    queue.pump(now)

    def received(self, permit: Permit, now: float, report: RateLimitReport | None, *, succeeded: bool) -> None:
        """Record an answer, and admit the calls that it makes room for.

        Those that need a slot are admitted when it is known what became of the slot of this one.
        """
        with self._lock:
            self._pace.received(permit, now, report, succeeded=succeeded)
            self.unbound = self._pace.unbound
            self.queue.pump(now)

    def learn(self, report: RateLimitReport) -> None:
        """Record the limits that are named by an answer to a request without a permit."""
        with self._lock:
            self._pace.learn_limits(report)
            self.unbound = self._pace.unbound

    def refused(
        self, permit: Permit | None, now: float, retry_after: float, scope: Scope, report: RateLimitReport | None
    ) -> None:
        """Record a 429: nothing leaves until its wait is over, and from now on calls need permits."""
        with self._lock:
            if permit is None:
                self._pace.hold(now + retry_after, scope)
            else:
                self._pace.refused(permit, now, retry_after, scope, report)
            self.unbound = False
            self.queue.pump(now)

    def block(self, hold: Hold, now: float) -> bool:
        """Record the hold that a 429 begins; return whether to warn of it, which is so once for each long hold."""
        with self._lock:
            if hold.scope == "jobs" and (self.slots is None or self.slots.state(now).used):
                return False  # the end of a job of ours frees a slot before that
            if hold.scope != "jobs":
                self._expire_waits(hold.until)
            is_news = self.holds.add(hold, now)
            if self._shared is not None:
                self._shared.record(lambda state, _: state.holds.add(hold, now))
            return is_news

    def _expire_waits(self, until: float) -> None:
        """End the waits whose deadline is before that moment: no call is admitted until then."""
        self.queue.expire_waits(until)
        if self.slots is not None:
            self.slots.queue.expire_waits(until)

    def give_back(self, permit: Permit, now: float) -> None:
        """Take back the permit of a request that got no answer; one that never left is given to the next call."""
        with self._lock:
            self._pace.give_back(permit)
            self.queue.pump(now)

    def snapshot(self, now: float) -> RateLimits:
        """Return the limits as they are known now, to other processes as well."""
        slots = self.slots
        with self._lock:
            if (shared := self._shared) is not None and not shared.remote:
                shared.flush()
            if now >= self.next_sync:
                self.sync(now)
            began = self._clock.time() - now
            held = self.holds.longest(now)
            return RateLimits(
                windows={scope: state.later(began) for scope, state in self._pace.states(now).items()},
                share=min(limits.max_share for limits in self._given),
                tier=self._pace.tier,
                queued=len(self.queue) + (0 if slots is None else len(slots.queue)),
                jobs=None if slots is None else slots.state(now),
                held=None if held is None else evolve(held, until=held.until + began),
                store="" if shared is None else shared.trouble,
                away=next((gate.error.message for gate in tuple(self.gates.away) if gate.error is not None), ""),
            )

    @contextmanager
    def outlook(self, durations: Callable[[RequestType], JobDurations]) -> Generator[Outlook]:
        """Yield what is known of the coming admissions, under the lock; `durations` are those of a type of jobs."""
        with self._lock:
            now, shared = self._clock.monotonic(), self._shared
            abuse = self.holds.by_scope.get("abuse")
            yield Outlook(
                state=self._rules,
                process="" if shared is None else shared.process,
                at=now if shared is None else shared.shared_time(now),
                now=now,
                windows=self.queue,
                slots=None if self.slots is None else self.slots.queue,
                durations=durations,
                held=0.0 if abuse is None else max(abuse.until - now, 0.0),
                away=bool(self.gates.away),
            )


Identity: TypeAlias = tuple[str, LimitPlace | None, int]
"""The scope, the store and the id of the clock; the keeper holds the clock, so that no other object gets its id."""
_keepers: "weakref.WeakValueDictionary[Identity, LimitKeeper]" = weakref.WeakValueDictionary()
_lock = threading.Lock()


def keeper_of(limits: Limits, vendor: Vendor, base_url: str, key: Secret | None, clock: Clock) -> LimitKeeper:
    """Return the keeper that a client shares with all living clients of its name, store and clock.

    Raises InvalidRequestError for a store that can't be opened.
    """
    scope = _scope(limits.name, vendor, base_url, key)
    identity = scope, limits.store, id(clock)
    with _lock:
        keeper = _keepers.get(identity)
        if keeper is None:
            keeper = LimitKeeper(limits, vendor, clock, scope=scope, keyless=key is None)
            _keepers[identity] = keeper
        else:
            keeper.restrict(limits)
        return keeper


def _open_store(place: LimitPlace, clock: Clock) -> LimitStore:
    from generor_async.stores.opening import open_limit_store  # noqa: PLC0415 - only where a store is used

    store = open_limit_store(place, clock)
    atexit.unregister(_flush_all)
    atexit.register(_flush_all)  # last, so that it comes before the end of what stores have opened
    return store


def _scope(name: str | None, vendor: Vendor, base_url: str, key: Secret | None) -> str:
    """Return a hash of the name, or else of address and key: none of them can be read from it.

    Clients without a key, whose limits hold for their IP address, share with no client that has one.
    """
    if name is None:
        parts = [vendor.name, base_url, "" if key is None else key.reveal()]
    else:
        parts = [vendor.name, "name" if key is not None else "name without a key", name]  # neither is an address
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


_locked_to_fork: list[LimitKeeper] = []
"""The keepers that a fork has locked."""


def _lock_before_fork() -> None:
    """Lock all keepers: a child must not begin in the middle of another thread's transaction, whose locks it keeps."""
    _lock.acquire()
    _locked_to_fork.extend(_keepers.values())
    for keeper in _locked_to_fork:
        keeper.lock_before_fork()


def _unlock_after_fork() -> None:
    for keeper in _locked_to_fork:
        keeper.unlock_after_fork()
    _locked_to_fork.clear()
    _lock.release()


def _flush_all() -> None:
    """Save what has happened where clients were not closed."""
    for keeper in list(_keepers.values()):
        keeper.save_at_exit()


def _reset_after_fork() -> None:
    """Reset all keepers in a forked child."""
    for keeper in _locked_to_fork:
        keeper.reset_after_fork()
    _locked_to_fork.clear()
    _lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_lock_before_fork, after_in_parent=_unlock_after_fork, after_in_child=_reset_after_fork)
