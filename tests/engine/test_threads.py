"""Blocking work beside the event loop: not twice at a time, and never left behind."""

import asyncio
import functools
import threading
from collections.abc import AsyncIterator

import pytest

from generor_async.stores.threads import SingleFlight, run_to_completion


class Held:
    """Work that waits until it is let go."""

    def __init__(self) -> None:
        self.begun = asyncio.Queue[None]()
        self.loop = asyncio.get_running_loop()
        self.go = threading.Semaphore(0)
        self.done = 0
        self.error: OSError | None = None

    def __call__(self) -> int:
        self.loop.call_soon_threadsafe(self.begun.put_nowait, None)
        self.go.acquire()
        if self.error is not None:
            raise self.error
        self.done += 1
        return self.done


@pytest.fixture
async def held() -> AsyncIterator[Held]:
    work = Held()
    yield work
    work.go.release(10)


async def test_it_is_done_once_however_often_it_is_asked_for_meanwhile(held: Held) -> None:
    saving = SingleFlight(held)
    await saving.end()
    saving.start()
    await held.begun.get()
    saving.start()
    saving.start()
    held.go.release()
    await saving.end()
    assert held.done == 1
    saving.start()
    held.go.release()
    await saving.end()
    assert held.done == 2


@pytest.mark.parametrize("asks_again", [True, False])
async def test_what_it_raised_is_raised_by_whoever_asks_next(held: Held, asks_again: bool) -> None:
    held.error = OSError("no room")
    saving = SingleFlight(held)
    saving.start()
    held.go.release()
    with pytest.raises(OSError, match="no room"):  # noqa: PT012 - it is raised by one of the two
        while asks_again:
            await asyncio.sleep(0.001)
            saving.start()
        await saving.end()


async def test_whoever_is_cancelled_waits_for_its_end(held: Held) -> None:
    saving = SingleFlight(held)
    saving.start()
    for wait in (
        saving.end,
        functools.partial(run_to_completion, held),
    ):  # one after the other: they share what lets them go
        waiting = asyncio.create_task(wait())
        await held.begun.get()
        for _ in range(3):
            waiting.cancel()
            await asyncio.wait([waiting], timeout=0.01)
        assert not waiting.done()
        before = held.done
        held.go.release()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert held.done == before + 1
