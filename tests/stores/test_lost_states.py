"""A store that loses what it had, or never answers: every process tells of its own requests again, and once."""

import logging
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import FakeClock
from support.examples import examples
from support.stores import Memory, Process

from generor_async.engine.shared_rules import RETRY_SECONDS
from generor_async.engine.shared_slots import SharedSlots
from generor_async.rules.pace import Permit
from generor_async.rules.processes import FORGOTTEN_SECONDS
from generor_async.rules.rate_headers import RateLimitReport
from generor_async.rules.slot_usage import JobSlot
from generor_async.rules.wait import Wait
from generor_async.rules.window import MINUTE
from generor_async.stores.limit_store import Decide, StoreBusyError, StoreError
from generor_async.values import Clock

T = TypeVar("T")
Rows = dict[str, tuple[float, str]]


class Failing(Memory):
    """A store that fails as its next faults say: before or after it has written, or as it is busy."""

    def __init__(self, clock: Clock, rows: Rows, faults: list[str]) -> None:
        super().__init__(clock, rows)
        self.faults = faults

    def update(self, scope: str, decide: Decide[T]) -> T:
        fault = self.faults.pop() if self.faults else ""
        if fault == "away":
            raise StoreError("the server is away")
        if fault == "twice":
            at, text = self.rows.get(scope, (None, None))
            decide(text, self._clock.read(at))
        if fault == "busy":
            super().update(scope, lambda text, now: (None, decide(text, now)))
            raise StoreBusyError("the server is written to by others all the time")
        found = super().update(scope, decide)
        if fault == "no answer":
            raise StoreError("the server did not answer")
        return found


THINGS = ["send", "send", "send", "empty", "restore", "keep", "away", "no answer", "twice", "busy", "look"]


@given(
    st.lists(
        st.tuples(st.sampled_from(THINGS), st.integers(0, 2), st.sampled_from([0.0, 0.4, RETRY_SECONDS, 20.0])),
        max_size=60,
    )
)
@examples(200)
def test_whatever_a_store_loses_each_request_of_the_last_minute_counts_once(
    history: list[tuple[str, int, float]],
) -> None:
    clock, rows, faults = FakeClock(), Rows(), list[str]()
    processes = [Process(Failing(clock, rows, faults), clock, rpm=10_000) for _ in range(3)]
    sent: list[float] = []
    kept: Rows = {}
    for what, who, later in history:
        clock.now += later
        if what == "send":
            if isinstance(permit := processes[who].reserve(), Permit):
                processes[who].pace.sent(permit, clock.now)
                processes[who].pace.received(permit, clock.now, None, succeeded=True)
                sent.append(clock.now)
        elif what == "empty":
            rows.clear()
        elif what == "keep":
            kept = dict(rows)
        elif what == "restore":
            rows.clear()
            rows.update(kept)
        elif what == "look":
            processes[who].shared.sync()
        else:
            faults.append(what)
    faults.clear()
    clock.now += RETRY_SECONDS
    for each in [*processes, *processes]:
        each.shared.sync()
    least = sum(at + MINUTE > clock.now for at in sent)
    most = sum(at + MINUTE + 0.5 > clock.now for at in sent)
    for each in processes:
        assert least <= each.used() <= most


def test_an_emptied_store_is_refilled_by_every_process() -> None:
    clock, rows = FakeClock(), Rows()
    one, other = (Process(Memory(clock, rows), clock, rpm=60) for _ in range(2))
    for each in (one, other, one, other, other):
        each.send()
        clock.now += 0.4
    rows.clear()
    assert one.used() == 3, "what it does not know of is told by the other"
    assert other.used() == one.used() == 5


def test_what_is_told_again_is_not_taken_for_the_requests_of_strangers() -> None:
    clock, rows = FakeClock(), Rows()
    processes = [Process(Memory(clock, rows), clock, rpm=60) for _ in range(3)]
    for number in range(1, 13):
        each = processes[number % 3]
        permit = each.reserve()
        assert isinstance(permit, Permit), permit
        each.pace.sent(permit, clock.now)
        clock.now += 0.1
        each.pace.received(permit, clock.now, RateLimitReport(limit=60, used=number), succeeded=True)
        clock.now += 0.4
    rows.clear()
    for which in (1, 0, 2):  # the first has not heard of the last two
        assert processes[which].used() <= 12
    assert {each.used() for each in processes} == {12}


