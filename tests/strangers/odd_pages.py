"""Odd pages of lists. Generor's are numbered, those of Luma's files go from cursor to cursor."""

import copy
from collections.abc import Callable
from typing import TypeAlias

from strangers.records import Json, as_list, as_object

__all__ = ["CATALOGUE", "ENDLESS", "ENDLESS_FILES", "FILES", "PAGES", "GivePage"]

GivePage: TypeAlias = Callable[[int], Json]
"""Returns a page by its number as it should be."""
OddPage: TypeAlias = Callable[[GivePage, int], Json]


def _meta(body: Json, **changed: object) -> Json:
    return {**body, "meta": {**(as_object(body["meta"]) or {}), **changed}}


def _only(*fields: str) -> OddPage:
    def odd(give: GivePage, number: int) -> Json:
        body = give(number)
        meta = as_object(body["meta"]) or {}
        return {**body, "meta": {field: meta[field] for field in fields}}

    return odd


def _items(change: Callable[[list[object]], object]) -> OddPage:
    def odd(give: GivePage, number: int) -> Json:
        body = give(number)
        return {**body, "data": change(as_list(copy.deepcopy(body["data"])))}

    return odd


def _strings(body: Json) -> Json:
    meta = as_object(body["meta"]) or {}
    told = {name: str(value).lower() for name, value in meta.items()}
    return {**body, "meta": told}


def _ids_as_strings(items: list[object]) -> list[object]:
    return [{**one, "creation_id": str(one["creation_id"])} for one in map(as_object, items) if one]


def _bare(items: list[object]) -> list[object]:
    return [
        {"creation_id": one["creation_id"], "username": None, "images": None} for one in map(as_object, items) if one
    ]


def _gap(give: GivePage, number: int) -> Json:
    """Give an empty second page while the third is announced."""
    if number == 2:
        return _meta({**give(1), "data": []}, page=2, has_next=True)
    return give(number if number < 2 else number - 1)


def _overlap(give: GivePage, number: int) -> Json:
    """Give the first page twice, as a list does to which something was added meanwhile."""
    return _meta(give(1 if number == 2 else max(1, number - 1)), page=number)


def _one_page(give: GivePage) -> Json:
    meta = as_object(give(1)["meta"]) or {}
    return {**meta, "per_page": 100, "total_pages": 1, "has_next": False}


PAGES: dict[str, OddPage] = {
    "an envelope in data": _items(lambda items: {"creations": items}),
    "items in data": _items(lambda items: {"items": items}),
    "numbered items": _items(lambda items: {str(number): one for number, one in enumerate(items)}),
    "strings in meta": lambda give, number: _strings(give(number)),
    "numbers for booleans": lambda give, number: _meta(
        give(number), has_next=int(bool((as_object(give(number)["meta"]) or {})["has_next"]))
    ),
    "no has_next": _only("page", "per_page", "total", "total_pages"),
    "no has_next nor pages": _only("page", "per_page", "total"),
    "page alone": _only("page"),
    "has_next null": lambda give, number: _meta(give(number), has_next=None),
    "meta: []": lambda give, number: {**give(number), "meta": []},
    "meta: null": lambda give, number: {**give(number), "meta": None},
    "no meta": lambda give, number: {name: value for name, value in give(number).items() if name != "meta"},
    "meta in data": lambda give, number: {
        "success": True,
        "data": {"creations": give(number)["data"], "meta": give(number)["meta"]},
    },
    "ids in strings": _items(_ids_as_strings),
    "ids alone": _items(_bare),
    "a null among items": _items(lambda items: [None, *items]),
    "a word among items": _items(lambda items: [*items, "x"]),
    "a list among items": _items(lambda items: [*items[:1], list[object](), *items[1:]]),
    "an empty page between": _gap,
    "a page twice": _overlap,
}
"""All items are there, told in some odd way."""

