"""Odd answers to looks at paid jobs, in a grid: none is given up for a few of them, and none is lost by many."""

import asyncio
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from generor_async import DeadlineExceededError, GenerorAsyncError
from generor_async.batch.runner import run_batch
from strangers import LumaWorld, StrangerServer
from strangers.clients import check_charges, luma_of, now, ours, virtual
from strangers.odd import ODD

FEW: dict[str, tuple[bool, ...]] = {
    "the first look": (True,),
    "the first two": (True, True),
    "every other one": (True, False) * 40,
    "two of three": (True, True, False) * 40,
}
"""Which looks at each job are answered oddly."""
MANY = (True,) * 1_000
LARGE, ONCE = "megabytes", {"the first look"}
"""What takes a second to send is sent once; how often is the same rule for all."""


def server_of(odd: str, looks: tuple[bool, ...]) -> StrangerServer:
    return StrangerServer(luma=LumaWorld(odd=odd, odd_looks=looks), travel=0.02, jitter=0.03)


@pytest.mark.parametrize(("odd", "looks"), [pair for pair in product(ODD, FEW) if pair[0] != LARGE or pair[1] in ONCE])
@virtual
async def test_a_few_odd_answers_cost_no_result(odd: str, looks: str) -> None:
    async with server_of(odd, FEW[looks]) as server, luma_of(server) as luma:
        done = await asyncio.gather(*(luma.generations.run(prompt=f"chair {number}") for number in range(3)))
        assert {generation.state for generation in done} == {"completed"}
        check_charges(server, [generation.id for generation in done])


@pytest.mark.parametrize("odd", ODD)
@virtual
async def test_what_never_gets_better_ends_with_the_jobs_id(odd: str) -> None:
    async with server_of(odd, MANY) as server, luma_of(server) as luma:
        began = now()
        with pytest.raises(GenerorAsyncError) as caught:
            await luma.with_options(timeout=120).generations.run(prompt="a chair")
        (charge,) = server.charges
        assert caught.value.job_id == charge.item
        assert f"generations.job('{charge.item}')" in str(caught.value)
        assert now() - began >= 10
        # An answer about another job says nothing of this one, as a broken connection does: that is waited for.
        assert isinstance(caught.value, DeadlineExceededError) == (odd == "another")
        assert len(ours(server, method="GET")) >= 3


@pytest.mark.parametrize("odd", ["404", "403", "null", "cut"])
@virtual
async def test_a_batch_pays_for_each_row_once_and_has_all_results(odd: str, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"prompt": f"chair {number}"} for number in range(8)]
    async with server_of(odd, (True, True, False) * 40) as server, luma_of(server) as luma:
        outcomes = [outcome async for outcome in run_batch(luma, rows, to=tmp_path)]
        assert [outcome.state for outcome in outcomes] == ["done"] * 8
        check_charges(server, [id_ for outcome in outcomes for id_ in outcome.remote_ids])
