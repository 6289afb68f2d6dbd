"""Decoders of whole response bodies: Generor's envelope, Luma's bare objects, and pages of both.

Each function takes the shape of the content and returns the decoder of the body. `strict` reads bodies of the
documented shape alone. `lenient` reads as much as possible, and reports each problem with its full path, such as
`$.data.creations[0].creation_id`.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from attrs import define, field, frozen

from generor_async.values import JSON, DecodeError, Model, ResponseInfo, is_array, is_object, type_mismatch
from generor_async.values.decoding import UnexpectedShape, read_list
from generor_async.values.shapes import Problems, Shape, as_bool, as_int, as_items, given_at, list_of, map_of

__all__ = [
    "Decoder",
    "Meta",
    "PageData",
    "as_it_is",
    "cursor_page_of",
    "enveloped",
    "enveloped_list",
    "enveloped_map",
    "nothing",
    "page_of",
    "plain",
    "unread_items",
]

T = TypeVar("T")
M = TypeVar("M", bound=Model)


@frozen
class Decoder(Generic[T]):
    """Reads a whole body."""

    strict: Callable[[JSON], T]
    """Raises `UnexpectedShape` for a body that differs from the documented shape."""
    lenient: Callable[[JSON, Problems], T]
    """Reads as much as possible; raises `DecodeError` for a body without anything that identifies the result."""


@frozen(kw_only=True)
class Meta:
    """The position of a page: Generor's `meta`, or Luma's `has_more` and `next_cursor`; None for missing values."""

    page: int | None = None
    """1-based (documented, Generor)."""
    per_page: int | None = None
    total: int | None = None
    total_pages: int | None = None
    has_next: bool = False
    has_prev: bool | None = None
    next_cursor: str | None = None
    """The cursor of the next page (client, Luma); empty where there is a next page without a cursor."""
    unsaid: bool = False
    """Whether the answer doesn't say if there is another page."""
    raw: Any = field(default=None, repr=False, eq=False)


@define
class PageData(Generic[T]):
    """One decoded page."""

    items: list[T]
    meta: Meta
    raw: Any = field(repr=False, eq=False)
    problems: tuple[str, ...] = field(default=(), init=False, repr=False, eq=False)
    """Paths that differ from the documented shape; items that could not be read are missing."""
    response: ResponseInfo | None = field(default=None, init=False, repr=False, eq=False)


def plain(shape: Shape[M]) -> Decoder[M]:
    """Return the decoder of a body that is the object itself."""
    return Decoder(shape.strict, _object_in(shape, assumed=False))


def enveloped(shape: Shape[M], *, assumed: bool = False) -> Decoder[M]:
    """Return the decoder of `{"success": true, "data": {...}}`, or of the bare data.

    Where no document shows the response (`assumed`), it needs no identity.
    """

    def strict(body: JSON) -> M:
        data = _data(body)
        if assumed and not shape.knows(data):
            raise UnexpectedShape
        return shape.strict(data)

    return Decoder(strict, _object_in(shape, assumed=assumed))


def _object_in(shape: Shape[M], *, assumed: bool) -> Callable[[JSON, Problems], M]:
    """Return a function that finds the object in a body: at its documented place, around it, or one level below."""

    def lenient(body: JSON, problems: Problems) -> M:
        failure: DecodeError | None = None
        for value, path, elsewhere in _objects(body):
            if shape.resembles(value) if elsewhere or assumed else True:
                found: Problems = []
                try:
                    model = shape.identified(shape.lenient(value, path, found), path)
                except DecodeError as error:
                    failure = failure or error
                    continue
                problems += found
                return model
        if failure is not None:
            raise failure
        data, path, _ = next(_objects(body))
        if data is not None and not is_object(data):
            problems.append(type_mismatch(data, "an object", path).as_problem())
        return shape.empty(data)

    return lenient


def _objects(body: JSON) -> Iterator[tuple[JSON, str, bool]]:
    """Yield candidates for the object, each with its path and whether that differs from the documented path."""
    data = body.get("data") if is_object(body) else None
    enveloped = is_object(body) and "data" in body
    if enveloped:
        yield data, "$.data", False
    yield body, "$", enveloped
    for around, path in ((body, "$"), (data, "$.data")):
        if is_object(around):
            yield from ((value, f"{path}.{key}", True) for key, value in around.items() if is_object(value))


def _nothing(_: JSON, __: Problems | None = None) -> None:
    """Return None."""


def _untouched(body: JSON, _: Problems | None = None) -> JSON:
    return body


nothing: Decoder[None] = Decoder(_nothing, _nothing)
"""Decodes a 204, or the response to a deletion, as None."""

as_it_is: Decoder[JSON] = Decoder(_untouched, _untouched)
"""Returns the JSON of an endpoint that the specification doesn't have."""


def enveloped_map(shape: Shape[M]) -> Decoder[dict[str, list[M]]]:
    """Return the decoder of an envelope with arrays of models by type (assumed; a single array is accepted, too)."""

    def strict(body: JSON) -> dict[str, list[M]]:
        data = _data(body)
        if not body or not is_object(data):
            raise UnexpectedShape
        return {kind: read_list(shape.strict, items) for kind, items in data.items()}

    def lenient(body: JSON, problems: Problems) -> dict[str, list[M]]:
        data, path = _data(body), _where(body)
        if body == {}:
            raise type_mismatch(body, "lists by type", path)
        if is_object(data) and not any(is_array(items) for items in data.values()):
            inner = [key for key, value in data.items() if is_object(value)]
            if len(inner) == 1 and inner[0] != "0":
                data, path = data[inner[0]], f"{path}.{inner[0]}"
        if is_object(data) and not all(key.isdecimal() for key in data):
            found = map_of(list_of(shape.lenient))(data, path, problems)
            if path == "$" and not any(shape.knows(model.raw) for models in found.values() for model in models):
                raise type_mismatch(body, "lists by type", path)
            return found
        grouped: dict[str, list[M]] = {}
        for model in list_of(shape.lenient)(as_items(data, path), path, problems):
            grouped.setdefault(str(given_at(model.raw, "type")), []).append(model)
        return grouped

    return Decoder(strict, lenient)


