"""What users have spent at Generor, settled by the account: the sum over them is what was charged."""

import asyncio
import random
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from state.test_idempotency import told_by
from support.clock import in_virtual_time, patient
from support.generor_service import until
from support.programs import begin

from generor_async import AsyncGeneror, Budget, BudgetExceededError, ClientClosedError, Generor
from generor_async.simulator import Simulator

__all__ = ["in_virtual_time"]

ACCOUNT: dict[str, Any] = {"seed": 7, "tier": "enterprise", "generor_credits": 10_000_000}
SCHNELL: dict[str, Any] = {"slug": "image", "model_id": 10003}
"""Its charge is four times its estimate."""
VIDEO: dict[str, Any] = {"slug": "video", "model_id": 20020}
"""Its charge is 1, 1.1 or 1.25 times its estimate, at random."""
JOKE: dict[str, Any] = {"slug": "joke", "model_id": 37}
USERS = [f"guild:{number % 3}/{number}" for number in range(12)]
BUDGETS = [Budget(credits=1e9), Budget(credits=1e9, every="day"), Budget(credits=1e9, each_user=True)]
TRANSACTIONS = "generor.credits.list_transactions"


def generor_of(simulator: Simulator, path: Path, *budgets: Budget, **options: Any) -> AsyncGeneror:
    given = patient(simulator.generor_options)
    return AsyncGeneror(**given, state=path, budgets=budgets or BUDGETS, **options)


def charged(simulator: Simulator) -> float:
    return sum(entry.charged for entry in simulator.ledger.charges)


async def many_calls(generor: AsyncGeneror, calls: int) -> None:
    """Make overlapping calls of all kinds, for users at random."""
    dice = random.Random(7)

    async def call(number: int) -> None:
        await asyncio.sleep(dice.uniform(0, 600))
        kind: Any = dice.choice([SCHNELL, VIDEO, VIDEO, JOKE])
        await generor.with_options(user=dice.choice(USERS)).generators.generate(prompt=f"heron {number}", **kind)

    await asyncio.gather(*map(call, range(calls)))


async def spent(generor: AsyncGeneror) -> tuple[list[float], float]:
    """Return what all budgets say for all, and what the users have spent together."""
    users = [await generor.budgets.status(user) for user in USERS]
    assert not any(status.reserved for found in users for status in found)
    return [users[0][0].spent, users[0][1].spent], sum(found[2].spent for found in users)


