"""Learned prices against a brute-force account with other events."""

import heapq
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Literal

import pytest
from attrs import define, evolve, field, frozen
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples, runs

from generor_async.batch.budget_gate import FEW_CALLS, PRICE_RISE
from generor_async.rules.budget import Budget, Reservation
from generor_async.rules.charges import MAX_TRIAL_CALLS, ChargedCalls, Charges, CostSource, valid_cost
from generor_async.rules.spend_attribution import SpendAmount, UnattributedCall, attribute_spends

ESTIMATED = 6.0
EVENTS = {"spend": -1, "daily_bonus": 1, "purchase": 1, "refund": 1, "gift_sent": -1}


@frozen(kw_only=True)
class World:
    """An account, and who else uses it."""

    seed: int
    ratio: float
    """What is charged for each credit of the estimate."""
    drift: float
    """By how much that varies from call to call, as a share of it."""
    cost: Literal["difference", "null", "absurd"]
    """What `credit_cost` is: as documented, or nothing."""
    charged_at: Literal["start", "end"]
    listing: Literal["named", "unnamed", "unreadable"]
    lag: float
    """Seconds after which a transaction is listed."""
    balance: Literal["told", "untold"]
    events: Sequence[tuple[float, str, int]]
    """When, what and how much: times are shares of the run."""
    concurrency: int
    calls: int
    """How many mean calls the cap allows."""
    raised: tuple[float, float] = (1.0, 1.0)
    """When the price is changed, as a share of the run, and by what factor."""


@define
class Account:
    """The truth: every change of the balance, and what of it was ours."""

    world: World
    balance: float = 10_000.0
    ledger: float = 0.0
    spends: list[tuple[float, SpendAmount]] = field(factory=list[tuple[float, SpendAmount]])
    """When each is listed, in the order of their ids."""

    def charge(self, at: float, cost: float, call: int) -> None:
        self.ledger += cost
        self.change(at, "spend", cost, f"ours-{call}")

    def change(self, at: float, kind: str, amount: float, creation: str) -> None:
        self.balance += EVENTS[kind] * amount
        if kind == "spend":
            name = creation if self.world.listing == "named" else None
            self.spends.append((at + self.world.lag, SpendAmount(amount, name)))


@define(eq=False)
class Run:
    """One call on its way."""

    number: int
    hold: Reservation
    price: float
    before: float


