"""The client that a command works with: the real API's, or the built-in simulator's."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from generor_async import AsyncGeneror, AsyncLuma, InvalidRequestError, Limits

__all__ = ["SPEED", "opened"]

SPEED = 60.0
"""Simulated seconds that pass in a real one."""

logger = logging.getLogger("generor_async")


@asynccontextmanager
async def opened(
    api: str, *, simulated: bool = False, kept_in: Path | None = None, **options: Any
) -> AsyncGenerator[AsyncGeneror | AsyncLuma, None]:
    """Open a client of `luma` or `generor`, made with `options`; one that is simulated has an API of its own.

    A real API's limits are kept in the user's cache folder: commands side by side share them, and one that is started
    again knows what the windows still hold. The simulator goes on with what is `kept_in` a file; without one it
    begins empty, and gives out ids that no other did.
    """
    kind = AsyncLuma if api == "luma" else AsyncGeneror
    if not simulated:
        async with kind(limits=_kept_limits(), **options) as client:
            yield client
        return
    from generor_async.simulator import Simulator  # noqa: PLC0415 - it is large, and real calls do without it

    try:
        made = Simulator(speed=SPEED, tier="pro", generor_credits=1_000_000, seed=None, kept_in=kept_in)
    except ValueError as error:
        advice = "Nothing of it was paid for: give another folder"
        raise InvalidRequestError("--simulate", str(error), advice=advice) from None
    async with made as simulator:
        known = simulator.luma_options if api == "luma" else simulator.generor_options
        async with kind(**known, **options) as client:
            yield client


def _kept_limits() -> Limits:
    """Return limits that all commands of this user share, by a hash of the key and the address."""
    folder = user_cache_path("generor-async", appauthor=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Limits(store=folder / "limits.sqlite")
    except (OSError, InvalidRequestError) as error:
        logger.warning("the limits of the key are not kept for later commands: %s", error)
        return Limits()
