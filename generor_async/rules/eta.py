"""How long so many calls take at the limits of a key, when they leave as evenly as the limits let them."""

from collections.abc import Iterable

from attrs import frozen

__all__ = ["WindowRate", "seconds_for"]


@frozen
class WindowRate:
    """One window, as far as calls to come are concerned."""

    limit: int
    """Calls that it takes."""
    span: float
    """Its length in seconds."""
    used: int = 0
    """Calls that are in it already; none of them is taken to leave it before its whole length is over."""


def seconds_for(calls: int, rates: Iterable[WindowRate]) -> float:
    """Return the seconds until the last of so many calls may leave; windows overlap as an hour and its minutes do.

    Calls are spread evenly over the shortest window, and follow one another so until a longer one is full.
    """
    if calls < 1:
        return 0.0
    return _leaves(calls - 1, sorted(rates, key=lambda rate: rate.span))


def _leaves(number: int, rates: list[WindowRate]) -> float:
    """Return when the call of a number, from 0 on, may leave."""
    if not rates:
        return 0.0
    *shorter, longest = rates
    if not shorter:
        return number * longest.span / longest.limit
    turns, number_in_turn = divmod(number + longest.used, longest.limit)
    if not turns:
        return _leaves(number, shorter)
    # A window that is not full when its time is over holds up nobody.
    turn = max(longest.span, _leaves(longest.limit, shorter))
    return turns * turn + _leaves(number_in_turn, shorter)
