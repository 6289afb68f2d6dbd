"""A client that is closed while its state is used: the call says so, and nothing is left behind."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support.clock import in_virtual_time
from support.held_ledger import close_at_each_place

from generor_async import AsyncGeneror, AsyncLuma, Budget, ClientClosedError, OutcomeUnknownError
from generor_async.simulator import Simulator

JOKE: dict[str, Any] = {"slug": "joke", "model_id": 37, "prompt": "a heron"}
CRANE: dict[str, Any] = {**JOKE, "prompt": "a crane"}
BUDGETS = [Budget(credits=1e9), Budget(credits=1e9, each_user=True)]

anyio_backend = in_virtual_time


async def listed(found: AsyncIterator[Any]) -> list[Any]:
    return [each async for each in found]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(seed=7, tier="enterprise", luma_rpm=10_000, luma_jobs=1_000) as simulator:
        yield simulator


@pytest.fixture
async def path(simulator: Simulator, tmp_path: Path) -> Path:
    """Return the file of a state with calls that are done, unfinished and unknown."""
    path = tmp_path / "calls.sqlite"
    async with generor_of(simulator, path) as generor, luma_of(simulator, path) as luma:
        for view in (generor, generor.with_options(idempotency_key="done"), generor.with_options(acknowledge=True)):
            await view.generators.generate(**JOKE)
        await generor.with_options(acknowledge=True, context="taken").generators.generate(**JOKE)
        simulator.faults.add_spec("generor.generators.generate=reset:after_charge:1x")
        simulator.faults.add_spec("luma.generations.create=reset:after_charge:1x")
        lost = generor.with_options(idempotency_key="lost").generators.generate(**CRANE)
        for call in (lost, luma.with_options(idempotency_key="lost").generations.create(prompt="a crane")):
            with pytest.raises(OutcomeUnknownError):
                await call
        await luma.with_options(idempotency_key="done").generations.run(prompt="a heron")
        await luma.with_options(acknowledge=True).generations.run(prompt="a heron")
        await luma.generations.submit(prompt="a heron")
    simulator.advance(600)
    return path


def generor_of(simulator: Simulator, path: Path) -> AsyncGeneror:
    return AsyncGeneror(**simulator.generor_options, state=path, budgets=BUDGETS)


def luma_of(simulator: Simulator, path: Path) -> AsyncLuma:
    return AsyncLuma(**simulator.luma_options, state=path, budgets=BUDGETS)


async def acknowledge(luma: AsyncLuma) -> None:
    job, *_ = await listed(luma.jobs.unfinished())
    await luma.jobs.acknowledge(job.id)


async def settle(client: AsyncGeneror | AsyncLuma, **made: Any) -> None:
    (call,) = await listed(client.jobs.unknown())
    await client.jobs.settle(call, **made)


async def take_result(generor: AsyncGeneror) -> None:
    (job,) = [job async for job in generor.jobs.unfinished() if job.context == "taken"]
    assert (await job.result()).creations


Call = Callable[[Any], Awaitable[object]]
GENEROR: dict[str, Call] = {
    "status": lambda generor: generor.budgets.status("ada"),
    "unknown": lambda generor: listed(generor.jobs.unknown()),
    "unfinished": lambda generor: listed(generor.jobs.unfinished()),
    "find": lambda generor: generor.jobs.find("done"),
    "find unknown": lambda generor: generor.jobs.find("lost"),
    "result": take_result,
    "prune": lambda generor: generor.jobs.prune(older_than=0),
    "generate": lambda generor: generor.with_options(user="ada").generators.generate(**JOKE),
    "with a new key": lambda generor: generor.with_options(idempotency_key="new").generators.generate(**JOKE),
    "with a known key": lambda generor: generor.with_options(idempotency_key="done").generators.generate(**JOKE),
}
LUMA: dict[str, Call] = {
    "status": lambda luma: luma.budgets.status("ada"),
    "unknown": lambda luma: listed(luma.jobs.unknown()),
    "unfinished": lambda luma: listed(luma.jobs.unfinished()),
    "find": lambda luma: luma.jobs.find("done"),
    "acknowledge": acknowledge,
    "settle": lambda luma: settle(luma, job_id=None),
    "run": lambda luma: luma.with_options(user="ada").generations.run(prompt="a heron"),
    "with a known key": lambda luma: luma.with_options(idempotency_key="done").generations.create(prompt="a heron"),
}


def copies(path: Path) -> Callable[[], Path]:
    """Return what copies a file into a folder of its own, each time."""
    numbers = count()

    def copy() -> Path:
        folder = path.parent / f"{next(numbers)}"
        folder.mkdir()
        return Path(shutil.copy(path, folder))

    return copy


@pytest.mark.parametrize(
    ("make", "call"),
    [pytest.param(generor_of, call, id=f"generor: {name}") for name, call in GENEROR.items()]
    + [pytest.param(luma_of, call, id=f"luma: {name}") for name, call in LUMA.items()],
)
async def test_a_call_says_that_its_client_was_closed_wherever_it_is(
    simulator: Simulator, path: Path, make: Callable[[Simulator, Path], Any], call: Call
) -> None:
    copy, paths = copies(path), list[Path]()

    async def client() -> Any:
        paths.append(copy())
        return make(simulator, paths[-1])

    ends = await close_at_each_place(client, call)
    assert {type(end) for end in ends} <= {ClientClosedError, OutcomeUnknownError, type(None)}
    assert ClientClosedError in map(type, ends)
    for each in paths:
        assert [file.name for file in each.parent.iterdir()] == ["calls.sqlite"], "no lock, and no log, is left"
