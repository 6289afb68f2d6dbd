"""What one attempt came to: not sent, refused, done or unknown, and the error that says so.

| what happened                                                       | outcome    |
|----------------------------------------------------------------------|------------|
| no connection, a bad URL, a certificate, a proxy's refusal           | not_sent   |
| a timeout before the request left                                    | not_sent   |
| the connection broke, or time ran out, after the request left        | unknown    |
| an answer began and broke; a 2xx that isn't JSON                     | unknown    |
| an answer to another request                                         | unknown    |
| 429 (see `rules.refusal`) and the documented 4xx; a 3xx              | refused    |
| to a call that bills, any of them with a job, creations or a cost in its body, or a job's Location | unknown |
| 303 to a call that must not be repeated: it is how what took effect is answered | unknown |
| a 4xx that the API doesn't document                                  | unknown    |
| Luma's 502 and 503 in its own shape                                  | refused    |
| every other 5xx                                                      | unknown    |
| a documented code of Generor's in any 4xx                            | refused; SERVER_ERROR: unknown |
| 413 of any shape                                                     | refused    |
| 2xx with `"success": false`                                          | as its `error.status` says |
| a 2xx that is empty where something was asked for, such as a 204     | unknown    |
| 2xx of JSON that says what it is about, other fields missing or odd  | done, told in `problems` |
| 2xx of JSON without anything that identifies the result              | done: ResponseShapeError |
"""

import copy
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

from generor_async.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    ClientClosedError,
    InternalServerError,
    OutcomeUnknownError,
    RateLimitError,
    ResponseShapeError,
    ServiceUnavailableError,
    UnprocessableEntityError,
)
from generor_async.rules import job_errors, result_evidence
from generor_async.rules.holds import Hold
from generor_async.rules.http_types import Endpoint, Reply, TransportError
from generor_async.rules.partial_responses import to_utf8
from generor_async.rules.response_body import body_text, mask_secrets
from generor_async.rules.response_ids import find_creation_id, find_ids
from generor_async.values import Outcome

if TYPE_CHECKING:
    from generor_async.rules.refusal import LimitRefusal
    from generor_async.values.shapes import Problems

__all__ = [
    "CallContext",
    "blocked_error",
    "client_closed_error",
    "connection_error",
    "describe_cancelled",
    "interrupted_error",
    "is_documented_outage",
    "outage_error",
    "outcome_unknown_error",
    "status_outcome",
    "wants_images_inline",
]


_AFTER_UNKNOWN = {
    "generor.generators.generate": "It may have been charged: look for it with creations.list() and in"
    " credits.list_transactions() before sending it again",
    "generor.api_keys.create": "A key may have been made: find it with api_keys.list() and revoke it by its prefix",
    "luma.generations.create": "It may have been charged, and Luma lists no jobs: quote the request id to the vendor,"
    " or send it again knowing that it may be charged twice",
}


class CallContext:
    """What every error of one call carries."""

    __slots__ = (
        "attempts",
        "body",
        "call_id",
        "creation",
        "endpoint",
        "ids",
        "lost",
        "problems",
        "refusal",
        "refusals",
        "request_id",
    )

    def __init__(self, endpoint: Endpoint[Any], call_id: str) -> None:
        self.endpoint = endpoint
        self.call_id = call_id
        self.request_id = call_id
        """What the last attempt has sent as X-Request-Id, or the first one will."""
        self.attempts = 0
        self.lost = False
        """Whether nobody can say what an earlier attempt did."""
        self.refusal: LimitRefusal | None = None
        """What was decided about the last answer, where it was a 429."""
        self.refusals = 0
        """How many 429s there were."""
        self.problems: Problems | None = None
        """What is wrong in an answer that was read as far as it went."""
        self.body: str | None = None
        """What came of an answer that could not be read, as text."""
        self.ids: tuple[str, ...] = ()
        """Whatever looks like an id in it, or in its Location."""
        self.creation: int | None = None
        """The first creation that it names, where its number is whole."""

    def note_ids(self, came: bytes, headers: Mapping[str, str]) -> tuple[str, ...]:
        """Note the ids in all of an answer's bytes, and the one that its Location names; return them."""
        text, located = to_utf8(came).decode("utf-8", "replace"), result_evidence.id_in_location(headers)
        self.ids, self.creation = find_ids(text), find_creation_id(text)
        if located is not None:
            self.ids = tuple(dict.fromkeys((*self.ids, located)))
            if self.creation is None and located.isdecimal():
                self.creation = int(located)
        return self.ids

    def keep(self, came: bytes, headers: Mapping[str, str]) -> str | None:
        """Keep what came of an answer that can't be read, and the ids in all of it; return its text, None for none."""
        self.note_ids(came, headers)
        self.body = mask_secrets(body_text(came), self.endpoint.secrets) if came else None
        return self.body

    def known(self, outcome: Outcome, reply: Reply | None = None) -> dict[str, Any]:
        """Return the fields of APIError."""
        request_id = reply.headers.get("X-Request-Id", self.request_id) if reply else self.request_id
        return {
            "operation": self.endpoint.name,
            "call_id": self.call_id,
            "request_id": request_id,
            "attempts": self.attempts,
            "outcome": outcome,
        }


