"""Passes events to subscribers, the caller's `on_event` among them, and to the logger `generor_async`."""

import logging
import re
import threading
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Final, TypeVar

from attrs import frozen

from generor_async.rules import option_checks
from generor_async.rules.holds import Hold
from generor_async.values import Event, RetryScheduled, Throttled
from generor_async.values.shapes import Problems

__all__ = ["EventStream", "Events", "check_not_awaitable"]

E = TypeVar("E", bound=Event)

logger = logging.getLogger("generor_async")

PATHS_REMEMBERED: Final = 1_000
"""Number of fields of answers that are warned of at most."""
_INDEX: Final = re.compile(r"\[\d+\]")


class Events:
    """The events of a client and of its views."""

    __slots__ = ("_lock", "_prompt_readers", "_subscribers")

    def __init__(self) -> None:
        self._subscribers: tuple[_Subscriber, ...] = ()
        """Replaced as a whole: another thread may be passing an event on."""
        self._prompt_readers: tuple[Callable[[str, str], object], ...] = ()
        """The same."""
        self._lock = threading.Lock()

    def subscribe(self, subscriber: Callable[[Event], object]) -> Callable[[], None]:
        """Pass every event to a function, from now on.

        It runs in the event loop's thread, in the context of the call. An error that it raises is logged.

        Args:
            subscriber: A plain function.

        Returns:
            A function that ends the subscription; a second call of it does nothing.

        Raises:
            InvalidRequestError: This is no plain function.
        """
        option_checks.function(subscriber, "subscriber")
        return self._add("subscriber", option_checks.listener_or_none(subscriber, "subscriber"))

    def _read_prompts(self, reader: Callable[[str, str], object]) -> Callable[[], None]:
        """Pass the call id and the prompt of each paid call to a function, after its CallStarted. No event has it."""

        def unsubscribe() -> None:
            with self._lock:
                self._prompt_readers = tuple(each for each in self._prompt_readers if each is not reader)

        with self._lock:
            self._prompt_readers = (*self._prompt_readers, reader)
        return unsubscribe

    def _add(self, name: str, function: Callable[[Event], object]) -> Callable[[], None]:
        added = _Subscriber(name, function)

        def unsubscribe() -> None:
            with self._lock:
                self._subscribers = tuple(each for each in self._subscribers if each is not added)

        with self._lock:
            self._subscribers = (*self._subscribers, added)
        return unsubscribe


class EventStream(Events):
    """Passes events to the subscribers and to the log; it costs nothing when nobody listens."""

    __slots__ = ("_warned",)

    def __init__(self, on_event: Callable[[Event], object] | None) -> None:
        super().__init__()
        if on_event is not None:
            self._add("on_event", on_event)
        self._warned = set[tuple[str, str]]()
        """The fields of answers that were warned of."""

    @property
    def listening(self) -> bool:
        """Whether events are needed."""
        return bool(self._subscribers) or logger.isEnabledFor(logging.DEBUG)

    @property
    def listens_to_waits(self) -> bool:
        """Whether events of waits are needed: the log has them from INFO on."""
        return bool(self._subscribers) or logger.isEnabledFor(logging.INFO)

    def tell_prompt(self, call_id: str, prompt: str) -> None:
        """Pass the prompt of a call to those who have asked for prompts."""
        for reader in self._prompt_readers:
            try:
                reader(call_id, prompt)
            except Exception:
                logger.exception("a reader of prompts failed")

    @staticmethod
    def warn_of_hold(hold: Hold, seconds: float, until: float) -> None:
        """Log a warning that calls are blocked for long; `until` is Unix seconds."""
        what = {"abuse": "all calls of the key", "jobs": "calls that submit jobs"}.get(hold.scope, "calls")
        when = datetime.fromtimestamp(until, UTC).isoformat(sep=" ", timespec="seconds")
        logger.warning("%s wait for %.0f s, until %s: the API said %r", what, seconds, when, hold.reason)

    def warn_of_problems(self, operation: str, problems: Problems) -> None:
        """Log a warning about fields of an answer, once for each field; the items of a list count as one."""
        for problem in problems:
            place = operation, _INDEX.sub("[]", problem.path)
            if place not in self._warned and len(self._warned) < PATHS_REMEMBERED:
                self._warned.add(place)
                logger.warning("%s: the answer is odd at %s: %s", operation, problem.path, problem.problem)

    def emit(self, event: E, on_progress: Callable[[E], object] | None = None) -> None:
        """Pass on one event. An error of a subscriber is logged, and doesn't end a paid call."""
        level = logging.INFO if isinstance(event, RetryScheduled | Throttled) else logging.DEBUG
        logger.log(level, "%s", event)
        for subscriber in self._subscribers:
            _call(subscriber.name, subscriber.function, event)
        if on_progress is not None:
            _call("on_progress", on_progress, event)


@frozen(eq=False)
class _Subscriber:
    name: str
    """Its name in the log."""
    function: Callable[[Event], object]


def _call(name: str, function: Callable[[E], object], event: E) -> None:
    try:
        check_not_awaitable(function(event))
    except Exception:
        logger.exception("%s failed for %s", name, type(event).__name__)


def check_not_awaitable(result: object) -> None:
    """Raise TypeError where a callback returned a coroutine, which nobody would await."""
    if isinstance(result, Coroutine):
        result.close()
        raise TypeError("it returned a coroutine, which nobody awaits: hand that to asyncio.create_task in it")
