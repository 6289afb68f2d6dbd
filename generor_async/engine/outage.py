"""Where calls wait while the API is away: `rules.outage` decides, `engine.queue` waits."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from generor_async.engine.queue import Queue
from generor_async.errors import APIError, APIStatusError
from generor_async.rules.holds import LONG_HOLD
from generor_async.rules.outage import Outage, Ticket, names_urls
from generor_async.rules.wait import Wait
from generor_async.rules.wire import Form
from generor_async.values import JSON, Clock, Priority

__all__ = ["Gate", "Gates"]

logger = logging.getLogger("generor_async")


class Gate:
    """Lets every call pass while the API is well, and one after the other while it isn't."""

    def __init__(self, clock: Clock, away: "set[Gate]") -> None:
        self._clock = clock
        self._away = away
        """The gates of APIs that are not known to be well; this one is put there, and taken away."""
        self.rule = Outage()
        self._lock = threading.RLock()
        self._queue: Queue[Ticket] = Queue(self.rule, clock, self._lock)
        self._since: float | None = None
        """Since when the API is away, until people are told."""
        self.error: APIError | None = None
        """What the API said when it was last found away."""

    async def enter(self, priority: Priority, patience: float, waits: Callable[[Wait], None]) -> Ticket:
        """Wait for a ticket, for `patience` seconds at most; raises OutOfTurnError."""
        ticket = self._queue.enter_nowait(self._clock.monotonic(), priority)
        if self.rule.well:
            self._away.discard(self)
        return ticket or await self._queue.enter(priority, patience, waits, again=False)

    def leave(self, ticket: Ticket) -> None:
        """Give a ticket back, whatever came of the call."""
        with self._lock:
            self.rule.dropped(ticket)
            self._queue.pump(self._clock.monotonic())

    def failed(self, error: APIError, began: float, draw: float) -> None:
        """Note that a call which was sent at `began` found the API away; `draw` is a random number from 0 up to 1."""
        status, told, now = 503, None, self._clock.monotonic()
        if isinstance(error, APIStatusError):
            status, told = error.status_code, error.retry_after
        with self._lock:
            if self.rule.well:
                self._since = now
            self.rule.failed(began, now, status, told=told, draw=draw)
            self.error = error
            if not self.rule.well:
                self._away.add(self)
            if self._since is not None and now > self._since + LONG_HOLD:
                self._since = None
                logger.warning("the API has been away for more than a minute, and calls wait for it: %s", error.message)

    def succeeded(self, began: float) -> None:
        """Note that a call which was sent at `began` was answered well."""
        with self._lock:
            self.rule.succeeded(began)
            if self.rule.well:
                self._away.discard(self)
            self._queue.pump(self._clock.monotonic())


class Gates:
    """The gates of one key: of calls that name media by URL, and of all others.

    The API fetches what is named by URL through services of their own, which have outages of their own.
    """

    def __init__(self, clock: Clock) -> None:
        self.away: set[Gate] = set()
        """Those whose calls need a ticket."""
        self._plain, self._of_urls = Gate(clock, self.away), Gate(clock, self.away)

    def of(self, body: JSON | Form, extra: Any) -> Gate:
        """Return the gate of a call by the body that it sends."""
        return self._of_urls if names_urls(body) or names_urls(extra) else self._plain
