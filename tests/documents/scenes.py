"""How each described error is met: the simulator brought into the state that the corpus names, and the call for it.

Simulated time all but stands still in a scene, so that a `Retry-After` is exact; what has to pass is moved on by hand.
"""

import asyncio
import base64
import copy
import io
import json
import math
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp
from attrs import define, frozen
from documents.corpus import DescribedError, at_path

from generor_async import AsyncGeneror, AsyncLuma
from generor_async.api.generor import operations as generor_operations
from generor_async.api.luma import operations as luma_operations
from generor_async.simulator import Simulator

__all__ = ["BUILDERS", "ENDPOINTS", "REQUEST_ID", "Raw", "Scene", "hurried", "scene_of"]

T = TypeVar("T")

BUILDERS = {**generor_operations.BUILDERS, **luma_operations.BUILDERS}
ENDPOINTS = {**generor_operations.ENDPOINTS, **luma_operations.ENDPOINTS}
REQUEST_ID = "3f0e8b1c-5a9d-4c57-9f60-0d8f3f3c2a11"
STANDING_STILL = 0.001
"""The simulated clock's speed."""


@frozen
class Raw:
    """An answer as it came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: Any


@define
class Scene:
    """One described error about to happen: who asks, for what, and the server in the state for it."""

    error: DescribedError
    simulator: Simulator
    luma: bool
    key: str | None
    authorization: str | None
    arguments: Sequence[str | int]
    body: Any

    @property
    def method(self) -> str:
        """The HTTP method of the call."""
        operation = self.error.operation
        return str(self.error.provoke["method"]) if operation is None else ENDPOINTS[operation].method

    @property
    def path(self) -> str:
        """The path of the call, below the base URL."""
        if self.error.operation is None:
            return str(self.error.provoke["path"])
        left = [str(argument) for argument in self.arguments]
        return re.sub(r"\{\w+\}", lambda _: left.pop(0), ENDPOINTS[self.error.operation].template)

    @property
    def base_url(self) -> str:
        """Where the API of the call is."""
        return self.simulator.luma_url if self.luma else self.simulator.generor_url

    async def ask(self) -> Raw:
        """Make the call without any client of ours."""
        headers = {"X-Request-Id": REQUEST_ID, "Content-Type": "application/json"}
        if self.authorization is not None:
            headers["Authorization"] = self.authorization
        url = self.base_url + self.path
        body = None if self.body is None else io.BytesIO(json.dumps(self.body).encode())
        async with (
            aiohttp.ClientSession() as session,
            session.request(self.method, url, data=body, headers=headers) as reply,
        ):
            return Raw(reply.status, reply.headers, await reply.json())

    def client(self, key: str | None = None, **options: Any) -> AsyncLuma | AsyncGeneror:
        """Make a client of ours that gives up at once and can wait for ever."""
        known: dict[str, Any] = {
            "api_key": key or self.key,
            "base_url": self.base_url,
            "clock": self.simulator.clock,
            "timeout": math.inf,
            "max_retries": 0,
            **options,
        }
        return AsyncLuma(**known) if self.luma else AsyncGeneror(**known)

    def asking(self, client: AsyncLuma | AsyncGeneror) -> AsyncLuma | AsyncGeneror:
        """View a client so that its call is this scene's, request id and odd Authorization header included."""
        view = client.with_options(request_id=REQUEST_ID)
        if self.key is not None and self.authorization != f"Bearer {self.key}":
            assert self.authorization is not None
            view = view.with_options(extra_headers={"Authorization": self.authorization})
        return view

    async def call(self, client: AsyncLuma | AsyncGeneror) -> Any:
        """Make the call by the method that the client has for it."""
        assert self.error.operation is not None
        _, resource, method = self.error.operation.split(".")
        call = getattr(getattr(client, resource), method)
        return await call(*self.arguments, **(self.body or {}))

    async def request(self, client: AsyncLuma | AsyncGeneror) -> Any:
        """Make the call past the method and its checks."""
        return await client.request(self.method, self.path, json=self.body)


