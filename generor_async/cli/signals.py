"""Signals that tell the command to end, heeded by its event loop."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

__all__ = ["SignalledError", "heeding", "raising", "unless_signalled"]

T = TypeVar("T")

SOON: Final[tuple[int, ...]] = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals after which a process is killed before long."""


class SignalledError(Exception):
    """A signal ended what went on; `number` is which."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def raising() -> Generator[None]:
    """Have signals raise SignalledError at once, while the event loop waits for something else and can't heed them."""

    def came(number: int, _: object) -> None:
        raise SignalledError(number)

    heeded = [number for number in (signal.SIGINT, *SOON) if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, came) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def heeding(heed: Callable[[int], object]) -> Generator[None]:
    """Have a function called with the number of each signal that tells the process to end.

    Signals that the process was started to ignore, as by nohup, stay ignored.
    """
    loop, heeded = asyncio.get_running_loop(), list[int]()
    if sys.platform != "win32":
        for number in (signal.SIGINT, *SOON):
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, heed, number)
                heeded.append(number)
    try:
        yield
    finally:
        for number in heeded:
            loop.remove_signal_handler(number)


async def unless_signalled(work: Coroutine[Any, Any, T]) -> T:
    """Await something that may be given up at any moment; raises SignalledError where a signal comes first."""
    task, came = asyncio.ensure_future(work), list[int]()

    def heed(number: int) -> None:
        came.append(number)
        task.cancel()

    with heeding(heed):
        try:
            return await task
        except asyncio.CancelledError:
            if not came:
                raise
            raise SignalledError(came[0]) from None