ENDLESS: dict[str, OddPage] = {
    "empty, and more announced": lambda give, number: _meta(
        {**give(1), "data": []}, page=number, total=0, total_pages=0, has_next=True
    ),
    "the first page for ever": lambda give, number: _meta(give(1), page=number, has_next=True),
    "the first page for ever, numbered 1": lambda give, _: _meta(give(1), has_next=True),
    "null for ever": lambda give, number: _meta({**give(1), "data": None}, page=number, has_next=True),
    "null, of many": lambda give, number: {**give(number), "data": None},
    "empty, of many": lambda give, number: {**give(number), "data": []},
    "null, of one page": lambda give, _: {**give(1), "data": None, "meta": _one_page(give)},
    "null in between": lambda give, number: {**give(number), "data": None} if number == 2 else give(number),
    "null at the end": lambda give, number: {**give(number), "data": None} if number == 3 else give(number),
    "a total that is too high": lambda give, number: _meta(give(number), total=99),
    "more pages than it has": lambda give, number: _meta(give(number), total=None, total_pages=9),
    "an object without anything": lambda give, number: give(1) if number == 1 else {},
    "words in between": lambda give, number: {**give(number), "data": ["x"]} if number == 2 else give(number),
    "a word for the list": lambda give, number: {**give(number), "data": "none"},
    "nothing but words": lambda give, number: {**give(number), "data": ["x", "y"]},
}
"""Never gives all items, and never ends by itself or says less than it announced."""

KEYS = ("id", "slug", "type")
"""Fields that name a model or a generator."""
OddList: TypeAlias = Callable[[list[Json]], object]
CATALOGUE: dict[str, OddList] = {
    "a null among items": lambda items: [None, *items],
    "a word among items": lambda items: [*items, "x"],
    "numbered items": lambda items: {str(number): one for number, one in enumerate(items)} if items else list[Json](),
    "fields null": lambda items: [
        dict.fromkeys(one) | {name: one[name] for name in KEYS if name in one} for one in items
    ],
    "keys alone": lambda items: [{name: one[name] for name in KEYS if name in one} for one in items],
    "numbers in strings": lambda items: [
        {name: str(value) if type(value) is int else value for name, value in one.items()} for one in items
    ],
    "floats": lambda items: [
        {name: float(value) if type(value) is int else value for name, value in one.items()} for one in items
    ],
    "fields of other kinds": lambda items: [
        {name: value if name in KEYS else {"value": [value]} for name, value in one.items()} for one in items
    ],
}
"""Lists of models and generators: all are there, some of them with nothing but what names them."""

OddFiles: TypeAlias = Callable[[Json], Json]


def _first_again(body: Json) -> Json:
    return {**body, "has_more": True, "next_cursor": "again"}


FILES: dict[str, OddFiles] = {
    "has_more true": lambda body: {**body, "has_more": str(body["has_more"]).lower()},
    "has_more 1": lambda body: {**body, "has_more": int(bool(body["has_more"]))},
    "no has_more": lambda body: {name: value for name, value in body.items() if name != "has_more"},
    "has_more null": lambda body: {**body, "has_more": None},
    "no cursor at the end": lambda body: body if body["has_more"] else {**body, "next_cursor": ""},
    "a null among items": lambda body: {**body, "data": [None, *as_list(body["data"])]},
    "a word among items": lambda body: {**body, "data": [*as_list(body["data"]), "x"]},
    "an envelope in data": lambda body: {**body, "data": {"files": body["data"]}},
    "success too": lambda body: {"success": True, **body},
}
ENDLESS_FILES: dict[str, OddFiles] = {
    "a repeated cursor": _first_again,
    "empty, and more announced": lambda body: {"data": [], "has_more": True, "next_cursor": "again"},
    "more without a cursor": lambda body: {**body, "has_more": True, "next_cursor": None},
    "null, and more": lambda body: {**body, "data": None, "has_more": True},
    "a word for the list": lambda body: {**body, "data": "none"},
}
