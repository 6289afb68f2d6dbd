"""A web application, as a process that is restarted: pictures and texts, each paid for once however often it is sent.

python -m hours.website CONFIGURATION
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from hours.world import BUDGETS, TEXT_BUDGETS, Configuration, hours_later

from generor_async import (
    AsyncGeneror,
    AsyncLuma,
    BudgetExceededError,
    ClientClosedError,
    ClientDrainingError,
    GenerationFailedError,
    GenerorAsyncError,
    Limits,
    OutcomeUnknownError,
)

DRAIN = 0.5
"""Real seconds for calls under way after SIGTERM."""
LOOK = 60.0
"""Seconds of its time after which Generor's unknown calls are looked for again."""
JOKE: dict[str, Any] = {"slug": "joke", "model_id": 37}
LUMA = web.AppKey("LUMA", AsyncLuma)
GENEROR = web.AppKey("GENEROR", AsyncGeneror)
STATUSES: dict[type[GenerorAsyncError], int] = {
    BudgetExceededError: 402,
    OutcomeUnknownError: 409,
    GenerationFailedError: 410,
    ClientClosedError: 503,
    ClientDrainingError: 503,
}
routes = web.RouteTableDef()


@routes.post("/pictures/{key}")
async def picture(request: web.Request) -> web.Response:
    """Make a picture, or return the one that was made."""
    asked, key = await request.json(), request.match_info["key"]
    view = request.app[LUMA].with_options(user=asked["user"], idempotency_key=key, acknowledge=True)
    job = await view.generations.submit(prompt=asked["prompt"])
    await job
    (content,) = await request.app[LUMA].read(job)
    await request.app[LUMA].jobs.acknowledge(job.id)
    return web.json_response({"ids": [job.id], "digest": hashlib.sha256(content).hexdigest()})


@routes.post("/texts/{key}")
async def text(request: web.Request) -> web.Response:
    """Make a text, or return the one that was made."""
    asked, key = await request.json(), request.match_info["key"]
    view = request.app[GENEROR].with_options(user=asked["user"], idempotency_key=key)
    made = await view.generators.generate(prompt=asked["prompt"], **JOKE)
    return web.json_response({"ids": [str(each.creation_id) for each in made.creations]})


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with an error."""
    try:
        return await handler(request)
    except GenerorAsyncError as error:
        status = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 502)
        return web.json_response({"error": repr(error)}, status=status)


def main() -> None:
    """Run until SIGTERM."""
    configuration = Configuration.read()
    clock = hours_later(configuration)
    app = web.Application(middlewares=[errors])
    app.add_routes(routes)

    async def clients(app: web.Application) -> AsyncIterator[None]:
        limits = Limits(store=configuration.limits)
        async with (
            AsyncLuma(state=configuration.state, budgets=BUDGETS, limits=limits) as app[LUMA],
            AsyncGeneror(state=configuration.state, budgets=TEXT_BUDGETS, limits=limits) as app[GENEROR],
        ):
            looking = asyncio.create_task(look())
            yield
            looking.cancel()

    async def look() -> None:
        while True:
            async for _ in app[GENEROR].jobs.unknown():
                pass  # those that are found are settled
            await clock.sleep(LOOK)

    async def drain(app: web.Application) -> None:
        await asyncio.gather(app[LUMA].drain(DRAIN), app[GENEROR].drain(DRAIN))
        await asyncio.gather(app[LUMA].close(), app[GENEROR].close())

    async def ready(_: web.Application) -> None:
        print("ready", flush=True)  # noqa: T201 - the test waits for it

    app.cleanup_ctx.append(clients)
    app.on_startup.append(ready)
    app.on_shutdown.append(drain)
    web.run_app(app, host="127.0.0.1", port=configuration.port, print=None, shutdown_timeout=1)


if __name__ == "__main__":
    main()
