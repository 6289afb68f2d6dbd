"""The format of Generor's answers: the envelope, errors, dates and pages."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Literal, TypeVar

from attrs import frozen

from generor_async.simulator.messages import Answer

__all__ = [
    "Code",
    "GenerorRefusal",
    "Json",
    "failure",
    "not_found",
    "page_of",
    "success",
    "timestamp",
    "whole_number",
]

T = TypeVar("T")
Json = dict[str, object]
Code = Literal[
    "UNAUTHORIZED",
    "FORBIDDEN",
    "NOT_FOUND",
    "METHOD_NOT_ALLOWED",
    "VALIDATION_ERROR",
    "INSUFFICIENT_CREDITS",
    "RATE_LIMIT_EXCEEDED",
    "SERVER_ERROR",
]
STATUS: Final[Mapping[Code, int]] = {
    "UNAUTHORIZED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "VALIDATION_ERROR": 400,
    "INSUFFICIENT_CREDITS": 402,
    "RATE_LIMIT_EXCEEDED": 429,
    "SERVER_ERROR": 500,
}
PER_PAGE = 20
MAX_PER_PAGE = 100
SORTS = ("newest", "oldest")


@frozen
class GenerorRefusal(Exception):  # noqa: N818  # not every one of them is an error of the caller's
    """Raised by a handler to refuse a request: a documented code and a message."""

    code: Code
    message: str


def not_found(thing: str) -> GenerorRefusal:
    """Return a refusal such as the documented `Creation not found`."""
    return GenerorRefusal("NOT_FOUND", f"{thing} not found")


def success(data: object, *, status: int = 200, meta: Json | None = None, charged: float = 0.0) -> Answer:
    """Put data into the envelope of a success."""
    envelope: Json = {"success": True, "data": data}
    if meta is not None:
        envelope["meta"] = meta
    return Answer(status=status, json=envelope, charged=charged)


def failure(refusal: GenerorRefusal) -> Answer:
    """Put a refusal into the envelope of an error, under the status that goes with its code."""
    status = STATUS[refusal.code]
    error = {"code": refusal.code, "message": refusal.message, "status": status}
    return Answer(status=status, json={"success": False, "error": error})


def timestamp(unix: float) -> str:
    """Write a time as Generor does: without a zone, which is assumed to be UTC."""
    return datetime.fromtimestamp(int(unix), UTC).replace(tzinfo=None).isoformat(" ")


def whole_number(text: str) -> int | None:
    """Read a path or query value as an integer; None if it is none, or longer than any id."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None


def page_of(
    items: Sequence[T],
    show: Callable[[T], Json],
    query: Mapping[str, str],
    *,
    dated: bool = True,
) -> Answer:
    """Return the requested page of `items`, oldest first, with its position in `meta`.

    Items without a date keep their order, whatever `sort` says. A page past the last one is empty (assumed).
    """
    page = _from_query(query, "page", default=1, most=None)
    per_page = _from_query(query, "per_page", default=PER_PAGE, most=MAX_PER_PAGE)
    sort = query.get("sort", "newest")
    if sort not in SORTS:
        raise GenerorRefusal("VALIDATION_ERROR", "sort must be one of: newest, oldest")
    first = (page - 1) * per_page
    if dated and sort == "newest":
        items = items[::-1]
    total_pages = math.ceil(len(items) / per_page)
    meta: Json = {
        "page": page,
        "per_page": per_page,
        "total": len(items),
        "total_pages": total_pages,
        "has_next": page < total_pages,
        "has_prev": page > 1,
    }
    return success([show(item) for item in items[first : first + per_page]], meta=meta)


def _from_query(query: Mapping[str, str], name: str, *, default: int, most: int | None) -> int:
    given = query.get(name)
    if given is None:
        return default
    number = whole_number(given)
    if number is None or number < 1:
        raise GenerorRefusal("VALIDATION_ERROR", f"{name} must be a whole number of at least 1")
    if most is not None and number > most:
        raise GenerorRefusal("VALIDATION_ERROR", f"{name} must be at most {most}")
    return number
