"""The plugin's fixtures, used by tests of another program."""

import asyncio
import gc

import pytest

from generor_async import AsyncGeneror, AsyncLuma, Generor, Luma, OutcomeUnknownError
from generor_async.simulator import Simulator
from generor_async.testing import fixtures


async def test_a_test_that_awaits_has_both_clients(
    simulator: Simulator, generor: AsyncGeneror, luma: AsyncLuma
) -> None:
    await luma.generations.run(prompt="A red bicycle")
    await generor.generators.generate("image", prompt="A red bicycle", model_id=10003)
    assert [entry.api for entry in simulator.ledger.charges] == ["luma", "generor"]


def test_a_plain_test_can_use_them_in_several_loops(simulator: Simulator, luma: AsyncLuma) -> None:
    for _ in range(2):
        asyncio.run(luma.generations.run(prompt="A red bicycle"))
        gc.collect()  # what was left open would be told now
    assert len(simulator.ledger.charges) == 2


def test_a_plain_test_has_blocking_clients(simulator: Simulator, generor_sync: Generor, luma_sync: Luma) -> None:
    luma_sync.generations.run(prompt="A red bicycle")
    generor_sync.generators.generate("image", prompt="A red bicycle", model_id=10003)
    assert [entry.api for entry in simulator.ledger.charges] == ["luma", "generor"]


def test_clients_use_the_simulator(simulator: Simulator, generor: AsyncGeneror, luma: AsyncLuma) -> None:
    assert simulator.url in repr(generor)
    assert simulator.url in repr(luma)


@pytest.mark.simulator(tier="free", luma_rpm=5, speed=600)
@pytest.mark.simulator(speed=6, seed=1)
def test_options_come_from_the_markers_the_closest_first(simulator: Simulator) -> None:
    assert simulator.clock.speed == 6
    assert simulator.luma.client.window.limit == 5


@pytest.mark.simulator(
    faults=[
        "luma.generations.create=reset:after_charge:1x",
        {"operation": "luma.generations.create", "fault": "503", "times": 1},
    ]
)
async def test_faults_come_from_the_marker(simulator: Simulator, luma: AsyncLuma) -> None:
    with pytest.raises(OutcomeUnknownError):
        await luma.generations.create(prompt="A red bicycle")
    await luma.generations.create(prompt="A red bicycle")
    assert [entry.status for entry in simulator.ledger.requests] == [201, 503, 201]
    assert simulator.ledger.requests[0] in simulator.ledger.unanswered()


def test_time_is_fast_unless_told_otherwise(simulator: Simulator) -> None:
    assert simulator.clock.speed == fixtures.SPEED == 60
