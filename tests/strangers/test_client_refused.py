"""Refusals and failures of paid requests in other words and shapes: refused stays refused, unknown stays unknown."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from generor_async import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    GenerorAsyncError,
    InsufficientCreditsError,
    NotFoundError,
    OutcomeUnknownError,
    PayloadTooLargeError,
    PermissionDeniedError,
    UnprocessableEntityError,
    run_batch,
)
from strangers import Answer, Arrival, GenerorWorld, LumaWorld, StrangerServer, in_turn
from strangers.clients import TRAVEL, check_charges, generor_of, luma_of, ours, virtual
from strangers.odd_refusals import BUSY, GENEROR_REFUSALS, LUMA_REFUSALS, SHAPES, envelope
from strangers.test_client_paid import JOKE, ROWS, rows

CLASSES: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: InsufficientCreditsError,
    403: PermissionDeniedError,
    404: NotFoundError,
    413: PayloadTooLargeError,
    422: UnprocessableEntityError,
}
DOCUMENTED: Callable[[int, str], Answer] = lambda status, text: Answer(status=status, body={"detail": text})  # noqa: E731
LUMA_SHAPES = {"documented": DOCUMENTED, **SHAPES}
OTHER_SHAPES = [shape for shape in SHAPES if shape != "page"]
TWO_SHAPES = ("documented", "page")
"""For what comes after an answer is read: in which shape it came makes no difference there."""


def says(error: GenerorAsyncError, text: str) -> bool:
    """Tell whether the server's words are in what a person reads, and no advice about base64 that nobody sent."""
    told = str(error)
    return text in told and ("base64" in told) == ("base64" in text)


@pytest.mark.parametrize("shape", LUMA_SHAPES)
@pytest.mark.parametrize("name", LUMA_REFUSALS)
@virtual
async def test_a_refusal_of_lumas_is_one_in_any_shape(name: str, shape: str) -> None:
    refusing = LUMA_REFUSALS[name]
    world = LumaWorld(refuses=LUMA_SHAPES[shape](refusing.status, refusing.text))
    async with StrangerServer(luma=world, **TRAVEL) as server, luma_of(server) as luma:
        for call in (luma.generations.create, luma.generations.run):
            with pytest.raises(APIStatusError) as caught:
                await call(prompt="a chair")
            assert type(caught.value) is CLASSES[refusing.status]
            assert caught.value.outcome == "refused"
            assert says(caught.value, refusing.text)
            assert caught.value.job_id is None
        assert [one.status for one in ours(server)] == [refusing.status] * 2
        assert not server.charges


@pytest.mark.parametrize("name", GENEROR_REFUSALS)
@virtual
async def test_a_refusal_of_generors_is_one_with_any_status_of_4xx(name: str) -> None:
    code, refusing = GENEROR_REFUSALS[name]
    world = GenerorWorld(refuses=envelope(code, refusing))
    async with StrangerServer(generor=world, **TRAVEL) as server, generor_of(server) as generor:
        with pytest.raises(APIStatusError) as caught:
            await generor.generators.generate(**JOKE)
        assert (caught.value.outcome, caught.value.code) == ("refused", code)
        assert says(caught.value, refusing.text)
        assert len(ours(server, "generor", "POST")) == 1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 413])
@virtual
async def test_a_documented_status_of_generors_is_a_refusal_in_any_shape(status: int, shape: str) -> None:
    world = GenerorWorld(refuses=SHAPES[shape](status, "Insufficient credits, says a heron"))
    async with StrangerServer(generor=world, **TRAVEL) as server, generor_of(server) as generor:
        with pytest.raises(APIStatusError) as caught:
            await generor.generators.generate(**JOKE)
        assert caught.value.outcome == "refused"
        assert caught.value.status_code == status
        assert says(caught.value, "Insufficient credits, says a heron")
        assert len(ours(server, "generor", "POST")) == 1


# --- what may have been charged ---------------------------------------------------------------------------------------

GATEWAYS = (405, 408, 409, 410, 415, 418, 500, 501, 502, 503, 504, 520, 524, 529)


def charged(status: int, shape: str) -> Callable[[Arrival], Answer | None]:
    """Carry paid requests out, and answer in another way."""
    answer = LUMA_SHAPES[shape](status, "no, says a heron")
    found = Answer(status=status, body=answer.body, headers=answer.headers, after=True)

    def script(arrival: Arrival) -> Answer | None:
        return found if arrival.method == "POST" and not arrival.path.endswith("estimate") else None

    return script


