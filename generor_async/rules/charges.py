"""What a model's calls have cost, told by witnesses that may each be wrong.

- The estimate: "often differs" from the charge, says the documentation, whose own example is 6 estimated, 24 charged.
- The call's own `credit_cost`: a difference of balances (documented). Calls that overlap count each other; a bonus, a
  purchase or a refund that comes in meanwhile lowers it, below zero if need be; what another user of the account
  spends raises it.
- The account's transactions: one that names a creation of the call is the charge itself. They may come late, name
  nothing, or not be readable (their form is assumed).
- The balance, read before and after a call that runs alone: where the call itself tells nothing, this is the same.

A price is a ratio of charge to estimate. It is learned from transactions where there are any, else from calls that ran
alone, among which the estimate has a vote: what two agree on is likely the price, and calls overlap when three do. So
an event on the account that no call explains changes neither what is set aside nor what is told as spent, and a price
that was learned wrongly is unlearned as soon as others outvote it. Where the transactions can't be read and events fall
among most of these calls, nobody can tell: a spend of another user within each of them looks like their price.
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
"""The factor within which two amounts are the same price, which drifts, as that of video does (assumed)."""
PLAUSIBLE_FACTOR: Final = 10.0
"""The factor by which a charge may be above its estimate and be believed of few witnesses (assumed)."""
CAP_MARGIN: Final = 1.25
"""The most by which calls whose charge nobody names count more under a cap than they have likely cost: so at least 0.8
of the cap can be used."""
ENOUGH_SOURCES: Final = 3
"""How many witnesses must agree on a price before calls may overlap: of two, what else happens may have made one."""
LATEST_CHARGES: Final = 7
"""How many calls that the transactions told of last tell the price."""
MOST_TRIAL_CALLS: Final = 8
"""How many calls run alone to learn a price, where none tells its cost; twice as many where some do, and don't agree.
After that the likeliest price it is."""

CostSource: TypeAlias = Literal["overlapped", "alone", "listed"]
"""Who told a cost: the call itself, while others were under way; the call itself, or the balance, while it ran alone;
the account's transactions."""


def valid_cost(told: float | None) -> float | None:
    """Return what a call has cost by its own account; None where that is no price.

    A difference of balances may be negative, where something came in meanwhile: it tells nothing of the cost then.
    """
    known = valid_amount(told)
    return None if known is None or known < 0 else known


def valid_amount(told: float | None) -> float | None:
    """Return an amount of credits that can be added up; None for one that no account can have."""
    return told if told is not None and abs(told) <= MOST_CREDITS else None


@frozen(kw_only=True)
class ChargedCalls:
    """Calls that were charged, of one estimate and one cost."""

    model: str
    estimated: float
    """Credits, for each of them."""
    cost: float | None
    """Credits that each of them cost, as it was told; None where nobody said."""
    source: CostSource
    calls: int = 1

    def as_told_by(self, cost: float, source: CostSource) -> "ChargedCalls":
        """Return one such call as another witness tells of it."""
        return evolve(self, cost=cost, source=source, calls=1)


@frozen(kw_only=True)
class _PriceRatio:
    """What is known of a price, as ratios of charge to estimate."""

    typical: float
    highest: float
    known: bool
    """Whether enough witnesses agree on it, or no more are heard."""


