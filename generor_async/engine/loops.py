"""One of something for each event loop: a client made at module level serves them all."""

import asyncio
import weakref
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

__all__ = ["PerLoop"]


class Closable(Protocol):
    """What is opened for a loop, and closed in it."""

    def close(self) -> Awaitable[None]:
        """Close it."""
        ...


R = TypeVar("R", bound=Closable)


class PerLoop(Generic[R]):
    """Opens at first use in each event loop, and forgets a loop that is gone."""

    def __init__(self, open_one: Callable[[], R]) -> None:
        self._open = open_one
        self._opened: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, R] = weakref.WeakKeyDictionary()

    def get(self) -> R:
        """Return the running loop's own, opened now if need be."""
        loop = asyncio.get_running_loop()
        one = self._opened.get(loop)
        if one is None:
            one = self._opened[loop] = self._open()
        return one

    async def close(self) -> None:
        """Close the running loop's own; the next use opens another."""
        one = self._opened.pop(asyncio.get_running_loop(), None)
        if one is not None:
            await one.close()
