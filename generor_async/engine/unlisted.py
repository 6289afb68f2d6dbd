"""Builds operations for endpoints that the spec doesn't know."""

import math
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from generor_async.errors import InvalidRequestError
from generor_async.rules import arguments, option_checks
from generor_async.rules.body_decoders import as_it_is
from generor_async.rules.http_types import Endpoint, Operation
from generor_async.rules.vendors import Vendor
from generor_async.values import JSON, RetrySafety

__all__ = ["unlisted", "wrong_operation"]

_TIMEOUTS: Final[Mapping[str, tuple[float, float]]] = {
    "read": (60.0, 30.0),
    "idempotent": (60.0, 30.0),
    "plain": (60.0, 60.0),
    "bills": (900.0, math.inf),
}
"""Timeouts of a call and of one attempt in seconds, by `retry_safety`."""


def unlisted(
    vendor: Vendor, method: str, path: str, *, query: Mapping[str, str] | None, json: JSON, retry_safety: RetrySafety
) -> Operation[JSON]:
    """Build the operation of a request to an endpoint that the spec doesn't know; raises InvalidRequestError."""
    option_checks.choice(retry_safety, "retry_safety", _TIMEOUTS)
    whole, attempt = _TIMEOUTS[retry_safety]
    endpoint: Endpoint[JSON] = Endpoint(
        name=f"{vendor.name}.request",
        vendor=vendor,
        method=_method(method),
        template=_path(path),
        retry_safety=retry_safety,
        auth="optional",
        scope="none",
        quota=(),
        decode=as_it_is,
        timeout=whole,
        attempt_timeout=attempt,
    )
    known: Mapping[str, str] = {} if query is None else arguments.strings(query, "query")
    return Operation(endpoint, quote(path, safe="/%:@!$&'()*+,;=~-._"), query=known, body=json)


def _method(method: object) -> str:
    name = arguments.text(method, "method")
    if not name.isascii() or not name.isalpha():
        raise InvalidRequestError("method", "method is no HTTP method", advice="Write GET or POST, for example")
    return name.upper()


def _path(path: object) -> str:
    text = arguments.text(path, "path")
    if not text.startswith("/") or {".", ".."} & set(text.split("/")) or "?" in text or "#" in text:
        raise InvalidRequestError(
            "path",
            f"{text!r} is not a path below the base URL",
            advice="It starts with /; use query= for a query",
        )
    return text


def wrong_operation(operation: object, vendor: Vendor) -> InvalidRequestError:
    """Return the error for something that a client of this API can't send."""
    if isinstance(operation, Operation):
        other: Vendor = operation.endpoint.vendor  # pyright: ignore[reportUnknownMemberType] # of whatever it returns
        problem = f"operation is one of {other.name}'s, and this client is {vendor.name}'s"
        return InvalidRequestError("operation", problem, advice="Send it with a client of that API")
    instead = f"Build one with generor_async.api.{vendor.name}.operations"
    return arguments.type_error("operation", "an Operation", operation, instead)
