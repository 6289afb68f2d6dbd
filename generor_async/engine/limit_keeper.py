"""What a key is allowed, kept to by all clients that share a `Limits`: requests in a time, and jobs at once.

`rules.pace` and `rules.slots` decide, `engine.queue` waits; this module is where their events go in.
"""

import hashlib
import math
import os
import threading
import weakref
from collections.abc import Mapping

from attrs import evolve, frozen

from generor_async.engine.outage import OutageGates
from generor_async.engine.queue import Queue
from generor_async.engine.shared_pace import SharedPace
from generor_async.engine.shared_rules import SYNC_SECONDS, KeyState, SharedRules
from generor_async.engine.shared_slots import SharedSlots
from generor_async.engine.slots import JobSlots
from generor_async.engine.store import SQLiteStore
from generor_async.errors import InvalidRequestError
from generor_async.rules import arguments
from generor_async.rules.holds import Hold
from generor_async.rules.pace import TIERS, Pace, Permit
from generor_async.rules.rate_headers import Said
from generor_async.rules.slots import Slots, SlotState
from generor_async.rules.vendors import GENEROR, Vendor
from generor_async.rules.weights import Weights
from generor_async.rules.window import Scope, WindowState
from generor_async.values import Clock, Secret

__all__ = ["Limits", "RateLimits", "shared_limits"]


@frozen(kw_only=True)
class RateLimits:
    """What is known of a key's limits now; times are Unix seconds."""

    windows: Mapping[Scope, WindowState]
    share: float
    """The part of every limit that the client keeps to."""
    tier: str | None
    """Generor's tier, once an answer has named it."""
    queued: int
    """Calls that wait for their turn."""
    jobs: SlotState | None
    """Luma's slots for jobs, in units: most jobs take one, some take more."""
    held: Hold | None = None
    """What calls wait for because a 429 said so, and why; None where nothing is held. Its `until` is Unix seconds. Of
    several, the one that ends last."""
    away: str = ""
    """What was wrong when the API was last found away, and calls wait for it; empty while it answers."""


