"""Answers that servers garble, in thousands, through the whole client: a paid result can always be found again.

`pytest tests/mutations --mutations=100000` for as many as one has time for.
"""

import asyncio
import json
import random
import traceback
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from attrs import define, field
from documents.corpus import GENEROR, LUMA, Example
from mutations.mutate import Garbled, garbled
from support.clock import LoopClock
from support.wire import Arrived, Peer, Wire, answer

from generor_async import AsyncGeneror, AsyncLuma, GenerorAsyncError, Limits, OutcomeUnknownError
from generor_async.api.generor import operations as generor_operations
from generor_async.api.luma import operations as luma_operations
from generor_async.api.luma.models import Generation
from generor_async.testing import run

BUILDERS = {**generor_operations.BUILDERS, **luma_operations.BUILDERS}
KEYS = {"generor": "gnr_live_0123456789abcdef", "luma": "luma-api-0123456789abcdef"}
NEEDED: dict[str, dict[str, Any]] = {
    "generor.generators.estimate": {"model_id": 37},
    "generor.api_keys.create": {"name": "one"},
}
"""What an operation can't be built without, besides its path."""
AT_ONCE = 40
JOB = "5f0e8b1c-0000-4c57-9f60-"
CREATION = 61_440_000
HOUR = 3_600.0


def responses(corpus: Any, *, paid: bool) -> list[Example]:
    """Return the documented answers to calls that are paid, or to all others."""
    payers = {"luma.generations.create", "generor.generators.generate"}
    found = [each for each in corpus.examples if each.kind == "response" and each.operation is not None]
    return [each for each in found if (each.operation in payers) == paid]


@define
class Server:
    """Answers every call with what its number draws: the number stands at the end of its path or in its prompt."""

    seed: int
    status: int
    good: Callable[[int], Any]
    finds: Callable[[Arrived], int]
    posts: dict[int, list[Garbled]] = field(factory=dict)

    async def step(self, peer: Peer, request: Arrived) -> None:
        number = self.finds(request)
        sent = garbled(random.Random(f"{self.seed}/{number}"), self.status, self.good(number), {})
        self.posts.setdefault(number, []).append(sent)
        await answer(sent.status, sent.body, headers=sent.headers)(peer, request)


def prompt_number(request: Arrived) -> int:
    return int(json.loads(request.body)["prompt"].split()[-1])


async def each(numbers: range, call: Callable[[int], Awaitable[None]]) -> None:
    """Make all calls, so many at once."""
    waiting = iter(numbers)

    async def worker() -> None:
        for number in waiting:
            await call(number)

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))


def typed(error: BaseException) -> str:
    """Return all that an error says, and fail for one that isn't ours."""
    assert isinstance(error, GenerorAsyncError), "".join(traceback.format_exception(error))
    text = f"{error} {error!r} {error.job_id} {error.creation_id} {error.advice} {getattr(error, 'body', '')}"
    assert "Traceback" not in text
    return text


def check_paid(number: int, sent: list[Garbled], identity: str, result: object, error: BaseException | None) -> None:
    """Hold what a paid call came to against what the server sent for it."""
    assert len(sent) == 1 or all(each.status in {429, 502, 503} for each in sent[:-1]), "it was sent twice"
    last, said = sent[-1], "" if error is None else typed(error)
    if last.status >= 300 or identity.encode() not in last.body:
        return
    if error is None:
        assert identity in shown(result), last.body
    else:
        assert identity in said, (number, last.body)


def shown(result: Any) -> str:
    """Return what a paid result shows of itself: its own id, or its creations, of which some must be there."""
    if isinstance(result, Generation):
        return result.id
    assert result.creations, result.raw
    return repr([creation.raw for creation in result.creations])


