"""A client's life: what is under way when it is closed, and when it is open again."""

import asyncio
import gc
import math
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from support.calls import KEY, BareLuma, operation
from support.clock import in_virtual_time
from support.generor_service import until
from support.wire import Wire, answer

from generor_async import AsyncGeneror, AsyncLuma, ClientClosedError, Job, Limits, OutcomeUnknownError
from generor_async.simulator import Simulator

WAVES: dict[str, Any] = {"prompt": "Waves", "model": "ray-3.2", "type": "video"}

anyio_backend = in_virtual_time


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(seed=7, luma_rpm=10_000, luma_jobs=1_000) as simulator:
        yield simulator


def open_luma(simulator: Simulator, **options: Any) -> AsyncLuma:
    return AsyncLuma(**{**simulator.luma_options, **options})


# The end of `async with`.


async def test_the_job_of_a_wait_is_named_and_nothing_is_opened_after_the_close(simulator: Simulator) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with open_luma(simulator) as luma:
            submitted = list[Job]()
            running = asyncio.create_task(luma.generations.run(**WAVES, on_submitted=submitted.append))
            await until(lambda: submitted)
        assert running.done()
        gc.collect()
    (job_id,) = simulator.luma.generations
    with pytest.raises(ClientClosedError, match=job_id) as raised:
        await running
    assert raised.value.job_id == job_id
    assert raised.value.request_id
    assert running.cancelling() == 0


@pytest.mark.parametrize("retry_safety", ["read", "idempotent", "plain", "bills"])
async def test_the_error_of_a_cancelled_request_says_what_became_of_it(retry_safety: Any) -> None:
    hanging = asyncio.Event()

    async def hang(*_: Any) -> None:
        hanging.set()
        await asyncio.sleep(60)

    async with Wire(hang) as wire:
        async with BareLuma(KEY, base_url=wire.url) as client:
            calling = asyncio.create_task(client.send(operation(retry_safety)))
            await hanging.wait()
        assert calling.done()
        error = calling.exception()
        may_be_charged = retry_safety in {"plain", "bills"}
        assert isinstance(error, OutcomeUnknownError if may_be_charged else ClientClosedError)
        assert isinstance(error.__cause__ if may_be_charged else error, ClientClosedError)
        assert error.outcome == "unknown"
        assert error.request_id == wire.requests[0].headers["X-Request-Id"]
        assert f"request id {error.request_id}" in str(error)
        assert "the client was closed before its answer came" in str(error)


async def test_a_call_that_waits_for_a_limit_was_not_sent_and_leaves_the_queue(simulator: Simulator) -> None:
    limits = Limits(jobs=1)
    async with open_luma(simulator, limits=limits) as luma:
        await luma.generations.create(prompt="A heron")
        waiting = asyncio.create_task(luma.generations.create(prompt="A second heron"))
        await until(lambda: luma.rate_limits.queued)
    error = waiting.exception()
    assert isinstance(error, ClientClosedError)
    assert (error.outcome, luma.rate_limits.queued) == ("not_sent", 0)
    assert len(simulator.ledger.charges) == 1


async def test_each_of_many_jobs_says_why_it_has_no_result(simulator: Simulator) -> None:
    async def follow(jobs: list[Job]) -> list[Job]:
        return [job async for job in luma.generations.as_completed(jobs)]

    async with open_luma(simulator) as luma:
        jobs = [await luma.generations.submit(**WAVES) for _ in range(3)]
        following = asyncio.create_task(follow(jobs))
        await asyncio.sleep(0.01)
    for job in await following:
        assert isinstance(job.error, ClientClosedError)
        assert (job.error.job_id, job.id in str(job.error)) == (job.id, True)


async def test_a_wait_in_a_callback_is_cancelled_and_names_the_job(simulator: Simulator) -> None:
    told: list[str] = []

    async def write_down(job: Job) -> None:
        told.append(job.id)
        await asyncio.sleep(60)

    async with open_luma(simulator) as luma:
        running = asyncio.create_task(luma.generations.run(prompt="A heron", on_submitted=write_down))
        await until(lambda: told)
    error = running.exception()
    assert isinstance(error, ClientClosedError)
    assert any(told[0] in note for note in error.__notes__) or told[0] in str(error)


async def test_a_cancelled_generate_ends_with_its_progress(simulator: Simulator) -> None:
    async with AsyncGeneror(**simulator.generor_options) as generor:
        view = generor.with_options(on_progress=lambda _: None)
        making = asyncio.create_task(view.generators.generate("image", prompt="A heron", model_id=10003))
        await until(lambda: simulator.ledger.requests)
    assert isinstance(making.exception(), OutcomeUnknownError)


