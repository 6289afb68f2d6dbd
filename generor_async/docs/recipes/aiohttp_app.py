"""Pictures for the users of a web application: aiohttp.web, progress by server-sent events, restarts at any moment.

    pip install generor-async
    LUMA_AGENTS_API_KEY=... python aiohttp_app.py  # then open http://127.0.0.1:8080

A job is known by the idempotency key that the browser has made up for it: a double click, or a request that is sent
again after a restart, pays once. On SIGTERM the jobs go on at the API, and browsers connect to the next process.
"""

import asyncio
import json
import logging
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

from aiohttp import web
from aiohttp.typedefs import Handler

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

BUDGETS = [Budget(dollars=1, every="day", each_user=True)]
LUMA = web.AppKey("LUMA", AsyncLuma)
routes = web.RouteTableDef()
logger = logging.getLogger(__name__)
finishing = dict[str, asyncio.Task[None]]()
ending = asyncio.Event()
STATUSES = {
    BudgetExceededError: 402,
    InvalidRequestError: 422,
    ClientClosedError: 503,  # these three were not paid for, and the page sends them again
    ClientDrainingError: 503,
    DeadlineExceededError: 503,
}


async def client(app: web.Application) -> AsyncIterator[None]:
    """Open the client, and go on with the jobs of the process before."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    async with AsyncLuma(state=os.environ.get("STATE", "calls.sqlite"), budgets=BUDGETS) as app[LUMA]:
        async for job in app[LUMA].jobs.unfinished():
            finish_soon(app[LUMA], job)
        yield


def end() -> None:
    """End the program at the first SIGTERM; at a second one, aiohttp would cut the drain short."""
    if not ending.is_set():
        ending.set()
        raise web.GracefulExit


async def drain(app: web.Application) -> None:
    """On SIGTERM: refuse new calls, give those under way ten seconds, and end the streams of events."""
    logger.info("calls under way have ten seconds")
    going_on = await app[LUMA].drain(10)
    logger.info("%d jobs go on at the API", len(going_on))
    await app[LUMA].close()


def finish_soon(luma: AsyncLuma, job: Job) -> None:
    """Finish a job in the background, also if its browser leaves."""
    if job.id not in finishing:
        task = finishing[job.id] = asyncio.create_task(finish(luma, job))
        task.add_done_callback(lambda _: finishing.pop(job.id))


async def finish(luma: AsyncLuma, job: Job) -> None:
    """Do what belongs to the end of a job, such as a mail to its user, or a copy in your storage."""
    try:
        await job
        logger.info("ready: %s", job.context)
    except GenerationFailedError as error:
        logger.warning("failed: %s: %s", job.context, error)
    except GenerorAsyncError:
        return  # it stays unfinished, and the next process goes on with it
    await luma.jobs.acknowledge(job.id)


def user_of(request: web.Request) -> str:
    """Return the user's name, from the proxy in front that signs users in and lets nobody else set this header."""
    return request.headers.get("X-Forwarded-User", "guest")


async def job_of(request: web.Request) -> Job:
    """Return the user's job in the path, whichever process has submitted it."""
    job = await request.app[LUMA].jobs.find(f"{user_of(request)}/{request.match_info['key']}")
    if job is None:
        raise web.HTTPNotFound
    return job


@routes.get("/")
async def page(_: web.Request) -> web.FileResponse:
    """Show the page."""
    return web.FileResponse(Path(__file__).with_name("web_page.html"))


@routes.post("/jobs")
async def submit(request: web.Request) -> web.Response:
    """Submit a job, and answer with its id."""
    try:
        user, key = user_of(request), str(UUID(request.headers["Idempotency-Key"]))
        prompt = (await request.json())["prompt"]
    except (KeyError, TypeError, ValueError):
        raise web.HTTPBadRequest(text="send an Idempotency-Key (a UUID) and JSON with a prompt") from None
    luma = request.app[LUMA].with_options(
        user=user, idempotency_key=f"{user}/{key}", context={"user": user}, acknowledge=True, queue_timeout=30
    )
    finish_soon(luma, await luma.generations.submit(prompt=prompt))
    return web.json_response({"id": key}, status=202)


@routes.get("/jobs/{key}/events")
async def events(request: web.Request) -> web.StreamResponse:
    """Send a job's present state, and then each change of it."""
    job = await job_of(request)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    try:
        await response.prepare(request)
        async with asyncio.TaskGroup() as tasks:
            alive = tasks.create_task(keep_alive(response))
            async for now in job.updates():
                news = {"state": now.state, "seconds": job.expected_seconds, "reason": now.failure_reason}
                await response.write(b"data: %s\n\n" % json.dumps(news).encode())
            alive.cancel()
    except* (ConnectionError, ClientClosedError):
        pass  # the browser has left, or will connect to the next process
    return response


async def keep_alive(response: web.StreamResponse) -> None:
    """Send comments, so that proxies keep the connection, and it is noticed that a browser has left."""
    while True:
        await asyncio.sleep(15)
        await response.write(b":\n\n")


@routes.get("/jobs/{key}/picture")
async def picture(request: web.Request) -> web.StreamResponse:
    """Pass a picture on as it arrives, or the part of it that the browser asks for."""
    luma, job, asked = request.app[LUMA], await job_of(request), request.headers
    await job.refresh()  # for a fresh URL
    if job.result is None:
        raise web.HTTPNotFound
    async with luma.stream(job.result, range=asked.get("Range"), if_range=asked.get("If-Range")) as stream:
        response = web.StreamResponse(status=stream.status, headers=stream.headers)
        await response.prepare(request)
        if request.method != "HEAD":
            async for chunk in stream:
                await response.write(chunk)
    return response


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with an error as JSON; where an answer has begun, end the connection."""
    try:
        return await handler(request)
    except GenerorAsyncError as error:
        if request.writer.output_size:
            raise
        status = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 502)
        return web.json_response({"error": type(error).__name__, "message": str(error)}, status=status)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    app = web.Application(middlewares=[errors])
    app.add_routes(routes)
    app.cleanup_ctx.append(client)
    app.on_shutdown.append(drain)
    web.run_app(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8080")), shutdown_timeout=5)
