"""Parses a complete response into the result of a call, or raises the error that it reports."""

from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

from generor_async.errors import NotFoundError
from generor_async.rules import older_api, outcome, response_body, response_errors
from generor_async.rules.body_decoders import PageData
from generor_async.rules.http_types import REQUEST_ID, Endpoint, Reply
from generor_async.rules.vendors import LUMA
from generor_async.values import (
    JSON,
    DecodeError,
    Model,
    ResponseInfo,
    is_array,
    is_object,
    remember_response,
    remember_whole,
)
from generor_async.values.decoding import UnexpectedShape

if TYPE_CHECKING:
    from generor_async.values.shapes import Problems

__all__ = ["parse_response"]

T = TypeVar("T")


def parse_response(
    endpoint: Endpoint[T], context: outcome.CallContext, reply: Reply, *, path: str, now: float, elapsed: float
) -> T:
    """Return the decoded result; raise the error of any other response.

    `path` is the requested path. `now` is in Unix seconds; a Retry-After date is compared with it. `elapsed` is in
    seconds since the call began.
    """
    succeeded = 200 <= reply.status < 300
    deletes = endpoint.method == "DELETE"
    body, garbled = None, ""
    try:
        if reply.body:
            body = response_body.read_json(reply.body)
    except ValueError as error:
        garbled = str(error)
        if reply.status >= 300:  # the text of an error is kept for people
            body = response_body.body_text(reply.body)
    if reply.misdirected:
        raise response_errors.misdirected_error(context, reply, _misdirected_reason(reply.headers.get(REQUEST_ID)))
    if garbled and succeeded:
        raise response_errors.undecodable_error(context, reply, garbled)
    if not succeeded or (is_object(body) and body.get("success") is False):
        failure = response_errors.status_error(context, reply, body, now)
        if not (deletes and context.lost and isinstance(failure, NotFoundError)):
            body = failure.body  # no key in it is bare any more, and tracebacks may show this frame
            raise failure
        # The attempt whose answer was lost has deleted it (assumed): there is nothing left to read.
        body = {}
    elif not reply.body and not deletes and (reply.status != 204 or endpoint.retry_safety == "bills"):
        raise response_errors.undecodable_error(context, reply, "it is empty")
    try:
        result = endpoint.decode.strict(body)
    except UnexpectedShape:
        result = _decode_leniently(endpoint, context, reply, body)
    if endpoint.names:
        if not _path_has_id(path, identity := getattr(result, endpoint.names)):
            problem = f"it is about {identity!r}, and {path} was asked for"
            raise response_errors.misdirected_error(context, reply, problem)
        if endpoint.shows_job:
            _link_outputs(result)
    request_id = reply.headers.get(REQUEST_ID, context.request_id)
    info = ResponseInfo(
        status=reply.status,
        headers=reply.headers,
        request_id=request_id,
        attempts=context.attempts,
        elapsed=elapsed,
    )
    _attach_response_info(result, info)
    return result


def _decode_leniently(endpoint: Endpoint[T], context: outcome.CallContext, reply: Reply, body: JSON) -> T:
    """Decode a response that differs from the documented shape, and keep its problems in the context."""
    problems: Problems = []
    try:
        result = endpoint.decode.lenient(body, problems)
    except DecodeError as problem:
        raise response_errors.shape_error(context, reply, body, problem) from None
    context.problems = problems if endpoint.vendor is not LUMA else [*problems, *older_api.older_api_problems(body)]
    return result


def _misdirected_reason(echoed: str | None) -> str:
    if echoed is None:
        return "it has no X-Request-Id, and this server echoes what a request carried"
    return f"its X-Request-Id is {echoed!r}, which this request didn't carry"


def _path_has_id(path: str, identity: str | int | None) -> bool:
    """Tell whether the path has the id of the result, or the result has none."""
    if identity is None or f"/{identity}/" in f"{path}/":
        return True
    return _normalized_id(str(identity)) in map(_normalized_id, path.split("/"))


def _normalized_id(identity: str) -> str:
    """Return an id in one form for comparison: a server may spell it differently than the request."""
    return unquote(identity).lower().replace("-", "")


def _link_outputs(job: Any) -> None:
    """Let the outputs of a job know its id: it is asked for fresh URLs."""
    for index, output in enumerate(job.output or ()):
        remember_whole(output, job.id, index)


def _attach_response_info(result: Any, info: ResponseInfo) -> None:
    """Attach the response information to every model in the result."""
    if isinstance(result, Model):
        remember_response(result, info)
    elif isinstance(result, PageData):
        result.response = info
        for item in result.items:  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] # of any kind
            _attach_response_info(item, info)
    elif is_object(result):
        # Models by their type, or else the JSON of an endpoint that the spec doesn't know, which may be anything.
        for items in result.values():
            if is_array(items):
                for item in items:
                    if isinstance(item, Model):
                        remember_response(item, info)
