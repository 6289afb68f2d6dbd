"""A web application for ten hours, in virtual time: 500 users, a deploy every half hour, faults, and budgets."""

import asyncio
import json
import logging
import random
import runpy
import signal
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import aiohttp
import pytest
from aiohttp import web
from attrs import define, field
from support.pages import DOCS
from support.wire import closed_port

from generor_async import testing
from generor_async.engine.clock import REAL_CLOCK
from generor_async.simulator import Simulator

HOURS = 10
USERS = 500
ORDERS = 1_500
DEPLOY_EVERY = 1_800.0
FAULTS = (
    "luma.generations.create=reset:after_charge:0.01",
    "luma.generations.create=reset:before_charge:0.01",
    "luma.generations.create=503:0.02",
    "luma.generations.create=429:0.01",
    "luma.generations.get=503:0.02",
    "luma.generations.get=reset:0.01",
)


@define
class Day:
    """What happened to orders, by their keys."""

    simulator: Simulator
    url: str
    outcomes: dict[str, str] = field(factory=dict)
    users: dict[str, str] = field(factory=dict)

    async def order(self, session: aiohttp.ClientSession, user: str, key: str) -> None:
        """Order a picture and wait for it, as the page does."""
        self.users[key] = user
        sent = await self.sent(session, user, key)
        self.outcomes[key] = await self.watched(session, user, key) if sent == "202" else sent

    async def sent(self, session: aiohttp.ClientSession, user: str, key: str) -> str:
        """Send an order until there is an answer to it."""
        headers, tries = {"Idempotency-Key": key, "X-Forwarded-User": user}, 0
        while True:
            try:
                async with session.post(f"{self.url}/jobs", json={"prompt": key}, headers=headers) as answer:
                    tries += answer.status != 503
                    if answer.status < 500:
                        return str(answer.status)
                    if tries == 5:
                        return str((await answer.json())["error"])
            except aiohttp.ClientConnectionError:
                pass  # there is no process
            await asyncio.sleep(2)

    async def watched(self, session: aiohttp.ClientSession, user: str, key: str) -> str:
        """Follow a job to its end, over as many connections as it takes."""
        url, headers, state = f"{self.url}/jobs/{key}/events", {"X-Forwarded-User": user}, ""
        while state not in {"completed", "failed"}:
            try:
                async with session.get(url, headers=headers) as answer:
                    assert answer.status in {200, 502, 503}, "a job is never forgotten"
                    async for line in answer.content:
                        if line.startswith(b"data: "):
                            state = json.loads(line[6:])["state"]
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(2)
        return state


@asynccontextmanager
async def served(port: int) -> AsyncGenerator[None]:
    """Run the application, as its file does; ending it is what SIGTERM does."""
    recipe = runpy.run_path(str(DOCS / "recipes/aiohttp_app.py"))
    app = web.Application(middlewares=[recipe["errors"]])
    app.add_routes(recipe["routes"])
    app.cleanup_ctx.append(recipe["client"])
    app.on_shutdown.append(recipe["drain"])
    runner = web.AppRunner(app, shutdown_timeout=5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Have SIGTERM end this process again, which the application ignores at its end."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


async def live(day: Day, port: int, dice: random.Random) -> None:
    """Let users order at random moments, the first few most often, over as many deploys as there are."""
    shares = [1 / (number + 1) for number in range(USERS)]
    users = dice.choices(range(USERS), shares, k=ORDERS)
    moments = sorted(dice.uniform(0, HOURS * 3_600) for _ in range(ORDERS))
    loop, began = asyncio.get_running_loop(), asyncio.get_running_loop().time()
    timeout = aiohttp.ClientTimeout(total=None)

    async def ordering() -> None:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session, asyncio.TaskGroup() as tasks:
            for user, moment in zip(users, moments, strict=True):
                await asyncio.sleep(max(0.0, began + moment - loop.time()))
                key = str(UUID(int=dice.getrandbits(128), version=4))
                tasks.create_task(day.order(session, f"user {user}", key))

    everybody = asyncio.create_task(ordering())
    while not everybody.done():
        async with served(port):
            await asyncio.wait([everybody], timeout=DEPLOY_EVERY)
        await asyncio.sleep(5)
    await everybody


def test_ten_hours_lose_nothing_and_charge_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    simulator = Simulator(seed=7, luma_rpm=600, luma_jobs=20)

    async def main() -> Day:
        async with simulator:
            for name in ("monotonic", "time", "sleep"):
                monkeypatch.setattr(REAL_CLOCK, name, getattr(simulator.clock, name))
            monkeypatch.setenv("LUMA_BASE_URL", simulator.luma_url)
            monkeypatch.setenv("LUMA_AGENTS_API_KEY", simulator.luma_key)
            monkeypatch.setenv("STATE", str(tmp_path / "calls.sqlite"))
            for fault in FAULTS:
                simulator.faults.add_spec(fault)
            port = closed_port()
            day = Day(simulator, f"http://127.0.0.1:{port}")
            await live(day, port, random.Random(7))
            return day

    day = testing.run(main())
    going_on = [message.split()[0] for message in caplog.messages if message.endswith("jobs go on at the API")]
    assert len(going_on) >= HOURS * 3_600 / DEPLOY_EVERY
    assert set(going_on) > {"0"}, "some deploys met jobs in flight"
    ends = Counter(day.outcomes.values())
    assert sum(ends.values()) == ORDERS
    assert set(ends) == {"completed", "402", "OutcomeUnknownError"}, ends
    assert ends["completed"] > ORDERS / 2
    made = list(simulator.luma.generations.values())
    prompts = Counter(generation.request.prompt for generation in made)
    assert set(prompts.values()) == {1}, "no order was bought twice"
    completed = {key for key, outcome in day.outcomes.items() if outcome == "completed"}
    unknown = {key for key, outcome in day.outcomes.items() if outcome == "OutcomeUnknownError"}
    assert completed <= set(prompts) <= completed | unknown, "nothing was bought that nobody has"
    spent: dict[tuple[str, str], float] = defaultdict(float)
    for generation in made:
        date = datetime.fromtimestamp(generation.created_at, UTC).date().isoformat()
        spent[day.users[generation.request.prompt], date] += float(generation.price)
    assert max(spent.values()) <= 1.0, "every budget is kept"
    assert max(spent.values()) > 0.9
