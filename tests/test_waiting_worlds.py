"""Expected waits against what comes, in some of the benchmark's worlds: `bench_expected_wait.py` has all of them."""

import pytest
from attrs import evolve
from bench_expected_wait import COVERED, EXACT, WIDER, result_of
from waiting_worlds import WORLDS, World

SECONDS = 1_200.0
"""How long calls come, at most."""
WARM = 400.0
"""Seconds after which calls ask, where the client has to learn."""


def world_named(name: str) -> World:
    (world,) = (each for each in WORLDS if each.name == name)
    return evolve(world, seconds=min(world.seconds, SECONDS))


@pytest.mark.parametrize("name", ["a minute alone", "a share of a minute", "an evenly used minute", "an hour alone"])
def test_where_nothing_is_left_to_chance_a_wait_is_told_to_two_seconds(name: str) -> None:
    result = result_of(world_named(name), [0])
    assert len(result.asked) >= 100
    assert result.worst <= EXACT
    assert result.covered >= COVERED


@pytest.mark.parametrize("name", ["priorities, Poisson", "jobs, exponential"])
def test_bounds_hold_and_are_not_much_wider_than_those_of_one_who_knows_the_rates(name: str) -> None:
    result = result_of(evolve(world_named(name), warm=WARM), [0])
    ours, oracle = result.widths
    assert len(result.asked) >= 50
    assert result.covered >= COVERED
    assert ours <= WIDER * oracle


@pytest.mark.parametrize("name", ["a fixed minute", "bare 429s", "after a restart"])
def test_bounds_hold_whatever_the_server_says_and_whoever_comes(name: str) -> None:
    result = result_of(world_named(name), [0])
    assert len(result.asked) >= 30
    assert result.covered >= COVERED
