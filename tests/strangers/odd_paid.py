"""Odd answers to paid requests: the request was carried out and charged, and is told of in other ways than documented.

Each is made from what would have been answered. ``PAID`` are of both APIs, the others of one.
"""

import copy
import json
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias, cast

from strangers.records import Answer, Json, as_list, as_object

__all__ = ["GENEROR_PAID", "LUMA_PAID", "NAMELESS"]

Odd: TypeAlias = Callable[[Json], Answer]
Path: TypeAlias = tuple[str | int, ...]

PAGE = "<html><head><title>Please wait</title></head><body>Checking your browser</body></html>"
JSON = {"Content-Type": "application/json"}
ERRORS = (302, 303, 307, 400, 402, 403, 404, 409, 413, 422, 429, 500, 502, 503)
"""Statuses that a gateway, or a slip, puts over the answer of what was carried out."""
GONE = object()
"""Stands for a field that isn't sent."""
VALUES: dict[str, object] = {  # what else a field can't be, tests/values/test_shapes.py decodes
    "missing": GONE,
    "null": None,
    "a word": "soon",
    "an object": {"value": {"value": 1}},
}


def _changed(shown: Json, path: Path, value: object) -> Answer:
    """Return the answer with another value at a path."""
    body = copy.deepcopy(shown)
    *before, last = path
    place: object = body
    for step in before:
        place = as_list(place)[step] if isinstance(step, int) else (as_object(place) or {})[step]
    if isinstance(last, int):
        as_list(place)[last] = value
    elif value is GONE:
        (as_object(place) or {}).pop(last, None)
    else:
        (as_object(place) or {})[last] = value
    return Answer(status=201, body=body)


def _at(path: Path, value: object) -> Odd:
    return lambda shown: _changed(shown, path, value)


def _each(paths: Iterable[Path]) -> Iterator[tuple[str, Odd]]:
    for path in paths:
        name = ".".join(map(str, path))
        yield from ((f"{name}: {kind}", _at(path, value)) for kind, value in VALUES.items())


def _strings(value: object) -> object:
    """Return a value with its numbers in strings."""
    fields = as_object(value)
    if fields is not None:
        return {name: _strings(one) for name, one in fields.items()}
    if isinstance(value, list):
        return [_strings(one) for one in as_list(cast("object", value))]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _until(shown: Json, mark: str, *, cut: bool) -> Answer:
    """Return what comes up to a while after a field; ``cut``: its length was announced as more."""
    content = json.dumps(shown)
    return Answer(status=201, body=content[: content.index(mark) + 60].encode(), headers=JSON, cut=cut)


def _until_id(mark: str, *, cut: bool) -> Odd:
    return lambda shown: _until(shown, mark, cut=cut)


def _with(status: int) -> Odd:
    return lambda shown: Answer(status=status, body=shown)


def _common(mark: str) -> dict[str, Odd]:
    return {
        "cut after the id": _until_id(mark, cut=False),
        "broken off after the id": _until_id(mark, cut=True),
        "200": _with(200),
        "202": _with(202),
        "203": _with(203),
        "no media type": lambda shown: Answer(status=201, body=json.dumps(shown).encode()),
        "as text": lambda shown: Answer(status=201, body=json.dumps(shown), headers={"Content-Type": "text/plain"}),
        "as a page": lambda shown: Answer(status=201, body=json.dumps(shown)),
        "byte order mark": lambda shown: Answer(
            status=201, body=b"\xef\xbb\xbf" + json.dumps(shown).encode(), headers=JSON
        ),
        "in a list": lambda shown: Answer(status=201, body=[shown]),
        "numbers in strings": lambda shown: Answer(status=201, body=as_object(_strings(shown)) or {}),
        **{f"as an error {status}": _with(status) for status in ERRORS},
        "more than documented": lambda shown: Answer(status=201, body={**shown, "trace": {"ms": [1, 2]}, "é": "\x07"}),
    }


def _beside(code: str, status: int) -> Odd:
    """Return what answers with an error beside what was made."""
    said = {"success": False, "error": {"code": code, "message": "No."}}
    return lambda shown: Answer(status=status, body={**shown, **said})


NAMELESS: dict[str, Odd] = {
    "a page": lambda _: Answer(body=PAGE),
    "a page with 201": lambda _: Answer(status=201, body=PAGE),
    "empty": lambda _: Answer(status=201, headers=JSON),
    "204": lambda _: Answer(status=204),
    "null": lambda _: Answer(status=201, body=b"null", headers=JSON),
    "a word": lambda _: Answer(status=201, body=b'"ok"', headers=JSON),
    "{}": lambda _: Answer(status=201, body={}),
    "[]": lambda _: Answer(status=201, body=[]),
    "a message": lambda _: Answer(status=201, body={"message": "Accepted"}),
    "nothing": lambda _: Answer(cut=True),
}
"""Answers that don't say what was paid for."""

