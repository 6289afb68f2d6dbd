"""When units will be admitted, against the rule that admits them."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.worlds import Server, ServerWindow, Style, World

from generor_async.rules.admission_times import AdmissionTimes, FutureWindow
from generor_async.rules.pace import TIERS, Pace
from generor_async.rules.window import MINUTE, SPANS, Scope

SCOPES: tuple[Scope, ...] = ("minute", "hour", "day")
EXACT = 2.0
"""By how many seconds a time may be off where nothing is random."""


def world_of(
    tier: str, calls: int, *, style: Style = "sliding", smooth: bool = False, share: float = 1.0, base: float = 0.05
) -> World:
    """Return a world in which nothing is random: each request arrives after `base` seconds, and is answered at once."""
    limits = zip(SCOPES, TIERS[tier], strict=True)
    server = Server([ServerWindow(scope, limit, style, 7.0) for scope, limit in limits], tier)
    pace = Pace.of_generor(keyless=False, tier=tier, rpm=None, share=share)
    return World(pace, server, Random(7), calls, base=base, jitter=0.0, service=0.01, smooth=smooth, looks=False)


def errors(world: World, before: int) -> list[float]:
    """Run a world until so many have arrived, foretell all later admissions, and return by how much each was off."""
    world.begin()
    while len(world.arrivals) < before:
        world.step()
    now = world.now
    times = world.pace.admission_times(now, smooth=world.smooth)
    expected = [now + times[place] for place in range(world.calls)]
    world.run()
    later = [each.sent for each in world.admitted if each.sent > now]
    assert later == sorted(later)
    return [moment - guess for moment, guess in zip(later, expected, strict=False)]


@pytest.mark.parametrize("base", [0.05, 0.3, 2.0])
@pytest.mark.parametrize("before", [20, 45, 100])
def test_a_minute_is_foretold_to_two_seconds(before: int, base: float) -> None:
    found = errors(world_of("basic", 400, base=base), before)
    assert len(found) >= 280
    assert max(map(abs, found)) < EXACT


@pytest.mark.parametrize("before", [100, 300, 1_000])
def test_a_large_limit_is_foretold_to_two_seconds(before: int) -> None:
    found = errors(world_of("enterprise", 1_500), before)
    assert len(found) >= 300
    assert max(map(abs, found)) < EXACT


@pytest.mark.parametrize("base", [0.05, 0.3])
@pytest.mark.parametrize("before", [20, 45, 100])
def test_smooth_requests_are_foretold_to_two_seconds(before: int, base: float) -> None:
    found = errors(world_of("basic", 400, smooth=True, base=base), before)
    assert len(found) >= 280
    assert max(map(abs, found)) < EXACT


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_a_share_of_a_limit_is_foretold_to_two_seconds(share: float) -> None:
    found = errors(world_of("basic", 200, share=share), 60)
    assert len(found) >= 100
    assert max(map(abs, found)) < EXACT


def test_a_fixed_window_is_foretold_once_the_server_has_shown_its_end() -> None:
    found = errors(world_of("basic", 400, style="fixed"), 100)
    assert len(found) >= 280
    assert max(map(abs, found)) < EXACT


@pytest.mark.parametrize("before", [100, 700])
@pytest.mark.parametrize("base", [0.05, 0.1, 0.3, 2.0])
def test_an_hour_is_foretold_to_two_seconds(before: int, base: float) -> None:
    found = errors(world_of("free", 1_600, base=base), before)
    assert len(found) > 800
    assert max(map(abs, found)) < EXACT


@pytest.mark.parametrize("base", [0.05, 2.0])
def test_a_day_is_foretold_to_two_seconds(base: float) -> None:
    found = errors(world_of("free", 5_400, base=base), 4_000)
    assert len(found) > 1_000
    assert max(map(abs, found)) < EXACT


def test_a_hold_begins_the_times() -> None:
    pace = Pace.of_luma(rpm=60, share=1.0)
    pace.hold(130.0, "minute")
    assert pace.admission_times(100.0, smooth=False)[0] == pytest.approx(30)
    assert Pace.of_luma(rpm=None, share=1.0).admission_times(100.0, smooth=False)[5_000] == 0


@given(
    st.lists(st.floats(0, MINUTE), max_size=30),
    st.integers(1, 20),
    st.integers(0, 200),
    st.floats(0, 3),
)
@examples(50)
def test_no_window_ever_holds_more_than_its_limit(ends: list[float], limit: int, place: int, gap: float) -> None:
    hour = FutureWindow(3 * limit, SPANS["hour"], sorted(ends), slice_seconds=60.0)
    times = AdmissionTimes([FutureWindow(limit, MINUTE, sorted(ends)), hour], gap=gap)
    found = [times[each] for each in range(place + 1)]
    assert found == sorted(found)
    assert all(later - one >= gap - 1e-9 for one, later in pairwise(found))
    for span, most in ((MINUTE, limit), (SPANS["hour"], 3 * limit)):
        for number, time in enumerate(found):
            assert sum(time < each + span for each in found[: number + 1]) <= most
            assert time >= min(ends, default=0.0) or len(ends) < most
    assert AdmissionTimes([FutureWindow(limit, MINUTE, sorted(ends)), hour], gap=gap)[place] <= found[-1] + 61
