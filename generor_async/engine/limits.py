"""The queue before the wire: who leaves next, and when.

`rules.pace` decides; this module waits. One queue serves all clients that share a `Limits`, whatever thread or event
loop they run in: each waiter sleeps in its own loop, and whoever changes something looks whom it lets go. Each loop
with waiters has one alarm, so that none depends on another. The three classes of priority are weighted, so that none
starves.
"""

import asyncio
import hashlib
import math
import os
import threading
import weakref
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, TypeVarTuple, Unpack

from attrs import define, frozen

from generor_async.engine.options import PRIORITIES
from generor_async.errors import InvalidRequestError
from generor_async.rules.pace import TIERS, Pace, Permit, Scope, Wait, WindowState
from generor_async.rules.vendors import GENEROR, Vendor
from generor_async.values import Clock, Priority, RateLimit, Secret

__all__ = ["Limits", "OutOfTurnError", "RateLimits", "shared_limits"]

Ts = TypeVarTuple("Ts")

MOMENT: Final = 0.001
"""The shortest sleep of an alarm, in seconds: a clock that rounds less than that away would never come to the end."""
PATIENCE: Final = 9
"""How many others a class that waits lets pass before it has its turn."""


@frozen(kw_only=True)
class RateLimits:
    """What is known of a key's limits now; times are seconds of the client's own clock."""

    windows: Mapping[Scope, WindowState]
    tier: str | None
    """Generor's tier, once an answer has named it."""
    queued: int
    """Calls that wait for their turn."""


class OutOfTurnError(Exception):
    """A wait for one's turn that cannot end in time. Internal: callers see `DeadlineExceededError`."""

    def __init__(self, scope: Scope, wait: float) -> None:
        super().__init__(scope, wait)
        self.scope = scope
        self.wait = wait


@define(eq=False)
class _Waiter:
    """A call in the queue; it sleeps in its own loop until it is handed a permit."""

    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[None]"
    permit: Permit | None = None

    def given(self) -> Permit:
        """Return the permit that was handed over."""
        assert self.permit is not None
        return self.permit


@define(eq=False)
class _Alarm:
    """What wakes the queue, from one event loop, when time alone lets somebody go."""

    at: float
    loop: asyncio.AbstractEventLoop
    task: "asyncio.Task[None] | None" = None


