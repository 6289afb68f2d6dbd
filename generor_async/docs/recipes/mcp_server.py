"""An MCP server that makes pictures: a tool that submits one, a tool that waits for it, and a budget for each session.

    pip install generor-async mcp
    export LUMA_AGENTS_API_KEY=...
    python mcp_server.py

Hosts start it themselves, and talk to it over stdin and stdout: name this command in their settings. PICTURES is the
folder of the pictures (pictures/) and of the file where paid calls are kept, PICTURES_DOLLARS what a session may spend
(1.00).

Two tools and not one, because hosts give up on calls that take long: a picture that is paid for goes on at the API, and
its id is enough to wait again, also in another session. A host may give up on a submission, too, or be killed
meanwhile, and then nobody was told of an id: a third tool lists such pictures, and those of which nobody knows whether
they were paid for, and a fourth settles these.
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
INSTRUCTIONS = """
Each picture costs the user money. If a submission was cut off, it may have been paid for: call list_open_pictures
before you submit it again, and once when a session begins, and tell the user what it says.
"""
DRAIN = 10.0
"""Seconds that calls have to end after SIGTERM."""


class Submitted(BaseModel):
    """A picture that is paid for."""

    job_id: str
    credits_left: float
    """What the session may still spend."""


class OpenPicture(BaseModel):
    """A picture that nobody has seen yet."""

    prompt: str
    job_id: str | None = None
    """It is paid for: wait for it."""
    call_id: str | None = None
    """Nobody knows whether it was paid for."""
    reason: str = ""
    """Why not."""
    request_id: str = ""
    """To quote to Luma's support."""


def make_server(luma: AsyncLuma) -> MCPServer[object]:
    """Return the server of one session, which is what a process is over stdin and stdout."""
    server: MCPServer[object] = MCPServer("pictures", instructions=INSTRUCTIONS)
    session = f"session {uuid.uuid4()}"

    @server.tool()
    async def submit_picture(prompt: str) -> Submitted:
        """Pay for a picture and begin it. Wait for it with wait_for_picture; submit it again only for another one."""
        try:
            view = luma.with_options(user=session, context=prompt[:200])
            job = await view.generations.submit(prompt=prompt)
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

    @server.tool()
    async def list_open_pictures() -> list[OpenPicture]:
        """List the pictures of this and earlier sessions that nobody has waited for to the end.

        Those with a job_id are paid for. Of those with a call_id nobody knows: the user finds on Luma's dashboard what
        came of them, and settle_picture notes it.
        """
        found = [OpenPicture(prompt=str(job.context), job_id=job.id) async for job in luma.jobs.unfinished()]
        async for call in luma.jobs.unknown():
            prompt = str(call.context)
            found.append(OpenPicture(prompt=prompt, call_id=call.id, reason=call.reason, request_id=call.request_id))
        return found

    @server.tool()
    async def settle_picture(call_id: str, job_id: str | None = None) -> str:
        """Note what the user has found on Luma's dashboard: the job that a call has made, or none if it made none."""
        try:
            await luma.jobs.settle(call_id, job_id=job_id)
        except GenerorAsyncError as error:
            raise ToolError(str(error)) from error
        return "It was not paid for." if job_id is None else f"It is paid for: wait for {job_id}."

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
