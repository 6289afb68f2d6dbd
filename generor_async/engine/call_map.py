"""Makes a paid call for each of many requests, and yields the outcomes: the `map` of both clients.

One task reads a request when there is room for another call, and starts the call as a task of its own. A call takes
room until the consumer comes back for the next outcome: one that stops holds back everything, and after a `break` no
call has just started. Calls go through the client's queue at bulk priority, where those that users wait for pass them.

When the consumer leaves or is cancelled, the calls are cancelled and waited for. What they were paid for is named, by
a note of the consumer's exception or, where the consumer has left by `break`, by a warning in the log.
"""

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Generic, TypeVar

from attrs import evolve, frozen

from generor_async.engine.options import Options
from generor_async.errors import ClientClosedError, GenerorAsyncError, InvalidRequestError
from generor_async.rules import arguments, option_checks
from generor_async.rules.failure_cost import failure_cost
from generor_async.rules.http_types import Endpoint, Operation
from generor_async.rules.misspellings import closest_name

__all__ = ["CallMap", "MapOutcome", "MappedCall", "in_bulk"]

R = TypeVar("R")

logger = logging.getLogger("generor_async")

_END: Final = object()
_NO_REQUESTS: Final[tuple[type[Any], ...]] = (str, bytes, Mapping)
"""Iterables that are a single request, or none."""


@frozen(kw_only=True)
class MapOutcome(Generic[R]):
    """What came of one request of a `map`: its `result`, or its `error`."""

    request: Any
    """The request, as it was given."""
    result: R | None = None
    """The result; None if the call failed."""
    error: GenerorAsyncError | None = None
    """Why there is no result; it names the job or creation that is known."""
    cost: float | None
    """What the call likely cost, in credits: 0 if it was refused or not sent; None if not known.

    Generor's is the charge that the answer names, Luma's that of the vendor's price lists. A failed job counts as
    well; `error.refunded` tells whether the vendor's FAQ promises a refund.
    """


@frozen(kw_only=True)
class MappedCall(Generic[R]):
    """The call that is made for each request."""

    endpoint: Endpoint[Any]
    build: Callable[..., Operation[Any]]
    """Builds its operation from parameters."""
    send: Callable[[Operation[Any]], Awaitable[R]]
    cost: Callable[[Operation[Any], R | None], float | None]
    """Returns what a call that took effect costs, in credits; it has no result if it failed later."""
    ids: Callable[[R], str]
    """Returns how to name a result in a message, such as `job 7`."""

    async def outcome(self, request: object) -> MapOutcome[R]:
        """Make the call for one request, and return its outcome."""
        price: float | None = None
        try:
            operation = self._operation_of(request)
            price = self.cost(operation, None)
            result = await self.send(operation)
        except GenerorAsyncError as error:
            return MapOutcome(request=request, error=error, cost=failure_cost(error, price))
        return MapOutcome(request=request, result=result, cost=self.cost(operation, result))

    def _operation_of(self, request: object) -> Operation[Any]:
        """Return the operation of a request; raise InvalidRequestError."""
        if isinstance(request, Operation):
            endpoint: Endpoint[Any] = request.endpoint  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] # of whatever it returns
            if endpoint.name != self.endpoint.name:
                problem = (
                    f"the request is an operation {endpoint.name}, and this map makes calls of {self.endpoint.name}"
                )
                raise InvalidRequestError("request", problem, advice="Send it with client.send")
            return request  # pyright: ignore[reportUnknownVariableType] # the same
        given = dict(arguments.mapping(request, "request"))
        self._check_names(given)
        return self.build(**given)

    def _check_names(self, given: Mapping[str, Any]) -> None:
        """Raise InvalidRequestError for a parameter that is missing or doesn't exist."""
        known = inspect.signature(self.build).parameters
        for name in given:
            if name not in known:
                close = closest_name(name, known.keys())
                advice = f"Write {close}" if close else "Remove it"
                problem = f"{name} is no parameter of {self.endpoint.name}"
                raise InvalidRequestError(name, problem, advice=advice)
        for name, parameter in known.items():
            if parameter.default is parameter.empty and name not in given:
                problem = f"the request lacks {name}"
                raise InvalidRequestError(name, problem, advice=f"{self.endpoint.name} needs it")


def in_bulk(options: Options) -> Options:
    """Return options at bulk priority; a view that the caller has made interactive stays so."""
    return evolve(options, priority="bulk") if options.priority == "normal" else options


