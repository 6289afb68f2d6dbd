"""Which priority comes first: the most urgent one, but none that waits is passed over too often."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import Final

__all__ = ["MAX_PASSED_BY", "class_order", "place_in_order"]

MAX_PASSED_BY: Final = 9
"""Number of other calls after which a class, or a heavy call, that waits goes first."""


def class_order(counts: Sequence[int], passed_by: Sequence[int]) -> Iterator[int]:
    """Yield the class of each call in the order of admission, if nobody else comes.

    Args:
        counts: How many calls wait in each class, the most urgent class first.
        passed_by: How many calls of other classes were admitted since the last one of each.
    """
    for pattern, times in _patterns(counts, passed_by):
        yield from chain.from_iterable(repeat(pattern, times))


def place_in_order(counts: Sequence[int], passed_by: Sequence[int], own: int, places: Sequence[int]) -> list[int]:
    """Return the places among the calls of all classes of those that have these places in one class, in order."""
    found, pattern, inner = list[int](), list[int](), list[int]()
    times = before = of_own = 0
    patterns = _patterns(counts, passed_by)
    for place in places:
        while place >= of_own + len(inner) * times:
            before, of_own = before + len(pattern) * times, of_own + len(inner) * times
            pattern, times = next(patterns)
            inner = [at for at, each in enumerate(pattern) if each == own]
        full, rest = divmod(place - of_own, len(inner))
        found.append(before + full * len(pattern) + inner[rest])
    return found


def _patterns(counts: Sequence[int], passed_by: Sequence[int]) -> Iterator[tuple[list[int], int]]:
    """Yield the classes of calls in order: some of them, and how often these follow each other.

    The order repeats itself as soon as each class was passed as often as once before, until one of them is empty.
    """
    left, passed = list(counts), [min(each, MAX_PASSED_BY) for each in passed_by]
    waiting = [number for number, count in enumerate(left) if count]
    seen: dict[tuple[int, ...], int] = {}
    order: list[int] = []
    while waiting:
        began = seen.setdefault(tuple(passed), len(order))
        if began < len(order):
            pattern = order[began:]
            often = min((left[number] - 1) // count for number, count in Counter(pattern).items())
            if often:
                yield pattern, often
                for number in pattern:
                    left[number] -= often
        first = min(waiting, key=lambda number: passed[number] < MAX_PASSED_BY)
        yield [first], 1
        order.append(first)
        left[first] -= 1
        for number in waiting:
            passed[number] = 0 if number == first else min(passed[number] + 1, MAX_PASSED_BY)
        if not left[first]:
            waiting.remove(first)
            seen.clear()
            order.clear()
