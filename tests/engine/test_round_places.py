"""A store on a server is asked in a thread, one in a file at once: at the same time both admit the same calls."""

import asyncio
from pathlib import Path
from typing import Literal, TypeAlias
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import FakeClock
from support.remote_stores import RemoteMemory
from support.stores import Memory

from generor_async import Limits
from generor_async.engine import limit_keeper
from generor_async.engine.limit_keeper import LimitKeeper
from generor_async.rules.permit import Permit
from generor_async.rules.vendors import LUMA
from generor_async.testing import run
from generor_async.values import Clock, Priority

Answer: TypeAlias = Literal["success", "refusal", "nothing"]
Step: TypeAlias = tuple[int, Priority] | tuple[int, Answer] | float
"""So many calls come; the first one that is under way, counted from here, is answered; or so many seconds pass."""
Seen: TypeAlias = tuple[list[int], int, dict[str, int | None]]
"""The calls that were admitted; how many wait; and what is left of each window."""

priorities: st.SearchStrategy[Priority] = st.sampled_from(["interactive", "normal", "bulk"])
answers: st.SearchStrategy[Answer] = st.sampled_from(["success", "success", "refusal", "nothing"])
steps: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.integers(1, 4), priorities),
    st.tuples(st.integers(0, 3), answers),
    st.sampled_from([0.01, 0.3, 1.0, 7.0, 61.0]),
)


class StillClock(FakeClock):
    """Time that passes by steps alone, whatever waits in the meantime."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Side:
    """A client's calls, with a store of one kind."""

    def __init__(self, store: type[Memory], rpm: int, place: Path) -> None:
        def open_store(_: object, clock: Clock) -> Memory:
            return store(clock)

        self.clock = StillClock()
        with mock.patch.object(limit_keeper, "_open_store", open_store):
            self.keeper = LimitKeeper(Limits(store=place, rpm=rpm), LUMA, self.clock, scope="0123abcd")
        self.calls = list[asyncio.Task[None]]()
        self.under_way = list[Permit]()
        self.admitted = list[int]()

    async def call(self, number: int, priority: Priority) -> None:
        queue, now = self.keeper.queue, self.clock.monotonic()
        permit = queue.enter_nowait(now, priority) or await queue.enter(priority, 1e9, lambda _: None, again=False)
        self.admitted.append(number)
        self.keeper.sent(permit, self.clock.monotonic())
        self.under_way.append(permit)

    def answer(self, permit: Permit, answer: Answer) -> None:
        now = self.clock.monotonic()
        match answer:
            case "success":
                self.keeper.received(permit, now, None, succeeded=True)
            case "refusal":
                self.keeper.refused(permit, now, 2.5, "minute", None)
            case "nothing":
                self.keeper.give_back(permit, now)

    async def take(self, step: Step) -> Seen:
        """Take a step, with a round after it; return what has become of the calls."""
        match step:
            case float() | int():
                self.clock.now += step
                await asyncio.sleep(step)
            case (int(calls), "interactive" | "normal" | "bulk" as priority):
                first = len(self.calls)
                self.calls += [asyncio.create_task(self.call(first + at, priority)) for at in range(calls)]
            case (int(which), "success" | "refusal" | "nothing" as answer):
                if self.under_way:
                    self.answer(self.under_way.pop(which % len(self.under_way)), answer)
        await self.settle()
        limits = self.keeper.snapshot(self.clock.monotonic())
        await self.settle()
        return (
            sorted(self.admitted),
            len(self.keeper.queue),
            {scope: window.remaining for scope, window in limits.windows.items()},
        )

    async def settle(self) -> None:
        """Hold rounds until nothing changes."""
        exchange = self.keeper._exchange  # pyright: ignore[reportPrivateUsage]
        assert exchange is not None
        for _ in range(4):
            for _ in range(5):
                await asyncio.sleep(0)
            exchange.hold_round(needed=True)
            await asyncio.sleep(0.001)  # of virtual time, which stands still while a thread works

    async def end(self) -> None:
        for call in self.calls:
            call.cancel()
        await asyncio.gather(*self.calls, return_exceptions=True)


async def history(taken: list[Step], rpm: int, store: type[Memory], place: Path) -> list[Seen]:
    side = Side(store, rpm, place)
    seen = [await side.take(step) for step in taken]
    await side.end()
    return seen


@given(taken=st.lists(steps, min_size=1, max_size=12), rpm=st.sampled_from([3, 10, 60]))
def test_a_round_in_a_thread_decides_as_one_that_is_held_at_once(
    taken: list[Step], rpm: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.getbasetemp() / "limits"
    at_once = run(history(taken, rpm, Memory, place))
    in_a_thread = run(history(taken, rpm, RemoteMemory, place))
    assert in_a_thread == at_once
