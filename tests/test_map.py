"""`generations.map` and `generators.map`: outcomes of many paid calls, on real sockets."""

import asyncio
import gc
import itertools
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from strangers import GenerorWorld, LumaWorld, StrangerServer
from strangers.clients import check_charges, generor_of, luma_of, ours, virtual
from strangers.worlds import Outage

from generor_async import (
    AsyncLuma,
    ClientClosedError,
    ContentModeratedError,
    Generor,
    InvalidRequestError,
    Luma,
    MapOutcome,
    OutcomeUnknownError,
)
from generor_async.api.generor.operations import generators_generate, generators_get
from generor_async.api.luma.models import Generation
from generor_async.api.luma.operations import generations_create
from generor_async.simulator import Simulator
from generor_async.testing import run

JOKE: dict[str, Any] = {"slug": "joke", "prompt": "a heron", "model_id": 37}
IMAGE_CREDITS = 0.0404 / 0.003


def server_of(**worlds: Any) -> StrangerServer:
    return StrangerServer(travel=0.02, jitter=0.03, **worlds)


def endless(read: list[int] | None = None) -> Iterator[dict[str, Any]]:
    for number in itertools.count():
        if read is not None:
            read.append(number)
        yield {"prompt": f"chair {number}"}


@virtual
async def test_mappings_and_operations_are_run_and_nothing_stops_the_others() -> None:
    async with server_of(luma=LumaWorld()) as server, luma_of(server) as luma:
        requests: list[Any] = [
            {"prompt": "a chair"},
            generations_create(prompt="a table"),
            {"prompt": "[fails:content_moderated] a chair"},
            {"prompt": ""},
            generators_generate("joke", model_id=37),
            {"prompt": "a lamp"},
        ]
        outcomes = [outcome async for outcome in luma.generations.map(requests, ordered=True)]
        assert [outcome.request for outcome in outcomes] == requests
        done = [outcome.result for outcome in outcomes if outcome.result is not None]
        assert [generation.state for generation in done] == ["completed"] * 3
        assert isinstance(outcomes[2].error, ContentModeratedError)
        assert {type(outcomes[place].error) for place in (3, 4)} == {InvalidRequestError}
        assert [outcome.cost for outcome in outcomes[3:5]] == [0.0, 0.0]
        assert [outcome.cost for outcome in outcomes[:2]] == [pytest.approx(IMAGE_CREDITS)] * 2
        assert len(server.charges) == 4


def test_a_job_that_fails_is_an_outcome_with_its_price() -> None:
    async def main() -> None:
        async with Simulator(seed=7) as simulator, AsyncLuma(**simulator.luma_options) as luma:
            requests = [{"prompt": f"Heron {number}{' [[moderate]]' * (number == 1)}"} for number in range(3)]
            outcomes = [outcome async for outcome in luma.generations.map(requests, ordered=True)]
            assert [type(outcome.error) for outcome in outcomes] == [type(None), ContentModeratedError, type(None)]
            assert outcomes[1].error is not None
            assert outcomes[1].error.job_id in simulator.luma.generations
            assert [outcome.cost for outcome in outcomes] == [pytest.approx(IMAGE_CREDITS)] * 3

    run(main())


@virtual
async def test_an_endless_source_is_read_as_outcomes_are_taken() -> None:
    read = list[int]()
    async with server_of(luma=LumaWorld()) as server, luma_of(server) as luma:
        taken = 0
        iteration = luma.generations.map(endless(read), concurrency=4)
        async for _ in iteration:
            taken += 1
            await asyncio.sleep(200)
            assert len(read) == taken + 3, "the outcome in hand counts"
            if taken == 5:
                break
        await iteration.aclose()
        assert len(server.charges) == 8
        await asyncio.sleep(200)
        assert len(server.charges) == 8


@virtual
async def test_generor_is_charged_what_the_outcomes_say() -> None:
    async with server_of(generor=GenerorWorld(cost_factor=2.0)) as server, generor_of(server) as generor:
        requests: list[Any] = [
            JOKE,
            generators_generate("joke", model_id=37, prompt="two herons"),
            {"model_id": 37},
            {**JOKE, "count": 3},
            generators_get("joke"),
        ]
        outcomes = [outcome async for outcome in generor.generators.map(requests, ordered=True)]
        assert [outcome.cost for outcome in outcomes] == [2, 2, 0.0, 6, 0.0]
        assert [type(outcome.error) for outcome in outcomes if outcome.error] == [InvalidRequestError] * 2
        results = [outcome.result for outcome in outcomes if outcome.result is not None]
        check_charges(server, [result.creations[0].creation_id for result in results])


@virtual
async def test_a_lost_answer_is_an_outcome_and_nothing_is_charged_twice() -> None:
    world = LumaWorld(outages=(Outage(start=0.0, end=30.0, status=504, html=True, after=True),))
    async with server_of(luma=world) as server, luma_of(server) as luma:
        requests = [{"prompt": f"chair {number}"} for number in range(5)]
        outcomes = [outcome async for outcome in luma.generations.map(requests, concurrency=2)]
        lost = [outcome for outcome in outcomes if isinstance(outcome.error, OutcomeUnknownError)]
        assert lost
        assert all(outcome.cost is None for outcome in lost)
        assert len(outcomes) == 5
        assert len(server.charges) == len({charge.request_id for charge in server.charges}) <= 5