LUMA_FIELDS = ("type", "state", "model", "created_at", "output", "failure_reason", "failure_code")
LUMA_PAID: dict[str, Odd] = {
    **_common('"id"'),
    **dict(_each((field,) for field in LUMA_FIELDS)),
    "state: of tomorrow": _at(("state",), "waiting_for_capacity"),
    "only the id": lambda shown: Answer(status=201, body={"id": shown["id"]}),
    "created_at: a timestamp": _at(("created_at",), 1_775_649_600),
    "in an envelope": lambda shown: Answer(status=201, body={"data": shown}),
    "under its name": lambda shown: Answer(status=201, body={"generation": shown}),
    "303 to the job": lambda shown: Answer(status=303, headers={"Location": f"/v1/generations/{shown['id']}"}),
    "201 with its address alone": lambda shown: Answer(
        status=201, body=b"", headers={**JSON, "Location": f"/v1/generations/{shown['id']}"}
    ),
    "201 with an address beside": lambda shown: Answer(
        status=201, body={"message": "Accepted"}, headers={"Location": f"/v1/generations/{shown['id']}"}
    ),
    "302 to the job": lambda shown: Answer(status=302, headers={"Location": f"/elsewhere/{shown['id']}"}),
    "as an error with a detail": lambda shown: Answer(status=429, body={"detail": "Rate limit exceeded", **shown}),
    "as an error in an envelope": lambda shown: Answer(status=400, body={"detail": "No.", "data": shown}),
    "named otherwise": lambda shown: Answer(status=201, body={"generation_id": shown["id"], "state": "queued"}),
}

GENEROR_FIELDS = (
    "generator",
    "model_id",
    "model_type",
    "model_name",
    "credit_cost",
    "credit_cost_estimated",
    "credits_remaining",
    "time_taken_seconds",
    "adjustments",
)
FIRST: Path = ("data", "creations", 0)
GENEROR_PAID: dict[str, Odd] = {
    **_common('"creation_id"'),
    **dict(_each(("data", field) for field in GENEROR_FIELDS)),
    **dict(_each((*FIRST, field) for field in ("text", "illustration_desc", "generator_data"))),
    **dict(_each([("success",)])),
    "meta: []": _at(("meta",), []),
    "data.credit_cost: endless": _at(("data", "credit_cost"), 10**400),
    "the creations alone": lambda shown: Answer(
        status=201, body={"success": True, "data": {"creations": _found(shown)}}
    ),
    "wrapped once more": lambda shown: _changed(shown, ("data",), {"result": shown["data"]}),
    "creation_id: a string": lambda shown: _creations(shown, lambda one: {**one, "creation_id": str(_id(one))}),
    "creation_id: 1.0": lambda shown: _creations(shown, lambda one: {**one, "creation_id": float(str(_id(one)))}),
    "only ids": lambda shown: _creations(shown, lambda one: {"creation_id": _id(one)}),
    "bare ids": lambda shown: _creations(shown, _id),
    "an object of creations": lambda shown: _changed(
        shown, ("data", "creations"), {str(number): one for number, one in enumerate(_found(shown))}
    ),
    "one creation for the list": lambda shown: _changed(shown, ("data", "creations"), _found(shown)[0]),
    "others among the creations": lambda shown: _changed(shown, ("data", "creations"), [None, *_found(shown), 7]),
    "a null among creations": lambda shown: _changed(shown, ("data", "creations"), [*_found(shown), None]),
    "a word among creations": lambda shown: _changed(shown, ("data", "creations"), ["x", *_found(shown)]),
    "without envelope": lambda shown: Answer(status=201, body=as_object(shown["data"]) or {}),
    "data in a list": lambda shown: _changed(shown, ("data",), [shown["data"]]),
    "data is the list": lambda shown: _changed(shown, ("data",), _found(shown)),
    **{
        f"beside {code} in a {status}": _beside(code, status)
        for code in ("RATE_LIMIT_EXCEEDED", "VALIDATION_ERROR", "INSUFFICIENT_CREDITS", "SERVER_ERROR")
        for status in (200, 400, 429)
    },
    "success: false alone": lambda shown: _changed(shown, ("success",), False),
    "201 with its address alone": lambda shown: Answer(
        status=201,
        body=b"",
        headers={**JSON, "Location": f"/api/v1/creations/{_id(as_object(_found(shown)[0]) or {})}"},
    ),
    "303 to the creation": lambda shown: Answer(
        status=303, headers={"Location": f"/api/v1/creations/{_id(as_object(_found(shown)[0]) or {})}"}
    ),
}


def _found(shown: Json) -> list[object]:
    return as_list((as_object(shown["data"]) or {})["creations"])


def _id(creation: Json) -> object:
    return creation["creation_id"]


def _creations(shown: Json, change: Callable[[Json], object]) -> Answer:
    return _changed(shown, ("data", "creations"), [change(as_object(one) or {}) for one in _found(shown)])
