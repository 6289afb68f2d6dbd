"""Where events go: the caller's `on_event`, and the standard logger `generor_async`."""

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

PATHS_TOLD: Final = 1_000
"""How many odd places of answers are told at most: a server may name each of its fields otherwise."""
_INDEX: Final = re.compile(r"\[\d+\]")


class EventStream:
    """Tells every event to the callable and to the log; costs nothing when nobody listens."""

    __slots__ = ("_on_event", "_told")

    def __init__(self, on_event: Callable[[Event], object] | None) -> None:
        self._on_event = on_event
        self._told = set[tuple[str, str]]()
        """Where answers were odd, as far as the log has been told."""

    @property
    def listening(self) -> bool:
        """Whether the events of every attempt are worth making."""
        return self._on_event is not None or logger.isEnabledFor(logging.DEBUG)

    @property
    def hears_of_waits(self) -> bool:
        """Whether the events of waits are worth making: the log has them from INFO on."""
        return self._on_event is not None or logger.isEnabledFor(logging.INFO)

    @staticmethod
    def warn(hold: Hold, seconds: float, until: float) -> None:
        """Warn in the log of a hold that lasts long; `until` is Unix seconds."""
        what = {"abuse": "all calls of the key", "jobs": "calls that submit jobs"}.get(hold.scope, "calls")
        when = datetime.fromtimestamp(until, UTC).isoformat(sep=" ", timespec="seconds")
        logger.warning("%s wait for %.0f s, until %s: the API said %r", what, seconds, when, hold.reason)

    def warn_odd(self, operation: str, problems: Problems) -> None:
        """Warn in the log of what is odd in an answer, once for each place of it: all items of a list are one."""
        for problem in problems:
            place = operation, _INDEX.sub("[]", problem.path)
            if place not in self._told and len(self._told) < PATHS_TOLD:
                self._told.add(place)
                logger.warning("%s: the answer is odd at %s: %s", operation, problem.path, problem.problem)

    def emit(self, event: E, on_progress: Callable[[E], object] | None = None) -> None:
        """Tell one event. A callable that fails is logged, and costs nobody a paid result."""
        level = logging.INFO if isinstance(event, RetryScheduled | Throttled) else logging.DEBUG
        logger.log(level, "%s", event)
        for name, told in (("on_event", self._on_event), ("on_progress", on_progress)):
            if told is not None:
                try:
                    check_not_awaitable(told(event))
                except Exception:
                    logger.exception("%s failed for %s", name, type(event).__name__)


def check_not_awaitable(result: object) -> None:
    """Raise TypeError where a callable that is told of things returns a coroutine, which nobody would await."""
    if isinstance(result, Coroutine):
        result.close()
        raise TypeError("it returned a coroutine, which nobody awaits: hand that to asyncio.create_task in it")
