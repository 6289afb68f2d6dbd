"""A store may have an update decided again: that changes neither what is kept nor who is admitted."""

import asyncio
import json
import threading
from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import FakeClock, LoopClock
from support.examples import examples
from support.limit_stores import DecidingTwice
from support.stores import SCOPE, Memory, Process

from generor_async.engine.exchange import Exchange
from generor_async.engine.shared_pace import SharedPace
from generor_async.engine.shared_queue import SharedQueue
from generor_async.engine.shared_slots import SharedSlots
from generor_async.rules.pace import Permit
from generor_async.rules.rate_headers import RateLimitReport
from generor_async.rules.slot_usage import JobSlot
from generor_async.rules.wait import Wait
from generor_async.rules.weights import RefusalNumbers, RequestType
from generor_async.stores.limit_store import Decide
from generor_async.testing import run
from generor_async.values import Priority

T = TypeVar("T")
HEAVY = RequestType.of("uni-1-max", "image_edit", 3)


class Rereading(Memory):
    """A store whose text is always read again: what is written is rounded."""

    def update(self, scope: str, decide: Decide[T]) -> T:
        return super().update(scope, lambda text, now: decide(None if text is None else text + " ", now))


class Actor:
    """A process that does what it is told, and remembers what it was given."""

    def __init__(self, store: Memory, clock: FakeClock, name: str) -> None:
        self.process = Process(store, clock, rpm=8)
        self.process.shared.process = name
        self.clock = clock
        self.slots = SharedSlots(self.process.shared)
        self.process.shared.noted = lambda _: None  # several steps are saved together
        self.permits: list[Permit] = []
        self.leases: list[JobSlot] = []
        self.jobs: list[str] = []

    def act(self, what: str, dice: Random) -> object:
        """Do one thing; return what came of it."""
        now, pace, slots = self.clock.monotonic(), self.process.pace, self.slots
        if what == "reserve":
            found = pace.reserve(now, smooth=dice.random() < 0.3)
            if isinstance(found, Permit):
                self.permits.append(found)
            return found if isinstance(found, Wait) else found.number
        if what == "submit":
            slot = slots.reserve(now, HEAVY if dice.random() < 0.3 else RequestType.of("uni-1", "image", 1))
            if isinstance(slot, JobSlot):
                self.leases.append(slot)
            return slot
        if what == "sync":
            self.process.shared.sync()
        elif what in {"send", "answer", "refuse", "give back"}:
            if self.permits:
                self._end(self.permits[0], what, dice)
        elif self.leases and what in {"accept", "release", "lose", "jobs refused"}:
            self._end_submission(self.leases.pop(0), what, now, dice)
        elif self.jobs:
            slots.record_poll(self.jobs.pop(0), now, asked=now - 0.1, ended=dice.random() < 0.7)
        return None

    def _end(self, permit: Permit, what: str, dice: Random) -> None:
        now, pace = self.clock.monotonic(), self.process.pace
        if what == "send":
            pace.sent(permit, now)
            return
        self.permits.pop(0)
        report = RateLimitReport(limit=8, used=dice.randint(1, 8), resets_in=dice.choice([None, 5.0]))
        if what == "answer":
            pace.received(permit, now, report, succeeded=True)
        elif what == "refuse":
            pace.refused(permit, now, 3.0, "minute", report)
        else:
            pace.give_back(permit)

    def _end_submission(self, lease: JobSlot, what: str, now: float, dice: Random) -> None:
        slots = self.slots
        if what == "accept":
            self.jobs.append(f"job-{now}")
            slots.accepted(lease, self.jobs[-1], now)
        elif what == "release":
            slots.release(lease)
        elif what == "lose":
            slots.keep_unresolved(lease, now)
        else:
            slots.refused(lease, now, 5.0, RefusalNumbers(limit=dice.choice([None, 4])))


THINGS = [
    *["reserve", "reserve", "send", "send", "answer", "answer", "refuse", "give back", "sync"],
    *["submit", "submit", "accept", "accept", "release", "lose", "jobs refused", "poll", "poll"],
]


@given(
    st.lists(
        st.tuples(st.sampled_from(THINGS), st.integers(0, 1), st.sampled_from([0.0, 0.05, 0.4, 7.0, 61.0])), max_size=60
    ),
    st.integers(0, 2**32),
)
@examples(150)
def test_a_history_that_is_decided_twice_leaves_what_one_leaves_that_is_decided_once(
    history: list[tuple[str, int, float]], seed: int
) -> None:
    outcomes: list[tuple[list[object], Any]] = []
    for make in (Rereading, DecidingTwice):
        clock, rows, dice = FakeClock(), dict[str, tuple[float, str]](), Random(seed)
        actors = [Actor(make(clock, rows), clock, name) for name in "ab"]
        done: list[object] = []
        for what, who, later in history:
            clock.now += later
            done.append(actors[who].act(what, dice))
        for actor in actors:
            actor.process.shared.sync()
        whole: dict[str, Any] = json.loads(rows[SCOPE][1]) if rows else {}
        outcomes.append((done, {each: whole.get(each) for each in ("rules", "holds")}))  # not how often was written
    assert outcomes[0] == outcomes[1]


def test_what_another_wrote_meanwhile_is_decided_upon() -> None:
    clock, rows = FakeClock(), dict[str, tuple[float, str]]()
    store = DecidingTwice(clock, rows)
    one, other = Process(store, clock, rpm=2), Process(Memory(clock, rows), clock, rpm=2)
    one.send()
    store.meanwhile = lambda _: other.send()
    assert isinstance(one.reserve(), Wait), "the last place was taken meanwhile"
    assert one.used() == other.used() == 2


# --- queues ---------------------------------------------------------------------------------------------------------


async def admitted(make: Callable[..., Memory], seed: int, rpm: int) -> list[tuple[int, float]]:
    """Have calls of several priorities and weights wait; return the order and times of their admission."""
    clock, dice = LoopClock(), Random(seed)
    store = make(clock)
    process = Process(store, clock, rpm=rpm)  # type: ignore[arg-type] # it has all that is used
    pace = SharedPace(process.shared)
    lock = threading.RLock()
    exchange = Exchange(process.shared, clock, lock)
    queue: SharedQueue[Permit] = SharedQueue(pace, clock, lock, exchange, "minute")
    order: list[tuple[int, float]] = []

    async def call(number: int, priority: Priority, kind: RequestType, until_sent: float) -> None:
        permit = await queue.enter(priority, 1e9, lambda _: None, again=False, request_type=kind)
        order.append((number, clock.monotonic()))
        await asyncio.sleep(until_sent)
        if number % 5 == 4:
            pace.give_back(permit)
            return
        pace.sent(permit, clock.monotonic())
        await asyncio.sleep(0.1)
        pace.received(permit, clock.monotonic(), None, succeeded=True)

    priorities: list[Priority] = ["interactive", "normal", "bulk"]
    kinds = [HEAVY, *[RequestType.of("uni-1", "image", 1)] * 2]
    calls = [
        call(number, dice.choice(priorities), dice.choice(kinds), dice.choice([0.0, 0.05])) for number in range(30)
    ]
    await asyncio.gather(*calls)
    return order


@pytest.mark.parametrize("rpm", [6, 40])
@pytest.mark.parametrize("seed", range(5))
def test_calls_are_admitted_in_the_same_order_and_at_the_same_times(seed: int, rpm: int) -> None:
    once, twice = (run(admitted(make, seed, rpm)) for make in (Rereading, DecidingTwice))
    assert once == twice
    assert len(once) == 30