class Limits:
    """The limits of one key, kept to by all clients that are given the same object.

    Clients of the same address and key share one by themselves. Give them one of your own where several keys belong
    to one account, or to say what is known beforehand: what is given is believed until a header says otherwise.

    Args:
        tier: Generor's tier: free, basic, pro or enterprise.
        rpm: requests per minute.
        max_share: the part of every limit that these clients may use, above 0 and up to 1; the rest is left to others.
    """

    def __init__(self, *, tier: str | None = None, rpm: int | None = None, max_share: float = 1.0) -> None:
        if tier is not None and tier not in TIERS:
            raise InvalidRequestError("tier", f"tier must be one of {', '.join(TIERS)}, not {tier!r}")
        if rpm is not None and (type(rpm) is not int or rpm < 1):
            raise InvalidRequestError("rpm", "rpm must be a whole number of requests per minute, at least 1")
        if not 0 < max_share <= 1:
            raise InvalidRequestError("max_share", "max_share must be above 0, and at most 1")
        self._tier, self._rpm, self._share = tier, rpm, max_share
        self._vendor: Vendor | None = None
        self._clock: Clock | None = None
        self._start()
        _living.add(self)

    def _start(self) -> None:
        """Begin with an empty log and an empty queue: at first, and in a forked child."""
        # The garbage collector may end calls of a closed event loop while this very thread holds the lock.
        self._lock = threading.RLock()
        self._pumping = False
        self._pace = Pace(())
        self._queues: dict[Priority, OrderedDict[int, _Waiter]] = {name: OrderedDict() for name in PRIORITIES}
        self._passed: dict[Priority, int] = dict.fromkeys(PRIORITIES, 0)
        self._crowds: Counter[asyncio.AbstractEventLoop] = Counter()
        self._alarms: dict[asyncio.AbstractEventLoop, _Alarm] = {}
        self.unbound = False
        """Whether there is nothing to keep to, so that calls go without permits."""
        if self._vendor is not None:
            self._open()

    def serve(self, vendor: Vendor, clock: Clock, *, keyless: bool) -> None:
        """Begin to keep the limits of an API. Raises InvalidRequestError for clients that cannot share."""
        with self._lock:
            if self._vendor is None:
                self._vendor, self._clock, self._keyless = vendor, clock, keyless
                self._open()
            elif self._vendor is not vendor or self._clock is not clock:
                raise InvalidRequestError("limits", "limits are shared by clients of one API and with one clock alone")

    def _open(self) -> None:
        if self._vendor is GENEROR:
            self._pace = Pace.of_generor(keyless=self._keyless, tier=self._tier, rpm=self._rpm, share=self._share)
        else:
            self._pace = Pace.of_luma(rpm=self._rpm, share=self._share)

    def enter_nowait(self, now: float, priority: Priority) -> Permit | None:
        """Let a call go at once; None where it has to queue."""
        with self._lock:
            if any(self._queues.values()):
                return None
            permit = self._pace.reserve(now, smooth=priority == "bulk")
            return permit if isinstance(permit, Permit) else None

    async def enter(
        self, clock: Clock, priority: Priority, timeout: float, waits: Callable[[Wait], None], *, again: bool
    ) -> Permit:
        """Wait for one's turn; raise OutOfTurnError when it cannot come, or has not come, within `timeout` seconds.

        Who was let go before and refused (`again`) goes to the head of its class.
        """
        loop = asyncio.get_running_loop()
        waiter = _Waiter(loop, loop.create_future())
        began = clock.monotonic()
        with self._lock:
            self._crowds[loop] += 1
            self._queues[priority][id(waiter)] = waiter
            if again:
                self._queues[priority].move_to_end(id(waiter), last=False)
            wait = self._pump(began)
        try:
            if wait is not None and not waiter.future.done():
                waits(wait)
                await self._turn_of(waiter, clock, wait, began + timeout)
        except GeneratorExit:
            # Its loop was closed, and the collector is here, in the middle of anything: the queue finds out by itself.
            if waiter.permit is not None:
                self.lost(waiter.permit, clock.monotonic())
            raise
        except BaseException:
            self._leave(waiter, priority, clock.monotonic())
            raise
        return waiter.given()

    async def _turn_of(self, waiter: _Waiter, clock: Clock, wait: Wait, deadline: float) -> None:
        left = deadline - clock.monotonic()
        if deadline == math.inf:
            await waiter.future
        elif wait.until <= deadline or wait.until == math.inf:
            guard = waiter.loop.call_later(left / clock.speed, _wake, waiter.future)
            try:
                await waiter.future
            finally:
                guard.cancel()
        if waiter.permit is None:
            raise OutOfTurnError(wait.scope, left)

    def _leave(self, waiter: _Waiter, priority: Priority, now: float) -> None:
        """Take a waiter out of the queue, wherever it stands; a permit that it was handed goes to the next."""
        with self._lock:
            if self._queues[priority].pop(id(waiter), None) is not None:
                self._depart(waiter.loop)
            if waiter.permit is not None:
                self._pace.dropped(waiter.permit)
            self._pump(now)

    def sent(self, permit: Permit, now: float) -> None:
        """Note that a request leaves this machine; if all before it hadn't left, only now is its place's end known."""
        with self._lock:
            self._pace.sent(permit, now)
            if self._crowds and not self._alarms:
                self._pump(now)

    def received(self, permit: Permit, now: float, said: RateLimit | None, *, succeeded: bool) -> None:
        """Note an answer, and let go whom it lets go."""
        with self._lock:
            self._pace.received(permit, now, said, succeeded=succeeded)
            self.unbound = self._pace.unbound
            self._pump(now)

    def told(self, said: RateLimit) -> None:
        """Note what an answer says that came to a request without a permit."""
        with self._lock:
            self._pace.told(said)
            self.unbound = self._pace.unbound

    def hold(self, until: float, scope: Scope) -> None:
        """Note a 429 to a request without a permit: from now on, permits are needed."""
        with self._lock:
            self._pace.hold(until, scope)
            self.unbound = False

    def refused(self, permit: Permit, now: float, retry_after: float, scope: Scope, said: RateLimit | None) -> None:
        """Note a 429: nothing leaves until its wait is over."""
        with self._lock:
            self._pace.refused(permit, now, retry_after, scope, said)
            self._pump(now)

    def lost(self, permit: Permit, now: float) -> None:
        """Note that no answer came; a permit that wasn't spent goes to the next."""
        with self._lock:
            self._pace.dropped(permit)
            self._pump(now)

    def snapshot(self, now: float) -> RateLimits:
        """Return what is known of the limits."""
        with self._lock:
            return RateLimits(
                windows={window.scope: window.state(now) for window in self._pace.windows},
                tier=self._pace.tier,
                queued=sum(map(len, self._queues.values())),
            )

    def _pump(self, now: float) -> Wait | None:
        """Let go whoever may go now, in turn; set the alarms for the next. Returns what the queue waits for."""
        if self._pumping:  # the collector came in between; whoever is at it goes on
            return None
        self._pumping = True
        try:
            for loop in [loop for loop in self._crowds if loop.is_closed()]:
                self._bury(loop)
            while turns := self._turns():
                wait = self._let_one_go(turns, now)
                if wait is not None:
                    self._ring_at(wait.until, now)
                    return wait
            return None
        finally:
            self._pumping = False

    def _let_one_go(self, turns: list[Priority], now: float) -> Wait | None:
        """Let the first go that may; return what all wait for if none may."""
        waits: list[Wait] = []
        for turn in turns:
            patient = self._passed[turn] < PATIENCE
            permit = self._pace.reserve(now, smooth=turn == "bulk" and patient)
            if isinstance(permit, Permit):
                self._let_go(turn, permit)
                return None
            waits.append(permit)
        return min(waits, key=_until)

    def _turns(self) -> list[Priority]:
        """Return the classes that wait, in the order of their turns: who was passed over too often, then by urgency."""
        return sorted(
            (name for name in PRIORITIES if self._queues[name]), key=lambda name: self._passed[name] < PATIENCE
        )

    def _let_go(self, turn: Priority, permit: Permit) -> None:
        _, waiter = self._queues[turn].popitem(last=False)
        for name in PRIORITIES:
            self._passed[name] = 0 if name == turn or not self._queues[name] else self._passed[name] + 1
        self._depart(waiter.loop)
        waiter.permit = permit
        if not _call_in(waiter.loop, _wake, waiter.future):
            self._pace.dropped(permit)

    def _depart(self, loop: asyncio.AbstractEventLoop) -> None:
        """Note that one waiter of a loop is gone; with its last one goes its alarm."""
        self._crowds[loop] -= 1
        if self._crowds[loop] == 0:
            del self._crowds[loop]
            self._silence(loop)

    def _bury(self, loop: asyncio.AbstractEventLoop) -> None:
        """Forget the waiters of a loop that was closed."""
        for queue in self._queues.values():
            for key in [key for key, waiter in queue.items() if waiter.loop is loop]:
                del queue[key]
        del self._crowds[loop]
        self._alarms.pop(loop, None)

    def _ring_at(self, at: float, now: float) -> None:
        """Set the alarm of every loop with waiters; one that rings earlier does as well."""
        if at == math.inf:
            return
        for loop in self._crowds:
            known = self._alarms.get(loop)
            if known is not None:
                if known.at <= at:
                    continue
                self._silence(loop)
            self._alarms[loop] = alarm = _Alarm(at, loop)
            _call_in(loop, self._start_alarm, alarm, at - now)

    def _start_alarm(self, alarm: _Alarm, seconds: float) -> None:
        if self._alarms.get(alarm.loop) is alarm:
            alarm.task = alarm.loop.create_task(self._ring(alarm, seconds))

    async def _ring(self, alarm: _Alarm, seconds: float) -> None:
        assert self._clock is not None
        try:
            await self._clock.sleep(max(seconds, MOMENT))
        except asyncio.CancelledError:  # silenced; or the loop ends, and its waiters with it
            with self._lock:
                self._rung(alarm)
            raise
        with self._lock:
            if self._rung(alarm):
                self._pump(self._clock.monotonic())

    def _rung(self, alarm: _Alarm) -> bool:
        """Take an alarm away; tell whether it was still set."""
        if self._alarms.get(alarm.loop) is not alarm:
            return False
        del self._alarms[alarm.loop]
        return True

    def _silence(self, loop: asyncio.AbstractEventLoop) -> None:
        alarm = self._alarms.pop(loop, None)
        if alarm is not None and alarm.task is not None:
            _call_in(loop, alarm.task.cancel)