@asynccontextmanager
async def scene_of(error: DescribedError, *, luma: bool) -> AsyncGenerator[Scene, None]:
    """Run a simulator, and bring it into the state in which the error is met."""
    provoke = error.provoke
    state = provoke.get("state")
    async with Simulator(speed=STANDING_STILL, **_options(error)) as simulator:
        key = simulator.luma_key if luma else simulator.generor_key
        scene = Scene(error, simulator, luma, key, f"Bearer {key}", list(error.arguments), _body(provoke))
        if "authorization" in provoke:
            _authorize(scene, provoke["authorization"])
        if luma and state is not None:
            await LUMA_STATES[state](scene)
        elif not luma:
            await GENEROR_STATES[state](scene)
        yield scene


async def hurried(simulator: Simulator, awaitable: Awaitable[T]) -> T:
    """Let simulated time fly until something is done."""
    task = asyncio.ensure_future(awaitable)
    while not task.done():
        simulator.advance(2.0)
        await asyncio.sleep(0.001)
    return await task


def _options(error: DescribedError) -> dict[str, Any]:
    provoke = error.provoke
    match provoke.get("state"):
        case "rpm":
            return {"luma_rpm": provoke["rpm"], "luma_jobs": provoke["rpm"] + 1}
        case "concurrent":
            return {"luma_jobs": 2, "luma_wording": "contract"}
        case "no credits":
            return {"generor_credits": 0}
        case "rate limit":
            return {"tier": provoke.get("tier", "pro")}
        case _:
            return {}


