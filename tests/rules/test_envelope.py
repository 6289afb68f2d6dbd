"""Envelopes, pages, and the paths that their errors name."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules import envelope
from generor_async.rules.envelope import Meta
from generor_async.values import Misshapen
from generor_async.values.decoding import read_fields, read_int, read_list, read_object, read_str


def number(value: Any) -> int:
    return read_int(value)


def named(value: Any) -> str:
    return read_object(read_str, read_fields(value).get("name"), ".name")


def team(value: Any) -> list[str]:
    return read_list(named, read_fields(value).get("members"), ".members")


Opener = Callable[[Any], Callable[[Any], Any]]
OPENERS: list[Opener] = [
    envelope.plain,
    envelope.enveloped,
    envelope.bare_or_enveloped,
    envelope.enveloped_map,
    envelope.page_of,
    envelope.cursor_page_of,
]


@pytest.mark.parametrize(
    ("opener", "body", "result"),
    [
        (envelope.plain, {"name": "a"}, "a"),
        (envelope.enveloped, {"success": True, "data": {"name": "a"}}, "a"),
        (envelope.enveloped, {"name": "a"}, "a"),
        (envelope.bare_or_enveloped, {"name": "a"}, "a"),
        (envelope.bare_or_enveloped, {"data": {"name": "a"}}, "a"),
        (envelope.bare_or_enveloped, {"name": "a", "data": None}, "a"),
        (envelope.enveloped_map, {"data": {"x": [{"name": "a"}], "y": []}}, {"x": ["a"], "y": []}),
        (
            envelope.enveloped_map,
            {"data": [{"name": "a", "type": "x"}, {"name": "b", "type": "y"}, {"name": "c", "type": "x"}]},
            {"x": ["a", "c"], "y": ["b"]},
        ),
    ],
)
def test_a_body_is_opened(opener: Opener, body: Any, result: Any) -> None:
    assert opener(named)(body) == result


@pytest.mark.parametrize(
    ("opener", "body", "path"),
    [
        (envelope.plain(named), {"name": 1}, "$.name"),
        (envelope.plain(named), [], "$"),
        (envelope.enveloped(named), {"data": {"name": None}}, "$.data.name"),
        (envelope.enveloped(named), {"data": None}, "$.data"),
        (envelope.enveloped(team), {"data": {"members": [{"name": "a"}, {}]}}, "$.data.members[1].name"),
        (envelope.bare_or_enveloped(named), {"data": {"name": 1}}, "$.data.name"),
        (envelope.bare_or_enveloped(named), {"name": 1}, "$.name"),
        (envelope.enveloped_map(named), {"data": {"x": [{"name": "a"}, 7]}}, "$.data.x[1]"),
        (envelope.enveloped_map(named), {"data": {"x": {}}}, "$.data.x"),
        (envelope.enveloped_map(named), {"data": 7}, "$.data"),
        (envelope.page_of(named), {"data": [{"name": "a"}, {"name": 1}]}, "$.data[1].name"),
        (envelope.page_of(named), {"data": {}}, "$.data"),
        (envelope.cursor_page_of(named), {"data": [{"name": 1}]}, "$.data[0].name"),
        (envelope.cursor_page_of(named), [], "$"),
        (envelope.cursor_page_of(named), {}, "$.data"),
        (envelope.cursor_page_of(named), {"data": [], "next_cursor": 7}, "$.next_cursor"),
    ],
)
def test_a_misfit_is_named_by_its_full_path(opener: Callable[[Any], object], body: Any, path: str) -> None:
    with pytest.raises(Misshapen) as caught:
        opener(body)
    assert caught.value.path == path


def test_a_page_carries_its_meta() -> None:
    meta: dict[str, Any] = {
        "page": 2,
        "per_page": 20,
        "total": 45,
        "total_pages": 3,
        "has_next": True,
        "has_prev": True,
    }
    page = envelope.page_of(number)({"data": [1, 2], "meta": meta})
    assert page.items == [1, 2]
    assert page.meta == Meta(page=2, per_page=20, total=45, total_pages=3, has_next=True, has_prev=True)
    assert page.meta.raw == meta


METAS: list[tuple[Any, bool]] = [
    ({"page": 1, "total_pages": 2}, True),
    ({"page": 2, "total_pages": 2}, False),
    ({"page": 1, "total_pages": 2, "has_next": False}, False),
    ({"page": 1}, False),
    ({"has_next": "true"}, False),
    ({"page": True, "total_pages": 9}, False),
    (None, False),
    ([], False),
]


@pytest.mark.parametrize(("meta", "has_next"), METAS)
def test_whether_there_is_more_is_told_or_worked_out(meta: Any, has_next: bool) -> None:
    assert envelope.page_of(number)({"data": [], "meta": meta}).meta.has_next is has_next


def test_an_undocumented_list_of_another_shape_is_an_empty_page_that_keeps_what_came() -> None:
    page = envelope.page_of(number, lenient=True)({"data": {"what": "ever"}})
    assert (page.items, page.raw) == ([], {"data": {"what": "ever"}})


CURSORS: list[tuple[dict[str, Any], bool, str | None]] = [
    ({"data": [], "has_more": True, "next_cursor": "c"}, True, "c"),
    ({"data": [], "has_more": True, "next_cursor": None}, False, None),
    ({"data": [], "has_more": True, "next_cursor": ""}, False, ""),
    ({"data": [], "has_more": False, "next_cursor": "c"}, False, "c"),
    ({"data": []}, False, None),
]


@pytest.mark.parametrize(("body", "has_next", "cursor"), CURSORS)
def test_a_cursor_page_goes_on_only_with_a_cursor(body: Any, has_next: bool, cursor: str | None) -> None:
    meta = envelope.cursor_page_of(number)(body).meta
    assert (meta.has_next, meta.next_cursor) == (has_next, cursor)


def test_deletions_have_nothing_to_read() -> None:
    bodies: list[Any] = [None, {}, {"success": True}, []]
    for body in bodies:
        envelope.enveloped_none(body)
        envelope.nothing(body)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["data", "meta", "name", "members", "page", "has_next"]), inner)
    ),
    max_leaves=12,
)


@given(values)
def test_no_body_breaks_an_opener(body: Any) -> None:
    paths: list[str] = []
    for opener in OPENERS:
        try:
            opener(team)(body)
        except Misshapen as error:
            paths.append(error.path)
    assert all(path.startswith("$") for path in paths)
