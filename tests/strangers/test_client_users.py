"""Users of one key beside others, who have calls refused: a call that was refused has had its turn, and goes first."""

import asyncio
import itertools
from collections import Counter
from typing import Any

import pytest

from generor_async import AsyncLuma, Limits
from strangers import GenerorWorld, LumaWorld, Others, StrangerServer
from strangers.clients import MANY_JOBS, TRAVEL, check_charges, generor_of, luma_of, ours, refused, virtual

SHORT = {("uni-1", "image"): 1.0}
USERS = ["ada", "ben", "cyd", "dan"]


OTHERS = (Others(start=5.0, end=300.0, every=2.0, insist=True), Others(start=70.0, end=300.0, size=15, every=50.0))
"""Foreign users of the key: some all the time, and bursts."""


async def create(luma: AsyncLuma, user: str, calls: int, done: list[str]) -> list[str]:
    """Submit jobs for a user; note whose each is when the server has accepted it."""

    async def one() -> str:
        made = await luma.with_options(user=user).generations.create(prompt=f"a chair for {user}")
        done.append(user)
        return made.id

    return await asyncio.gather(*(one() for _ in range(calls)))


def jain(counts: list[int]) -> float:
    """Return Jain's index."""
    return sum(counts) ** 2 / (len(counts) * sum(each**2 for each in counts))


@virtual
@pytest.mark.parametrize("kind", ["sliding", "fixed"])
@pytest.mark.parametrize("limits", [Limits(), Limits(jobs=MANY_JOBS)])
async def test_users_get_the_same_while_others_have_calls_refused(kind: Any, limits: Limits) -> None:
    world = LumaWorld(per_minute=60, slots=10_000, durations=SHORT, window_kind=kind, others=OTHERS)
    async with StrangerServer(luma=world, **TRAVEL) as server, luma_of(server, limits=limits) as luma:
        done = list[str]()
        made = await asyncio.gather(
            *(create(luma, user, calls, done) for user, calls in zip(USERS, (120, 90, 60, 60), strict=True))
        )
        check_charges(server, list(itertools.chain(*made)))
        assert refused(ours(server)), "the others are to be felt"
        counts = Counter(done[:200])
        assert jain([counts[user] for user in USERS]) >= 0.99


@virtual
async def test_a_user_that_comes_late_is_not_held_up_by_those_before_it() -> None:
    world = LumaWorld(per_minute=60, slots=10_000, durations=SHORT, others=OTHERS)
    async with StrangerServer(luma=world, **TRAVEL) as server, luma_of(server) as luma:
        done = list[str]()
        first = asyncio.create_task(create(luma, "ada", 240, done))
        await asyncio.sleep(75.0)
        before = len(done)
        await create(luma, "ben", 1, done)
        assert before < 150
        assert len(done) - before <= 60, "it is in the next minute's requests"
        await first


@virtual
async def test_generors_users_take_turns_as_well() -> None:
    world = GenerorWorld()
    async with StrangerServer(generor=world, **TRAVEL) as server, generor_of(server) as generor:
        done = list[str]()

        async def one(user: str) -> None:
            await generor.with_options(user=user).models.list()
            done.append(user)

        await asyncio.gather(*(one(user) for user in USERS for _ in range(40)))
        counts = Counter(done[:100])
        assert jain([counts[user] for user in USERS]) >= 0.99


@virtual
@pytest.mark.parametrize("slots", [4, 10])
async def test_users_share_the_slots_of_jobs(slots: int) -> None:
    world = LumaWorld(per_minute=1_000, slots=slots, durations={("uni-1", "image"): 20.0})
    async with StrangerServer(luma=world, **TRAVEL) as server, luma_of(server, limits=Limits()) as luma:
        done = list[str]()

        async def one(user: str) -> None:
            await luma.with_options(user=user).generations.run(prompt="a chair")
            done.append(user)

        await asyncio.gather(
            *(one(user) for user, calls in zip(USERS, (40, 20, 20, 20), strict=True) for _ in range(calls))
        )
        counts = Counter(done[:60])
        assert jain([counts[user] for user in USERS]) >= 0.95
