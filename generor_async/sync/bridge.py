"""Runs the calls of the blocking clients: each one runs the async call in an event loop, in a thread of its own.

The caller's thread waits for the result. Callbacks such as `on_event` and `on_progress` run in the loop's thread.
"""

import asyncio
import io
import warnings
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Coroutine, Iterable, Iterator, Mapping
from typing import Any, Final, Generic, Self, TypeVar, cast, overload

# Python loses an interrupt that comes in an import: nothing is imported later.
from generor_async.engine import assembly as _assembly  # noqa: F401 # pyright: ignore[reportUnusedImport] # as said
from generor_async.engine import client as engine
from generor_async.errors import ClientClosedError
from generor_async.rules import arguments, option_checks
from generor_async.sync.calls import BlockingCall
from generor_async.sync.registrations import ClientRegistration, Process, describe, process
from generor_async.sync.threads import run_in_thread, warn_in_running_loop

__all__ = ["Bridge", "SyncClient", "SyncProxy", "impl_of", "impls", "streamed", "wrapped"]

T = TypeVar("T")
Item = TypeVar("Item")
H_co = TypeVar("H_co", covariant=True)
O_co = TypeVar("O_co", covariant=True)
C = TypeVar("C", bound=engine.Client)


class Bridge:
    """Runs the calls of one blocking client, of its views, and of the objects that they returned."""

    def __init__(self, client: engine.Client) -> None:
        self._client = client
        self._registration: ClientRegistration | None = None
        self._entered = 0
        """Number of `with` blocks that are open."""
        self._openings = 0
        """Number of `with` blocks that were ever opened."""
        self._closed = False
        """Whether the client was entered, and its last `with` block has ended; or it is being closed."""
        self._iterators: set[AsyncIterator[Any]] = set()
        """Iterators that were left between two items."""

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the event loop, and return its result or raise its error.

        KeyboardInterrupt, or another exception of a signal handler, cancels the coroutine, waits for its end, and is
        raised with notes that say what became of the call.
        """
        call = BlockingCall(work)
        try:
            warn_in_running_loop()
            call.run(self._admit(call))
            self._unregister(call)
        except BaseException as interruption:
            self._mark_interrupted(call)
            call.stop(interruption)
            self._unregister(call)
            raise
        return call.result()

    def release(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine that releases something; nothing is left to release where the client was closed."""
        if self._current() is None:
            work.close()
        else:
            self.run(work)

    def iterate(self, source: AsyncIterator[T]) -> Iterator[T]:
        """Iterate over an async iterator. Leaving the iteration early waits for the iterator's clean-up."""
        found = self._next_item(source)
        registration = self._registration
        while found is not None:
            self._iterators.add(source)
            try:
                yield found[0]
            except GeneratorExit:
                self._close_iterator(source)
                raise
            if self._current() is not registration:  # an event loop that ends takes its iterators with it
                raise _closed("the client was closed in the middle of this iteration")
            self._iterators.discard(source)
            found = self._next_item(source)

    def enter(self) -> None:
        """Open the client, at the beginning of a `with` block."""
        with process().lock:
            self._entered += 1
            self._openings += 1
            self._closed = False

    def exit(self) -> None:
        """Close the client, at the end of its last `with` block."""
        with process().lock:
            self._entered -= 1
            last = not self._entered
        if last:
            self.close()

    def close(self, drain: float = 0.0) -> None:
        """End the calls of other threads after `drain` seconds, close the connections, and leave the event loop."""
        ours = process()
        ours.refuse_own_thread()
        for iterator in (*self._iterators,):
            self._close_iterator(iterator)
        with ours.lock:
            registration, self._registration = self._current(), None
            openings, self._closed = self._openings, True
        try:
            if registration is not None:
                registration.end(drain)
        finally:
            with ours.lock:
                if self._openings == openings:  # it was not entered meanwhile
                    self._closed = openings > 0

    def _next_item(self, source: AsyncIterator[T]) -> tuple[T] | None:
        """Return the next item in a tuple, None at the end; an interruption closes the iterator, also after an item."""
        try:
            return self.run(_next(source))
        except BaseException:
            self._iterators.add(source)
            self._close_iterator(source)
            raise

    def _close_iterator(self, source: AsyncIterator[Any]) -> None:
        """Close an iterator that is not continued."""
        if source in self._iterators:
            self._iterators.discard(source)
            if isinstance(source, AsyncGenerator) and self._current() is not None:
                self.run(source.aclose())

    def _current(self) -> ClientRegistration | None:
        """Return the client's registration; None where there is none, or it has ended or was the parent's."""
        registration = self._registration
        return (
            registration
            if registration is not None and not registration.ended and registration.process is process()
            else None
        )

    def _admit(self, call: BlockingCall[Any]) -> ClientRegistration:
        """Register a call with the event loop, which is started for the first one."""
        ours = process()
        ours.refuse_own_thread()
        with ours.lock:
            registration = self._registration
            if registration is not None and registration.process is ours and not registration.ended:
                call.registration = registration
                registration.calls.add(call)
                return registration
        if ours.over:
            raise ClientClosedError("the interpreter is ending, and the client was closed", retryable=False)
        if self._closed:
            raise _closed("the client is closed")
        # In another thread: Ctrl-C could interrupt this one, and leave a loop behind that is not stopped.
        return run_in_thread(lambda: self._open(ours, call))

    def _open(self, ours: Process, call: BlockingCall[Any]) -> ClientRegistration:
        with ours.lock:
            if call.ended:
                raise _closed("the call was interrupted")  # nobody waits for it
            registration = self._current()
            if registration is None:
                registration = self._registration = ClientRegistration(ours, self._client)
            call.registration = registration
            registration.calls.add(call)
        return registration

    @staticmethod
    def _mark_interrupted(call: BlockingCall[Any]) -> None:
        """Mark a call that was interrupted before it was registered, so that it isn't registered later."""
        with process().lock:
            if call.registration is None:
                call.ended = True

    def _unregister(self, call: BlockingCall[Any]) -> None:
        registration = call.registration
        if registration is not None:
            with registration.process.lock:
                registration.calls.discard(call)
                if registration.closing:
                    registration.process.changed.notify_all()

    def __del__(self) -> None:
        registration = self._current()
        if registration is not None:
            registration.drop()
            warnings.warn(f"unclosed {describe(self._client)}", ResourceWarning, stacklevel=2, source=self)


