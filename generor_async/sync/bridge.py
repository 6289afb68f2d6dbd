"""The way from the blocking clients to the async ones, whose halves they are: what is generated goes over it.

Each call is carried out in one event loop, in a thread of its own, and the caller waits. Callbacks such as `on_event`
and `on_progress` run in that thread.
"""

import asyncio
import io
import warnings
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Coroutine, Iterable, Iterator, Mapping
from typing import Any, Final, Generic, Self, TypeVar, cast, overload

from generor_async.engine import client as engine
from generor_async.errors import ClientClosedError
from generor_async.rules import arguments
from generor_async.sync.calls import Call
from generor_async.sync.leases import Lease, Process, process, shown
from generor_async.sync.threads import aside, warn_of_a_running_loop

__all__ = ["Bridge", "Client", "Twin", "half_of", "halves", "streamed", "wrapped"]

T = TypeVar("T")
Item = TypeVar("Item")
H_co = TypeVar("H_co", covariant=True)
O_co = TypeVar("O_co", covariant=True)
C = TypeVar("C", bound=engine.Client)


class Bridge:
    """What a blocking client, its views and all that came from them share."""

    def __init__(self, client: engine.Client) -> None:
        self._client = client
        self._lease: Lease | None = None
        self._entered = 0
        """How many `with` are open."""
        self._openings = 0
        """How many there have been."""
        self._closed = False
        """Whether it was entered, and the last `with` has ended; or it is being closed."""
        self._walks: set[AsyncIterator[Any]] = set()
        """Iterations that are between two items."""

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Carry out `work` in the event loop, and return or raise what came of it.

        Ctrl-C, or whatever else a signal's handler raises, cancels the work, waits for that to end, and goes on with
        notes that say what became of it.
        """
        call = Call(work)
        try:
            warn_of_a_running_loop()
            call.carry_out(self._admit(call))
            self._dismiss(call)
        except BaseException as interruption:
            self._give_up(call)
            call.stop(interruption)
            self._dismiss(call)
            raise
        return call.result()

    def iterate(self, source: AsyncIterator[T]) -> Iterator[T]:
        """Walk an async iterator; each item is fetched when it is asked for. Leaving early waits for its clean-up."""
        found = self.run(_next(source))
        lease = self._lease
        while found is not None:
            self._walks.add(source)
            try:
                yield found[0]
            except GeneratorExit:
                self._leave(source)
                raise
            if self._current() is not lease:  # an event loop that ends takes its iterators with it
                raise _closed("the client was closed in the middle of this iteration")
            self._walks.discard(source)
            found = self.run(_next(source))

    def enter(self) -> None:
        """Open the client, at the beginning of a `with`."""
        with process().lock:
            self._entered += 1
            self._openings += 1
            self._closed = False

    def exit(self) -> None:
        """Close the client at the end of its last `with`."""
        with process().lock:
            self._entered -= 1
            last = not self._entered
        if last:
            self.close()

    def close(self, drain: float = 0.0) -> None:
        """End the calls that other threads have under way, close the connections, and leave the loop."""
        ours = process()
        ours.refuse_own_thread()
        for walk in (*self._walks,):
            self._leave(walk)
        with ours.lock:
            lease, self._lease = self._current(), None
            openings, self._closed = self._openings, True
        try:
            if lease is not None:
                lease.end(drain)
        finally:
            with ours.lock:
                if self._openings == openings:  # it was not entered meanwhile
                    self._closed = openings > 0

    def _leave(self, source: AsyncIterator[Any]) -> None:
        """Have an iteration end in good order that nobody goes on with."""
        if source in self._walks:
            self._walks.discard(source)
            if isinstance(source, AsyncGenerator) and self._current() is not None:
                self.run(source.aclose())

    def _current(self) -> Lease | None:
        """Return the lease that calls go over; None where there is none, or where it ended or was the parent's."""
        lease = self._lease
        return lease if lease is not None and not lease.ended and lease.process is process() else None

    def _admit(self, call: Call[Any]) -> Lease:
        """Let a call into the event loop, which is started for the first one."""
        ours = process()
        ours.refuse_own_thread()
        with ours.lock:
            lease = self._lease
            if lease is not None and lease.process is ours and not lease.ended:
                call.lease = lease
                lease.calls.add(call)
                return lease
        if ours.over:
            raise ClientClosedError("the interpreter is ending, and the client was closed", retryable=False)
        if self._closed:
            raise _closed("the client is closed")
        # Not in this thread: Ctrl-C might come in the middle, and leave half a loop that nobody ends.
        return aside(lambda: self._open(ours, call))

    def _open(self, ours: Process, call: Call[Any]) -> Lease:
        with ours.lock:
            if call.ended:
                raise _closed("the call was given up")  # nobody hears it
            lease = self._current()
            if lease is None:
                lease = self._lease = Lease(ours, self._client)
            call.lease = lease
            lease.calls.add(call)
        return lease

    @staticmethod
    def _give_up(call: Call[Any]) -> None:
        """See to it that a call which has not been let in is not let in any more."""
        with process().lock:
            if call.lease is None:
                call.ended = True

    def _dismiss(self, call: Call[Any]) -> None:
        lease = call.lease
        if lease is not None:
            with lease.process.lock:
                lease.calls.discard(call)
                if lease.closing:
                    lease.process.changed.notify_all()

    def __del__(self) -> None:
        lease = self._current()
        if lease is not None:
            lease.drop()
            warnings.warn(f"unclosed {shown(self._client)}", ResourceWarning, stacklevel=2, source=self)


