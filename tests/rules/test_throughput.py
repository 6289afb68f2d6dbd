"""Estimated remaining times in worlds whose future is known: steady ones, bursts, stalls and holds."""

import math
from collections.abc import Callable
from random import Random
from typing import Final

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from generor_async.rules.throughput import LEAST_ROWS, QUIET_SECONDS, RATE_SECONDS, Throughput

seeds = st.integers(0, 10_000)
ROWS: Final = 400
BEGAN: Final = 1_000.0


@define
class World:
    """When each call leaves, and when its row ends."""

    left: list[float]
    ended: list[float]
    stalls: list[tuple[float, float]] = field(factory=list[tuple[float, float]])

    @property
    def over(self) -> float:
        return max(self.ended)


def steady(dice: Random) -> World:
    """Calls leave one by one, each as long as another."""
    every, takes = dice.uniform(0.05, 6.0), dice.uniform(1.0, 60.0)
    left = [BEGAN + number * every for number in range(ROWS)]
    return World(left, [at + takes * dice.uniform(0.9, 1.1) for at in left])


def bursts(dice: Random) -> World:
    """So many leave at the beginning of each minute."""
    many, takes = dice.randint(10, 60), dice.uniform(1.0, 10.0)
    left = [BEGAN + number // many * 60.0 + dice.uniform(0.0, 2.0) for number in range(ROWS)]
    return World(sorted(left), [at + takes * dice.uniform(0.9, 1.1) for at in sorted(left)])


def stalled(dice: Random) -> World:
    """A steady one, in which once nothing moves: an outage, or a hold of hours."""
    made, length = steady(dice), dice.choice([120.0, 600.0, 3_600.0, 4 * 3_600.0])
    since = dice.choice(made.ended[ROWS // 4 : ROWS // 2])

    def later(at: float) -> float:
        return at if at <= since else at + length

    return World([*map(later, made.left)], [*map(later, made.ended)], [(since, since + length)])


@define
class Look:
    """What is said at one moment."""

    at: float
    said: float | None
    idle: float
    ended: int
    truth: float
    """How long it does take yet."""

    def is_about_right(self, slack: float) -> bool:
        """Tell whether who is told so is not misled: half or double at the worst, or so many seconds."""
        assert self.said is not None
        return self.truth / 2 - slack <= self.said <= self.truth * 2 + slack


def looks(world: World, dice: Random) -> list[Look]:
    """Live through a world, and look now and then."""
    movement = Throughput(BEGAN)
    moments = sorted(dice.uniform(BEGAN, world.over) for _ in range(300))
    events = [(at, 0, number) for number, at in enumerate(world.left)]
    events += [(at, 1, number) for number, at in enumerate(world.ended)]
    events += [(at, 2, 0) for at in moments]
    left = ended = 0
    moved, seen = BEGAN, list[Look]()
    for at, kind, number in sorted(events):
        if kind == 0:
            movement.left(at)
            left += 1
        elif kind == 1:
            movement.ended(at, at - world.left[number])
            ended += 1
        else:
            said = movement.seconds_left(at, coming=ROWS - left, running=left - ended, leaving=None)
            seen.append(Look(at, said, at - moved, ended, world.over - at))
            continue
        moved = at
    return seen


@examples(20)
@given(seeds)
def test_in_a_steady_world_it_is_right(seed: int) -> None:
    dice = Random(seed)
    for look in looks(steady(dice), dice):
        if look.ended >= 3 * LEAST_ROWS and look.truth > 10.0:
            assert look.said is not None
            assert look.is_about_right(30.0)


@examples(20)
@given(seeds)
def test_bursts_are_no_standstills_and_it_is_about_right(seed: int) -> None:
    dice = Random(seed)
    for look in looks(bursts(dice), dice):
        if look.at > BEGAN + 4 * 60.0 + 15.0 and look.truth > 10.0:
            assert look.said is not None
            assert look.is_about_right(60.0)  # a burst's time


@examples(20)
@given(seeds)
def test_in_a_standstill_nothing_is_promised_and_soon_after_it_is_right_again(seed: int) -> None:
    dice = Random(seed)
    world = stalled(dice)
    ((since, until),) = world.stalls
    seen = looks(world, dice)
    for look in seen:
        if since + 100.0 < look.at < until:
            assert look.said is None
        # A row takes up to a minute: then it moves as before.
        if look.at > until and look.ended < ROWS and look.said is not None and look.truth > 10.0:
            again = sum(until < at <= look.at for at in world.ended)
            if again >= 3 * LEAST_ROWS:
                assert look.is_about_right(30.0)


@examples(30)
@given(seeds, st.sampled_from([steady, bursts, stalled]))
def test_never_less_is_promised_than_nothing_has_moved_for(seed: int, world: Callable[[Random], World]) -> None:
    dice = Random(seed)
    for look in looks(world(dice), dice):
        assert look.said is None or look.said >= look.idle


@given(st.lists(st.floats(0.0, QUIET_SECONDS - 0.1), max_size=300), st.floats(0.0, QUIET_SECONDS - 0.1))
def test_the_rate_is_that_of_the_last_minutes_or_of_the_last_rows(pauses: list[float], since: float) -> None:
    movement, ends = Throughput(0.0), [0.0]
    for pause in pauses:
        ends.append(ends[-1] + pause)
    for at in ends:
        movement.ended(at)
    now = ends[-1] + since
    # By hand: those that end within a second of the first of them are one moment.
    groups: list[list[float]] = []
    for at in ends:
        if groups and at - groups[-1][0] < 1.0:
            groups[-1].append(at)
        else:
            groups.append([at])
    taken: list[list[float]] = []
    for group in reversed(groups):
        if now - group[0] > RATE_SECONDS and sum(map(len, taken)) >= LEAST_ROWS:
            break
        taken.append(group)
    rows, first = sum(map(len, taken)), taken[-1]
    rate = (rows - len(first)) / (now - first[0]) if now > first[0] else 0.0
    told, of_so_many = movement.rate(now)
    assert told == pytest.approx(rate)
    assert of_so_many == rows


def test_a_few_long_rows_are_no_standstill_and_the_first_of_all_are_waited_for() -> None:
    movement = Throughput(0.0)
    for at in (1.0, 2.0, 3.0, 4.0):
        movement.left(at)
    assert not movement.is_still(4.0 + QUIET_SECONDS, running=True)
    assert movement.is_still(5.0 + QUIET_SECONDS, running=True)  # nobody knows yet how long one takes
    assert movement.seconds_left(5.0 + QUIET_SECONDS, coming=0, running=4, leaving=None) is None
    movement.ended(241.0, 240.0)
    movement.left(242.0)
    assert not movement.is_still(242.0 + 300.0, running=True)
    assert movement.is_still(242.0 + 300.0, running=False)
    assert movement.is_still(242.0 + 361.0, running=True)
    # The last one is likely to take as long as the first did.
    assert movement.seconds_left(250.0, coming=0, running=1, leaving=None) == 242.0 + 240.0 - 250.0


def test_the_limits_are_a_bound_and_rows_take_their_time_after_the_last_call() -> None:
    movement = Throughput(0.0)
    assert movement.seconds_left(0.0, coming=30, running=0, leaving=58.0) == 58.0
    movement.left(1.0)
    movement.left(8.0)
    assert movement.seconds_left(9.0, coming=28, running=2, leaving=50.0) == 50.0 + 8.0
    movement.ended(12.0, 11.0)
    assert movement.seconds_left(12.0, coming=28, running=1, leaving=50.0) == 50.0 + 11.0
    assert movement.seconds_left(12.0, coming=0, running=0, leaving=50.0) is None
    assert math.isclose(movement.idle(20.0), 8.0)