class Batch:
    """A batch against it: as many calls as may be under way at once, until the cap allows no more."""

    def __init__(self, world: World) -> None:
        self.world, self.account = world, Account(world)
        self.dice = Random(world.seed)
        self.budget = Budget(world.calls * ESTIMATED * world.ratio)
        self.now, self.ended, self.looked = 0.0, 0, -1
        self.unlisted: dict[int, UnattributedCall] = {}
        self.others: list[SpendAmount] = []
        self.silent: UnattributedCall | None = None
        self.balance: float | None = None
        self.read = 0
        self.length = 30.0 * world.calls / world.concurrency
        self.highest = 0.0
        """The highest price of all calls."""
        self.drifted = 0.0
        """What calls cost beyond what was set aside for them, the most that were ever under way at once."""

    def run(self) -> None:
        due: list[tuple[float, int, Callable[[], None]]] = []
        for number in range(200):
            heapq.heappush(due, (60.0 + 600 * number, -1_000 - number, self.look))
        for place, (share, kind, amount) in enumerate(self.world.events):
            heapq.heappush(due, (share * self.length, -place - 1, self._event(kind, amount)))
        under_way, numbers = list[Run](), iter(range(1_000_000))
        while True:
            while len(under_way) < self.world.concurrency:
                given_ = self._reserve()
                if not isinstance(given_, Reservation):
                    break
                run = self._begin(next(numbers), given_)
                under_way.append(run)
                seconds = self.dice.uniform(10, 50)
                end: Callable[[], None] = partial(self._end, run, under_way)
                heapq.heappush(due, (self.now + seconds, run.number + 1, end))
            if not under_way:
                return
            assert self.now < 100_000
            self.now, _, act = heapq.heappop(due)
            act()
            assert self.budget.charges.spent >= 0
            drift = sum(max(0.0, run.price - run.hold.credits) for run in under_way)
            self.drifted = max(self.drifted, drift)

    def _event(self, kind: str, amount: int) -> Callable[[], None]:
        return lambda: self.account.change(self.now, kind, amount, "theirs")

    def _reserve(self) -> Reservation | str:
        if not self.budget.charges.is_known("m"):
            self.look_if_new()
            self.read_balance()
        elif (since := self.ended - self.looked) >= FEW_CALLS and since * self.price * PRICE_RISE >= self.left:
            self.look_if_new()
        given_ = self.budget.reserve("m", ESTIMATED)
        if given_ == "over" and self.look_if_new():
            given_ = self.budget.reserve("m", ESTIMATED)
        return given_

    @property
    def price(self) -> float:
        return self.budget.charges.price("m", ESTIMATED)

    @property
    def left(self) -> float:
        return self.budget.cap - self.budget.committed

    def _begin(self, number: int, hold: Reservation) -> Run:
        price = ESTIMATED * self.world.ratio * (1 + self.world.drift * self.dice.random())
        changed, factor = self.world.raised
        price *= factor if changed < 1.0 and self.now >= changed * self.length else 1.0
        self.highest = max(self.highest, price)
        run = Run(number, hold, price, self.account.balance)
        if self.world.charged_at == "start":
            self.account.charge(self.now, price, number)
        return run

    def _end(self, run: Run, under_way: list[Run]) -> None:
        under_way.remove(run)
        if self.world.charged_at == "end":
            self.account.charge(self.now, run.price, run.number)
        told = {"difference": run.before - self.account.balance, "null": None, "absurd": 1e300}[self.world.cost]
        settled = self.budget.settle(run.hold, valid_cost(told))
        self.ended += 1
        call = UnattributedCall(number=run.number, remote_ids=(f"ours-{run.number}",), settled=settled)
        self.unlisted[run.number] = call
        if run.hold.learns_price and valid_cost(told) is None:
            self.silent = call

    def look_if_new(self) -> bool:
        if self.ended == self.looked:
            return False
        self.looked, before = self.ended, self.budget.committed
        self.look()
        return self.budget.committed < before - 1e-6

    def look(self) -> None:
        if self.world.listing == "unreadable":
            return
        fresh = [spend for listed, spend in self.account.spends[self.read :] if listed <= self.now]
        self.read += len(fresh)
        told, self.others = attribute_spends(
            list(self.unlisted.values()), [*self.others, *fresh], self.budget.charges.probable_cost, names=False
        )
        for number, cost in told.items():
            settled = self.unlisted.pop(number).settled
            self.budget.charges.correct(settled, settled.with_cost(cost, "listed"))
            if self.silent is not None and self.silent.number == number:
                self.silent = None

    def read_balance(self) -> None:
        silent, before, self.silent = self.silent, self.balance, None
        if silent is None or self.world.balance == "untold":
            return
        self.balance = self.account.balance
        cost = None if before is None else valid_cost(before - self.balance)
        if cost:
            better = silent.settled.with_cost(cost, "alone")
            self.budget.charges.correct(silent.settled, better)
            self.unlisted[silent.number] = evolve(silent, settled=better)


events = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from(list(EVENTS)), st.sampled_from([1, 6, 24, 250, 500, 10_000])),
    max_size=12,
)
worlds = st.builds(
    World,
    seed=st.integers(0, 2**32),
    ratio=st.sampled_from([1.0, 4.0, 0.25]),
    drift=st.sampled_from([0.0, 0.0, 0.25]),
    cost=st.sampled_from(["difference", "difference", "null", "absurd"]),
    charged_at=st.sampled_from(["start", "end"]),
    listing=st.just("named"),
    lag=st.sampled_from([0.0, 5.0]),
    balance=st.sampled_from(["told", "untold"]),
    events=events,
    concurrency=st.integers(1, 12),
    calls=st.integers(40, 80),
)


def raised(world: World, when: float, factor: float) -> World:
    return evolve(world, raised=(when, factor), lag=0.0)


raised_worlds = st.builds(raised, worlds, st.floats(0, 1), st.sampled_from([1.5, 2.0, 4.0, 0.5, 0.25]))
"""Those in which the price is changed; what is listed late is charged beyond the cap until then."""


