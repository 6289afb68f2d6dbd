"""A worker on a machine of its own: works on a run in a database until all its rows have ended.

    python -m support.shift ORDER    (JSON: see `Order`)

With rows it submits them first. Prints why it ended, and the error if there was one; the exit code is 0 where all rows
have ended. It prints where its tasks are at SIGUSR1, and where its threads are at SIGUSR2.
"""

import asyncio
import faulthandler
import json
import signal
import sys
from typing import Any

from attrs import frozen
from support.caller import MachineClock

from generor_async import AsyncGeneror, AsyncLuma, GenerorAsyncError, Limits, run_shift
from generor_async.batch.runner import run_batch

__all__ = ["Order"]


@frozen(kw_only=True)
class Order:
    """What to work on."""

    api: str
    base_url: str
    key: str
    to: str
    name: str
    lease: float
    speed: float
    """How many of the client's seconds pass in one of the machine's."""
    begun: float
    """When the test began, by the test's clock."""
    limits: str | None = None
    """The store of limits."""
    submit: dict[str, Any] | None = None
    """The arguments of `run_batch` with which to submit rows, instead of working."""


async def work(order: Order) -> str:
    """Work, or submit; return why it ended."""
    options: dict[str, Any] = {
        "base_url": order.base_url,
        "limits": Limits(store=order.limits),
        "clock": MachineClock(order.speed, order.begun),
        "allow_insecure": True,
    }
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, print_tasks)
    kind = AsyncLuma if order.api == "luma" else AsyncGeneror
    async with kind(order.key, **options) as client:
        if order.submit is not None:
            await run_batch(client, to=order.to, name=order.name, **order.submit).submit()
            return "submitted"
        return str(await run_shift(client, order.to, order.name, lease=order.lease))


def print_tasks() -> None:
    """Print where all tasks are, down to what each waits for."""
    for task in asyncio.all_tasks():
        print(f"{task.get_name()}:", file=sys.stderr)  # noqa: T201
        waiting: Any = task.get_coro()
        while waiting is not None:
            frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "ag_frame", None)
            place = f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}" if frame else repr(waiting)
            print(f"    {place}", file=sys.stderr)  # noqa: T201
            waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "ag_await", None)
    sys.stderr.flush()


def main() -> int:
    """Work as the argument says."""
    faulthandler.register(signal.SIGUSR2)
    order = Order(**json.loads(sys.argv[1]))
    try:
        print("ended:", asyncio.run(work(order)), flush=True)  # noqa: T201
    except GenerorAsyncError as error:
        print("stopped:", repr(error), getattr(error, "__notes__", ""), flush=True)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
