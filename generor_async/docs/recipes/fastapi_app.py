"""Pictures for the users of a web application: FastAPI, progress by server-sent events, restarts at any moment.

    pip install generor-async fastapi uvicorn
    LUMA_AGENTS_API_KEY=... python fastapi_app.py  # then open http://127.0.0.1:8080

A job is known by the idempotency key that the browser has made up for it: a double click, or a request that is sent
again after a restart, pays once. On SIGTERM the jobs go on at the API, and browsers connect to the next process.
"""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated
from uuid import UUID

import uvicorn
from fastapi import Body, Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from generor_async import (
    AsyncLuma,
    Budget,
    BudgetExceededError,
    ClientClosedError,
    ClientDrainingError,
    DeadlineExceededError,
    GenerationFailedError,
    GenerorAsyncError,
    InvalidRequestError,
    Job,
)

luma = AsyncLuma(
    state=os.environ.get("STATE", "calls.sqlite"), budgets=[Budget(dollars=1, every="day", each_user=True)]
)
logger = logging.getLogger(__name__)
finishing = dict[str, asyncio.Task[None]]()
STATUSES = {
    BudgetExceededError: 402,
    InvalidRequestError: 422,
    ClientClosedError: 503,  # these three were not paid for, and the page sends them again
    ClientDrainingError: 503,
    DeadlineExceededError: 503,
}


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    """Open the client, and go on with the jobs of the process before."""
    async with luma:
        async for job in luma.jobs.unfinished():
            finish_soon(job)
        yield


class Server(uvicorn.Server):
    """A server that ends the streams of events itself: uvicorn would wait for them for ever."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """On SIGTERM: refuse new calls, give those under way ten seconds, and end the streams of events."""
        logger.info("calls under way have ten seconds")
        going_on = await luma.drain(10)
        logger.info("%d jobs go on at the API", len(going_on))
        await luma.close()
        await super().shutdown(sockets)


def finish_soon(job: Job) -> None:
    """Finish a job in the background, also if its browser leaves."""
    if job.id not in finishing:
        task = finishing[job.id] = asyncio.create_task(finish(job))
        task.add_done_callback(lambda _: finishing.pop(job.id))


async def finish(job: Job) -> None:
    """Do what belongs to the end of a job, such as a mail to its user, or a copy in your storage."""
    try:
        await job
        logger.info("ready: %s", job.context)
    except GenerationFailedError as error:
        logger.warning("failed: %s: %s", job.context, error)
    except GenerorAsyncError:
        return  # it stays unfinished, and the next process goes on with it
    await luma.jobs.acknowledge(job.id)


# The user's name comes from the proxy in front that signs users in and lets nobody else set this header.
User = Annotated[str, Header(alias="X-Forwarded-User")]


async def find_job(key: UUID, user: User = "guest") -> Job:
    """Return the user's job in the path, whichever process has submitted it."""
    job = await luma.jobs.find(f"{user}/{key}")
    if job is None:
        raise HTTPException(404)
    return job


UsersJob = Annotated[Job, Depends(find_job)]
app = FastAPI(lifespan=lifespan)


@app.get("/")
async def page() -> FileResponse:
    """Show the page."""
    return FileResponse(Path(__file__).with_name("web_page.html"))


@app.post("/jobs", status_code=202)
async def submit(
    prompt: Annotated[str, Body(embed=True)],
    key: Annotated[UUID, Header(alias="Idempotency-Key")],
    user: User = "guest",
) -> dict[str, UUID]:
    """Submit a job, and answer with its id."""
    view = luma.with_options(
        user=user, idempotency_key=f"{user}/{key}", context={"user": user}, acknowledge=True, queue_timeout=30
    )
    finish_soon(await view.generations.submit(prompt=prompt))
    return {"id": key}


@app.get("/jobs/{key}/events", response_class=EventSourceResponse)
async def events(job: UsersJob) -> AsyncIterator[ServerSentEvent]:
    """Send a job's present state, and then each change of it."""
    try:
        async for now in job.updates():
            news = {"state": now.state, "seconds": job.expected_seconds, "reason": now.failure_reason}
            yield ServerSentEvent(data=news)
    except ClientClosedError:
        pass  # the browser will connect to the next process


@app.api_route("/jobs/{key}/picture", methods=["GET", "HEAD"])
async def picture(job: UsersJob, request: Request) -> StreamingResponse:
    """Pass a picture on as it arrives, or the part of it that the browser asks for."""
    await job.refresh()  # for a fresh URL
    if job.result is None:
        raise HTTPException(404)
    asked = request.headers
    stream = await luma.stream(job.result, range=asked.get("Range"), if_range=asked.get("If-Range"))
    return StreamingResponse(stream, stream.status, stream.headers)


@app.exception_handler(GenerorAsyncError)
async def answer_error(_: Request, error: GenerorAsyncError) -> JSONResponse:
    """Answer with an error as JSON."""
    status = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 502)
    return JSONResponse({"error": type(error).__name__, "message": str(error)}, status)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    config = uvicorn.Config(
        app, host="127.0.0.1", port=int(os.environ.get("PORT", "8080")), timeout_graceful_shutdown=5
    )
    Server(config).run()
