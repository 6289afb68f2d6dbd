"""Time zones against a count of every zone, with wrong dates and changed clocks."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from attrs import frozen
from hypothesis import assume, example, given
from hypothesis import strategies as st

from generor_async.rules.time_zones import (
    CHANGES,
    CLOCK_SLACK,
    OFFSETS,
    ORDER_SLACK,
    OUTVOTE_MARGIN,
    QUARTER_HOUR,
    TimeEvidence,
    ZoneReading,
    corrected_dates,
    possible_zones,
)

offsets = st.sampled_from(OFFSETS)
zone_hours = st.integers(-11, 13).map(lambda hours: hours * 3_600)
FAR = 400_000.0


@frozen
class Call:
    """A call of the batch: when it left and was answered, and when its creation was made."""

    sent: float
    took: float
    made_after: float

    @property
    def made(self) -> float:
        return self.sent + min(self.made_after, self.took)

    def witness(self, zone: ZoneReading | int, lie: float = 0.0) -> TimeEvidence:
        return TimeEvidence(local(zone, self.made) + lie, self.sent, self.sent + self.took)


def local(zone: ZoneReading | int, moment: float) -> float:
    """Show a moment as a server in a zone does, as if that were UTC."""
    if isinstance(zone, int):
        return moment + zone
    return moment + (zone.after if moment >= zone.changed else zone.before)


calls: st.SearchStrategy[Call] = st.builds(Call, st.floats(FAR, FAR + 20_000), st.floats(0, 600), st.floats(0, 600))


def speak_for(witness: TimeEvidence, offset: float) -> bool:
    return witness.earliest - CLOCK_SLACK <= witness.shown - offset <= witness.latest + CLOCK_SLACK


def outvoted(voices: list[bool], others: list[bool]) -> bool:
    """Whether those who speak for the other one are clearly more, of those who tell the two apart."""
    less = sum(mine and not theirs for mine, theirs in zip(voices, others, strict=True))
    more = sum(theirs and not mine for mine, theirs in zip(voices, others, strict=True))
    return more - less >= OUTVOTE_MARGIN and more >= OUTVOTE_MARGIN * less


def counted(witnesses: Sequence[TimeEvidence]) -> set[float]:
    """Return the offsets that a count of all of them, one by one, leaves possible."""
    voices = {offset: [speak_for(witness, offset) for witness in witnesses] for offset in OFFSETS}
    best = max(voices.values(), key=sum)
    return {offset for offset, mine in voices.items() if not outvoted(mine, best)}


@given(
    st.lists(st.builds(TimeEvidence, st.floats(-60_000, 60_000), st.floats(-5_000, 0), st.floats(0, 5_000)), max_size=8)
)
def test_what_is_possible_without_a_change_is_what_a_count_of_all_leaves(witnesses: list[TimeEvidence]) -> None:
    zones = possible_zones(witnesses)
    if all(zone.before == zone.after for zone in zones):
        assert {zone.before for zone in zones} == counted(witnesses)
        return
    most = max(sum(speak_for(witness, offset) for witness in witnesses) for offset in OFFSETS)
    explained = [max(speak_for(one, zone.before), speak_for(one, zone.after)) for zone in zones for one in witnesses]
    assert sum(explained) / len(zones) > most, "a change is believed where no zone without one explains as much"


@given(offsets, st.lists(calls, min_size=4, max_size=12), st.data())
@example(19_800, [Call(FAR + 100 * number, 20, 10) for number in range(4)], None)
def test_one_liar_among_many_is_outvoted(zone: int, honest: list[Call], data: Any) -> None:
    lie = 7_200.0 if data is None else data.draw(st.floats(-50_000, 50_000))
    liar = honest[0 if data is None else data.draw(st.integers(0, len(honest) - 1))]
    zones = possible_zones([*(call.witness(zone) for call in honest), liar.witness(zone, lie=lie)])
    assert ZoneReading(zone, zone) in zones
    for found in zones:
        misread = [call for call in honest if not speak_for(call.witness(zone), found.before)]
        assert len(misread) <= len(honest) / OUTVOTE_MARGIN


@pytest.mark.parametrize("hours", [-11.0, -4.5, 0.0, 2.0, 5.75])
def test_the_zone_of_quick_calls_is_told_from_a_few_and_never_from_one(hours: float) -> None:
    zone = int(hours * 3_600)
    quick = [Call(FAR + 900 * number, 30, 12) for number in range(3)]
    told = [witness.offsets() for witness in (call.witness(zone) for call in quick)]
    assert all(list(offset) == [zone] for offset in told)
    assert len(possible_zones([])) == len(possible_zones([quick[0].witness(zone)])) == len(OFFSETS)
    assert possible_zones([call.witness(zone) for call in quick[:2]]) == [ZoneReading(zone, zone)]
    contradicted = [quick[0].witness(zone), quick[1].witness(zone), quick[2].witness(zone, lie=3_600)]
    assert ZoneReading(zone, zone) in possible_zones(contradicted)
    assert len(possible_zones(contradicted)) > 1, "two against one is not clear"


@given(
    zone_hours,
    st.sampled_from(CHANGES),
    st.lists(st.integers(0, 120), min_size=8, max_size=16, unique=True).map(sorted),
    st.data(),
)
def test_a_clock_that_is_changed_in_the_midst_is_read_right_before_and_after(
    before: int, change: int, minutes: list[int], data: Any
) -> None:
    after = before + change
    assume(OFFSETS[0] <= after <= OFFSETS[-1])
    honest = [Call(FAR + 600 * minute, 60, 30) for minute in minutes]
    split: int = data.draw(st.integers(3, len(honest) - 3))
    truth = ZoneReading(before, after, honest[split].sent - 1)
    liar: Call | None = data.draw(st.sampled_from([None, *honest]))
    lies = [] if liar is None else [liar.witness(truth, lie=-20_000)]
    zones = possible_zones([*(call.witness(truth) for call in honest), *lies])
    for call in honest:
        read = {zone.read(local(truth, call.made)) for zone in zones}
        assert call.made in read, "what must hold in all of them holds in the true one"
        if (
            not honest[split - 1].made - ORDER_SLACK <= call.made <= honest[split].made + ORDER_SLACK
        ):  # may have been shown twice
            assert read == {call.made}


@given(zone_hours, st.lists(calls, min_size=7, max_size=10), st.floats(-1e9, 1e9), st.data())
def test_a_single_wrong_date_is_mended_by_its_neighbours_and_right_ones_stay(
    zone: int, given: list[Call], lie: float, data: Any
) -> None:
    dates = sorted(local(zone, call.made) for call in given)
    dated = dict(enumerate(dates))
    assert corrected_dates(dated) == dated
    liar: int = data.draw(st.integers(3, len(dates) - 4), label="one with neighbours on both sides")
    mended = corrected_dates({**dated, liar: dates[liar] + lie})
    assert mended | {liar: dates[liar]} == dated
    if abs(lie) > 30_000:
        assert dates[0] <= mended[liar] <= dates[-1]


def test_dates_out_of_order_by_less_than_an_hour_stay_as_they_are() -> None:
    """Where a creation is dated when it begins, and numbered when it is done."""
    dated = {number: FAR + (0 if number % 2 else ORDER_SLACK - 1) for number in range(12)}
    assert corrected_dates(dated) == dated


def test_a_time_that_was_shown_twice_is_read_both_ways_and_one_that_was_skipped_somehow() -> None:
    back = ZoneReading(3_600, 0, FAR)
    twice = local(back, FAR - 600)
    assert twice == local(back, FAR + 3_000)
    assert (back.read(twice), ZoneReading(3_600, 0, FAR, earlier=False).read(twice)) == (FAR - 600, FAR + 3_000)
    on = ZoneReading(0, 3_600, FAR)
    moments = [FAR + 60 * minute for minute in range(-90, 90)]
    assert [on.read(local(on, moment)) for moment in moments] == moments
    assert all(later > sooner for sooner, later in pairwise(map(on.read, (FAR - 60, FAR + QUARTER_HOUR))))


def test_what_was_spent_at_some_time_since_the_batch_began_leaves_the_zones_that_it_can_be() -> None:
    spent = [TimeEvidence(FAR + 7_200 + 300 * number, FAR, FAR + 3_600) for number in range(6)]
    possible = [zone.before for zone in possible_zones(spent)]
    assert possible == [offset for offset in OFFSETS if 5_400 <= offset <= 7_200]
