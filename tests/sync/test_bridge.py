"""The bridge of blocking calls: one event loop thread for all clients, for callers in any thread or loop."""

import asyncio
import contextvars
import gc
import math
import threading
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.clock import patient
from support.leaks import leaks

from generor_async import (
    AttemptEnded,
    AttemptStarted,
    AuthenticationError,
    CallEnded,
    CallStarted,
    ClientClosedError,
    DeadlineExceededError,
    Event,
    Generor,
    Limits,
    Luma,
    NotFoundError,
    response_of,
)
from generor_async.simulator import Simulator
from generor_async.sync import registrations, run_batch
from generor_async.sync.bridge import streamed

NOBODY = "00000000-0000-0000-0000-000000000000"


def loops() -> list[str]:
    """The names of the threads that blocking clients have started."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("asyncio-portal")]


def make(simulator: Simulator, **options: Any) -> Luma:
    return Luma(**{**patient(simulator.luma_options), **options})


def test_a_generation_is_made_and_downloaded(simulator: Simulator, tmp_path: object) -> None:
    with make(simulator) as luma:
        generation = luma.generations.run(prompt="A heron")
        (path,) = luma.download(generation, str(tmp_path))
    assert generation.state == "completed"
    assert path.read_bytes()


def test_a_jobs_updates_are_iterated(simulator: Simulator) -> None:
    with make(simulator) as luma:
        job = luma.generations.submit(prompt="A heron")
        first, *others = [generation.state for generation in job.updates()]
        assert first == "queued"
        assert others in (["processing", "completed"], ["completed"])  # which a busy machine may see at once
        assert luma.generations.job(job.id).wait().state == "completed"
        assert repr(job) == f"Job({job.id!r}, completed)"


def test_pages_are_iterated(simulator: Simulator) -> None:
    with Generor(**patient(simulator.generor_options)) as generor:
        pages = generor.creations.list_public(per_page=20)
        first = pages.first_page()
        assert first.has_next
        assert response_of(first).status == 200
        second = first.next_page()
        assert second is not None
        ids = [creation.creation_id for creation in pages]
        assert ids[:40] == [creation.creation_id for creation in first.items + second.items]
        assert [len(page.items) for page in pages.by_page()][:2] == [20, 20]
        assert [creation.creation_id for creation in pages.collect(max_items=5)] == ids[:5]


def test_items_are_fetched_on_demand(simulator: Simulator) -> None:
    with Generor(**patient(simulator.generor_options)) as generor:
        items = iter(generor.creations.list_public(per_page=20))
        assert not simulator.ledger.requests
        for _ in range(20):
            next(items)
        assert len(simulator.ledger.requests) == 1
        next(items)
        assert len(simulator.ledger.requests) == 2


def test_clients_share_one_thread_which_ends_with_the_last_of_them(simulator: Simulator) -> None:
    assert loops() == []
    with make(simulator) as luma, Generor(**patient(simulator.generor_options)) as generor:
        assert loops() == []
        luma.generations.create(prompt="A heron")
        generor.users.me()
        assert len(loops()) == 1
    assert loops() == []


def test_a_closed_client_opens_again_with_its_next_call(simulator: Simulator) -> None:
    luma = make(simulator)
    generation = luma.generations.create(prompt="A heron")
    luma.close()
    luma.close()
    assert luma.generations.get(generation.id).id == generation.id
    luma.close()
    assert loops() == []


def test_a_view_shares_thread_and_connections_and_goes_with_its_client(simulator: Simulator) -> None:
    with make(simulator) as luma:
        view = luma.with_options(request_id="seen-by-the-server")
        assert isinstance(view, Luma)
        assert response_of(view.generations.create(prompt="A heron")).request_id == "seen-by-the-server"
    assert loops() == []


def test_it_works_inside_a_running_event_loop(simulator: Simulator) -> None:
    async def main() -> str:
        with make(simulator) as luma:
            return luma.generations.run(prompt="A heron").state

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert asyncio.run(main()) == "completed"


def test_eight_threads_call_at_once(simulator: Simulator) -> None:
    with make(simulator, limits=Limits(rpm=1_000)) as luma, ThreadPoolExecutor(8) as threads:
        barrier = threading.Barrier(8)

        def create(number: int) -> str:
            barrier.wait()
            return luma.generations.create(prompt=f"Heron {number}").id

        ids = list(threads.map(create, range(8)))
    assert len(set(ids)) == 8
    assert len(simulator.ledger.charges) == 8


@pytest.mark.simulator(speed=10)
def test_closing_drains_the_calls_of_other_threads(simulator: Simulator) -> None:
    simulator.faults.add(operation="luma.generations.create", fault="drip", when="after_charge", times=1)
    luma = make(simulator)
    with ThreadPoolExecutor(1) as threads:
        under_way = threads.submit(luma.generations.create, prompt="A heron")
        while not simulator.ledger.requests:
            time.sleep(0.01)
        luma.close(drain=math.inf)
        assert under_way.result().state == "queued"
    assert loops() == []


def test_closing_ends_the_calls_of_other_threads(simulator: Simulator) -> None:
    simulator.faults.add(operation="luma.files.list", fault="stall", when="after_charge")
    luma = make(simulator)
    with ThreadPoolExecutor(2) as threads:
        submitted = threading.Event()
        run = partial(luma.generations.run, prompt="Waves", model="ray-3.2", type="video")
        waiting = threads.submit(run, on_submitted=lambda _: submitted.set())
        waiting.add_done_callback(lambda _: submitted.set())
        submitted.wait()
        listing = threads.submit(luma.files.list().collect)
        while "luma.files.list" not in {entry.operation for entry in simulator.ledger.requests}:
            time.sleep(0.01)
        luma.close()
        with pytest.raises(ClientClosedError, match="was waited for") as raised:
            waiting.result(timeout=300)
        assert raised.value.job_id in simulator.luma.generations
        with pytest.raises(ClientClosedError, match="before its answer came"):
            listing.result(timeout=300)
    assert loops() == []


def test_closing_ends_calls_that_wait_for_no_request(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(registrations, "WINDING_DOWN", 0.01)
    luma, asked = make(simulator), threading.Event()

    async def rows() -> AsyncIterator[dict[str, str]]:
        asked.set()
        await asyncio.sleep(3600)
        yield {}

    with ThreadPoolExecutor(1) as threads:
        batch = run_batch(luma, rows(), to=tmp_path)
        going = threads.submit(list, batch)
        going.add_done_callback(lambda _: asked.set())
        asked.wait()
        luma.close()
        with pytest.raises(ClientClosedError, match="during the call"):
            going.result(timeout=300)
    assert loops() == []


def test_after_its_with_a_client_is_closed_until_it_is_entered_again(simulator: Simulator) -> None:
    luma = make(simulator)
    with luma:
        job = luma.generations.submit(prompt="A heron")
    calls: list[Callable[[], object]] = [job.refresh, lambda: luma.generations.get(job.id), luma.files.list().collect]
    for call in (*calls, luma.with_options(timeout=9).files.list().collect):
        with pytest.raises(ClientClosedError, match="the client is closed"):
            call()
    assert loops() == []
    with luma:
        with luma:
            assert job.wait().state == "completed"
        assert luma.generations.get(job.id).state == "completed"
    assert loops() == []


def test_errors_are_those_of_the_async_client(simulator: Simulator) -> None:
    with make(simulator) as luma, pytest.raises(NotFoundError, match="Generation not found") as raised:
        luma.generations.get(NOBODY)
    assert raised.value.status_code == 404


def test_no_frame_shows_the_key(simulator: Simulator) -> None:
    key = "luma-api-nobody-knows-this-one"
    with Luma(key, base_url=simulator.luma_url) as luma, pytest.raises(AuthenticationError) as raised:
        luma.generations.create(prompt="A heron")
    assert leaks(raised.value, key) == []
    with pytest.raises(ValueError, match="timeout") as refused:
        Luma(key, timeout=-1)
    assert leaks(refused.value, key) == []


@pytest.mark.simulator(speed=1)
def test_a_timeout_ends_a_call(simulator: Simulator) -> None:
    with make(simulator, timeout=0.2) as luma, pytest.raises(DeadlineExceededError):
        luma.generations.run(prompt="A heron", type="video", model="ray-3.2")


def test_callbacks_run_in_the_context_of_the_caller_and_in_the_thread_of_the_loop(simulator: Simulator) -> None:
    tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant")
    seen: list[tuple[type[Event], str, int]] = []

    def on_event(event: Event) -> None:
        seen.append((type(event), tenant.get(), threading.get_ident()))

    with make(simulator, on_event=on_event) as luma:
        tenant.set("ours")
        luma.generations.create(prompt="A heron")
    assert [(kind, name) for kind, name, _ in seen] == [
        (kind, "ours") for kind in (CallStarted, AttemptStarted, AttemptEnded, CallEnded)
    ]
    assert threading.get_ident() not in {thread for _, _, thread in seen}


def test_a_blocking_call_in_a_callback_is_refused(simulator: Simulator) -> None:
    refused: list[str] = []

    def call_again(_: Event) -> None:
        for again in (lambda: luma.generations.get(NOBODY), luma.close):
            with pytest.raises(RuntimeError) as raised:
                again()
            refused.append(str(raised.value))

    with make(simulator, on_event=call_again) as luma:
        luma.generations.create(prompt="A heron")
    assert len(refused) == 8
    assert all("a callback of a blocking client" in text for text in refused)


def test_an_iteration_does_not_go_on_after_its_client_was_closed(simulator: Simulator) -> None:
    generor = Generor(**patient(simulator.generor_options))
    items = iter(generor.creations.list_public(per_page=20))
    next(items)
    generor.close()
    with pytest.raises(ClientClosedError, match="was closed in the middle"):
        next(items)


def test_an_unclosed_client_warns_and_is_released(simulator: Simulator) -> None:
    luma = make(simulator)
    luma.generations.create(prompt="A heron")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del luma
        gc.collect()
    (warning,) = caught
    assert warning.category is ResourceWarning
    assert str(warning.message) == f"unclosed Luma(base_url={simulator.luma_url!r})"
    with make(simulator) as another:
        another.generations.create(prompt="A heron")
    assert loops() == []


def test_a_client_that_was_never_used_needs_no_closing(simulator: Simulator) -> None:
    luma = make(simulator)
    assert "Luma(base_url=" in repr(luma)
    del luma
    gc.collect()


def test_proxies_of_one_object_are_equal(simulator: Simulator) -> None:
    with make(simulator) as luma:
        assert luma.generations == luma.generations
        assert len({luma.generations, luma.generations, luma.files}) == 2
        assert luma.generations.job(NOBODY) != luma.generations.job(NOBODY)


def test_a_plain_iterable_of_bytes_is_read_in_a_thread() -> None:
    threads: list[int] = []

    def chunks() -> Iterator[bytes]:
        for chunk in (b"a", b"", b"b"):
            threads.append(threading.get_ident())
            yield chunk

    async def main() -> list[bytes]:
        stream: Any = streamed(chunks())
        return [chunk async for chunk in stream]

    assert asyncio.run(main()) == [b"a", b"", b"b"]
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("source", ["a/path", b"bytes", bytearray(b"bytes"), memoryview(b"bytes")])
def test_other_values_are_passed_unchanged(source: object) -> None:
    assert streamed(source) is source
