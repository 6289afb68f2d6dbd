"""What a batch may still spend: against brute force, and never over the cap where prices hold."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.spending import Budget, Hold, Spent, charged, likely

MODELS = ("a", "b")
moves = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "settle", "free", "doubt"]),
        st.sampled_from(MODELS),
        st.integers(1, 9),
        st.floats(0.2, 4.0),
        st.integers(0, 5),
    ),
    max_size=80,
)


class Ledger:
    """Brute force: every call with what it was held for and what it cost, added up anew each time."""

    def __init__(self) -> None:
        self.open: list[Hold] = []
        self.settled: list[float] = []
        self.doubtful: list[float] = []
        self.ratios: dict[str, list[float]] = {}
        self.overlapped: set[int] = set()

    def begin(self, hold: Hold) -> None:
        self.open.append(hold)
        if len(self.open) > 1:
            self.overlapped |= {id(other) for other in self.open}

    def end(self, hold: Hold) -> None:
        self.open.remove(hold)

    @property
    def committed(self) -> float:
        return math.fsum([*self.settled, *self.doubtful, *(hold.credits for hold in self.open)])


@given(moves, st.integers(5, 200))
def test_the_budget_is_what_adding_up_gives(history: list[tuple[str, str, int, float, int]], cap: int) -> None:
    budget, ledger = Budget(float(cap)), Ledger()
    for what, model, estimated, drift, which in history:
        if what == "reserve":
            hold = budget.reserve(model, float(estimated))
            if isinstance(hold, Hold):
                assert ledger.committed + hold.credits <= cap + 1e-5
                assert hold.credits == pytest.approx(estimated * max([1.0, *ledger.ratios.get(model, [])]))
                if model not in ledger.ratios:
                    assert not ledger.open, "an unseen model starts with one row alone"
                ledger.begin(hold)
        elif ledger.open:
            hold = ledger.open[which % len(ledger.open)]
            ledger.end(hold)
            if what == "settle":
                cost = hold.estimated * drift
                budget.settle(hold, cost)
                ledger.settled.append(cost)
                if id(hold) not in ledger.overlapped:
                    ledger.ratios.setdefault(hold.model, []).append(drift)
            elif what == "free":
                budget.free(hold)
            else:
                budget.doubt(hold)
                ledger.doubtful.append(hold.credits)
        assert budget.committed == pytest.approx(ledger.committed)


@given(moves, st.integers(5, 200))
def test_where_costs_stay_within_the_estimate_the_cap_holds(
    history: list[tuple[str, str, int, float, int]], cap: int
) -> None:
    budget, charged, under_way = Budget(float(cap)), 0.0, list[Hold]()
    for what, model, estimated, drift, which in history:
        if what == "reserve":
            hold = budget.reserve(model, float(estimated))
            if isinstance(hold, Hold):
                under_way.append(hold)
        elif under_way:
            hold = under_way.pop(which % len(under_way))
            cost = 0.0 if what == "free" else hold.estimated * min(drift, 1.0)
            charged += cost
            if what == "settle":
                budget.settle(hold, cost)
            elif what == "free":
                budget.free(hold)
            else:
                budget.doubt(hold)
        assert charged + sum(hold.estimated for hold in under_way) <= cap + 1e-5


@given(moves, st.integers(20, 200))
def test_a_refusal_says_whether_waiting_can_help(history: list[tuple[str, str, int, float, int]], cap: int) -> None:
    """Brute force: `over` is when the call would not fit even if all that is under way cost nothing."""
    budget, under_way = Budget(float(cap)), list[Hold]()
    for what, model, estimated, drift, which in history:
        if what == "reserve":
            found = budget.reserve(model, float(estimated))
            if isinstance(found, Hold):
                under_way.append(found)
            elif found == "over":
                assert budget.settled + budget.doubtful + budget.price(model, float(estimated)) > cap
            else:
                assert under_way, "with nothing under way nobody would ever end the wait"
        elif under_way:
            budget.settle(under_way.pop(which % len(under_way)), drift)


def taught(cap: float, estimated: float, cost: float) -> Budget:
    """A budget that has seen one call alone."""
    budget = Budget(cap)
    first = budget.reserve("video", estimated)
    assert isinstance(first, Hold)
    budget.settle(first, cost)
    return budget


def test_what_was_estimated_at_6_and_charged_24_is_set_aside_fourfold_from_then_on() -> None:
    budget = taught(1_000.0, 6.0, 24.0)
    assert budget.price("video", 6.0) == 24.0
    assert budget.price("another", 6.0) == 6.0


def test_a_model_that_costs_less_than_estimated_is_still_set_aside_whole() -> None:
    assert taught(1_000.0, 10.0, 5.0).price("video", 10.0) == 10.0


def test_nothing_begins_beside_a_call_that_teaches_a_price() -> None:
    budget = taught(1_000.0, 6.0, 6.0)
    teacher = budget.reserve("unseen", 5.0)
    assert isinstance(teacher, Hold)
    assert budget.reserve("video", 6.0) == "wait"
    assert budget.reserve("unseen", 5.0) == "wait"
    budget.settle(teacher, 5.0)
    assert isinstance(budget.reserve("video", 6.0), Hold)


def test_without_a_cap_nobody_waits_and_with_fixed_prices_neither() -> None:
    free, fixed = Budget(), Budget(100.0)
    assert all(isinstance(free.reserve(model, 50.0), Hold) for model in "abcabc")
    assert all(isinstance(fixed.reserve("uni-1", 10.0, fixed=True), Hold) for _ in range(10))
    assert fixed.reserve("uni-1", 10.0, fixed=True) == "wait"


def test_a_call_that_others_overlapped_teaches_nothing() -> None:
    budget = taught(10_000.0, 6.0, 6.0)
    holds = [budget.reserve("video", 6.0) for _ in range(3)]
    for number, hold in enumerate(holds):
        assert isinstance(hold, Hold)
        budget.settle(hold, 6.0 * (number + 1))  # each counts those before it
    assert budget.price("video", 6.0) == 6.0


def test_the_balance_corrects_what_overlapping_calls_counted_twice_and_never_raises_it() -> None:
    budget = taught(100.0, 6.0, 6.0)
    holds = [hold for _ in range(10) if isinstance(hold := budget.reserve("video", 6.0), Hold)]
    for number, hold in enumerate(holds, 1):
        budget.settle(hold, 6.0 * number)
    assert budget.reserve("video", 6.0) == "over"
    budget.observe(66.0)
    assert budget.settled == 66.0
    assert isinstance(budget.reserve("video", 6.0), Hold)
    budget.observe(500.0)
    assert budget.settled == 66.0, "the others' spending is not ours"


def test_what_a_journal_added_up_is_taken_up_again() -> None:
    sums = [
        Spent(model="video", settled=24.0, estimated=6.0, open=30.0, ratio=4.0),
        Spent(model="text", settled=1.0, estimated=1.0, open=0.0, ratio=None),
    ]
    budget = Budget.resumed(sums, cap=100.0)
    assert budget.committed == 55.0
    assert budget.price("video", 6.0) == 24.0
    hold = budget.take_up("video", 6.0, 24.0)
    assert budget.committed == 55.0
    budget.settle(hold, 6.0)
    assert (budget.settled, budget.doubtful) == (31.0, 6.0)
    budget.found_out(6.0, 0.0)
    assert budget.committed == 31.0
    assert budget.reserve("text", 80.0) == "over"


def test_calls_that_overlapped_cost_no_more_than_those_that_ran_alone() -> None:
    alone = Spent(model="image", settled=24.0, estimated=6.0, open=0.0, ratio=4.0)
    overlapped = Spent(model="image", settled=5_000.0, estimated=60.0, open=7.0, ratio=4.0)
    cheaper = Spent(model="image", settled=50.0, estimated=60.0, open=0.0, ratio=0.5)
    told = Spent(model="text", settled=9.0, estimated=1.0, open=0.0, ratio=None)
    assert [likely([one]) for one in (alone, overlapped, cheaper, told)] == [24.0, 240.0, 50.0, 9.0]
    assert likely([overlapped, told]) == 249.0
    assert likely([]) == 0.0


def test_a_thousand_prices_in_dollars_fill_a_cap_to_the_credit() -> None:
    price = 0.0404 / 0.003
    budget = Budget(1_000 * price)
    holds = [hold for _ in range(1_001) if isinstance(hold := budget.reserve("uni-1", price, fixed=True), Hold)]
    assert len(holds) == 1_000


@pytest.mark.parametrize(
    ("told", "cost"),
    [(24, 24), (0, 0), (0.5, 0.5), (None, None), (-3, None), (math.inf, None), (math.nan, None), (10**400, None)],
)
def test_a_cost_that_is_none_counts_as_what_was_set_aside(told: float | None, cost: float | None) -> None:
    assert charged(told) == cost
    budget = Budget(100)
    hold = budget.reserve("m", 7.0)
    assert isinstance(hold, Hold)
    budget.settle(hold, charged(told))
    assert budget.settled == (7.0 if cost is None else cost)
