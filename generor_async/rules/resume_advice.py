"""What to tell somebody whose batch was stopped by an error: that nothing is lost, and how to resume."""

from typing import Final

from generor_async.errors import (
    APIStatusError,
    BudgetExhaustedError,
    DownloadError,
    InvalidRequestError,
    JournalError,
    OutcomeUnknownError,
)
from generor_async.rules.vendors import LUMA, Vendor

__all__ = ["UNSTORED", "resume_advice"]

UNSTORED: Final = "Paid for and not stored: "
"""Beginning of the note with the ids of what was paid for, where the journal could not be written to."""
NOTHING_LOST = "Nothing is lost: what is done is stored, and rows that were not charged wait."
RUN_AGAIN = "run the same again, into the same folder or database"
SAME_KEY = " Luma shows a job to the key that submitted it alone: if jobs are under way, keep to that key."


def resume_advice(error: BaseException, vendor: Vendor) -> str:
    """Return what an error that stops a run means for its rows, and what to do; empty where its own text says so."""
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
