"""How long calls will wait, by both clients, against what comes: against the simulator, in virtual time."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from generor_async import (
    AsyncGeneror,
    AsyncLuma,
    AttemptStarted,
    Event,
    ExpectedWait,
    InvalidRequestError,
    Limits,
    Luma,
    WaitingCall,
)
from generor_async.api.generor import operations as generor_operations
from generor_async.api.luma import operations as luma_operations
from generor_async.simulator import Simulator
from generor_async.testing import run

NO_WAIT = ExpectedWait(0.0, 0.0, 0.0)
LIMIT = 60
"""Requests a minute of the tier basic."""


def with_generor(scene: Callable[[AsyncGeneror, Simulator], Awaitable[None]]) -> None:
    async def play() -> None:
        async with Simulator(tier="basic", seed=7) as simulator, AsyncGeneror(**simulator.generor_options) as generor:
            await scene(generor, simulator)

    run(play())


def with_luma(scene: Callable[[AsyncLuma, Simulator], Awaitable[None]], jobs: int = 10) -> None:
    async def play() -> None:
        limits = Limits(jobs=jobs)
        async with (
            Simulator(seed=7, luma_jobs=jobs) as simulator,
            AsyncLuma(**simulator.luma_options, limits=limits) as luma,
        ):
            await scene(luma, simulator)

    run(play())


async def queued(group: asyncio.TaskGroup, *calls: Awaitable[object]) -> None:
    """Make calls, and go on when they have had time to queue."""
    for call in calls:
        group.create_task(asyncio.wait_for(call, None))
    await asyncio.sleep(0.5)


def test_a_call_that_would_be_sent_at_once_is_told_so() -> None:
    async def scene(generor: AsyncGeneror, _: Simulator) -> None:
        assert generor.expected_wait() == NO_WAIT
        assert generor.waiting() == []

    with_generor(scene)


def test_the_wait_for_a_window_is_told_to_two_seconds_and_shrinks_as_time_passes() -> None:
    async def scene(generor: AsyncGeneror, _: Simulator) -> None:
        loop, sent = asyncio.get_running_loop(), dict[str, float]()

        def note(event: Event) -> None:
            if isinstance(event, AttemptStarted):
                sent.setdefault(event.call_id, loop.time())

        generor.events.subscribe(note)
        async with asyncio.TaskGroup() as group:
            await queued(group, *(generor.models.list() for _ in range(LIMIT + 30)))
            expected: dict[float, ExpectedWait] = {}
            for _minute in range(5):
                expected[loop.time()] = generor.expected_wait()
                await asyncio.sleep(8.0)
            began, call = loop.time(), group.create_task(generor.models.list())
            await asyncio.sleep(0.0)
            (mine,) = [each for each in generor.waiting() if each.position == 31]
            await call
        true = sent[mine.call_id]
        assert true - began > 10
        for at, wait in expected.items():
            assert abs(at + wait.seconds - true) < 2
            assert wait.low <= true - at <= wait.high
            assert wait.high - wait.low < 6
        assert abs(began + mine.wait.seconds - true) < 2

    with_generor(scene)


def test_waiting_calls_are_listed_in_their_order_with_the_ids_of_their_events() -> None:
    async def scene(luma: AsyncLuma, _: Simulator) -> None:
        ids: list[str] = []

        def note(event: Event) -> None:
            if isinstance(event, AttemptStarted) and event.operation == "luma.generations.create":
                ids.append(event.call_id)

        luma.events.subscribe(note)
        ada, bob = luma.with_options(user="ada"), luma.with_options(user="bob")
        async with asyncio.TaskGroup() as group:
            await queued(group, *(luma.generations.run(prompt=f"{number}") for number in range(2)))
            await queued(group, *(ada.generations.run(prompt=f"ada {number}") for number in range(3)))
            await queued(group, bob.generations.run(prompt="bob"))
            assert len(ids) == 2
            found = luma.waiting()
            assert [(each.user, each.position) for each in found] == [("ada", 1), ("bob", 2), ("ada", 3), ("ada", 4)]
            assert {each.operation for each in found} == {"luma.generations.create"}
            assert luma.waiting("bob") == [found[1]]
            assert ada.waiting("nobody") == []
            waits = [each.wait for each in found]
            assert [each.seconds for each in waits] == sorted(each.seconds for each in waits)
            assert all(each.low <= each.seconds <= each.high for each in waits)
            # Ada's next call comes after the three of hers, and bob's first one's turn is before that.
            newcomer = luma.expected_wait(user="carol")
            assert newcomer.seconds < ada.expected_wait().seconds
            assert ada.expected_wait(user="carol") == newcomer
            assert ada.expected_wait(priority="interactive").seconds < newcomer.seconds
        assert ids[2:] == [each.call_id for each in found]

    with_luma(scene, jobs=2)


def test_later_calls_of_others_that_have_their_turns_before_are_reckoned_with() -> None:
    async def scene(generor: AsyncGeneror, _: Simulator) -> None:
        loop, sent, dice = asyncio.get_running_loop(), dict[str, float](), Random(7)
        generor = generor.with_options(priority="bulk")  # evenly, one a second
        ada = generor.with_options(user="ada")

        def note(event: Event) -> None:
            if isinstance(event, AttemptStarted):
                sent.setdefault(event.call_id, loop.time())

        async def others() -> None:
            for number in range(80):
                await asyncio.sleep(dice.expovariate(0.5))
                group.create_task(asyncio.wait_for(generor.with_options(user=f"user {number}").models.list(), None))

        generor.events.subscribe(note)
        async with asyncio.TaskGroup() as group:
            await queued(group, *(ada.models.list() for _ in range(60)), others())
            await asyncio.sleep(40.0)
            at, mine = loop.time(), generor.waiting("ada")
            newcomer = ada.expected_wait()
        last, true = mine[-1], sent[mine[-1].call_id] - at
        assert true > 1.5 * last.position, "as many come later and go before it as wait now"
        assert last.wait.low <= true <= last.wait.high
        assert abs(newcomer.seconds - last.wait.seconds) < 0.2 * true

    with_generor(scene)


def test_the_wait_for_a_slot_is_told_by_the_ages_of_the_jobs() -> None:
    async def scene(luma: AsyncLuma, _: Simulator) -> None:
        await asyncio.gather(*(luma.generations.run(prompt=f"{number}") for number in range(12)))  # it learns
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            await queued(group, *(luma.generations.run(prompt=f"{number}") for number in range(6)))
            began, wait = loop.time(), luma.expected_wait()
            await luma.generations.submit(prompt="mine")
            true = loop.time() - began
            assert true > 1
            assert wait.low <= true <= wait.high

    with_luma(scene, jobs=2)


def test_calls_that_no_limit_counts_do_not_wait() -> None:
    async def scene(luma: AsyncLuma, _: Simulator) -> None:
        async with asyncio.TaskGroup() as group:
            await queued(group, *(luma.generations.run(prompt=f"{number}") for number in range(4)))
            assert luma.expected_wait().seconds > 0
            assert (
                luma.expected_wait(luma_operations.generations_get("d290f1ee-6c54-4b01-90e6-d701748f0851")) == NO_WAIT
            )

    with_luma(scene, jobs=2)


def test_what_can_never_be_right_is_refused() -> None:
    luma = AsyncLuma("luma-api-test")
    with pytest.raises(InvalidRequestError, match="operation"):
        luma.expected_wait(generor_operations.users_me())
    with pytest.raises(InvalidRequestError, match="operation"):
        luma.expected_wait("generations.create")  # type: ignore[arg-type] # not everybody has types
    with pytest.raises(InvalidRequestError, match="user"):
        luma.expected_wait(user="")
    with pytest.raises(InvalidRequestError, match="priority"):
        luma.expected_wait(priority="urgent")  # type: ignore[arg-type] # the same
    with pytest.raises(InvalidRequestError, match="user"):
        luma.waiting("")


def test_a_view_for_one_call_may_ask_before() -> None:
    luma = AsyncLuma("luma-api-test")
    view = luma.with_options(request_id="d290f1ee-6c54-4b01-90e6-d701748f0851")
    operation = luma_operations.generations_create(prompt="a heron")
    assert view.expected_wait(operation).low == view.expected_wait(operation).low == 0


def test_blocking_clients_tell_it_too() -> None:
    with Luma("luma-api-test") as luma:
        assert luma.expected_wait().low == 0
        found: list[WaitingCall] = luma.waiting()
        assert found == []


def test_how_long_an_outage_lasts_is_not_known() -> None:
    async def scene(luma: AsyncLuma, simulator: Simulator) -> None:
        simulator.faults.add(operation="luma.generations.create", fault="503")
        call = asyncio.ensure_future(luma.generations.run(prompt="a heron"))
        await asyncio.sleep(1.0)
        assert luma.expected_wait().high == math.inf
        call.cancel()

    with_luma(scene)
