"""One time limit over work of many steps."""

import asyncio
import math
from collections.abc import Awaitable
from typing import TypeVar

from generor_async.errors import DeadlineExceededError
from generor_async.values import Clock

__all__ = ["within"]

T = TypeVar("T")


async def within(seconds: float | None, clock: Clock, work: Awaitable[T], *, what: str, advice: str) -> T:
    """Do the work within so many of the clock's seconds, None for no end; raises DeadlineExceededError."""
    seconds = math.inf if seconds is None else seconds
    limit = asyncio.timeout(None if seconds == math.inf else seconds / clock.speed)
    try:
        async with limit:
            return await work
    except TimeoutError:
        if not limit.expired():
            raise
    # Raised out here: what was cut off may have a presigned URL in its frames.
    raise DeadlineExceededError(f"{what} took longer than {seconds:g} s", waited_for="attempt", advice=advice)
