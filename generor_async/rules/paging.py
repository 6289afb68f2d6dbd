"""A walk over the pages of a list: what is new on each page, and that the walk ends.

A list may shift under its reader, so that a page shows again what the one before has shown. A list may also never end:
it announces more, and gives nothing. Then the walk is an error, and not a short list: whoever takes that for the whole
would look for something in vain, and buy it again.
"""

from typing import Any, Final, TypeVar

from attrs import define, field

from generor_async.errors import ResponseShapeError
from generor_async.rules.envelope import Meta, PageData
from generor_async.rules.wire import Endpoint

__all__ = ["MOST_FRUITLESS", "Walk", "endless"]

T = TypeVar("T")

REMEMBERED: Final = 3
"""How many pages back an item counts as the same one, shown again by a list that shifts."""
MOST_FRUITLESS: Final = 3
"""How many pages in a row may have nothing new, while more is announced."""


@define
class Walk:
    """What one walk has come by. Its pages are counted from 0; one that is fetched again is the same page."""

    _recent: dict[int, set[object]] = field(factory=dict[int, set[object]], init=False)
    """The ids on the last few pages."""
    _first: dict[object, int] = field(factory=dict[object, int], init=False)
    """Where each page, by what is on it, and each cursor was met first."""
    _new: dict[int, int] = field(factory=dict[int, int], init=False)
    """How many items of each page were new."""

    def unseen(self, number: int, items: list[T]) -> list[T]:
        """Return the items of a page that the last pages, and this one before them, haven't shown."""
        recent = [self._recent.get(number - back, set[object]()) for back in range(1, REMEMBERED + 1)]
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
        self._new[number] = len(unseen)
        self._recent[number] = here
        self._recent.pop(number - REMEMBERED - 1, None)
        return unseen

    def ends_short(self, number: int, meta: Meta) -> bool:
        """Tell whether a walk whose last page this is lacks items: a page had nothing, and the count says otherwise.

        Without such a page it is the list that has become shorter meanwhile.
        """
        if meta.total is None or meta.page is None or meta.per_page is None or all(self._new.values()):
            return False
        before = max(0, meta.page - 1 - number) * meta.per_page
        return sum(self._new.values()) < meta.total - before

    def repeats(self, number: int, items: list[Any], cursor: str | None) -> bool:
        """Tell whether the walk goes in circles: a page just like an earlier one, or a cursor that came before."""
        page = hash(tuple(repr(item) if (known := _identity(item)) is None else known for item in items))
        seen = self._first.setdefault(page, number) < number
        return seen or (bool(cursor) and self._first.setdefault(cursor, number) < number)


def _identity(item: object) -> object:
    """Return what tells an item from its neighbours: its first field, if that is an id; else None."""
    name = next((name for name in type(item).__annotations__ if name != "wire_names"), "")
    return getattr(item, name) if name in {"id", "slug", "username"} or name.endswith("_id") else None


def endless(endpoint: Endpoint[Any], data: PageData[Any], problem: str) -> ResponseShapeError:
    """Make the error of a list that announces more, and has no way to it."""
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
