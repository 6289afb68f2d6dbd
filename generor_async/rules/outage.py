"""Decides which calls may be sent during an outage of the API, a state that all calls of a client share.

Luma's documented 502 and 503 say that the request had no effect and may be sent again later. If a hundred calls found
that out one by one, each on its own backoff, they would use up their retries. So one call probes the API on the
backoff, and the others wait without spending attempts; a second one probes when the first gets no response.

After a success, concurrency grows by two for each further success (two calls, then four, then eight), until the API
counts as healthy. If calls succeed between the failures there is no outage, and only the concurrency is halved.
"""

import math
from typing import Any, Final

from attrs import define, field

from generor_async.rules.http_types import Form
from generor_async.rules.retry import outage_delay
from generor_async.rules.wait import Wait
from generor_async.rules.weights import DEFAULT_TYPE, RequestType
from generor_async.values import JSON, is_array, is_object

__all__ = ["Outage", "OutageTicket", "has_url_references"]

HEALTHY_CONCURRENCY: Final = 100
"""Concurrency from which on the API counts as healthy: a client has as many connections."""
OUTAGE_FAILURES: Final = 5
"""Failures in a row that show an outage although other calls have just succeeded."""
LONGEST_OUTAGE_WAIT: Final = 60.0
"""Longest Retry-After that is obeyed, in seconds: it is about a failure, not a limit, so a call probes sooner."""
CALM_SECONDS: Final = 60.0
"""Seconds without a failure after which the outage is over as well."""
SECOND_PROBE_SECONDS: Final = 10.0
"""Seconds without a response after which a second call probes."""


@define(eq=False)
class OutageTicket:
    """The permission of one call to be sent during an outage or recovery."""


@define
class Outage:
    """The state of an API: healthy, unavailable, or recovering."""

    healthy: bool = field(default=True, init=False)
    _room: int = field(default=1, init=False)
    """How many calls may be under way."""
    _under_way: int = field(default=0, init=False)
    _blocked_until: float = field(default=-math.inf, init=False)
    """When the next call may probe."""
    _admitted_at: float = field(default=-math.inf, init=False)
    """When a call was last admitted."""
    _failures: int = field(default=0, init=False)
    """Number of failed probes."""
    _failed_at: float = field(default=-math.inf, init=False)
    """Time of the last failure."""
    _has_succeeded: bool = field(default=False, init=False)
    """Whether a call has succeeded since the outage began."""
    _failures_in_row: int = field(default=0, init=False)
    """Failures since then without a success in between."""

    def reserve(
        self,
        now: float,
        *,
        smooth: bool = False,  # noqa: ARG002 - all calls are alike here
        request_type: RequestType = DEFAULT_TYPE,  # noqa: ARG002 - likewise
    ) -> OutageTicket | Wait:
        """Admit a call, or return until when it has to wait."""
        if now >= max(self._failed_at, self._blocked_until) + CALM_SECONDS:
            self.healthy, self._failures = True, 0
        if not self.healthy and now < self._blocked_until:
            return Wait(self._blocked_until, "outage")
        if not self.healthy and self._under_way >= self._room and now < self._admitted_at + SECOND_PROBE_SECONDS:
            return Wait(self._admitted_at + SECOND_PROBE_SECONDS, "outage", sooner=True)
        self._under_way += 1
        self._admitted_at = now
        return OutageTicket()

    def give_back(self, permit: OutageTicket) -> None:  # noqa: ARG002 - all are alike
        """Return a ticket: its call has ended, or was never sent."""
        self._under_way -= 1

    def record_failure(self, began: float, now: float, status: int, *, told: float | None, draw: float) -> None:
        """Record that a call which was sent at `began` met the outage; no other asks before the backoff is over.

        `told` is the Retry-After in seconds; `draw` is a random number in [0, 1).
        """
        if began < self._failed_at:  # it was under way when the API went away
            return
        self._failed_at = now
        self._failures_in_row += 1
        if (
            self._has_succeeded and self._failures_in_row < OUTAGE_FAILURES
        ):  # it answers some: a reason to send less at once, and no outage
            self.healthy, self._room = False, max(1, self._room // 2)
            return
        self._has_succeeded = False
        told = None if told is None else min(told, LONGEST_OUTAGE_WAIT)
        self.healthy = False
        self._blocked_until = now + outage_delay(status, told, self._failures, draw)
        self._room, self._failures = 1, self._failures + 1

    def record_success(self, began: float) -> None:
        """Record that a call which was sent at `began` succeeded; one from before the outage is ignored."""
        if began < self._failed_at:
            return
        self._has_succeeded, self._failures_in_row = True, 0
        if self.healthy:
            return
        self._room, self._failures, self._blocked_until = self._room + 1, 0, -math.inf
        if self._room > HEALTHY_CONCURRENCY:
            self.healthy = True


def has_url_references(body: JSON | Form) -> bool:
    """Tell whether a request refers to media by URL, which the API fetches by a service of its own."""
    pending: list[Any] = [body]
    while pending:
        value = pending.pop()
        if is_object(value):
            if isinstance(value.get("url"), str):
                return True
            pending += value.values()
        elif is_array(value):
            pending += value
    return False
