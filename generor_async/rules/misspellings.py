"""Finds the parameter that a misspelt column or key may stand for."""

from collections.abc import Collection
from typing import Final

__all__ = ["closest_name"]

MOST_EDITS: Final = 2
"""Most edits by which a misspelt name differs."""


def closest_name(name: str, known: Collection[str]) -> str | None:
    """Return the known name that `name` may be a misspelling of; None for no such name.

    Case is ignored. At most half of a short name may differ, or `no` would be a misspelt `id`.
    """
    near = {
        one: apart for one in known if (apart := _edit_distance(name.casefold(), one)) <= min(MOST_EDITS, len(one) // 2)
    }
    return min(near, key=lambda one: (near[one], one)) if near else None


def _edit_distance(one: str, other: str) -> int:
    """Return the edit distance of two texts, or MOST_EDITS + 1 for a greater one."""
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
