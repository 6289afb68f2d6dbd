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

from generor_async.rules.charges import Charges, Settled, Witness

__all__ = ["NO_CAP", "Budget", "Refusal", "Reservation"]

NO_CAP: Final = math.inf
ROUNDING: Final = 1e-6
"""Credits by which sums of dollars may be off."""

Refusal: TypeAlias = Literal["wait", "over"]
"""`wait`: a call under way may teach the model's price, or cost less than was set aside; `over`: waiting is no use."""


@define(eq=False)
class Reservation:
    """Credits set aside for one call that is under way."""

    model: str
    estimated: float
    credits: float
    alone: bool
    """Whether no other call was under way at any time since."""
    teaches: bool
    """Whether the model's price is not known yet: no other call may begin beside it."""

    def settled(self, cost: float | None) -> Settled:
        """Return what is known of the call now that it was charged; `cost` is what it told of itself."""
        witness: Witness = "alone" if self.alone else "overlapped"
        return Settled(model=self.model, estimated=self.estimated, cost=cost, witness=witness)


@define
class Budget:
    """The credits of one batch; a cap of infinity refuses nothing."""

    cap: float = NO_CAP
    charges: Charges = field(factory=Charges)
    """What is known of calls that were charged."""
    doubtful: float = 0.0
    """What may have been charged beside: the worst cost of attempts of which nobody knows the end."""
    _holds: set[Reservation] = field(factory=set[Reservation], init=False)
    _held: float = field(default=0.0, init=False)

    @property
    def reserved(self) -> float:
        """What is set aside for the calls under way."""
        return self._held

    @property
    def committed(self) -> float:
        """What counts under the cap: what is spent, or may come to be."""
        return self.charges.counted + self.doubtful + self.reserved

    def reserve(self, model: str, estimated: float, *, fixed: bool = False) -> Reservation | Refusal:
        """Set credits aside for a call, or say why not; `fixed` is a price that can't differ from its estimate."""
        capped = self.cap < NO_CAP
        teaches = capped and not fixed and not self.charges.is_known(model)
        if self._holds and (teaches or self._is_taught()):
            return "wait"
        needed = estimated if fixed else self.charges.price(model, estimated)
        committed = self.committed
        if committed + needed > self.cap + ROUNDING:
            return "over" if committed - self.reserved + needed > self.cap + ROUNDING else "wait"
        hold = Reservation(model, estimated, needed, alone=not self._holds, teaches=teaches)
        self._add(hold)
        return hold

    def resume(self, model: str, estimated: float, held: float) -> Reservation:
        """Count an attempt that is under way since before the restart."""
        self.doubtful -= held
        hold = Reservation(model, estimated, held, alone=False, teaches=False)
        self._add(hold)
        return hold

    def settle(self, hold: Reservation, cost: float | None) -> Settled:
        """Count a call that was charged; `cost` is what it told of itself, None where it told nothing."""
        self._drop(hold)
        settled = hold.settled(cost)
        self.charges.add(settled)
        return settled

    def release(self, hold: Reservation) -> None:
        """Give back what was set aside: the call cost nothing."""
        self._drop(hold)

    def keep_unresolved(self, hold: Reservation) -> None:
        """Keep what was set aside: the call may have been charged."""
        self._drop(hold)
        self.doubtful += hold.credits

    def _is_taught(self) -> bool:
        return len(self._holds) == 1 and next(iter(self._holds)).teaches

    def _add(self, hold: Reservation) -> None:
        if len(self._holds) == 1:  # the others of many overlap one another already
            next(iter(self._holds)).alone = False
        self._holds.add(hold)
        self._held += hold.credits

    def _drop(self, hold: Reservation) -> None:
        self._holds.remove(hold)
        self._held = self._held - hold.credits if self._holds else 0.0
