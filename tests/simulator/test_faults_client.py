"""What the client makes of each fault: charges first, then results."""

import os
from pathlib import Path

import luma_agents
import pytest
from support.faulty import CREATE, GENERATE, LIST, simulated

from generor_async import (
    APIConnectionError,
    AsyncGeneror,
    AsyncLuma,
    DownloadError,
    OutcomeUnknownError,
    RateLimitError,
    ResponseShapeError,
)
from generor_async.simulator import Simulator

PROMPT = "A glass of iced coffee"
CONNECTION = ["reset", "close", "truncate", "broken_chunk", "broken_chunk:how=header"]
STATUS = ["500", "504", *(f"{status}:shape=gateway" for status in (500, 502, 503, 504))]
BODY = ["invalid_json", "wrong_type", "gzip_bomb:megabytes=16", "deep", "huge:megabytes=16"]
UNKNOWN = [*CONNECTION, *STATUS, *BODY]
"""Faults after which it is unknown whether a call took effect."""


def charged(simulator: Simulator) -> int:
    assert not simulator.ledger.duplicates()
    return len(simulator.ledger.charges)


@pytest.mark.parametrize("fault", UNKNOWN)
@pytest.mark.parametrize(("when", "charges"), [("before_charge", 0), ("after_charge", 1)])
async def test_a_paid_call_of_unknown_outcome_is_reported_and_never_repeated(
    fault: str, when: str, charges: int
) -> None:
    spec = f"{CREATE}={fault}:{when}"
    async with simulated(spec, speed=20.0) as simulator, AsyncLuma(**simulator.luma_options) as luma:
        with pytest.raises(OutcomeUnknownError) as raised:
            await luma.generations.create(prompt=PROMPT)
        assert len(simulator.ledger.requests) == 1
        assert charged(simulator) == charges
        if ":shape=gateway" not in fault and fault not in STATUS:
            assert raised.value.request_id == simulator.ledger.requests[0].request_id


@pytest.mark.parametrize("sent", ["nothing", "headers"])
async def test_a_stalled_paid_call_is_unknown_after_its_timeout(sent: str) -> None:
    async with (
        simulated(f"{CREATE}=stall:after_charge:sent={sent}", speed=100.0) as simulator,
        AsyncLuma(**simulator.luma_options) as luma,
    ):
        with pytest.raises(OutcomeUnknownError):
            await luma.with_options(timeout=20).generations.create(prompt=PROMPT)
        assert (charged(simulator), len(simulator.ledger.requests)) == (1, 1)


@pytest.mark.parametrize("fault", ["reset", "500", "wrong_type"])
async def test_the_same_holds_for_generors_paid_call(fault: str) -> None:
    async with (
        simulated(f"{GENERATE}={fault}:after_charge") as simulator,
        AsyncGeneror(**simulator.generor_options) as generor,
    ):
        with pytest.raises(OutcomeUnknownError):
            await generor.generators.generate("joke", prompt="A joke", model_id=37)
        assert (charged(simulator), len(simulator.ledger.requests)) == (1, 1)


@pytest.mark.parametrize("fault", ["429", "429:limit=jobs", "429:retry_after=none", "502", "503:retry_after=3"])
async def test_a_refusal_is_repeated_and_charged_once(fault: str) -> None:
    async with simulated(f"{CREATE}={fault}:1x") as simulator, AsyncLuma(**simulator.luma_options) as luma:
        created = await luma.with_options(timeout=600).generations.create(prompt=PROMPT)
        assert created.state == "queued"
        assert (charged(simulator), len(simulator.ledger.requests)) == (1, 2)


async def test_a_charge_behind_a_refusal_is_in_the_ledger() -> None:
    async with simulated(f"{CREATE}=429:after_charge:1x") as simulator, AsyncLuma(**simulator.luma_options) as luma:
        await luma.generations.create(prompt=PROMPT)
        first, second = simulator.ledger.charges
        assert simulator.ledger.duplicates() == (first.call,)
        assert (second.call, second.attempt) == (first.number, 2)
        assert second.request_id != first.request_id


async def test_json_of_another_shape_means_that_it_was_done() -> None:
    async with simulated(f"{CREATE}=wrong_json:after_charge") as simulator, AsyncLuma(**simulator.luma_options) as luma:
        with pytest.raises(ResponseShapeError) as raised:
            await luma.generations.create(prompt=PROMPT)
        assert raised.value.outcome == "done"
        assert charged(simulator) == 1
        (generation_id,) = simulator.luma.generations
        assert generation_id in str(raised.value.body)


async def test_an_id_in_a_broken_answer_is_kept() -> None:
    async with (
        simulated(f"{CREATE}=truncate:after_charge:keep=0.9") as simulator,
        AsyncLuma(**simulator.luma_options) as luma,
    ):
        with pytest.raises(OutcomeUnknownError) as raised:
            await luma.generations.create(prompt=PROMPT)
        assert raised.value.ids == tuple(simulator.luma.generations)


