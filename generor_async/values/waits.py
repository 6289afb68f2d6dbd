"""How long calls wait for the limits of a key."""

from attrs import frozen

__all__ = ["ExpectedWait", "WaitingCall"]


@frozen
class ExpectedWait:
    """How many seconds a call will probably wait until it is admitted under the limits, which is when it is sent.

    A call that a 429 refuses waits again; that isn't part of it.
    """

    seconds: float
    """As often more as less."""
    low: float
    """Less than this once in ten times."""
    high: float
    """More than this once in ten times; infinite where that can't be told: during an outage of the API, and while a 429
    that names no limit holds all calls."""


@frozen(kw_only=True)
class WaitingCall:
    """A call of this process that waits for a limit."""

    call_id: str
    """As in the events."""
    operation: str
    """Dotted, with the API's name: `luma.generations.create`."""
    user: str | None
    """Whose call it is, by `with_options(user=)`."""
    position: int
    """Its place among the calls that wait for the same limit, if no other comes: 1 is the next to be admitted."""
    wait: ExpectedWait
    """How long it will wait from now on."""
