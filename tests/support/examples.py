"""How many drawn worlds a test tries: few in every run, a fifth of them on servers, twenty times as many in a long run.

The option `--hypothesis-profile=` says so: `servers`, or `long`.
"""

from hypothesis import HealthCheck, settings

__all__ = ["examples", "register_profiles", "runs"]

FEW = 50
"""Examples of a test that doesn't say how many it tries."""
LONG = 20
"""How many times as many a long run tries."""
SERVERS = 5
"""How many times fewer are tried on servers, where each world is a database."""


def register_profiles() -> None:
    """Have the profiles `unhurried`, which is loaded, `servers` and `long`; what is slow is no failure."""
    for name, count in {"unhurried": FEW, "servers": FEW // SERVERS, "long": FEW * LONG}.items():
        settings.register_profile(name, deadline=None, max_examples=count, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("unhurried")


def runs(few: int) -> int:
    """Return so many, on servers a fifth of them, in a long run twenty times as many."""
    return max(1, few * settings().max_examples // FEW)


def examples(few: int) -> settings:
    """Try so many examples, or as `runs` says."""
    return settings(max_examples=runs(few))
