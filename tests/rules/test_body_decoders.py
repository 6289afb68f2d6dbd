"""Decoders of envelopes and pages, and the paths of the problems that they report."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import THING, Thing

from generor_async.rules import body_decoders
from generor_async.rules.body_decoders import Decoder, Meta, PageData
from generor_async.values import DecodeError
from generor_async.values.decoding import UnexpectedShape
from generor_async.values.shapes import Problems, Shape

PARTIAL = THING.unpromised(THING.strict)
A, B = Thing(id="a"), Thing(id="b")


def assumed(shape: Shape[Thing]) -> Decoder[Thing]:
    return body_decoders.enveloped(shape, assumed=True)


def read(decoder: Decoder[Any], body: Any) -> tuple[Any, list[str]]:
    """Read a body as an answer is; return what it holds, and where it is odd."""
    problems: Problems = []
    try:
        return decoder.strict(body), []
    except UnexpectedShape:
        return decoder.lenient(body, problems), [problem.path for problem in problems]


@pytest.mark.parametrize(
    ("opener", "body", "result"),
    [
        (body_decoders.plain, {"id": "a"}, A),
        (body_decoders.enveloped, {"success": True, "data": {"id": "a"}}, A),
        (body_decoders.enveloped, {"id": "a"}, A),
        (body_decoders.enveloped_map, {"data": {"x": [{"id": "a"}], "y": []}}, {"x": [A], "y": []}),
    ],
)
def test_what_is_as_documented_is_read_at_once(opener: Any, body: Any, result: Any) -> None:
    assert opener(THING).strict(body) == result


@pytest.mark.parametrize(
    ("opener", "body", "result"),
    [
        (body_decoders.plain, {"data": {"id": "a"}}, A),
        (body_decoders.plain, {"thing": {"id": "a"}}, A),
        (body_decoders.enveloped, {"success": True, "data": None, "id": "a"}, A),
        (body_decoders.enveloped, {"success": True, "data": {"thing": {"id": "a"}}}, A),
        (body_decoders.enveloped, {"success": True, "thing": {"id": 5}}, Thing(id="5")),
        (assumed, {"data": {"thing": {"id": "a"}}}, A),
        (
            body_decoders.enveloped_map,
            {"data": [{"id": "a", "type": "x"}, {"id": "b", "type": "y"}]},
            {"x": [A], "y": [B]},
        ),
        (body_decoders.enveloped_map, {"data": {"models": {"x": [{"id": "a"}], "y": {}}}}, {"x": [A], "y": []}),
        (body_decoders.enveloped_map, {"data": {"x": {"1": {"id": "a"}}, "y": []}}, {"x": [A], "y": []}),
    ],
)
def test_what_is_elsewhere_is_found(opener: Any, body: Any, result: Any) -> None:
    assert read(opener(THING), body) == (result, [])


ELSEWHERE: list[tuple[Any, Any, str | None]] = [
    (body_decoders.plain, {"id": None}, "$.id"),
    (body_decoders.plain, [], "$.id"),
    (body_decoders.plain, "x", "$"),
    (body_decoders.plain, None, "$"),
    (body_decoders.enveloped, {"data": {"size": 1}}, "$.data.id"),
    (body_decoders.enveloped, {"data": None}, "$.data"),
    (body_decoders.enveloped, {"error": {"code": "a"}}, "$.id"),
    (body_decoders.enveloped_map, {"data": 7}, "$.data"),
    (body_decoders.enveloped_map, {"schema": "2031", "result": [{"data": {}}]}, "$"),
    (body_decoders.page_of, {"data": {}, "x": 1}, None),
    (body_decoders.page_of, {"data": {"things": []}}, None),
    (body_decoders.page_of, {"schema": "2031", "result": [{"data": [], "has_more": False}]}, "$"),
    (body_decoders.page_of, {"errors": []}, "$"),
    (body_decoders.page_of, {"data": {"messages": ["none"]}}, "$.data"),
    (body_decoders.page_of, {"data": 7}, "$.data"),
    (body_decoders.page_of, {"data": {"what": "ever"}}, "$.data"),
    (body_decoders.page_of, {"data": {"a": [{"id": "a"}], "b": [{"id": "b"}]}}, "$.data"),
    (body_decoders.page_of, {"data": {}}, None),
    (body_decoders.page_of, {}, "$"),
    (body_decoders.page_of, {"success": True, "data": None}, "$.data"),
    (body_decoders.page_of, {"data": None, "creations": [{"id": "a"}]}, "$.data"),
    (body_decoders.page_of, None, "$"),
    (body_decoders.cursor_page_of, {}, "$"),
    (body_decoders.cursor_page_of, {"data": None, "has_more": False}, "$.data"),
    (body_decoders.enveloped_map, {}, "$"),
    (body_decoders.enveloped_map, {"data": None}, "$.data"),
    (body_decoders.cursor_page_of, {"object": "list"}, "$"),
    (body_decoders.cursor_page_of, "x", "$"),
]


@pytest.mark.parametrize(("opener", "body", "path"), ELSEWHERE)
def test_an_answer_in_which_nothing_is_found_is_told_by_its_path(opener: Any, body: Any, path: str | None) -> None:
    if path is None:
        assert read(opener(THING), body)[0].items == []
        return
    with pytest.raises(DecodeError) as caught:
        read(opener(THING), body)
    assert caught.value.path == path


@pytest.mark.parametrize("body", [{"data": None}, {"data": {}}, {}, None, {"data": {"other": 1}}])
def test_an_answer_that_no_document_shows_may_hold_nothing(body: Any) -> None:
    found, problems = read(assumed(PARTIAL), body)
    assert (found.id, found.size, problems) == (None, None, [])
    data: Any = body["data"] if body and "data" in body else body
    assert found.raw == data


def test_an_answer_that_no_document_shows_and_is_no_object_is_told() -> None:
    found, problems = read(assumed(PARTIAL), {"data": "ok"})
    assert (found.id, found.raw, problems) == (None, "ok", ["$.data"])


def test_an_item_that_cannot_be_read_costs_that_item_alone() -> None:
    body = {"data": [{"id": "a"}, 7, {"id": "b", "size": "big"}, None]}
    page, problems = read(body_decoders.page_of(THING), body)
    assert page.items == [A, B]
    assert problems == ["$.data[1]", "$.data[2].size", "$.data[3]"]
    assert page.problems == tuple(problems)
    assert page.items[1].problems == ("$.data[2].size",)
    assert body_decoders.unread_items(page.problems) == 2
    assert body_decoders.unread_items(("$.data[1].size", "$.data[0].images[2]")) == 0, "a part of an item isn't one"


def test_models_of_one_type_that_cannot_be_read_cost_that_type_alone() -> None:
    found, problems = read(body_decoders.enveloped_map(THING), {"data": {"x": [{"id": "a"}, 7], "y": 3}})
    assert found == {"x": [A]}
    assert problems == ["$.data.x[1]", "$.data.y"]


LISTS: list[Any] = [
    {"data": {"creations": [{"id": "a"}, {"id": "b"}]}},
    {"data": {"0": {"id": "a"}, "1": {"id": "b"}}},
    {"creations": [{"id": "a"}, {"id": "b"}], "tags": []},
    {"data": {"items": [{"id": "a"}, {"id": "b"}], "filters": ["x"]}},
    [{"id": "a"}, {"id": "b"}],
]


@pytest.mark.parametrize("body", LISTS)
@pytest.mark.parametrize("opener", [body_decoders.page_of, body_decoders.cursor_page_of])
def test_a_list_is_found_wherever_it_stands(opener: Any, body: Any) -> None:
    page, problems = read(opener(THING), body)
    assert page.items == [A, B]
    assert page.raw is body
    assert problems == []


META: dict[str, Any] = {
    "page": 2,
    "per_page": 20,
    "total": 45,
    "total_pages": 3,
    "has_next": True,
    "has_prev": True,
}


def test_a_page_carries_its_meta() -> None:
    page = body_decoders.page_of(THING).strict({"data": [{"id": "a"}], "meta": META})
    assert page.items == [A]
    assert page.meta == Meta(page=2, per_page=20, total=45, total_pages=3, has_next=True, has_prev=True)
    assert page.meta.raw == META


@pytest.mark.parametrize(
    "body",
    [
        {"data": [], "meta": {key: str(value).lower() for key, value in META.items()}},
        {"data": {"things": [], "meta": META}},
        {"data": {"things": [], "pagination": META}},
        {"data": {"things": [], **META}},
    ],
)
def test_the_meta_is_read_however_it_is_written_and_wherever_it_stands(body: Any) -> None:
    page: PageData[Thing] = read(body_decoders.page_of(THING), body)[0]
    assert page.meta == Meta(page=2, per_page=20, total=45, total_pages=3, has_next=True, has_prev=True)


METAS: list[tuple[Any, bool]] = [
    ({"page": 1, "total_pages": 2}, True),
    ({"page": 2, "total_pages": 2}, False),
    ({"page": 1, "total_pages": 2, "has_next": False}, False),
    ({"page": 1}, False),
    ({"has_next": "true"}, True),
    ({"has_next": 1}, True),
    ({"has_next": "false", "page": 1, "total_pages": 2}, False),
    ({"page": "1", "total_pages": "3"}, True),
    ({"page": 1, "per_page": 20, "total": 45}, True),
    ({"page": 2, "per_page": 20, "total": 45}, True),
    ({"page": 3, "per_page": 20, "total": 45}, False),
    ({"page": True, "total_pages": 9}, False),
    (None, False),
    ([], False),
    ({"has_more": True}, True),
]


@pytest.mark.parametrize(("meta", "has_next"), METAS)
def test_whether_there_is_more_is_told_or_worked_out(meta: Any, has_next: bool) -> None:
    assert body_decoders.page_of(THING).strict({"data": [], "meta": meta}).meta.has_next is has_next


UNSAID: list[tuple[Any, bool]] = [
    (None, True),
    ([], True),
    ({}, True),
    ({"page": 1}, True),
    ({"total": 45}, True),
    ({"page": 1, "per_page": 20}, True),
    ({"page": 1, "per_page": 20, "total": 0}, True),
    ({"page": 1, "total_pages": 0}, True),
    ({"page": 1, "total_pages": 1}, False),
    ({"page": "1", "per_page": "20", "total": "45"}, False),
    ({"has_next": "perhaps"}, True),
    ({"has_next": False}, False),
    ({"has_next": "true"}, False),
]


@pytest.mark.parametrize(("meta", "unsaid"), UNSAID)
def test_an_answer_may_leave_open_whether_there_is_more(meta: Any, unsaid: bool) -> None:
    page = body_decoders.page_of(THING).lenient({"data": [{"id": 1}], "meta": meta}, [])
    assert page.meta.unsaid is unsaid


@pytest.mark.parametrize(
    "body",
    [
        {"data": [], "pagination": {"page": 1, "total_pages": 2}},
        {"data": [], "page": 1, "total_pages": 2},
        {"data": [], "has_more": True},
    ],
)
def test_what_tells_of_a_page_is_found_wherever_it_stands(body: Any) -> None:
    assert body_decoders.page_of(THING).strict(body).meta.has_next


CURSORS: list[tuple[dict[str, Any], bool, str | None]] = [
    ({"data": [], "has_more": True, "next_cursor": "c"}, True, "c"),
    ({"data": [], "has_more": "true", "next_cursor": 7}, True, "7"),
    ({"data": [], "has_more": True, "next_cursor": None}, True, ""),
    ({"data": [], "has_more": True, "next_cursor": []}, True, ""),
    ({"data": [], "has_more": True, "next_cursor": ""}, True, ""),
    ({"data": [], "next_cursor": "c"}, True, "c"),
    ({"data": [], "next_cursor": ""}, False, ""),
    ({"data": [], "has_more": False, "next_cursor": "c"}, False, "c"),
    ({"data": []}, False, None),
]


@pytest.mark.parametrize(("body", "has_next", "cursor"), CURSORS)
def test_a_cursor_page_says_whether_there_is_more_and_what_names_it(
    body: Any, has_next: bool, cursor: str | None
) -> None:
    meta = body_decoders.cursor_page_of(THING).strict(body).meta
    assert (meta.has_next, meta.next_cursor) == (has_next, cursor)


@pytest.mark.parametrize("body", [None, {}, {"success": True}, []])
def test_deletions_have_nothing_to_read(body: Any) -> None:
    body_decoders.nothing.strict(body)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["data", "meta", "id", "names", "page", "has_next", "0"]), inner)
    ),
    max_leaves=12,
)
OPENERS: list[Callable[[Shape[Thing]], Decoder[Any]]] = [
    body_decoders.plain,
    body_decoders.enveloped,
    assumed,
    body_decoders.enveloped_map,
    body_decoders.page_of,
    body_decoders.cursor_page_of,
]


@given(values)
def test_no_body_breaks_an_opener(body: Any) -> None:
    paths: list[str] = []
    for opener in OPENERS:
        try:
            _, found = read(opener(THING), body)
        except DecodeError as error:
            found = [error.path]
        paths += found
    assert all(path.startswith("$") for path in paths)