class SyncProxy(Generic[H_co]):
    """The blocking form of an async object, `_impl`: the generated methods run its methods in the event loop.

    Proxies of the same object are equal, such as a job and the same job when it has completed.
    """

    __slots__ = ("_bridge", "_impl")

    def __init__(self, bridge: Bridge, impl: H_co) -> None:
        self._bridge = bridge
        self._impl = impl

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._impl is self._impl

    def __hash__(self) -> int:
        return hash((type(self), id(self._impl)))

    def __repr__(self) -> str:
        text = describe(self._impl)
        return object.__repr__(self) if text.startswith("<") else text


class SyncClient(SyncProxy[C]):
    """The part of a blocking client that is not generated: how it is opened and closed."""

    __slots__ = ("__weakref__",)

    def __init__(self, impl: C) -> None:
        super().__init__(Bridge(impl), impl)

    def __repr__(self) -> str:
        # A client whose constructor raised has no _impl, and a traceback may show it.
        return super().__repr__() if hasattr(self, "_impl") else f"{type(self).__name__}(unfinished)"

    def _view(self, impl: C) -> Self:
        """Return a view of this client."""
        view = object.__new__(type(self))
        view._bridge, view._impl = self._bridge, impl
        return view

    def close(self, *, drain: float = 0.0) -> None:
        """Close the client: end the calls of other threads, close the connections, and leave the event loop.

        A client that was entered by `with` stays closed until it is entered again; for any other client, the next call
        opens new connections.

        Args:
            drain: Seconds in which calls may end by themselves. Then they end with a ClientClosedError, which names the
                job that was waited for, or with an OutcomeUnknownError, where the call may have been charged.

        Raises:
            InvalidRequestError: `drain` is not a number of seconds.
        """
        self._bridge.close(option_checks.duration(drain, "drain"))

    def __enter__(self) -> Self:
        self._bridge.enter()
        return self

    def __exit__(self, *_: object) -> None:
        self._bridge.exit()


@overload
def impl_of(given: object, name: str, proxy: type[SyncProxy[H_co]]) -> H_co: ...
@overload
def impl_of(given: object, name: str, proxy: type[SyncProxy[H_co]], other: type[SyncProxy[O_co]]) -> H_co | O_co: ...
def impl_of(given: object, name: str, proxy: type[SyncProxy[Any]], other: type[SyncProxy[Any]] | None = None) -> Any:
    """Return the async object of an argument; raises InvalidRequestError for anything but a proxy of these classes."""
    proxies = (proxy,) if other is None else (proxy, other)
    option_checks.one_of(given, name, proxies, "Give one of the blocking clients, or what one of them returned")
    return cast("SyncProxy[Any]", given)._impl  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here


def impls(given: object, name: str, proxy: type[SyncProxy[H_co]]) -> list[H_co]:
    """Return the async objects of a list of proxies; raises InvalidRequestError."""
    if not isinstance(given, Iterable):
        raise arguments.type_error(name, f"a list of {proxy.__name__}s", given)
    return [impl_of(each, name, proxy) for each in cast("Iterable[object]", given)]


def wrapped(function: object, name: str, wrapper: T) -> T:
    """Return a wrapper of an argument that is a function; raises InvalidRequestError for anything else."""
    option_checks.function(function, name)
    return wrapper


_WHOLE: Final = (str, bytes, bytearray, memoryview, Mapping, io.TextIOBase)
"""Iterables that are passed on as they are; so are DataFrames, which have `to_dict`."""


def streamed(source: T | Iterable[Item]) -> T | AsyncIterable[Item]:
    """Return an iterable as an async one, whose items are taken in a thread; anything else as it is."""
    given: Any = source
    if isinstance(given, Iterable) and not isinstance(given, _WHOLE) and not hasattr(source, "to_dict"):
        items = cast("Iterable[Item]", given)
        return _drawn(items) if isinstance(items, Iterator) else _Reiterable(items)
    return cast("T", source)


class _Reiterable(AsyncIterable[Item]):
    """An iterable that can be iterated more than once, such as a list."""

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
