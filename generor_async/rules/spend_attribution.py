"""Whose a spend is that the account's transactions show: a call's of the batch, or somebody else's."""

from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Final

from attrs import evolve, frozen

from generor_async.rules.charges import PLAUSIBLE_FACTOR, ChargedCalls, are_same_price, largest_cluster

__all__ = ["SpendAmount", "UnattributedCall", "attribute_spends"]


LEAST_CLUSTER: Final = 3
"""Equal amounts that are not by chance those of so many calls alike."""


@frozen
class SpendAmount:
    """A charge that the account's transactions show."""

    credits: float
    """More than zero."""
    creation_id: str | None
    """What it was for; None where it doesn't say."""


@frozen(kw_only=True)
class UnattributedCall:
    """A call that was charged, and that no transaction has told of yet."""

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
    """Return what the transactions tell of these calls, by number, and the spends that are none of theirs.

    `likely` says what a call has cost as far as is known. What names a creation is told by that; where the account
    `names` those of this batch, or does so here, what names nothing is somebody else's. Elsewhere each call has the
    nearest amount that agrees with what it has likely cost, and where most calls of a kind have none, one of the
    amounts that are as many: who has which makes no difference to the sum.
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
    """Give each call the nearest of these amounts, which are in order, and take it from them."""
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
    """Return where the very amount is that a call which ran alone has told."""
    if settled.source != "alone" or settled.cost is None:
        return None
    place = bisect_left(amounts, settled.cost)
    return place if place < len(amounts) and amounts[place] == settled.cost else None


def _nearest_index(amounts: Sequence[float], price: float) -> int | None:
    """Return where the nearest amount is that may be this price."""
    place = bisect_left(amounts, price)
    near = [
        index for index in (place - 1, place) if 0 <= index < len(amounts) and are_same_price(amounts[index], price)
    ]
    return min(near, key=lambda index: abs(amounts[index] - price), default=None)


def _match_clusters(calls: Collection[UnattributedCall], left: list[float]) -> dict[int, float]:
    """Give calls of one estimate amounts that agree with one another, where there are many of either."""
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
