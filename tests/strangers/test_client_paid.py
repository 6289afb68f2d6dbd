"""Odd answers to paid requests, in a grid: paid once, and each charge's id is in the result or in the error."""

import re
from collections.abc import Awaitable, Iterable
from pathlib import Path
from typing import Any

import pytest

from generor_async import GenerorAsyncError, OutcomeUnknownError, ResponseShapeError, RowOutcome, run_batch
from generor_async.api.generor.models import GenerateResult
from generor_async.api.luma.models import Generation
from generor_async.values import maybe
from strangers import GenerorWorld, LumaWorld, StrangerServer
from strangers.clients import TRAVEL, check_charges, generor_of, luma_of, virtual
from strangers.odd_paid import GENEROR_PAID, LUMA_PAID, NAMELESS

JOKE: dict[str, Any] = {"slug": "joke", "prompt": "a heron", "model_id": 37}
OTHER_SHAPES = {
    "cut after the id",
    "broken off after the id",
    "in a list",
    "as text",
    "as a page",
    "in an envelope",
    "an object of creations",
    "one creation for the list",
    "data in a list",
    "data is the list",
    *(
        odd
        for odd in LUMA_PAID | GENEROR_PAID
        if odd.startswith(("as an error", "beside ", "201 ", "302 ", "303 ", "success: f"))
    ),
}
"""Answers with an id that stands where nobody looks for it, or in an error: an error that says it will do."""
OTHER_TEXTS = {"only ids", "a word among creations"}
"""Answers with no texts, or more of them than were made."""
UNNAMED = {"named otherwise", "bare ids"}
"""Answers that don't say which of their words is the id: an error that holds all of the answer will do."""


def luma_server(odd: str) -> StrangerServer:
    return StrangerServer(luma=LumaWorld(odd_paid=odd), **TRAVEL)


def generor_server(odd: str) -> StrangerServer:
    return StrangerServer(generor=GenerorWorld(odd_paid=odd), **TRAVEL)


async def attempt(call: Awaitable[Any]) -> Any:
    """Return what a call returns, or the error of the package's that it raises."""
    try:
        return await call
    except GenerorAsyncError as error:
        return error


def known_ids(result: GenerateResult) -> list[Any]:
    """Return the creations' numbers; a word among them is the text of one that has none."""
    return [one.creation_id for one in result.creations if maybe(one.creation_id) is not None]


def check_told(server: StrangerServer, told: Any, odd: str) -> None:
    """Hold one answer against the one charge: the result has its id, or the error says it."""
    (charge,) = server.charges
    if isinstance(told, ResponseShapeError) and odd in UNNAMED:
        assert charge.item in str(told.body)
    elif isinstance(told, GenerorAsyncError):
        assert isinstance(told, OutcomeUnknownError | ResponseShapeError)
        assert odd in OTHER_SHAPES
        assert charge.item in str(told)
    elif isinstance(told, GenerateResult):
        assert str(known_ids(told)[0]) == charge.item
    else:
        assert told.id == charge.item


@pytest.mark.parametrize("odd", LUMA_PAID)
@pytest.mark.parametrize("call", ["run", "submit"])
@virtual
async def test_a_job_that_was_paid_for_is_known_whatever_else_its_answer_says(call: str, odd: str) -> None:
    async with luma_server(odd) as server, luma_of(server) as luma:
        told = await attempt(getattr(luma.generations, call)(prompt="a chair"))
        check_told(server, told, odd)
        if odd in UNNAMED:
            return
        job_id: Any = told.job_id if isinstance(told, GenerorAsyncError) else told.id
        assert job_id == server.charges[0].item
        done = await luma.generations.job(job_id)
        assert isinstance(done, Generation)
        assert (done.id, done.state, len(done.output)) == (server.charges[0].item, "completed", 1)


@pytest.mark.parametrize("odd", [one for one in LUMA_PAID if one not in OTHER_SHAPES | UNNAMED])
@virtual
async def test_a_run_tells_of_its_job_once_and_ends_as_documented(odd: str) -> None:
    submitted = list[str]()
    async with luma_server(odd) as server, luma_of(server) as luma:
        done = await luma.generations.run(prompt="a chair", on_submitted=lambda job: submitted.append(job.id))
        assert submitted == [done.id]
        assert done.problems == ()


@pytest.mark.parametrize("odd", GENEROR_PAID)
@pytest.mark.parametrize("model", [37, 10003])
@virtual
async def test_a_creation_that_was_paid_for_is_known_whatever_else_its_answer_says(
    model: int, odd: str, tmp_path: Path
) -> None:
    async with generor_server(odd) as server, generor_of(server) as generor:
        asked: dict[str, Any] = {**JOKE, "model_id": model, "count": 2}
        told = await attempt(generor.generators.generate(**asked))
        check_told(server, told, odd)
        if odd in UNNAMED:
            return
        if isinstance(told, GenerateResult) and odd != "one creation for the list":
            assert known_ids(told) == [6144, 6145]
        if isinstance(told, GenerateResult) and model == 37 and "text" not in odd and odd not in OTHER_TEXTS:
            made = [path.read_text() for path in await generor.download(told, tmp_path)]
            assert made == ["A text about a heron"] * len(told.creations)
        creation_id: Any = told.creation_id if isinstance(told, GenerorAsyncError) else known_ids(told)[0]
        assert str(creation_id) == server.charges[0].item
        assert (await generor.creations.get(creation_id)).creation_id == creation_id


