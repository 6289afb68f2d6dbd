"""The time by which a batch dates its rows: the API's own, as its answers tell it."""

import math
from typing import Final

from generor_async.rules.headers import http_date
from generor_async.values import Clock, Model, response_to

__all__ = ["ServerClock"]

NEAR: Final = 5.0
"""Seconds by which an answer's date may be off: it is whole seconds, and some time under way."""
LEARN_EVERY: Final = 1.0
"""Seconds for which one answer's date is enough."""


class ServerClock:
    """A clock that tells the API's time, carried on from answer to answer by what nobody can set.

    What became of an unknown call is told by when it was made and when the account shows something. The machine's own
    time may be wrong, or set back in the middle of a run or between two.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.time() - clock.monotonic()
        """What the API's clock showed when the other one was at zero; the machine's, until an answer tells."""
        self._learned = -math.inf
        """When an answer told."""

    @property
    def speed(self) -> float:
        """How many of this clock's seconds pass in one real second."""
        return self._clock.speed

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        return self._clock.monotonic()

    def time(self) -> float:
        """Return the API's Unix seconds."""
        return self._began + self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait so many of this clock's seconds."""
        await self._clock.sleep(seconds)

    def learn(self, answer: Model) -> None:
        """Take note of when the API has just given an answer, if it says so."""
        now = self._clock.monotonic()
        if now < self._learned + LEARN_EVERY:
            return
        told = response_to(answer)
        date = None if told is None else http_date(told.headers.get("Date", ""))
        if date is None:
            return
        self._learned = now
        if abs(date - self._began - now) > NEAR:
            self._began = date - now
