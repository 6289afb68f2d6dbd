"""Makes calls wait during an outage of the API: `rules.outage` decides, `engine.queue` waits."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from generor_async.engine.queue import Queue
from generor_async.errors import APIError, APIStatusError
from generor_async.rules.holds import LONG_HOLD
from generor_async.rules.http_types import Form
from generor_async.rules.outage import Outage, OutageTicket, has_url_references
from generor_async.rules.wait import Wait
from generor_async.values import JSON, Clock, Priority

__all__ = ["OutageGate", "OutageGates"]

logger = logging.getLogger("generor_async")


class OutageGate:
    """Admits every call while the API is available, and a few at a time during an outage."""

    def __init__(self, clock: Clock, away: "set[OutageGate]") -> None:
        self._clock = clock
        self._away = away
        """The gates with an outage; this gate adds and removes itself."""
        self.rule = Outage()
        self._lock = threading.RLock()
        self._queue: Queue[OutageTicket] = Queue(self.rule, clock, self._lock)
        self._since: float | None = None
        """When the outage began; None once it was logged."""
        self.error: APIError | None = None
        """The last error of the outage."""

    async def enter(
        self, priority: Priority, deadline: float, announce: Callable[[Wait], None], *, user: str | None = None
    ) -> OutageTicket:
        """Wait for a ticket until a deadline; raises QueueTimeoutError."""
        ticket = self._queue.enter_nowait(self._clock.monotonic(), priority)
        if self.rule.healthy:
            self._away.discard(self)
        return ticket or await self._queue.enter(priority, deadline, announce, again=False, user=user)

    def leave(self, ticket: OutageTicket) -> None:
        """Return a ticket."""
        with self._lock:
            self.rule.give_back(ticket)
            self._queue.pump(self._clock.monotonic())

    def failed(self, error: APIError, began: float, draw: float) -> None:
        """Record that a call which was sent at `began` met the outage; `draw` is a random number in [0, 1)."""
        status, told, now = 503, None, self._clock.monotonic()
        if isinstance(error, APIStatusError):
            status, told = error.status_code, error.retry_after
        with self._lock:
            if self.rule.healthy:
                self._since = now
            self.rule.record_failure(began, now, status, told=told, draw=draw)
            self.error = error
            if not self.rule.healthy:
                self._away.add(self)
            if self._since is not None and now > self._since + LONG_HOLD:
                self._since = None
                logger.warning("the API has been away for more than a minute, and calls wait for it: %s", error.message)

    def succeeded(self, began: float) -> None:
        """Record that a call which was sent at `began` succeeded."""
        with self._lock:
            self.rule.record_success(began)
            if self.rule.healthy:
                self._away.discard(self)
            self._queue.pump(self._clock.monotonic())


class OutageGates:
    """The gates of a key: one for requests that refer to media by URL, and one for all others.

    The API fetches media by a separate service, which may have an outage of its own.
    """

    def __init__(self, clock: Clock) -> None:
        self.away: set[OutageGate] = set()
        """The gates with an outage: their calls need a ticket."""
        self._plain, self._of_urls = OutageGate(clock, self.away), OutageGate(clock, self.away)

    def of(self, body: JSON | Form, extra: Any) -> OutageGate:
        """Return the gate for a request with this body."""
        return self._of_urls if has_url_references(body) or has_url_references(extra) else self._plain