def _body(provoke: Mapping[str, Any]) -> Any:
    """Return the request's body, with what the corpus only describes put in."""
    body = copy.deepcopy(provoke.get("json"))
    for path, length in provoke.get("lengthen", {}).items():
        text = at_path(body, path)
        _put(body, path, (text * (length // len(text) + 1))[:length])
    for path, size in provoke.get("inline_bytes", {}).items():
        _put(body, path, base64.b64encode(bytes(size)).decode())
    return body


def _put(body: Any, path: str, value: str) -> None:
    owner, _, name = path.rpartition(".")
    at_path(body, owner)[name] = value


def _authorize(scene: Scene, header: str | None) -> None:
    """Ask with the Authorization header that the corpus names."""
    if header is None:
        scene.key = scene.authorization = None
    elif header.startswith("Bearer "):
        scene.key, scene.authorization = header.removeprefix("Bearer "), header
    else:
        scene.authorization = header.format(key=scene.key)


def _use(scene: Scene, key: str) -> None:
    scene.key, scene.authorization = key, f"Bearer {key}"


def _luma_key(name: str) -> Callable[[Scene], Awaitable[None]]:
    async def state(scene: Scene) -> None:
        _use(scene, scene.simulator.luma.keys[name])

    return state


def _marked(marker: str) -> Callable[[Scene], Awaitable[None]]:
    async def state(scene: Scene) -> None:
        scene.body["prompt"] = f"[[{marker}]] {scene.body['prompt']}"

    return state


async def _nothing(scene: Scene) -> None:
    pass


async def _luma_image_too_large(scene: Scene) -> None:
    if "source" in scene.body:  # the simulator fetches nothing, and goes by the URL
        scene.body["source"]["url"] = "https://example.com/too-large.jpg"


async def _luma_rpm(scene: Scene) -> None:
    for _ in range(scene.error.provoke["rpm"]):
        assert (await scene.ask()).status == 201
    scene.simulator.advance(scene.error.provoke["after_seconds"])


async def _luma_concurrent(scene: Scene) -> None:
    for _ in range(2):
        assert (await scene.ask()).status == 201


async def _luma_of_another_key(scene: Scene) -> None:
    client = scene.client(scene.simulator.luma.keys["other"])
    assert isinstance(client, AsyncLuma)
    async with client:
        scene.arguments = [(await client.generations.create(prompt="A sunset")).id]


LUMA_STATES: dict[str, Callable[[Scene], Awaitable[None]]] = {
    "another key's generation": _luma_of_another_key,
    "concurrent": _luma_concurrent,
    "deactivated": _luma_key("deactivated"),
    "expired": _luma_key("expired"),
    "image too large": _luma_image_too_large,
    "ingestion down": _marked("ingestion-unavailable"),
    "no credits": _luma_key("poor"),
    "revoked": _luma_key("revoked"),
    "rpm": _luma_rpm,
    "suspended": _luma_key("suspended"),
    "upstream down": _marked("bad-gateway"),
}


@asynccontextmanager
async def _generor(scene: Scene, username: str = "johndoe") -> AsyncGenerator[AsyncGeneror, None]:
    """Call as a user, with a key of theirs that is made for it."""
    client = scene.client(scene.simulator.generor.add_key(username))
    assert isinstance(client, AsyncGeneror)
    async with client:
        yield client


async def _made_by(scene: Scene, username: str) -> int:
    """Let a user make something, and return its id."""
    async with _generor(scene, username) as client:
        making = client.generators.generate("joke", model_id=37, prompt="A joke about programming")
        return (await hurried(scene.simulator, making)).creations[0].creation_id


async def _comment_by(scene: Scene, username: str) -> int:
    async with _generor(scene, username) as client:
        creation_id = await _made_by(scene, username)
        comment = await client.comments.create(creation_id, text="Great creation!")
        assert isinstance(comment.comment_id, int)
        return comment.comment_id


async def _own_things(scene: Scene) -> None:
    """Give the arguments that stand for an id of the caller's own, where the document leaves it open."""
    match scene.error.operation:
        case "generor.creations.update" | "generor.ratings.rate":
            scene.arguments = [await _made_by(scene, "johndoe")]
        case "generor.comments.vote":
            scene.arguments = [await _comment_by(scene, "johndoe")]
        case _:
            pass


async def _not_the_owner(scene: Scene) -> None:
    match scene.error.operation:
        case "generor.creations.update" | "generor.creations.delete":
            scene.arguments = [await _made_by(scene, "janedoe")]
        case "generor.comments.delete":
            scene.arguments = [await _comment_by(scene, "janedoe")]
        case _:
            async with _generor(scene, "janedoe") as client:
                team = await client.teams.create(name="My Creative Team")
                assert isinstance(team.team_id, int)
                await client.teams.add_member(team.team_id, username="johndoe")
                owner = (await client.users.me()).user_id
                assert isinstance(owner, int)
                scene.arguments = [team.team_id, owner][: len(scene.arguments)]


async def _revoked(scene: Scene) -> None:
    async with _generor(scene) as client:
        made = await client.api_keys.create(name="My App")
        await client.api_keys.revoke(made.key_id)
    _use(scene, made.api_key.reveal())


async def _scopes(scene: Scene) -> None:
    _use(scene, scene.simulator.generor.add_key(scopes=tuple(scene.error.provoke["scopes"])))


async def _ten_keys(scene: Scene) -> None:
    async with _generor(scene) as client:
        while len(await client.api_keys.list()) < 10:
            await client.api_keys.create(name="One more")


async def _generor_rate_limit(scene: Scene) -> None:
    """Fill the window that is named, without ever filling a shorter one."""
    minute, hour = (15, math.inf) if scene.key is None else (30, 500)
    headers = {} if scene.authorization is None else {"Authorization": scene.authorization}
    requests, window = scene.error.provoke["requests"], scene.error.provoke["window"]
    async with aiohttp.ClientSession() as session:
        for number in range(1, requests + 1):
            async with session.get(scene.base_url + scene.path, headers=headers) as reply:
                assert reply.status == 200, number
            if window != "minute" and number % hour == 0 and number < requests:
                scene.simulator.advance(3_600)
            elif window != "minute" and number % minute == 0:
                scene.simulator.advance(60)


GENEROR_STATES: dict[str | None, Callable[[Scene], Awaitable[None]]] = {
    None: _own_things,
    "no credits": _nothing,
    "not the owner": _not_the_owner,
    "rate limit": _generor_rate_limit,
    "revoked": _revoked,
    "scopes": _scopes,
    "server error": _nothing,
    "ten active keys": _ten_keys,
}
