"""Attributes the account's spends to the calls of a batch, or to others."""

from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Final

from attrs import evolve, frozen

from generor_async.rules.charges import PLAUSIBLE_FACTOR, ChargedCalls, are_same_price, largest_cluster

__all__ = ["SpendAmount", "UnattributedCall", "attribute_spends"]


LEAST_CLUSTER: Final = 3
"""Least number of equal amounts that are not equal by chance."""


@frozen
class SpendAmount:
    """A spend among the account's transactions."""

    credits: float
    """More than zero."""
    creation_id: str | None
    """Its creation; None where it names none."""


@frozen(kw_only=True)
class UnattributedCall:
    """A charged call without a spend so far."""

    number: int
    """Of its row."""
    remote_ids: tuple[str, ...]
    settled: ChargedCalls


def attribute_spends(
    calls: Collection[UnattributedCall],
    spends: Sequence[SpendAmount],
    likely: Callable[[ChargedCalls], float],
    *,
    names: bool,
) -> tuple[dict[int, float], list[SpendAmount]]:
    """Return the costs of these calls by number, and the spends that belong to none of them.

    A spend that names a creation is attributed by that. If the account's spends do name creations of this batch
    (`names`, or any of these), all others are somebody else's. If not, each call gets the nearest amount that agrees
    with its probable cost (`likely`); and where most calls of one estimate have none, they share a cluster of equal
    amounts, as it makes no difference to the sum which call has which.
    """
    told: dict[int, float] = {}
    owner = {id_: call.number for call in calls for id_ in call.remote_ids}
    others: list[SpendAmount] = []
    unnamed: list[float] = []
    for spend in spends:
        if spend.creation_id is None:
            unnamed.append(spend.credits)
        elif (number := owner.get(spend.creation_id)) is not None:
            told[number] = told.get(number, 0.0) + spend.credits
        else:
            others.append(spend)
    if unnamed and not (names or told):
        left = sorted(unnamed)
        told |= _match_nearest([call for call in calls if call.number not in told], left, likely)
        told |= _match_clusters([call for call in calls if call.number not in told], left)
        others += [SpendAmount(credits_, None) for credits_ in left]
    return told, others


def _match_nearest(
    calls: Collection[UnattributedCall], left: list[float], likely: Callable[[ChargedCalls], float]
) -> dict[int, float]:
    """Attribute to each call the nearest of these sorted amounts, and remove it."""
    told: dict[int, float] = {}
    for call in calls:
        settled = call.settled
        place = _exact_index(left, settled)
        if place is None:
            place = _nearest_index(left, likely(evolve(settled, cost=None)))
        if place is not None:
            told[call.number] = left.pop(place)
    return told


def _exact_index(amounts: Sequence[float], settled: ChargedCalls) -> int | None:
    """Return the index of exactly the amount that a call which ran alone reported."""
    if settled.source != "alone" or settled.cost is None:
        return None
    place = bisect_left(amounts, settled.cost)
    return place if place < len(amounts) and amounts[place] == settled.cost else None


def _nearest_index(amounts: Sequence[float], price: float) -> int | None:
    """Return the index of the nearest amount that may be this price."""
    place = bisect_left(amounts, price)
    near = [
        index for index in (place - 1, place) if 0 <= index < len(amounts) and are_same_price(amounts[index], price)
    ]
    return min(near, key=lambda index: abs(amounts[index] - price), default=None)


def _match_clusters(calls: Collection[UnattributedCall], left: list[float]) -> dict[int, float]:
    """Attribute clusters of equal amounts to calls of one estimate, where there are many of both."""
    told: dict[int, float] = {}
    kinds: dict[tuple[str, float], list[UnattributedCall]] = {}
    for call in calls:
        kinds.setdefault((call.settled.model, call.settled.estimated), []).append(call)
    for (_, estimated), alike in sorted(kinds.items(), key=lambda kind: -len(kind[1])):
        plausible = [(amount, 1) for amount in left if are_same_price(amount, estimated, PLAUSIBLE_FACTOR)]
        found = largest_cluster(plausible, partial(_half, len(alike)))
        if found is not None:
            low, high = found
            for call in alike:
                place = bisect_left(left, low)
                if place < len(left) and left[place] <= high:
                    told[call.number] = left.pop(place)
    return told


def _half(calls: int, _: float) -> float:
    return max(LEAST_CLUSTER, calls / 2)
