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
    "MOST_TRIAL_CALLS",
    "PLAUSIBLE_FACTOR",
    "ChargedCalls",
    "Charges",
    "CostSource",
    "are_same_price",
    "largest_cluster",
    "valid_amount",
    "valid_cost",
]

MOST_CREDITS: Final = 1e15
"""More than any account has: sums of floats are exact up to here."""
SAME_PRICE_FACTOR: Final = 1.3
"""Factor within which two amounts are the same price: prices drift, as that of video does (assumed)."""
PLAUSIBLE_FACTOR: Final = 10.0
"""Factor by which a charge may exceed its estimate and be believed with few votes (assumed)."""
CAP_MARGIN: Final = 1.25
"""Most by which calls of unknown cost count more under a cap than they have probably cost: so at least 0.8 of the cap
can be used."""
ENOUGH_SOURCES: Final = 3
"""Votes that must agree on a price before calls may overlap: one of two may be caused by another event."""
LATEST_CHARGES: Final = 7
"""Number of latest calls with transactions that determine the price."""
MOST_TRIAL_CALLS: Final = 8
"""Calls that run alone to learn a price if none reports its cost; twice as many if their costs don't agree. After them
the most probable price is used."""

CostSource: TypeAlias = Literal["overlapped", "alone", "listed"]
"""The source of a cost: the call itself, while others were under way; the call or the balance, while it ran alone; the
account's transactions."""


def valid_cost(told: float | None) -> float | None:
    """Return the cost that a call reported; None where it is invalid.

    It is a difference of balances, and negative after income: then it shows nothing about the cost.
    """
    known = valid_amount(told)
    return None if known is None or known < 0 else known


def valid_amount(told: float | None) -> float | None:
    """Return an amount of credits; None for one that is too large for any account."""
    return told if told is not None and abs(told) <= MOST_CREDITS else None


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

    def as_told_by(self, cost: float, source: CostSource) -> "ChargedCalls":
        """Return one such call with the cost by another source."""
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
    """Calls that ran alone and reported a cost, counted by estimate and cost."""
    _listed: Counter[tuple[float, float]] = field(factory=Counter[tuple[float, float]], init=False)
    """The same for calls with transactions."""
    _lately: "deque[float]" = field(factory=lambda: deque(maxlen=LATEST_CHARGES), init=False)
    """The latest of their ratios, as prices change."""
    _listed_cost: float = field(default=0.0, init=False)
    """Their total cost."""
    _untold: float = field(default=0.0, init=False)
    """The estimates of all other calls."""
    _unpriced: float = field(default=0.0, init=False)
    """The reported costs of calls without an estimate."""
    _least: float | None = field(default=None, init=False)
    """The lowest ratio that an overlapped call reported, which is nearest to its own cost."""
    _lessons: int = field(default=0, init=False)
    """Number of calls that ran alone."""
    _learned: _PriceRatio | None = field(default=None, init=False)

    def add(self, settled: ChargedCalls) -> None:
        """Add charged calls."""
        self._count(settled, settled.calls)
        if settled.source == "alone":
            self._lessons += settled.calls
            self._learned = None

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
        """The estimates of all calls."""
        return self._untold + _sum(self._alone, 0) + _sum(self._listed, 0)

    @property
    def spent(self) -> float:
        """The probable cost of all calls."""
        return self._total(self._ratio().typical)

    @property
    def counted(self) -> float:
        """The credits that count under a cap: somewhat more for calls of unknown cost."""
        learned = self._ratio()
        return self._total(min(learned.highest, CAP_MARGIN * learned.typical))

    def likely(self, settled: ChargedCalls) -> float:
        """Return the probable cost of one such call."""
        cost, estimated = settled.cost, settled.estimated
        if cost is not None and (settled.source == "listed" or not estimated):
            return cost
        typical = self._ratio().typical
        if cost is not None and settled.source == "alone" and self._believes(cost / estimated):
            return cost
        return estimated * typical

    def _count(self, settled: ChargedCalls, calls: int) -> None:
        cost, estimated = settled.cost, settled.estimated
        if not estimated:
            self._unpriced += calls * (cost or 0.0)
            return
        if cost is None or settled.source == "overlapped":
            self._untold += calls * estimated
            if cost and calls > 0 and (self._least is None or cost / estimated < self._least):
                self._least, self._learned = cost / estimated, None
            return
        if settled.source == "listed":
            self._listed_cost += calls * cost
            self._lately.extend([cost / estimated] * min(calls, LATEST_CHARGES))
        samples = self._listed if settled.source == "listed" else self._alone
        samples[estimated, cost] += calls
        if not samples[estimated, cost]:
            del samples[estimated, cost]
        self._learned = None

    def _total(self, ratio: float) -> float:
        """Return the total cost, with calls of unknown cost at this ratio."""
        total = self._unpriced + self._untold * ratio + self._listed_cost
        for (estimated, cost), calls in self._alone.items():
            total += calls * (cost if self._believes(cost / estimated) else estimated * ratio)
        return total

    def _believes(self, ratio: float) -> bool:
        """Tell whether the cost is plausible that a call reported which ran alone."""
        learned = self._ratio()
        return are_same_price(ratio, learned.typical) if learned.known else _is_plausible(ratio)

    def _ratio(self) -> _PriceRatio:
        if self._learned is None:
            self._learned = self._judge()
        return self._learned

    def _judge(self) -> _PriceRatio:
        if self._listed:
            return _ratio_from_transactions(self._listed, self._lately)
        if self._alone:
            return _ratio_from_single_calls(self._alone, self._lessons)
        least = self._least
        ratio = 1.0 if least is None or not are_same_price(least, 1.0, PLAUSIBLE_FACTOR) else least
        return _PriceRatio(typical=ratio, highest=ratio, known=self._lessons >= MOST_TRIAL_CALLS)


