"""The calls of one priority that wait before a limit, in order, and apart by what they weigh."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from itertools import chain
from typing import Any, Generic, TypeVar

from attrs import define, field

from generor_async.rules.weights import RequestType
from generor_async.values import Priority

__all__ = ["PriorityClass", "Waiter"]

P = TypeVar("P")


@define(eq=False)
class Waiter(Generic[P]):
    """A call in the queue; it sleeps in its own loop until it is handed a permit."""

    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[None]"
    deadline: float
    """When its wait ends, whatever comes."""
    request_type: RequestType
    place: int
    """Where it stands in its class: the lowest goes first."""
    permit: P | None = None
    passed: int = 0
    """How many others went before it, because they weigh less, while it was the first of its request_type."""

    def wake(self) -> None:
        """Have it see what became of its wait; to be called in its loop."""
        if not self.future.done():
            self.future.set_result(None)


@define(eq=False)
class PriorityClass(Generic[P]):
    """The calls of one priority that wait: first come, first served among those of the same weight."""

    name: Priority
    count: int = 0
    """How many wait."""
    passed: int = 0
    """How many others went while these waited, since the last of these did."""
    _lines: dict[RequestType, OrderedDict[int, Waiter[P]]] = field(
        factory=dict[RequestType, OrderedDict[int, Waiter[P]]]
    )
    """The calls of each request_type, by their places."""
    only: OrderedDict[int, Waiter[P]] | None = None
    """The same, where all are of one request_type."""
    _first: int = 0
    _last: int = 0

    def __iter__(self) -> Iterator[Waiter[P]]:
        return chain.from_iterable(line.values() for line in self._lines.values())

    def heads(self) -> list[Waiter[P]]:
        """Return the first call of each request_type, in order."""
        heads = [next(iter(line.values())) for line in self._lines.values()]
        if len(heads) > 1:
            heads.sort(key=_place)
        return heads

    def has(self, request_type: RequestType) -> bool:
        """Tell whether calls of a request_type wait."""
        return request_type in self._lines

    def join(
        self, loop: asyncio.AbstractEventLoop, request_type: RequestType, deadline: float, *, again: bool
    ) -> Waiter[P]:
        """Add a call; one that was let go before and refused goes to the head."""
        if again:
            self._first -= 1
        else:
            self._last += 1
        place = self._first if again else self._last
        waiter: Waiter[P] = Waiter(loop, loop.create_future(), deadline, request_type, place)
        self.count += 1
        line = self._lines.get(request_type)
        if line is None:
            line = self._lines[request_type] = OrderedDict()
            self._find_only()
        line[place] = waiter
        if again:
            line.move_to_end(place, last=False)
        return waiter

    def leave(self, waiter: Waiter[P]) -> bool:
        """Take a call out, wherever it stands; tell whether it was there."""
        line = self._lines.get(waiter.request_type)
        if line is None or line.pop(waiter.place, None) is None:
            return False
        self.count -= 1
        if not line:
            del self._lines[waiter.request_type]
            self._find_only()
            if not self.count:
                self.passed = 0
        return True

    def _find_only(self) -> None:
        self.only = next(iter(self._lines.values())) if len(self._lines) == 1 else None


def _place(waiter: Waiter[Any]) -> int:
    return waiter.place