async def test_a_download_is_cancelled(simulator: Simulator, tmp_path: Any) -> None:
    async with open_luma(simulator) as luma:
        generation = await luma.generations.run(prompt="A heron")
        simulator.faults.add(operation="storage.get", fault="stall", when="after_charge")
        seen = len(simulator.ledger.requests)
        downloading = asyncio.create_task(luma.download(generation, tmp_path))
        await until(lambda: len(simulator.ledger.requests) > seen)
    assert isinstance(downloading.exception(), ClientClosedError)
    assert not list(tmp_path.iterdir())


async def test_an_upload_is_cancelled_while_its_file_is_processed(simulator: Simulator) -> None:
    picture = b"\x89PNG\r\n\x1a\n" + bytes(100)
    async with open_luma(simulator) as luma:
        simulator.faults.add(operation="luma.files.complete", fault="stall", when="after_charge")
        uploading = asyncio.create_task(luma.files.upload(picture))
        await until(lambda: any(entry.operation == "luma.files.complete" for entry in simulator.ledger.requests))
    assert isinstance(uploading.exception(), ClientClosedError)


async def test_a_cancellation_of_the_callers_own_stays_one(simulator: Simulator) -> None:
    luma = open_luma(simulator)
    await luma.__aenter__()
    running = asyncio.create_task(luma.generations.run(**WAVES))
    await until(lambda: simulator.luma.generations)
    running.cancel()
    await luma.__aexit__(None, None, None)
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_timeout_of_the_callers_own_stays_one(simulator: Simulator) -> None:
    async with open_luma(simulator) as luma:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await luma.generations.run(**WAVES)


async def test_the_closing_task_itself_is_not_cancelled(simulator: Simulator) -> None:
    async def close(_: Job) -> None:
        await luma.close()

    async with open_luma(simulator) as luma:
        with pytest.raises(ClientClosedError) as raised:
            await luma.generations.run(prompt="A heron", on_submitted=close)
    assert raised.value.job_id in simulator.luma.generations


@pytest.mark.parametrize("end", ["close", "cancel", "time out"])
def test_nothing_of_the_queue_is_left_in_a_loop_that_is_closed_by_hand(end: str) -> None:
    async def leave(luma: AsyncLuma) -> None:
        await luma.generations.create(**WAVES)
        waiting = asyncio.create_task(luma.generations.create(prompt="A heron"))
        await until(lambda: luma.rate_limits.queued)
        if end == "close":
            await luma.close()
        elif end == "cancel":
            waiting.cancel()
        await asyncio.wait([waiting])
        assert not waiting.cancelled() or end == "cancel"

    loop = asyncio.new_event_loop()
    with Simulator(luma_rpm=10_000) as simulator:
        luma = open_luma(simulator, limits=Limits(jobs=1), timeout=0.5 if end == "time out" else 60.0)
        loop.run_until_complete(leave(luma))
        left = asyncio.all_tasks(loop)
        loop.run_until_complete(luma.close())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    gc.collect()
    assert not left


# close(drain=...).


async def test_calls_that_end_within_the_drain_succeed(simulator: Simulator) -> None:
    luma = open_luma(simulator)
    running = asyncio.create_task(luma.generations.run(prompt="A heron"))
    await until(lambda: simulator.ledger.requests)
    await luma.close(drain=math.inf)
    assert running.done()
    assert (await running).state == "completed"


async def test_calls_that_take_longer_than_the_drain_are_cancelled(simulator: Simulator) -> None:
    simulator.faults.add(operation="luma.generations.get", fault="stall", when="after_charge")
    luma = open_luma(simulator)
    made = await luma.generations.create(prompt="A heron")
    looking = asyncio.create_task(luma.generations.get(made.id))
    await until(lambda: len(simulator.ledger.requests) > 1)
    await luma.close(drain=0.01)
    assert isinstance(looking.exception(), ClientClosedError)


async def test_ended_jobs_that_were_not_fetched_yet_do_not_delay_the_drain(
    simulator: Simulator,
) -> None:
    luma = open_luma(simulator)
    ended, *quick = [await luma.generations.submit(prompt=f"Heron {number}") for number in range(3)]
    await ended
    for jobs in ([ended, *quick], [ended]):
        following = luma.generations.as_completed(jobs)
        assert await anext(following) is ended
        async with asyncio.timeout(300):
            await luma.close(drain=math.inf)
        left = [job async for job in following]
        assert sorted(left, key=jobs.index) == jobs[1:]
        assert all(job.result is not None for job in left), "they were under way, and have ended in time"


async def test_a_loop_over_jobs_can_close_the_client_in_its_body(simulator: Simulator) -> None:
    luma = open_luma(simulator)
    jobs = [await luma.generations.submit(prompt=f"Heron {number}") for number in range(3)]
    async with asyncio.timeout(300):
        async for job in luma.generations.as_completed(jobs):
            await luma.close(drain=math.inf)
            assert job.result is not None


