"""When to look at a job again."""

from collections.abc import Iterator
from itertools import chain, repeat

__all__ = ["spacings"]


def spacings(*, at_once: bool) -> Iterator[float]:
    """Yield the seconds to wait before each look: 2, 3, then 5, as the documents ask for every 2 to 5 seconds.

    `at_once` puts a look without a wait in front: nothing is known of the job yet.
    """
    return chain((0.0,) if at_once else (), (2.0, 3.0), repeat(5.0))
