"""The calls of one priority that wait for a limit, in order, and grouped by their type of request."""

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
    """A call in the queue; it sleeps in its own loop until it gets a permit."""

    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[None]"
    deadline: float
    """When its wait ends at the latest."""
    request_type: RequestType
    position: int
    """Its position in its class; the lowest goes first."""
    permit: P | None = None
    passed_by: int = 0
    """Number of calls of other types that were admitted before it while it was the first of its type."""

    def wake(self) -> None:
        """Wake the call; must be called in its loop."""
        if not self.future.done():
            self.future.set_result(None)


@define(eq=False)
class PriorityClass(Generic[P]):
    """The calls of one priority that wait: first come, first served within each type of request."""

    name: Priority
    count: int = 0
    """Number of waiting calls."""
    passed_by: int = 0
    """Number of calls of other classes that were admitted since the last one of this class, while these waited."""
    _lines: dict[RequestType, OrderedDict[int, QueuedCall[P]]] = field(
        factory=dict[RequestType, OrderedDict[int, QueuedCall[P]]]
    )
    """The calls of each type of request, by position."""
    only_line: OrderedDict[int, QueuedCall[P]] | None = None
    """The only line, where all calls are of one type."""
    _first_position: int = 0
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
        """Add a call; one that was admitted before and refused goes to the head."""
        if again:
            self._first_position -= 1
        else:
            self._last_position += 1
        place = self._first_position if again else self._last_position
        waiter: QueuedCall[P] = QueuedCall(loop, loop.create_future(), deadline, request_type, place)
        self.count += 1
        line = self._lines.get(request_type)
        if line is None:
            line = self._lines[request_type] = OrderedDict()
            self._update_only_line()
        line[place] = waiter
        if again:
            line.move_to_end(place, last=False)
        return waiter

    def leave(self, waiter: QueuedCall[P]) -> bool:
        """Remove a call; return whether it was there."""
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