async def test_the_closing_task_does_not_wait_for_itself(simulator: Simulator) -> None:
    async def close(_: Job) -> None:
        await luma.close(drain=math.inf)

    async with asyncio.timeout(300), open_luma(simulator) as luma:
        with pytest.raises(ClientClosedError) as raised:
            await luma.generations.run(prompt="A heron", on_submitted=close)
    assert raised.value.job_id in simulator.luma.generations


@pytest.mark.parametrize("left", ["suspended", "cancelled"])
async def test_a_wait_that_a_close_ends_unawaited_is_not_logged(
    simulator: Simulator, left: str, caplog: pytest.LogCaptureFixture
) -> None:
    luma = open_luma(simulator)
    done, job = await luma.generations.submit(prompt="A heron"), await luma.generations.submit(**WAVES)
    await done
    if left == "suspended":
        following = luma.generations.as_completed([done, job])
        assert await anext(following) is done
        await luma.close()
        del following
    else:
        waiting = asyncio.create_task(luma.generations.wait_all([job]))
        await asyncio.sleep(0.01)
        closing = asyncio.create_task(luma.close())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await closing
    await asyncio.sleep(0)
    gc.collect()
    assert caplog.messages == []


async def test_a_cancelled_close_still_closes(simulator: Simulator) -> None:
    luma = open_luma(simulator)
    running = asyncio.create_task(luma.generations.run(**WAVES))
    await until(lambda: simulator.luma.generations)
    closing = asyncio.create_task(luma.close(drain=math.inf))
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert isinstance(running.exception(), ClientClosedError)


# Open, closed, open again.


async def use(client: BareLuma) -> Any:
    return await client.send(operation())


@pytest.mark.parametrize("close", [True, False])
async def test_a_call_after_the_with_has_ended_is_refused_until_the_client_is_entered_again(close: bool) -> None:
    async with Wire(answer(200, {})) as wire:
        client = BareLuma(KEY, base_url=wire.url)
        async with client:
            await use(client)
            if close:
                await client.close()
        view = client.with_options(timeout=5.0)
        for closed in (client, view):
            with pytest.raises(ClientClosedError, match="the client is closed") as raised:
                await use(closed)
            assert raised.value.outcome == "not_sent"
        assert len(wire.requests) == 1
        async with view:
            await use(client)
        assert len(wire.requests) == 2


def test_a_client_at_module_level_is_opened_by_each_with() -> None:
    async def call() -> list[Any]:
        return await luma.files.list().collect()

    async def entered() -> None:
        async with luma:
            assert await call() == []
        with pytest.raises(ClientClosedError):
            await call()

    with Simulator(luma_rpm=10_000) as simulator:
        luma = AsyncLuma(**simulator.luma_options)
        assert asyncio.run(call()) == []
        asyncio.run(entered())
        with pytest.raises(ClientClosedError):
            asyncio.run(call())
        asyncio.run(entered())


async def test_nested_withs_close_a_client_at_the_end_of_the_last() -> None:
    async with Wire(answer(200, {})) as wire, BareLuma(KEY, base_url=wire.url) as client:
        async with client:
            await use(client)
        await use(client)
        assert wire.connections == 1


async def test_a_client_that_was_never_entered_opens_again_with_its_next_call() -> None:
    async with Wire(answer(200, {})) as wire:
        client = BareLuma(KEY, base_url=wire.url)
        for _ in range(2):
            await use(client)
            await client.close()
        assert wire.connections == 2


Call = Callable[[AsyncLuma, Job, Job, Path], Awaitable[object]]
CALLS: dict[str, Call] = {
    "wait": lambda luma, done, job, folder: job.wait(),
    "refresh": lambda luma, done, job, folder: job.refresh(),
    "wait_all": lambda luma, done, job, folder: luma.generations.wait_all([job]),
    "download": lambda luma, done, job, folder: luma.download(done, folder),
    "upload": lambda luma, done, job, folder: luma.files.upload(b"\x89PNG\r\n\x1a\n" + bytes(100)),
    "request": lambda luma, done, job, folder: luma.request("GET", "/files"),
    "pages": lambda luma, done, job, folder: luma.files.list().collect(),
}


@pytest.mark.parametrize("call", CALLS)
async def test_no_connection_is_opened_during_a_close(simulator: Simulator, tmp_path: Path, call: str) -> None:
    async with open_luma(simulator) as luma:
        done, job = await luma.generations.submit(prompt="A heron"), await luma.generations.submit(**WAVES)
        await done
    seen = len(simulator.ledger.requests)
    with pytest.raises(ClientClosedError):
        await CALLS[call](luma, done, job, tmp_path)
    assert len(simulator.ledger.requests) == seen
