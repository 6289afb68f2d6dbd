"""Budgets against a brute-force model; the cap holds as long as prices do."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.budget import Budget, Reservation
from generor_async.rules.charges import MAX_TRIAL_CALLS, ChargedCalls, Charges, CostSource, valid_cost

MODELS = ("a", "b")
moves = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "settle", "free", "doubt"]),
        st.sampled_from(MODELS),
        st.integers(1, 9),
        st.sampled_from([1.0, 1.0, 1.0, 0.2, 2.0, 4.0]),
        st.integers(0, 5),
    ),
    max_size=80,
)


@given(moves, st.integers(5, 200))
def test_commitments_never_exceed_the_cap_when_a_call_begins(
    history: list[tuple[str, str, int, float, int]], cap: int
) -> None:
    """And an unseen model has its calls one by one, nothing beside them."""
    budget, under_way, doubtful = Budget(float(cap)), list[Reservation](), 0.0
    for what, model, estimated, drift, which in history:
        if what == "reserve":
            before, known = budget.committed, budget.charges.is_known(model)
            hold = budget.reserve(model, float(estimated))
            if isinstance(hold, Reservation):
                assert before + hold.credits == pytest.approx(budget.committed)
                assert budget.committed <= cap + 1e-5
                assert known or not under_way
                assert hold.credits >= estimated
                under_way.append(hold)
        elif under_way:
            hold = under_way.pop(which % len(under_way))
            if what == "settle":
                budget.settle(hold, hold.estimated * drift)
            elif what == "free":
                budget.release(hold)
            else:
                budget.keep_unresolved(hold)
                doubtful += hold.credits
        assert budget.reserved == pytest.approx(math.fsum(hold.credits for hold in under_way))
        assert budget.unresolved == pytest.approx(doubtful)


@given(moves, st.integers(20, 200))
def test_a_refusal_says_whether_waiting_can_help(history: list[tuple[str, str, int, float, int]], cap: int) -> None:
    """Brute force: `over` is when the call would not fit even if all that is under way cost nothing."""
    budget, under_way = Budget(float(cap)), list[Reservation]()
    for what, model, estimated, drift, which in history:
        if what == "reserve":
            found = budget.reserve(model, float(estimated))
            if isinstance(found, Reservation):
                under_way.append(found)
            elif found == "over":
                least = budget.charges.counted + budget.unresolved
                assert least + budget.charges.price(model, float(estimated)) > cap
            else:
                assert under_way, "with nothing under way nobody would ever end the wait"
        elif under_way:
            budget.settle(under_way.pop(which % len(under_way)), drift)


def run_alone(budget: Budget, model: str, estimated: float, *costs: float | None) -> None:
    for cost in costs:
        hold = budget.reserve(model, estimated)
        assert isinstance(hold, Reservation)
        budget.settle(hold, cost)


def test_a_charge_of_24_for_an_estimate_of_6_is_believed_when_others_agree() -> None:
    budget = Budget(1_000.0)
    run_alone(budget, "video", 6.0, 24.0)
    assert (budget.charges.price("video", 6.0), budget.charges.spent) == (6.0, 24.0)
    run_alone(budget, "video", 6.0, 24.0)
    teacher = budget.reserve("video", 6.0)
    assert isinstance(teacher, Reservation)
    assert (teacher.credits, teacher.learns_price, budget.charges.spent) == (24.0, True, 48.0)
    assert budget.reserve("video", 6.0) == "wait"
    budget.settle(teacher, 24.0)
    assert budget.charges.is_known("video")
    assert budget.charges.price("video", 6.0) == 24.0
    assert budget.charges.price("another", 6.0) == 6.0


def test_the_whole_estimate_is_reserved_for_a_model_that_costs_less() -> None:
    budget = Budget(1_000.0)
    run_alone(budget, "video", 10.0, 4.0, 4.0)
    assert not budget.charges.is_known("video"), "two of them may be lower for what came in"
    run_alone(budget, "video", 10.0, 4.0)
    assert budget.charges.price("video", 10.0) == 10.0
    assert budget.charges.spent == 12.0


def test_nothing_begins_beside_a_call_that_teaches_a_price() -> None:
    budget = Budget(1_000.0)
    run_alone(budget, "video", 6.0, 6.0)
    teacher = budget.reserve("unseen", 5.0)
    assert isinstance(teacher, Reservation)
    assert budget.reserve("video", 6.0) == "wait"
    assert budget.reserve("unseen", 5.0) == "wait"
    budget.settle(teacher, 5.0)
    assert isinstance(budget.reserve("video", 6.0), Reservation)


def test_without_a_cap_or_with_fixed_prices_no_call_waits() -> None:
    free, fixed = Budget(), Budget(100.0)
    assert all(isinstance(free.reserve(model, 50.0), Reservation) for model in "abcabc")
    assert all(isinstance(fixed.reserve("uni-1", 10.0, fixed=True), Reservation) for _ in range(10))
    assert fixed.reserve("uni-1", 10.0, fixed=True) == "wait"


@pytest.mark.parametrize("told", [None, 5_000.0])
def test_calls_that_tell_no_price_are_not_made_one_by_one_for_ever(told: float | None) -> None:
    budget = Budget(1_000.0)
    lessons = MAX_TRIAL_CALLS if told is None else 2 * MAX_TRIAL_CALLS
    run_alone(budget, "text", 6.0, *(None if told is None else told * 4**call for call in range(lessons)))
    assert all(isinstance(budget.reserve("text", 6.0), Reservation) for _ in range(3))


def test_a_call_that_others_overlapped_teaches_nothing() -> None:
    budget = Budget(10_000.0)
    run_alone(budget, "video", 6.0, 6.0, 6.0)
    holds = [budget.reserve("video", 6.0) for _ in range(3)]
    for number, hold in enumerate(holds):
        assert isinstance(hold, Reservation)
        budget.settle(hold, 6.0 * (number + 1))  # each counts those before it
    assert budget.charges.price("video", 6.0) == 6.0
    assert budget.charges.spent == 30.0


def test_sums_of_a_journal_are_restored() -> None:
    told: CostSource = "alone"
    sums = [
        ChargedCalls(model="video", estimated=6.0, cost=24.0, source=told, calls=2),
        ChargedCalls(model="text", estimated=1.0, cost=50.0, source="overlapped", calls=3),
    ]
    budget = Budget(120.0, Charges(sums), 30.0)
    assert budget.charges.spent == 51.0
    assert budget.charges.price("video", 6.0) == 24.0
    hold = budget.resume("video", 6.0, 24.0)
    assert budget.committed == 81.0
    budget.settle(hold, 6.0)
    assert (budget.charges.spent, budget.unresolved) == (75.0, 6.0)
    assert budget.reserve("text", 80.0) == "over"


def test_a_thousand_prices_in_dollars_fill_a_cap_to_the_credit() -> None:
    price = 0.0404 / 0.003
    budget = Budget(1_000 * price)
    holds = [hold for _ in range(1_001) if isinstance(hold := budget.reserve("uni-1", price, fixed=True), Reservation)]
    assert len(holds) == 1_000
    for hold in holds:
        budget.settle(hold, None)
    assert budget.charges.spent == pytest.approx(1_000 * price)
    assert budget.reserve("uni-1", price, fixed=True) == "over"


@pytest.mark.parametrize(
    ("told", "cost"),
    [(24, 24), (0, 0), (0.5, 0.5), (None, None), (-3, None), (math.inf, None), (math.nan, None), (10**400, None)],
)
def test_an_invalid_cost_counts_as_the_estimate(told: float | None, cost: float | None) -> None:
    assert valid_cost(told) == cost
    budget = Budget(100)
    run_alone(budget, "m", 7.0, valid_cost(told))
    assert 0 <= budget.charges.spent <= 24
    if cost is None:
        assert budget.charges.spent == 7.0


@given(data=st.data())
def test_what_processes_reserve_together_never_exceeds_the_cap(data: st.DataObject) -> None:
    """Each knows only what the account held when it looked last, and asks the account itself at the end."""
    cap = data.draw(st.floats(1.0, 200.0))
    account = {"reserved": 0.0, "spent": 0.0}
    budgets = [Budget(cap) for _ in range(3)]
    holds: list[tuple[Budget, Reservation]] = []
    for _ in range(data.draw(st.integers(1, 40))):
        budget = data.draw(st.sampled_from(budgets))
        match data.draw(st.sampled_from(["look", "reserve", "settle"])):
            case "look":
                budget.charges = Charges()
                budget.unresolved = account["reserved"] + account["spent"] - budget.booked
            case "reserve":
                fixed, estimated = data.draw(st.booleans()), data.draw(st.floats(0.1, 30.0))
                hold = budget.reserve_beside_others("m", estimated, fixed=fixed)
                if hold is None:
                    assert budget.committed + estimated > cap
                    continue
                assert estimated <= hold.credits <= (estimated if fixed else 4 * estimated) * (1 + 1e-9)
                assert not hold.alone
                if account["reserved"] + account["spent"] + hold.credits <= cap + 1e-6:
                    account["reserved"] += hold.credits
                    hold.booked = True
                    holds.append((budget, hold))
                else:
                    budget.release(hold)
            case _ if holds:
                owner, hold = holds.pop()
                account["reserved"] -= hold.credits
                account["spent"] += hold.estimated
                owner.settle(hold, hold.estimated)
            case _:
                pass
        assert account["reserved"] + account["spent"] <= cap + 1e-5
    assert sum(budget.booked for budget in budgets) == pytest.approx(account["reserved"])
