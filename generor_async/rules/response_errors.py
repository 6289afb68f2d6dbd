"""Makes the errors of responses that report a failure, can't be read, or answer another request.

What such a response means for the call, its outcome, is in the table of `rules.outcome`.
"""

from typing import Any
from urllib.parse import urlsplit

from generor_async.errors import (
    APIConnectionError,
    APIStatusError,
    ConcurrentJobsError,
    InternalServerError,
    RateLimitError,
    ResponseShapeError,
)
from generor_async.rules import error_words, job_errors, result_evidence
from generor_async.rules.http_types import Endpoint, Reply
from generor_async.rules.outcome import CallContext, status_outcome
from generor_async.rules.partial_responses import to_utf8
from generor_async.rules.refusal import LimitRefusal, classify_refusal
from generor_async.rules.response_body import body_text, mask_secrets
from generor_async.rules.response_ids import find_ids
from generor_async.rules.vendors import Vendor
from generor_async.rules.wait_headers import retry_after
from generor_async.values import JSON, DecodeError, ResponseInfo, is_object

__all__ = ["misdirected_error", "shape_error", "status_error", "undecodable_error"]

_SAME_FROM_ANYBODY = frozenset({402, 413, 422, 429})
"""Statuses that mean the same from the API, a framework or a gateway."""
IDS_SHOWN = 3
"""Most ids in the message about a misdirected response."""


def _was_billed(endpoint: Endpoint[Any], reply: Reply, body: JSON, status: int) -> bool:
    """Tell whether the error response to a call that bills contains a result or a charge."""
    if endpoint.retry_safety != "bills":
        return False
    if 300 <= reply.status < 400 and result_evidence.id_in_location(reply.headers) is not None:
        return True
    bodies = [body, to_utf8(reply.body).decode("utf-8", "replace")] if isinstance(body, str) else [body]  # all of it
    return any(result_evidence.shows_result(endpoint.vendor, each, costs_count=status != 402) for each in bodies)


def status_error(context: CallContext, reply: Reply, body: JSON, now: float) -> APIStatusError:
    """Make the error of a response that reports a failure; `body` is its JSON, or its text."""
    vendor = context.endpoint.vendor
    body = mask_secrets(body, context.endpoint.secrets)
    own = None if 300 <= reply.status < 400 else vendor.failure(body)
    message, code, status = (
        _own_error(vendor, reply, own) if own else (_foreign_message(reply, body), None, reply.status)
    )
    busy = vendor.is_busy(reply.status, reply.headers, body)
    advice = vendor.advise(status, message, context.endpoint.method) if own else _foreign_advice(context, reply, body)
    message = error_words.truncated(error_words.printable(message))
    billed = _was_billed(context.endpoint, reply, body, status)
    known = context.known("unknown" if billed else status_outcome(context.endpoint, status, code, busy=busy), reply)
    if known["outcome"] == "unknown":
        context.note_ids(reply.body, reply.headers)
    known.update(
        status_code=status,
        code=code,
        body=body,
        retryable=(status == 429 or busy) and not billed,
        retry_after=retry_after(reply.headers, now) if status in {502, 503} else None,
        response=ResponseInfo(
            status=status, headers=reply.headers, request_id=known["request_id"], attempts=context.attempts
        ),
        advice=advice,
    )
    if status == 429 and not billed:
        said = (message, code) if own else None
        refusal = classify_refusal(context.endpoint, reply.headers, said, now, refusals=context.refusals)
        return _rate_limit_error(context, refusal, message, known)
    if status == 403 and code and context.endpoint.scope != "none":
        known["advice"] = f"{advice}; this call needs the scope {context.endpoint.scope!r}"
    return _STATUS_CLASSES.get(status, InternalServerError if status >= 500 else APIStatusError)(message, **known)


def undecodable_error(context: CallContext, reply: Reply, problem: str) -> ResponseShapeError:
    """Make the error of a success whose body isn't JSON: the outcome is unknown, although it probably had an effect."""
    kind = _content_type(reply)
    is_json = kind == "application/json"
    may_pass = is_json or not reply.body
    said = (
        f" ({problem})"
        if is_json
        else f": {title}"
        if (title := error_words.error_message(body_text(reply.body)))
        else ""
    )
    found = f"{kind} of {len(reply.body):,} bytes{said}" if reply.body else f"nothing, with status {reply.status}"
    return ResponseShapeError(
        f"expected JSON, found {found}",
        body=context.keep(reply.body, reply.headers) or "",
        retryable=may_pass,
        advice="" if may_pass else f"Check base_url: the API is at {context.endpoint.vendor.base_url}",
        **context.known("unknown", reply),
    )


