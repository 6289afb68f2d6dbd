"""Finds the caller's frame for a warning."""

import sys
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["caller_stacklevel"]

PACKAGE: Final = __name__.partition(".")[0]


def caller_stacklevel() -> int:
    """Return the `stacklevel`, for `warnings.warn` in the calling function, of the first frame outside this package."""
    level, frame = 1, sys._getframe(1)  # pyright: ignore[reportPrivateUsage] # public in all but name
    while frame.f_back is not None and _is_ours(frame.f_globals):
        level, frame = level + 1, frame.f_back
    return level


def _is_ours(names: Mapping[str, Any]) -> bool:
    return str(names.get("__name__")).partition(".")[0] == PACKAGE
