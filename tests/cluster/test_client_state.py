"""A client's state in PostgreSQL: several machines share its calls, keys and budgets."""

import asyncio
import math
from typing import Any

import pytest
from state.test_budgets import IMAGE, RACER
from state.test_idempotency import JOKE, told_by
from support.programs import begin

from generor_async import (
    AsyncGeneror,
    AsyncLuma,
    Budget,
    BudgetExceededError,
    InvalidRequestError,
    Luma,
    OutcomeUnknownError,
)
from generor_async.simulator import Simulator

CRANE: dict[str, Any] = {**JOKE, "prompt": "a crane"}
ACCOUNT: dict[str, Any] = {"seed": 7, "luma_rpm": 100_000, "luma_jobs": 10_000, "tier": "enterprise"}


async def test_jobs_keys_and_unknown_calls_are_shared_and_outlive_a_client(postgres_url: str) -> None:
    async with Simulator(speed=60, **ACCOUNT) as simulator:
        options: dict[str, Any] = {**simulator.luma_options, "state": postgres_url}
        async with AsyncLuma(**options) as luma, AsyncLuma(**options) as other:
            views = [client.with_options(idempotency_key="order 7") for client in (luma, other)]
            made = await asyncio.gather(*(view.generations.create(prompt="a heron") for view in views * 5))
            assert len({generation.id for generation in made}) == len(simulator.ledger.charges) == 1
            simulator.faults.add_spec("luma.generations.create=reset:after_charge:1x")
            with pytest.raises(OutcomeUnknownError):
                await luma.generations.create(prompt="a crane")
            left = await luma.with_options(context={"n": 1}).generations.submit(prompt="a swan")
        async with AsyncLuma(**options) as luma:
            found = {job.id: job async for job in luma.jobs.unfinished()}
            assert found.keys() <= {made[0].id, left.id}
            assert found[left.id].context == {"n": 1}
            (call,) = [call async for call in luma.jobs.unknown()]
            for job in found.values():
                await job
            assert [each async for each in luma.jobs.unfinished()] == []
            await luma.jobs.settle(call, job_id=None)
            assert [each async for each in luma.jobs.unknown()] == []
            assert await luma.jobs.prune(older_than=86_400) == 0


async def test_generors_calls_are_kept_and_found(postgres_url: str) -> None:
    async with Simulator(speed=60, **ACCOUNT) as simulator:
        options: dict[str, Any] = {**simulator.generor_options, "state": postgres_url}
        async with AsyncGeneror(**options, budgets=[Budget(credits=1_000)]) as generor:
            await generor.generators.generate(**JOKE)
            view = generor.with_options(idempotency_key="joke 1")
            simulator.faults.add_spec("generor.generators.generate=reset:after_charge:1x")
            with pytest.raises(OutcomeUnknownError):
                await view.generators.generate(**CRANE)
            found = await view.generators.generate(**CRANE)
            assert found.creations[0].creation_id == simulator.generor.account.creations[-1].creation_id
            (status,) = await generor.budgets.status()
            assert status.spent > 0
        assert len(simulator.ledger.charges) == 2


async def test_what_users_have_spent_is_settled_over_all_clients_and_past_periods_are_deleted(
    postgres_url: str,
) -> None:
    budgets = [Budget(credits=1e9), Budget(credits=1e9, each_user=True, every=2)]
    async with Simulator(speed=60, **ACCOUNT) as simulator:
        options: dict[str, Any] = {**simulator.generor_options, "state": postgres_url, "budgets": budgets}
        async with AsyncGeneror(**options) as generor, AsyncGeneror(**options) as other:
            views = [client.with_options(user=f"user {at}") for at in range(3) for client in (generor, other)]
            calls = (view.generators.generate("image", prompt="a", model_id=10003) for view in views)
            results = await asyncio.gather(*calls)
            simulator.advance(60)
            (total, _) = await generor.budgets.status("user 0")
            assert total.spent == sum(entry.charged for entry in simulator.ledger.charges) == 6 * 24
            assert max(result.credit_cost or 0 for result in results) > 24, "what they say is a sum of several"
            assert await generor.jobs.prune(older_than=math.inf) == 0
            assert await generor.jobs.prune(older_than=0) >= 0
            (total, own) = await other.budgets.status("user 0")
            assert (total.spent, own.spent) == (6 * 24, 0)


def test_threads_and_processes_never_go_over_a_budget_by_a_credit(postgres_url: str) -> None:
    with Simulator(**ACCOUNT) as simulator:
        program = RACER.replace("PLACE", repr(postgres_url)).replace("LIMIT", str(17.5 * IMAGE))
        racers = [begin(simulator, program) for _ in range(3)]
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("\n")
            racer.stdin.flush()
        assert sum(int(told_by(racer)[0]) for racer in racers) == 17
        assert len(simulator.ledger.charges) == 17


def test_blocking_clients_share_it_alike(postgres_url: str) -> None:
    with Simulator(**ACCOUNT) as simulator:
        options: dict[str, Any] = {**simulator.luma_options, "state": postgres_url}
        with Luma(**options, budgets=[Budget(dollars=1.5 * IMAGE)]) as luma:
            made = luma.generations.create(prompt="a heron")
            with pytest.raises(BudgetExceededError):
                luma.generations.create(prompt="a heron")
        with Luma(**options) as luma:
            assert [job.id for job in luma.jobs.unfinished()] == [made.id]


async def test_a_database_that_is_not_there_is_refused_without_its_password() -> None:
    async with Simulator(**ACCOUNT) as simulator:
        url = "postgresql://ada:hush-hush@127.0.0.1:9/none"
        async with AsyncLuma(**simulator.luma_options, state=url) as luma:
            with pytest.raises(InvalidRequestError, match="the state cannot be used") as caught:
                await luma.generations.create(prompt="a heron")
            assert "hush-hush" not in f"{caught.value} {caught.value!r} {luma!r}"
        assert not simulator.ledger.requests
