"""Workers on a run in a database, each in a process of its own that may be killed or frozen.

They are forked from a process that has imported everything, as starting an interpreter takes longer than their work.
"""

import asyncio
import os
import signal
import time
import traceback
from contextlib import suppress
from multiprocessing.process import BaseProcess
from typing import Any

from attrs import frozen
from support.clock import FastClock
from support.forked_programs import FORKS

from generor_async import AsyncGeneror, AsyncLuma, ShiftEnd, run_shift
from generor_async.simulator import Simulator

__all__ = ["Order", "Worker", "client_of", "order_of", "start_worker"]


@frozen(kw_only=True)
class Order:
    """Which run to work on, and against which server."""

    api: str
    base_url: str
    key: str
    speed: float
    epoch: float
    url: str
    name: str
    lease: float
    concurrency: int


def order_of(
    simulator: Simulator, url: str, *, api: str = "luma", name: str = "herons", lease: float = 2.0, concurrency: int = 4
) -> Order:
    """Return an order for the API of a simulator."""
    luma, speed = api == "luma", simulator.clock.speed
    return Order(
        api=api,
        base_url=simulator.luma_url if luma else simulator.generor_url,
        key=simulator.luma_key if luma else simulator.generor_key,
        speed=speed,
        epoch=simulator.clock.time() - time.monotonic() * speed,
        url=url,
        name=name,
        lease=lease,
        concurrency=concurrency,
    )


def client_of(order: Order) -> Any:
    """Return a client whose clock is as fast as the simulator's."""
    kind = AsyncLuma if order.api == "luma" else AsyncGeneror
    return kind(order.key, base_url=order.base_url, clock=FastClock(order.speed, order.epoch))


@frozen
class Worker:
    """A worker in a process."""

    process: BaseProcess
    results: Any
    """The connection on which it tells how it ended."""

    @property
    def has_failed(self) -> bool:
        """Whether it has ended by itself, by an error."""
        return self.process.exitcode not in {None, 0, -signal.SIGKILL}

    def send(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        assert self.process.pid is not None
        if self.process.is_alive():
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.join()

    def end(self, patience: float) -> ShiftEnd:
        """Wait for its end, and return how it ended."""
        assert self.results.poll(patience), "it doesn't end"
        result: Any = self.results.recv()
        self.process.join()
        assert isinstance(result, ShiftEnd), result
        return result


def start_worker(order: Order) -> Worker:
    """Start a worker."""
    here, there = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=_work, args=(order, there), daemon=True)
    process.start()
    there.close()
    return Worker(process, here)


def _work(order: Order, results: Any) -> None:
    try:
        results.send(asyncio.run(_shift(order)))
    except BaseException:
        results.send(traceback.format_exc())
        raise


async def _shift(order: Order) -> ShiftEnd:
    async with client_of(order) as client:
        return await run_shift(
            client, order.url, order.name, lease=order.lease, concurrency=order.concurrency, drain=order.lease
        )