def _sum(samples: Mapping[tuple[float, float], int], which: int) -> float:
    return sum(calls * sample[which] for sample, calls in samples.items())


def are_same_price(one: float, other: float, factor: float = SAME_PRICE_FACTOR) -> bool:
    """Tell whether two amounts may be the same price."""
    return one <= factor * other and other <= factor * one


def _ratio_from_transactions(listed: Mapping[tuple[float, float], int], lately: Iterable[float]) -> _PriceRatio:
    """Learn the price from transactions; those far from the latest ones don't count for it."""
    middle = _median(sorted(Counter(lately).items()))
    same = {sample: calls for sample, calls in listed.items() if are_same_price(sample[1] / sample[0], middle)}
    highest = max(cost / estimated for estimated, cost in same)
    return _PriceRatio(typical=_sum(same, 1) / _sum(same, 0), highest=highest, known=True)


def _ratio_from_single_calls(alone: Mapping[tuple[float, float], int], lessons: int) -> _PriceRatio:
    """Learn the price from calls that ran alone: what most of them and the estimate agree on; of two, the higher."""
    told = Counter[float]({1.0: 1})
    for (estimated, cost), calls in alone.items():
        told[cost / estimated] += calls
    found = largest_cluster(sorted(told.items()), _votes_needed)
    if found is None:
        return _PriceRatio(typical=1.0, highest=1.0, known=lessons >= 2 * MOST_TRIAL_CALLS)
    low, high = found
    same = [(ratio, calls) for ratio, calls in sorted(told.items()) if low <= ratio <= high]
    votes = sum(calls for _, calls in same)
    return _PriceRatio(
        typical=_median(same), highest=high, known=votes >= ENOUGH_SOURCES or lessons >= 2 * MOST_TRIAL_CALLS
    )


def _votes_needed(ratio: float) -> int:
    return 2 if _is_plausible(ratio) else ENOUGH_SOURCES


def _is_plausible(ratio: float) -> bool:
    """Tell whether few votes are enough for a ratio: income lowers it, and spends of others raise it."""
    return 1.0 / SAME_PRICE_FACTOR <= ratio <= PLAUSIBLE_FACTOR


def largest_cluster(
    amounts: Sequence[tuple[float, int]], enough: Callable[[float], float]
) -> tuple[float, float] | None:
    """Return the span with the most amounts of the same price, the higher one of two; None if no span has enough.

    Amounts are sorted, each with its count. `enough` returns the required number for the highest amount of a span.
    """
    best: tuple[float, float] | None = None
    begin, count, most = 0, 0, 0
    for highest, times in amounts:
        count += times
        while not are_same_price(amounts[begin][0], highest):
            count -= amounts[begin][1]
            begin += 1
        if count >= max(enough(highest), most):
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
        """Their probable cost."""
        return sum([price.spent for price in self._prices.values()])

    @property
    def counted(self) -> float:
        """The credits that count under a cap."""
        return sum([price.counted for price in self._prices.values()])

    @property
    def estimated(self) -> float:
        """Their estimates."""
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

    def likely(self, settled: ChargedCalls) -> float:
        """Return the probable cost of one such call."""
        return self._price(settled.model).likely(settled)

    def _price(self, model: str) -> _ModelPrice:
        if model not in self._prices:
            self._prices[model] = _ModelPrice()
        return self._prices[model]
