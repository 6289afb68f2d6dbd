"""A process that runs a batch, to be killed at any moment.

python -m support.batch_worker API BASE_URL KEY ROWS FOLDER SPEED
"""

import asyncio
import sys

from support.clock import FastClock

from generor_async import AsyncGeneror, AsyncLuma
from generor_async.batch.runner import run_batch


async def main(api: str, base_url: str, key: str, rows: str, folder: str, speed: str) -> None:
    kind = AsyncLuma if api == "luma" else AsyncGeneror
    async with kind(key, base_url=base_url, clock=FastClock(float(speed))) as client:
        async for _ in run_batch(client, rows, to=folder):
            pass


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
