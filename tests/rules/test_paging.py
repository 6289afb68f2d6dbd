"""Whether a walk over pages has come to the end of its list."""

from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.envelope import Meta
from generor_async.rules.paging import Walk


@frozen
class Item:
    """An item that nothing tells from another one."""

    text: str = "heron"


PAGES = st.lists(st.integers(0, 3), min_size=1, max_size=6)
"""How many items there are on each page."""


def walked(pages: list[int]) -> Walk:
    """Return a walk over pages of so many items."""
    walk = Walk()
    for number, count in enumerate(pages):
        walk.unseen(number, [Item()] * count)
    return walk


@given(PAGES, st.integers(0, 12), st.integers(1, 4))
def test_a_walk_is_short_where_a_page_was_empty_and_less_was_shown_than_is_counted(
    pages: list[int], total: int, first: int
) -> None:
    last = len(pages) - 1
    meta = Meta(page=first + last, per_page=3, total=total)
    left = total - 3 * (first - 1)
    assert walked(pages).ends_short(last, meta) == (0 in pages and sum(pages) < left)


@given(PAGES)
def test_a_walk_over_a_list_that_does_not_count_its_items_is_never_short(pages: list[int]) -> None:
    last = len(pages) - 1
    for meta in (Meta(), Meta(page=last + 1, per_page=3), Meta(total=99), Meta(page=last + 1, total=99)):
        assert not walked(pages).ends_short(last, meta)
