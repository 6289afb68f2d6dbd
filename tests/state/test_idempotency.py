"""A paid call with an idempotency key is made once, whoever makes it again, and wherever."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.clock import in_virtual_time
from support.generor_service import until
from support.programs import begin, finished

from generor_async import (
    AsyncGeneror,
    AsyncLuma,
    ContentModeratedError,
    DeadlineExceededError,
    InvalidRequestError,
    MediaRef,
    OutcomeUnknownError,
    PermissionDeniedError,
)
from generor_async.simulator import Simulator

if TYPE_CHECKING:
    import subprocess

CREATE = "luma.generations.create"
GENERATE = "generor.generators.generate"
JOKE: dict[str, Any] = {"slug": "joke", "prompt": "a heron", "model_id": 37}
ACCOUNT: dict[str, Any] = {"seed": 7, "luma_rpm": 10_000, "luma_jobs": 1_000, "tier": "enterprise"}
DAY = 86_400.0


anyio_backend = in_virtual_time


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(**ACCOUNT) as simulator:
        yield simulator


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.sqlite"


def luma_of(simulator: Simulator, path: Path, **options: Any) -> AsyncLuma:
    return AsyncLuma(**simulator.luma_options, state=path, **options)


def generor_of(simulator: Simulator, path: Path, **options: Any) -> AsyncGeneror:
    return AsyncGeneror(**simulator.generor_options, state=path, **options)


async def test_calls_with_one_key_at_once_are_one_job(simulator: Simulator, path: Path) -> None:
    async with luma_of(simulator, path) as luma, luma_of(simulator, path) as other:
        calls = [
            client.with_options(idempotency_key="order 7").generations.create(prompt="a heron")
            for _ in range(10)
            for client in (luma, other)
        ]
        made = await asyncio.gather(*calls)
    assert len({generation.id for generation in made}) == 1
    assert len(simulator.ledger.charges) == 1


async def test_submit_and_run_get_the_first_job_also_after_a_restart(simulator: Simulator, path: Path) -> None:
    async with luma_of(simulator, path) as luma:
        view = luma.with_options(idempotency_key="order 7")
        job = await view.generations.submit(prompt="a heron")
    async with luma_of(simulator, path) as luma:
        view = luma.with_options(idempotency_key="order 7")
        assert (await view.generations.submit(prompt="a heron")).id == job.id
        done = await view.generations.run(prompt="a heron")
        assert (done.id, done.state) == (job.id, "completed")
        assert (await view.generations.run(prompt="a heron")).id == job.id, "when it has ended as well"
        assert [each async for each in luma.jobs.unfinished()] == []
        assert (await luma.with_options(idempotency_key="order 8").generations.create(prompt="a heron")).id != job.id
        assert (await luma.generations.create(prompt="a heron")).id != job.id
    assert len(simulator.ledger.charges) == 3


async def test_another_payload_under_the_key_is_refused(simulator: Simulator, path: Path) -> None:
    async with luma_of(simulator, path) as luma:
        view = luma.with_options(idempotency_key="order 7")
        await view.generations.create(prompt="a heron", aspect_ratio="16:9")
        await view.generations.create(aspect_ratio="16:9", prompt="a heron")
        others: list[dict[str, Any]] = [{"prompt": "a crane", "aspect_ratio": "16:9"}, {"prompt": "a heron"}]
        for other in others:
            with pytest.raises(InvalidRequestError, match="belongs to another call") as caught:
                await view.generations.create(**other)
            assert caught.value.field == "idempotency_key"
        with pytest.raises(InvalidRequestError, match="belongs to another call"):
            await view.with_options(extra_body={"user_id": "5"}).generations.create(
                prompt="a heron", aspect_ratio="16:9"
            )
    assert len(simulator.ledger.charges) == 1
    for file in path.parent.iterdir():
        assert b"a heron" not in file.read_bytes(), "digests are kept, prompts are not"


async def test_files_are_compared_by_content(simulator: Simulator, path: Path) -> None:
    pictures = [path.with_name(name) for name in ("a.png", "b.png", "c.png")]
    for number, picture in enumerate(pictures):
        picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes([number // 2]) * 64)
    asked: dict[str, Any] = {"prompt": "a heron", "type": "image_edit"}
    async with luma_of(simulator, path) as luma:
        view = luma.with_options(idempotency_key="order 7")
        first, same, other = (MediaRef.file(picture) for picture in pictures)
        assert isinstance(first, MediaRef)
        made = await view.generations.create(source=first, **asked)
        assert (await view.generations.create(source=same, **asked)).id == made.id
        with pytest.raises(InvalidRequestError, match="belongs to another call"):
            await view.generations.create(source=other, **asked)


async def test_a_first_that_failed_at_no_cost_is_made_anew(simulator: Simulator, path: Path) -> None:
    simulator.faults.add_spec(f"{CREATE}=403:2x")
    async with luma_of(simulator, path) as luma:
        view = luma.with_options(idempotency_key="order 7")
        for _ in range(2):
            with pytest.raises(PermissionDeniedError):
                await view.generations.create(prompt="a heron")
        made = await view.generations.create(prompt="a heron")
        assert (await view.generations.create(prompt="a heron")).id == made.id
    assert len(simulator.ledger.charges) == 1


async def test_a_job_that_failed_is_the_result_and_a_resubmission_is_another_call(
    simulator: Simulator, path: Path
) -> None:
    async with luma_of(simulator, path) as luma:
        view = luma.with_options(idempotency_key="order 7")
        for _ in range(2):
            with pytest.raises(ContentModeratedError):
                await view.generations.run(prompt="[[moderate]]")
    assert len(simulator.luma.generations) == 1


async def test_an_unknown_first_stays_unknown_until_it_is_settled(simulator: Simulator, path: Path) -> None:
    simulator.faults.add_spec(f"{CREATE}=reset:after_charge:1x")
    async with luma_of(simulator, path) as luma:
        view = luma.with_options(idempotency_key="order 7", context=1)
        for _ in range(3):
            with pytest.raises(OutcomeUnknownError):
                await view.generations.create(prompt="a heron")
        (call,) = [call async for call in luma.jobs.unknown()]
        assert (call.idempotency_key, call.context) == ("order 7", 1)
        (made,) = simulator.luma.generations.values()
        await luma.jobs.settle(call, job_id=made.id)
        assert (await view.generations.create(prompt="a heron")).id == made.id
        assert len(simulator.ledger.charges) == 1
        simulator.faults.add_spec(f"{CREATE}=reset:before_charge:1x")
        view = luma.with_options(idempotency_key="order 8")
        with pytest.raises(OutcomeUnknownError):
            await view.generations.create(prompt="a heron")
        async for call in luma.jobs.unknown():
            await luma.jobs.settle(call, job_id=None)
        assert (await view.generations.create(prompt="a heron")).id != made.id


async def test_a_second_one_waits_for_the_first_as_long_as_its_own_timeout(simulator: Simulator, path: Path) -> None:
    simulator.faults.add_spec(f"{CREATE}=stall:after_charge:1x")
    async with luma_of(simulator, path) as luma, luma_of(simulator, path) as other:
        first = asyncio.create_task(luma.with_options(idempotency_key="order 7").generations.create(prompt="a heron"))
        await until(lambda: simulator.ledger.requests)
        with pytest.raises(DeadlineExceededError, match="another call with the idempotency key"):
            await other.with_options(idempotency_key="order 7", timeout=5).generations.create(prompt="a heron")
        second = asyncio.create_task(other.with_options(idempotency_key="order 7").generations.create(prompt="a heron"))
        await asyncio.sleep(0.1)
        assert not second.done()
        first.cancel()
        with pytest.raises(OutcomeUnknownError):
            await second
    assert len(simulator.ledger.charges) == 1


async def test_a_key_holds_for_keep_days(simulator: Simulator, path: Path) -> None:
    async with luma_of(simulator, path, keep_days=2) as luma:
        view = luma.with_options(idempotency_key="order 7")
        first = await view.generations.run(prompt="a heron")
        simulator.advance(1.9 * DAY)
        assert (await view.generations.create(prompt="a heron")).id == first.id
        simulator.advance(0.2 * DAY)
        assert (await view.generations.create(prompt="a crane")).id != first.id


async def test_a_key_that_is_free_again_is_so_for_all_who_ask_at_once(simulator: Simulator, path: Path) -> None:
    async with luma_of(simulator, path, keep_days=2) as luma, luma_of(simulator, path, keep_days=2) as other:
        views = [client.with_options(idempotency_key="order 7") for client in (luma, other) for _ in range(3)]
        first = await views[0].generations.run(prompt="a heron")
        simulator.advance(2.1 * DAY)
        made = await asyncio.gather(*(view.generations.create(prompt="a crane") for view in views))
        assert len({first.id, *(generation.id for generation in made)}) == 2
    assert len(simulator.ledger.charges) == 2


async def test_a_result_of_generor_is_put_together_from_its_creations(simulator: Simulator, path: Path) -> None:
    async with generor_of(simulator, path) as generor:
        view = generor.with_options(idempotency_key="joke 1")
        first = await view.generators.generate(**JOKE)
        again = await view.generators.generate(**JOKE)
        assert [creation.creation_id for creation in again.creations] == [
            creation.creation_id for creation in first.creations
        ]
        assert again.creations[0].text == first.creations[0].text
        assert again.credit_cost == first.credit_cost
    assert len(simulator.ledger.charges) == 1


async def test_results_are_kept_whole_where_that_is_wanted(simulator: Simulator, path: Path) -> None:
    async with generor_of(simulator, path, keep_results=True) as generor:
        view = generor.with_options(idempotency_key="joke 1")
        first = await view.generators.generate(**JOKE)
        before = len(simulator.ledger.requests)
        again = await view.generators.generate(**JOKE)
        assert again == first
        assert len(simulator.ledger.requests) == before, "nothing was asked for"
    with closing(sqlite3.connect(path)) as connection:
        ((kept,),) = connection.execute("SELECT result FROM calls")
    assert json.loads(kept)["creations"][0]["text"] == first.creations[0].text


RACER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from generor_async import Luma

with Luma(state=sys.argv[1]) as luma:
    print("ready", flush=True)
    sys.stdin.readline()

    def create(number):
        return luma.with_options(idempotency_key=f"order {number % 3}").generations.create(prompt="a heron").id

    with ThreadPoolExecutor(10) as threads:
        print(*sorted(set(threads.map(create, range(30)))), flush=True)
"""


def test_threads_and_processes_with_one_key_race_and_one_is_charged(path: Path) -> None:
    with Simulator(**ACCOUNT) as simulator:
        program = RACER.replace("sys.argv[1]", repr(str(path)))
        racers = [begin(simulator, program) for _ in range(2)]
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("\n")
            racer.stdin.flush()
        told = [told_by(racer) for racer in racers]
        assert told[0] == told[1] == sorted(simulator.luma.generations)
        assert len(simulator.ledger.charges) == 3


def told_by(racer: "subprocess.Popen[str]") -> list[str]:
    code, out, err = finished(racer)
    assert not code, err
    return out.split()
