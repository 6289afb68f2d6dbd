"""An MCP server that makes pictures: a tool that submits one, a tool that waits for it, and a budget for each session.

    pip install generor-async mcp
    export LUMA_AGENTS_API_KEY=...
    python mcp_server.py

Hosts start it themselves, and talk to it over stdin and stdout: name this command in their settings. PICTURES is the
folder of the pictures (pictures/) and of the file where paid calls are kept, PICTURES_DOLLARS what a session may spend
(1.00).

Two tools and not one, because hosts give up on calls that take long: a picture that is paid for goes on at the API, and
its id is enough to wait again, also in another session.
"""

import asyncio
import os
import signal
import uuid
from pathlib import Path

from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel

from generor_async import AsyncLuma, Budget, DeadlineExceededError, GenerorAsyncError, Job

FOLDER = Path(os.environ.get("PICTURES", "pictures"))
DRAIN = 10.0
"""Seconds that calls have to end after SIGTERM."""


class Submitted(BaseModel):
    """A picture that is paid for."""

    job_id: str
    credits_left: float
    """What the session may still spend."""


def make_server(luma: AsyncLuma) -> MCPServer[object]:
    """Return the server of one session, which is what a process is over stdin and stdout."""
    server: MCPServer[object] = MCPServer("pictures")
    session = f"session {uuid.uuid4()}"

    @server.tool()
    async def submit_picture(prompt: str) -> Submitted:
        """Pay for a picture and begin it. Wait for it with wait_for_picture; submit it again only for another one."""
        try:
            job = await luma.with_options(user=session).generations.submit(prompt=prompt)
        except GenerorAsyncError as error:  # such as BudgetExceededError, which says what is left
            raise ToolError(str(error)) from error
        (budget,) = await luma.budgets.status(session)
        return Submitted(job_id=job.id, credits_left=round(budget.remaining, 2))

    @server.tool()
    async def wait_for_picture(job_id: str, context: Context[object], seconds: float = 50) -> list[Image | str]:
        """Wait for a picture, and show it.

        If it isn't done in so many seconds, it goes on: wait again.
        """
        try:
            job = luma.generations.job(job_id)
            await wait_with_progress(job, context, seconds)
            paths = await job.download(FOLDER, overwrite=True)
        except DeadlineExceededError:
            return [f"Not done yet. It is paid for, and goes on: wait again for {job_id}."]
        except GenerorAsyncError as error:
            raise ToolError(str(error)) from error
        return [*(Image(path=path) for path in paths), *(f"It is in {path.resolve()}" for path in paths)]

    return server


async def wait_with_progress(job: Job, context: Context[object], seconds: float) -> None:
    """Wait for a job, and tell every second how far it is. To leave this stops no job."""
    waiting = asyncio.ensure_future(job.wait(timeout=seconds))
    try:
        elapsed = 0
        while not (await asyncio.wait([waiting], timeout=1))[0]:
            elapsed += 1
            left, state = job.expected_seconds, "submitted" if job.generation is None else job.generation.state
            await context.report_progress(elapsed, None if left is None else elapsed + left, state)
        await waiting
    finally:
        waiting.cancel()


async def main() -> None:
    """Serve until the host closes stdin, or a signal comes."""
    budgets = [Budget(dollars=float(os.environ.get("PICTURES_DOLLARS", "1.00")), each_user=True)]
    async with AsyncLuma(state=FOLDER / "calls.sqlite", budgets=budgets) as luma:
        stopping = set[asyncio.Task[None]]()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, lambda: stopping.add(asyncio.create_task(stop(luma))))
        await make_server(luma).run_stdio_async()


async def stop(luma: AsyncLuma) -> None:
    """Have what was submitted answered, and end as SIGTERM ends a process: a thread waits for stdin."""
    await luma.drain(DRAIN)
    await asyncio.sleep(1)  # so that the tools can say so
    await luma.close()
    asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    asyncio.run(main())
