"""A process that submits a job, waits for it and downloads its outputs, to be killed at any moment.

It writes down what is needed to go on: each request's id before it is sent, and each job's id.

    python -m support.worker BASE_URL KEY FOLDER JOURNAL [JOB]

With a JOB it submits nothing, and downloads that job's outputs again and again.
"""

import asyncio
import json
import math
import os
import sys

from support.clock import FastClock

from generor_async import AsyncLuma, AttemptStarted, Event, JobSubmitted

__all__ = ["SPEED"]

SPEED = 50.0


async def main(base_url: str, key: str, folder: str, journal: str, job: str = "") -> None:
    log = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(**known: str) -> None:
        os.write(log, f"{json.dumps(known)}\n".encode())
        os.fsync(log)

    def hear(event: Event) -> None:
        if isinstance(event, AttemptStarted):
            note(operation=event.operation, request=event.request_id)
        elif isinstance(event, JobSubmitted):
            note(job=event.job_id)

    async with AsyncLuma(
        key, base_url=base_url, clock=FastClock(SPEED), timeout=math.inf, attempt_timeout=math.inf, on_event=hear
    ) as luma:
        if not job:
            made = await luma.generations.submit(prompt="a heron")
            await made
            await made.download(folder)
        while job:
            await luma.download(await luma.generations.get(job), folder, overwrite=True)
            note(downloaded=job)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
