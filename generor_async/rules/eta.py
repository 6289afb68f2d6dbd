"""Calculates how long calls take at the rate limits of a key, sent as evenly as the limits allow."""

from collections.abc import Iterable

from attrs import frozen

__all__ = ["WindowRate", "seconds_for"]


@frozen
class WindowRate:
    """The limit of one window, and its use."""

    limit: int
    """Most calls in the window."""
    span: float
    """Its length in seconds."""
    used: int = 0
    """Calls in the window now; assumed to stay for its whole length."""


def seconds_for(calls: int, rates: Iterable[WindowRate]) -> float:
    """Return the seconds until the last call may be sent.

    Calls are spread evenly over the shortest window until a longer one is full.
    """
    if calls < 1:
        return 0.0
    return _leaves(calls - 1, sorted(rates, key=lambda rate: rate.span))


def _leaves(number: int, rates: list[WindowRate]) -> float:
    """Return the seconds until call `number`, counted from 0, may be sent."""
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
