"""The format of Luma's requests and answers: JSON bodies, refusals, dates, headers."""

import json
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from functools import lru_cache
from time import gmtime, strftime
from typing import Any, NoReturn, cast

from attrs import field, frozen

from generor_async.simulator.messages import IncomingCall

__all__ = [
    "API_VERSION",
    "COMMON_HEADERS",
    "LumaRefusal",
    "as_list",
    "as_object",
    "check_choice",
    "iso",
    "json_object",
    "listed_values",
]

API_VERSION = "2026-04-01"
COMMON_HEADERS: Mapping[str, str] = {"X-API-Version": API_VERSION}
"""Headers of every answer of this API; the server adds X-Request-Id."""


@frozen
class LumaRefusal(Exception):  # noqa: N818  # an outcome of the API, not an error of the program
    """Raised by a handler to refuse a request with a status and `{"detail": ...}`."""

    status: int
    detail: str
    headers: Mapping[str, str] = field(factory=dict[str, str])


def iso(at: float) -> str:
    """Write a Unix time the way the API writes dates: in UTC, to the second, with a Z."""
    return _iso(int(at))


@lru_cache
def _iso(second: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(second))


def json_object(call: IncomingCall) -> dict[str, Any]:
    """Read the body as a JSON object. The 400 for any other body is `assumed`."""
    try:
        value = _decode(call.body.removeprefix(BOM_UTF8).decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        raise LumaRefusal(400, "Request body is not valid JSON") from None
    return as_object(value, "Request body")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode


def as_object(value: Any, name: str) -> dict[str, Any]:
    """Return a JSON object; anything else is a 400 that names the field."""
    if not isinstance(value, dict):
        raise LumaRefusal(400, f"{name} must be an object")
    return cast("dict[str, Any]", value)


def as_list(value: Any, name: str) -> Sequence[Any]:
    """Return a JSON array; anything else is a 400 that names the field."""
    if not isinstance(value, list):
        raise LumaRefusal(400, f"{name} must be a list")
    return cast("Sequence[Any]", value)


def listed_values(values: tuple[str, ...]) -> str:
    """Join valid values in the order of the vendor's example: as strings, ratios by their two numbers."""
    return ", ".join(sorted(values, key=lambda value: value.split(":")))


def check_choice(value: Any, name: str, valid: tuple[str, ...]) -> str | None:
    """Return a field's valid value, or None if it is absent or null; anything else is a 400."""
    if value is None or (isinstance(value, str) and value in valid):
        return value
    raise LumaRefusal(400, f"Invalid {name} '{value}'. Valid: {listed_values(valid)}")
