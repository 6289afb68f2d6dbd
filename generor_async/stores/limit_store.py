"""The store that keeps the limits of keys for several processes, at the same time or one after the other.

A store keeps a text for each scope, and changes it by compare-and-swap: it reads the text, has a rule decide, and
writes the result if nobody else has written meanwhile. The rules are those that hold within one process, so none is
written twice. Losing what a store keeps costs refusals, never money: what was paid for is in the ledger.
"""

from collections.abc import Callable
from typing import Protocol, TypeAlias, TypeVar

__all__ = ["Decide", "LimitStore", "StoreBusyError", "StoreError"]

T = TypeVar("T")

Decide: TypeAlias = Callable[[str | None, float], tuple[str | None, T]]
"""Gets the text that is kept, or None, and the time; returns the text to keep instead, or None, and a result."""


class StoreError(Exception):
    """The store can't be read or written."""


class StoreBusyError(StoreError):
    """Another process uses the store: the same may succeed in a moment."""


class LimitStore(Protocol):
    """Keeps a text for each scope."""

    @property
    def remote(self) -> bool:
        """Whether an update waits for a network: such a store is used from a thread, one update at a time."""
        ...

    def update(self, scope: str, decide: Decide[T]) -> T:
        """Read the text, decide, and write the text to keep instead, as one atomic step.

        `decide` may be called several times, each time with the present text: all but the last call count for nothing.
        So it must derive everything from its arguments, and change nothing that it would not set anew. Where it raises,
        nothing is written and the exception is passed on.

        The time that it gets is the store's, in Unix seconds, and the same for all processes whatever their own clocks
        say. It never goes back within a scope.

        Args:
            scope: what the text is about.
            decide: gets the text (None where there is none) and the time. It returns the text to keep instead (None to
                keep the old one), and the result.

        Returns:
            The result of the last call of `decide`.

        Raises:
            StoreBusyError: Another process uses the store; nothing was written.
            StoreError: The store can't be used. What was to be written may be kept or not.
        """
        ...

    def reset_after_fork(self) -> None:
        """Forget the parent's connection in a forked child, without closing it."""
        ...

    def close(self) -> None:
        """Close the connection; the next update opens another."""
        ...