class CallMap(Generic[R]):
    """One iteration over the outcomes of many requests."""

    def __init__(self, call: MappedCall[R], requests: object, *, ordered: object, concurrency: object) -> None:
        given = requests
        if isinstance(requests, _NO_REQUESTS) or not isinstance(requests, Iterable | AsyncIterable):
            instead = "Write [request], with brackets around it"
            raise arguments.type_error("requests", "a list or an (async) iterator of requests", given, instead)
        self._ordered = arguments.boolean(ordered, "ordered")
        self._concurrency = option_checks.count(concurrency, "concurrency", least=1, of="calls")
        self._call = call
        self._requests: Iterable[Any] | AsyncIterable[Any] = requests
        self._calls: dict[asyncio.Task[MapOutcome[R]], bool] = {}
        """The calls whose outcomes haven't been taken, in the order of their requests, and whether they have ended."""
        self._ended: deque[asyncio.Task[MapOutcome[R]]] = deque()
        """Those of them that have ended, in that order; not used if `ordered`."""
        self._ready = asyncio.Event()
        """Set when there may be an outcome to take, or when no more will come."""
        self._room = asyncio.Event()
        """Set when the consumer comes back for another outcome."""
        self._in_hand = 0
        """1 while the consumer has an outcome and may leave: a call that then started would be cut off by a `break`."""
        self._failure: BaseException | None = None
        """Why no more requests are read."""
        self._cancelled_notes = list[str]()
        """What calls that were cancelled have said of their requests and jobs."""

    async def outcomes(self) -> AsyncGenerator[MapOutcome[R], None]:
        """Make the calls, and yield their outcomes."""
        self._reading = reading = asyncio.create_task(self._read_all())
        reading.add_done_callback(self._reading_ended)
        try:
            while self._calls or not reading.done():
                self._ready.clear()
                while (ended := self._pop_ended()) is not None:
                    yield ended.result()
                    self._in_hand = 0
                    self._room.set()
                if self._calls or not reading.done():
                    await self._ready.wait()
        except BaseException as error:
            cancelled = await self._stop()
            self._name_untaken(cancelled or error)
            if cancelled is not None:
                raise cancelled from error
            raise
        if self._failure is not None:
            raise self._failure
        reading.result()

    async def _read_all(self) -> None:
        """Read requests as there is room for them, and start their calls."""
        requests = self._requests
        source: Any = aiter(requests) if isinstance(requests, AsyncIterable) else iter(requests)
        while True:
            while len(self._calls) + self._in_hand >= self._concurrency:
                self._room.clear()
                await self._room.wait()
            request = await anext(source, _END) if isinstance(requests, AsyncIterable) else next(source, _END)
            if request is _END or self._failure is not None:
                return
            task = asyncio.create_task(self._perform(request))
            self._calls[task] = False
            task.add_done_callback(self._call_ended)

    def _reading_ended(self, reading: "asyncio.Task[None]") -> None:
        if not reading.cancelled():
            reading.exception()  # it is raised after the outcomes, if it is raised
        self._ready.set()

    async def _perform(self, request: object) -> MapOutcome[R]:
        try:
            return await self._call.outcome(request)
        except asyncio.CancelledError as error:
            self._cancelled_notes += getattr(error, "__notes__", ())
            raise

    def _call_ended(self, task: "asyncio.Task[MapOutcome[R]]") -> None:
        """Note the end of a call; after a closed client, or an error of no call's own, no more requests are read."""
        self._calls[task] = True
        if not self._ordered:
            self._ended.append(task)
        self._ready.set()
        failure: BaseException | None = asyncio.CancelledError() if task.cancelled() else task.exception()
        if failure is None and _is_closed(task.result().error):
            failure = ClientClosedError(
                f"{self._call.endpoint.name}: the client was closed, and no more requests were read", retryable=False
            )
        if failure is not None and self._failure is None:
            self._failure = failure
            self._reading.cancel()

    def _pop_ended(self) -> "asyncio.Task[MapOutcome[R]] | None":
        """Remove and return the next call that has an outcome; None if there is none yet."""
        while self._calls:
            task = next(iter(self._calls))
            if self._ordered and not self._calls[task]:
                return None
            if not self._ordered:
                if not self._ended:
                    return None
                task = self._ended.popleft()
            del self._calls[task]
            self._in_hand = 1
            if not task.cancelled() and task.exception() is None:
                return task
        return None

    async def _stop(self) -> asyncio.CancelledError | None:
        """Cancel the reading and all calls, and wait for their ends; return the cancellation of this wait, if any."""
        tasks: set[asyncio.Task[Any]] = {self._reading, *self._calls}
        for task in tasks:
            task.cancel()
        cancelled: asyncio.CancelledError | None = None
        while not all(task.done() for task in tasks):
            try:
                await asyncio.wait(tasks)
            except asyncio.CancelledError as error:
                cancelled = error
        return cancelled

    def _name_untaken(self, ended_by: BaseException) -> None:
        """Add notes to what has ended the iteration; nobody sees those of a consumer that has just left."""
        notes = list(self._untaken_notes())
        for note in notes:
            ended_by.add_note(note)
        if notes and isinstance(ended_by, GeneratorExit):
            logger.warning("a map of %s was left early: %s", self._call.endpoint.name, "; ".join(notes))

    def _untaken_notes(self) -> Iterator[str]:
        """Yield what was paid for, or may have been, and whose outcome nobody has taken."""
        yield from self._cancelled_notes
        for task in self._calls:
            if task.cancelled() or task.exception() is not None:
                continue
            outcome = task.result()
            if outcome.result is not None:
                yield f"{self._call.ids(outcome.result)} is complete, and its outcome was not taken"
            elif outcome.cost != 0:
                yield f"an outcome was not taken: {outcome.error}"


def _is_closed(error: GenerorAsyncError | None) -> bool:
    """Tell whether a call ended because its client was closed."""
    return error is not None and any(isinstance(each, ClientClosedError) for each in (error, error.__cause__))
