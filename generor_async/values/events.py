"""What a client tells its `on_event` callable: one stream, frozen objects, no prompts, keys or presigned queries."""

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
    """A request is about to leave: `request_id` is its X-Request-Id, a new one for each attempt.

    `call_id` is what the attempts of one call have in common: the request id of the first of them.
    """

    operation: str
    call_id: str
    request_id: str
    attempt: int


@frozen(kw_only=True)
class AttemptEnded:
    """An attempt came to something: `outcome` says what, `status` is None where no answer came.

    `elapsed` is in seconds.
    """

    operation: str
    call_id: str
    request_id: str
    attempt: int
    outcome: Outcome
    status: int | None
    elapsed: float


@frozen(kw_only=True)
class RetryScheduled:
    """The next attempt leaves in `delay` seconds; `reason` names the error that asked for it.

    `request_id` is that of the attempt that failed.
    After a 429 it comes together with `Throttled`, and tells the same wait.
    """

    operation: str
    call_id: str
    request_id: str
    attempt: int
    delay: float
    reason: str


@frozen(kw_only=True)
class Throttled:
    """The call waits for a limit: `delay` is the seconds until its next chance, infinite where only an answer tells.

    It comes for every 429, and whenever a call has to wait before it is sent. `request_id` is that of the last attempt,
    or of the first one before it is made.
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
    """A job was accepted, and from here on can be found again by its id."""

    job_id: str
    model: str | None


@frozen(kw_only=True)
class JobPolled:
    """A job was looked at; `elapsed` is in seconds since the wait began."""

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
    """Bytes of one output that have arrived; `total` is None where the host does not say."""

    name: str
    received: int
    total: int | None


@frozen(kw_only=True)
class UploadProgress:
    """Bytes of one file that were handed to the network; they begin anew where they have to be sent again."""

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
    """How far a generate is likely to have come: the API says nothing until it answers.

    `elapsed` is in seconds since the call began.
    """

    elapsed: float
    expected: float | None
    """Seconds that it takes by the API's own estimate; None until there is one."""
    fraction: float | None
    """From 0 to 1, and below 1 until the answer is there; None while nothing is expected."""
    estimated: bool
    """True until the answer is there."""
