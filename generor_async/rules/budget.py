"""What a batch may still spend: credits set aside before a call, and settled after it.

The cap is on what the batch has spent and may yet be charged: calls under way count what was set aside for them, those
of which nobody knows the end count that as their worst cost. What is set aside is the estimate times the highest ratio
of actual to estimated cost that witnesses agree on for the model (`generor_async.rules.charges`), and never less than
the estimate. The documents' own example was estimated at 6 and charged 24, so calls of a model whose price nobody has
confirmed run one by one. Where costs drift beyond what was seen, the cap can be overshot by the calls under way.
"""

import math
from typing import Final, Literal, TypeAlias

from attrs import define, field

from generor_async.rules.charges import ChargedCalls, Charges, CostSource

__all__ = ["NO_CAP", "Budget", "BudgetRefusal", "Reservation"]

NO_CAP: Final = math.inf
CREDIT_TOLERANCE: Final = 1e-6
"""Credits by which sums of dollars may be off."""

BudgetRefusal: TypeAlias = Literal["wait", "over"]
"""`wait`: a call under way may teach the model's price, or cost less than was set aside; `over`: waiting is no use."""


@define(eq=False)
class Reservation:
    """Credits set aside for one call that is under way."""

    model: str
    estimated: float
    credits: float
    alone: bool
    """Whether no other call was under way at any time since."""
    learns_price: bool
    """Whether the model's price is not known yet: no other call may begin beside it."""

    def settled(self, cost: float | None) -> ChargedCalls:
        """Return what is known of the call now that it was charged; `cost` is what it told of itself."""
        witness: CostSource = "alone" if self.alone else "overlapped"
        return ChargedCalls(model=self.model, estimated=self.estimated, cost=cost, source=witness)


@define
class Budget:
    """The credits of one batch; a cap of infinity refuses nothing."""

    cap: float = NO_CAP
    charges: Charges = field(factory=Charges)
    """What is known of calls that were charged."""
    unresolved: float = 0.0
    """What may have been charged beside: the worst cost of attempts of which nobody knows the end."""
    _reservations: set[Reservation] = field(factory=set[Reservation], init=False)
    _reserved: float = field(default=0.0, init=False)

    @property
    def reserved(self) -> float:
        """What is set aside for the calls under way."""
        return self._reserved

    @property
    def committed(self) -> float:
        """What counts under the cap: what is spent, or may come to be."""
        return self.charges.counted + self.unresolved + self.reserved

    def reserve(self, model: str, estimated: float, *, fixed: bool = False) -> Reservation | BudgetRefusal:
        """Set credits aside for a call, or say why not; `fixed` is a price that can't differ from its estimate."""
        capped = self.cap < NO_CAP
        teaches = capped and not fixed and not self.charges.is_known(model)
        if self._reservations and (teaches or self._is_learning_price()):
            return "wait"
        needed = estimated if fixed else self.charges.price(model, estimated)
        committed = self.committed
        if committed + needed > self.cap + CREDIT_TOLERANCE:
            return "over" if committed - self.reserved + needed > self.cap + CREDIT_TOLERANCE else "wait"
        hold = Reservation(model, estimated, needed, alone=not self._reservations, learns_price=teaches)
        self._add(hold)
        return hold

    def resume(self, model: str, estimated: float, reserved: float) -> Reservation:
        """Count an attempt that is under way since before the restart."""
        self.unresolved -= reserved
        hold = Reservation(model, estimated, reserved, alone=False, learns_price=False)
        self._add(hold)
        return hold

    def settle(self, reservation: Reservation, cost: float | None) -> ChargedCalls:
        """Count a call that was charged; `cost` is what it told of itself, None where it told nothing."""
        self._remove(reservation)
        settled = reservation.settled(cost)
        self.charges.add(settled)
        return settled

    def release(self, reservation: Reservation) -> None:
        """Give back what was set aside: the call cost nothing."""
        self._remove(reservation)

    def keep_unresolved(self, reservation: Reservation) -> None:
        """Keep what was set aside: the call may have been charged."""
        self._remove(reservation)
        self.unresolved += reservation.credits

    def _is_learning_price(self) -> bool:
        return len(self._reservations) == 1 and next(iter(self._reservations)).learns_price

    def _add(self, reservation: Reservation) -> None:
        if len(self._reservations) == 1:  # the others of many overlap one another already
            next(iter(self._reservations)).alone = False
        self._reservations.add(reservation)
        self._reserved += reservation.credits

    def _remove(self, reservation: Reservation) -> None:
        self._reservations.remove(reservation)
        self._reserved = self._reserved - reservation.credits if self._reservations else 0.0
