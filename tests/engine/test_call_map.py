"""The rules of `map`, with calls that take virtual time: order, back-pressure, and the end at any moment."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from generor_async import ClientClosedError, InvalidRequestError, MapOutcome
from generor_async.api.luma.operations import GENERATIONS_CREATE, generations_create
from generor_async.engine.call_map import CallMap, MappedCall
from generor_async.errors import DeadlineExceededError, GenerorAsyncError, OutcomeUnknownError
from generor_async.rules.failure_cost import failure_cost
from generor_async.rules.http_types import Operation
from generor_async.testing import run

SECONDS = st.lists(st.integers(0, 20), max_size=25)
CONCURRENCY = st.integers(1, 6)


def price(_: Operation[Any], __: str | None) -> float:
    return 5.0


@define
class Service:
    """Serves calls whose prompt is `number seconds`; every fifth fails. A call is charged at half its time."""

    read: int = 0
    taken: int = 0
    active: int = 0
    most_active: int = 0
    charged: list[str] = field(factory=list)

    def requests(self, seconds: Sequence[int], most: int) -> Iterator[Mapping[str, Any]]:
        for number, each in enumerate(seconds):
            assert self.read - self.taken < most, "read ahead of the consumer"
            self.read += 1
            yield {"prompt": f"{number} {each}"}

    async def send(self, operation: Operation[Any]) -> str:
        body: Any = operation.body
        number, seconds = body["prompt"].split()
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        try:
            await asyncio.sleep(int(seconds) / 2)
            self.charged.append(number)
            try:
                await asyncio.sleep(int(seconds) / 2)
            except asyncio.CancelledError as error:
                error.add_note(f"job <{number}> goes on")
                raise
        finally:
            self.active -= 1
        if int(number) % 5 == 4:
            raise error_of(GenerorAsyncError("it failed"), f"<{number}>")
        return str(number)

    def map(self, requests: Any, **options: Any) -> CallMap[str]:
        call = MappedCall(
            endpoint=GENERATIONS_CREATE,
            build=generations_create,
            send=self.send,
            cost=price,
            ids=lambda number: f"job <{number}>",
        )
        return CallMap(call, requests, **{"ordered": False, "concurrency": 3, **options})


async def only_this_task() -> bool:
    for _ in range(5):
        await asyncio.sleep(0)
    return asyncio.all_tasks() == {asyncio.current_task()}


async def collect(mapped: CallMap[str], into: list[MapOutcome[str]]) -> None:
    async for outcome in mapped.outcomes():
        into.append(outcome)  # noqa: PERF401 - those before an error as well


def number_of(outcome: MapOutcome[Any]) -> int:
    return int(outcome.request["prompt"].split()[0])


@given(seconds=SECONDS, concurrency=CONCURRENCY, ordered=st.booleans(), is_async=st.booleans(), pause=st.integers(0, 9))
def test_each_request_has_one_outcome_and_is_read_when_there_is_room(
    seconds: list[int], concurrency: int, ordered: bool, is_async: bool, pause: int
) -> None:
    async def main() -> None:
        service, outcomes = Service(), list[MapOutcome[str]]()
        requests: Any = service.requests(seconds, concurrency)
        if is_async:
            requests = later(requests)
        async for outcome in service.map(requests, ordered=ordered, concurrency=concurrency).outcomes():
            service.taken += 1
            outcomes.append(outcome)
            await asyncio.sleep(pause)
        numbers = list(map(number_of, outcomes))
        assert sorted(numbers) == list(range(len(seconds)))
        if ordered:
            assert numbers == sorted(numbers)
        for outcome in outcomes:
            assert (outcome.result is None) == (outcome.error is not None) == (number_of(outcome) % 5 == 4)
            assert outcome.cost == 5.0
        assert service.most_active <= concurrency
        assert await only_this_task()

    run(main())


async def later(requests: Iterator[Any]) -> AsyncIterator[Any]:
    for request in requests:
        await asyncio.sleep(1)
        yield request


@given(seconds=SECONDS)
def test_outcomes_come_as_calls_end_and_the_limit_is_used(seconds: list[int]) -> None:
    async def main() -> None:
        service = Service()
        came = [
            int(outcome.request["prompt"].split()[1])
            async for outcome in service.map(service.requests(seconds, 100), concurrency=100).outcomes()
        ]
        assert came == sorted(seconds)
        assert asyncio.get_running_loop().time() == pytest.approx(max(seconds, default=0))

    run(main())


@given(seconds=SECONDS, concurrency=CONCURRENCY, ordered=st.booleans(), at=st.integers(0, 60), leaves=st.booleans())
def test_an_end_at_any_moment_leaves_nothing_behind_and_names_what_was_charged(
    seconds: list[int], concurrency: int, ordered: bool, at: int, leaves: bool
) -> None:
    async def main() -> None:
        service, outcomes = Service(), list[MapOutcome[str]]()
        iteration = service.map(service.requests(seconds, 100), ordered=ordered, concurrency=concurrency).outcomes()

        async def consume() -> None:
            async for outcome in iteration:
                outcomes.append(outcome)
                if leaves and len(outcomes) > at % 5:
                    break
                await asyncio.sleep(1)

        consuming, notes = asyncio.create_task(consume()), list[str]()
        with LogRecords() as log:
            await asyncio.sleep(at / 2)
            consuming.cancel()
            try:
                await consuming
            except asyncio.CancelledError as error:
                notes += getattr(error, "__notes__", ())
            await iteration.aclose()
        named = "".join([*notes, *log.texts, *(f"<{number_of(outcome)}>" for outcome in outcomes)])
        assert [number for number in service.charged if f"<{number}>" not in named] == []
        assert not service.active
        assert await only_this_task()

    run(main())


@define
class SlowlyEnding(Service):
    """Takes a second to end a call that is cancelled, as one does that is told of its lost answer."""

    async def send(self, operation: Operation[Any]) -> str:
        try:
            return await super().send(operation)
        except asyncio.CancelledError:
            await asyncio.shield(asyncio.sleep(1))
            raise


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_second_cancellation_waits_for_the_calls_as_well(is_closed: bool) -> None:
    async def main() -> None:
        service = SlowlyEnding()
        iteration = service.map([{"prompt": f"{number} {number}"} for number in range(1, 5)], concurrency=4).outcomes()
        assert (await anext(iteration)).result == "1"

        async def end() -> None:
            await (iteration.aclose() if is_closed else anext(iteration))

        ending = asyncio.create_task(end())
        for _ in range(2):
            await asyncio.sleep(0.25)
            ending.cancel()
        with pytest.raises(asyncio.CancelledError) as ended:
            await ending
        assert ["<2>" in "".join(ended.value.__notes__), service.active] == [True, 0]
        await asyncio.sleep(2)
        assert await only_this_task()

    run(main())


class LogRecords(logging.Handler):
    """Collects the warnings of the package."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts = list[str]()

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())

    def __enter__(self) -> "LogRecords":
        logging.getLogger("generor_async").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("generor_async").removeHandler(self)


