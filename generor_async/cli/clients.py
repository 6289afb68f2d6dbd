"""The client that a command works with: the real API's, or the built-in simulator's."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from generor_async import AsyncGeneror, AsyncLuma

__all__ = ["SPEED", "opened"]

SPEED = 60.0
"""Simulated seconds that pass in a real one."""


@asynccontextmanager
async def opened(
    api: str, *, simulated: bool = False, port: int = 0, **options: Any
) -> AsyncGenerator[AsyncGeneror | AsyncLuma, None]:
    """Open a client of `luma` or `generor`, made with `options`; one that is simulated has an API of its own.

    The simulator listens on `port`, any that is free for 0, and begins empty of what earlier ones held.
    """
    kind = AsyncLuma if api == "luma" else AsyncGeneror
    if not simulated:
        async with kind(**options) as client:
            yield client
        return
    from generor_async.simulator import Simulator  # noqa: PLC0415 - it is large, and real calls do without it

    async with Simulator(speed=SPEED, tier="pro", generor_credits=1_000_000, port=port) as simulator:
        known = simulator.luma_options if api == "luma" else simulator.generor_options
        async with kind(**known, **options) as client:
            yield client
