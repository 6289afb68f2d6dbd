"""Finds the parameter or key that a misspelt one may stand for.

What Luma does with a key inside of an object that it doesn't know is not documented. Generor drops unknown `parameters`
silently (documented), and Luma ignores an `aspect_ratio` that has no meaning (page): a key that is dropped is paid for
all the same. Both APIs add keys without notice, and the documents close no object. So a key inside of an object is
refused only where it is almost one that is known; any other is sent, and left to the server.
"""

from collections.abc import Collection
from typing import Final

from generor_async.errors import InvalidRequestError

__all__ = ["closest_name", "refuse_misspelt"]

MOST_EDITS: Final = 2
"""Most edits by which a misspelt name differs."""
SHORT: Final = 5
"""Length up to which a name is misspelt by one edit only: two make `crop` of `loop`."""


def refuse_misspelt(keys: Collection[object], known: Collection[str], name: str) -> None:
    """Raise InvalidRequestError for a key of the object `name` that is almost a known one, which it doesn't have."""
    free = [each for each in known if each not in keys]
    for key in keys:
        if isinstance(key, str) and key not in known and (meant := closest_name(key, free)) is not None:
            field = name.partition(".")[0].partition("[")[0]
            raise InvalidRequestError(
                f"{name}.{key}",
                f"{name} has no key {key!r}",
                advice=f"Did you mean {meant!r}? A key that is new to the API goes through"
                f" with_options(extra_body={{{field!r}: ...}})",
            )


def closest_name(name: str, known: Collection[str]) -> str | None:
    """Return the known name that `name` may be a misspelling of; None for no such name.

    Case, hyphens and underscores don't count. An edit adds, leaves out or changes a letter, or exchanges it with its
    neighbour.
    """
    folded = _folded(name)
    near = {
        one: apart for one in known if (apart := _edit_distance(folded, whole := _folded(one))) <= _most(folded, whole)
    }
    return min(near, key=lambda one: (near[one], one)) if near else None


def _folded(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "").replace(" ", "")


def _most(one: str, other: str) -> int:
    return MOST_EDITS if min(len(one), len(other)) > SHORT else 1


def _edit_distance(one: str, other: str) -> int:
    """Return the edit distance of two texts, or MOST_EDITS + 1 for a greater one; no letter is edited twice."""
    if (
        abs(len(one) - len(other)) > MOST_EDITS or len({*one}.difference(other)) > MOST_EDITS
    ):  # as most columns of a wide table
        return MOST_EDITS + 1
    earlier, row = list[int](), list(range(len(other) + 1))
    for count, letter in enumerate(one, 1):
        earlier, before, row = row, earlier, [count]
        for at, another in enumerate(other, 1):
            edits = min(earlier[at] + 1, row[at - 1] + 1, earlier[at - 1] + (letter != another))
            if at > 1 and count > 1 and letter == other[at - 2] and one[count - 2] == another:
                edits = min(edits, before[at - 2] + 1)
            row.append(edits)
    return min(row[-1], MOST_EDITS + 1)