def page_of(shape: Shape[M]) -> Decoder[PageData[M]]:
    """Return the decoder of an envelope with an array and its `meta`."""

    def strict(body: JSON) -> PageData[M]:
        data = _data(body)
        items = read_list(shape.strict, data)
        return PageData(items, _meta(_meta_in(body), len(items)), body)

    def lenient(body: JSON, problems: Problems) -> PageData[M]:
        items, path = _items(shape, body)
        return _page(shape, items, path, _meta(_meta_in(body), len(items)), body, problems)

    return Decoder(strict, lenient)


enveloped_list = page_of
"""Lists that aren't documented as paged may still have `meta.has_next`, so they are decoded as pages."""


def cursor_page_of(shape: Shape[M]) -> Decoder[PageData[M]]:
    """Return the decoder of `{"data": [...], "has_more": ..., "next_cursor": ...}`."""

    def strict(body: JSON) -> PageData[M]:
        if not is_object(body):
            raise UnexpectedShape
        return PageData(read_list(shape.strict, body.get("data")), _cursor(body), body)

    def lenient(body: JSON, problems: Problems) -> PageData[M]:
        items, path = _items(shape, body)
        return _page(shape, items, path, _cursor(body if is_object(body) else {}), body, problems)

    return Decoder(strict, lenient)


def unread_items(problems: Iterable[str]) -> int:
    """Count the items of a page that could not be read, by its problems."""
    return sum(path.endswith("]") and path.count("[") == 1 for path in problems)


def _page(shape: Shape[M], items: list[JSON], path: str, meta: Meta, body: JSON, problems: Problems) -> PageData[M]:
    found: Problems = []
    page = PageData(list_of(shape.lenient)(items, path, found), meta, body)
    page.problems = tuple(problem.path for problem in found)
    problems += found
    return page


def _data(body: JSON) -> JSON:
    """Return the data of an envelope; a body without one is taken as the data itself."""
    return body["data"] if is_object(body) and "data" in body else body


def _where(body: JSON) -> str:
    return "$.data" if is_object(body) and "data" in body else "$"


def _items(shape: Shape[M], body: JSON) -> tuple[list[JSON], str]:
    """Return the items of a list and their path: the data itself, or the one array of such items in it.

    Raises `DecodeError` where there is no such array. Null and an empty object don't count as an empty list.
    """
    data, path = _data(body), _where(body)
    if body == {}:
        raise type_mismatch(body, "a list", path)
    try:
        return as_items(data, path), path
    except DecodeError:
        inside = {key: value for key, value in data.items() if is_array(value)} if is_object(data) else {}
        alike = {key: value for key, value in inside.items() if any(map(shape.knows, value))}
        if not alike and path != "$":  # an array beside the envelope may be of anything
            alike = {key: value for key, value in inside.items() if not value}
        if len(alike) == 1:
            ((key, items),) = alike.items()
            return items, f"{path}.{key}"
        raise


def _meta_in(body: JSON) -> JSON:
    """Return the object with the position of a page, at any of its known places."""
    data = _data(body)
    for around in (body, data):
        for name in ("meta", "pagination"):
            if is_object(around) and is_object(around.get(name)):
                return around[name]
    return next((around for around in (body, data) if is_object(around) and not _TELLING.isdisjoint(around)), None)


_TELLING = frozenset({"has_next", "has_more", "total_pages"})
"""Fields that tell whether there is another page."""


def _meta(meta: JSON, count: int) -> Meta:
    """Read the `meta` of a page with `count` items; `has_next` is calculated where it is missing."""
    if not is_object(meta):
        return Meta(unsaid=True)
    page, per_page = _number(meta.get("page")), _number(meta.get("per_page"))
    total, total_pages = _number(meta.get("total")), _number(meta.get("total_pages"))
    has_next = _truth(meta.get("has_next", meta.get("has_more")))
    believable = not (count and 0 in {total, total_pages})
    if has_next is None and page is not None and believable:
        if total_pages is not None:
            has_next = page < total_pages
        elif per_page is not None and total is not None:
            has_next = page * per_page < total
    return Meta(
        page=page,
        per_page=per_page,
        total=total,
        total_pages=total_pages,
        has_next=bool(has_next),
        unsaid=has_next is None,
        has_prev=_truth(meta.get("has_prev")),
        raw=meta,
    )


def _cursor(body: dict[str, Any]) -> Meta:
    cursor = body.get("next_cursor")
    if type(cursor) is int:
        cursor = str(cursor)
    elif type(cursor) is not str:
        cursor = None
    said = _truth(body.get("has_more"))
    has_next = bool(cursor) if said is None else said
    return Meta(has_next=has_next, next_cursor=cursor or ("" if has_next else cursor), raw=body)


def _number(value: JSON) -> int | None:
    if type(value) is int or value is None:
        return value
    try:
        return as_int(value, "", [])
    except DecodeError:
        return None


def _truth(value: JSON) -> bool | None:
    if type(value) is bool or value is None:
        return value
    try:
        return as_bool(value, "", [])
    except DecodeError:
        return None
