"""How many drawn worlds a test tries: few in every run, twenty times as many with `--hypothesis-profile=long`."""

from hypothesis import settings

__all__ = ["examples", "register_profiles", "runs"]

FEW = 50
"""Examples of a test that doesn't say how many it tries."""
LONG = 20
"""How many times as many a long run tries."""


def register_profiles() -> None:
    """Have the profiles `unhurried`, which is loaded, and `long`; what is slow on a busy machine is no failure."""
    settings.register_profile("unhurried", deadline=None, max_examples=FEW)
    settings.register_profile("long", deadline=None, max_examples=FEW * LONG)
    settings.load_profile("unhurried")


def runs(few: int) -> int:
    """Return so many, or in a long run twenty times as many."""
    return few * max(1, settings().max_examples // FEW)


def examples(few: int) -> settings:
    """Try so many examples, in a long run twenty times as many."""
    return settings(max_examples=runs(few))
