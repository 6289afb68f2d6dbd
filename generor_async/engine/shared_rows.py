"""Which row of a store holds the limits of a key.

Each key has a row by its hash. Keys that are given the same `Limits` have one in common: that of the smallest hash, and
the rows of the others name it. So it is the same one in whatever order, and in whatever process, they are used.
"""

from collections.abc import Callable
from typing import Final

from generor_async.engine.store import LimitStore

__all__ = ["link", "named_by"]

NAMES: Final = "see "
"""How a row begins that names another one."""


def named_by(text: object, scope: str) -> str | None:
    """Return the scope that a row names instead of its own; None where it holds a state, or can't be read."""
    if not isinstance(text, str) or not text.startswith(NAMES):
        return None
    other = text[len(NAMES) :]
    return other if other < scope else None


def link(store: LimitStore, one: str, other: str) -> str:
    """Have two scopes share a row, and return that row's scope. Raises StoreError; then it is to be done again.

    What was known of both is known of the row that is kept; only where nothing was, the other one's goes there.
    """
    while one != other:
        kept, given = sorted((one, other))
        named, state = store.update(given, _given_up_for(kept, given))
        if state is not None:
            store.update(kept, _filled_with(state))
        one, other = kept, named
    return one


def _given_up_for(kept: str, given: str) -> Callable[[str | None], tuple[str | None, tuple[str, str | None]]]:
    """Decide which scope a row names, and tell the state that it held until now."""

    def decide(text: str | None) -> tuple[str | None, tuple[str, str | None]]:
        named = named_by(text, given)
        return (NAMES + kept, (kept, text)) if named is None else (None, (named, None))

    return decide


def _filled_with(state: str) -> Callable[[str | None], tuple[str | None, None]]:
    """Decide that a row holds a state if it holds nothing."""
    return lambda text: (state if text is None else None, None)
