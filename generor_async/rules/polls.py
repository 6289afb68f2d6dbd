"""What the answer to a poll means for whoever waits for the job.

A job whose 201 or state somebody has seen exists, and was paid for: one answer that says otherwise may come from a
firewall, a proxy, or a replica that lags behind. So such answers end a wait only where they are repeated, `ODD_POLLS`
times in a row over at least `ODD_SECONDS`.

| answer to the poll                                         | the job was seen before | nobody has seen it |
|------------------------------------------------------------|-------------------------|--------------------|
| a state                                                    | as its lifecycle says   | the same           |
| none, 429, any 5xx                                         | polled again            | the same           |
| none, because the client is closed                         | the end                 | the end            |
| 401 or 403 in the API's own shape                          | the end                 | the end            |
| 404; a server that can never be reached (bad certificate)  | odd                     | the end            |
| 401 or 403 of somebody else, any 3xx, any other 4xx        | odd                     | odd                |
| a success without a state, too large or that can't be read | odd                     | odd                |

What says nothing of the job neither counts as odd nor breaks the row; a state does.
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

__all__ = ["ODD_POLLS", "ODD_SECONDS", "OddPolls", "PollFailure", "read_failure"]

ODD_POLLS: Final = 3
"""How many odd answers in a row end a wait."""
ODD_SECONDS: Final = 10.0
"""Seconds from the first to the last of them at the least."""

PollFailure: TypeAlias = Literal["says_nothing", "final", "absent", "odd"]
"""What a poll that brought no state says: nothing of the job, the end, that there is no such job, or what can't be."""


def read_failure(error: BaseException, vendor: Vendor) -> PollFailure:
    """Tell what a poll says that ended in an error."""
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
    """The odd answers to the polls of one job, as far as they came in a row."""

    count: int = 0
    since: float = 0.0
    """When the first of them came."""

    def end_with(self, failure: PollFailure, now: float, *, seen: bool) -> bool:
        """Take in a poll that failed; tell whether that ends the wait.

        `seen` tells whether anybody has seen the job; times are in seconds.
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
        """Take in a poll that showed the job's state."""
        self.count = 0
