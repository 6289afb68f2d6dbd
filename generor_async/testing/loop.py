"""An event loop with virtual time: when nothing is ready, it jumps to the next timer instead of waiting.

asyncio waits in one place, its selector, so that makes the jump: instead of waiting in `select`, it advances the time.
Everything else is asyncio's own, and the sockets are real.

The time must not jump while bytes are on their way from one socket to another. Linux delivers a segment within the call
that sends it, so a second `select` is enough; on other systems the loop waits for a moment. It also waits for a moment,
once, for a socket whose receiver has no room.

`looptime` can drive real sockets as well, with 42 empty turns of the loop before each jump, which is five times as slow
over a day of jobs. It lets time pass while a thread works, so that the order of events depends on the machine, and it
doesn't shuffle.
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
"""Real seconds before the second `select`, on systems that deliver later."""
BLOCKED_SECONDS = 0.25
"""Real seconds for a reader to make room; longer than TCP's own timers for it."""
HOLD_SECONDS = 60.0
"""Real seconds after which time that is held, while timers wait, counts as a deadlock."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop in which time passes without waiting.

    `time()` begins at `start`. When nothing is ready, it jumps to the next timer. While a thread of `run_in_executor`
    or `asyncio.to_thread` works, it stands still. Use `with loop.hold():` to wait for anything else that the loop
    doesn't know, such as another process or a thread of your own.

    Code that reads the machine's clock sees no time pass, such as aiohttp's timeout of idle connections.

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
        """Stop virtual time, and wait in real time, until the end of the block.

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
        """Run a function in a thread; time stands still until its result is available, or its future is cancelled.

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
        """Queue the tasks that became ready, in random order; return whether there were any."""
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
    """A selector that advances `now` instead of waiting, unless something is about to happen or time is held."""

    def __init__(self, now: float, release_tasks: Callable[[], bool]) -> None:
        super().__init__()
        self.now = now
        self.holds: dict[object, str] = {}
        """The holders of the time, with their reasons."""
        self._release_tasks = release_tasks
        self._order: dict[int, int] = {}
        """Order of registration by descriptor; it is the same in every run."""
        self._registered = 0
        self._writing: set[int] = set()
        """Descriptors that wait for writing."""
        self._blocked: set[int] = set()
        """Descriptors for which the loop has waited a moment."""

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Register a file."""
        key = super().register(fileobj, events, data)
        self._registered += 1
        self._order[key.fd] = self._registered
        self._note_writing(key)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Change the events of a file."""
        key = super().modify(fileobj, events, data)
        self._note_writing(key)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Unregister a file."""
        key = super().unregister(fileobj)
        del self._order[key.fd]
        self._writing.discard(key.fd)
        self._blocked.discard(key.fd)
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return ready files; if there are none, advance the time by `timeout`, or wait if there is no timer."""
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
