"""The client that a command uses: of the real API, or of the built-in simulator."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from generor_async import AsyncGeneror, AsyncLuma, InvalidRequestError, Limits

__all__ = ["SPEED", "open_client"]

SPEED = 60.0
"""Simulated seconds per real second."""

logger = logging.getLogger("generor_async")


@asynccontextmanager
async def open_client(
    api: str, *, simulated: bool = False, kept_in: Path | None = None, limits_at: str | None = None, **options: Any
) -> AsyncGenerator[AsyncGeneror | AsyncLuma, None]:
    """Open a client of `luma` or `generor` with the given options; a simulated one has its own simulator.

    A real API's limits are stored in the user's cache folder: commands that run at the same time share them, and a
    later one knows how much of each window is left. With `kept_in`, the simulator continues from that file; without,
    it starts empty, with ids that no other simulator gives out. With `limits_at`, the URL of Redis or PostgreSQL, the
    limits are stored there, for all machines.
    """
    kind = AsyncLuma if api == "luma" else AsyncGeneror
    if not simulated:
        async with kind(limits=_shared_limits() if limits_at is None else Limits(store=limits_at), **options) as client:
            yield client
        return
    from generor_async.simulator import Simulator  # noqa: PLC0415 - it is large, and real calls do without it

    try:
        made = Simulator(speed=SPEED, tier="pro", generor_credits=1_000_000, seed=None, kept_in=kept_in)
    except ValueError as error:
        advice = "Nothing in it was paid for: choose another folder"
        raise InvalidRequestError("--simulate", str(error), advice=advice) from None
    async with made as simulator:
        known = simulator.luma_options if api == "luma" else simulator.generor_options
        async with kind(**known, **options) as client:
            yield client


def _shared_limits() -> Limits:
    """Return limits that all commands of this user share for the same key and address."""
    folder = user_cache_path("generor-async", appauthor=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Limits(store=folder / "limits.sqlite")
    except (OSError, InvalidRequestError) as error:
        logger.warning("the key's limits could not be stored for later commands: %s", error)
        return Limits()
