"""The calls that wait for a limit: a `PriorityClass` for each priority, with a line for each type of request."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from itertools import chain
from typing import Any, Generic, TypeVar

from attrs import define, field

from generor_async.rules.weights import RequestType
from generor_async.values import Priority

__all__ = ["PriorityClass", "QueuedCall"]

P = TypeVar("P")


@define(eq=False)
class QueuedCall(Generic[P]):
    """A call that waits in its own event loop until it gets a permit."""

    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[None]"
    deadline: float
    """Monotonic time at which it stops waiting."""
    request_type: RequestType
    position: int
    """Position in its class; the lowest goes first."""
    permit: P | None = None
    passed_by: int = 0
    """Number of calls of other types that were admitted while it was the first of its type."""

    def wake(self) -> None:
        """Wake the call; must be called in its loop."""
        if not self.future.done():
            self.future.set_result(None)


@define(eq=False)
class PriorityClass(Generic[P]):
    """The waiting calls of one priority: first come, first served within each type of request."""

    name: Priority
    count: int = 0
    """Number of waiting calls."""
    passed_by: int = 0
    """Number of calls of other classes admitted since the last one of this class, while calls of this class waited."""
    _lines: dict[RequestType, OrderedDict[int, QueuedCall[P]]] = field(
        factory=dict[RequestType, OrderedDict[int, QueuedCall[P]]]
    )
    """The calls by type of request and position."""
    only_line: OrderedDict[int, QueuedCall[P]] | None = None
    """The line of all calls if they are of one type, else None. It saves the sorting of heads."""
    _first_position: int = 0
    """The lowest position so far; refused calls get lower ones, new calls get higher ones than the last."""
    _last_position: int = 0

    def __iter__(self) -> Iterator[QueuedCall[P]]:
        return chain.from_iterable(line.values() for line in self._lines.values())

    def heads(self) -> list[QueuedCall[P]]:
        """Return the first call of each type of request, in order."""
        heads = [next(iter(line.values())) for line in self._lines.values()]
        if len(heads) > 1:
            heads.sort(key=_position_of)
        return heads

    def has(self, request_type: RequestType) -> bool:
        """Tell whether calls of a type wait."""
        return request_type in self._lines

    def join(
        self, loop: asyncio.AbstractEventLoop, request_type: RequestType, deadline: float, *, again: bool
    ) -> QueuedCall[P]:
        """Add a call at the end; at the head if the server refused it after it was admitted (`again`)."""
        if again:
            position = self._first_position = self._first_position - 1
        else:
            position = self._last_position = self._last_position + 1
        waiter: QueuedCall[P] = QueuedCall(loop, loop.create_future(), deadline, request_type, position)
        self.count += 1
        line = self._lines.get(request_type)
        if line is None:
            line = self._lines[request_type] = OrderedDict()
            self._update_only_line()
        line[position] = waiter
        if again:
            line.move_to_end(position, last=False)
        return waiter

    def leave(self, waiter: QueuedCall[P]) -> bool:
        """Remove a call; return False if it had left already."""
        line = self._lines.get(waiter.request_type)
        if line is None or line.pop(waiter.position, None) is None:
            return False
        self.count -= 1
        if not line:
            del self._lines[waiter.request_type]
            self._update_only_line()
            if not self.count:
                self.passed_by = 0
        return True

    def _update_only_line(self) -> None:
        self.only_line = next(iter(self._lines.values())) if len(self._lines) == 1 else None


def _position_of(waiter: QueuedCall[Any]) -> int:
    return waiter.position
