"""The events that a client passes to its subscribers: frozen objects, without prompts, keys or presigned queries."""

from typing import TypeAlias

from attrs import frozen

from generor_async.values.terms import Outcome, ThrottleScope

__all__ = [
    "AttemptEnded",
    "AttemptStarted",
    "CallEnded",
    "CallStarted",
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
class CallStarted:
    """A logical call begins, before it waits for any limit. All its events have its `call_id`.

    `run`, `submit`, each request of a `map`, and `wait` are one call each, with the submission and the polls that they
    make; so are `download`, `read`, `save` and `stream`, whose requests go to the hosts of the outputs.
    """

    operation: str
    """Dotted, with the API's name: `luma.generations.run`."""
    call_id: str
    base_url: str
    method: str | None
    """The HTTP method; None for a call that makes several requests."""
    path: str | None
    """The template of the path, such as `/generations/{id}`; None for such a call."""
    billable: bool
    """Whether it may cost credits."""
    model: str | None
    """The model that is asked for; None where the call names none."""
    job_id: str | None
    """The job that is waited for, or whose outputs are transferred; None for other calls."""


@frozen(kw_only=True)
class CallEnded:
    """A logical call has ended: the last of its events."""

    operation: str
    call_id: str
    outcome: Outcome
    """`done` where a request of the call took effect, even if its job failed later."""
    status: int | None
    """The status of the last answer; None where none came to the last request."""
    error: str | None
    """The name of the class of the exception that was raised; None for a success."""
    cost: float | None
    """Credits: what Generor's answer says, or Luma's list price of the jobs that were accepted, before refunds; None
    where unknown."""
    model: str | None
    job_id: str | None
    """The id of the job, or of the first creation."""
    attempts: int
    """Number of requests, polls included."""
    waited: float
    """Seconds before the first request: for the limits, or between a submission and the first poll of a wait."""
    elapsed: float
    """Seconds, waits included."""


@frozen(kw_only=True)
class AttemptStarted:
    """A request is about to be sent; `request_id` is its X-Request-Id, a new one for each attempt.

    `call_id` is the same for all events of a call: the request id of its first attempt.
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
    call_id: str | None = None
    """The call that submitted it; None where a batch did."""


@frozen(kw_only=True)
class JobPolled:
    """A job was polled; `elapsed` is in seconds since the wait began."""

    job_id: str
    state: str
    elapsed: float
    call_id: str | None = None
    """The first call that waits for it; None where many jobs are waited for together."""


@frozen(kw_only=True)
class JobEnded:
    """A job reached a terminal state."""

    job_id: str
    state: str
    failure_code: str | None
    elapsed: float
    call_id: str | None = None
    """As in `JobPolled`."""


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
    CallStarted
    | CallEnded
    | AttemptStarted
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
