"""The calls that wait for a limit: a `PriorityClass` for each priority."""

import asyncio
from collections import deque
from functools import partial
from typing import Final, Generic, TypeVar

from attrs import define, field

from generor_async.rules.outcome import CallContext
from generor_async.rules.user_turns import UserTurns, WaitingCall
from generor_async.values import Priority

__all__ = ["PriorityClass", "QueuedCall"]

P = TypeVar("P")

ARRIVALS_KEPT: Final = 512
"""Number of calls by which it is told how often calls come."""


@define(eq=False)
class QueuedCall(WaitingCall, Generic[P]):
    """A call that waits in its own event loop until it gets a permit."""

    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[None]"
    deadline: float
    """Monotonic time at which it stops waiting."""
    context: CallContext | None = None
    """Which call it is; None where nobody asks."""
    permit: P | None = None
    passed_by: int = 0
    """Number of calls of other types that were admitted while it was the first of its type."""

    def wake(self) -> None:
        """Wake the call; must be called in its loop."""
        if not self.future.done():
            self.future.set_result(None)


@define(eq=False)
class PriorityClass(UserTurns[QueuedCall[P]], Generic[P]):
    """The waiting calls of one priority."""

    name: Priority = "normal"
    passed_by: int = 0
    """Number of calls of other classes admitted since the last one of this class, while calls of this class waited."""
    arrivals: deque[tuple[float, str | None]] = field(
        factory=partial(deque[tuple[float, "str | None"]], (), ARRIVALS_KEPT)
    )
    """When the last calls joined, in seconds in which calls waited, and whose they were."""
