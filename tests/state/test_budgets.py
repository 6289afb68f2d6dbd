"""Budgets of users, groups and all: what is over is refused before anything is sent, to the credit."""

import asyncio
import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from state.test_idempotency import told_by
from support.clock import in_virtual_time
from support.programs import begin

from generor_async import (
    AsyncGeneror,
    AsyncLuma,
    Budget,
    BudgetExceededError,
    ContentModeratedError,
    InvalidRequestError,
    Luma,
    OutcomeUnknownError,
    run_batch,
)
from generor_async.simulator import Simulator

IMAGE = 0.0404
"""US dollars of an image of the default model."""
IMAGE_CREDITS = IMAGE / 0.003
ACCOUNT: dict[str, Any] = {"seed": 7, "luma_rpm": 100_000, "luma_jobs": 10_000, "tier": "enterprise"}
CREATE = "luma.generations.create"


anyio_backend = in_virtual_time


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(**ACCOUNT) as simulator:
        yield simulator


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.sqlite"


def luma_of(simulator: Simulator, path: Path, *budgets: Budget) -> AsyncLuma:
    return AsyncLuma(**simulator.luma_options, state=path, budgets=budgets)


async def test_a_call_over_the_budget_is_refused_and_says_whose_what_is_left_and_when_it_begins_anew(
    simulator: Simulator, path: Path
) -> None:
    async with luma_of(simulator, path, Budget(dollars=2.5 * IMAGE, every="day", user="ada")) as luma:
        ada = luma.with_options(user="ada")
        for _ in range(2):
            await ada.generations.create(prompt="a heron")
        requests = len(simulator.ledger.requests)
        with pytest.raises(
            BudgetExceededError, match=r"the budget of user ada has \$0\.0202 of \$0\.101 left"
        ) as caught:
            await ada.generations.create(prompt="a heron")
        assert len(simulator.ledger.requests) == requests, "nothing was sent"
        error = caught.value
        assert error.user == "ada"
        assert error.remaining == pytest.approx(0.5 * IMAGE_CREDITS)
        assert error.resets_at is not None
        assert (error.resets_at.hour, error.resets_at.minute, error.resets_at.tzinfo) == (0, 0, UTC)
        await luma.with_options(user="bob").generations.create(prompt="a heron")
        await luma.generations.create(prompt="a heron")
        (status,) = await luma.budgets.status("ada")
        assert [status.limit, status.remaining] == pytest.approx([2.5 * IMAGE_CREDITS, error.remaining])
        assert status.resets_at == error.resets_at
        assert await luma.budgets.status("bob") == await luma.budgets.status() == []
        simulator.advance(error.resets_at.timestamp() - simulator.clock.time() + 1)
        await ada.generations.create(prompt="a heron")
        (status,) = await luma.budgets.status("ada")
        assert status.remaining == pytest.approx(1.5 * IMAGE_CREDITS)
    assert len(simulator.ledger.charges) == 5


async def test_a_call_counts_for_its_user_its_group_and_all(simulator: Simulator, path: Path) -> None:
    budgets = (
        Budget(credits=10.5 * IMAGE_CREDITS),
        Budget(credits=3.5 * IMAGE_CREDITS, group="guild:42/"),
        Budget(credits=2.5 * IMAGE_CREDITS, each_user=True, every="hour"),
    )
    async with luma_of(simulator, path, *budgets) as luma:

        async def create(user: str | None) -> str:
            try:
                await luma.with_options(user=user).generations.create(prompt="a heron")
            except BudgetExceededError as error:
                return str(error).partition(" has ")[0]
            return "made"

        assert [await create("guild:42/ada") for _ in range(3)] == ["made"] * 2 + ["the budget of user guild:42/ada"]
        assert [await create("guild:42/bob") for _ in range(2)] == ["made", "the budget of group guild:42/"]
        assert [await create("guild:7/eve") for _ in range(3)] == ["made"] * 2 + ["the budget of user guild:7/eve"]
        assert [await create(None) for _ in range(6)] == ["made"] * 5 + ["the budget of all calls"]
        assert [status.budget for status in await luma.budgets.status("guild:42/x")] == list(budgets)
        spent = {user: await luma.budgets.status(user) for user in (None, "guild:42/ada", "guild:7/eve")}
        used = {user: [round((s.spent + s.reserved) / IMAGE_CREDITS) for s in found] for user, found in spent.items()}
        assert used == {None: [10], "guild:42/ada": [10, 3, 2], "guild:7/eve": [10, 2]}
    assert len(simulator.ledger.charges) == 10


