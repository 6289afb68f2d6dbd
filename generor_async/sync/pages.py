# Generated from the async implementation by `python -m generor_async.codegen`: do not edit.
# pyright: reportPrivateUsage=false
# The generated classes use each other's `_impl`.
"""Blocking proxies of `generor_async.engine.pages`."""

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from generor_async.engine.pages import Page as AsyncPage
from generor_async.engine.pages import Pages as AsyncPages
from generor_async.rules.envelope import Meta
from generor_async.sync.bridge import SyncProxy
from generor_async.values import ResponseInfo

__all__ = ["Page", "Pages"]
T = TypeVar("T")


class Page(SyncProxy[AsyncPage[T]], Generic[T]):
    """One page of a list: `items`, `meta`, and the way to the next."""

    __slots__ = ()

    @property
    def items(self) -> list[T]:
        """What is on this page."""
        return self._impl.items

    @property
    def meta(self) -> Meta:
        """Where this page stands in the list."""
        return self._impl.meta

    @property
    def problems(self) -> tuple[str, ...]:
        """Where this page is not as documented, those of its items included; an item that can't be read is missing."""
        return self._impl.problems

    @property
    def raw(self) -> Any:
        """The JSON as it was received."""
        return self._impl.raw

    @property
    def response(self) -> ResponseInfo | None:
        """Status, headers and timing; `response_of(page)` gives the same."""
        return self._impl.response

    @property
    def has_next(self) -> bool:
        """Whether there is another page after this one; where the answer doesn't say, whether this one has items."""
        return self._impl.has_next

    def next_page(self) -> "Page[T] | None":
        """Fetch the page after this one; None where there is none.

        Raises ResponseShapeError where more is announced, and can't be had: after three pages in a row that are empty,
        repeat a cursor, or have nothing but what was there before, or without a cursor. So it does at the end of a list
        that has shown less than it counts, in items (`total`) or in pages (`total_pages`).
        """
        return None if (found := self._bridge.run(self._impl.next_page())) is None else Page(self._bridge, found)


class Pages(SyncProxy[AsyncPages[T]], Generic[T]):
    """A list that the API gives in pages.

    `pages.first_page()` fetches the first page; `for item in pages` walks all items, `pages.by_page()` all pages.
    `max_items` is the total number of items to give, whatever the size of a page.
    """

    __slots__ = ()

    def first_page(self) -> Page[T]:
        """Fetch the first page."""
        return Page(self._bridge, self._bridge.run(self._impl.first_page()))

    def by_page(self) -> Iterator[Page[T]]:
        """Walk the list page by page."""
        return (Page(self._bridge, each) for each in self._bridge.iterate(self._impl.by_page()))

    def __iter__(self) -> Iterator[T]:
        return self._bridge.iterate(self._impl.__aiter__())

    def collect(self, *, max_items: int | None = None) -> list[T]:
        """Return all items as a list, or the first `max_items` of them."""
        return self._bridge.run(self._impl.collect(max_items=max_items))
