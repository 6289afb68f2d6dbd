# Generated from the async implementation by `python -m generor_async.codegen`: do not edit.
# pyright: reportPrivateUsage=false
# The generated classes use each other's `_impl`.
"""Blocking proxies of `engine.pages`."""

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from generor_async.engine.pages import Page as AsyncPage
from generor_async.engine.pages import Pages as AsyncPages
from generor_async.rules.body_decoders import Meta
from generor_async.sync.bridge import SyncProxy
from generor_async.values import ResponseInfo

__all__ = ["Page", "Pages"]
T = TypeVar("T")


class Page(SyncProxy[AsyncPage[T]], Generic[T]):
    """One page of a list: its `items`, its `meta`, and `next_page()`."""

    __slots__ = ()

    @property
    def items(self) -> list[T]:
        """The items of this page."""
        return self._impl.items

    @property
    def meta(self) -> Meta:
        """The position of this page in the list."""
        return self._impl.meta

    @property
    def problems(self) -> tuple[str, ...]:
        """Paths of what is not as documented in this page and its items; an item that can't be decoded is left out."""
        return self._impl.problems

    @property
    def raw(self) -> Any:
        """The JSON as it was received."""
        return self._impl.raw

    @property
    def response(self) -> ResponseInfo | None:
        """Status, headers and timing of the answer; the same as `response_of(page)`."""
        return self._impl.response

    @property
    def has_next(self) -> bool:
        """Whether there is another page; where the answer doesn't say, whether this page has items."""
        return self._impl.has_next

    def next_page(self) -> "Page[T] | None":
        """Fetch the next page; None where there is none.

        Raises:
            ResponseShapeError: The list announces more and doesn't give it: three pages in a row were empty, repeated
                a cursor or had nothing new, or there was no cursor. Or the list has ended with fewer items than its
                `total`, or fewer pages than its `total_pages`.
        """
        return None if (found := self._bridge.run(self._impl.next_page())) is None else Page(self._bridge, found)


class Pages(SyncProxy[AsyncPages[T]], Generic[T]):
    """A list that the API returns in pages.

    `pages.first_page()` fetches the first page, `for item in pages` iterates over all items, and `pages.by_page()` over
    all pages. `max_items` is the total number of items, whatever the size of a page.
    """

    __slots__ = ()

    def first_page(self) -> Page[T]:
        """Fetch the first page."""
        return Page(self._bridge, self._bridge.run(self._impl.first_page()))

    def by_page(self) -> Iterator[Page[T]]:
        """Iterate over the pages of the list."""
        return (Page(self._bridge, each) for each in self._bridge.iterate(self._impl.by_page()))

    def __iter__(self) -> Iterator[T]:
        return self._bridge.iterate(self._impl.__aiter__())

    def collect(self, *, max_items: int | None = None) -> list[T]:
        """Return all items as a list.

        Args:
            max_items: How many items to return at most; by default as many as the list was asked for.

        Returns:
            The items, in order.

        Raises:
            ResponseShapeError: The list announces more and doesn't give it; see `Page.next_page`.
        """
        return self._bridge.run(self._impl.collect(max_items=max_items))
