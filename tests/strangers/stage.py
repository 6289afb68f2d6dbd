"""A user who sends bare requests, in virtual time: what the server's own tests need."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import aiohttp

from generor_async.testing import run
from strangers import GenerorWorld, LumaWorld, StrangerServer


class Reply:
    """An answer, read to its end."""

    def __init__(self, response: aiohttp.ClientResponse, content: bytes) -> None:
        self.status = response.status
        self.headers = response.headers
        self.content = content
        self._response = response

    async def json(self) -> Any:
        """Return the body."""
        return await self._response.json()


class User:
    """Sends requests with a key."""

    def __init__(self, server: StrangerServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self._session = session

    async def send(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        """Send to one of the APIs, told apart by the path, or to a full URL."""
        key = self.server.generor_key if path.startswith("/api/") else self.server.luma_key
        if not path.startswith("http"):
            headers = {"Authorization": f"Bearer {key}", **headers}
            path = self.server.luma_url.removesuffix("/v1") + path
        async with self._session.request(method, path, json=body, headers=headers) as response:
            return Reply(response, await response.read())

    async def create(self, prompt: str = "a chair", **more: object) -> Reply:
        """Start a generation of Luma's."""
        return await self.send("POST", "/v1/generations", {"prompt": prompt, **more})

    async def generate(self, prompt: str = "a joke", **more: object) -> Reply:
        """Generate at Generor's."""
        return await self.send("POST", "/api/v1/generators/joke/generate", {"prompt": prompt, "model_id": 37, **more})


Story: TypeAlias = Callable[[User], Awaitable[None]]


def play(story: Story, server: Callable[[], StrangerServer]) -> None:
    """Run a story against a server, in no real time."""

    async def main() -> None:
        async with server() as running, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(None)) as session:
            await story(User(running, session))

    run(main())


def luma(**switches: Any) -> Callable[[], StrangerServer]:
    """Make a server whose Luma has these switches."""
    return lambda: StrangerServer(luma=LumaWorld(**switches))


def generor(**switches: Any) -> Callable[[], StrangerServer]:
    """Make a server whose Generor has these switches."""
    return lambda: StrangerServer(generor=GenerorWorld(**switches))


def text_of(reply: Reply) -> str:
    """Return the body as text."""
    return reply.content.decode()


def wall(user: User) -> float:
    """Return the server's wall clock."""
    return user.server.clock.wall(user.server.clock.now())
