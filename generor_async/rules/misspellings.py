"""Names of columns and keys: which are parameters, which may be misspelt ones, and which are somebody's own."""

from collections.abc import Collection
from typing import Final

__all__ = ["closest_name"]

MOST_EDITS: Final = 2
"""So many letters apart, a name may be a misspelt one."""


def closest_name(name: str, known: Collection[str]) -> str | None:
    """Return the known name that another one may stand for, misspelt; None where it is too far from each.

    Letters of either case are the same. Of a short name no more than half may differ, or `no` would be a misspelt `id`.
    """
    near = {
        one: apart for one in known if (apart := _edit_distance(name.casefold(), one)) <= min(MOST_EDITS, len(one) // 2)
    }
    return min(near, key=lambda one: (near[one], one)) if near else None


def _edit_distance(one: str, other: str) -> int:
    """Return how many letters have to be added, left out or changed to make one text of another; FAR + 1 for more."""
    if (
        abs(len(one) - len(other)) > MOST_EDITS or len({*one}.difference(other)) > MOST_EDITS
    ):  # as most columns of a wide table
        return MOST_EDITS + 1
    row = list(range(len(other) + 1))
    for count, letter in enumerate(one, 1):
        before, row[0] = row[0], count
        for at, another in enumerate(other, 1):
            before, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, before + (letter != another))
    return min(row[-1], MOST_EDITS + 1)
