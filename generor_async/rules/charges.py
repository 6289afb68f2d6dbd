"""Learns the price of a model's calls from several sources, each of which may be wrong.

- The estimate: it "often differs" from the charge (documented; the documents' example is 6 estimated, 24 charged).
- The call's own `credit_cost`: a difference of balances (documented). So overlapping calls count each other, income
  such as a bonus or refund lowers it, even below zero, and spends of other users raise it.
- The account's transactions: one that names a creation of the call is the charge itself. They may be late, name
  nothing, or not be readable (their form is assumed).
- The balance before and after a call that runs alone, where the call itself reports nothing.

A price is a ratio of charge to estimate. It is learned from transactions if there are any. Otherwise it is learned from
calls that ran alone, with the estimate as one more vote: what two agree on is the probable price, and calls may overlap
when three agree. So a single event on the account changes neither reservations nor the reported spend, and a wrong
price is outvoted later. If the transactions can't be read and other users spend during most of these calls, their
spends can't be told from the price.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

from attrs import define, evolve, field, frozen

__all__ = [
    "CAP_MARGIN",
    "MAX_TRIAL_CALLS",
    "PLAUSIBLE_FACTOR",
    "ChargedCalls",
    "Charges",
    "CostSource",
    "are_same_price",
    "largest_cluster",
    "valid_amount",
    "valid_cost",
]

MAX_CREDITS: Final = 1e15
"""More credits than any account has; up to here, sums of floats are exact to a fraction of a credit."""
SAME_PRICE_FACTOR: Final = 1.3
"""Factor within which two amounts are the same price: prices drift, as that of video does (assumed)."""
PLAUSIBLE_FACTOR: Final = 10.0
"""Factor by which a charge may exceed its estimate and be believed with few votes (assumed)."""
CAP_MARGIN: Final = 1.25
"""Under a cap, calls of unknown cost count at most this factor times their probable cost, so that at least 0.8 of the
cap can be used."""
VOTES_BEFORE_OVERLAP: Final = 3
"""Number of votes that must agree on a price before calls may overlap; of two, one may come from another event."""
LATEST_CHARGES: Final = 7
"""Number of latest calls with transactions that determine the price."""
MAX_TRIAL_CALLS: Final = 8
"""Number of calls that run alone to learn a price if none reports its cost; twice as many if their costs don't agree.
Then the most probable price is used."""

CostSource: TypeAlias = Literal["overlapped", "alone", "listed"]
"""The source of a cost. "overlapped": reported by the call, while others were under way; "alone": reported by the call,
or by the balance, while it ran alone; "listed": the account's transactions."""


def valid_cost(reported: float | None) -> float | None:
    """Return the cost that a call reported, or None if it can't be one.

    It is a difference of balances: if it is negative, the account had income during the call.
    """
    cost = valid_amount(reported)
    return None if cost is None or cost < 0 else cost


def valid_amount(reported: float | None) -> float | None:
    """Return an amount of credits, or None if it is too large for any account."""
    return reported if reported is not None and abs(reported) <= MAX_CREDITS else None


@frozen(kw_only=True)
class ChargedCalls:
    """Charged calls with the same estimate and cost."""

    model: str
    estimated: float
    """Credits, for each of them."""
    cost: float | None
    """Reported credits, for each of them; None where nothing was reported."""
    source: CostSource
    calls: int = 1

    def with_cost(self, cost: float, source: CostSource) -> "ChargedCalls":
        """Return one of these calls, with the cost from another source."""
        return evolve(self, cost=cost, source=source, calls=1)


@frozen(kw_only=True)
class _PriceRatio:
    """The price of a model, as ratios of charge to estimate."""

    typical: float
    highest: float
    known: bool
    """Whether enough sources agree on it, or trials have ended."""