def test_requests_and_submissions_under_way_outlive_the_store() -> None:
    clock, rows = FakeClock(), Rows()
    one, other = (Process(Memory(clock, rows), clock, rpm=2) for _ in range(2))
    permit = one.reserve()
    clock.now += 0.4
    slot = SharedSlots(one.shared).reserve(clock.now)
    assert isinstance(permit, Permit)
    assert isinstance(slot, JobSlot)
    rows.clear()
    other.used()
    one.used()
    assert isinstance(other.reserve(), Wait), "both permits are taken"
    assert SharedSlots(other.shared).state(clock.now).used == 1
    SharedSlots(one.shared).accepted(slot, "job", clock.now)
    rows.clear()
    other.used()
    one.used()
    other.used()
    assert SharedSlots(other.shared).state(clock.now).used == 1


def test_a_process_that_was_forgotten_tells_nothing_twice() -> None:
    clock, rows = FakeClock(), Rows()
    one, other = (Process(Memory(clock, rows), clock, rpm=60) for _ in range(2))
    one.send()
    clock.now += FORGOTTEN_SECONDS
    other.send()
    other.clock.epoch += 2 * FORGOTTEN_SECONDS  # the store's time goes on
    one.send()
    assert one.used() == other.used() == 2


def away(store: Failing) -> None:
    """Have a server stay away."""
    store.faults.extend(["away"] * 10_000)


@pytest.mark.parametrize("spent", [0, 12, 60])
def test_without_the_store_processes_share_what_the_window_has_left(
    spent: int, caplog: pytest.LogCaptureFixture
) -> None:
    clock, rows = FakeClock(), Rows()
    stores = [Failing(clock, rows, []) for _ in range(4)]
    processes = [Process(store, clock, rpm=60) for store in stores]
    log: list[float] = []
    for at in range(max(spent, 4)):
        if at < spent:
            processes[at % 4].send()
            log.append(clock.now)
        else:
            processes[at % 4].shared.update(lambda state, at: state.turns.wait("x", at, served=True))
        clock.now += 0.4
    for each in processes:
        each.shared.sync()
    for store in stores:
        away(store)
    end = clock.now + 3 * MINUTE
    with caplog.at_level(logging.WARNING):
        while clock.now < end:
            log += [clock.now for each in processes if isinstance(each.reserve_and_send(), Permit)]
            clock.now += 0.5
    for moment in log:
        assert sum(moment - MINUTE + 0.01 < at <= moment for at in log) <= 60
    assert len(log) >= 2.5 * 60, "nor is much of it left"
    assert [each.levelno for each in caplog.records] == [logging.WARNING] * 4
    assert "one of 4 parts" in caplog.text
    assert all("unavailable since 2026" in each.shared.trouble for each in processes)
    for store in stores:
        store.faults.clear()
    clock.now += RETRY_SECONDS
    for each in (*processes, *processes):
        each.used()
    used = sum(clock.now - MINUTE < at for at in log)
    assert {each.used() for each in processes} == {used}
    assert not any(each.shared.trouble for each in processes)
    assert sum("the store of limits answers again" in message for message in caplog.messages) == 4, "once each"


def test_without_the_store_processes_share_the_slots() -> None:
    clock, rows = FakeClock(), Rows()
    stores = [Failing(clock, rows, []) for _ in range(2)]
    processes = [Process(store, clock, rpm=1_000, jobs=8) for store in stores]
    slots = [SharedSlots(each.shared) for each in processes]
    first = slots[0].reserve(clock.now)
    assert isinstance(first, JobSlot)
    slots[0].accepted(first, "job-1", clock.now)
    for each in processes:
        clock.now += 0.4
        each.send()
    processes[0].shared.sync()
    for store in stores:
        away(store)
    clock.now += 1.0
    taken: list[int] = []
    for of_process in slots:
        count = 0
        while isinstance(of_process.reserve(clock.now), JobSlot):
            count += 1
            clock.now += 0.5
        taken.append(count)
    assert taken == [3, 3], "one of the seven that were free stays so"
