"""The end of a walk over the pages of a list."""

from typing import Any

from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.body_decoders import Meta, PageData
from generor_async.rules.pagination import PageWalk


@frozen
class Item:
    """An item that nothing tells from another one."""

    text: str = "heron"


@frozen
class Numbered:
    """An item that is told by its id."""

    id: int


PAGES = st.lists(st.integers(0, 3), min_size=1, max_size=6)
"""How many items there are on each page."""


def walked(pages: list[list[Any]], *metas: Meta, start: int = 1) -> str:
    """Say what a walk lacks that ends after these pages; the last of the metas is that of all further ones."""
    walk, data = PageWalk(start), PageData[Any]([], Meta(), None)
    for number, items in enumerate(pages):
        data = PageData(items, metas[min(number, len(metas) - 1)], None)
        walk.new_items(number, data)
    return walk.missing(len(pages) - 1, data)


def of(*counts: int) -> list[list[Any]]:
    """Return pages of so many items."""
    return [[Item()] * count for count in counts]


@given(PAGES, st.integers(0, 20), st.integers(1, 4))
def test_a_walk_lacks_items_where_it_has_shown_less_than_the_list_counts(
    pages: list[int], total: int, start: int
) -> None:
    lack = walked(of(*pages), Meta(per_page=3, total=total), start=start)
    assert bool(lack) == (sum(pages) < total - 3 * (start - 1))


@given(PAGES, st.integers(0, 9), st.integers(1, 4))
def test_or_pages_where_it_ends_before_the_last_that_is_announced(pages: list[int], announced: int, start: int) -> None:
    lack = walked(of(*pages), Meta(total_pages=announced), start=start)
    assert bool(lack) == (start + len(pages) - 1 < announced)


@given(PAGES)
def test_a_walk_over_a_list_that_counts_nothing_is_never_short(pages: list[int]) -> None:
    for meta in (Meta(), Meta(page=len(pages), per_page=3)):
        assert not walked(of(*pages), meta)
    assert not walked(of(*pages), Meta(total=99), start=2), "whoever knows what is before"


def test_a_list_may_become_shorter_or_longer_meanwhile() -> None:
    assert not walked(of(2, 1), Meta(total=4), Meta(total=3))
    assert not walked(of(2, 2), Meta(total=4), Meta(total=6))
    assert walked(of(2, 1), Meta(total=4), Meta(total=6)) == "it counts 4 items, and ends after 3"


def test_what_a_list_shows_again_because_it_has_shifted_counts_and_a_page_of_nothing_else_does_not() -> None:
    """One was added in front, and the last was taken away."""
    shifted = [[Numbered(1), Numbered(2)], [Numbered(2), Numbered(3)]]
    assert not walked(shifted, Meta(total=4))
    assert walked([*shifted[:1], *shifted[:1]], Meta(total=4)) == "it counts 4 items, and ends after 2"


def test_an_item_that_cannot_be_read_is_told_of_elsewhere() -> None:
    def lack(*items: Item) -> str:
        data = PageData(list(items), Meta(total=2), None)
        data.problems = ("$.data[1]", "$.data[0].images[2]")
        walk = PageWalk()
        walk.new_items(0, data)
        return walk.missing(0, data)

    assert not lack(Item())
    assert lack(), "a page on which nothing can be read is as good as empty"