def shape_error(context: CallContext, reply: Reply, body: JSON, problem: DecodeError) -> ResponseShapeError:
    """Make the error of a success whose JSON doesn't identify the result."""
    ids = context.note_ids(reply.body, reply.headers)
    found = f", and the ids {', '.join(ids)} are in it" if ids else ""
    body = mask_secrets(body, context.endpoint.secrets)
    said = error_words.error_message(body) if is_object(body) else ""
    failure = ResponseShapeError(
        f"{problem.problem}; it says: {said}" if said else problem.problem,
        path=problem.path,
        body=body,
        ids=ids,
        advice=f"The call took effect; the error's body holds what came{found}",
        **context.known("done", reply),
    )
    job_errors.attach_result(failure, context.endpoint.name, context.creation)
    return failure


def misdirected_error(context: CallContext, reply: Reply, why: str) -> APIConnectionError:
    """Make the error of a response to another request: the outcome of this one is unknown.

    Its ids belong to the other request. So the message names them, and the error has no body.
    """
    ids = ", ".join(find_ids(body_text(reply.body))[:IDS_SHOWN])
    return APIConnectionError(
        f"an answer came that is not to this request: {why}" + (f" (it names {ids})" if ids else ""),
        **context.known("unknown"),
    )


def _rate_limit_error(
    context: CallContext, refusal: LimitRefusal, message: str, known: dict[str, Any]
) -> RateLimitError:
    context.refusal = refusal
    context.refusals += 1
    known["retry_after"] = refusal.wait if refusal.told else None
    if refusal.scope == "jobs":
        return ConcurrentJobsError(message, **known)
    return RateLimitError(message, scope=refusal.rate_limit_scope, **known)


def _own_error(vendor: Vendor, reply: Reply, own: tuple[str, str | None, int | None]) -> tuple[str, str | None, int]:
    """Return message, code and status of an error in the API's own shape; in a 2xx the body has the status."""
    message, code, stated = own
    if not 200 <= reply.status < 300:
        return message, code, reply.status
    return message, code, stated or vendor.codes.get(code or "", 500)


def _foreign_message(reply: Reply, body: JSON) -> str:
    """Return the message of a response in a foreign shape, or a description of it."""
    if 300 <= reply.status < 400:
        return f"a redirect to {_redirect_host(reply.headers.get('Location', ''))}, which API calls do not follow"
    if reply.status < 200:
        return "a switch to another protocol, for which nobody asked"
    said = error_words.error_message(body)
    if said and not isinstance(body, str):
        return said
    page = f"{_content_type(reply)}, {len(reply.body):,} bytes"
    return f"{said} (not the API's own answer: {page})" if said else f"an answer that is not the API's own ({page})"


def _content_type(reply: Reply) -> str:
    return reply.headers.get("Content-Type", "").partition(";")[0] or "no content type"


def _redirect_host(location: str) -> str:
    try:
        return urlsplit(location).hostname or "the same host"
    except ValueError:
        return "another place"


def _foreign_advice(context: CallContext, reply: Reply, body: JSON) -> str:
    """Return advice for a response in a foreign shape."""
    vendor, status = context.endpoint.vendor, reply.status
    said = "" if isinstance(body, str) else error_words.error_message(body)
    if status in _SAME_FROM_ANYBODY or (said and 400 <= status < 500):
        return vendor.advise(status, said, context.endpoint.method)
    if status == 403:
        return (
            "A firewall before the API has refused it, which knows neither your key nor the call; try again, or from"
            " another network"
        )
    if status >= 500:
        return "A gateway before the API failed; try again later"
    return f"Check base_url: the API is at {vendor.base_url}"


def _status_classes() -> dict[int, type[APIStatusError]]:
    found: dict[int, type[APIStatusError]] = {}
    pending = [APIStatusError]
    while pending:
        for cls in pending.pop().__subclasses__():
            if cls.status is not None:
                found.setdefault(cls.status, cls)
            pending.append(cls)
    return found


_STATUS_CLASSES = _status_classes()
