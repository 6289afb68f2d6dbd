"""What a batch may still spend: credits set aside before a call, and settled after it.

The cap is on what the batch has spent and may yet be charged: calls under way count what was set aside for them, those
of which nobody knows the end count that as their worst cost. What is set aside is the estimate times the highest ratio
of actual to estimated cost seen for the model, and never less than the estimate. The documents' own example was
estimated at 6 and charged 24, so an unseen model starts with one row alone. Where costs drift beyond what was seen, the
cap can be overshot by the rows under way.

Generor's `credit_cost` is a difference of balances: calls that overlap may count each other. So a ratio is learned only
from a call that nothing overlapped. The sum of the costs is never less than what was spent; the fall of the balance, of
which others may have their part, isn't either: what counts is the lesser of the two.
"""

import math
from collections.abc import Iterable
from typing import Final, Literal, Self, TypeAlias

from attrs import define, field, frozen

__all__ = ["NO_CAP", "Budget", "Hold", "Refusal", "Spent", "charged", "countable", "likely"]

NO_CAP: Final = math.inf
MOST_CREDITS: Final = 1e15
"""More than any account has: sums of floats are exact up to here."""
ROUNDING: Final = 1e-6
"""Credits by which sums of dollars may be off."""

Refusal: TypeAlias = Literal["wait", "over"]
"""`wait`: a call under way may teach the model's price, or cost less than was set aside; `over`: waiting is no use."""


@frozen(kw_only=True)
class Spent:
    """What one model's attempts come to so far, in credits."""

    model: str
    settled: float
    """What is known to have been charged."""
    estimated: float
    """What the same attempts were estimated at."""
    open: float
    """What is set aside for attempts that are under way, unknown, or failed with nobody knowing their cost."""
    ratio: float | None
    """The highest ratio of cost to estimate of the attempts that ran alone; None where none has."""


def charged(told: float | None) -> float | None:
    """Return what a call has cost by its own account; None where that is no price, so that what was set aside counts.

    A difference of balances may be negative, where something came in meanwhile: it tells nothing of the cost then.
    """
    known = countable(told)
    return None if known is None or known < 0 else known


def countable(told: float | None) -> float | None:
    """Return an amount of credits that can be added up; None for one that no account can have."""
    return told if told is not None and abs(told) <= MOST_CREDITS else None


def likely(sums: Iterable[Spent]) -> float:
    """Return what attempts have likely cost: those that overlapped no more than those that ran alone."""
    return sum(
        one.settled if one.ratio is None else min(one.settled, one.estimated * max(1.0, one.ratio)) for one in sums
    )


@define(eq=False)
class Hold:
    """Credits set aside for one call that is under way."""

    model: str
    estimated: float
    credits: float
    alone: bool
    """Whether no other call was under way at any time since."""
    teaches: bool
    """Whether the model's price is not known yet: no other call may begin beside it."""


@define
class Budget:
    """The credits of one batch; a cap of infinity refuses nothing."""

    cap: float = NO_CAP
    settled: float = field(default=0.0, init=False)
    """What is known to have been charged, at the most."""
    doubtful: float = field(default=0.0, init=False)
    """What may have been charged beside: the worst cost of attempts of which nobody knows the end."""
    _ratios: dict[str, float] = field(factory=dict[str, float], init=False)
    _holds: set[Hold] = field(factory=set[Hold], init=False)
    _held: float = field(default=0.0, init=False)

    @classmethod
    def resumed(cls, sums: Iterable[Spent], *, cap: float = NO_CAP) -> Self:
        """Take up what a journal has added up; what is under way is doubtful until `take_up` is told of it."""
        budget = cls(cap)
        for found in sums:
            budget.settled += found.settled
            budget.doubtful += found.open
            if found.ratio is not None:
                budget._ratios[found.model] = found.ratio
        return budget

    @property
    def held(self) -> float:
        """What is set aside for the calls under way."""
        return self._held

    @property
    def committed(self) -> float:
        """What is spent, or may come to be."""
        return self.settled + self.doubtful + self.held

    def price(self, model: str, estimated: float) -> float:
        """Return what to set aside for a call of this estimate."""
        return estimated * max(1.0, self._ratios.get(model, 1.0))

    def reserve(self, model: str, estimated: float, *, fixed: bool = False) -> Hold | Refusal:
        """Set credits aside for a call, or say why not; `fixed` is a price that can't differ from its estimate."""
        capped = self.cap < NO_CAP
        teaches = capped and not fixed and model not in self._ratios
        if self._holds and (teaches or self._is_taught()):
            return "wait"
        needed = self.price(model, estimated)
        if self.committed + needed > self.cap + ROUNDING:
            return "over" if self.settled + self.doubtful + needed > self.cap + ROUNDING else "wait"
        hold = Hold(model, estimated, needed, alone=not self._holds, teaches=teaches)
        self._add(hold)
        return hold

    def take_up(self, model: str, estimated: float, held: float) -> Hold:
        """Count an attempt that is under way since before the restart."""
        self.doubtful -= held
        hold = Hold(model, estimated, held, alone=False, teaches=False)
        self._add(hold)
        return hold

    def settle(self, hold: Hold, cost: float | None) -> None:
        """Count what a call cost; None is what was set aside for it."""
        self._drop(hold)
        self.settled += hold.credits if cost is None else cost
        if cost is not None and hold.alone and hold.estimated > 0:
            self._ratios[hold.model] = max(cost / hold.estimated, self._ratios.get(hold.model, 0.0))

    def free(self, hold: Hold) -> None:
        """Give back what was set aside: the call cost nothing."""
        self._drop(hold)

    def doubt(self, hold: Hold) -> None:
        """Keep what was set aside: the call may have been charged."""
        self._drop(hold)
        self.doubtful += hold.credits

    def found_out(self, held: float, cost: float) -> None:
        """Count what a doubtful attempt cost after all; `held` is what was kept for it."""
        self.doubtful -= held
        self.settled += cost

    def observe(self, spent: float) -> None:
        """Correct by the balance: it has fallen by so much since the batch began, others' spending included.

        What was added to the account meanwhile is to be counted in.
        """
        self.settled = min(self.settled, spent)

    def _is_taught(self) -> bool:
        return len(self._holds) == 1 and next(iter(self._holds)).teaches

    def _add(self, hold: Hold) -> None:
        if len(self._holds) == 1:  # the others of many overlap one another already
            next(iter(self._holds)).alone = False
        self._holds.add(hold)
        self._held += hold.credits

    def _drop(self, hold: Hold) -> None:
        self._holds.remove(hold)
        self._held = self._held - hold.credits if self._holds else 0.0
