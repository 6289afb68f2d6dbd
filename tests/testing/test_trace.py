"""In virtual time, the same seed and requests always give the same trace."""

import asyncio
import random
from typing import Any

import aiohttp
import attrs
from support.examples import runs

from generor_async import AsyncLuma, Event, GenerorAsyncError
from generor_async.simulator import Simulator
from generor_async.testing import run

JOBS = 10


class Numbered:
    """Records events, with request ids numbered in order of appearance."""

    def __init__(self) -> None:
        self.trace: list[tuple[str, dict[str, Any]]] = []
        self._known: dict[str, int] = {}

    def __call__(self, event: Event) -> None:
        self.note(event)

    def note(self, what: attrs.AttrsInstance) -> None:
        values = attrs.asdict(what)
        values.pop("base_url", None)  # the simulator's port is another each time
        for name in {"call_id", "request_id"} & values.keys():
            values[name] = self._known.setdefault(values[name], len(self._known))
        self.trace.append((type(what).__name__, values))


async def traced(seed: int) -> list[tuple[str, dict[str, Any]]]:
    """Run jobs that meet both limits, resets and failures; return the traces of client and server."""
    notes = Numbered()
    async with Simulator(seed=seed, epoch=1.75e9, luma_rpm=8, luma_jobs=4, failure_rate=0.1) as simulator:
        simulator.faults.add(operation="luma.generations.get", fault="reset", rate=0.1)
        simulator.faults.add(operation="luma.generations.create", fault="503", rate=0.1)
        # aiohttp drops idle connections by the machine's time; a machine that is slow must change nothing
        connector = aiohttp.TCPConnector(keepalive_timeout=3_600)
        async with connector, AsyncLuma(**simulator.luma_options, connector=connector, on_event=notes) as luma:

            async def job(number: int) -> None:
                notes.trace.append(("Began", {"job": number}))
                await luma.generations.run(prompt=f"job {number}")

            for result in await asyncio.gather(*map(job, range(JOBS)), return_exceptions=True):
                assert not isinstance(result, BaseException) or isinstance(result, GenerorAsyncError)
    for entry in simulator.ledger.requests:
        notes.note(entry)
    return notes.trace


def trace_of(*, seed: int, shuffle_seed: int | None = None) -> list[tuple[str, dict[str, Any]]]:
    random.seed(seed)  # the client's jitter
    return run(traced(seed), shuffle_seed=shuffle_seed)


def test_the_same_seed_gives_the_same_trace_each_time() -> None:
    first = trace_of(seed=7)
    kinds = [kind for kind, _ in first]
    assert {"Throttled", "RetryScheduled", "JobPolled", "JobEnded", "Entry"} <= set(kinds)
    assert kinds.count("JobSubmitted") == JOBS
    for _ in range(runs(5)):
        assert trace_of(seed=7) == first


def test_a_shuffled_trace_is_repeatable_and_different() -> None:
    first = trace_of(seed=7, shuffle_seed=1)
    assert trace_of(seed=7, shuffle_seed=1) == first
    assert trace_of(seed=7, shuffle_seed=2) != first


def test_another_seed_gives_another_trace() -> None:
    assert trace_of(seed=8) != trace_of(seed=7)