@pytest.mark.parametrize(("status", "shape"), [*product(GATEWAYS, TWO_SHAPES), *product((409, 503), OTHER_SHAPES)])
@virtual
async def test_any_other_answer_leaves_the_outcome_unknown_and_nothing_is_sent_again(status: int, shape: str) -> None:
    async with StrangerServer(script=charged(status, shape), **TRAVEL) as server:
        async with luma_of(server) as luma:
            for call in (luma.generations.create, luma.generations.run):
                with pytest.raises(OutcomeUnknownError) as caught:
                    await call(prompt="a chair")
                assert caught.value.outcome == "unknown"
                assert says(caught.value, "no, says a heron")
                assert caught.value.request_id == server.charges[-1].request_id
        assert len(server.charges) == 2
        if status == 405:  # a documented refusal of Generor's
            return
        async with generor_of(server) as generor:
            with pytest.raises(OutcomeUnknownError) as unknown:
                await generor.generators.generate(**JOKE)
            assert unknown.value.outcome == "unknown"
            assert says(unknown.value, "no, says a heron")
        assert len(server.charges) == 3


@pytest.mark.parametrize("name", BUSY)
@virtual
async def test_lumas_own_502_and_503_are_sent_again_in_any_wording(name: str) -> None:
    busy = BUSY[name]
    headers = {"X-API-Version": "2026-04-01"}
    answer = Answer(status=busy.status, body={"detail": busy.text}, headers=headers)
    async with StrangerServer(script=in_turn([answer]), **TRAVEL) as server, luma_of(server) as luma:
        done = await luma.generations.run(prompt="a chair")
        check_charges(server, [done.id])
        assert [one.status for one in ours(server, method="POST")] == [busy.status, 201]


# --- batches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", TWO_SHAPES)
@pytest.mark.parametrize("name", ["400", "413", "422"])
@virtual
async def test_refused_rows_have_failed_and_cost_nothing(name: str, shape: str, tmp_path: Path) -> None:
    refusing = LUMA_REFUSALS[name]
    world = LumaWorld(refuses=LUMA_SHAPES[shape](refusing.status, refusing.text))
    async with StrangerServer(luma=world, **TRAVEL) as server, luma_of(server) as luma:
        batch = run_batch(luma, rows(), to=tmp_path)
        outcomes = [outcome async for outcome in batch]
        assert [outcome.state for outcome in outcomes] == ["failed"] * ROWS
        assert all(refusing.text in outcome.problem for outcome in outcomes)
        assert len(ours(server, method="POST")) == ROWS
        status = await batch.status()
        assert (status.spent, status.doubtful) == (0, 0)


@pytest.mark.parametrize("shape", TWO_SHAPES)
@pytest.mark.parametrize("name", ["401", "402", "403"])
@virtual
async def test_a_refusal_of_all_rows_stops_a_batch_which_goes_on_later(name: str, shape: str, tmp_path: Path) -> None:
    refusing = LUMA_REFUSALS[name]
    refused: Any = LUMA_SHAPES[shape](refusing.status, refusing.text)
    async with StrangerServer(luma=LumaWorld(refuses=refused), **TRAVEL) as server, luma_of(server) as luma:
        with pytest.raises(APIStatusError) as caught:
            _ = [outcome async for outcome in run_batch(luma, rows(), to=tmp_path)]
        assert caught.value.outcome == "refused"
        assert not server.charges
        server.luma.world = LumaWorld()
        outcomes = [outcome async for outcome in run_batch(luma, rows(), to=tmp_path)]
        assert {outcome.state for outcome in outcomes} == {"done"}
        check_charges(server, [id_ for outcome in outcomes for id_ in outcome.remote_ids])


@pytest.mark.parametrize("shape", TWO_SHAPES)
@pytest.mark.parametrize("status", [409, 500, 502, 503, 504])
@virtual
async def test_rows_that_may_have_been_charged_are_unknown_and_not_run_again(
    status: int, shape: str, tmp_path: Path
) -> None:
    async with StrangerServer(script=charged(status, shape), **TRAVEL) as server, luma_of(server) as luma:
        batch = run_batch(luma, rows(), to=tmp_path)
        outcomes = {outcome.id: outcome async for outcome in batch}
        assert {outcome.state for outcome in outcomes.values()} == {"unknown"}
        assert len(outcomes) == len(server.charges) == ROWS
        assert (await batch.status()).doubtful > 0
        again = [outcome async for outcome in run_batch(luma, rows(), to=tmp_path)]
        assert len(server.charges) == ROWS, again
