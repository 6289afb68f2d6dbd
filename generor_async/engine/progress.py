"""Estimates the progress of a call that says nothing until it is answered."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from generor_async.engine.events import check_not_awaitable
from generor_async.rules.derived_values import estimated_fraction
from generor_async.values import Clock, GenerateProgress

__all__ = ["ProgressReporter"]

logger = logging.getLogger("generor_async")

EVERY = 1.0
"""Seconds between two reports."""


class ProgressReporter:
    """Reports the progress of one call, from the elapsed and the expected time."""

    def __init__(self, clock: Clock, on_progress: Callable[[GenerateProgress], object]) -> None:
        self._clock = clock
        self._on_progress = on_progress
        self._began = clock.monotonic()
        self._expected: float | None = None

    async def report(self, expected: float | None, ask: Callable[[], Awaitable[float | None]]) -> None:
        """Report at once and every second, until cancelled; `ask` for the expected seconds if they are unknown."""
        self._expected = expected
        async with asyncio.TaskGroup() as group:
            if expected is None:
                group.create_task(self._fetch_expected(ask))
            while True:
                self._report()
                await self._clock.sleep(EVERY)

    async def _fetch_expected(self, ask: Callable[[], Awaitable[float | None]]) -> None:
        self._expected = await ask()

    def done(self) -> None:
        """Report that the call was answered."""
        self._notify(GenerateProgress(elapsed=self._elapsed(), expected=self._expected, fraction=1.0, estimated=False))

    def _elapsed(self) -> float:
        return self._clock.monotonic() - self._began

    def _report(self) -> None:
        elapsed, expected = self._elapsed(), self._expected
        fraction = estimated_fraction(elapsed, expected)
        self._notify(GenerateProgress(elapsed=elapsed, expected=expected, fraction=fraction, estimated=True))

    def _notify(self, progress: GenerateProgress) -> None:
        """Call the caller's function; an error of it is logged, and doesn't end a paid call."""
        try:
            check_not_awaitable(self._on_progress(progress))
        except Exception:
            logger.exception("on_progress failed")