def test_an_error_of_the_source_comes_after_the_outcomes_of_the_calls_that_have_started() -> None:
    def source() -> Iterator[Any]:
        yield {"prompt": "0 5"}
        raise LookupError("no more rows")

    async def main() -> None:
        outcomes = list[MapOutcome[str]]()
        with pytest.raises(LookupError, match="no more rows"):
            await collect(Service().map(source()), outcomes)
        assert [outcome.result for outcome in outcomes] == ["0"]
        assert await only_this_task()

    run(main())


def test_an_unexpected_error_of_a_call_comes_after_the_outcomes_of_the_others() -> None:
    async def main() -> None:
        service, outcomes = Service(), list[MapOutcome[str]]()
        requests = [{"prompt": "0 4"}, {"prompt": "1 x"}, {"prompt": "2 6"}, {"prompt": "3 1"}]
        with pytest.raises(ValueError, match="invalid literal"):
            await collect(service.map(requests), outcomes)
        assert [outcome.result for outcome in outcomes] == ["0", "2"], "and no more was read"
        assert await only_this_task()

    run(main())


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (None, "request must be a mapping"),
        ("a heron", "request must be a mapping"),
        ({1: 2}, "a key of request must be a string"),
        ({}, "the request lacks prompt"),
        ({"prompt": 5}, "prompt must be a string"),
        ({"prompt": "0 0", "promt": "x"}, "promt is no parameter of luma.generations.create. Write prompt"),
        ({"prompt": "0 0", "resubmit": 5}, "resubmit is no parameter of luma.generations.create"),
    ],
)
def test_a_bad_request_is_an_outcome_that_costs_nothing(request_: Any, problem: str) -> None:
    async def main() -> None:
        outcomes = [each async for each in Service().map([request_, {"prompt": "0 0"}], ordered=True).outcomes()]
        assert isinstance(outcomes[0].error, InvalidRequestError)
        assert problem in str(outcomes[0].error)
        assert (outcomes[0].request, outcomes[0].result, outcomes[0].cost) == (request_, None, 0.0)
        assert outcomes[1].result == "0"

    run(main())


@pytest.mark.parametrize("requests", [None, 5, "a heron", {"prompt": "a heron"}, b"a", generations_create(prompt="x")])
def test_what_is_no_list_of_requests_is_refused_at_once(requests: Any) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        Service().map(requests)
    assert raised.value.field == "requests"


def error_of(error: GenerorAsyncError, job_id: str | None = None) -> GenerorAsyncError:
    error.job_id = job_id
    return error


@pytest.mark.parametrize(
    ("error", "cost"),
    [
        (InvalidRequestError("prompt", "prompt is wrong"), 0.0),
        (ClientClosedError("closed", outcome="not_sent"), 0.0),
        (ClientClosedError("closed", outcome="unknown"), None),
        (OutcomeUnknownError("lost", outcome="unknown"), None),
        (error_of(OutcomeUnknownError("lost", outcome="unknown"), "a job"), 5.0),
        (DeadlineExceededError("time is up", waited_for="slot"), 0.0),
        (DeadlineExceededError("time is up", waited_for="poll", job_id="a job"), 5.0),
        (GenerorAsyncError("odd"), None),
    ],
)
def test_the_cost_of_a_failure_is_what_the_error_proves(error: GenerorAsyncError, cost: float | None) -> None:
    assert failure_cost(error, 5.0) == cost
