"""The states of a batch's rows, the steps between them, and what errors and restarts mean for them.

Each step is written to the journal before it has consequences. `submitting` is the intent: it is committed before the
call is sent, so that after a crash no row can have been charged without its journal knowing.

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
    done                          from accepted: of a call that is no row, whose outputs are not stored here

After a crash, a leased row is ready again, because its call was not sent. A submitting row is unknown, never ready: its
call may have been charged. Accepted and downloading rows are resumed, because polls and downloads are free.
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
    ClientDrainingError,
    DeadlineExceededError,
    DownloadError,
    GenerationFailedError,
    NotFoundError,
    ResponseShapeError,
    StorageError,
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
    "RowStep",
    "RowVerdict",
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
    "accepted": frozenset({"downloading", "done", "ready", "failed", "unknown"}),
    "downloading": frozenset({"done", "unknown"}),
    "done": frozenset(),
    "failed": frozenset({"ready"}),
    "unknown": frozenset({"accepted", "ready"}),
}
"""For each state, the states that may follow."""

END_STATES: Final[tuple[RowState, ...]] = ("done", "failed", "unknown")
"""States in which a run leaves a row; the user, or reconciliation, may take it further."""
PAID_STATES: Final[tuple[RowState, ...]] = ("accepted", "downloading")
"""States of rows that were paid for and have no result yet: they are resumed after a restart."""
STATE_AFTER_CRASH: Final[Mapping[RowState, RowState]] = {"leased": "ready", "submitting": "unknown"}
"""States that change in a crash; all others stay."""

MOST_ATTEMPTS: Final = 5
"""Most claims of a row whose calls fail without effect; in each of them the client has retried as well."""


# --- steps ------------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Submit:
    """The intent, written to the journal before the call is sent."""

    at: float
    """Seconds since the epoch."""
    request_id: str
    model: str
    """The model whose price is learned."""
    estimated: float
    """Its estimated price in credits."""
    reserved: float
    """Credits reserved for it under the cap."""
    longest: float = 0.0
    """Its estimated longest duration in seconds."""


@frozen
class Defer:
    """The call was not sent, or refused without effect, and waits for a retry.

    The next attempt has a Submit of its own. Nothing is reserved in between.
    """


@frozen(kw_only=True)
class Accept:
    """The API accepted the call, or its result was found in a listing; written before anybody is told."""

    remote_ids: tuple[str, ...]
    """The ids of the API: one job, or the creations of one call."""
    cost: float | None = None
    """The cost that the call reports, in credits; None keeps the reservation."""
    likely: float | None = None
    """The probable cost in credits, where it differs."""
    alone: bool = False
    """Whether no other call was under way meanwhile: only then is the API's `credit_cost` that of this call."""


@frozen
class Download:
    """It is complete, and its outputs are downloaded."""


@frozen(kw_only=True)
class Finish:
    """Its outputs are stored."""

    at: float
    result: JSON
    """Ids and paths, as results.jsonl has them; never a presigned URL."""


@frozen(kw_only=True)
class Fail:
    """The row failed."""

    at: float
    problem: JSON
    """Why: an object with `message`."""
    cost: float | None = None
    """Its cost in credits; None keeps the reservation, as it isn't documented whether failed jobs are charged."""


@frozen(kw_only=True)
class MarkUnknown:
    """It may have been charged, and has no result; the reservation stays as its highest cost."""

    at: float
    problem: JSON


@frozen(kw_only=True)
class Release:
    """It may be claimed again."""

    at: float
    problem: JSON
    """Why: an object with `message`."""
    cost: float | None = 0.0
    """The cost of this attempt in credits; None keeps the reservation, where it may have been charged."""


RowStep: TypeAlias = Submit | Defer | Accept | Download | Finish | Fail | MarkUnknown | Release

STATE_AFTER: Final[Mapping[type[RowStep], RowState]] = {
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
    """Convert a creation's id from the journal's text into the API's form: a number where possible."""
    return int(remote_id) if remote_id.isdecimal() else remote_id


def is_legal(state: RowState, step: RowStep) -> bool:
    """Tell whether a row in this state may take this step; a ready row has to be claimed first."""
    return state != "ready" and STATE_AFTER[type(step)] in TRANSITIONS[state]


# --- errors -----------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class RowVerdict:
    """What an error means for its row and for the run."""

    to: Literal["accepted", "ready", "failed", "unknown"] | None
    """The next state; None keeps the state, and polls again."""
    charged: bool | None
    """Whether this attempt was charged; None where that is unknown."""
    stops: bool = False
    """Whether the run must stop, because all other rows would fail alike."""
    wait: float = 0.0
    """Seconds until the row may be tried again, as the server asked."""
    remote_ids: tuple[str, ...] = ()
    """The ids in a response that could not be read completely."""


_POLL_AGAIN: Final = RowVerdict(to=None, charged=None)


def verdict_for(
    error: Exception, *, vendor: Vendor, state: RowState, attempt: int, refunds: bool = False
) -> RowVerdict:
    """Return what an error means for a row in the state `leased` or a later one.

    `refunds` believes the vendor where it says that a failed job is refunded.

    Raises the error itself where it is no error of the API or of the network.
    """
    if state in PAID_STATES:
        return _after_acceptance(error, refunds=refunds)
    if isinstance(error, DeadlineExceededError):
        # Only what never left raises it here: a paid call that left and ran out of time raises OutcomeUnknownError.
        return _retry_later(attempt)
    if isinstance(error, ClientDrainingError):
        return RowVerdict(to="ready", charged=False, stops=True)
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
    if isinstance(error, StorageError) and not error.retryable:
        return RowVerdict(to=None, charged=None, stops=True)
    if isinstance(error, DownloadError) and not error.retryable:
        return RowVerdict(to="unknown", charged=True)
    return _POLL_AGAIN


def _after_unknown(error: APIError, vendor: Vendor) -> RowVerdict:
    """A Luma job whose id was in the damaged response can be polled; the number of a creation may be cut off."""
    job = job_id_of(error) if vendor is LUMA else None
    if job is not None:
        return RowVerdict(to="accepted", charged=True, remote_ids=(job,))
    return RowVerdict(to="unknown", charged=None)


def _complete_ids(error: APIError, vendor: Vendor) -> tuple[str, ...]:
    """Return the ids in the JSON of a response or in its Location, where they can be those of the result."""
    located = error.ids if isinstance(error, ResponseShapeError) else ()
    ids = tuple(dict.fromkeys((*find_ids(json.dumps(getattr(error, "body", None))), *located)))
    return ids if vendor is not LUMA or len(ids) == 1 else ()


def _after_refusal(error: APIError, attempt: int) -> RowVerdict:
    """Return what an error means that had no effect: this attempt cost nothing."""
    if isinstance(error, APIStatusError) and error.status_code in {401, 402, 403}:
        return RowVerdict(to="ready", charged=False, stops=True)
    if isinstance(error, APIConnectionError):
        return _retry_later(attempt, stops=not error.retryable)
    if isinstance(error, APIStatusError) and error.retryable:
        return _retry_later(attempt, wait=error.retry_after or 0.0)
    return RowVerdict(to="failed", charged=False)


def _retry_later(attempt: int, *, wait: float = 0.0, stops: bool = False) -> RowVerdict:
    """Make the row ready again; after `MOST_ATTEMPTS` the run stops, because the row is not the cause."""
    return RowVerdict(to="ready", charged=False, wait=wait, stops=stops or attempt >= MOST_ATTEMPTS)
