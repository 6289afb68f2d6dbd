"""Pages of a list, fetched when they are needed."""

from collections.abc import AsyncIterator, Generator
from typing import Any, Generic, Protocol, TypeVar

from attrs import evolve

from generor_async.rules import option_checks
from generor_async.rules.body_decoders import Meta, PageData
from generor_async.rules.http_types import Operation
from generor_async.rules.pagination import MOST_EMPTY_PAGES, PageWalk, endless_list_error
from generor_async.values import Model, ResponseInfo, response_to

__all__ = ["Page", "Pages", "Sender", "collect", "response_of"]

T = TypeVar("T")


class Sender(Protocol):
    """The part of a client that a resource needs."""

    async def send(self, operation: Operation[T]) -> T:
        """Send an operation and return its decoded result."""
        ...


class Page(Generic[T]):
    """One page of a list: its `items`, its `meta`, and `next_page()`."""

    __slots__ = ("_client", "_data", "_fruitless", "_new_items", "_number", "_operation", "_walk")

    def __init__(
        self, client: Sender, operation: Operation[PageData[T]], data: PageData[T], before: "Page[T] | None" = None
    ) -> None:
        self._client = client
        self._operation = operation
        self._data = data
        self._walk: PageWalk = PageWalk(_page_number(operation)) if before is None else before._walk
        self._number: int = 0 if before is None else before._number + 1
        self._new_items = self._walk.new_items(self._number, data)
        fruitless = not self._new_items or self._walk.is_cycle(self._number, data.items, data.meta.next_cursor)
        self._fruitless: int = (0 if before is None else before._fruitless) + 1 if fruitless else 0

    @property
    def items(self) -> list[T]:
        """The items of this page."""
        return self._data.items

    @property
    def meta(self) -> Meta:
        """The position of this page in the list."""
        return self._data.meta

    @property
    def problems(self) -> tuple[str, ...]:
        """Paths of what is not as documented in this page and its items; an item that can't be decoded is left out."""
        return self._data.problems

    @property
    def raw(self) -> Any:
        """The JSON as it was received."""
        return self._data.raw

    @property
    def response(self) -> ResponseInfo | None:
        """Status, headers and timing of the answer; the same as `response_of(page)`."""
        return self._data.response

    @property
    def has_next(self) -> bool:
        """Whether there is another page; where the answer doesn't say, whether this page has items."""
        meta = self._data.meta
        return meta.has_next or (meta.unsaid and self._may_continue)

    @property
    def _may_continue(self) -> bool:
        """Whether there may be another page where the answer doesn't say: this one has items, even undecodable ones."""
        return bool(self._data.items or self._data.problems) and self._fruitless < MOST_EMPTY_PAGES

    async def next_page(self) -> "Page[T] | None":
        """Fetch the next page; None where there is none.

        Raises:
            ResponseShapeError: The list announces more and doesn't give it: three pages in a row were empty, repeated
                a cursor or had nothing new, or there was no cursor. Or the list has ended with fewer items than its
                `total`, or fewer pages than its `total_pages`.
        """
        if not self.has_next:
            if problem := self._walk.missing(self._number, self._data):
                raise endless_list_error(self._operation.endpoint, self._data, problem)
            return None
        if self._fruitless >= MOST_EMPTY_PAGES:
            problem = f"it announces more, and {MOST_EMPTY_PAGES} pages in a row had nothing new"
            raise endless_list_error(self._operation.endpoint, self._data, problem)
        if self._data.meta.next_cursor == "":
            raise endless_list_error(
                self._operation.endpoint, self._data, "it announces more, and no cursor that names it"
            )
        following = _following(self._operation, self._data.meta)
        return Page(self._client, following, await self._client.send(following), self)

    def __repr__(self) -> str:
        return f"Page({len(self.items)} items, {self.meta!r})"


class Pages(Generic[T]):
    """A list that the API returns in pages.

    `await pages` fetches the first page, `async for item in pages` iterates over all items, and `pages.by_page()` over
    all pages. `max_items` is the total number of items, whatever the size of a page.
    """

    __slots__ = ("_client", "_first", "_max_items")

    def __init__(self, client: Sender, first: Operation[PageData[T]], *, max_items: int | None = None) -> None:
        if max_items is not None:
            option_checks.count(max_items, "max_items", of="items")
        self._client = client
        self._first = first
        self._max_items = max_items

    async def first_page(self) -> Page[T]:
        """Fetch the first page."""
        return Page(self._client, self._first, await self._client.send(self._first))

    def __await__(self) -> Generator[Any, Any, Page[T]]:
        return self.first_page().__await__()

    async def by_page(self) -> AsyncIterator[Page[T]]:
        """Iterate over the pages of the list."""
        page: Page[T] | None = await self.first_page()
        while page is not None:
            yield page
            page = await page.next_page()

    async def __aiter__(self) -> AsyncIterator[T]:
        left = self._max_items
        if left == 0:
            return
        async for page in self.by_page():
            for item in page._new_items:  # pyright: ignore[reportPrivateUsage] # of this module
                yield item
                if left is not None:
                    left -= 1
                    if left == 0:
                        return

    async def collect(self, *, max_items: int | None = None) -> list[T]:
        """Return all items as a list.

        Args:
            max_items: How many items to return at most; by default as many as the list was asked for.

        Returns:
            The items, in order.

        Raises:
            ResponseShapeError: The list announces more and doesn't give it; see `Page.next_page`.
        """
        limit = self._max_items if max_items is None else max_items
        return [item async for item in Pages(self._client, self._first, max_items=limit)]


def _following(operation: Operation[PageData[T]], meta: Meta) -> Operation[PageData[T]]:
    """Build the operation of the next page. Pages are counted here, because not every server counts them right."""
    if meta.next_cursor is not None:
        return evolve(operation, query={**operation.query, "cursor": meta.next_cursor})
    return evolve(operation, query={**operation.query, "page": str(_page_number(operation) + 1)})


def _page_number(operation: Operation[Any]) -> int:
    return int(operation.query.get("page", "1"))


async def collect(client: Sender, operation: Operation[PageData[T]]) -> list[T]:
    """Return all items of a list that is not documented as paged, and may still announce more."""
    items: list[T] = []
    page: Page[T] | None = await Pages(client, operation).first_page()
    while page is not None:
        items += page._new_items  # pyright: ignore[reportPrivateUsage] # of this module
        whole = page.meta.unsaid and len(items) >= (page.meta.total or 0)
        page = None if whole else await page.next_page()
    return items


def response_of(result: Any) -> ResponseInfo:
    """Return the status, headers, request id and timing of the answer that a model or a page came with.

    Args:
        result: What a client returned.

    Returns:
        What is known of the answer.

    Raises:
        TypeError: The object was not returned by a client.
    """
    # A page may be one of the blocking half's, which this module doesn't know.
    info = response_to(result) if isinstance(result, Model) else getattr(result, "response", None)
    if not isinstance(info, ResponseInfo) or isinstance(result, BaseException):
        raise TypeError(f"{result!r:.80} is not an answer that a client returned")
    return info
