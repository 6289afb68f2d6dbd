"""Spends that may have paid for an unresolved call, in accounts that show them at wrong times."""

from collections.abc import Sequence
from math import inf
from typing import Any

from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.creation_matching import GENERATE_SECONDS
from generor_async.rules.time_zones import CHANGES, CLOCK_SLACK
from generor_async.rules.unexplained_spends import Charge, DatedSpend, UnexplainedSpend, unexplained_spends

LONG_AGO = -1e9


@frozen
class Call:
    """What somebody bought, and when its spend was noted."""

    began: int
    took: int
    noted_after: float
    """As a share of how long it took."""
    known: bool

    @property
    def noted(self) -> float:
        return self.began + self.took * self.noted_after


calls = st.builds(Call, st.integers(0, 20_000), st.integers(0, 300), st.floats(0, 1), st.booleans())


@given(
    st.lists(calls, max_size=12),
    st.builds(Call, st.integers(0, 20_000), st.integers(0, int(GENERATE_SECONDS)), st.floats(0, 1), st.just(False)),
    st.booleans(),
    st.sampled_from((0, *CHANGES)),
    st.integers(-1_000, 21_000),
    st.data(),
)
def test_the_spend_of_an_unresolved_call_is_never_explained_by_others(
    others: Sequence[Call], doubtful: Call, names: bool, change: int, changed: int, data: Any
) -> None:
    """One date is wrong, whosever it is, and the clock may have been changed."""
    bought = sorted([*others, doubtful], key=lambda call: call.noted)
    liar: int = data.draw(st.integers(0, len(bought) - 1))
    lie: int = data.draw(st.integers(-50_000, 50_000) | st.integers(-4_000, 4_000))
    spends = [
        DatedSpend(
            when=call.noted + (change if call.noted >= changed else 0) + (lie if id_ == liar else 0),
            creation_id=id_ if names else None,
        )
        for id_, call in enumerate(bought)
    ]
    charges = [
        Charge(began=call.began, ended=call.began + call.took, creation_ids=(id_,))
        for id_, call in enumerate(bought)
        if call.known
    ]
    left = unexplained_spends(spends, charges, since=LONG_AGO, shown_until=inf, others=())
    begin, end = doubtful.began - CLOCK_SLACK, doubtful.began + GENERATE_SECONDS + CLOCK_SLACK
    assert left is None or any(one.may_be_within(begin, end) for one in left)
    if names:
        assert left is not None
        assert len(left) == sum(not call.known for call in bought), "what is named is told apart whatever its date"


def test_a_spend_is_placed_between_what_was_spent_before_and_after_it() -> None:
    known = [Charge(began=at, ended=at + 10, creation_ids=(at,)) for at in (0, 500, 2_000)]
    spends = [DatedSpend(when=9_999, creation_id=id_) for id_ in (0, 500, 7, 2_000)]
    told = unexplained_spends(spends, known, since=LONG_AGO, shown_until=inf, others=())
    assert told == [UnexplainedSpend(9_999, 500 - CLOCK_SLACK, 2_010 + CLOCK_SLACK)]
    assert unexplained_spends(spends, known, since=LONG_AGO, shown_until=inf, others={7}) == []
    assert unexplained_spends(spends, known, since=10_000, shown_until=inf, others=()) == []


def test_a_call_whose_spend_may_not_be_shown_yet_leaves_all_open_unless_it_is() -> None:
    known = [Charge(began=0, ended=inf, creation_ids=(1,)), Charge(began=0, ended=10)]
    spends = [DatedSpend(when=5)]
    assert unexplained_spends(spends, known[1:], since=LONG_AGO, shown_until=9, others=()) is None
    assert unexplained_spends(spends, known[1:], since=LONG_AGO, shown_until=10, others=()) == []
    assert unexplained_spends(spends, known, since=LONG_AGO, shown_until=10, others=()) is None
    assert (
        unexplained_spends(
            [*spends, DatedSpend(when=7, creation_id=1)], known, since=LONG_AGO, shown_until=10, others=()
        )
        == []
    )


def test_of_the_dates_that_bound_a_spend_one_may_be_wrong_and_all_an_hour() -> None:
    spends = [DatedSpend(when=when) for when in (0, 100_000, 5_000, 60_000, 70_000, 20_000)]
    told = unexplained_spends(spends, [], since=LONG_AGO, shown_until=inf, others=())
    assert told is not None
    (middle,) = [one for one in told if one.when == 5_000]
    assert middle == UnexplainedSpend(5_000, 0 - 3_600 - CLOCK_SLACK, 60_000 + 3_600 + CLOCK_SLACK)
