"""The outcome of an attempt: not sent, refused, done or unknown; and the errors of attempts without a response.

The outcome decides whether a call may be sent again (`rules.retry`). `refused` means that it certainly had no effect;
what may have been charged is `unknown`. Errors of responses are made in `rules.response_errors`.

| what happened                                                        | outcome    |
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
| 2xx of JSON with an identity, other fields missing or odd            | done, named in `problems` |
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
    """The state of a call that its errors show."""

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
        """The X-Request-Id of the last attempt; before the first attempt, of that one."""
        self.attempts = 0
        self.lost = False
        """Whether the outcome of an earlier attempt is unknown."""
        self.refusal: LimitRefusal | None = None
        """The decision about the last response, where it was a 429."""
        self.refusals = 0
        """Number of 429s so far."""
        self.problems: Problems | None = None
        """The problems of a response that was decoded leniently."""
        self.body: str | None = None
        """The text of a response that could not be read."""
        self.ids: tuple[str, ...] = ()
        """What looks like an id in that response, or in its Location."""
        self.creation: int | None = None
        """The id of the first creation in it, where it is complete."""

    def note_ids(self, came: bytes, headers: Mapping[str, str]) -> tuple[str, ...]:
        """Store and return the ids in a response's body and in its Location."""
        text, located = to_utf8(came).decode("utf-8", "replace"), result_evidence.id_in_location(headers)
        self.ids, self.creation = find_ids(text), find_creation_id(text)
        if located is not None:
            self.ids = tuple(dict.fromkeys((*self.ids, located)))
            if self.creation is None and located.isdecimal():
                self.creation = int(located)
        return self.ids

    def keep(self, came: bytes, headers: Mapping[str, str]) -> str | None:
        """Store the text of a response that can't be read, and its ids; return the text, None for an empty one."""
        self.note_ids(came, headers)
        self.body = mask_secrets(body_text(came), self.endpoint.secrets) if came else None
        return self.body

    def known(self, outcome: Outcome, reply: Reply | None = None) -> dict[str, Any]:
        """Return the fields that all APIErrors have."""
        request_id = reply.headers.get("X-Request-Id", self.request_id) if reply else self.request_id
        return {
            "operation": self.endpoint.name,
            "call_id": self.call_id,
            "request_id": request_id,
            "attempts": self.attempts,
            "outcome": outcome,
        }


def status_outcome(endpoint: Endpoint[Any], status: int, code: str | None = None, *, busy: bool) -> Outcome:
    """Return the outcome by status and error code; `busy` tells whether it is the API's documented 502 or 503."""
    if 300 <= status < 400:
        return "unknown" if status == 303 and endpoint.retry_safety in {"plain", "bills"} else "refused"
    return "refused" if busy or endpoint.vendor.refuses(status, code) else "unknown"


def connection_error(context: CallContext, error: TransportError, elapsed: float) -> APIConnectionError:
    """Make the error of an attempt without a complete response; `elapsed` is in seconds."""
    known = context.known("unknown" if error.sent else "not_sent")
    body = context.keep(error.partial, {"Location": error.location})
    if error.timed_out:
        return APITimeoutError(f"no answer within {elapsed:.3g} s", body=body, **known)
    advice = "" if error.sent else "Nothing was sent: check base_url and the network"
    return APIConnectionError(error.problem, retryable=not error.permanent, body=body, advice=advice, **known)


def outcome_unknown_error(context: CallContext, error: APIError) -> OutcomeUnknownError:
    """Make the error of a call that must not be repeated, and whose outcome is unknown."""
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


def interrupted_error(context: CallContext, came: bytes, location: str, *, sent: bool) -> OutcomeUnknownError | None:
    """Make the error of a cancelled call, with its partial response; None where it can have had no effect."""
    if not sent or context.endpoint.retry_safety in {"read", "idempotent"}:
        return None
    context.keep(came, {"Location": location})
    when = "while its answer came" if came or location else "before its answer came"
    return outcome_unknown_error(context, APIConnectionError(f"it was cut off {when}", **context.known("unknown")))


def describe_cancelled(context: CallContext, failure: OutcomeUnknownError | None = None, *, sent: bool) -> str:
    """Return a sentence about a cancelled request; `failure` has its partial response."""
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
    """Make the error of a call that was interrupted by the close of its client."""
    when = "before its answer came" if sent else "before it was sent"
    known = context.known("unknown" if sent else "not_sent")
    error = ClientClosedError(f"the client was closed {when}", retryable=False, **known)
    if not sent or context.endpoint.retry_safety in {"read", "idempotent"}:
        return error
    return outcome_unknown_error(context, error)


def is_documented_outage(error: APIError) -> bool:
    """Tell whether an error is one of Luma's documented 502 and 503, which mean that the API is unavailable."""
    return isinstance(error, InternalServerError) and error.retryable


def outage_error(context: CallContext, error: APIError | None) -> APIError:
    """Make the error of a call that was not sent, because the outage lasted longer than the call could wait."""
    assert error is not None
    known = context.known("not_sent" if not context.attempts else "refused")
    failure = copy.copy(error)
    failure.operation, failure.call_id, failure.request_id = known["operation"], known["call_id"], known["request_id"]
    failure.attempts, failure.outcome = known["attempts"], known["outcome"]
    return failure


def blocked_error(context: CallContext, hold: Hold, left: float) -> RateLimitError:
    """Make the error of a call that can't wait until a hold ends; `left` is in seconds."""
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
    """Tell whether the API can't fetch an image by its URL, and would accept it as base64 (documented).

    `statuses` are those that the caller chose: 503, while the API can fetch nothing, and 422, after a host refused the
    API this image.
    """
    match error:
        case ServiceUnavailableError():
            return 503 in statuses and error.retryable and "URL ingestion" in error.message
        case UnprocessableEntityError():
            return 422 in statuses and any(words in error.message for words in _NOT_FETCHED)
        case _:
            return False


_NOT_FETCHED: Final = ("failed to fetch URL", "content-type is not an image")
"""Messages of a 422 after a host didn't return an image to the API (documented)."""
