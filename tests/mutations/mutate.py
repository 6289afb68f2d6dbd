"""Answers as servers garble them: one change, or a few, to a good one."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from attrs import field, frozen

from generor_async.values import is_array, is_object

__all__ = ["Garbled", "garbled"]

Holder: TypeAlias = Any
"""An object or an array."""

ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    10**400,
    2**63,
    "",
    "0",
    "true",
    "24",
    "soon",
    "\ud800",
    "\x1b[2J\x07\u202e",
    "x" * 10_000,
    [],
    {},
    [None],
    [[]],
    {"": None},
    {"id": 1},
)
STATUSES = (200, 200, 200, 201, 201, 202, 204, 206, 302, 400, 402, 403, 404, 409, 413, 418, 422, 500, 502, 503, 599)
TYPES = ("application/json", "application/json", "text/html", "text/plain; charset=latin-9", "", "nonsense")


@frozen
class Garbled:
    """An answer to send."""

    status: int
    body: bytes = field(repr=False)
    headers: dict[str, str]


def garbled(draw: random.Random, status: int, good: Any, headers: dict[str, str]) -> Garbled:
    """Return an answer that began as a good one."""
    body = copy.deepcopy(good)
    for _ in range(draw.choice([0, 1, 1, 1, 2, 5])):
        body = changed(draw, body)
    content = json.dumps(body).encode()
    if draw.random() < 0.1:
        content = draw.choice(BYTES)(draw, content)
    if draw.random() < 0.1:
        status = draw.choice(STATUSES)
        content = b"" if status == 204 else content
    known = {"Content-Type": draw.choice(TYPES) if draw.random() < 0.1 else "application/json", **headers}
    if draw.random() < 0.1:
        name = draw.choice(["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After", "Date"])
        known[name] = draw.choice(["", "0", "-1", "1e9", "soon", "9" * 400, "30, 30"])
    return Garbled(status, content, known)


def changed(draw: random.Random, body: Any) -> Any:
    """Change a JSON value in one place."""
    places = list(_places(body))
    if not places or draw.random() < 0.02:
        return copy.deepcopy(draw.choice(ODD_VALUES))
    holder, key = draw.choice(places)
    value = holder[key]
    kind = draw.randrange(7)
    if kind == 0:
        del holder[key]
    elif kind == 1:
        holder[key] = [value]
    elif kind == 2:
        holder[key] = {"value": value}
    elif kind == 3 and not isinstance(value, str):
        holder[key] = json.dumps(value)
    elif kind == 4 and isinstance(value, list):
        holder[key] = value * 2
    elif kind == 5 and is_array(value):
        holder[key] = {str(number): item for number, item in enumerate(value)}
    else:
        holder[key] = copy.deepcopy(draw.choice(ODD_VALUES))
    return body


def _places(body: Any) -> Iterator[tuple[Holder, Any]]:
    """Walk over every place in a JSON value."""
    found: Iterator[tuple[Any, Any]]
    if is_object(body):
        found = iter(body.items())
    elif is_array(body):
        found = iter(enumerate(body))
    else:
        return
    for key, value in found:
        yield body, key
        yield from _places(value)


BYTES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    lambda draw, content: content[: draw.randrange(len(content) + 1)],
    lambda draw, content: b"",
    lambda draw, content: b"\xef\xbb\xbf" + content,
    lambda draw, content: content.decode().encode("utf-16"),
    lambda draw, content: content + content,
    lambda draw, content: b"[" * 5_000 + content,
    lambda draw, content: b"<html><title>Oops</title>" + content,
    lambda draw, content: content.replace(b'"', b"'"),
    lambda draw, content: content.replace(b"null", b"NaN"),
    lambda draw, content: content[:20] + b"\xff\xfe" + content[20:],
)