@define
class _ModelPrice:
    """The charged calls of one model."""

    _alone: Counter[tuple[float, float]] = field(factory=Counter[tuple[float, float]], init=False)
    """Number of calls that ran alone and reported a cost, by (estimate, cost)."""
    _listed: Counter[tuple[float, float]] = field(factory=Counter[tuple[float, float]], init=False)
    """Number of calls with transactions, by (estimate, cost)."""
    _latest_ratios: "deque[float]" = field(factory=lambda: deque(maxlen=LATEST_CHARGES), init=False)
    """The ratios of the latest calls with transactions, as prices change."""
    _listed_cost: float = field(default=0.0, init=False)
    """The total cost of calls with transactions."""
    _estimates_without_cost: float = field(default=0.0, init=False)
    """The total estimate of all other calls: they reported no cost, or one that overlaps with others."""
    _costs_without_estimate: float = field(default=0.0, init=False)
    """The total reported cost of calls whose estimate is 0."""
    _lowest_ratio: float | None = field(default=None, init=False)
    """The lowest ratio that an overlapped call reported: it has the least of other calls' costs in it."""
    _calls_alone: int = field(default=0, init=False)
    """Number of calls that ran alone."""
    _cached_ratio: _PriceRatio | None = field(default=None, init=False)

    def add(self, settled: ChargedCalls) -> None:
        """Add charged calls."""
        self._count(settled, settled.calls)
        if settled.source == "alone":
            self._calls_alone += settled.calls
            self._cached_ratio = None

    def correct(self, settled: ChargedCalls, better: ChargedCalls) -> None:
        """Replace the cost of one call by that of a better source."""
        self._count(settled, -1)
        self._count(better, 1)

    @property
    def is_known(self) -> bool:
        """Whether the price is known, so that calls may overlap."""
        return self._ratio().known

    @property
    def highest(self) -> float:
        """The highest ratio of charge to estimate that sources agree on."""
        return self._ratio().highest

    @property
    def estimated(self) -> float:
        """The total estimate of all calls."""
        return self._estimates_without_cost + _total_estimate(self._alone) + _total_estimate(self._listed)

    @property
    def spent(self) -> float:
        """The probable cost of all calls."""
        return self._total(self._ratio().typical)

    @property
    def counted(self) -> float:
        """The credits that count under a cap: somewhat more for calls of unknown cost."""
        learned = self._ratio()
        return self._total(min(learned.highest, CAP_MARGIN * learned.typical))

    def probable_cost(self, settled: ChargedCalls) -> float:
        """Return the probable cost of one of these calls."""
        cost, estimated = settled.cost, settled.estimated
        if cost is not None and (settled.source == "listed" or not estimated):
            return cost
        typical = self._ratio().typical
        if cost is not None and settled.source == "alone" and self._is_believable(cost / estimated):
            return cost
        return estimated * typical

    def _count(self, settled: ChargedCalls, calls: int) -> None:
        cost, estimated = settled.cost, settled.estimated
        if not estimated:
            self._costs_without_estimate += calls * (cost or 0.0)
            return
        if cost is None or settled.source == "overlapped":
            self._estimates_without_cost += calls * estimated
            if cost and calls > 0 and (self._lowest_ratio is None or cost / estimated < self._lowest_ratio):
                self._lowest_ratio, self._cached_ratio = cost / estimated, None
            return
        if settled.source == "listed":
            self._listed_cost += calls * cost
            self._latest_ratios.extend([cost / estimated] * min(calls, LATEST_CHARGES))
        samples = self._listed if settled.source == "listed" else self._alone
        samples[estimated, cost] += calls
        if not samples[estimated, cost]:
            del samples[estimated, cost]
        self._cached_ratio = None

    def _total(self, ratio: float) -> float:
        """Return the total cost, with calls of unknown cost at this ratio."""
        total = self._costs_without_estimate + self._estimates_without_cost * ratio + self._listed_cost
        for (estimated, cost), calls in self._alone.items():
            total += calls * (cost if self._is_believable(cost / estimated) else estimated * ratio)
        return total

    def _is_believable(self, ratio: float) -> bool:
        """Tell whether a ratio that a call reported while it ran alone can be its own cost."""
        learned = self._ratio()
        return are_same_price(ratio, learned.typical) if learned.known else _is_plausible(ratio)

    def _ratio(self) -> _PriceRatio:
        if self._cached_ratio is None:
            self._cached_ratio = self._compute_ratio()
        return self._cached_ratio

    def _compute_ratio(self) -> _PriceRatio:
        if self._listed:
            return _ratio_from_transactions(self._listed, self._latest_ratios)
        if self._alone:
            return _ratio_from_single_calls(self._alone, self._calls_alone)
        least = self._lowest_ratio
        ratio = 1.0 if least is None or not are_same_price(least, 1.0, PLAUSIBLE_FACTOR) else least
        return _PriceRatio(typical=ratio, highest=ratio, known=self._calls_alone >= MAX_TRIAL_CALLS)


def _total_estimate(samples: Mapping[tuple[float, float], int]) -> float:
    return sum(calls * estimated for (estimated, _), calls in samples.items())


def _total_cost(samples: Mapping[tuple[float, float], int]) -> float:
    return sum(calls * cost for (_, cost), calls in samples.items())


def are_same_price(one: float, other: float, factor: float = SAME_PRICE_FACTOR) -> bool:
    """Tell whether two amounts may be the same price."""
    return one <= factor * other and other <= factor * one