@pytest.mark.parametrize("fault", ["drip:after_charge", "skewed_clock"])
async def test_a_harmless_oddity_succeeds(fault: str) -> None:
    async with simulated(f"{CREATE}={fault}") as simulator, AsyncLuma(**simulator.luma_options) as luma:
        assert (await luma.generations.create(prompt=PROMPT)).id in simulator.luma.generations
        assert (charged(simulator), len(simulator.ledger.requests)) == (1, 1)
        assert not simulator.ledger.unanswered()


@pytest.mark.parametrize("fault", [*CONNECTION, *STATUS, "429", "502", "503", "invalid_json", "deep", "stall"])
@pytest.mark.parametrize("when", ["before_charge", "after_charge"])
async def test_a_read_is_repeated_until_it_is_answered(fault: str, when: str) -> None:
    async with simulated(f"{LIST}={fault}:{when}:1x", speed=60.0) as simulator:
        async with AsyncLuma(**simulator.luma_options) as luma:
            assert (await luma.files.list()).items == []
        assert [entry.fault is None for entry in simulator.ledger.requests] == [False, True]


@pytest.mark.parametrize("fault", ["wrong_type", "wrong_json"])
async def test_a_read_of_an_unrelated_answer_is_an_error_at_once(fault: str) -> None:
    async with simulated(f"{LIST}={fault}", speed=1.0) as simulator, AsyncLuma(**simulator.luma_options) as luma:
        with pytest.raises(ResponseShapeError):
            await luma.files.list()
        assert len(simulator.ledger.requests) == 1


@pytest.mark.parametrize("fault", ["gzip_bomb", "huge"])
async def test_a_read_of_too_much_is_an_error(fault: str) -> None:
    fault = f"{LIST}={fault}:megabytes=16"
    async with simulated(fault, speed=20.0) as simulator, AsyncLuma(**simulator.luma_options) as luma:
        with pytest.raises(APIConnectionError, match="max_reply_bytes"):
            await luma.files.list()


async def test_a_refused_connection_means_that_nothing_was_sent() -> None:
    async with simulated("*=refuse:seconds=1000000") as simulator, AsyncLuma(**simulator.luma_options) as luma:
        with pytest.raises(APIConnectionError) as raised:
            await luma.with_options(max_retries=0).generations.create(prompt=PROMPT)
        assert raised.value.outcome == "not_sent"
        assert not simulator.ledger.requests
        simulator.faults.clear()
        await luma.generations.create(prompt=PROMPT)
        assert charged(simulator) == 1


async def test_a_lasting_limit_is_reported_with_its_retry_after() -> None:
    async with simulated(f"{LIST}=429:retry_after=5") as simulator, AsyncLuma(**simulator.luma_options) as luma:
        with pytest.raises(RateLimitError) as raised:
            await luma.with_options(max_retries=0).files.list()
        assert raised.value.retry_after == 5
        assert len(simulator.ledger.requests) == 1


async def test_a_download_fetches_a_fresh_url_when_the_one_it_has_is_refused(tmp_path: Path) -> None:
    async with simulated("storage.get=expired_url:1x") as simulator, AsyncLuma(**simulator.luma_options) as luma:
        generation = await luma.generations.run(prompt=PROMPT)
        (path,) = await luma.download(generation, tmp_path)
        assert path.stat().st_size > 1_000
        fetched = [entry for entry in simulator.ledger.requests if entry.operation == "storage.get"]
        assert [(entry.fault, entry.status) for entry in fetched] == [("expired_url", 403), (None, 200)]


async def test_a_download_that_breaks_off_leaves_no_file_and_goes_on_when_it_is_asked_for_again(tmp_path: Path) -> None:
    async with simulated("storage.get=truncate:after_charge") as simulator, AsyncLuma(**simulator.luma_options) as luma:
        generation = await luma.generations.run(prompt=PROMPT)
        with pytest.raises(DownloadError):
            await luma.with_options(max_retries=0).download(generation, tmp_path)
        (part,) = os.listdir(tmp_path)  # noqa: PTH208  # an event loop waits for neither
        assert part.startswith(".")
        simulator.faults.clear()
        (path,) = await luma.download(generation, tmp_path)
        assert os.listdir(tmp_path) == [path.name]  # noqa: PTH208


async def test_a_stale_listing_hides_a_creation_that_was_paid_for() -> None:
    async with simulated("generor.creations.list=stale_listing:seconds=1000000:1x") as simulator:
        async with AsyncGeneror(**simulator.generor_options) as generor:
            await generor.generators.generate("joke", prompt="A joke", model_id=37)
            found = [len((await generor.creations.list()).items) for _ in range(2)]
        assert found == [0, 1]


async def test_the_official_client_is_charged_three_times_for_one_generation() -> None:
    async with (
        simulated(f"{CREATE}=reset:after_charge:2x") as simulator,
        luma_agents.AsyncLuma(auth_token=simulator.luma_key, base_url=simulator.luma_url) as luma,
    ):
        created = await luma.generations.create(prompt=PROMPT)
        assert len(simulator.ledger.charges) == len(simulator.luma.generations) == 3
        assert [entry.answered for entry in simulator.ledger.charges] == [False, False, True]
        assert created.id == list(simulator.luma.generations)[-1]
