"""Clients with a state against the server: paid calls are known after a restart, made once for a key, in budgets."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from support.examples import runs

from generor_async import (
    AsyncGeneror,
    AsyncLuma,
    Budget,
    BudgetExceededError,
    GenerorAsyncError,
    OutcomeUnknownError,
)
from generor_async.values import maybe
from strangers import GenerorWorld, LumaWorld, StrangerServer
from strangers.clients import TRAVEL, generor_of, luma_of, ours, virtual
from strangers.odd_paid import GENEROR_PAID, LUMA_PAID, NAMELESS
from strangers.records import Answer
from strangers.worlds import Event

JOKE: dict[str, Any] = {"slug": "joke", "prompt": "a heron", "model_id": 37}
IMAGE: dict[str, Any] = {"slug": "image", "model_id": 10003}
PRICE = 6
"""The estimate of an image."""
KINDS = ("spend", "daily_bonus", "purchase", "refund", "gift_sent", "gift_received")
USERS = ["guild:42/ada", "guild:42/bob", "guild:421/eve"]
BUDGETS = [Budget(credits=1e9), Budget(credits=1e9, group="guild:42/"), Budget(credits=1e9, each_user=True)]


async def attempt(call: Awaitable[Any]) -> Any:
    """Return what a call returns, or the error of the package's that it raises."""
    try:
        return await call
    except GenerorAsyncError as error:
        return error


async def kept_ids(client: AsyncLuma | AsyncGeneror) -> tuple[set[str], int]:
    """Return the ids that a new process finds in the state, and of how many calls nobody knows what came of them."""
    unknown = [call async for call in client.jobs.unknown()]
    if isinstance(client, AsyncLuma):
        return {job.id async for job in client.jobs.unfinished()}, len(unknown)
    return {str(id_) async for job in client.jobs.unfinished() for id_ in job.creation_ids}, len(unknown)


@pytest.mark.parametrize("odd", LUMA_PAID)
@virtual
async def test_whatever_a_job_is_answered_by_it_is_kept_and_its_key_buys_no_other(odd: str, tmp_path: Path) -> None:
    async with StrangerServer(luma=LumaWorld(odd_paid=odd), **TRAVEL) as server:
        for restart in range(2):
            async with luma_of(server, state=tmp_path / "calls.sqlite") as luma:
                if restart:
                    ids, unknown = await kept_ids(luma)
                    assert (ids, unknown) in [({server.charges[0].item}, 0), (set(), 1)]
                told = await attempt(luma.with_options(idempotency_key="order 7").generations.create(prompt="a chair"))
                assert getattr(told, "job_id", getattr(told, "id", None)) in {server.charges[0].item, None}
                assert len(server.charges) == 1


@pytest.mark.parametrize("odd", [*GENEROR_PAID, *NAMELESS])
@virtual
async def test_whatever_a_generate_is_answered_by_it_is_kept_and_its_key_buys_no_other(
    odd: str, tmp_path: Path
) -> None:
    async with StrangerServer(generor=GenerorWorld(odd_paid=odd), **TRAVEL) as server:
        for _ in range(2):
            async with generor_of(server, state=tmp_path / "calls.sqlite") as generor:
                told = await attempt(generor.with_options(idempotency_key="joke 1").generators.generate(**JOKE))
                if not isinstance(told, GenerorAsyncError):
                    ids = {str(id_) for one in told.creations if (id_ := maybe(one.creation_id)) is not None}
                    assert ids <= {server.charges[0].item}
                assert len(server.charges) == 1


@pytest.mark.parametrize("api", ["luma", "generor"])
@pytest.mark.parametrize("when", ["before", "after"])
@virtual
async def test_a_call_whose_answer_was_lost_is_unknown_in_the_next_process(api: str, when: str, tmp_path: Path) -> None:
    lost = iter([Answer(cut=True, after=when == "after")])

    def script(seen: Any) -> Answer | None:
        is_paid = seen.method == "POST" and seen.path.endswith(("/generations", "/generate"))
        return next(lost, None) if is_paid else None

    async with StrangerServer(script=script, **TRAVEL) as server:
        client_of: Any = luma_of if api == "luma" else generor_of

        def paid(client: Any) -> Awaitable[Any]:
            view = client.with_options(idempotency_key="order 7", context={"channel": 7})
            made: Awaitable[Any] = (
                view.generations.create(prompt="a chair") if api == "luma" else view.generators.generate(**JOKE)
            )
            return made

        async with client_of(server, state=tmp_path / "calls.sqlite") as client:
            assert isinstance(await attempt(paid(client)), OutcomeUnknownError)
        async with client_of(server, state=tmp_path / "calls.sqlite") as client:
            for _ in range(2):
                told = await attempt(paid(client))
                assert isinstance(told, OutcomeUnknownError) or server.charges, told
            assert len(server.charges) == (when == "after")
            for call in [call async for call in client.jobs.unknown()]:
                assert (call.context, call.idempotency_key) == ({"channel": 7}, "order 7")
                await client.jobs.settle(call, **{"job_id" if api == "luma" else "creation_ids": None})
            if when == "before":
                assert not isinstance(await attempt(paid(client)), GenerorAsyncError)
                assert len(server.charges) == 1


