"""The events that a client passes to `on_event`: frozen objects, without prompts, keys or presigned queries."""

from typing import TypeAlias

from attrs import frozen

from generor_async.values.terms import Outcome, ThrottleScope

__all__ = [
    "AttemptEnded",
    "AttemptStarted",
    "DownloadProgress",
    "Event",
    "GenerateProgress",
    "JobEnded",
    "JobPolled",
    "JobSubmitted",
    "RetryScheduled",
    "Throttled",
    "UploadProgress",
]


@frozen(kw_only=True)
class AttemptStarted:
    """A request is about to be sent; `request_id` is its X-Request-Id, a new one for each attempt.

    `call_id` is the same for all attempts of a call: the request id of the first one.
    """

    operation: str
    call_id: str
    request_id: str
    attempt: int


@frozen(kw_only=True)
class AttemptEnded:
    """An attempt has ended, with an `outcome`; `status` is None where no answer came, `elapsed` is in seconds."""

    operation: str
    call_id: str
    request_id: str
    attempt: int
    outcome: Outcome
    status: int | None
    elapsed: float


@frozen(kw_only=True)
class RetryScheduled:
    """Another attempt is sent in `delay` seconds, after an error of the type `reason`.

    `request_id` is that of the attempt that failed. After a 429 there is also a `Throttled` event with the same delay.
    """

    operation: str
    call_id: str
    request_id: str
    attempt: int
    delay: float
    reason: str


@frozen(kw_only=True)
class Throttled:
    """A call waits for a limit, after a 429 or before it is sent.

    `delay` is in seconds, and infinite where the wait ends with another call's answer. `request_id` is that of the last
    attempt, or of the first one where none was made yet.
    """

    operation: str
    call_id: str
    request_id: str
    scope: ThrottleScope
    """A window (`minute`, `hour`, `day`), `jobs`, `abuse` (a hold of all calls of the key), `outage` (the API is
    unavailable, and another call finds out when it is back), or `unknown`."""
    delay: float


@frozen(kw_only=True)
class JobSubmitted:
    """A job was accepted; from now on it can be found by its id."""

    job_id: str
    model: str | None


@frozen(kw_only=True)
class JobPolled:
    """A job was polled; `elapsed` is in seconds since the wait began."""

    job_id: str
    state: str
    elapsed: float


@frozen(kw_only=True)
class JobEnded:
    """A job reached a terminal state."""

    job_id: str
    state: str
    failure_code: str | None
    elapsed: float


@frozen(kw_only=True)
class DownloadProgress:
    """`received` bytes of an output have arrived, of `total`; None where the host doesn't say."""

    name: str
    received: int
    total: int | None


@frozen(kw_only=True)
class UploadProgress:
    """`sent` bytes of a file were sent, of `total`; `sent` starts again at 0 with another attempt."""

    name: str
    sent: int
    total: int


Event: TypeAlias = (
    AttemptStarted
    | AttemptEnded
    | RetryScheduled
    | Throttled
    | JobSubmitted
    | JobPolled
    | JobEnded
    | DownloadProgress
    | UploadProgress
)


@frozen(kw_only=True)
class GenerateProgress:
    """The estimated progress of a generate call, about which the API says nothing until it answers.

    `elapsed` is in seconds since the call began.
    """

    elapsed: float
    expected: float | None
    """The API's own estimate of the whole duration, in seconds; None until it is known."""
    fraction: float | None
    """From 0 to 1, and below 1 until the call was answered; None while `expected` is None."""
    estimated: bool
    """True until the call was answered."""
