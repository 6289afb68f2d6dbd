"""An outage of the API is one state for all calls of a client: this decides who may still send, and when.

Luma's documented 502 and 503 say that the request had no effect and may be sent again later. A hundred calls that all
find that out by themselves, each on its own backoff, use up their retries while the API is away. So one call asks
again, on the backoff, and the others wait without spending attempts; another asks as well where that one gets no
answer. Where some are answered well in between, it is
not away: then fewer are sent at once. When one is answered well, they leave at twice
the pace of the successes: two are under way, then four, then eight, until the API is taken to be well again.
"""

import math
from typing import Any, Final

from attrs import define, field

from generor_async.rules.retry import busy_delay
from generor_async.rules.wait import Wait
from generor_async.rules.weights import PLAIN, Kind
from generor_async.rules.wire import Form
from generor_async.values import JSON, is_array, is_object

__all__ = ["Outage", "Ticket", "names_urls"]

WELL_AGAIN: Final = 100
"""How many calls may be under way when the API is taken to be well again: as many as a client has connections."""
ENOUGH: Final = 5
"""How many failures in a row show that an API is away that has just answered others."""
LONGEST_TOLD: Final = 60.0
"""Seconds of a Retry-After after which somebody asks all the same: it speaks of a failure, and not of a limit."""
CALM: Final = 60.0
"""Seconds without a failure after which it is as well."""
UNANSWERED: Final = 10.0
"""Seconds without an answer after which another call asks as well: one that hangs holds up nobody else."""


@define(eq=False)
class Ticket:
    """A call that was let go while the API was not known to be well."""


@define
class Outage:
    """One state of an API: well, or away, or coming back."""

    well: bool = field(default=True, init=False)
    _room: int = field(default=1, init=False)
    """How many calls may be under way."""
    _under_way: int = field(default=0, init=False)
    _until: float = field(default=-math.inf, init=False)
    """When the next call may ask."""
    _let_go: float = field(default=-math.inf, init=False)
    """When a call was last let go."""
    _failures: int = field(default=0, init=False)
    """How often it was asked in vain."""
    _failed: float = field(default=-math.inf, init=False)
    """When it was last found away."""
    _answers: bool = field(default=False, init=False)
    """Whether a call was answered well since the API was last taken to be away."""
    _in_row: int = field(default=0, init=False)
    """How many failures have come since then without a good answer between them."""

    def reserve(self, now: float, *, smooth: bool = False, kind: Kind = PLAIN) -> Ticket | Wait:  # noqa: ARG002 - all are alike here
        """Let a call go, or say until when it has to wait."""
        if now >= max(self._failed, self._until) + CALM:
            self.well, self._failures = True, 0
        if not self.well and now < self._until:
            return Wait(self._until, "outage")
        if not self.well and self._under_way >= self._room and now < self._let_go + UNANSWERED:
            return Wait(self._let_go + UNANSWERED, "outage", sooner=True)
        self._under_way += 1
        self._let_go = now
        return Ticket()

    def dropped(self, permit: Ticket) -> None:  # noqa: ARG002 - all are alike
        """Take back a ticket: its call is over, or was never sent."""
        self._under_way -= 1

    def failed(self, began: float, now: float, status: int, *, told: float | None, draw: float) -> None:
        """Note that a call which was sent at `began` found the API away; nobody asks again before the backoff is over.

        `told` is the Retry-After; `draw` is a random number from 0 up to 1.
        """
        if began < self._failed:  # it was under way when the API went away
            return
        self._failed = now
        self._in_row += 1
        if self._answers and self._in_row < ENOUGH:  # it answers some: a reason to send less at once, and no outage
            self.well, self._room = False, max(1, self._room // 2)
            return
        self._answers = False
        told = None if told is None else min(told, LONGEST_TOLD)
        self.well = False
        self._until = now + busy_delay(status, told, self._failures, draw)
        self._room, self._failures = 1, self._failures + 1

    def succeeded(self, began: float) -> None:
        """Note that a call which was sent at `began` was answered well; one from before the outage says nothing."""
        if began < self._failed:
            return
        self._answers, self._in_row = True, 0
        if self.well:
            return
        self._room, self._failures, self._until = self._room + 1, 0, -math.inf
        if self._room > WELL_AGAIN:
            self.well = True


def names_urls(body: JSON | Form) -> bool:
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