def drawn(seed: int) -> World:
    """Draw a world of any kind: transactions may name nothing, come late, or not be readable at all."""
    dice = Random(seed)  # to be repeated
    listing: Literal["named", "unnamed", "unreadable"] = dice.choice(["named", "unnamed", "unreadable"])
    told = dice.choice(["cost", "balance"]) if listing != "named" else dice.choice(["cost", "balance", "list"])
    return World(
        seed=seed,
        ratio=dice.choice([1.0, 4.0, 0.25]),
        drift=0.0 if listing == "unreadable" else dice.choice([0.0, 0.25]),
        cost="difference" if told == "cost" else dice.choice(["null", "absurd"]),
        charged_at=dice.choice(["start", "end"]),
        listing=listing,
        lag=dice.choice([0.0, 5.0, 300.0]) if told != "list" else 0.0,
        balance="told" if told == "balance" else dice.choice(["told", "untold"]),
        events=[
            (
                dice.uniform(0.0, 1.0),
                dice.choice(list(EVENTS)),
                round(10 ** dice.uniform(0, 4)),
            )
            for _ in range(dice.randrange(9))
        ],
        concurrency=dice.randint(1, 8),
        calls=dice.randint(100, 200),
    )


def check_cap(batch: Batch) -> None:
    """Hold the ledger against the cap: what it is over is no more than what calls in flight may have cost beyond."""
    in_flight = max(batch.world.concurrency, MAX_TRIAL_CALLS) * batch.highest
    assert batch.account.ledger <= batch.budget.cap + in_flight
    assert batch.account.ledger >= 0.8 * batch.budget.cap - in_flight


@examples(100)
@given(worlds | raised_worlds)
def test_whatever_happens_on_the_account_the_cap_is_kept_and_used_and_the_reported_spend_is_right(
    world: World,
) -> None:
    batch = Batch(world)
    batch.run()
    batch.look()
    check_cap(batch)
    assert batch.budget.charges.spent == pytest.approx(batch.account.ledger, rel=0.05)


@pytest.mark.parametrize("seed", range(runs(20)))
def test_so_it_is_where_the_account_tells_late_or_little(seed: int) -> None:
    batch = Batch(drawn(seed))
    batch.run()
    check_cap(batch)
    batch.now += batch.world.lag
    batch.look()
    assert batch.budget.charges.spent == pytest.approx(batch.account.ledger, rel=0.05)


@pytest.mark.parametrize("seed", range(runs(20)))
def test_so_it_is_where_a_price_is_changed_in_the_midst_and_the_account_tells_in_time(seed: int) -> None:
    dice = Random(-seed - 1)  # to be repeated
    world = evolve(drawn(seed), listing=dice.choice(["named", "unnamed"]), lag=dice.choice([0.0, 5.0]))
    factor = dice.choice([2.0, 1.5, 0.5, 0.25 if world.listing == "named" else 1.0, 4.0 if world.ratio < 4 else 1.0])
    batch = Batch(evolve(world, raised=(dice.uniform(0.1, 0.9), factor)))
    batch.run()
    check_cap(batch)
    batch.now += world.lag
    batch.look()
    assert batch.budget.charges.spent == pytest.approx(batch.account.ledger, rel=0.05)


# --- each rule by itself ----------------------------------------------------------------------------------------------


def alone(*costs: float | None, estimated: float = 6.0) -> Charges:
    return Charges(ChargedCalls(model="m", estimated=estimated, cost=cost, source="alone") for cost in costs)


def of(witness: CostSource, cost: float | None, calls: int = 1) -> ChargedCalls:
    return ChargedCalls(model="m", estimated=6.0, cost=cost, source=witness, calls=calls)


def test_a_spend_of_another_user_during_the_first_call_is_no_price() -> None:
    charges = alone(506.0)
    assert (charges.price("m", 6.0), charges.spent, charges.is_known("m")) == (6.0, 6.0, False)
    charges.add(of("alone", 6.0))
    assert (charges.price("m", 6.0), charges.spent, charges.is_known("m")) == (6.0, 12.0, False)
    charges.add(of("alone", 6.0))
    assert (charges.price("m", 6.0), charges.spent, charges.is_known("m")) == (6.0, 18.0, True)


def test_a_purchase_that_makes_a_cost_equal_its_estimate_confirms_no_price() -> None:
    """A call cost 24 and 19 came in meanwhile: with the estimate of 6 it is one of two, and they are wrong."""
    charges = alone(5.0)
    assert (charges.price("m", 6.0), charges.is_known("m")) == (6.0, False)
    charges.add(of("alone", 24.0))
    assert not charges.is_known("m")
    charges.add(of("alone", 24.0))
    charges.add(of("alone", 24.0))
    assert (charges.price("m", 6.0), charges.is_known("m")) == (24.0, True)
    assert charges.spent == 96.0