@pytest.mark.parametrize("odd", NAMELESS)
@virtual
async def test_an_answer_that_names_nothing_is_an_error_and_is_not_asked_for_again(odd: str) -> None:
    async with luma_server(odd) as server, luma_of(server) as luma:
        for call in (luma.generations.create, luma.generations.run):
            with pytest.raises((OutcomeUnknownError, ResponseShapeError)) as caught:
                await call(prompt="a chair")
            assert caught.value.outcome in {"unknown", "done"}
            assert (caught.value.outcome == "unknown") or odd in {"null", "a word", "{}", "[]", "a message"}
            assert caught.value.request_id == server.charges[-1].request_id
        assert len(server.charges) == 2


@pytest.mark.parametrize("odd", NAMELESS)
@virtual
async def test_a_generate_whose_answer_names_nothing_is_an_error_and_not_sent_again(odd: str) -> None:
    async with generor_server(odd) as server, generor_of(server) as generor:
        with pytest.raises((OutcomeUnknownError, ResponseShapeError)) as caught:
            await generor.generators.generate(**JOKE)
        assert caught.value.outcome in {"unknown", "done"}
        assert [charge.request_id for charge in server.charges] == [caught.value.request_id]


@virtual
async def test_numbers_in_strings_are_numbers_and_a_price_that_is_none_is_none() -> None:
    async with generor_server("numbers in strings") as server, generor_of(server) as generor:
        result = await generor.generators.generate(**JOKE)
        assert (result.model_id, result.credit_cost, result.credits_remaining) == (37, 1, 1249)
        assert result.time_taken_seconds == 12
    async with generor_server("data.credit_cost: a word") as server, generor_of(server) as generor:
        result = await generor.generators.generate(**JOKE)
        assert maybe(result.credit_cost) is None
        assert result.problems == ("$.data.credit_cost",)


@pytest.mark.parametrize("ids", ["uuid", "number"])
@virtual
async def test_a_job_whose_id_is_a_number_is_waited_for_and_downloaded(ids: Any, tmp_path: Path) -> None:
    async with StrangerServer(luma=LumaWorld(ids=ids), **TRAVEL) as server, luma_of(server) as luma:
        done = await luma.generations.run(prompt="a chair")
        check_charges(server, [done.id])
        (path,) = await luma.download(done, tmp_path)
        assert path.read_bytes().startswith(b"\x89PNG")
        job = await luma.generations.submit(prompt="a chair")
        assert (await luma.generations.job(job.id)).state == "completed"


# --- batches ----------------------------------------------------------------------------------------------------------


ROWS = 4
"""Fewer than the unknown outcomes in a row after which a batch stops."""


def rows(**more: Any) -> list[dict[str, Any]]:
    return [{"id": f"row-{number}", "prompt": f"heron {number}", **more} for number in range(ROWS)]


async def outcomes_of(batch: Any) -> dict[str, RowOutcome]:
    """Return the last word of each row."""
    return {outcome.id: outcome async for outcome in batch}


def check_batch(server: StrangerServer, outcomes: dict[str, RowOutcome]) -> None:
    """Each row was charged once; what is done has its charge's id, and what isn't says that it isn't known."""
    assert len(outcomes) == len(server.charges) == ROWS
    known = [id_ for outcome in outcomes.values() for id_ in outcome.remote_ids]
    assert len(set(known)) == len(known)
    assert {outcome.state for outcome in outcomes.values()} <= {"done", "unknown"}
    for outcome in outcomes.values():
        assert outcome.state == "unknown" or all(path.stat().st_size for path in outcome.files)


FOR_CALLS_ALONE = re.compile(r".*: (null|an object|a word)|as an error (?!402|429|503).*")
"""Odd answers that make no other difference to a batch than those of their kind that it meets."""


def kinds(odd: Iterable[str]) -> list[str]:
    return [name for name in odd if not FOR_CALLS_ALONE.fullmatch(name)]


@pytest.mark.parametrize("odd", [*kinds(LUMA_PAID), *NAMELESS])
@virtual
async def test_a_batch_of_pictures_pays_for_each_row_once(odd: str, tmp_path: Path) -> None:
    async with luma_server(odd) as server, luma_of(server) as luma:
        outcomes = await outcomes_of(run_batch(luma, rows(), to=tmp_path))
        check_batch(server, outcomes)
        if odd in LUMA_PAID and odd not in UNNAMED | OTHER_SHAPES:
            assert {outcome.state for outcome in outcomes.values()} == {"done"}
            check_charges(server, [id_ for outcome in outcomes.values() for id_ in outcome.remote_ids])


@pytest.mark.parametrize("odd", [*kinds(GENEROR_PAID), *NAMELESS])
@virtual
async def test_a_batch_of_texts_pays_for_each_row_once(odd: str, tmp_path: Path) -> None:
    async with generor_server(odd) as server, generor_of(server) as generor:
        batch = run_batch(generor, rows(slug="joke", model_id=37), to=tmp_path)
        outcomes = await outcomes_of(batch)
        check_batch(server, outcomes)
        if odd in GENEROR_PAID and odd not in UNNAMED | OTHER_SHAPES:
            assert {outcome.state for outcome in outcomes.values()} == {"done"}
            check_charges(server, [id_ for outcome in outcomes.values() for id_ in outcome.remote_ids])
            assert [outcome.cost for outcome in outcomes.values()] == [1] * ROWS
            texts = [path.read_text() for outcome in outcomes.values() for path in outcome.files]
            whole = [f"A text about heron {number}" for number in range(ROWS)]
            assert sorted(texts) == whole or "text" in odd or odd in OTHER_TEXTS
        status = await batch.status()
        assert status.spent + status.doubtful >= ROWS
