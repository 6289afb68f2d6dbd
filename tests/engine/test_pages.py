"""Pages: walked lazily, counted in items, and each item once."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import pytest
from attrs import define, evolve
from hypothesis import given
from hypothesis import strategies as st
from support.calls import KEY, endpoint
from support.wire import Step, Wire, answer

from generor_async import AsyncGeneror, AsyncLuma
from generor_async.engine.pages import Page, Pages, collect, response_of
from generor_async.errors import InvalidRequestError, ResponseShapeError
from generor_async.rules.body_decoders import Meta, PageData
from generor_async.rules.http_types import Operation
from generor_async.values import Model, ResponseInfo, remember_response

T = TypeVar("T")


@define(kw_only=True)
class Thing(Model):
    id: int


@define(kw_only=True)
class Bare(Model):
    text: str


class Numbered:
    """Answers `page` and `per_page` like a list of so many things; `shift` items are put in front at each request."""

    def __init__(self, total: int, *, shift: int = 0, per_page: int = 10) -> None:
        self.queries: list[dict[str, str]] = []
        self.items = [Thing(id=number) for number in range(total)]
        self.shift = shift
        self.per_page = per_page

    async def send(self, operation: Operation[T]) -> T:
        query = dict(operation.query)
        self.queries.append(query)
        page, size = int(query.get("page", "1")), int(query.get("per_page", self.per_page))
        found = self.items[(page - 1) * size : page * size]
        meta = Meta(page=page, per_page=size, has_next=page * size < len(self.items))
        self.items = [Thing(id=-len(self.items) - n) for n in range(self.shift)] + self.items
        return cast("T", PageData(found, meta, {"data": len(found)}))


class Cursored:
    """Answers three pages by cursor."""

    def __init__(self) -> None:
        self.queries: list[dict[str, str]] = []

    async def send(self, operation: Operation[T]) -> T:
        self.queries.append(dict(operation.query))
        number = int(operation.query.get("cursor", "c0")[1:])
        following = f"c{number + 1}" if number < 2 else None
        meta = Meta(has_next=following is not None, next_cursor=following)
        return cast("T", PageData([Thing(id=number)], meta, {}))


def first(**query: str) -> Operation[PageData[Thing]]:
    return Operation(endpoint(), "/things", query=query)


def ids(things: list[Thing]) -> list[int]:
    return [thing.id for thing in things]


async def test_nothing_is_fetched_before_it_is_needed() -> None:
    server = Numbered(25)
    pages = Pages(server, first())
    assert server.queries == []
    async for item in pages:
        if item.id == 12:
            break
    assert len(server.queries) == 2


async def test_awaiting_gives_the_first_page() -> None:
    pages = Pages(Numbered(25), first())
    for page in (await pages, await pages.first_page()):
        assert isinstance(page, Page)
        assert ids(page.items) == list(range(10))
        assert (page.has_next, page.meta.page, page.raw) == (True, 1, {"data": 10})
        assert "10 items" in repr(page)


async def test_the_next_page_keeps_the_query() -> None:
    server = Numbered(25)
    page = await Pages(server, first(per_page="20", sort="oldest"))
    following = await page.next_page()
    assert following is not None
    assert ids(following.items) == list(range(20, 25))
    assert await following.next_page() is None
    assert server.queries[1] == {"per_page": "20", "sort": "oldest", "page": "2"}


async def test_a_list_can_be_entered_in_the_middle() -> None:
    assert ids(await Pages(Numbered(35), first(page="3")).collect()) == list(range(20, 35))


async def test_pages_are_walked_one_by_one() -> None:
    assert [len(page.items) async for page in Pages(Numbered(25), first()).by_page()] == [10, 10, 5]


async def test_a_cursor_is_handed_on() -> None:
    server = Cursored()
    assert ids(await Pages(server, first(limit="1")).collect()) == [0, 1, 2]
    assert server.queries == [{"limit": "1"}, {"limit": "1", "cursor": "c1"}, {"limit": "1", "cursor": "c2"}]


@given(st.integers(0, 35), st.integers(1, 12), st.none() | st.integers(0, 40), st.none() | st.integers(0, 40))
async def test_max_items_is_a_total_and_never_a_page_size(
    total: int, size: int, of_pages: int | None, of_collect: int | None
) -> None:
    server = Numbered(total, per_page=size)
    things = await Pages(server, first(), max_items=of_pages).collect(max_items=of_collect)
    limit = of_pages if of_collect is None else of_collect
    wanted = total if limit is None else min(total, limit)
    assert ids(things) == list(range(wanted))
    assert len(server.queries) == (0 if limit == 0 else max(1, -(-wanted // size)))
    assert all("per_page" not in query for query in server.queries)


@given(st.integers(1, 60), st.integers(1, 10))
async def test_a_list_that_grows_under_the_reader_shows_each_item_once(total: int, shift: int) -> None:
    things = await Pages(Numbered(total, shift=shift, per_page=12), first()).collect(max_items=total)
    seen = ids(things)
    assert len(seen) == len(set(seen))
    assert [number for number in seen if number >= 0] == sorted(number for number in seen if number >= 0)


class Scripted:
    """Gives these pages of these ids, one after another."""

    def __init__(self, *pages: list[Any]) -> None:
        self.pages = list(pages)

    async def send(self, operation: Operation[T]) -> T:
        items = self.pages.pop(0)
        return cast("T", PageData(items, Meta(page=1, has_next=bool(self.pages)), {}))


def things(*numbers: int) -> list[Thing]:
    return [Thing(id=number) for number in numbers]


async def test_an_item_seen_within_three_pages_is_not_shown_again() -> None:
    script = Scripted(things(1, 1), things(2), things(3), things(1, 4))
    assert ids(await Pages(script, first()).collect()) == [1, 2, 3, 4]


async def test_an_item_that_is_pushed_from_page_to_page_is_shown_once() -> None:
    script = Scripted(*(things(7, number) for number in range(100, 110)))
    assert ids(await Pages(script, first()).collect()).count(7) == 1


async def test_an_item_of_long_ago_is_another_one() -> None:
    script = Scripted(things(1), things(2), things(3), things(4), things(1))
    assert ids(await Pages(script, first()).collect()) == [1, 2, 3, 4, 1]


async def test_items_without_an_id_are_all_shown() -> None:
    script = Scripted([Bare(text="a"), Bare(text="a")], [Bare(text="a")])
    assert len(await Pages(script, first()).collect()) == 3


class Endless:
    """Answers by the number of the request, for ever; `cursor` makes what names the next page."""

    def __init__(
        self,
        items: Callable[[int], list[Any]],
        *,
        meta: dict[str, Any] | None = None,
        cursor: Callable[[int], str] | None = None,
    ) -> None:
        self.queries: list[dict[str, str]] = []
        self.items = items
        self.meta = {"has_next": True} if meta is None else meta
        self.cursor = cursor

    async def send(self, operation: Operation[T]) -> T:
        self.queries.append(dict(operation.query))
        assert len(self.queries) < 100
        number = len(self.queries)
        meta = Meta(**self.meta, next_cursor=None if self.cursor is None else self.cursor(number))
        data = PageData(self.items(number), meta, {"number": number})
        data.response = ResponseInfo(status=200, headers={}, request_id=f"r-{number}")
        return cast("T", data)


FRUITLESS: dict[str, tuple[Callable[[], Endless], int]] = {
    "nothing at all": (lambda: Endless(lambda _: []), 3),
    "nothing after two pages": (lambda: Endless(lambda n: things(n) if n < 3 else []), 5),
    "the same page again": (lambda: Endless(lambda _: things(1, 2)), 4),
    "known items in another order": (lambda: Endless(lambda n: things(1, 2) if n % 2 else things(2, 1)), 4),
    "a circle of ten pages": (lambda: Endless(lambda n: things(n % 10, 100 + n % 10)), 13),
    "items without ids, in a circle": (lambda: Endless(lambda n: [Bare(text=f"{n % 5}")]), 8),
    "the same cursor": (lambda: Endless(things, cursor=lambda _: "c"), 4),
    "a circle of cursors": (lambda: Endless(things, cursor=lambda n: f"c{n % 6}"), 9),
}


@pytest.mark.parametrize("how", FRUITLESS)
async def test_a_list_that_announces_more_and_gives_nothing_new_is_an_error(how: str) -> None:
    made, requests = FRUITLESS[how]
    server = made()
    with pytest.raises(ResponseShapeError, match="it announces more") as caught:
        await Pages(server, first()).collect()
    assert len(server.queries) == requests
    error = caught.value
    assert (error.outcome, error.request_id, error.body) == ("done", f"r-{requests}", {"number": requests})
    assert "not the whole list" in str(error)


async def test_so_it_is_for_whoever_walks_page_by_page_or_wants_a_list_whole() -> None:
    page: Page[Thing] | None = await Pages(Endless(lambda _: []), first())
    for _ in range(2):
        assert page is not None
        assert page.has_next
        page = await page.next_page()
    assert page is not None
    with pytest.raises(ResponseShapeError):
        await page.next_page()
    with pytest.raises(ResponseShapeError):
        assert [each async for each in Pages(Endless(lambda _: []), first()).by_page()]
    with pytest.raises(ResponseShapeError):
        await collect(Endless(lambda _: []), first())


async def test_some_fruitless_pages_are_passed_by() -> None:
    script = Scripted(things(1), [], things(1), things(2), [], [], things(3))
    assert ids(await Pages(script, first()).collect()) == [1, 2, 3]


async def test_a_page_may_be_fetched_again_and_again() -> None:
    page = await Pages(Endless(lambda _: things(1)), first())
    for _ in range(5):
        following = await page.next_page()
        assert following is not None
        assert following.has_next


async def test_a_cursor_that_is_missing_is_an_error() -> None:
    server = Endless(things, cursor=lambda n: "c1" if n == 1 else "")
    with pytest.raises(ResponseShapeError, match="no cursor that names it") as caught:
        await Pages(server, first()).collect()
    assert (caught.value.path, len(server.queries)) == ("$.next_cursor", 2)


async def test_where_nothing_is_said_of_more_pages_a_walk_goes_on_to_an_empty_one() -> None:
    server = Endless(lambda n: things(n) if n < 4 else [], meta={"unsaid": True})
    assert ids(await Pages(server, first()).collect()) == [1, 2, 3]
    assert [query.get("page") for query in server.queries] == [None, "2", "3", "4"]


async def test_or_until_three_pages_have_nothing_new() -> None:
    server = Endless(lambda _: things(1, 2), meta={"unsaid": True})
    assert ids(await Pages(server, first()).collect()) == [1, 2]
    assert len(server.queries) == 4


async def test_a_list_that_is_not_said_to_be_paged_asks_no_more_than_it_has_to() -> None:
    server = Endless(lambda _: things(1, 2), meta={"unsaid": True})
    assert ids(await collect(server, first())) == [1, 2]
    assert len(server.queries) == 1
    server = Endless(things, meta={"unsaid": True, "total": 3})
    assert ids(await collect(server, first())) == [1, 2, 3]


async def test_pages_are_counted_here_whatever_the_server_calls_them() -> None:
    server = Endless(things, meta={"has_next": True, "page": 7})
    assert len(await Pages(server, first(), max_items=3).collect()) == 3
    assert [query.get("page") for query in server.queries] == [None, "2", "3"]


def creation(number: int) -> dict[str, Any]:
    return {"creation_id": number, "generator": "image"}


def told(*numbers: int, **meta: Any) -> Step:
    return answer(200, {"success": True, "data": [creation(number) for number in numbers], "meta": meta})


SPELLED: dict[str, list[Step]] = {
    "in words": [told(1, page="1", has_next="true"), told(2, page="2", has_next="true"), told(3, has_next="false")],
    "by totals alone": [told(number, page=number, per_page=1, total=3) for number in (1, 2, 3)],
    "by a count of pages": [told(number, page=str(number), total_pages="3") for number in (1, 2, 3)],
    "not at all": [*(told(number) for number in (1, 2, 3)), told()],
    "by a total that is none": [*(told(n, page=n, per_page=1, total=0) for n in (1, 2, 3)), told(total=0)],
    "inside": [
        answer(200, {"data": {"creations": [creation(n)], "pagination": {"has_next": n < 3}}}) for n in (1, 2, 3)
    ],
    "with a page that is empty": [told(1, has_next=True), told(has_next=True), told(2, 3, has_next=False)],
}


@pytest.mark.parametrize("how", SPELLED)
async def test_a_list_is_read_to_its_end_however_its_pages_are_told(how: str) -> None:
    async with Wire(*SPELLED[how]) as wire, AsyncGeneror("gnr_live_x", base_url=wire.url) as client:
        assert [each.creation_id async for each in client.creations.list()] == [1, 2, 3]
    assert len(wire.requests) == len(SPELLED[how])


async def test_a_list_of_nothing_that_goes_on_for_ever_is_an_error_on_the_wire() -> None:
    empty = told(page=1, total=0, total_pages=0, has_next=True)
    async with Wire(empty) as wire, AsyncGeneror("gnr_live_x", base_url=wire.url) as client:
        with pytest.raises(ResponseShapeError, match=r"generor\.generators\.list: .* announces more"):
            await client.generators.list()
    assert len(wire.requests) == 3


SHORT: dict[str, list[Step]] = {
    "a count, and a first page without anything": [told(page=1, total=20)],
    "a count, and an empty page": [told(1, page=1, total=3), told(page=2, total=3)],
    "a count, and one page again and again": [told(1, total=2)],
    "a count, and an end before": [told(1, total=2, has_next=False)],
    "more pages, and an end before": [told(1, page=1, total_pages=2, has_next=False)],
    "nothing": [answer(200, {"success": True, "data": None})],
    "nothing on its second page": [told(1, has_next=True), answer(200, {"success": True, "data": None})],
    "not even that": [answer(200, {})],
}


@pytest.mark.parametrize("how", SHORT)
async def test_a_list_that_shows_less_than_it_announces_is_an_error_on_the_wire(how: str) -> None:
    async with Wire(*SHORT[how]) as wire, AsyncGeneror("gnr_live_x", base_url=wire.url) as client:
        with pytest.raises(ResponseShapeError):
            await client.creations.list().collect()
        assert len(wire.requests) <= 4


async def test_a_list_that_is_entered_in_the_middle_or_behind_its_end_is_whole() -> None:
    meta = {"per_page": 2, "total": 5, "total_pages": 3, "has_next": False}
    async with Wire(told(5, **meta), told(**meta)) as wire, AsyncGeneror("gnr_live_x", base_url=wire.url) as client:
        assert len(await client.creations.list(page=3).collect()) == 1
        assert await client.creations.list(page=9).collect() == []


async def test_so_is_a_cursor_that_comes_again() -> None:
    page = answer(200, {"data": [], "has_more": True, "next_cursor": "c"})
    async with Wire(page) as wire, AsyncLuma(KEY, base_url=wire.url) as client:
        with pytest.raises(ResponseShapeError, match="announces more"):
            await client.files.list().collect()
    assert len(wire.requests) == 3


@given(st.lists(st.lists(st.integers(0, 6), max_size=3), min_size=1, max_size=12), st.booleans())
async def test_a_walk_gives_everything_or_says_that_it_could_not(pages: list[list[int]], announced: bool) -> None:
    """Every item of the pages that it has read is given; it reads on until it knows the end, or that there is none."""

    def items(number: int) -> list[Thing]:
        return things(*pages[number - 1]) if number <= len(pages) else []

    server = Endless(items, meta={"has_next": True} if announced else {"unsaid": True})
    shown: list[int] = []
    ended = True
    try:
        async for thing in Pages(server, first()):
            shown.append(thing.id)  # noqa: PERF401 - what came before an error counts
    except ResponseShapeError:
        ended = False
    assert ended is not announced
    read = len(server.queries)
    assert set(shown) == {number for page in pages[:read] for number in page}
    assert read <= len(pages) + 3
    assert announced or items(read) == [] or read > 3


@pytest.mark.parametrize("value", [-1, 1.5, "3", True])
def test_max_items_is_a_whole_number(value: Any) -> None:
    with pytest.raises(InvalidRequestError, match="max_items"):
        Pages(Numbered(1), first(), max_items=value)


async def test_a_list_that_is_not_said_to_be_paged_is_fetched_whole() -> None:
    assert ids(await collect(Numbered(25), first())) == list(range(25))


async def test_response_of_a_model_and_of_a_page() -> None:
    info = ResponseInfo(status=200, headers={}, request_id="r")
    thing = Thing(id=1)
    remember_response(thing, info)
    assert response_of(thing) is info
    data = PageData([thing], Meta(), {})
    data.response = info
    page = Page(Numbered(1), first(), data)
    assert response_of(page) is page.response is info


@pytest.mark.parametrize("value", [Thing(id=1), None, {}, [], "x", evolve(Thing(id=1), id=2), Thing])
def test_response_of_anything_else_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError, match="not an answer that a client returned"):
        response_of(value)