def test_a_bonus_in_the_midst_makes_nothing_cheaper() -> None:
    charges = alone(6.0, 6.0)
    charges.add(of("overlapped", valid_cost(-244.0)))
    assert charges.spent == 18.0
    charges.add(of("alone", valid_cost(-4.0)))
    assert charges.spent == 24.0


def test_a_price_that_was_learned_wrongly_is_unlearned() -> None:
    charges = alone(7.0)  # one credit of somebody else's
    charges.add(of("overlapped", None, calls=3))
    assert (charges.price("m", 6.0), charges.spent) == (7.0, 25.0)
    charges.add(of("listed", 6.0))
    assert (charges.price("m", 6.0), charges.spent) == (6.0, 31.0)


def test_costs_by_transactions_take_precedence() -> None:
    told = of("alone", 506.0)
    charges = Charges([told])
    charges.correct(told, told.with_cost(24.0, "listed"))
    assert (charges.spent, charges.price("m", 6.0), charges.is_known("m")) == (24.0, 24.0, True)
    charges.add(of("listed", 500.0))
    charges.add(of("listed", 24.0))
    assert (charges.spent, charges.price("m", 6.0)) == (548.0, 24.0), "what is far from the rest counts, as no price"


def test_a_price_far_from_the_estimate_takes_three_calls() -> None:
    assert not alone(600.0, 600.0).is_known("m")
    assert alone(600.0, 600.0, 600.0).price("m", 6.0) == 600.0
    assert alone(1.5, 1.5).spent == 12.0
    assert alone(1.5, 1.5, 1.5).spent == 4.5


def test_calls_that_all_overlapped_cost_the_lowest_reported_ratio() -> None:
    told = of("overlapped", 24.0, calls=10)  # the least of ten
    assert Charges([told]).spent == 240.0
    assert Charges([of("overlapped", 5_000.0, calls=10)]).spent == 60.0, "no price is that far off"
    assert Charges([of("overlapped", None, calls=10)]).spent == 60.0


def test_calls_without_an_estimate_cost_what_they_reported() -> None:
    charges = Charges([ChargedCalls(model="m", estimated=0.0, cost=3.0, source="alone", calls=2)])
    assert (charges.spent, charges.estimated, charges.price("m", 0.0)) == (6.0, 0.0, 0.0)


def call(number: int, settled: ChargedCalls, *ids: str) -> UnattributedCall:
    return UnattributedCall(number=number, remote_ids=ids, settled=settled)


def test_a_spend_that_names_a_creation_is_that_calls_and_of_several_the_sum() -> None:
    calls = [call(1, of("overlapped", 99.0), "a", "b"), call(2, of("alone", 6.0), "c")]
    spends = [SpendAmount(5.0, "a"), SpendAmount(7.0, "b"), SpendAmount(6.0, "x"), SpendAmount(500.0, None)]
    told, others = attribute_spends(calls, spends, Charges().probable_cost, names=False)
    assert (told, others) == ({1: 12.0}, [SpendAmount(6.0, "x")]), "where some are named, an unnamed one is nobody's"


def test_amounts_that_name_nothing_are_given_to_calls_that_may_have_cost_them() -> None:
    calls = [call(1, of("alone", 506.0)), call(2, of("overlapped", 99.0)), call(3, of("alone", 24.0))]
    spends = [SpendAmount(amount, None) for amount in (500.0, 24.0, 6.0, 6.5)]
    told, others = attribute_spends(calls, spends, Charges().probable_cost, names=False)
    assert told == {1: 6.0, 2: 6.5, 3: 24.0}
    assert others == [SpendAmount(500.0, None)]


def test_as_many_equal_amounts_as_calls_are_theirs_whatever_the_estimate_was() -> None:
    calls = [call(number, of("overlapped", None)) for number in range(4)]
    spends = [SpendAmount(amount, None) for amount in (24.0, 24.0, 23.0, 24.0, 900.0, 901.0, 902.0)]
    told, others = attribute_spends(calls, spends, Charges().probable_cost, names=False)
    assert sum(told.values()) == 95.0
    assert others == [SpendAmount(900.0, None), SpendAmount(901.0, None), SpendAmount(902.0, None)]
