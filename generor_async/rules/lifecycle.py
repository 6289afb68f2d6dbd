"""The states of jobs and creations, and which state may follow which.

A job of Luma:

    queued ──> processing ──> completed
       │            │
       └────────────┴───────> failed

A creation of Generor (the states are documented, their order is assumed):

    pending ──> generating ──> completed
       │             │
       └─────────────┴───────> failed, cancelled

A Luma job in an unknown state is polled again. A creation in an unknown state counts as ended, and is returned to the
caller. A response that is behind, such as `queued` after `processing`, changes nothing.
"""

from collections.abc import Mapping
from typing import Final

from attrs import frozen

__all__ = ["CREATION", "LUMA_JOB", "Lifecycle"]


@frozen
class Lifecycle:
    """The states of a job or creation, each with those that may follow."""

    table: Mapping[str, frozenset[str]]
    ends_unknown: bool = False
    """Whether an unknown state counts as terminal."""

    def is_terminal(self, state: str | None) -> bool:
        """Tell whether a state is final."""
        return not self.table[state] if state is not None and state in self.table else self.ends_unknown

    def is_news(self, seen: str | None, found: str | None) -> bool:
        """Tell whether a state is later than the one seen last."""
        if seen == found:
            return False
        if seen is None or found is None or seen not in self.table or found not in self.table:
            return True
        return found in self.table[seen]


_ENDED: Final[frozenset[str]] = frozenset()

LUMA_JOB: Final = Lifecycle(
    {
        "queued": frozenset({"processing", "completed", "failed"}),
        "processing": frozenset({"completed", "failed"}),
        "completed": _ENDED,
        "failed": _ENDED,
    }
)
CREATION: Final = Lifecycle(
    {
        "pending": frozenset({"generating", "completed", "failed", "cancelled"}),
        "generating": frozenset({"completed", "failed", "cancelled"}),
        "completed": _ENDED,
        "failed": _ENDED,
        "cancelled": _ENDED,
    },
    ends_unknown=True,
)
