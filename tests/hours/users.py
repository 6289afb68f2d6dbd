"""Who uses the programs: people who write to the bot, and browsers that look at the website."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web
from attrs import define, field

__all__ = ["Ask", "Users"]

PATIENCE = 0.5
"""Real seconds that the bot waits for messages at a time."""
AGAIN = 10.0
"""Seconds of their time after which browsers send a request again that had no answer."""
KINDS = {200: "shown", 402: "budget", 409: "unknown", 410: "failed", 502: "again", 503: "again"}
"""What the website's answers mean."""
UNKNOWN_TRIES = 60
"""How often browsers ask for something of which the website says that it doesn't know what came of it."""


@define
class Ask:
    """What somebody asked for once, and what came of it."""

    number: int
    user: str
    kind: str
    """`chat`, `pictures` or `texts`."""
    replies: list[dict[str, Any]] = field(factory=list[dict[str, Any]])
    """What the bot said; or the website's answers."""

    @property
    def prompt(self) -> str:
        """The prompt, by which the server's charges are attributed."""
        return f"heron {self.user} {self.kind} {self.number}"

    @property
    def key(self) -> str:
        """Its idempotency key."""
        return f"{self.kind}.{self.number}"


class Users:
    """All users, until they have nothing to ask for any more.

    Args:
        users: How many there are. Few of them ask for most.
        pace: How many of their seconds pass in a real one.
        website: The website's URL.
    """

    def __init__(self, users: int, pace: float, website: str) -> None:
        self.asks: list[Ask] = []
        self._names = [("vip/" if number % 10 == 3 else "") + f"user{number}" for number in range(users)]
        self._weights = [1 / (number + 1) for number in range(users)]
        self._pace = pace
        self._website = website
        self._dice = random.Random(7)
        self._unread: list[Ask] = []
        self._news = asyncio.Condition()
        self._browsers = set[asyncio.Task[None]]()
        self.url = ""
        """Where the bot reads messages and replies to them."""

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator[None]:
        """Be there for the bot."""
        app = web.Application()
        app.add_routes([web.get("/messages", self._messages), web.post("/replies", self._replied)])
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield
        finally:
            await runner.cleanup()

    async def sleep(self, seconds: float) -> None:
        """Wait, by the users' time."""
        await asyncio.sleep(seconds / self._pace)

    async def live(self, seconds: float, an_hour: float) -> None:
        """Ask for things, so many an hour; some users for many at once."""
        connector, patient = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout()
        async with aiohttp.ClientSession(connector=connector, timeout=patient) as session:
            began, at = time.monotonic(), 0.0
            while at < seconds:
                kind = self._dice.choice(["chat", "chat", "pictures", "texts"])
                (user,) = self._dice.choices(self._names, self._weights)
                many = self._dice.randrange(10, 40) if self._dice.random() < 0.01 else 1
                for _ in range(many):
                    await self._ask(session, user, kind)
                at += self._dice.expovariate(an_hour / 3600) * many
                await asyncio.sleep(began + at / self._pace - time.monotonic())
            await asyncio.gather(*self._browsers)

    async def _ask(self, session: aiohttp.ClientSession, user: str, kind: str) -> None:
        ask = Ask(len(self.asks), user, kind)
        self.asks.append(ask)
        if kind == "chat":
            async with self._news:
                self._unread.append(ask)
                self._news.notify_all()
        else:
            task = asyncio.create_task(self._browse(session, ask))
            self._browsers.add(task)
            task.add_done_callback(self._browsers.discard)

    # --- those who write to the bot -------------------------------------------------------------------------------

    async def _messages(self, _: web.Request) -> web.Response:
        """Tell the bot of messages; each is told once, whatever becomes of the bot."""
        async with self._news:
            try:
                await asyncio.wait_for(self._news.wait_for(lambda: self._unread), PATIENCE)
            except TimeoutError:
                return web.json_response([])
            told, self._unread = self._unread, []
        return web.json_response([{"id": ask.number, "user": ask.user, "text": ask.prompt} for ask in told])

    async def _replied(self, request: web.Request) -> web.Response:
        reply: dict[str, Any] = await request.json()
        number: int = reply["message"]
        self.asks[number].replies.append(reply)
        return web.Response()

    # --- those who look at the website ----------------------------------------------------------------------------

    async def _browse(self, session: aiohttp.ClientSession, ask: Ask) -> None:
        """Send a request until there is an answer; impatient people send it twice."""
        if self._dice.random() < 0.1:
            await asyncio.gather(self._insist(session, ask), self._insist(session, ask))
        else:
            await self._insist(session, ask)

    async def _insist(self, session: aiohttp.ClientSession, ask: Ask) -> None:
        tries = 0
        while tries < UNKNOWN_TRIES:
            try:
                async with session.post(
                    f"{self._website}/{ask.kind}/{ask.key}", json={"user": ask.user, "prompt": ask.prompt}
                ) as answer:
                    kind = KINDS.get(answer.status, "error")
                    if kind != "again":
                        ask.replies.append({"kind": kind, **await answer.json()})
                        if kind != "unknown":
                            return
                        tries += 1
            except aiohttp.ClientError:
                pass  # it is restarting
            await self.sleep(AGAIN)