@pytest.fixture
def count(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--mutations") or 0)


@pytest.mark.parametrize("example", responses(LUMA, paid=True), ids=lambda example: example.name)
def test_a_paid_job_is_found_again_whatever_its_answer(example: Example, count: int) -> None:
    def good(number: int) -> Any:
        return {**example.json, "id": f"{JOB}{number:012}"}

    async def scene() -> None:
        server = Server(1, 201, good, prompt_number)
        async with Wire(server.step) as wire, luma(wire) as client:

            async def call(number: int) -> None:
                result, error = None, None
                try:
                    result = await client.generations.create(prompt=f"heron {number}")
                except Exception as caught:  # noqa: BLE001 - it is looked at below
                    error = caught
                check_paid(number, server.posts[number], f"{JOB}{number:012}", result, error)

            await each(range(count), call)

    quietly(scene)


@pytest.mark.parametrize("example", responses(GENEROR, paid=True), ids=lambda example: example.name)
def test_a_paid_creation_is_found_again_whatever_its_answer(example: Example, count: int) -> None:
    def good(number: int) -> Any:
        (creation,) = example.json["data"]["creations"][:1]
        made = {**creation, "creation_id": CREATION + number}
        return {**example.json, "data": {**example.json["data"], "creations": [made]}}

    async def scene() -> None:
        server = Server(2, 201, good, prompt_number)
        async with Wire(server.step) as wire, generor(wire) as client:

            async def call(number: int) -> None:
                result, error = None, None
                try:
                    result = await client.generators.generate("joke", prompt=f"heron {number}", model_id=37)
                except Exception as caught:  # noqa: BLE001 - it is looked at below
                    error = caught
                check_paid(number, server.posts[number], str(CREATION + number), result, error)

            await each(range(count), call)

    quietly(scene)


@pytest.mark.parametrize(
    "example", responses(LUMA, paid=False) + responses(GENEROR, paid=False), ids=lambda example: example.name
)
def test_whatever_answers_a_read_it_is_a_result_or_an_error_of_ours(example: Example, count: int) -> None:
    corpus, operation = "luma" if example in LUMA.examples else "generor", str(example.operation)
    numbers = iter(range(10**9))

    async def scene() -> None:
        server = Server(3, example.status or 200, lambda _: example.json, lambda _: next(numbers))
        async with Wire(server.step) as wire, luma(wire) if corpus == "luma" else generor(wire) as client:

            async def call(_: int) -> None:
                try:
                    result = await client.send(BUILDERS[operation](*example.arguments, **NEEDED.get(operation, {})))
                    repr(result)
                except Exception as error:  # noqa: BLE001 - as above
                    typed(error)

            await each(range(count // 10), call)

    quietly(scene)


def test_a_job_that_runs_is_found_again_whatever_answers_its_polls(count: int) -> None:
    completed = next(each.json for each in LUMA.examples if each.name == "generation-completed")
    numbers = iter(range(10**9))

    async def step(peer: Peer, request: Arrived) -> None:
        if request.method == "POST":
            job = f"{JOB}{prompt_number(request):012}"
            await answer(201, {**completed, "id": job, "state": "queued", "output": []})(peer, request)
            return
        draw = random.Random(f"4/{next(numbers)}")
        sent = garbled(draw, 200, {**completed, "id": request.target.rpartition("/")[2]}, {})
        await answer(sent.status, sent.body, headers=sent.headers)(peer, request)

    async def scene() -> None:
        async with Wire(step) as wire, luma(wire) as client:

            async def call(number: int) -> None:
                job, failure = f"{JOB}{number:012}", None
                try:
                    assert (await client.generations.run(prompt=f"heron {number}")).id == job
                except GenerorAsyncError as error:
                    failure = error
                if failure is not None:
                    assert failure.job_id == job, typed(failure)
                    assert job in str(failure)
                    assert not isinstance(failure, OutcomeUnknownError)

            await each(range(count // 4), call)

    quietly(scene)


def luma(wire: Wire) -> AsyncLuma:
    return AsyncLuma(
        KEYS["luma"], base_url=wire.url, clock=LoopClock(), limits=Limits(rpm=9_999, jobs=9_999), timeout=HOUR
    )


def generor(wire: Wire) -> AsyncGeneror:
    return AsyncGeneror(
        KEYS["generor"], base_url=wire.url, clock=LoopClock(), limits=Limits(tier="enterprise"), timeout=HOUR
    )


def quietly(scene: Callable[[], Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        run(scene())
