"""Checks of Generor's parameters by the generator's schema, on real sockets."""

import asyncio
import json
import logging
from typing import Any

import pytest
from support.clock import FastClock, LoopClock, in_virtual_time
from support.wire import Arrived, Peer, Step, Wire, answer, hang_up, stall

from generor_async import AsyncGeneror, InvalidRequestError, OutcomeUnknownError
from generor_async.engine.parameter_checks import FRESH_SECONDS, RETRY_SECONDS, SCHEMA_SECONDS

anyio_backend = in_virtual_time

KEY = "gnr_live_0123456789abcdef0123456789abcdef01234567"


def schema(*ids: str) -> Step:
    fields = [{"id": each, "type": "enum", "options": ["a", "b"]} for each in ids]
    return answer(200, json.dumps({"success": True, "data": {"slug": "joke", "parameters": fields}}).encode())


def made() -> Step:
    data: dict[str, Any] = {
        "generator": "joke",
        "model_id": 37,
        "model_type": "text",
        "model_name": "x",
        "creations": [],
    }
    known = {"credit_cost": 1, "credit_cost_estimated": 1, "credits_remaining": 5, "time_taken_seconds": 1.0}
    return answer(201, json.dumps({"success": True, "data": {**data, **known}}).encode())


def paths(wire: Wire) -> list[str]:
    return [f"{request.method} {request.target}" for request in wire.requests]


GET, POST = "GET /generators/joke", "POST /generators/joke/generate"


class Moved(FastClock):
    """A clock that can be moved forward."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


def client(wire: Wire, **options: Any) -> AsyncGeneror:
    return AsyncGeneror(KEY, base_url=wire.url, max_retries=0, **options)


async def generate(generor: AsyncGeneror, **parameters: Any) -> None:
    await generor.generators.generate("joke", model_id=37, prompt="x", parameters=parameters)


async def refused(work: Any) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as caught:
        await work
    return caught.value


async def test_a_schema_is_fetched_once_for_all_views_and_callers() -> None:
    async with Wire(schema("tone"), *[made()] * 6) as wire, client(wire) as generor:
        views = [generor.with_options(check_parameters=True) for _ in range(3)]
        await asyncio.gather(*(generate(view, tone="a") for view in views * 2))
    assert paths(wire).count(GET) == 1
    assert paths(wire).count(POST) == 6


async def test_a_caller_that_leaves_does_not_end_the_fetch_for_the_others() -> None:
    async with Wire(schema("tone"), made()) as wire, client(wire) as generor:
        view = generor.with_options(check_parameters=True)
        first = asyncio.ensure_future(generate(view, tone="a"))
        second = asyncio.ensure_future(generate(view, tone="a"))
        await asyncio.sleep(0)
        first.cancel()
        await second
        assert first.cancelled()
    assert paths(wire) == [GET, POST]


async def test_a_schema_is_fetched_again_after_an_hour_and_before_a_refusal_by_an_old_one() -> None:
    clock = Moved()
    async with (
        Wire(schema("tone"), made(), schema("tone", "mood"), made(), schema("mood"), made()) as wire,
        client(wire, clock=clock) as generor,
    ):
        view = generor.with_options(check_parameters=True)
        await generate(view, tone="a")
        await refused(generate(view, mood="a"))
        clock.ahead = FRESH_SECONDS
        await generate(view, mood="a")
        clock.ahead = FRESH_SECONDS + SCHEMA_SECONDS
        await generate(view, mood="b")
        await refused(generate(view, tone="a"))
    assert paths(wire) == [GET, POST, GET, POST, GET, POST]


@pytest.mark.parametrize("step", [hang_up, answer(500), answer(404, b"{}"), answer(200, b"[]")])
async def test_a_schema_that_cannot_be_fetched_fails_no_call(step: Step, caplog: pytest.LogCaptureFixture) -> None:
    clock = Moved()
    async with Wire(step, made(), made(), schema("tone")) as wire, client(wire, clock=clock) as generor:
        view = generor.with_options(check_parameters=True)
        await generate(view, anything="a")
        await generate(view, anything="a")
        assert paths(wire) == [GET, POST, POST], "and isn't asked for again at once"
        clock.ahead = RETRY_SECONDS
        await refused(generate(view, anything="a"))
    if step is hang_up:
        (record,) = [each for each in caplog.records if each.levelno == logging.WARNING]
        assert "/generators/joke are not checked" in record.getMessage()


async def test_an_answer_without_a_schema_says_nothing() -> None:
    async with (
        Wire(answer(200, b'{"success": true, "data": {"slug": "joke"}}'), made()) as wire,
        client(wire) as generor,
    ):
        await generate(generor.with_options(check_parameters=True), anything="a")


async def test_a_timeout_covers_the_fetch() -> None:
    async with Wire(stall, stall) as wire, client(wire, clock=LoopClock()) as generor:
        began = asyncio.get_running_loop().time()
        with pytest.raises(OutcomeUnknownError):
            await generate(generor.with_options(check_parameters=True, timeout=4.0), tone="a")
        assert asyncio.get_running_loop().time() - began < 5
    assert paths(wire) == [GET, POST]


async def test_a_paid_call_is_not_cut_off_by_a_slow_fetch() -> None:
    async def slow(peer: Peer, request: Arrived) -> None:
        await asyncio.sleep(1.5)
        await made()(peer, request)

    async with Wire(stall, slow) as wire, client(wire, clock=LoopClock()) as generor:
        await generate(generor.with_options(check_parameters=True, timeout=4.0), tone="a")
    assert paths(wire) == [GET, POST]


async def test_a_call_without_parameters_fetches_nothing_and_extra_body_is_looked_at() -> None:
    async with Wire(made(), schema("tone")) as wire, client(wire) as generor:
        view = generor.with_options(check_parameters=True)
        await view.generators.generate("joke", model_id=37, prompt="x")
        await refused(generate(view.with_options(extra_body={"parameters": {"x": "a"}}), tone="a"))
    assert paths(wire) == [POST, GET]


async def test_a_view_with_a_request_id_still_serves_one_call() -> None:
    async with Wire(schema("tone"), made()) as wire, client(wire) as generor:
        view = generor.with_options(check_parameters=True, request_id="mine")
        await generate(view, tone="a")
        await refused(generate(view, tone="a"))
    assert [request.headers["X-Request-Id"] == "mine" for request in wire.requests] == [False, True]


async def test_many_requests_are_checked_one_by_one() -> None:
    async with Wire(schema("tone"), made()) as wire, client(wire) as generor:
        view = generor.with_options(check_parameters=True)
        rows: list[dict[str, Any]] = [
            {"slug": "joke", "model_id": 37, "prompt": "x", "parameters": {name: "a"}} for name in ("tone", "tome")
        ]
        outcomes = [outcome async for outcome in view.generators.map(rows, ordered=True)]
    assert outcomes[0].error is None
    assert isinstance(outcomes[1].error, InvalidRequestError)


async def test_the_option_is_a_flag() -> None:
    wrong: Any = "yes"
    async with Wire() as wire, client(wire) as generor:
        with pytest.raises(InvalidRequestError, match="check_parameters"):
            generor.with_options(check_parameters=wrong)
