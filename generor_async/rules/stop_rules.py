"""When a batch begins slowly, when it stops by itself, and what to tell somebody whose batch has stopped.

A gateway that takes the money and loses the answer looks like a good one until its first answers are due. So few paid
calls are under way at first, and more as more are answered; and a run of which nothing comes back stops by itself.
"""

from collections import deque
from typing import Final, Literal, TypeAlias

from attrs import define, field

from generor_async.errors import (
    APIStatusError,
    BudgetExhaustedError,
    DownloadError,
    InvalidRequestError,
    JournalError,
    OutcomeUnknownError,
)
from generor_async.rules.vendors import LUMA, Vendor

__all__ = ["FIRST_CALLS", "CallOutcome", "RunRecord", "StopReason", "resume_advice"]

StopReason: TypeAlias = Literal[
    "done", "failed", "cap", "credits", "key", "unknown", "downloads", "disk", "folder", "interrupted"
]
"""Why a run ended. `done`: every row is that was to be, and none was set aside. `failed`: it ran to its end, and
some rows failed, are unknown or were set aside; or an error that has no other name stopped it. The others stopped it:
the `cap`, the account's `credits`, its `key`, calls whose outcome is `unknown`, `downloads`, the `disk`, the `folder`,
or somebody."""

CallOutcome: TypeAlias = Literal["answered", "known", "unknown"]
"""What a paid call that left came to: it was answered well, or what came of it is known otherwise, or it isn't."""

FIRST_CALLS: Final = 4
"""Paid calls that may be under way before any was answered well."""
UNKNOWN_IN_A_ROW: Final = 5
"""Unknown outcomes one after the other that stop a run."""
OUTCOMES_COUNTED: Final = 40
"""Of how many outcomes half may not be unknown."""
SAME_FAILURES: Final = 3
"""Rows whose outputs can't be had: so many that fail alike hold back new calls, and so many given up stop a run."""


@define
class RunRecord:
    """What a run has seen of its paid calls and of its downloads."""

    answered: int = 0
    """Calls that were answered well, over the folder's life."""
    _latest: "deque[bool]" = field(factory=lambda: deque(maxlen=OUTCOMES_COUNTED))
    """Whether the outcome was unknown, of the latest calls."""
    _unknown: int = 0
    """Calls in a row whose outcome is unknown."""
    _gone: int = 0
    """Rows in a row that were paid for, and whose outputs nobody has any more."""
    _given_up: int = 0
    """Rows in a row whose outputs could not be had."""
    _failing: dict[int, str] = field(factory=dict[int, str])
    """Rows whose outputs are tried again, with what was wrong, since any were stored."""

    def call(self, came_to: CallOutcome) -> None:
        """Note what a paid call came to."""
        self.answered += came_to == "answered"
        self._unknown = self._unknown + 1 if came_to == "unknown" else 0
        self._latest.append(came_to == "unknown")

    def stored(self) -> None:
        """Note that a row's outputs are stored."""
        self._gone = self._given_up = 0
        self._failing.clear()

    def fails(self, row: int, problem: str) -> None:
        """Note that a row's outputs can't be had now, and are tried again."""
        self._failing[row] = problem

    def gone(self) -> None:
        """Note a row that is unknown, though it was paid for: nobody has its outputs any more."""
        self._gone += 1

    def given_up(self) -> None:
        """Note a row whose outputs are left to another run."""
        self._given_up += 1

    def ended(self, row: int) -> None:
        """Note that nothing more is tried for a row."""
        self._failing.pop(row, None)

    @property
    def held_by(self) -> str:
        """What is wrong where downloads fail alike, so that no new call is made until one succeeds; else empty."""
        problems = [*self._failing.values()]
        return next((problem for problem in problems if problems.count(problem) >= SAME_FAILURES), "")

    @property
    def most(self) -> int:
        """How many paid calls may be under way."""
        return 0 if self.held_by else max(FIRST_CALLS, self.answered)

    @property
    def stop(self) -> Literal["unknown", "downloads"] | None:
        """Why the run is to stop; None where it is not."""
        if max(self._unknown, self._gone) >= UNKNOWN_IN_A_ROW or 2 * sum(self._latest) >= OUTCOMES_COUNTED:
            return "unknown"
        return "downloads" if self._given_up >= SAME_FAILURES else None

    @property
    def doubt(self) -> str:
        """Whose outcome is unknown, in words."""
        if max(self._unknown, self._gone) >= UNKNOWN_IN_A_ROW:
            return f"{max(self._unknown, self._gone)} calls in a row"
        return f"{sum(self._latest)} of the last {len(self._latest)} calls"


NOTHING_LOST = "Nothing is lost: what is done is stored, and rows that were not charged wait."
RUN_AGAIN = "run the same again, into the same folder"
SAME_KEY = " Luma shows a job to the key that submitted it alone: if jobs are under way, keep to that key."


def resume_advice(error: BaseException, vendor: Vendor) -> str:
    """Return what an error that stops a run means for its rows, and what to do; empty where it says so itself."""
    if isinstance(error, BudgetExhaustedError):
        return (
            "Nothing is lost: what is done is stored, and the rows whose jobs broke off so wait to be submitted again."
            " Whether those jobs are charged is not documented, so their price stays counted as doubtful;"
            f" jobs under way may be charged as well. Add credits, then {RUN_AGAIN}."
        )
    if isinstance(error, DownloadError | InvalidRequestError | JournalError | OutcomeUnknownError):
        return ""
    status = error.status_code if isinstance(error, APIStatusError) else None
    if status == 402:
        return f"{NOTHING_LOST} Add credits, then {RUN_AGAIN}."
    if status in {401, 403}:
        return f"{NOTHING_LOST} Mend the key or its account, then {RUN_AGAIN}.{SAME_KEY if vendor is LUMA else ''}"
    return f"{NOTHING_LOST} When this is mended, {RUN_AGAIN}."
