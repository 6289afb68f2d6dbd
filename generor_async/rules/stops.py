"""What to tell somebody whose batch has stopped: that nothing is lost, and how to go on."""

from generor_async.errors import APIStatusError, BudgetExhaustedError
from generor_async.rules.vendors import LUMA, Vendor

__all__ = ["how_to_go_on"]

KEPT = "Nothing is lost: what is done is stored, and rows that were not charged wait."
AGAIN = "run the same again, into the same folder"
SAME_KEY = " Luma shows a job to the key that submitted it alone: if jobs are under way, keep to that key."


def how_to_go_on(error: BaseException, vendor: Vendor) -> str:
    """Return what an error that stops a run means for its rows, and what to do."""
    if isinstance(error, BudgetExhaustedError):
        return (
            "Nothing is lost: what is done is stored, and the rows whose jobs broke off so wait to be submitted again."
            " Whether those jobs are charged is not documented, so their price stays counted as doubtful;"
            f" jobs under way may be charged as well. Add credits, then {AGAIN}."
        )
    status = error.status_code if isinstance(error, APIStatusError) else None
    if status == 402:
        return f"{KEPT} Add credits, then {AGAIN}."
    if status in {401, 403}:
        return f"{KEPT} Mend the key or its account, then {AGAIN}.{SAME_KEY if vendor is LUMA else ''}"
    return f"{KEPT} When this is mended, {AGAIN}."
