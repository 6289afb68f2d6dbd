"""How an answer's body is opened: Generor's envelope, Luma's bare objects, pages of both.

Each function here takes the decoder of what is inside and returns the decoder of the whole body, whose errors name
the full path: `$.data.creations[0].creation_id`.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from attrs import define, field, frozen

from generor_async.values import JSON, Misshapen, ResponseInfo, is_array, is_object, misfit

__all__ = [
    "Meta",
    "PageData",
    "bare_or_enveloped",
    "cursor_page_of",
    "enveloped",
    "enveloped_list",
    "enveloped_map",
    "enveloped_none",
    "nothing",
    "page_of",
    "plain",
]

T = TypeVar("T")
Decode = Callable[[JSON], T]


@frozen(kw_only=True)
class Meta:
    """Where a page stands. Generor's `meta`; Luma's `has_more` and `next_cursor`; None is what the answer left out."""

    page: int | None = None
    """1-based (documented, Generor)."""
    per_page: int | None = None
    total: int | None = None
    total_pages: int | None = None
    has_next: bool = False
    has_prev: bool | None = None
    next_cursor: str | None = None
    """What names the next page (client, Luma)."""
    raw: Any = field(default=None, repr=False, eq=False)


@define
class PageData(Generic[T]):
    """One page as it was read from the wire."""

    items: list[T]
    meta: Meta
    raw: Any = field(repr=False, eq=False)
    response: ResponseInfo | None = field(default=None, init=False, repr=False, eq=False)


def plain(decode: Decode[T]) -> Decode[T]:
    """Open a body that is the object itself."""

    def opened(body: JSON) -> T:
        try:
            return decode(body)
        except Misshapen as error:
            raise error.under("$") from None

    return opened


def enveloped(decode: Decode[T]) -> Decode[T]:
    """Open `{"success": true, "data": {...}}`."""

    def opened(body: JSON) -> T:
        try:
            return decode(_data(body))
        except Misshapen as error:
            raise error.under("$.data") from None

    return opened


def bare_or_enveloped(decode: Decode[T]) -> Decode[T]:
    """Open an object that the documents show bare and that may as well come in the envelope."""

    def opened(body: JSON) -> T:
        inside = is_object(body) and is_object(body.get("data"))
        try:
            return decode(body["data"] if inside else body)
        except Misshapen as error:
            raise error.under("$.data" if inside else "$") from None

    return opened


def enveloped_none(body: JSON) -> None:
    """Open the answer to a deletion: whatever it says, there is nothing to read."""


def nothing(body: JSON) -> None:
    """Open a 204."""


def enveloped_map(decode: Decode[T]) -> Decode[dict[str, list[T]]]:
    """Open an envelope whose data is an object of arrays: models by type (assumed; one array of all is taken too)."""

    def opened(body: JSON) -> dict[str, list[T]]:
        data = _data(body)
        if is_object(data):
            return {kind: _items(decode, items, f"$.data.{kind}") for kind, items in data.items()}
        grouped: dict[str, list[T]] = {}
        for item, value in zip(_items(decode, data, "$.data"), data, strict=True):
            grouped.setdefault(str(value.get("type")), []).append(item)
        return grouped

    return opened


def page_of(decode: Decode[T], *, lenient: bool = False) -> Decode[PageData[T]]:
    """Open an envelope whose data is an array, with its `meta`.

    Where no document shows the answer (`lenient`), data that is no array is a page without items, and `raw` has it.
    """

    def opened(body: JSON) -> PageData[T]:
        data = _data(body)
        if lenient and not is_array(data):
            return PageData([], Meta(), body)
        meta = body.get("meta") if is_object(body) else None
        return PageData(_items(decode, data, "$.data"), _meta(meta), body)

    return opened


enveloped_list = page_of
"""A list that isn't said to be paged, yet may say `meta.has_next`, is read like a page."""


def cursor_page_of(decode: Decode[T]) -> Decode[PageData[T]]:
    """Open `{"data": [...], "has_more": ..., "next_cursor": ...}`."""

    def opened(body: JSON) -> PageData[T]:
        if not is_object(body):
            raise misfit(body, "an object", "$")
        cursor = body.get("next_cursor")
        if cursor is not None and type(cursor) is not str:
            raise misfit(cursor, "a string", "$.next_cursor")
        meta = Meta(has_next=body.get("has_more") is True and bool(cursor), next_cursor=cursor, raw=body)
        return PageData(_items(decode, body.get("data"), "$.data"), meta, body)

    return opened


def _data(body: JSON) -> JSON:
    """Return the data of an envelope; a body without one is taken as the data itself."""
    return body["data"] if is_object(body) and "data" in body else body


def _items(decode: Decode[T], data: JSON, path: str) -> list[T]:
    if not is_array(data):
        raise misfit(data, "an array", path)
    items: list[T] = []
    try:
        for item in data:
            items.append(decode(item))  # noqa: PERF401 - its length tells which item was at fault
    except Misshapen as error:
        raise error.under(f"{path}[{len(items)}]") from None
    return items


def _meta(meta: JSON) -> Meta:
    if not is_object(meta):
        return Meta()

    def number(name: str) -> int | None:
        value = meta.get(name)
        return value if type(value) is int else None

    page, total_pages = number("page"), number("total_pages")
    has_next = meta.get("has_next")
    if type(has_next) is not bool:
        has_next = page is not None and total_pages is not None and page < total_pages
    has_prev = meta.get("has_prev")
    return Meta(
        page=page,
        per_page=number("per_page"),
        total=number("total"),
        total_pages=total_pages,
        has_next=has_next,
        has_prev=has_prev if type(has_prev) is bool else None,
        raw=meta,
    )