@virtual
async def test_a_generate_that_its_gateway_gave_up_is_found_in_the_account(tmp_path: Path) -> None:
    image: dict[str, Any] = {**IMAGE, "prompt": "a crane"}
    async with (
        StrangerServer(generor=GenerorWorld(gateway_timeout=20.0, balance=10_000), **TRAVEL) as server,
        generor_of(server, state=tmp_path / "calls.sqlite", budgets=BUDGETS) as generor,
    ):
        await generor.generators.generate(**JOKE)
        view = generor.with_options(idempotency_key="order 7", user=USERS[0])
        assert isinstance(await attempt(view.generators.generate(**image)), OutcomeUnknownError)
        (_, group, own) = await generor.budgets.status(USERS[0])
        assert group.reserved == own.reserved == PRICE, "it stays set aside"
        await asyncio.sleep(120)
        result = await view.generators.generate(**image)
        assert str(result.creations[0].creation_id) == server.charges[-1].item
        assert len(server.charges) == 2


async def spend(generor: AsyncGeneror, dice: Random, calls: int) -> None:
    """Make calls that overlap, for users at random."""

    async def call(number: int) -> None:
        await asyncio.sleep(dice.uniform(0.0, 300.0))
        view = generor.with_options(user=dice.choice(USERS))
        await view.generators.generate(prompt=f"heron {number}", **IMAGE)

    await asyncio.gather(*map(call, range(calls)))


@pytest.mark.parametrize("seed", range(runs(8)))
@virtual
async def test_what_users_have_spent_adds_up_to_what_was_charged(seed: int, tmp_path: Path) -> None:
    dice = Random(seed)  # to be repeated
    world = GenerorWorld(
        tier="pro",
        balance=1_000_000,
        cost_told=dice.choice(["difference", "difference", "own", "nothing"]),
        cost_factor=dice.choice([1.0, 1.5, 4.0]),
        charged_at=dice.choice(["start", "end"]),
        events=tuple(
            Event(dice.uniform(0.0, 300.0), dice.choice(KINDS), round(10 ** dice.uniform(0, 4)))
            for _ in range(dice.randrange(8))
        ),
    )
    async with (
        StrangerServer(generor=world, **TRAVEL) as server,
        generor_of(server, state=tmp_path / "calls.sqlite", budgets=BUDGETS) as generor,
    ):
        await spend(generor, dice, 40)
        await asyncio.sleep(60)
        charged = sum(charge.credits for charge in server.charges)
        found = [await generor.budgets.status(user) for user in USERS]
        assert [status.reserved for user in found for status in user] == [0.0] * 8
        (total, group, ada), (_, _, bob), (_, eve) = [[status.spent for status in user] for user in found]
        assert ada + bob + eve == pytest.approx(total)
        assert ada + bob == pytest.approx(group), "guild:421/ is no part of guild:42/"
        assert total == pytest.approx(charged, rel=0.05)


@pytest.mark.parametrize("told", ["difference", "own", "nothing"])
@pytest.mark.parametrize("factor", [1.0, 4.0])
@virtual
async def test_a_budget_is_exceeded_by_no_more_than_the_calls_whose_price_was_not_known(
    told: Any, factor: float, tmp_path: Path
) -> None:
    world = GenerorWorld(tier="pro", balance=1_000_000, cost_told=told, cost_factor=factor)
    budget, at_once = 20 * PRICE * factor, 3
    async with (
        StrangerServer(generor=world, **TRAVEL) as server,
        generor_of(server, state=tmp_path / "calls.sqlite", budgets=[Budget(credits=budget)]) as generor,
    ):
        refused = 0
        while refused < at_once:
            came = [attempt(generor.generators.generate(prompt="a", **IMAGE)) for _ in range(at_once)]
            refused = sum(isinstance(each, BudgetExceededError) for each in await asyncio.gather(*came))
        charged = sum(charge.credits for charge in server.charges)
        assert budget - PRICE * factor <= charged <= budget + (at_once - 1) * PRICE * factor


@virtual
async def test_jobs_in_a_budget_are_never_over_it_by_a_credit(tmp_path: Path) -> None:
    image = 0.0404
    async with StrangerServer(luma=LumaWorld(per_minute=1_000, slots=100), **TRAVEL) as server:
        budgets = [Budget(dollars=7.5 * image), Budget(dollars=3.5 * image, each_user=True)]
        async with luma_of(server, state=tmp_path / "calls.sqlite", budgets=budgets) as luma:
            views = [luma.with_options(user=user) for user in USERS for _ in range(6)]
            came = await asyncio.gather(*(attempt(view.generations.run(prompt="a chair")) for view in views))
            made = [each for each in came if not isinstance(each, BudgetExceededError)]
            assert len(made) == len(server.charges) == 7
            assert len([one for one in ours(server) if one.method == "POST"]) == 7, "nothing else was sent"
