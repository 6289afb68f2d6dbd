"""Which priority comes first: the most urgent one, but none that waits is passed over too often."""

from collections.abc import Iterator, Sequence
from typing import Final

__all__ = ["MAX_PASSED_BY", "class_order"]

MAX_PASSED_BY: Final = 9
"""Number of other calls after which a class, or a heavy call, that waits goes first."""


def class_order(counts: Sequence[int], passed_by: Sequence[int]) -> Iterator[int]:
    """Yield the class of each call in the order of admission, if nobody else comes.

    Args:
        counts: How many calls wait in each class, the most urgent class first.
        passed_by: How many calls of other classes were admitted since the last one of each.
    """
    left, passed = list(counts), list(passed_by)
    waiting = [number for number, count in enumerate(left) if count]
    while waiting:
        first = min(waiting, key=lambda number: passed[number] < MAX_PASSED_BY)
        yield first
        left[first] -= 1
        for number in waiting:
            passed[number] = 0 if number == first else passed[number] + 1
        if not left[first]:
            waiting.remove(first)
