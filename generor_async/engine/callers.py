"""Whose line a warning is about."""

import sys
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["level_of_the_caller"]

PACKAGE: Final = __name__.partition(".")[0]


def level_of_the_caller() -> int:
    """Return the `stacklevel` of the first frame that isn't this package's, as seen by whoever calls this."""
    level, frame = 1, sys._getframe(1)  # pyright: ignore[reportPrivateUsage] # public in all but name
    while frame.f_back is not None and _is_ours(frame.f_globals):
        level, frame = level + 1, frame.f_back
    return level


def _is_ours(names: Mapping[str, Any]) -> bool:
    return str(names.get("__name__")).partition(".")[0] == PACKAGE
