"""An event loop whose time is free: when nothing is ready, it jumps to the next timer instead of waiting for it.

asyncio waits in one place, its selector, so the jump is made there: where `select` would have waited so many seconds,
they have passed. Everything else is asyncio's own, and the sockets are real.

Bytes on their way from one socket to another must not be outrun. Linux hands a segment over within the call that sends
it, so another look is enough; other systems are given a moment. Bytes that wait for room at their receiver show as a
socket that wants to be written to and can't: a moment for these too, once.

`looptime` can drive such sockets too, by 42 empty turns of the loop before each jump: five times as slow over a day of
jobs. It lets time pass while a thread works, so that what happens first is the machine's choice, and never shuffles.
"""

import asyncio
import contextvars
import os
import selectors
import sys
import time
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from random import Random
from typing import Any, TypeVar, TypeVarTuple

__all__ = ["VirtualTimeLoop", "run"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

DELIVERY_SECONDS = 0.001
"""Real seconds before the second look, on systems that deliver in their own time."""
BLOCKED_SECONDS = 0.25
"""Real seconds that a reader has to make room: longer than TCP's own timers for it."""
HOLD_SECONDS = 60.0
"""Real seconds that time may stand still while timers wait, before it is taken for a deadlock."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop in which an hour passes in no time, unless something happens in it.

    `time()` begins at `start` and moves when nothing is ready: then it is the time of the next timer. While a thread
    of `run_in_executor` or `asyncio.to_thread` works, it stands still. What else the loop cannot see, such as another
    process or a thread of your own, wants a `with loop.hold():` around the waiting for it.

    What reads the machine's clock sees no time pass: aiohttp keeps idle connections for as long as that says.

    Args:
        start: The time at which the loop begins, in seconds.
        shuffle_seed: Run the tasks that are ready at one time in an order drawn from this seed. Plain callbacks run
            before them and in their own order, on which asyncio itself relies.
    """

    def __init__(self, *, start: float = 0.0, shuffle_seed: int | None = None) -> None:
        self._waiting = _JumpingSelector(start, self._release_tasks)
        self._dice = None if shuffle_seed is None else Random(shuffle_seed)  # noqa: S311  # to be repeated, no secret
        self._held_back: list[tuple[asyncio.Handle, Callable[[], object]]] = []
        super().__init__(self._waiting)

    def time(self) -> float:
        """Return the loop's own time, in seconds."""
        return self._waiting.now

    @contextmanager
    def hold(self, reason: str = "hold()") -> Generator[None, None, None]:
        """Let time stand still, and really wait, until the block is left.

        Args:
            reason: What is waited for; named in the error where the block is never left.
        """
        holder = object()
        self._waiting.holds[holder] = reason
        try:
            yield
        finally:
            del self._waiting.holds[holder]

    def run_in_executor(self, executor: Any, func: Callable[[*Ts], T], *args: *Ts) -> "asyncio.Future[T]":
        """Run a function in a thread; time stands still until its result is here, or nobody wants it any more.

        Args:
            executor: As asyncio has it: None for the loop's own.
            func: The function.
            *args: Its arguments.

        Returns:
            The future of its result.
        """
        future = super().run_in_executor(executor, func, *args)
        self._waiting.holds[future] = repr(func)
        future.add_done_callback(self._waiting.holds.pop)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002  # asyncio gives it
        """Wait for the threads to end; time stands still meanwhile.

        Args:
            timeout: Seconds that never pass, because time stands still.
        """
        with self.hold("threads to end"):
            await super().shutdown_default_executor()

    def call_soon(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """Call a function in the loop's next turn; with a `shuffle_seed`, a task's step waits until it is drawn.

        Args:
            callback: The function.
            *args: Its arguments.
            context: As asyncio has it.

        Returns:
            A handle by which the call can be cancelled.
        """
        of_task = isinstance(getattr(callback, "__self__", None), asyncio.Task)
        if self._dice is None or not of_task or self.is_closed():
            return super().call_soon(callback, *args, context=context)
        context = contextvars.copy_context() if context is None else context
        handle = asyncio.Handle(callback, args, self, context)
        super_call_soon = super().call_soon
        self._held_back.append((handle, lambda: super_call_soon(callback, *args, context=context)))
        return handle

    def _release_tasks(self) -> bool:
        """Queue the tasks that became ready, in the order drawn; tell whether there were any."""
        if self._dice is None or not self._held_back:
            return False
        released, self._held_back = self._held_back, []
        self._dice.shuffle(released)
        for handle, queue in released:
            if not handle.cancelled():
                queue()
        return True


def run(main: Coroutine[Any, Any, T], *, shuffle_seed: int | None = None) -> T:
    """Run a coroutine in virtual time, as `asyncio.run` does in real time.

    Args:
        main: The coroutine.
        shuffle_seed: Run the tasks that are ready at one time in an order drawn from this seed.

    Returns:
        What the coroutine returns.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(shuffle_seed=shuffle_seed)) as runner:
        return runner.run(main)


class _JumpingSelector(selectors.DefaultSelector):
    """Waits by moving `now` on, where nothing is about to happen and nothing holds it."""

    def __init__(self, now: float, release_tasks: Callable[[], bool]) -> None:
        super().__init__()
        self.now = now
        self.holds: dict[object, str] = {}
        """Who holds the time, and why."""
        self._release_tasks = release_tasks
        self._order: dict[int, int] = {}
        """Descriptors in the order in which they were registered, which is the same in every run."""
        self._registered = 0
        self._writing: set[int] = set()
        """Descriptors that want to be written to."""
        self._blocked: set[int] = set()
        """Those of them that had their moment."""

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch a file from now on."""
        key = super().register(fileobj, events, data)
        self._registered += 1
        self._order[key.fd] = self._registered
        self._note_writing(key)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch a file for other things from now on."""
        key = super().modify(fileobj, events, data)
        self._note_writing(key)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Watch a file no more."""
        key = super().unregister(fileobj)
        del self._order[key.fd]
        self._writing.discard(key.fd)
        self._blocked.discard(key.fd)
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; if nothing is, let `timeout` seconds pass, or wait for as long as there is no timer."""
        if self._release_tasks():
            timeout = 0
        found = super().select(0)
        if not found and timeout != 0:
            found = super().select(None) if timeout is None else self._settle()
            if not found and timeout is not None:
                self.now += timeout
        if self._blocked:
            self._blocked.difference_update(key.fd for key, _ in found)
        return sorted(found, key=self._place) if len(found) > 1 else found

    def _settle(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for what is about to happen in real time."""
        if self.holds:
            return self._wait_for_threads()
        if waiting := self._writing - self._blocked:
            if found := super().select(BLOCKED_SECONDS):
                return found
            self._blocked |= waiting
        _let_deliver()
        return super().select(0)

    def _wait_for_threads(self) -> list[tuple[selectors.SelectorKey, int]]:
        if found := super().select(HOLD_SECONDS):
            return found
        raise RuntimeError(
            f"time has stood still for {HOLD_SECONDS:g} s, for {', '.join(self.holds.values())}: "
            "a thread that waits for something to happen later in this event loop waits for ever"
        )

    def _place(self, found: tuple[selectors.SelectorKey, int]) -> int:
        return self._order[found[0].fd]

    def _note_writing(self, key: selectors.SelectorKey) -> None:
        if key.events & selectors.EVENT_WRITE:
            self._writing.add(key.fd)
        else:
            self._writing.discard(key.fd)
            self._blocked.discard(key.fd)


if sys.platform == "linux":
    _let_deliver = os.sched_yield
else:

    def _let_deliver() -> None:
        time.sleep(DELIVERY_SECONDS)