@pytest.mark.anyio
@pytest.mark.usefixtures("anyio_backend")
class TestInVirtualTime:
    """Ten minutes of calls take seconds."""

    @pytest.fixture
    def anyio_backend(self, in_virtual_time: tuple[str, dict[str, object]]) -> tuple[str, dict[str, object]]:
        return in_virtual_time

    async def test_the_sum_over_users_is_what_was_charged(self, tmp_path: Path) -> None:
        async with Simulator(**ACCOUNT) as simulator, generor_of(simulator, tmp_path / "calls.sqlite") as generor:
            await many_calls(generor, 120)
            await asyncio.sleep(60)
            totals, sum_of_users = await spent(generor)
            assert totals == pytest.approx([charged(simulator)] * 2)
            assert sum_of_users == pytest.approx(charged(simulator))
            reads = [one for one in simulator.ledger.requests if one.operation == TRANSACTIONS]
            assert len(reads) <= 40, "the transactions are read once a minute"

    async def test_between_two_reads_the_sum_is_off_by_the_calls_since(self, tmp_path: Path) -> None:
        worst = list[float]()
        async with Simulator(**ACCOUNT) as simulator, generor_of(simulator, tmp_path / "calls.sqlite") as generor:
            calls = asyncio.create_task(many_calls(generor, 120))
            while not calls.done():
                await asyncio.sleep(20)
                (total, _), _ = await spent_as_it_is(tmp_path / "calls.sqlite")
                since = simulator.clock.time() - 90
                fresh = sum(one.charged for one in simulator.ledger.charges if one.at + 80 > since)
                worst.append(abs(total - charged(simulator)) - fresh)
            await calls
        assert max(worst) <= 1e-6, "calls last up to 80 seconds, and are settled a minute later"

    async def test_where_no_transaction_can_be_read_it_is_off_as_estimates_are(self, tmp_path: Path) -> None:
        async with Simulator(**ACCOUNT) as simulator:
            simulator.faults.add_spec(f"{TRANSACTIONS}=403")
            async with generor_of(simulator, tmp_path / "calls.sqlite") as generor:
                made = [generor.with_options(user=user).generators.generate(prompt="a", **VIDEO) for user in USERS]
                await asyncio.gather(*made)
                totals, sum_of_users = await spent(generor)
                assert totals == pytest.approx([sum_of_users] * 2)
                assert sum_of_users == pytest.approx(charged(simulator), rel=0.25)

    async def test_a_budget_that_is_full_by_estimates_is_settled_before_it_refuses(self, tmp_path: Path) -> None:
        """And one with room by estimates is full by what calls have cost."""
        async with Simulator(**ACCOUNT) as simulator:
            budget = Budget(credits=250, each_user=True)
            async with generor_of(simulator, tmp_path / "calls.sqlite", budget) as generor:
                ada = generor.with_options(user="ada")
                for _ in range(10):
                    made = [ada.generators.generate(prompt=f"{n}", **SCHNELL) for n in range(3)]
                    came = await asyncio.gather(*made, return_exceptions=True)
                    if any(isinstance(each, BudgetExceededError) for each in came):
                        break
                    await asyncio.sleep(10)
            assert 250 - 24 < charged(simulator) <= 250, "10 calls of 24 credits"

    async def test_another_user_of_the_account_changes_nothing(self, tmp_path: Path) -> None:
        async with Simulator(**ACCOUNT) as simulator, generor_of(simulator, tmp_path / "calls.sqlite") as generor:
            async with AsyncGeneror(**simulator.generor_options) as stranger:
                others = [stranger.generators.generate(prompt=f"owl {n}", **SCHNELL) for n in range(20)]
                await asyncio.gather(many_calls(generor, 50), *others)
            await asyncio.sleep(60)
            totals, sum_of_users = await spent(generor)
            assert totals == pytest.approx([charged(simulator) - 20 * 24] * 2)
            assert sum_of_users == pytest.approx(totals[0])

    async def test_a_price_that_was_given_teaches_nothing_of_others(self, tmp_path: Path) -> None:
        async with Simulator(**ACCOUNT) as simulator, generor_of(simulator, tmp_path / "calls.sqlite") as generor:
            cheap = generor.with_options(price=0.0003, user="ada")
            for _ in range(4):
                await cheap.generators.generate(prompt="a heron", **VIDEO)
                await asyncio.sleep(60)
            simulator.faults.add_spec("generor.generators.generate=stall:after_charge")
            call = asyncio.ensure_future(generor.with_options(user="bob").generators.generate(prompt="a", **VIDEO))
            await asyncio.sleep(5)
            assert (await generor.budgets.status("bob"))[2].reserved == 15, "the estimate"
            call.cancel()
            await asyncio.wait([call])

    async def test_fixed_prices_are_exact(self, tmp_path: Path) -> None:
        async with Simulator(**ACCOUNT) as simulator:
            simulator.faults.add_spec(f"{TRANSACTIONS}=403")
            async with generor_of(simulator, tmp_path / "calls.sqlite") as generor:
                priced = [generor.with_options(user=user, price=0.03).generators for user in USERS]
                await asyncio.gather(*(each.generate(prompt="a heron", **SCHNELL) for each in priced))
                assert await spent(generor) == ([120.0, 120.0], 120.0)

    async def test_a_client_that_is_closed_while_it_settles_leaves_nothing_behind(self, tmp_path: Path) -> None:
        async with Simulator(**ACCOUNT) as simulator:
            async with generor_of(simulator, tmp_path / "calls.sqlite") as generor:
                await generor.generators.generate(prompt="a heron", **JOKE)
                await asyncio.sleep(60)
                simulator.faults.add_spec(f"{TRANSACTIONS}=stall")
                before = len(simulator.ledger.requests)
                asked = asyncio.ensure_future(generor.budgets.status())
                await until(lambda: len(simulator.ledger.requests) > before)
            with pytest.raises(ClientClosedError, match="was closed"):
                await asked
        assert names_in(tmp_path) == ["calls.sqlite"]


