"""The periods of budgets, against a search for their ends minute by minute."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.budget_periods import PERIOD, Every, ended_before, period_at

ZONES = [
    *("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Tokyo", "Australia/Sydney"),
    *("Asia/Beirut", "America/Havana", "America/Nuuk", "Atlantic/Azores"),  # which change their clocks at midnight
    "Australia/Lord_Howe",  # by half an hour
]
MOMENTS = st.floats(1_577_836_800, 1_893_456_000)  # 2020 to 2030


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("every", "zone", "now", "ends"),
    [
        ("day", "UTC", "2026-11-30T17:00:00+00:00", "2026-12-01T00:00:00+00:00"),
        ("day", "Europe/Berlin", "2026-11-30T23:30:00+00:00", "2026-12-01T23:00:00+00:00"),
        ("day", "Europe/Berlin", "2026-03-28T23:30:00+00:00", "2026-03-29T22:00:00+00:00"),  # a day of 23 hours
        ("day", "Europe/Berlin", "2026-10-24T22:30:00+00:00", "2026-10-25T23:00:00+00:00"),  # a day of 25 hours
        ("hour", "UTC", "2026-11-30T17:59:59+00:00", "2026-11-30T18:00:00+00:00"),
        ("hour", "Asia/Kolkata", "2026-11-30T17:10:00+00:00", "2026-11-30T17:30:00+00:00"),
        ("hour", "Europe/Berlin", "2026-10-25T00:30:00+00:00", "2026-10-25T01:00:00+00:00"),  # the clock is set back
        ("hour", "Europe/Berlin", "2026-10-25T01:30:00+00:00", "2026-10-25T02:00:00+00:00"),
    ],
)
def test_periods_end_where_the_zones_clock_says(every: Every, zone: str, now: str, ends: str) -> None:
    assert period_at(every, ZoneInfo(zone), at(now)).ends_at == at(ends)


def test_one_that_never_begins_anew_has_one_period() -> None:
    periods = {period_at(None, ZoneInfo("UTC"), now) for now in (0.0, 1e9)}
    assert [(period.name, period.ends_at) for period in periods] == [("", None)]


@given(MOMENTS, st.sampled_from(ZONES), st.sampled_from(["day", "hour", 90.0, 86_400.0]))
def test_a_period_has_one_name_until_it_ends_and_the_next_has_another(now: float, zone: str, every: Every) -> None:
    timezone = ZoneInfo(zone)
    period = period_at(every, timezone, now)
    assert period.ends_at is not None
    assert now < period.ends_at <= now + 25 * 3_600
    assert period_at(every, timezone, period.ends_at - 0.5) == period
    assert period_at(every, timezone, period.ends_at).name != period.name


@given(MOMENTS, st.sampled_from(ZONES))
def test_days_are_those_of_the_zone(now: float, zone: str) -> None:
    timezone = ZoneInfo(zone)
    period, date = period_at("day", timezone, now), datetime.fromtimestamp(int(now), timezone).date()
    minute = int(now)
    while datetime.fromtimestamp(minute, timezone).date() == date:
        minute += 60
    assert period.ends_at is not None
    assert minute - 60 < period.ends_at <= minute
    assert datetime.fromtimestamp(period.ends_at, UTC).second == 0


@given(MOMENTS, MOMENTS, st.sampled_from(ZONES), st.sampled_from(["day", "hour", 90, 86_400.0]))
def test_by_its_name_it_is_known_whether_a_period_has_ended(now: float, later: float, zone: str, every: Every) -> None:
    period = period_at(every, ZoneInfo(zone), now)
    assert period.ends_at is not None
    is_past = PERIOD <= period.name < ended_before(later)
    assert is_past == (int(period.ends_at) < int(later))


@pytest.mark.parametrize("moment", [-1e9, 0.0, 1e15])
def test_any_moment_is_text(moment: float) -> None:
    assert ended_before(moment).startswith(PERIOD)