@virtual
@pytest.mark.parametrize("at", [0.0, 0.01, 0.03, 0.06, 0.2, 1.0, 7.0, 13.0, 19.0, 33.0])
@pytest.mark.parametrize("ordered", [False, True])
async def test_a_cancelled_map_names_each_job_that_was_charged(
    at: float, ordered: bool, caplog: pytest.LogCaptureFixture
) -> None:
    outcomes = list[MapOutcome[Generation]]()
    async with server_of(luma=LumaWorld()) as server, luma_of(server) as luma:

        async def consume() -> None:
            async for outcome in luma.generations.map(endless(), ordered=ordered, concurrency=7):
                outcomes.append(outcome)
                await asyncio.sleep(0.5)

        before = asyncio.all_tasks()
        consuming = asyncio.create_task(consume())
        await asyncio.sleep(at)
        consuming.cancel()
        with pytest.raises(asyncio.CancelledError) as ended:
            await consuming
        await asyncio.sleep(2)
        notes = [*getattr(ended.value, "__notes__", ()), caplog.text]  # the log, where it was between two outcomes
        named = "\n".join([*notes, *(str(outcome.result) for outcome in outcomes)])
        for charge in server.charges:
            assert charge.item in named or charge.request_id in named
        assert luma.rate_limits.queued == 0
        posts = len(ours(server, method="POST"))
        await asyncio.sleep(500)
        assert len(ours(server, method="POST")) == posts
        assert {task for task in asyncio.all_tasks() - before if "map" in repr(task)} == set()


@virtual
async def test_after_a_break_a_warning_names_the_jobs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "generor_async")
    async with server_of(luma=LumaWorld()) as server, luma_of(server) as luma:
        taken: MapOutcome[Generation] | None = None
        async for outcome in luma.generations.map(endless(), concurrency=5):
            taken = outcome
            break
        assert taken is not None
        gc.collect()
        await asyncio.sleep(2)
        assert taken.result is not None
        for charge in server.charges:
            assert charge.item == taken.result.id or charge.item in caplog.text
        assert len(server.charges) >= 5
        assert "was left early" in caplog.text


@virtual
async def test_a_closed_client_ends_the_map_after_the_outcomes_of_the_calls_under_way() -> None:
    async with server_of(luma=LumaWorld()) as server:
        outcomes = list[MapOutcome[Generation]]()

        async def consume(luma: AsyncLuma) -> None:
            async for outcome in luma.generations.map(endless(), concurrency=5):
                outcomes.append(outcome)

        async with luma_of(server) as luma:
            consuming = asyncio.create_task(consume(luma))
            await asyncio.sleep(1)
        with pytest.raises(ClientClosedError, match="no more requests were read"):
            await consuming
        named = {outcome.error.job_id for outcome in outcomes if outcome.error is not None}
        assert named - {None} == {charge.item for charge in server.charges}
        assert len(outcomes) == 5


@virtual
async def test_calls_of_a_map_let_others_pass() -> None:
    async with server_of(luma=LumaWorld()) as server, luma_of(server) as luma:
        before = {request["prompt"]: None for request in itertools.islice(endless(), 60)}

        async def consume() -> int:
            requests = [{"prompt": prompt} for prompt in before]
            return len([outcome async for outcome in luma.generations.map(requests)])

        consuming = asyncio.create_task(consume())
        await asyncio.sleep(5)
        single = asyncio.create_task(luma.generations.create(prompt="for somebody who waits"))
        await single
        posts = ours(server, method="POST")
        assert len(posts) < 45, "it went before most of the map's"
        assert await consuming == 60


# The blocking clients.


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(seed=7, speed=60, luma_rpm=10_000, luma_jobs=1_000) as simulator:
        yield simulator


def test_the_blocking_map_is_an_iterator(simulator: Simulator) -> None:
    with Luma(**simulator.luma_options) as luma:
        requests = ({"prompt": f"Heron {number}"} for number in range(7))
        outcomes = list(luma.generations.map(requests, ordered=True, concurrency=3))
        assert [outcome.request["prompt"] for outcome in outcomes] == [f"Heron {number}" for number in range(7)]
        assert all(outcome.result for outcome in outcomes)
        assert len(simulator.ledger.charges) == 7
        with pytest.raises(InvalidRequestError, match="requests"):
            luma.generations.map("a heron")  # type: ignore[arg-type]
        with pytest.raises(InvalidRequestError, match="concurrency"):
            luma.generations.map([], concurrency=0)


def test_the_blocking_map_of_an_endless_source_is_left(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "generor_async")
    with Luma(**simulator.luma_options) as luma:
        taken: MapOutcome[Generation] | None = None
        for outcome in luma.generations.map(endless(), concurrency=3):
            taken = outcome
            break
        assert taken is not None
        assert taken.result is not None
        charged = set(simulator.luma.generations)
        assert len(charged) <= 6
        assert all(job_id == taken.result.id or job_id in caplog.text for job_id in charged)
        assert len(list(luma.generations.map([{"prompt": "one more"}]))) == 1, "the client goes on"


def test_the_blocking_map_of_generor_has_outcomes(simulator: Simulator) -> None:
    with Generor(**simulator.generor_options) as generor:
        outcomes = list(generor.generators.map([JOKE, {**JOKE, "model_id": "x"}]))
    assert sum(outcome.result is not None for outcome in outcomes) == 1
    assert [outcome.cost for outcome in outcomes if outcome.error] == [0.0]


def test_async_sources_are_read_by_both(simulator: Simulator) -> None:
    async def source() -> AsyncIterator[dict[str, Any]]:
        for number in range(3):
            await asyncio.sleep(0)
            yield {"prompt": f"Heron {number}"}

    with Luma(**simulator.luma_options) as luma:
        assert len(list(luma.generations.map(source()))) == 3
