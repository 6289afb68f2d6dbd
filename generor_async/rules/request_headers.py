"""Checks the headers that a caller adds to requests."""

import re
from collections.abc import Mapping
from typing import Final

from generor_async.errors import InvalidRequestError
from generor_async.rules import arguments
from generor_async.values import Masked

__all__ = ["extra_headers", "problem", "request_id"]

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token (RFC 9110)."""
_OF_HTTP: Final = "The HTTP library sends it as the body and the connection are"
_OWNED: Final[Mapping[str, str]] = {
    "accept-encoding": "The HTTP library asks for what it can read",
    "connection": _OF_HTTP,
    "content-encoding": _OF_HTTP,
    "content-length": _OF_HTTP,
    "content-type": _OF_HTTP,
    "expect": _OF_HTTP,
    "host": "Use base_url=...",
    "keep-alive": _OF_HTTP,
    "proxy-authorization": 'Write it into the proxy\'s address: proxy="http://user:password@host:port"',
    "te": _OF_HTTP,
    "trailer": _OF_HTTP,
    "transfer-encoding": _OF_HTTP,
    "upgrade": _OF_HTTP,
    "x-request-id": "Use request_id=...",
}
"""Headers that a caller can't add, and what to do instead: they would break the request, or leak to other hosts."""


def problem(name: str, value: object) -> str:
    """Return what is wrong with a header, or an empty text. The value isn't shown."""
    if not _NAME.fullmatch(name):
        return f"{name[:40]!r} is no header's name"
    if not isinstance(value, str):
        return f"{name} must be a string, not {arguments.type_of(value).__name__}"
    return "" if value.isprintable() else f"{name} has a value that no header can carry"


def extra_headers(value: object, name: str = "extra_headers") -> Mapping[str, Masked]:
    """Return the caller's headers with their values masked; raises InvalidRequestError."""
    given = arguments.mapping(value, name)
    for header, text in given.items():
        if wrong := problem(header, text):
            advice = "Write a string without line breaks and control characters"
            raise InvalidRequestError(name, f"{name}: {wrong}", advice=advice)
        if (instead := _OWNED.get(header.lower())) is not None:
            raise InvalidRequestError(name, f"{name}: {header} is not an extra header", advice=instead)
    return {header: Masked(text) for header, text in given.items()}


def request_id(value: object) -> str:
    """Return a request id that a header can carry unchanged; raises InvalidRequestError."""
    found = arguments.text(value, "request_id")
    if not found or not found.isascii() or not found.isprintable():
        raise InvalidRequestError(
            "request_id",
            "request_id has a character that no header can carry" if found else "request_id is empty",
            advice="Use letters, digits and hyphens, as in a UUID",
        )
    return found
