"""A caller of the simulated Generor API over a real socket."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from attrs import frozen

from generor_async.simulator import Simulator

FAST = 10_000.0
"""Simulated seconds in a real one: a picture takes a few milliseconds."""


@frozen
class Reply:
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def data(self) -> Any:
        assert self.body["success"] is True, self.body
        return self.body["data"]

    @property
    def meta(self) -> Any:
        return self.body["meta"]

    @property
    def refusal(self) -> tuple[int, str, str]:
        """Status, code and message of an error, which must agree with themselves."""
        assert self.body.keys() == {"success", "error"}
        assert self.body["success"] is False
        error = self.body["error"]
        assert error["status"] == self.status
        return self.status, error["code"], error["message"]


@frozen
class Caller:
    """Calls with one key, or without any."""

    simulator: Simulator
    session: aiohttp.ClientSession
    key: str | None

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        if self.key is not None:
            headers.setdefault("Authorization", f"Bearer {self.key}")
        url = self.simulator.generor_url + path
        async with self.session.request(method, url, json=body, headers=headers) as reply:
            return Reply(reply.status, reply.headers, await reply.json())

    async def get(self, path: str, **headers: str) -> Reply:
        return await self.call("GET", path, **headers)

    async def post(self, path: str, body: Any = None, **headers: str) -> Reply:
        return await self.call("POST", path, body, **headers)

    async def make(self, slug: str = "joke", model_id: int = 37, **fields: Any) -> Any:
        """Generate something, and give the answer's data."""
        prompt = fields.pop("prompt", "A sunset over mountains")
        body = {"prompt": prompt, "model_id": model_id, **fields}
        reply = await self.post(f"/generators/{slug}/generate", body)
        assert reply.status == 201, reply.body
        return reply.data

    async def make_one(self, slug: str = "joke", model_id: int = 37, **fields: Any) -> int:
        """Generate something, and give the id of the first creation."""
        made = await self.make(slug, model_id, **fields)
        return int(made["creations"][0]["creation_id"])

    def with_key(self, key: str | None) -> "Caller":
        return Caller(self.simulator, self.session, key)

    def as_user(self, username: str) -> "Caller":
        return self.with_key(self.simulator.generor.add_key(username))


@asynccontextmanager
async def generor(**options: Any) -> AsyncGenerator[Caller]:
    """Run a simulator, and call its Generor half with the key good for everything."""
    chosen: dict[str, Any] = {"tier": "enterprise", "speed": FAST} | options
    async with Simulator(**chosen) as simulator, aiohttp.ClientSession() as session:
        yield Caller(simulator, session, simulator.generor_key)


async def until(condition: Callable[[], object], *, seconds: float = 300.0) -> None:
    """Wait for what the other side is about to do."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)
