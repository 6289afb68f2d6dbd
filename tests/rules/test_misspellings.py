"""Which names may be misspelt parameters."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.misspellings import closest_name

NAMES = ("id", "prompt", "model", "type", "style", "aspect_ratio", "source", "user_id")


@cache
def apart(one: str, other: str) -> int:
    """Count the letters to add, leave out or change, as the definition has it."""
    if not one or not other:
        return len(one) + len(other)
    return min(apart(one[1:], other) + 1, apart(one, other[1:]) + 1, apart(one[1:], other[1:]) + (one[0] != other[0]))


@given(st.text("abct", max_size=6), st.text("abct", min_size=4, max_size=6))
def test_two_letters_apart_and_no_more(name: str, known: str) -> None:
    assert (closest_name(name, [known]) == known) is (apart(name, known) <= 2)


@pytest.mark.parametrize(
    ("name", "stands_for"),
    [
        ("promt", "prompt"),
        ("Prompt", "prompt"),
        ("prompts", "prompt"),
        ("aspect ratio", "aspect_ratio"),
        ("Aspect-Ratio", "aspect_ratio"),
        ("modle", "model"),
        ("ID", "id"),
        ("ids", "id"),
        ("no", None),
        ("note", None),
        ("category", None),
        ("", None),
        ("image_prompt", None),
    ],
)
def test_a_misspelt_name_is_told_from_somebodys_own(name: str, stands_for: str | None) -> None:
    assert closest_name(name, NAMES) == stands_for


def test_the_nearest_one_is_named() -> None:
    assert closest_name("typed", ["style", "type"]) == "type"