def _call_in(loop: asyncio.AbstractEventLoop, call: Callable[[Unpack[Ts]], object], *args: *Ts) -> bool:
    """Call something in a loop of whatever thread; False where that loop is gone."""
    if _running_loop() is loop:
        call(*args)
        return True
    try:
        loop.call_soon_threadsafe(call, *args)
    except RuntimeError:
        return False
    return True


def _until(wait: Wait) -> float:
    return wait.until


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


_living: "weakref.WeakSet[Limits]" = weakref.WeakSet()
_shared: "weakref.WeakValueDictionary[tuple[str, str, str, int], Limits]" = weakref.WeakValueDictionary()
_sharing = threading.Lock()


def shared_limits(vendor: Vendor, base_url: str, key: Secret | None, clock: Clock) -> Limits:
    """Return the limits that all living clients of one address and key have in common, by the same clock."""
    owner = hashlib.sha256(key.reveal().encode()).hexdigest() if key is not None else ""
    with _sharing:
        limits = _shared.get((vendor.name, base_url, owner, id(clock)))
        if limits is None:
            limits = _shared[vendor.name, base_url, owner, id(clock)] = Limits()
            limits.serve(vendor, clock, keyless=key is None)
        return limits


def _start_afresh() -> None:
    """In a forked child: the parent's log and queue are the parent's."""
    global _sharing  # noqa: PLW0603 - the parent may have held it
    _sharing = threading.Lock()
    _shared.clear()
    for limits in list(_living):
        limits._start()  # pyright: ignore[reportPrivateUsage] # a part of the class, called by the system


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)
