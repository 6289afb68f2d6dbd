"""Whose a spend is that the account's transactions show: a call's of the batch, or somebody else's."""

from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Final

from attrs import evolve, frozen

from generor_async.rules.charges import PLAUSIBLE, Settled, agree, most_agree

__all__ = ["Call", "Spend", "named"]


MANY: Final = 3
"""Equal amounts that are not by chance those of so many calls alike."""


@frozen
class Spend:
    """A charge that the account's transactions show."""

    credits: float
    """More than zero."""
    creation_id: str | None
    """What it was for; None where it doesn't say."""


@frozen(kw_only=True)
class Call:
    """A call that was charged, and that no transaction has told of yet."""

    number: int
    """Of its row."""
    remote_ids: tuple[str, ...]
    settled: Settled


def named(
    calls: Collection[Call], spends: Sequence[Spend], likely: Callable[[Settled], float], *, names: bool
) -> tuple[dict[int, float], list[Spend]]:
    """Return what the transactions tell of these calls, by number, and the spends that are none of theirs.

    `likely` says what a call has cost as far as is known. What names a creation is told by that; where the account
    `names` those of this batch, or does so here, what names nothing is somebody else's. Elsewhere each call has the
    nearest amount that agrees with what it has likely cost, and where most calls of a kind have none, one of the
    amounts that are as many: who has which makes no difference to the sum.
    """
    told: dict[int, float] = {}
    owner = {id_: call.number for call in calls for id_ in call.remote_ids}
    others: list[Spend] = []
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
        told |= _nearest([call for call in calls if call.number not in told], left, likely)
        told |= _many([call for call in calls if call.number not in told], left)
        others += [Spend(credits_, None) for credits_ in left]
    return told, others


def _nearest(calls: Collection[Call], left: list[float], likely: Callable[[Settled], float]) -> dict[int, float]:
    """Give each call the nearest of these amounts, which are in order, and take it from them."""
    told: dict[int, float] = {}
    for call in calls:
        settled = call.settled
        place = _exact(left, settled)
        if place is None:
            place = _near(left, likely(evolve(settled, cost=None)))
        if place is not None:
            told[call.number] = left.pop(place)
    return told


def _exact(amounts: Sequence[float], settled: Settled) -> int | None:
    """Return where the very amount is that a call which ran alone has told."""
    if settled.witness != "alone" or settled.cost is None:
        return None
    place = bisect_left(amounts, settled.cost)
    return place if place < len(amounts) and amounts[place] == settled.cost else None


def _near(amounts: Sequence[float], price: float) -> int | None:
    """Return where the nearest amount is that may be this price."""
    place = bisect_left(amounts, price)
    near = [index for index in (place - 1, place) if 0 <= index < len(amounts) and agree(amounts[index], price)]
    return min(near, key=lambda index: abs(amounts[index] - price), default=None)


def _many(calls: Collection[Call], left: list[float]) -> dict[int, float]:
    """Give calls of one estimate amounts that agree with one another, where there are many of either."""
    told: dict[int, float] = {}
    kinds: dict[tuple[str, float], list[Call]] = {}
    for call in calls:
        kinds.setdefault((call.settled.model, call.settled.estimated), []).append(call)
    for (_, estimated), alike in sorted(kinds.items(), key=lambda kind: -len(kind[1])):
        plausible = [(amount, 1) for amount in left if agree(amount, estimated, PLAUSIBLE)]
        found = most_agree(plausible, partial(_half, len(alike)))
        if found is not None:
            low, high = found
            for call in alike:
                place = bisect_left(left, low)
                if place < len(left) and left[place] <= high:
                    told[call.number] = left.pop(place)
    return told


def _half(calls: int, _: float) -> float:
    return max(MANY, calls / 2)
