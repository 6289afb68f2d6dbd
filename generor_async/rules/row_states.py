"""The life of a row of a batch: which steps it may take, and what a call, or a restart, means for it.

    ready ──> leased ──> submitting ──> accepted ──> downloading ──> done

    leased again                  from submitting: nothing has left after all, or it was refused and had no effect, and
                                  the call waits to be made again
    back to ready                 from leased and submitting: nothing was sent, or refused for now
                                  from accepted: the job's account ran out of credits
                                  from failed: by the user's will
                                  from unknown: by the user's will, or surely absent
    failed                        from leased to accepted: refused for good, or a job that failed
    unknown                       from submitting on: charged or perhaps charged, and no result
    accepted                      from unknown: found in a listing

After a crash a leased row is ready again: no call of it is under way. A submitting one is unknown, never ready: its
call may have been charged. Those behind are taken up where they were: looking and downloading are free.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias, get_args

from attrs import frozen

from generor_async.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    BudgetExhaustedError,
    ClientClosedError,
    DeadlineExceededError,
    DownloadError,
    GenerationFailedError,
    NotFoundError,
    ResponseShapeError,
)
from generor_async.rules.job_errors import job_id_of
from generor_async.rules.response_ids import find_ids
from generor_async.rules.vendors import LUMA, Vendor
from generor_async.values import JSON

__all__ = [
    "END_STATES",
    "MOST_ATTEMPTS",
    "PAID_STATES",
    "ROW_STATES",
    "STATE_AFTER",
    "STATE_AFTER_CRASH",
    "TRANSITIONS",
    "Accept",
    "Defer",
    "Download",
    "Fail",
    "Finish",
    "MarkUnknown",
    "Release",
    "RowState",
    "RowVerdict",
    "Step",
    "Submit",
    "is_legal",
    "to_api_id",
    "verdict_for",
]

RowState: TypeAlias = Literal["ready", "leased", "submitting", "accepted", "downloading", "done", "failed", "unknown"]
ROW_STATES: Final[tuple[RowState, ...]] = get_args(RowState)

TRANSITIONS: Final[Mapping[RowState, frozenset[RowState]]] = {
    "ready": frozenset({"leased"}),
    "leased": frozenset({"submitting", "ready", "failed"}),
    "submitting": frozenset({"accepted", "leased", "ready", "failed", "unknown"}),
    "accepted": frozenset({"downloading", "ready", "failed", "unknown"}),
    "downloading": frozenset({"done", "unknown"}),
    "done": frozenset(),
    "failed": frozenset({"ready"}),
    "unknown": frozenset({"accepted", "ready"}),
}
"""For each state those that may come after it."""

END_STATES: Final[tuple[RowState, ...]] = ("done", "failed", "unknown")
"""Where a run leaves a row; only the user's will, or what was found out since, leads on."""
PAID_STATES: Final[tuple[RowState, ...]] = ("accepted", "downloading")
"""Paid for and not ended: taken up again after a restart."""
STATE_AFTER_CRASH: Final[Mapping[RowState, RowState]] = {"leased": "ready", "submitting": "unknown"}
"""What a crash makes of a state; every other one stays."""

MOST_ATTEMPTS: Final = 5
"""How often a row is claimed whose calls come to nothing; each time the client itself had tried again."""


# --- steps: what is written down of one, beside the state that it leads to --------------------------------------------


@frozen(kw_only=True)
class Submit:
    """The intent, written down before the call is made."""

    at: float
    """Seconds since the epoch."""
    call_id: str
    model: str
    """What the price is learned for."""
    estimated: float
    """Its price as estimated, in credits."""
    reserved: float
    """What is set aside for it under the cap, in credits."""
    longest: float = 0.0
    """Seconds that it may take at the most, as estimated."""


@frozen
class Defer:
    """The call has not left after all, or was refused and had no effect, and waits to be made again.

    The intent of the next attempt is a Submit of its own. Nothing is set aside in between.
    """


@frozen(kw_only=True)
class Accept:
    """The API took it on, or it was found in a listing: written down before anybody is told."""

    remote_ids: tuple[str, ...]
    """What the API calls it: a job, or the creations of one call."""
    cost: float | None = None
    """What it cost by its own account, in credits; None keeps what is set aside."""
    likely: float | None = None
    """What it has likely cost, in credits, where that is something else."""
    alone: bool = False
    """Whether no other call was under way meanwhile: only then is the API's `credit_cost` of this call alone."""


@frozen
class Download:
    """It is complete, and its outputs are fetched."""


@frozen(kw_only=True)
class Finish:
    """Its outputs are stored."""

    at: float
    result: JSON
    """Ids and paths, as results.jsonl has them; never a presigned URL."""


@frozen(kw_only=True)
class Fail:
    """It came to nothing."""

    at: float
    problem: JSON
    """Why: an object with `message`."""
    cost: float | None = None
    """What it cost, in credits; None keeps what is set aside, as whether a failed job is charged isn't documented."""


@frozen(kw_only=True)
class MarkUnknown:
    """It may have been charged, and there is no result: what is set aside stays as its worst cost."""

    at: float
    problem: JSON


