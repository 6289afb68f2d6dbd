"""Decides what a failed poll means for the wait for a job.

A job whose 201 or state was seen exists and was paid for. A single answer that says otherwise may come from a firewall,
a proxy, or a replica that lags behind. Such answers end a wait only where they are repeated: `ODD_POLLS` times in a row
over at least `ODD_SECONDS`.

| answer to the poll                                         | the job was seen before | it was never seen  |
|------------------------------------------------------------|-------------------------|--------------------|
| a state                                                    | as its lifecycle says   | the same           |
| none, 429, any 5xx                                         | polled again            | the same           |
| none, because the client is closed                         | the end                 | the end            |
| 401 or 403 in the API's own shape                          | the end                 | the end            |
| 404; a server that can never be reached (bad certificate)  | odd                     | the end            |
| 401 or 403 in another shape, any 3xx, any other 4xx        | odd                     | odd                |
| a success without a state, too large or that can't be read | odd                     | odd                |

An answer that says nothing about the job isn't counted, and doesn't interrupt the row; a state interrupts it.
"""

from typing import Final, Literal, TypeAlias

from attrs import define

from generor_async.errors import (
    APIConnectionError,
    APIStatusError,
    AuthenticationError,
    ClientClosedError,
    DeadlineExceededError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ResponseShapeError,
)
from generor_async.rules.vendors import Vendor

__all__ = ["ODD_POLLS", "ODD_SECONDS", "OddPolls", "PollFailure", "classify_poll_failure"]

ODD_POLLS: Final = 3
"""Number of odd answers in a row that end a wait."""
ODD_SECONDS: Final = 10.0
"""Least seconds between the first and the last of them."""

PollFailure: TypeAlias = Literal["says_nothing", "final", "absent", "odd"]
"""What a poll without a state means: nothing, the end of the wait, that there is no such job, or an odd answer."""


def classify_poll_failure(error: BaseException, vendor: Vendor) -> PollFailure:
    """Classify a poll that ended in an error."""
    match error:
        case ClientClosedError():
            return "final"
        case APIConnectionError() if error.retryable:
            return "says_nothing"
        case APIConnectionError():
            return "absent" if error.outcome == "not_sent" else "odd"
        case InternalServerError() | RateLimitError() | DeadlineExceededError():
            return "says_nothing"
        case NotFoundError():
            return "absent"
        case AuthenticationError() | PermissionDeniedError() if vendor.failure(error.body) is not None:
            return "final"
        case APIStatusError() if error.response is not None:  # else it was refused here: nothing was sent
            return "odd"
        case ResponseShapeError():
            return "odd"
        case _:
            return "final"


@define
class OddPolls:
    """The odd answers in a row to the polls of one job."""

    count: int = 0
    since: float = 0.0
    """When the first of them came, in seconds."""

    def end_with(self, failure: PollFailure, now: float, *, seen: bool) -> bool:
        """Record a poll that failed, and tell whether it ends the wait.

        `seen` tells whether the job was seen before; `now` is in seconds.
        """
        if failure == "says_nothing":
            return False
        if failure == "final" or (failure == "absent" and not seen):
            return True
        if not self.count:
            self.since = now
        self.count += 1
        return self.count >= ODD_POLLS and now - self.since >= ODD_SECONDS

    def clear(self) -> None:
        """Record a poll that returned the job's state."""
        self.count = 0
