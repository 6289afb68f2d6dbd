"""The queue that workers wait at, as commands see it."""

import os
from collections.abc import Coroutine
from typing import Any, Final

from generor_async.cli.batch_options import OutputOptions
from generor_async.cli.batch_places import Place
from generor_async.cli.extras import has_packages
from generor_async.errors import InvalidRequestError
from generor_async.values import Masked

__all__ = ["QUEUE_VARIABLE", "end_shifts", "queue_url", "wake"]

QUEUE_VARIABLE: Final = "GENEROR_QUEUE_URL"
"""The environment variable with the URL of the server itself, where the ledger's leads through PgBouncer."""


def queue_url(database: Masked) -> Masked:
    """Return where the queue is: the environment's, or else the ledger's database."""
    url = os.environ.get(QUEUE_VARIABLE)
    return Masked(url) if url else database


async def wake(place: Place, output: OutputOptions) -> None:
    """Have the workers look for runs at once; they look by themselves every ten seconds."""
    if isinstance(place.to, Masked) and has_packages("procrastinate"):
        from generor_async.fleet.waking import wake_workers  # noqa: PLC0415 - it comes with an extra

        await _told(wake_workers(queue_url(place.to)), output)


async def end_shifts(place: Place, output: OutputOptions) -> None:
    """Have the workers see at once that a run is stopped; they see it by themselves within a third of their lease."""
    if has_packages("procrastinate"):
        from generor_async.fleet.waking import end_shifts as tell_shifts  # noqa: PLC0415 - it comes with an extra

        await _told(tell_shifts(queue_url(place.url), place.run), output)


async def _told(telling: Coroutine[Any, Any, None], output: OutputOptions) -> None:
    """Tell the workers, or say that they could not be told."""
    try:
        await telling
    except (OSError, InvalidRequestError) as error:
        output.note(f"the workers could not be told, and will see it by themselves: {error}")
