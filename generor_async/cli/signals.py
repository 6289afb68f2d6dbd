"""Handlers of SIGINT, SIGTERM and SIGHUP in the command's event loop."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

__all__ = ["SignalledError", "handle_signals", "raise_signals", "unless_signalled"]

T = TypeVar("T")

TERMINATION_SIGNALS: Final[tuple[int, ...]] = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""Signals after which the process is likely to be killed soon."""


class SignalledError(Exception):
    """A signal ended the command; `number` is the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def raise_signals() -> Generator[None]:
    """Raise SignalledError as soon as a signal arrives, also while the event loop is blocked."""

    def raise_error(number: int, _: object) -> None:
        raise SignalledError(number)

    handled = [
        number for number in (signal.SIGINT, *TERMINATION_SIGNALS) if signal.getsignal(number) is not signal.SIG_IGN
    ]
    before = {number: signal.signal(number, raise_error) for number in handled}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


@contextmanager
def handle_signals(on_signal: Callable[[int], object]) -> Generator[None]:
    """Call a function with the number of each SIGINT, SIGTERM or SIGHUP.

    Signals that the process was started to ignore, as by nohup, stay ignored.
    """
    loop, handled = asyncio.get_running_loop(), list[int]()
    if sys.platform != "win32":
        for number in (signal.SIGINT, *TERMINATION_SIGNALS):
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, on_signal, number)
                handled.append(number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


async def unless_signalled(coroutine: Coroutine[Any, Any, T]) -> T:
    """Await a coroutine, which is cancelled if a signal arrives; raises SignalledError then."""
    task, received = asyncio.ensure_future(coroutine), list[int]()

    def on_signal(number: int) -> None:
        received.append(number)
        task.cancel()

    with handle_signals(on_signal):
        try:
            return await task
        except asyncio.CancelledError:
            if not received:
                raise
            raise SignalledError(received[0]) from None
