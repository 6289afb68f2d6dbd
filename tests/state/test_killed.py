"""Processes that are killed in the midst of paid calls: none of these is missing afterwards, and none is made twice."""

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from state.killed import AT_ONCE
from support.forked_programs import ended, fork
from support.programs import environment

from generor_async import AsyncGeneror, AsyncLuma
from generor_async.simulator import Simulator
from generor_async.stores.ledger import NO_RUN
from generor_async.stores.opening import open_reader
from generor_async.stores.records import CallRecord

ACCOUNT: dict[str, Any] = {
    "seed": 7,
    "tier": "enterprise",
    "generor_credits": 10_000_000,
    "luma_rpm": 100_000,
    "luma_jobs": 100_000,
    "luma_balance": 1_000_000.0,
}
SPEED = 200.0
"""How much faster the server is than a real one; the clients have real time."""
AT_A_TIME = 2
"""Processes that share the state."""
IMAGE_CREDITS = 0.0404 / 0.003
LOST = 0.05
"""Share of the paid calls whose answers are lost."""
SHORTEST, LONGEST = 0.0, 0.3
"""Real seconds from when the first request arrived until a process is killed."""
SURE = 3 * AT_A_TIME * (AT_ONCE + 1)
"""Requests of the first processes, after which some calls have had their answers, however slow the machine is."""


@pytest.fixture
def kills(pytestconfig: pytest.Config) -> int:
    return int(str(pytestconfig.getoption("--kills")))


@pytest.fixture
def place(tmp_path: Path) -> str:
    """Where the state is."""
    return str(tmp_path / "calls.sqlite")


@pytest.fixture
def end_leases() -> Callable[[], None]:
    """Have the leases of processes that are gone end: in a file they end with the process."""
    return lambda: None


def killed(
    simulator: Simulator, api: str, place: str, kills: int, end_leases: Callable[[], None], errors: Path
) -> None:
    """Run processes side by side, and kill each at a random moment."""
    dice = random.Random(7)
    places = {**environment(simulator)}
    for number in range(0, kills, AT_A_TIME):
        numbers = [str(number + at) for at in range(AT_A_TIME)]
        processes = [fork(["-m", "state.killed", api, place, each], env=places, err=errors) for each in numbers]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", errors.read_text()
        awaited = len(simulator.ledger.requests) + (1 if number else SURE)
        while len(simulator.ledger.requests) < awaited:
            time.sleep(0.001)
        for process in processes:
            time.sleep(dice.uniform(SHORTEST, LONGEST))
            process.kill()
        for process in processes:
            with ended(process):
                assert process.wait() == -signal.SIGKILL
            assert not (told := errors.read_text()), told
        end_leases()


def name_in(prompt: str) -> str:
    """Return the name of the call that a prompt has."""
    return prompt.removeprefix("heron ")


def may_be_made_again(call: CallRecord) -> bool:
    """Tell whether a call with a key has failed at no cost, and was about to be made again."""
    return call.state == "ready" and call.digest is not None and call.cost == 0.0


async def calls_of(place: str) -> list[CallRecord]:
    reader = await open_reader(place, run=NO_RUN)
    assert reader is not None
    try:
        return [call async for call in reader.scan()]
    finally:
        await reader.close()


async def held_by_budgets(place: str, address: str) -> list[float]:
    """Return what the accounts of all calls, and of the users together, hold."""
    reader = await open_reader(place, run=NO_RUN)
    assert reader is not None
    try:
        found = [await reader.account((f"{address} all", ""))]
        found += [await reader.account((f"{address} user user {number}", "")) for number in range(AT_ONCE)]
    finally:
        await reader.close()
    held = [0.0 if account is None else account.reserved + account.spent for account in found]
    return [held[0], sum(held[1:])]


async def test_no_paid_job_is_missing_and_none_is_charged_twice(
    place: str, kills: int, end_leases: Callable[[], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Simulator(speed=SPEED, **ACCOUNT) as simulator:
        for fault in ("reset", "truncate:keep=0.02"):
            simulator.faults.add_spec(f"luma.generations.create={fault}:after_charge:{LOST / 2}")
        await asyncio.to_thread(killed, simulator, "luma", place, kills, end_leases, tmp_path / "errors")
        async with AsyncLuma(**simulator.luma_options, state=place) as luma:
            taken_up, *left = [job async for job in luma.jobs.unfinished()]
            await taken_up
            unknown = {call.idempotency_key or call.context async for call in luma.jobs.unknown()}
        made = {job.id: job.request.prompt for job in simulator.luma.generations.values()}
        charges, duplicates = len(simulator.ledger.charges), simulator.ledger.duplicates()
        held = await held_by_budgets(place, simulator.luma_url)
    calls = await calls_of(place)
    assert held == pytest.approx([sum(call.counted + call.charged_before for call in calls)] * 2)
    assert held[0] >= charges * IMAGE_CREDITS - 0.001, "no charge is missing in a budget"
    known = {id_ for call in calls for id_ in call.remote_ids}
    assert {call.state for call in calls if not may_be_made_again(call)} <= {"accepted", "done", "failed", "unknown"}
    assert {job.id for job in left} == {id_ for call in calls if call.state == "accepted" for id_ in call.remote_ids}
    assert known <= made.keys()
    assert {name_in(prompt) for id_, prompt in made.items() if id_ not in known} <= unknown
    assert not duplicates
    of_keys = Counter(prompt for prompt in made.values() if "key" in prompt)
    assert all(count == 1 for count in of_keys.values()), of_keys
    states = Counter(call.state for call in calls)
    with capsys.disabled():
        assert states["done"]
        print(f"\nluma: {kills} kills, {charges} charges, {dict(states)}: 0 missing, 0 twice")  # noqa: T201 - figures


async def test_no_paid_creation_is_missing_and_none_is_charged_twice(
    place: str, kills: int, end_leases: Callable[[], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Simulator(speed=SPEED, **ACCOUNT) as simulator:
        for fault in ("reset", "truncate:keep=0.02"):
            simulator.faults.add_spec(f"generor.generators.generate={fault}:after_charge:{LOST / 2}")
        await asyncio.to_thread(killed, simulator, "generor", place, kills, end_leases, tmp_path / "errors")
        made = {str(one.creation_id): one.prompt for one in simulator.generor.account.creations}
        charges, duplicates = len(simulator.ledger.charges), simulator.ledger.duplicates()
        async with AsyncGeneror(**simulator.generor_options, state=place) as generor:
            unfinished = {str(id_) async for job in generor.jobs.unfinished() for id_ in job.creation_ids}
            unknown = {call.idempotency_key or call.context async for call in generor.jobs.unknown()}
    calls = await calls_of(place)
    known = {id_ for call in calls for id_ in call.remote_ids}
    assert unfinished == {id_ for call in calls if call.state == "accepted" for id_ in call.remote_ids}
    assert known <= made.keys()
    assert {name_in(prompt) for id_, prompt in made.items() if id_ not in known} <= unknown
    assert not duplicates
    of_keys = Counter(prompt for prompt in made.values() if "key" in prompt)
    assert all(count == 1 for count in of_keys.values()), of_keys
    states = Counter(call.state for call in calls)
    with capsys.disabled():
        assert states["done"]
        print(f"\ngeneror: {kills} kills, {charges} charges, {dict(states)}: 0 missing, 0 twice")  # noqa: T201
