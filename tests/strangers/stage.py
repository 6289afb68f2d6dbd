"""A loop whose time jumps, and a user who sends requests on it: what the server's own tests need."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import aiohttp

from . import GenerorWorld, LumaWorld, StrangerServer


class JumpingSelector(selectors.DefaultSelector):
    """Waits for the network a millisecond, then lets time jump to the next timer."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready, or nothing and the time moved on."""
        if timeout is None:
            return super().select(None)
        events = super().select(min(timeout, 0.001))
        if not events:
            self.now += max(timeout, 0.0)
        return events


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop that never sleeps."""

    def __init__(self) -> None:
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the seconds that were jumped over."""
        return self._jumping.now


class Reply:
    """An answer, read to its end."""

    def __init__(self, response: aiohttp.ClientResponse, content: bytes) -> None:
        self.status = response.status
        self.headers = response.headers
        self.content = content
        self._response = response

    async def json(self) -> Any:  # noqa: ANN401 - tests look inside
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

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(main())


def luma(**switches: Any) -> Callable[[], StrangerServer]:  # noqa: ANN401 - any switch
    """Make a server whose Luma has these switches."""
    return lambda: StrangerServer(luma=LumaWorld(**switches))


def generor(**switches: Any) -> Callable[[], StrangerServer]:  # noqa: ANN401 - any switch
    """Make a server whose Generor has these switches."""
    return lambda: StrangerServer(generor=GenerorWorld(**switches))


def text_of(reply: Reply) -> str:
    """Return the body as text."""
    return reply.content.decode()


def wall(user: User) -> float:
    """Return the server's wall clock."""
    return user.server.clock.wall(user.server.clock.now())