async def test_what_is_under_way_is_reserved_and_what_came_to_nothing_is_given_back(
    simulator: Simulator, path: Path
) -> None:
    async with luma_of(simulator, path, Budget(dollars=1.5 * IMAGE)) as luma:
        fault = simulator.faults.add_spec(f"{CREATE}=403:1x")
        with pytest.raises(Exception, match="403"):
            await luma.generations.create(prompt="a heron")
        simulator.faults.remove(fault)
        calls = [luma.generations.create(prompt=f"heron {number}") for number in range(5)]
        came = await asyncio.gather(*calls, return_exceptions=True)
        assert sorted(type(each).__name__ for each in came) == ["BudgetExceededError"] * 4 + ["Generation"]
        (job,) = [job async for job in luma.jobs.unfinished()]
        (status,) = await luma.budgets.status()
        assert [status.spent, status.reserved] == pytest.approx([0.0, IMAGE_CREDITS])
        await job
        (status,) = await luma.budgets.status()
        assert [status.spent, status.reserved] == pytest.approx([IMAGE_CREDITS, 0.0])


async def test_an_unknown_call_stays_reserved_until_it_is_settled(simulator: Simulator, path: Path) -> None:
    simulator.faults.add_spec(f"{CREATE}=reset:before_charge:1x")
    async with luma_of(simulator, path, Budget(dollars=1.5 * IMAGE)) as luma:
        with pytest.raises(OutcomeUnknownError):
            await luma.generations.create(prompt="a heron")
        with pytest.raises(BudgetExceededError):
            await luma.generations.create(prompt="a heron")
        async for call in luma.jobs.unknown():
            await luma.jobs.settle(call, job_id=None)
        await luma.generations.create(prompt="a heron")


async def test_a_call_without_a_price_is_refused_unless_it_is_given(simulator: Simulator, path: Path) -> None:
    asked: dict[str, Any] = {"prompt": "a heron", "model": "uni-9"}
    async with luma_of(simulator, path, Budget(dollars=1)) as luma:
        with pytest.raises(InvalidRequestError, match="no price is known") as caught:
            await luma.generations.create(**asked)
        assert caught.value.field == "price"
        priced = luma.with_options(price=0.4)
        with pytest.raises(Exception):  # noqa: B017 - the simulator knows no such model
            await priced.generations.create(**asked)
        for _ in range(2):
            await priced.generations.create(prompt="a heron")
        with pytest.raises(BudgetExceededError):
            await priced.generations.create(prompt="a heron")


async def test_a_second_call_with_an_idempotency_key_needs_no_room(simulator: Simulator, path: Path) -> None:
    async with luma_of(simulator, path, Budget(dollars=1.5 * IMAGE)) as luma:
        view = luma.with_options(idempotency_key="order 7")
        made = await view.generations.create(prompt="a heron")
        assert (await view.generations.create(prompt="a heron")).id == made.id
        with pytest.raises(BudgetExceededError):
            await luma.with_options(idempotency_key="order 8").generations.create(prompt="a heron")


async def test_generors_calls_are_reserved_by_the_estimate_and_settled_by_their_cost(
    simulator: Simulator, path: Path
) -> None:
    options: dict[str, Any] = {**simulator.generor_options, "state": path}
    async with AsyncGeneror(**options, budgets=[Budget(credits=1_000, each_user=True)]) as generor:
        ada = generor.with_options(user="ada")
        result = await ada.generators.generate("joke", prompt="a heron", model_id=37)
        (status,) = await generor.budgets.status("ada")
        assert [status.spent, status.reserved] == pytest.approx([result.credit_cost, 0.0])
        await asyncio.gather(*(ada.generators.generate("joke", prompt=f"heron {n}", model_id=37) for n in range(5)))
        (status,) = await generor.budgets.status("ada")
        assert status.reserved == 0.0
        assert status.spent == pytest.approx(sum(entry.charged for entry in simulator.ledger.charges), rel=0.5)
    estimates = [entry for entry in simulator.ledger.requests if entry.operation == "generor.generators.estimate"]
    assert len(estimates) == 1, "calls that cost the same are estimated once"


