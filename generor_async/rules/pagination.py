"""Walks over the pages of a list: which items are new on a page, and when the walk must end.

A list may shift between two pages, so that a page repeats items of the one before. It may never end: it announces more
and has nothing new. Or it ends with fewer items than it counts. Such a walk is an error and not a short list: a caller
that takes it for the whole list would miss something, and buy it again.
"""

from typing import Any, Final, TypeVar

from attrs import define, field

from generor_async.errors import ResponseShapeError
from generor_async.rules.body_decoders import PageData, unread_items
from generor_async.rules.http_types import Endpoint

__all__ = ["MOST_EMPTY_PAGES", "PageWalk", "endless_list_error"]

T = TypeVar("T")

PAGES_COMPARED: Final = 3
"""Number of pages back in which an item with the same id is taken for a repetition."""
MOST_EMPTY_PAGES: Final = 3
"""Number of pages in a row that may have nothing new while more is announced."""


@define
class PageWalk:
    """The state of one walk. Pages are numbered from 0; a page that is fetched again has the same number."""

    start: int = 1
    """The number of the page of the list with which the walk begins."""
    _recent: dict[int, set[object]] = field(factory=dict[int, set[object]], init=False)
    """The ids on the last few pages."""
    _first: dict[object, int] = field(factory=dict[object, int], init=False)
    """The page on which each content of a page, and each cursor, was seen first."""
    _shown: dict[int, int] = field(factory=dict[int, int], init=False)
    """Number of items on each page that has something new."""
    _total: int | None = field(default=None, init=False)
    """The least total that the list has announced: it may change in between."""

    def new_items(self, number: int, data: PageData[T]) -> list[T]:
        """Record a page; return those of its items that are not repetitions."""
        unseen = self._without_repeats(number, data.items)
        self._shown[number] = len(data.items) + unread_items(data.problems) if unseen else 0
        totals = [total for total in (self._total, data.meta.total) if total is not None]
        self._total = min(totals, default=None)
        return unseen

    def _without_repeats(self, number: int, items: list[T]) -> list[T]:
        recent = [self._recent.get(number - back, set[object]()) for back in range(1, PAGES_COMPARED + 1)]
        here: set[object] = set()
        unseen: list[T] = []
        for item in items:
            identity = _identity(item)
            if identity is not None:
                seen = identity in here or any(identity in page for page in recent)
                here.add(identity)
                if seen:
                    continue
            unseen.append(item)
        self._recent[number] = here
        self._recent.pop(number - PAGES_COMPARED - 1, None)
        return unseen

    def missing(self, number: int, data: PageData[T]) -> str:
        """Return what is missing where the walk ends with this page; an empty text where the list is complete.

        Repeated items count, unless the whole page is a repetition: the list has shifted by it.
        """
        meta, page, shown = data.meta, self.start + number, sum(self._shown.values())
        if meta.total_pages is not None and page < meta.total_pages:
            return f"it has {meta.total_pages} pages, and ends after page {page}"
        before = 0 if self.start == 1 else None if meta.per_page is None else (self.start - 1) * meta.per_page
        if self._total is not None and before is not None and before + shown < self._total:
            return f"it counts {self._total} items, and ends after {before + shown}"
        return ""

    def is_cycle(self, number: int, items: list[Any], cursor: str | None) -> bool:
        """Tell whether the walk is a cycle: a page equals an earlier one, or its cursor was seen before."""
        page = hash(tuple(repr(item) if (known := _identity(item)) is None else known for item in items))
        seen = self._first.setdefault(page, number) < number
        return seen or (bool(cursor) and self._first.setdefault(cursor, number) < number)


def _identity(item: object) -> object:
    """Return what identifies an item: its first field, if that is an id; else None."""
    name = next((name for name in type(item).__annotations__ if name != "wire_names"), "")
    return getattr(item, name) if name in {"id", "slug", "username"} or name.endswith("_id") else None


def endless_list_error(endpoint: Endpoint[Any], data: PageData[Any], problem: str) -> ResponseShapeError:
    """Return the error of a list that announces more and doesn't give it."""
    info = data.response
    return ResponseShapeError(
        problem,
        path="$.meta" if data.meta.next_cursor is None else "$.next_cursor",
        body=data.raw,
        advice="What came so far is not the whole list: try again later, or ask for the first max_items of it",
        operation=endpoint.name,
        request_id=None if info is None else info.request_id,
        attempts=0 if info is None else info.attempts,
        outcome="done",
    )