class Limits:
    """The limits of one key, kept to by all clients that are given the same object.

    Clients of the same address and key share one by themselves. Give them one of your own where several keys belong
    to one account, or to say what is known beforehand: what is given is believed until a header says otherwise.

    Args:
        tier: Generor's tier: free, basic, pro or enterprise.
        rpm: requests per minute.
        jobs: how many of Luma's jobs may run at once: the dashboard shows it, and no header does. Once the server has
            shown that some jobs weigh more than others, it counts in units. Learned where it is not given.
        max_share: the part of every limit that these clients may use, above 0 and up to 1; the rest is left to others.
        store: a file in which to keep what is known of the limits: processes side by side then share them request by
            request, and one that starts again knows what the minute, the hour and the day still hold.
    """

    def __init__(
        self,
        *,
        tier: str | None = None,
        rpm: int | None = None,
        jobs: int | None = None,
        max_share: float = 1.0,
        store: str | os.PathLike[str] | None = None,
    ) -> None:
        if tier is not None:
            arguments.choice(tier, "tier", TIERS)
        if rpm is not None:
            arguments.count(rpm, "rpm", least=1, of="requests per minute")
        if jobs is not None:
            arguments.count(jobs, "jobs", least=1, of="jobs at once")
        arguments.at_least(max_share, "max_share", 0, above=True, at_most=1)
        self._tier, self._rpm, self._jobs, self._share = tier, rpm, jobs, max_share
        self._store = None if store is None else SQLiteStore(_file(store))
        self._served: tuple[Vendor, Clock, Secret | None] | None = None
        self._owners: list[str] = []
        """What stands for each address and key, the first one first."""
        self._lock = threading.RLock()
        _living.add(self)

    def serve(self, vendor: Vendor, clock: Clock, base_url: str, key: Secret | None) -> None:
        """Begin to keep the limits of an API. Raises InvalidRequestError for clients that cannot share."""
        with self._lock:
            owner = owner_of(vendor, base_url, key)
            if self._served is None:
                self._served = vendor, clock, key
                self._owners.append(owner)
                self._open(vendor, clock, key)
            elif self._served[0] is not vendor or self._served[1] is not clock:
                raise InvalidRequestError("limits", "limits are shared by clients of one API and with one clock alone")
            elif owner not in self._owners:
                self._owners.append(owner)
                if self._shared is not None:
                    self._shared.link(owner)

    def reset_after_fork(self) -> None:
        """Begin with empty logs and queues: in a forked child, whose parent may have held the lock."""
        self._lock = threading.RLock()
        if self._store is not None:
            self._store.reopen()
        if self._served is not None:
            self._open(*self._served)

    def _open(self, vendor: Vendor, clock: Clock, key: Secret | None) -> None:
        rules = self._rules(vendor, key)
        pace: Pace | SharedPace = rules.pace
        slots: Slots | SharedSlots = rules.slots
        self._shared = None if self._store is None else SharedRules(rules, self._store, self._owners, clock)
        self.look_at = math.inf
        """When a call is to `look`, by this process's own clock."""
        if (shared := self._shared) is not None:
            self.sync(clock.monotonic())  # whatever others were told holds for the first call as well
            pace, slots = SharedPace(shared, with_slots=vendor is not GENEROR), SharedSlots(shared)
        self._pace = pace
        self.queue: Queue[Permit] = Queue(pace, clock, self._lock)
        """Calls that wait for their turn."""
        self.slots = None if vendor is GENEROR else JobSlots(slots, clock, self._lock)
        """The slots of Luma's jobs."""
        self.unbound = False
        """Whether there is nothing to keep to, so that calls go without permits."""
        self.holds = rules.holds
        """What 429s have calls wait for."""
        self.gates = OutageGates(clock)
        """Where calls wait while the API is away."""
        if self._shared is not None:
            self._shared.give_up = self._expire_waits

    def _rules(self, vendor: Vendor, key: Secret | None) -> KeyState:
        slots = Slots(self._jobs, self._share, Weights())
        if vendor is GENEROR:
            pace = Pace.of_generor(keyless=key is None, tier=self._tier, rpm=self._rpm, share=self._share)
        else:
            pace = Pace.of_luma(rpm=self._rpm, share=self._share, weights=slots.weights)
        return KeyState(pace, slots)

    def sync(self, now: float) -> None:
        """Take over what other processes were told, unless that was done a moment ago: all of the key may be held."""
        with self._lock:
            if (shared := self._shared) is not None:
                if now >= shared.looked + SYNC_SECONDS:
                    shared.sync()
                self.look_at = max(now, shared.looked) + SYNC_SECONDS

    def sent(self, permit: Permit, now: float) -> None:
        """Note that a request leaves this machine; if all before it hadn't left, only now is its place's end known."""
        with self._lock:
            self._pace.sent(permit, now)
            if self.queue.no_timer:
                self.queue.pump(now)

    def received(self, permit: Permit, now: float, said: Said | None, *, succeeded: bool) -> None:
        """Note an answer, and let go whom it lets go."""
        with self._lock:
            self._pace.received(permit, now, said, succeeded=succeeded)
            self.unbound = self._pace.unbound
            self.queue.pump(now)

    def learn(self, said: Said) -> None:
        """Note what an answer says that came to a request without a permit."""
        with self._lock:
            self._pace.told(said)
            self.unbound = self._pace.unbound

    def refused(self, permit: Permit | None, now: float, retry_after: float, scope: Scope, said: Said | None) -> None:
        """Note a 429: nothing leaves until its wait is over, and from now on permits are needed."""
        with self._lock:
            if permit is None:
                self._pace.hold(now + retry_after, scope)
            else:
                self._pace.refused(permit, now, retry_after, scope, said)
            self.unbound = False
            self.queue.pump(now)

    def block(self, hold: Hold, now: float) -> bool:
        """Note what a 429 has calls wait for; return whether it is a long wait that people haven't been told of."""
        with self._lock:
            if hold.scope == "jobs" and (self.slots is None or self.slots.state(now).used):
                return False  # the end of a job of ours frees a slot before that
            if hold.scope != "jobs":
                self._expire_waits(hold.until)
            is_news = self.holds.add(hold, now)
            if self._shared is not None:
                self._shared.note(lambda state, _: state.holds.add(hold, now))
            return is_news

    def _expire_waits(self, until: float) -> None:
        """End the waits that must end before that moment: nobody is let go until then."""
        self.queue.expire_waits(until)
        if self.slots is not None:
            self.slots.queue.expire_waits(until)

    def lost(self, permit: Permit, now: float) -> None:
        """Note that no answer came; a permit that wasn't spent goes to the next."""
        with self._lock:
            self._pace.give_back(permit)
            self.queue.pump(now)

    def snapshot(self, now: float) -> RateLimits:
        """Return what is known of the limits."""
        slots = self.slots
        with self._lock:
            began = 0.0 if self._served is None else self._served[1].time() - now
            held = self.holds.longest(now)
            return RateLimits(
                windows={scope: state.later(began) for scope, state in self._pace.states(now).items()},
                share=self._share,
                tier=self._pace.tier,
                queued=len(self.queue) + (0 if slots is None else len(slots.queue)),
                jobs=None if slots is None else slots.state(now),
                held=None if held is None else evolve(held, until=held.until + began),
                away=next((gate.error.message for gate in tuple(self.gates.away) if gate.error is not None), ""),
            )


_living: "weakref.WeakSet[Limits]" = weakref.WeakSet()
_shared: "weakref.WeakValueDictionary[tuple[str, int], Limits]" = weakref.WeakValueDictionary()
_sharing = threading.Lock()


def shared_limits(vendor: Vendor, base_url: str, key: Secret | None, clock: Clock) -> Limits:
    """Return the limits that all living clients of one address and key have in common, by the same clock."""
    owner = owner_of(vendor, base_url, key)
    with _sharing:
        limits = _shared.get((owner, id(clock)))
        if limits is None:
            limits = _shared[owner, id(clock)] = Limits()
            limits.serve(vendor, clock, base_url, key)
        return limits


def _file(path: str | os.PathLike[str]) -> str:
    """Return the path of a file for a store; raises InvalidRequestError."""
    found = arguments.path(path, "store", "a file", advice='Give one, such as store="limits.sqlite"')
    if found == ":memory:":
        raise InvalidRequestError(
            "store", "store=':memory:' is no file, and shares nothing", advice='Give a file: store="limits.sqlite"'
        )
    return found


def owner_of(vendor: Vendor, base_url: str, key: Secret | None) -> str:
    """Return what stands for an address and a key, and shows neither."""
    text = "\n".join([vendor.name, base_url, "" if key is None else key.reveal()])
    return hashlib.sha256(text.encode()).hexdigest()


def _reset_after_fork() -> None:
    """In a forked child: the parent's log and queue are the parent's."""
    global _sharing  # noqa: PLW0603 - the parent may have held it
    _sharing = threading.Lock()
    _shared.clear()
    for limits in list(_living):
        limits.reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
