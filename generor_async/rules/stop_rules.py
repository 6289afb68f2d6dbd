"""How many paid calls of a batch may be under way, and when a run stops by itself.

A broken gateway may take the money and lose the answers, and nothing shows that before the first answers are due. So a
run begins with few paid calls, and may have as many under way as were answered in the folder's life. It stops after
several unknown outcomes in a row, or where half of the latest ones are unknown. While downloads fail for the same
reason no new call is made, because its outputs could not be fetched either.
"""

from collections import deque
from typing import Final, Literal, TypeAlias

from attrs import define, field

__all__ = ["FIRST_CALLS", "CallOutcome", "RunRecord", "StopReason"]

StopReason: TypeAlias = Literal[
    "done",
    "failed",
    "cap",
    "credits",
    "key",
    "unknown",
    "downloads",
    "storage",
    "disk",
    "folder",
    "database",
    "interrupted",
]
"""Why a run ended. `done`: all rows are done, and none was rejected. `failed`: the run ended by itself with rows that
failed, are unknown or were rejected, or with an error that has no other name. Others stopped it early: the `cap`, the
account's `credits`, its `key`, calls whose outcome is `unknown`, `downloads`, the `storage` of
outputs, the `disk`, the `folder`, the `database`, or a signal."""

CallOutcome: TypeAlias = Literal["answered", "known", "unknown"]
"""The outcome of a paid call that was sent: a success was received, the outcome is known otherwise, or it isn't."""

FIRST_CALLS: Final = 4
"""Paid calls that may be under way before any was answered."""
UNKNOWN_IN_A_ROW: Final = 5
"""Unknown outcomes in a row that stop a run."""
OUTCOMES_COUNTED: Final = 40
"""Number of latest outcomes; a run stops when half of them are unknown."""
SAME_FAILURES: Final = 3
"""Rows whose downloads fail alike that hold back new calls; and rows in a row given up that stop a run."""


@define
class RunRecord:
    """The outcomes of a run's paid calls and downloads so far."""

    answered: int = 0
    """Calls that were answered, over the folder's life."""
    _latest: "deque[bool]" = field(factory=lambda: deque(maxlen=OUTCOMES_COUNTED))
    """Whether the outcome was unknown, for each of the latest calls."""
    _unknown: int = 0
    """Calls in a row whose outcome is unknown."""
    _lost: int = 0
    """Rows in a row that were paid for, and whose outputs can't be fetched by anybody."""
    _given_up: int = 0
    """Rows in a row whose outputs could not be fetched in this run."""
    _failing: dict[int, str] = field(factory=dict[int, str])
    """The problem of each row whose download is being retried, since outputs were last stored."""

    def record_call(self, outcome: CallOutcome) -> None:
        """Count the outcome of a paid call."""
        self.answered += outcome == "answered"
        self._unknown = self._unknown + 1 if outcome == "unknown" else 0
        self._latest.append(outcome == "unknown")

    def record_stored(self) -> None:
        """Record that a row's outputs are stored."""
        self._lost = self._given_up = 0
        self._failing.clear()

    def record_failure(self, row: int, problem: str) -> None:
        """Record that a row's download failed, and is retried."""
        self._failing[row] = problem

    def record_lost(self) -> None:
        """Count a row that was paid for, and whose outputs no longer exist."""
        self._lost += 1

    def record_given_up(self) -> None:
        """Count a row whose outputs are left to another run."""
        self._given_up += 1

    def record_end(self, row: int) -> None:
        """Record that a row's download is not retried any more."""
        self._failing.pop(row, None)

    @property
    def common_problem(self) -> str:
        """The problem that several downloads have in common; empty where there is none."""
        problems = [*self._failing.values()]
        return next((problem for problem in problems if problems.count(problem) >= SAME_FAILURES), "")

    @property
    def max_calls(self) -> int:
        """How many paid calls may be under way; none while downloads fail alike."""
        return 0 if self.common_problem else max(FIRST_CALLS, self.answered)

    @property
    def stop_reason(self) -> Literal["unknown", "downloads"] | None:
        """Why the run has to stop; None where it may go on."""
        if max(self._unknown, self._lost) >= UNKNOWN_IN_A_ROW or 2 * sum(self._latest) >= OUTCOMES_COUNTED:
            return "unknown"
        return "downloads" if self._given_up >= SAME_FAILURES else None

    @property
    def unknown_calls(self) -> str:
        """How many calls have an unknown outcome, in words."""
        if max(self._unknown, self._lost) >= UNKNOWN_IN_A_ROW:
            return f"{max(self._unknown, self._lost)} calls in a row"
        return f"{sum(self._latest)} of the last {len(self._latest)} calls"
