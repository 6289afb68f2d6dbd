"""Tells what a paid call that failed has cost."""

from generor_async.errors import (
    APIError,
    BudgetExceededError,
    ClientDrainingError,
    DeadlineExceededError,
    GenerorAsyncError,
)

__all__ = ["failure_cost"]


def failure_cost(error: GenerorAsyncError, price: float | None) -> float | None:
    """Return what a failed call likely cost, in credits; None if nobody knows.

    `price` is the price of a call that took effect. A refused call, and one that was not sent, cost nothing. A wait
    that ran out of time before a job was known had sent nothing that took effect: otherwise it would have ended in an
    OutcomeUnknownError.
    """
    if error.job_id is not None or error.creation_id is not None:
        return price
    is_free = isinstance(error, BudgetExceededError | ClientDrainingError | DeadlineExceededError) or (
        isinstance(error, APIError) and error.outcome in {"not_sent", "refused"}
    )
    return 0.0 if is_free else None