@define
class _ModelPrice:
    """What one model's calls have cost."""

    _alone: Counter[tuple[float, float]] = field(factory=Counter[tuple[float, float]], init=False)
    """Calls that ran alone and told a cost, by estimate and cost."""
    _listed: Counter[tuple[float, float]] = field(factory=Counter[tuple[float, float]], init=False)
    """Calls whose charge the transactions tell, likewise."""
    _lately: "deque[float]" = field(factory=lambda: deque(maxlen=LATEST_CHARGES), init=False)
    """The ratios of those that were told last: prices are changed."""
    _listed_cost: float = field(default=0.0, init=False)
    """What these cost, kept beside as there may be many kinds of them."""
    _untold: float = field(default=0.0, init=False)
    """What all others were estimated at."""
    _unpriced: float = field(default=0.0, init=False)
    """What calls without an estimate say that they cost."""
    _least: float | None = field(default=None, init=False)
    """The lowest ratio that a call told which others overlapped: nearest to its own cost."""
    _lessons: int = field(default=0, init=False)
    """Calls that ran alone, whatever they told."""
    _learned: _PriceRatio | None = field(default=None, init=False)

    def add(self, settled: ChargedCalls) -> None:
        """Count calls that were charged."""
        self._count(settled, settled.calls)
        if settled.source == "alone":
            self._lessons += settled.calls
            self._learned = None

    def correct(self, settled: ChargedCalls, better: ChargedCalls) -> None:
        """Count a call as a better witness tells of it."""
        self._count(settled, -1)
        self._count(better, 1)

    @property
    def is_known(self) -> bool:
        """Whether calls may overlap: enough witnesses agree on the price, or no more are heard."""
        return self._ratio().known

    @property
    def highest(self) -> float:
        """The highest ratio of charge to estimate that witnesses agree on."""
        return self._ratio().highest

    @property
    def estimated(self) -> float:
        """What all calls were estimated at."""
        return self._untold + _sum(self._alone, 0) + _sum(self._listed, 0)

    @property
    def spent(self) -> float:
        """What the calls have likely cost."""
        return self._total(self._ratio().typical)

    @property
    def counted(self) -> float:
        """What the calls count under a cap: somewhat more, where nobody names their charge."""
        learned = self._ratio()
        return self._total(min(learned.highest, CAP_MARGIN * learned.typical))

    def likely(self, settled: ChargedCalls) -> float:
        """Return what one of such calls has likely cost."""
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
        """Add up, calls whose charge nobody tells at this ratio."""
        total = self._unpriced + self._untold * ratio + self._listed_cost
        for (estimated, cost), calls in self._alone.items():
            total += calls * (cost if self._believes(cost / estimated) else estimated * ratio)
        return total

    def _believes(self, ratio: float) -> bool:
        """Tell whether a call which ran alone may have cost what it told."""
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
    """Learn from what the transactions tell; of what is far from the latest, the cost counts, but not as the price."""
    middle = _median(sorted(Counter(lately).items()))
    same = {sample: calls for sample, calls in listed.items() if are_same_price(sample[1] / sample[0], middle)}
    highest = max(cost / estimated for estimated, cost in same)
    return _PriceRatio(typical=_sum(same, 1) / _sum(same, 0), highest=highest, known=True)


def _ratio_from_single_calls(alone: Mapping[tuple[float, float], int], lessons: int) -> _PriceRatio:
    """Learn from calls that ran alone: what most of them, and the estimate, agree on; of two, the higher."""
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
    """Tell whether a ratio may be believed of few witnesses: what comes in lowers it, what others spend raises it."""
    return 1.0 / SAME_PRICE_FACTOR <= ratio <= PLAUSIBLE_FACTOR


def largest_cluster(
    amounts: Sequence[tuple[float, int]], enough: Callable[[float], float]
) -> tuple[float, float] | None:
    """Return the span in which most amounts may be the same price; None where none has enough of them.

    Amounts come in order, each with how often it was seen, and `enough` says for the highest how many it takes; of two
    spans, the higher one.
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
    """Return the median of ratios, each so many times, that are in order; the lower one of two."""
    left = (sum(calls for _, calls in ratios) + 1) // 2
    for ratio, calls in ratios:
        left -= calls
        if left <= 0:
            return ratio
    raise AssertionError


class Charges:
    """What all calls of a batch have cost, in credits."""

    def __init__(self, settled: Iterable[ChargedCalls] = ()) -> None:
        self._prices: dict[str, _ModelPrice] = {}
        for calls in settled:
            self._price(calls.model).add(calls)

    @property
    def spent(self) -> float:
        """What they have likely cost."""
        return sum([price.spent for price in self._prices.values()])

    @property
    def counted(self) -> float:
        """What they count under a cap."""
        return sum([price.counted for price in self._prices.values()])

    @property
    def estimated(self) -> float:
        """What they were estimated at."""
        return sum([price.estimated for price in self._prices.values()])

    def add(self, settled: ChargedCalls) -> None:
        """Count calls that were charged."""
        self._price(settled.model).add(settled)

    def correct(self, settled: ChargedCalls, better: ChargedCalls) -> None:
        """Count a call as a better witness tells of it."""
        self._price(settled.model).correct(settled, better)

    def is_known(self, model: str) -> bool:
        """Tell whether calls of a model may overlap: enough witnesses agree on its price, or no more are heard."""
        return self._price(model).is_known

    def price(self, model: str, estimated: float) -> float:
        """Return what to set aside for a call of this estimate, never less than that."""
        return estimated * max(1.0, self._price(model).highest)

    def likely(self, settled: ChargedCalls) -> float:
        """Return what one of such calls has likely cost."""
        return self._price(settled.model).likely(settled)

    def _price(self, model: str) -> _ModelPrice:
        if model not in self._prices:
            self._prices[model] = _ModelPrice()
        return self._prices[model]