def status_outcome(endpoint: Endpoint[Any], status: int, code: str | None = None, *, busy: bool) -> Outcome:
    """Tell from a status, an error code, and whether the API itself says that it is busy, what the attempt came to."""
    if 300 <= status < 400:
        return "unknown" if status == 303 and endpoint.retry_safety in {"plain", "bills"} else "refused"
    return "refused" if busy or endpoint.vendor.refuses(status, code) else "unknown"


def connection_error(context: CallContext, error: TransportError, elapsed: float) -> APIConnectionError:
    """Make the error of an attempt that brought no whole answer; `elapsed` is in seconds."""
    known = context.known("unknown" if error.sent else "not_sent")
    body = context.keep(error.partial, {"Location": error.location})
    if error.timed_out:
        return APITimeoutError(f"no answer within {elapsed:.3g} s", body=body, **known)
    advice = "" if error.sent else "Nothing was sent: check base_url and the network"
    return APIConnectionError(error.problem, retryable=not error.permanent, body=body, advice=advice, **known)


def outcome_unknown_error(context: CallContext, error: APIError) -> OutcomeUnknownError:
    """Make the error of a call that must not be repeated and of which nobody can say what it did."""
    name = context.endpoint.name
    known = context.known("unknown")
    known["request_id"] = error.request_id
    body = getattr(error, "body", None) or context.body
    advice = _AFTER_UNKNOWN.get(name, "Look whether it took effect before sending it again")
    if isinstance(error, ResponseShapeError) and error.advice:
        advice = f"{error.advice}. {advice}"
    told = f"{error.status_code}: {error.message}" if isinstance(error, APIStatusError) else error.message
    failure = OutcomeUnknownError(
        f"it may or may not have taken effect ({told})",
        advice=advice,
        body=body,
        ids=context.ids,
        **known,
    )
    failure.__cause__ = error
    job_errors.attach_result(failure, name, context.creation)
    if failure.take_up:
        failure.advice = "What came of its answer names what it made: look at that before sending it again"
    return failure


def interrupted_error(context: CallContext, came: bytes, location: str) -> OutcomeUnknownError | None:
    """Make the error that tells what has come of the answer to a call that was cancelled; None where nothing has."""
    if not (came or location) or context.endpoint.retry_safety in {"read", "idempotent"}:
        return None
    context.keep(came, {"Location": location})
    return outcome_unknown_error(
        context, APIConnectionError("it was cut off while its answer came", **context.known("unknown"))
    )


def describe_cancelled(context: CallContext, failure: OutcomeUnknownError | None = None, *, sent: bool) -> str:
    """Say what became of a request that was cancelled; `failure` tells what has come of its answer."""
    which = f"{context.endpoint.name} (request id {context.request_id})"
    if not sent:
        return f"{which} was cancelled before it was sent"
    if context.endpoint.retry_safety == "read":
        return f"{which} was cancelled; it changes nothing"
    if failure is not None and failure.take_up:
        named = f"creation {failure.creation_id}" if failure.job_id is None else f"job {failure.job_id}"
        return f"{which} was cut off while its answer came: {named} {failure.take_up}"
    return f"{which} was cut off after it was sent: whether it took effect is unknown"


def client_closed_error(context: CallContext, *, sent: bool) -> APIError:
    """Make the error of a call that was cut off because its client was closed."""
    when = "before its answer came" if sent else "before it was sent"
    known = context.known("unknown" if sent else "not_sent")
    error = ClientClosedError(f"the client was closed {when}", retryable=False, **known)
    if not sent or context.endpoint.retry_safety in {"read", "idempotent"}:
        return error
    return outcome_unknown_error(context, error)


def is_documented_outage(error: APIError) -> bool:
    """Tell whether the API says, in its own shape, that it is away for a while (Luma's 502 and 503, documented)."""
    return isinstance(error, InternalServerError) and error.retryable


def outage_error(context: CallContext, error: APIError | None) -> APIError:
    """Make the error of a call that was not sent, because the API was away for as long as the call could wait."""
    assert error is not None
    known = context.known("not_sent" if not context.attempts else "refused")
    failure = copy.copy(error)
    failure.operation, failure.call_id, failure.request_id = known["operation"], known["call_id"], known["request_id"]
    failure.attempts, failure.outcome = known["attempts"], known["outcome"]
    return failure


def blocked_error(context: CallContext, hold: Hold, left: float) -> RateLimitError:
    """Make the error of a call that a 429 to another one holds for longer than the call can wait; in seconds."""
    vendor = context.endpoint.vendor
    return RateLimitError(
        f"calls are held for another {left:.0f} s: the API said {hold.reason!r}",
        scope=hold.rate_limit_scope,
        status_code=429,
        retryable=True,
        retry_after=left,
        advice=vendor.advice[429],
        **context.known("refused" if context.attempts else "not_sent"),
    )


def wants_images_inline(error: APIError, statuses: Collection[int]) -> bool:
    """Tell whether the API can't fetch an image by its URL, and would take it as base64 (documented).

    `statuses` are those that the caller wants that for: 503, where it can fetch none now, and 422, where a host has
    refused it this one.
    """
    match error:
        case ServiceUnavailableError():
            return 503 in statuses and error.retryable and "URL ingestion" in error.message
        case UnprocessableEntityError():
            return 422 in statuses and any(words in error.message for words in _NOT_FETCHED)
        case _:
            return False


_NOT_FETCHED: Final = ("failed to fetch URL", "content-type is not an image")
"""How a 422 says that a host has not given the API an image (documented): some answer programs with a page."""
