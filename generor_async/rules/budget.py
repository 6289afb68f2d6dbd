"""The budget of a batch: credits are reserved before a call and settled after it.

The cap covers what was spent and what may still be charged: calls under way count as their reservations, and so do
calls of unknown outcome. A reservation is the estimate times the highest ratio of actual to estimated cost that is
known for the model (`rules.charges`), and at least the estimate. The documents' own example was estimated at 6 and
charged 24, so calls of a model whose price is not confirmed run one by one. If prices rise beyond what was seen, the
calls under way may exceed the cap.
"""

import math
from typing import Final, Literal, TypeAlias

from attrs import define, field

from generor_async.rules.charges import ChargedCalls, Charges, CostSource

__all__ = ["NO_CAP", "Budget", "BudgetRefusal", "Reservation"]

NO_CAP: Final = math.inf
CREDIT_TOLERANCE: Final = 1e-6
"""Rounding error of sums, in credits."""
UNKNOWN_PRICE_FACTOR: Final = 4.0
"""By which factor a call may cost more than its estimate (the documentation's own example was estimated at 6 and
charged 24)."""

BudgetRefusal: TypeAlias = Literal["wait", "over"]
"""`wait`: a call under way may show the price, or cost less than its reservation; `over`: waiting can't help."""


@define(eq=False)
class Reservation:
    """Credits reserved for one call under way."""

    model: str
    estimated: float
    credits: float
    alone: bool
    """Whether no other call was under way at any time since."""
    learns_price: bool
    """Whether the model's price is still unknown: no other call may run beside it."""
    booked: bool = False
    """Whether the journal's account holds it."""

    def settled(self, cost: float | None) -> ChargedCalls:
        """Return the charged call; `cost` is the cost that it reported."""
        witness: CostSource = "alone" if self.alone else "overlapped"
        return ChargedCalls(model=self.model, estimated=self.estimated, cost=cost, source=witness)


@define
class Budget:
    """The credits of one batch; a cap of infinity refuses nothing."""

    cap: float = NO_CAP
    charges: Charges = field(factory=Charges)
    """The charged calls."""
    unresolved: float = 0.0
    """The highest cost of attempts whose outcome is unknown."""
    _reservations: set[Reservation] = field(factory=set[Reservation], init=False)
    _reserved: float = field(default=0.0, init=False)

    @property
    def reserved(self) -> float:
        """Credits reserved for the calls under way."""
        return self._reserved

    @property
    def committed(self) -> float:
        """Credits that count under the cap: those spent, and those that may still be charged."""
        return self.charges.counted + self.unresolved + self.reserved

    def reserve(self, model: str, estimated: float, *, fixed: bool = False) -> Reservation | BudgetRefusal:
        """Reserve credits for a call, or return why not; a `fixed` price can't differ from its estimate."""
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

    def reserve_beside_others(self, model: str, estimated: float, *, fixed: bool = False) -> Reservation | None:
        """Reserve credits while other processes spend under the same cap; return None if there is no room.

        What the others have reserved is part of `unresolved`. No call is known to run alone: so one whose price isn't
        known reserves a multiple of its estimate or, if there is less room than that, all the room.
        """
        needed = estimated if fixed else self.charges.price(model, estimated)
        room = self.cap - self.committed
        if self.cap < NO_CAP and not fixed and not self.charges.is_known(model):
            needed = max(needed, min(UNKNOWN_PRICE_FACTOR * needed, room))
        if needed > room + CREDIT_TOLERANCE:
            return None
        hold = Reservation(model, estimated, needed, alone=False, learns_price=False)
        self._add(hold)
        return hold

    @property
    def booked(self) -> float:
        """The part of `reserved` that the journal's account holds."""
        return sum(hold.credits for hold in self._reservations if hold.booked)

    def resume(self, model: str, estimated: float, reserved: float) -> Reservation:
        """Restore the reservation of a call that is under way since before the restart."""
        self.unresolved -= reserved
        hold = Reservation(model, estimated, reserved, alone=False, learns_price=False, booked=True)
        self._add(hold)
        return hold

    def settle(self, reservation: Reservation, cost: float | None) -> ChargedCalls:
        """Replace a reservation by the charged call; `cost` is the cost that it reported, if any."""
        self._remove(reservation)
        settled = reservation.settled(cost)
        self.charges.add(settled)
        return settled

    def release(self, reservation: Reservation) -> None:
        """Release the reservation of a call that cost nothing."""
        self._remove(reservation)

    def keep_unresolved(self, reservation: Reservation) -> None:
        """Keep the credits of a call that may have been charged."""
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
