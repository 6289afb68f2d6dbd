"""Passes events to the caller's `on_event` and to the logger `generor_async`."""

import logging
import re
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Final, TypeVar

from generor_async.rules.holds import Hold
from generor_async.values import Event, RetryScheduled, Throttled
from generor_async.values.shapes import Problems

__all__ = ["EventStream", "check_not_awaitable"]

E = TypeVar("E", bound=Event)

logger = logging.getLogger("generor_async")

PATHS_REMEMBERED: Final = 1_000
"""Number of fields of answers that are warned of at most."""
_INDEX: Final = re.compile(r"\[\d+\]")


class EventStream:
    """Passes events to the callback and to the log; it costs nothing when neither listens."""

    __slots__ = ("_on_event", "_warned")

    def __init__(self, on_event: Callable[[Event], object] | None) -> None:
        self._on_event = on_event
        self._warned = set[tuple[str, str]]()
        """The fields of answers that were warned of."""

    @property
    def listening(self) -> bool:
        """Whether events of attempts are needed."""
        return self._on_event is not None or logger.isEnabledFor(logging.DEBUG)

    @property
    def listens_to_waits(self) -> bool:
        """Whether events of waits are needed: the log has them from INFO on."""
        return self._on_event is not None or logger.isEnabledFor(logging.INFO)

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
        """Pass on one event. An error of the callback is logged, and doesn't end a paid call."""
        level = logging.INFO if isinstance(event, RetryScheduled | Throttled) else logging.DEBUG
        logger.log(level, "%s", event)
        for name, told in (("on_event", self._on_event), ("on_progress", on_progress)):
            if told is not None:
                try:
                    check_not_awaitable(told(event))
                except Exception:
                    logger.exception("%s failed for %s", name, type(event).__name__)


def check_not_awaitable(result: object) -> None:
    """Raise TypeError where a callback returned a coroutine, which nobody would await."""
    if isinstance(result, Coroutine):
        result.close()
        raise TypeError("it returned a coroutine, which nobody awaits: hand that to asyncio.create_task in it")