@frozen(kw_only=True)
class Release:
    """It may be claimed again."""

    at: float
    problem: JSON
    """Why: an object with `message`."""
    cost: float | None = 0.0
    """What this attempt cost, in credits; None keeps what is set aside, where it may have been charged."""


Step: TypeAlias = Submit | Defer | Accept | Download | Finish | Fail | MarkUnknown | Release

STATE_AFTER: Final[Mapping[type[Step], RowState]] = {
    Submit: "submitting",
    Defer: "leased",
    Accept: "accepted",
    Download: "downloading",
    Finish: "done",
    Fail: "failed",
    MarkUnknown: "unknown",
    Release: "ready",
}


def to_api_id(remote_id: str) -> Any:
    """Return a creation's id, which a journal keeps as text, as the API has it: a number unless it is none."""
    return int(remote_id) if remote_id.isdecimal() else remote_id


def is_legal(state: RowState, step: Step) -> bool:
    """Tell whether a row in this state may take this step; one that is ready is claimed, and takes none."""
    return state != "ready" and STATE_AFTER[type(step)] in TRANSITIONS[state]


# --- what an error means for the row whose call or job raised it ------------------------------------------------------


@frozen(kw_only=True)
class RowVerdict:
    """Where an error leads a row, and what it means for the run."""

    to: Literal["accepted", "ready", "failed", "unknown"] | None
    """The state it leads to; None leaves the row where it is, to be looked at again."""
    charged: bool | None
    """Whether this attempt was charged; None where nobody can say."""
    stops: bool = False
    """Whether the run must stop, as every other row would meet the same."""
    wait: float = 0.0
    """Seconds before the row is worth another try, as the server asked."""
    remote_ids: tuple[str, ...] = ()
    """What the API calls it, read from an answer that could not be read whole."""


_POLL_AGAIN: Final = RowVerdict(to=None, charged=None)


def verdict_for(
    error: Exception, *, vendor: Vendor, state: RowState, attempt: int, refunds: bool = False
) -> RowVerdict:
    """Tell what an error means for a row that is leased, submitting, or behind.

    `refunds` believes the vendor where it says that a failed job is refunded.

    Raises the error itself where it is no error of the API or of the network.
    """
    if state in PAID_STATES:
        return _after_acceptance(error, refunds=refunds)
    if isinstance(error, DeadlineExceededError):
        # Only what never left raises it here: a paid call that left and ran out of time raises OutcomeUnknownError.
        return _retry_later(attempt)
    if not isinstance(error, APIError):
        raise error
    match error.outcome:
        case "unknown":
            return _after_unknown(error, vendor)
        case "done":
            ids = _complete_ids(error, vendor)
            return RowVerdict(to="accepted" if ids else "unknown", charged=True, remote_ids=ids)
        case _:
            return _after_refusal(error, attempt)


def _after_acceptance(error: Exception, *, refunds: bool) -> RowVerdict:
    if isinstance(error, BudgetExhaustedError):
        return RowVerdict(to="ready", charged=None, stops=True)
    if isinstance(error, GenerationFailedError):
        return RowVerdict(to="failed", charged=False if refunds and error.refunded else None)
    if isinstance(error, NotFoundError):
        return RowVerdict(to="unknown", charged=True)
    if isinstance(error, ClientClosedError):
        return RowVerdict(to=None, charged=None, stops=True)
    if isinstance(error, APIStatusError) and error.status_code in {401, 402, 403}:
        return RowVerdict(to=None, charged=None, stops=True)
    if isinstance(error, DownloadError) and not error.retryable:
        return RowVerdict(to="unknown", charged=True)
    return _POLL_AGAIN


def _after_unknown(error: APIError, vendor: Vendor) -> RowVerdict:
    """Luma's job whose id was in the rubble of its answer can be looked at; a creation's number may be cut short."""
    job = job_id_of(error) if vendor is LUMA else None
    if job is not None:
        return RowVerdict(to="accepted", charged=True, remote_ids=(job,))
    return RowVerdict(to="unknown", charged=None)


def _complete_ids(error: APIError, vendor: Vendor) -> tuple[str, ...]:
    """Return the ids in the JSON of an answer, or in its Location, where they can be what was made."""
    located = error.ids if isinstance(error, ResponseShapeError) else ()
    ids = tuple(dict.fromkeys((*find_ids(json.dumps(getattr(error, "body", None))), *located)))
    return ids if vendor is not LUMA or len(ids) == 1 else ()


def _after_refusal(error: APIError, attempt: int) -> RowVerdict:
    """Judge what was not sent, or refused: this attempt cost nothing."""
    if isinstance(error, APIStatusError) and error.status_code in {401, 402, 403}:
        return RowVerdict(to="ready", charged=False, stops=True)
    if isinstance(error, APIConnectionError):
        return _retry_later(attempt, stops=not error.retryable)
    if isinstance(error, APIStatusError) and error.retryable:
        return _retry_later(attempt, wait=error.retry_after or 0.0)
    return RowVerdict(to="failed", charged=False)


def _retry_later(attempt: int, *, wait: float = 0.0, stops: bool = False) -> RowVerdict:
    """Back to ready; a row that comes back again and again stops the run: it is not the row that is at fault."""
    return RowVerdict(to="ready", charged=False, wait=wait, stops=stops or attempt >= MOST_ATTEMPTS)