async def test_accounts_of_past_periods_are_deleted_with_the_calls(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    hourly = Budget(credits=1e9, each_user=True, every="hour")
    async with Simulator(speed=60, **ACCOUNT) as simulator:
        async with generor_of(simulator, path, hourly) as generor:
            for _ in range(5):
                await generor.with_options(user="ada").generators.generate(prompt="a heron", **JOKE)
                simulator.advance(3_600)
            assert accounts(path) == 5 + 1
            simulator.advance(7_200)
            assert await generor.jobs.prune(older_than=2.5 * 3_600) > 0
            assert accounts(path) < 5 + 1
            await generor.with_options(user="ada").generators.generate(prompt="a heron", **JOKE)
        simulator.advance(3 * 86_400)
        async with generor_of(simulator, path, hourly, keep_days=2) as generor:
            await generor.with_options(user="ada").generators.generate(prompt="a heron", **JOKE)
            await until(lambda: accounts(path) == 1 + 1)
            (status,) = await generor.budgets.status("ada")
            assert 0 < status.spent < 5


def accounts(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM accounts")
    return int(count)


async def spent_as_it_is(path: Path) -> tuple[list[float], float]:
    """Return what the file's accounts hold, without settling anything."""
    with closing(sqlite3.connect(path)) as connection:
        rows = list(connection.execute("SELECT scope, sum(spent), sum(reserved) FROM accounts GROUP BY scope, period"))
    total = sum(spent for scope, spent, _ in rows if scope.endswith(" total"))
    users = sum(spent for scope, spent, _ in rows if " user " in scope)
    assert total == pytest.approx(users)
    return [total, total], users


def names_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


def test_a_blocking_client_is_settled_alike(tmp_path: Path) -> None:
    with Simulator(speed=60, **ACCOUNT) as simulator:
        options: dict[str, Any] = {**patient(simulator.generor_options), "state": tmp_path / "calls.sqlite"}
        with Generor(**options, budgets=BUDGETS) as generor, ThreadPoolExecutor(8) as threads:

            def call(number: int) -> None:
                generor.with_options(user=USERS[number]).generators.generate(prompt=f"{number}", **SCHNELL)

            list(threads.map(call, range(8)))
            simulator.advance(60)
            users = [generor.budgets.status(user)[2].spent for user in USERS]
            assert sum(users) == generor.budgets.status()[0].spent == charged(simulator)


SLOW = """
import sys
from generor_async import Budget, Generor

with Generor(state=PLACE, budgets=[Budget(credits=1e6)]) as generor:
    print("ready", flush=True)
    sys.stdin.readline()
    print(generor.generators.generate("image", prompt="an owl", model_id=10003).credit_cost, flush=True)
"""


async def test_whether_a_call_ran_alone_is_known_over_all_processes_of_a_state(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    async with Simulator(speed=60, **ACCOUNT) as simulator:
        simulator.faults.add_spec(f"{TRANSACTIONS}=403")
        other = await asyncio.to_thread(begin, simulator, SLOW.replace("PLACE", repr(str(path))))
        assert other.stdout is not None
        assert other.stdin is not None
        await asyncio.to_thread(other.stdout.readline)
        async with generor_of(simulator, path, Budget(credits=1e9)) as generor:
            await generor.generators.generate(prompt="a heron", **JOKE)
            assert cost_sources(path) == [1]
            other.stdin.write("\n")
            other.stdin.flush()
            await until(lambda: any(one.prompt == "an owl" for one in simulator.generor.account.creations))
            await generor.generators.generate(prompt="a heron", **VIDEO)
            await asyncio.to_thread(told_by, other)
            assert cost_sources(path) == [1, 0, 0]


def cost_sources(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        return [source for (source,) in connection.execute("SELECT cost_source FROM calls ORDER BY number")]