def _ratio_from_transactions(listed: Mapping[tuple[float, float], int], latest: Iterable[float]) -> _PriceRatio:
    """Learn the price from the transactions that agree with the median of the latest ones."""
    median = _median(sorted(Counter(latest).items()))
    same = {sample: calls for sample, calls in listed.items() if are_same_price(sample[1] / sample[0], median)}
    highest = max(cost / estimated for estimated, cost in same)
    return _PriceRatio(typical=_total_cost(same) / _total_estimate(same), highest=highest, known=True)


def _ratio_from_single_calls(alone: Mapping[tuple[float, float], int], calls_alone: int) -> _PriceRatio:
    """Learn the price from calls that ran alone: the ratio with the most votes, or the higher of two.

    Each call has a vote, and the estimate has one for a ratio of 1.
    """
    votes = Counter[float]({1.0: 1})
    trials_ended = calls_alone >= 2 * MAX_TRIAL_CALLS
    for (estimated, cost), calls in alone.items():
        votes[cost / estimated] += calls
    cluster = largest_cluster(sorted(votes.items()), _votes_needed)
    if cluster is None:
        return _PriceRatio(typical=1.0, highest=1.0, known=trials_ended)
    low, high = cluster
    same = [(ratio, count) for ratio, count in sorted(votes.items()) if low <= ratio <= high]
    agreed = sum(count for _, count in same) >= VOTES_BEFORE_OVERLAP
    return _PriceRatio(typical=_median(same), highest=high, known=agreed or trials_ended)


def _votes_needed(ratio: float) -> int:
    return 2 if _is_plausible(ratio) else VOTES_BEFORE_OVERLAP


def _is_plausible(ratio: float) -> bool:
    """Tell whether two votes are enough for a ratio. Income lowers a ratio, and other users' spends raise it."""
    return 1.0 / SAME_PRICE_FACTOR <= ratio <= PLAUSIBLE_FACTOR


def largest_cluster(
    amounts: Sequence[tuple[float, int]], votes_needed: Callable[[float], float]
) -> tuple[float, float] | None:
    """Return the lowest and highest amount of the largest group that may be one price, or None if none has the votes.

    `amounts` are sorted pairs of amount and count. `votes_needed` returns the count that a group with this highest
    amount must have. Of two equal groups, the higher one is returned.
    """
    best: tuple[float, float] | None = None
    begin, count, most = 0, 0, 0
    for highest, times in amounts:
        count += times
        while not are_same_price(amounts[begin][0], highest):
            count -= amounts[begin][1]
            begin += 1
        if count >= max(votes_needed(highest), most):
            best, most = (amounts[begin][0], highest), count
    return best


def _median(ratios: Sequence[tuple[float, int]]) -> float:
    """Return the lower median of sorted ratios, each with its count."""
    left = (sum(calls for _, calls in ratios) + 1) // 2
    for ratio, calls in ratios:
        left -= calls
        if left <= 0:
            return ratio
    raise AssertionError


class Charges:
    """The charged calls of a batch, in credits."""

    def __init__(self, settled: Iterable[ChargedCalls] = ()) -> None:
        self._prices: dict[str, _ModelPrice] = {}
        for calls in settled:
            self._price(calls.model).add(calls)

    @property
    def spent(self) -> float:
        """The probable cost of all calls."""
        return sum([price.spent for price in self._prices.values()])

    @property
    def counted(self) -> float:
        """The credits that count under a cap."""
        return sum([price.counted for price in self._prices.values()])

    @property
    def estimated(self) -> float:
        """The total estimate of all calls."""
        return sum([price.estimated for price in self._prices.values()])

    def add(self, settled: ChargedCalls) -> None:
        """Add charged calls."""
        self._price(settled.model).add(settled)

    def correct(self, settled: ChargedCalls, better: ChargedCalls) -> None:
        """Replace the cost of one call by that of a better source."""
        self._price(settled.model).correct(settled, better)

    def is_known(self, model: str) -> bool:
        """Tell whether the price of a model is known, so that its calls may overlap."""
        return self._price(model).is_known

    def price(self, model: str, estimated: float) -> float:
        """Return the credits to reserve for a call of this estimate, at least as many as estimated."""
        return estimated * max(1.0, self._price(model).highest)

    def probable_cost(self, settled: ChargedCalls) -> float:
        """Return the probable cost of one of these calls."""
        return self._price(settled.model).probable_cost(settled)

    def _price(self, model: str) -> _ModelPrice:
        if model not in self._prices:
            self._prices[model] = _ModelPrice()
        return self._prices[model]
