"""Matching of rows and creations: one to one, maximal, and unknown where it is ambiguous."""

from collections.abc import Iterator, Sequence
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.creation_matching import (
    GENERATE_SECONDS,
    Found,
    ListedCreation,
    StillUnknown,
    UnresolvedRow,
    components,
    match_component,
)
from generor_async.rules.time_zones import CLOCK_SLACK

LONG = 2 * CLOCK_SLACK + GENERATE_SECONDS
"""Seconds around a row's call in which its creation may be dated."""
TIMES = st.sampled_from([0.0, 0.6 * LONG, 1.2 * LONG, 1.8 * LONG, 2.4 * LONG])


def doubtful(number: int, at: float, shape: str = "", count: int = 1) -> UnresolvedRow:
    return UnresolvedRow(
        number=number,
        generator="joke",
        prompt="a heron",
        shape=shape,
        sent_at=at,
        submitted_at=at,
        longest=0.0,
        count=count,
    )


def listed(number: int, at: float) -> ListedCreation:
    return ListedCreation(creation_id=number, generator="joke", prompt="a heron", created_at=at)


ROWS = st.lists(st.tuples(TIMES, st.sampled_from("ab")), min_size=1, max_size=4).map(
    lambda found: [doubtful(number, at, shape) for number, (at, shape) in enumerate(sorted(found))]
)
CREATIONS = st.lists(TIMES, max_size=4).map(lambda found: [listed(number, at) for number, at in enumerate(found)])


def fits(row: UnresolvedRow, creation: ListedCreation) -> bool:
    return -CLOCK_SLACK <= creation.created_at - row.submitted_at <= GENERATE_SECONDS + CLOCK_SLACK


def choices(rows: Sequence[UnresolvedRow], creations: Sequence[ListedCreation]) -> Iterator[dict[int, int]]:
    """Yield every way to give rows creations that they fit, one to one: creation ids by the rows' numbers."""
    able = [[None, *(one.creation_id for one in creations if fits(row, one))] for row in rows]
    for chosen in product(*able):
        taken = [one for one in chosen if one is not None]
        if len(taken) == len(set(taken)):
            yield {row.number: one for row, one in zip(rows, chosen, strict=True) if one is not None}


@given(ROWS, CREATIONS)
def test_it_is_the_best_match_or_none_where_another_gives_other_shapes_the_same(
    rows: list[UnresolvedRow], creations: list[ListedCreation]
) -> None:
    found = match_component(rows, creations)
    every = list(choices(rows, creations))
    most = max(map(len, every))
    best = [one for one in every if len(one) == most]
    shapes = {row.number: row.shape for row in rows}
    if len(creations) > most:
        assert all(isinstance(finding, StillUnknown) for finding in found.values())
        assert len(found) == len(rows)
        return
    ways = {tuple(sorted((creation, shapes[row]) for row, creation in one.items())) for one in best}
    if len(set(shapes.values())) > 1 and (most < len(rows) or len(ways) > 1):
        assert all(isinstance(finding, StillUnknown) for finding in found.values())
        assert len(found) == len(rows)
        return
    given_ids = {number: finding.creation_ids for number, finding in found.items() if isinstance(finding, Found)}
    assert {number: ids[0] for number, ids in given_ids.items()} in best
    eldest = max(best, key=lambda one: [row.number in one for row in rows])
    assert given_ids.keys() == eldest.keys(), "the oldest get theirs"


@given(ROWS, CREATIONS)
def test_the_parts_are_those_that_have_to_do_with_each_other(
    rows: list[UnresolvedRow], creations: list[ListedCreation]
) -> None:
    parts = components(rows, creations)
    together = {row.number: at for at, (members, _) in enumerate(parts) for row in members}
    theirs = {one.creation_id: at for at, (_, found) in enumerate(parts) for one in found}
    assert len(together) == sum(len(members) for members, _ in parts)
    for row, one in product(rows, creations):
        if fits(row, one):
            assert together[row.number] == theirs[one.creation_id]
    assert set(together) == {row.number for row in rows if any(fits(row, one) for one in creations)}
    for members, found in parts:  # each is whole: nothing that fits nothing else in it
        reached, fresh = {members[0].number}, {members[0].number}
        while fresh:
            ids = {one.creation_id for one in found for row in members if row.number in reached and fits(row, one)}
            fresh = {
                row.number for row in members for one in found if one.creation_id in ids and fits(row, one)
            } - reached
            reached |= fresh
        assert reached == {row.number for row in members}


def test_a_thousand_rows_that_ask_for_the_same_get_one_each() -> None:
    """A chain of swaps through all of them: each fits its own creation and the next one's, listed from the newest."""
    rows = [doubtful(number, 1.2 * number * LONG / 2) for number in range(1_000)]
    creations = [listed(number, 1.2 * number * LONG / 2 + CLOCK_SLACK) for number in reversed(range(1_000))]
    found = match_component(rows, creations)
    assert {number: finding for number, finding in found.items() if isinstance(finding, Found)} == found
    assert len({finding.creation_ids for finding in found.values() if isinstance(finding, Found)}) == len(rows)


def test_a_call_of_several_creations_gets_them_all() -> None:
    found = match_component([doubtful(0, 0.0, count=3)], [listed(number, 1.0) for number in range(3)])
    assert found == {0: Found((0, 1, 2))}
