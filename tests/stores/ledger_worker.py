"""One of several processes that work on one ledger, in a file or a database; the tests run it as a program.

    python ledger_worker.py reserve PLACE RUN CALLS CONCURRENCY
    python ledger_worker.py call PLACE SERVER SPEED SEED

`reserve` reserves one credit for each call, on three accounts, and prints how many were granted and how long it took.
`call` makes the calls of the run until none is left: SERVER is a file with a line for each call that was paid for, and
SPEED is how much sooner leases end: in a file the store's clock runs faster than the machine's.
"""

import asyncio
import os
import random
import sys
import time
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from stores.ledgers import ALL, PROBLEM, RULES, new_row, submit

from generor_async.errors import StaleRowError
from generor_async.rules.row_states import Accept, Defer, Download, Fail, Finish, MarkUnknown, Release
from generor_async.stores.ledger import LEASE_SECONDS, Ledger
from generor_async.stores.opening import open_ledger
from generor_async.stores.records import AccountKey, CallRecord

__all__ = ["ACCOUNTS", "PRICE"]

ACCOUNTS: list[AccountKey] = [ALL, ("day", "2026-11-30"), ("user/ada", "")]
PRICE = 3.0
"""What a call of `call` reserves; it costs a third less."""


async def reserve(place: str, run: str, calls: int, concurrency: int) -> None:
    """Ask for one credit a call, so many at a time."""
    ledger = await open_ledger(place, run=run, rules=RULES)
    for start in range(0, calls, 500):
        await ledger.add([new_row(str(at)) for at in range(start, min(start + 500, calls))])
    print("ready", flush=True)  # noqa: T201 - the test waits for it
    sys.stdin.readline()
    begun, granted = time.monotonic(), 0

    async def ask() -> None:
        nonlocal granted
        while claimed := await ledger.claim(1):
            if await ledger.intend(claimed[0], submit(reserved=1.0), ACCOUNTS) is None:
                granted += 1

    await asyncio.gather(*(ask() for _ in range(concurrency)))
    print(granted, time.monotonic() - begun, flush=True)  # noqa: T201 - the test reads it
    await ledger.close()


async def call(place: str, server: Path, speed: float, dice: random.Random) -> None:
    """Make calls until there are none that anybody may make."""
    ledger = await open_ledger(place, rules=RULES, clock=lambda: speed * time.time(), lease=LEASE_SECONDS / speed)
    paid = os.open(server, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def keep_alive() -> None:
        while True:
            await ledger.renew()
            await ledger.take_over()
            await asyncio.sleep(LEASE_SECONDS / speed / 6)

    alive = asyncio.create_task(keep_alive())
    while not await _is_over(ledger):
        for row in [row async for row in ledger.scan("accepted", "downloading", owned=True)]:
            await _unless_stale(_finish(ledger, row))
        rows = await ledger.claim(4)
        await asyncio.gather(*(_unless_stale(_make(ledger, row, paid, dice)) for row in rows))
    alive.cancel()
    await ledger.close()


async def _is_over(ledger: Ledger) -> bool:
    counts = await ledger.counts()
    return not sum(counts[state] for state in ("ready", "leased", "submitting", "accepted", "downloading"))


async def _unless_stale(steps: Coroutine[Any, Any, None]) -> None:
    with suppress(StaleRowError):
        await steps


async def _make(ledger: Ledger, row: CallRecord, paid: int, dice: random.Random) -> None:
    intent = submit(f"{os.getpid()}-{row.number}-{row.attempt}", PRICE)
    if await ledger.intend(row, intent, ACCOUNTS) is not None:
        await ledger.release(row, Release(at=1.0, problem=PROBLEM))
        await asyncio.sleep(0.01)
        return
    outcome = dice.random()
    if outcome < 0.1:
        await ledger.release(row, Defer())
        await ledger.release(row, Release(at=1.0, problem=PROBLEM))
    elif outcome < 0.2:
        await ledger.release(row, Release(at=1.0, problem=PROBLEM))
    else:
        os.write(paid, f"{row.id}\n".encode())
        if outcome < 0.3:
            await ledger.settle(row, MarkUnknown(at=1.0, problem=PROBLEM))
        elif outcome < 0.4:
            await ledger.settle(row, Fail(at=1.0, problem=PROBLEM, cost=PRICE / 3))
        else:
            cost = PRICE * 2 / 3 if dice.random() < 0.5 else None
            await ledger.accept(row, Accept(remote_ids=(intent.request_id,), cost=cost))
            await _finish(ledger, row)


async def _finish(ledger: Ledger, row: CallRecord) -> None:
    if row.state == "accepted":
        await ledger.accept(row, Download())
    await ledger.settle(row, Finish(at=2.0, result={"files": [f"{row.id}.png"]}))


if __name__ == "__main__":
    kind, where, *rest = sys.argv[1:]
    if kind == "reserve":
        asyncio.run(reserve(where, rest[0], int(rest[1]), int(rest[2])))
    else:
        asyncio.run(call(where, Path(rest[0]), float(rest[1]), random.Random(int(rest[2]))))