class Twin(Generic[H_co]):
    """The blocking form of an async object: what is generated hands each call on to that half.

    Twins of one half are equal: a job that comes back as completed is the one that was handed in.
    """

    __slots__ = ("_bridge", "_half")

    def __init__(self, bridge: Bridge, half: H_co) -> None:
        self._bridge = bridge
        self._half = half

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._half is self._half

    def __hash__(self) -> int:
        return hash((type(self), id(self._half)))

    def __repr__(self) -> str:
        text = shown(self._half)
        return object.__repr__(self) if text.startswith("<") else text


class Client(Twin[C]):
    """What is not generated of a blocking client: how it begins and ends."""

    __slots__ = ("__weakref__",)

    def __init__(self, half: C) -> None:
        super().__init__(Bridge(half), half)

    def __repr__(self) -> str:
        # A client that was refused in the making has no half yet, and tracebacks may show it.
        return super().__repr__() if hasattr(self, "_half") else f"{type(self).__name__}(unfinished)"

    def _view(self, half: C) -> Self:
        """Return another view of this client."""
        view = object.__new__(type(self))
        view._bridge, view._half = self._bridge, half
        return view

    def close(self, *, drain: float = 0.0) -> None:
        """End the calls that other threads have under way, close the connections, and leave the event loop.

        What can end within `drain` seconds ends. The rest is cut off with a ClientClosedError, which names the job
        that was waited for, or an OutcomeUnknownError, where a call may have been charged that left already. A client
        that was entered by `with` stays closed until it is entered again; for any other, the next call opens new
        connections.
        """
        self._bridge.close(arguments.duration(drain, "drain"))

    def __enter__(self) -> Self:
        self._bridge.enter()
        return self

    def __exit__(self, *_: object) -> None:
        self._bridge.exit()


@overload
def half_of(given: object, name: str, twin: type[Twin[H_co]]) -> H_co: ...
@overload
def half_of(given: object, name: str, twin: type[Twin[H_co]], other: type[Twin[O_co]]) -> H_co | O_co: ...
def half_of(given: object, name: str, twin: type[Twin[Any]], other: type[Twin[Any]] | None = None) -> Any:
    """Return the half of an argument; raises InvalidRequestError for what is no twin of those classes."""
    twins = (twin,) if other is None else (twin, other)
    arguments.one_of(given, name, twins, "Give one of the blocking clients, or what one of them returned")
    return cast("Twin[Any]", given)._half  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here


def halves(given: object, name: str, twin: type[Twin[H_co]]) -> list[H_co]:
    """Return the halves of several; raises InvalidRequestError."""
    if not isinstance(given, Iterable):
        raise arguments.refused(name, f"a list of {twin.__name__}s", given)
    return [half_of(each, name, twin) for each in cast("Iterable[object]", given)]


def wrapped(function: object, name: str, wrapper: T) -> T:
    """Return what is called in the place of an argument; raises InvalidRequestError where that can't be called."""
    arguments.function(function, name)
    return wrapper


_WHOLE: Final = (str, bytes, bytearray, memoryview, Mapping, io.TextIOBase)
"""What is taken as it is, though it can be iterated; so is a table of another library, which has `to_dict`."""


def streamed(source: T | Iterable[Item]) -> T | AsyncIterable[Item]:
    """Return an iterable as the async half takes it, its items drawn in a thread; anything else as it is."""
    given: Any = source
    if isinstance(given, Iterable) and not isinstance(given, _WHOLE) and not hasattr(source, "to_dict"):
        items = cast("Iterable[Item]", given)
        return _drawn(items) if isinstance(items, Iterator) else _Again(items)
    return cast("T", source)


class _Again(AsyncIterable[Item]):
    """What can be iterated more than once, such as a list."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = items

    def __aiter__(self) -> AsyncIterator[Item]:
        return _drawn(iter(self._items))


async def _drawn(items: Iterator[Item]) -> AsyncIterator[Item]:
    end = object()
    while (item := await asyncio.to_thread(next, items, end)) is not end:
        yield cast("Item", item)


async def _next(source: AsyncIterator[T]) -> tuple[T] | None:
    """Return the next item in a tuple; None at the end."""
    async for item in source:
        return (item,)
    return None


def _closed(what: str) -> ClientClosedError:
    return ClientClosedError(what, advice="Enter it again, by `with`, to open it again", retryable=False)
