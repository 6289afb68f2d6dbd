"""The lives of what is waited for, as tables.

A job of Luma:

    queued ──> processing ──> completed
       │            │
       └────────────┴───────> failed

A creation of Generor (the states are documented, their order is assumed):

    pending ──> generating ──> completed
       │             │
       └─────────────┴───────> failed, cancelled

A job of Luma in a state that the table does not know is looked at again. A creation in such a state is taken for ended,
and whoever waits sees what there is. What an answer says that is behind the times, `queued` after `processing`, is no
news.
"""

from collections.abc import Mapping
from typing import Final

from attrs import frozen

__all__ = ["CREATION", "LUMA_JOB", "Lifecycle"]


@frozen
class Lifecycle:
    """The states that something goes through: for each of them, those that may come after it."""

    table: Mapping[str, frozenset[str]]
    ends_unknown: bool = False
    """Whether a state that the table does not know is taken for an end."""

    def is_terminal(self, state: str | None) -> bool:
        """Tell whether nothing comes after a state."""
        return not self.table[state] if state is not None and state in self.table else self.ends_unknown

    def is_news(self, seen: str | None, found: str | None) -> bool:
        """Tell whether a state is another than the one seen last, and not one from before it."""
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