async def test_a_generor_call_over_the_budget_is_refused(simulator: Simulator, path: Path) -> None:
    options: dict[str, Any] = {**simulator.generor_options, "state": path}
    async with AsyncGeneror(**options, budgets=[Budget(credits=0.001)]) as generor:
        with pytest.raises(BudgetExceededError):
            await generor.generators.generate("joke", prompt="a heron", model_id=37)
    assert not simulator.ledger.charges


RACER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from generor_async import Budget, BudgetExceededError, Luma

with Luma(state=PLACE, budgets=[Budget(dollars=LIMIT), Budget(dollars=LIMIT, each_user=True)]) as luma:
    print("ready", flush=True)
    sys.stdin.readline()

    def create(number):
        try:
            luma.with_options(user="ada").generations.create(prompt="a heron")
        except BudgetExceededError:
            return 0
        return 1

    with ThreadPoolExecutor(10) as threads:
        print(sum(threads.map(create, range(20))), flush=True)
"""


def test_threads_and_processes_never_go_over_a_budget_by_a_credit(path: Path) -> None:
    with Simulator(**ACCOUNT) as simulator:
        program = RACER.replace("PLACE", repr(str(path))).replace("LIMIT", str(17.5 * IMAGE))
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


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("credits", {}),
        ("credits", {"credits": 1, "dollars": 1}),
        ("credits", {"credits": -1}),
        ("dollars", {"dollars": math.nan}),
        ("every", {"credits": 1, "every": "week"}),
        ("every", {"credits": 1, "every": 0}),
        ("every", {"credits": 1, "every": 0.5}),
        ("every", {"credits": 1, "every": 1e12}),
        ("every", {"credits": 1, "every": math.inf}),
        ("timezone", {"credits": 1, "timezone": "Mars/Base"}),
        ("timezone", {"credits": 1, "timezone": None}),
        ("user", {"credits": 1, "user": ""}),
        ("user", {"credits": 1, "user": "ada", "group": "a"}),
        ("user", {"credits": 1, "user": "ada", "each_user": True}),
        ("group", {"credits": 1, "group": 5}),
        ("each_user", {"credits": 1, "each_user": 1}),
    ],
)
def test_a_budget_refuses_what_can_never_be_right(field: str, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        Budget(**given)
    assert caught.value.field == field
    assert caught.value.advice


async def test_of_two_budgets_for_the_same_users_and_periods_the_smaller_counts(
    simulator: Simulator, path: Path
) -> None:
    budgets = (Budget(dollars=1.5 * IMAGE, each_user=True), Budget(dollars=9.5 * IMAGE, user="ada"))
    for order in (budgets, budgets[::-1]):
        async with luma_of(simulator, path.with_name(f"{order[0].user}.sqlite"), *order) as luma:
            ada = luma.with_options(user="ada")
            await ada.generations.create(prompt="a heron")
            with pytest.raises(BudgetExceededError):
                await ada.generations.create(prompt="a heron")


async def test_a_budget_that_is_changed_holds_from_the_next_start_on(simulator: Simulator, path: Path) -> None:
    for images, made in ((2.5, True), (0.5, False), (0.0, False), (2.5, True), (2.5, False)):
        async with luma_of(simulator, path, Budget(dollars=images * IMAGE)) as luma:
            call = asyncio.ensure_future(luma.generations.create(prompt="a heron"))
            await asyncio.wait([call])
            assert (call.exception() is None) == made
            (status,) = await luma.budgets.status()
            assert status.limit == pytest.approx(images * IMAGE_CREDITS)
            assert status.remaining >= 0.0


async def test_names_of_users_and_prices_have_bounds(simulator: Simulator, path: Path) -> None:
    async with luma_of(simulator, path, Budget(credits=1e9, each_user=True)) as luma:
        wrong: list[dict[str, Any]] = [{"user": ""}, {"user": "a" * 256}, {"price": math.inf}, {"price": 1e10}]
        for options in wrong:
            with pytest.raises(InvalidRequestError) as caught:
                luma.with_options(**options)
            assert caught.value.field in options
        for user in ("\0", "a\nb", " ", "🦢" * 200):
            await luma.with_options(user=user).generations.create(prompt="a heron")
            (status,) = await luma.budgets.status(user)
            assert status.reserved == pytest.approx(IMAGE_CREDITS)


async def test_calls_of_a_batch_do_not_count(simulator: Simulator, path: Path) -> None:
    async with luma_of(simulator, path, Budget(dollars=1.5 * IMAGE)) as luma:
        async for row in run_batch(luma, ["a heron", "a crane"], to=path.parent / "out"):
            assert row.state == "done"
        (status,) = await luma.budgets.status()
        assert status.remaining == status.limit
        outcomes = [outcome async for outcome in luma.generations.map([{"prompt": str(number)} for number in range(3)])]
        assert sorted(type(outcome.error).__name__ for outcome in outcomes) == [
            *["BudgetExceededError"] * 2,
            "NoneType",
        ]


async def test_a_job_that_failed_stays_set_aside(simulator: Simulator, path: Path) -> None:
    async with luma_of(simulator, path, Budget(dollars=1.5 * IMAGE)) as luma:
        with pytest.raises(ContentModeratedError):
            await luma.generations.run(prompt="[[moderate]]")
        (status,) = await luma.budgets.status()
        assert [status.spent, status.reserved] == pytest.approx([0.0, IMAGE_CREDITS])


async def test_budgets_need_a_state(simulator: Simulator) -> None:
    with pytest.raises(InvalidRequestError, match="need a client that keeps"):
        AsyncLuma(**simulator.luma_options, budgets=[Budget(credits=1)])
    budgets: Any
    for budgets in ([5], [Budget]):
        with pytest.raises(InvalidRequestError, match=r"budgets\[0\] must be a Budget"):
            AsyncLuma(**simulator.luma_options, state="calls.sqlite", budgets=budgets)
    async with AsyncLuma(**simulator.luma_options) as luma:
        with pytest.raises(InvalidRequestError, match="has no budgets"):
            await luma.budgets.status("ada")
        await luma.with_options(user="ada").generations.create(prompt="a heron")


def test_blocking_clients_have_budgets_alike(path: Path) -> None:
    with Simulator(**ACCOUNT) as simulator:
        budget = Budget(dollars=1.5 * IMAGE, every=3_600, user="ada")
        with Luma(**simulator.luma_options, state=path, budgets=[budget]) as luma:
            ada = luma.with_options(user="ada")
            ada.generations.create(prompt="a heron")
            with pytest.raises(BudgetExceededError):
                ada.generations.create(prompt="a heron")
            (status,) = luma.budgets.status("ada")
            assert status.budget == budget
            assert status.remaining == pytest.approx(0.5 * IMAGE_CREDITS)
            assert isinstance(status.resets_at, datetime)


async def test_the_status_says_the_limit_that_holds_where_another_process_has_set_another(
    simulator: Simulator, path: Path
) -> None:
    before, after = Budget(credits=10 * IMAGE_CREDITS), Budget(credits=1.5 * IMAGE_CREDITS)
    async with luma_of(simulator, path, before) as luma, luma_of(simulator, path, after) as newer:
        await luma.generations.create(prompt="a heron")
        (own,) = await newer.budgets.status()
        assert own.limit == after.limit, "which its first call sets"
        with pytest.raises(BudgetExceededError):
            await newer.generations.create(prompt="a heron")
        with pytest.raises(BudgetExceededError) as caught:
            await luma.generations.create(prompt="a heron")
        (status,) = await luma.budgets.status()
        assert (status.budget, status.limit) == (before, after.limit)
        assert status.remaining == caught.value.remaining == pytest.approx(0.5 * IMAGE_CREDITS)


@pytest.mark.parametrize("every", ["week", 0, -1, 0.5, math.inf, math.nan, 10**400, True, timedelta(days=1)])
def test_a_period_that_is_none_is_refused_with_those_that_are(every: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^every must be .*day.*hour") as caught:
        Budget(credits=1, every=every)
    assert "math.inf" not in str(caught.value), "which is no period"
