"""The simulator returns every status that the spec documents for an operation.

The tests are generated from the spec: a status that is added there fails here until the simulator can return it.
"""

import io
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

import aiohttp
import pytest
from attrs import define, field
from support.generor_service import FAST
from support.spec import Documented, documented

from generor_async.simulator import Simulator

CODES = {
    400: "VALIDATION_ERROR",
    401: "UNAUTHORIZED",
    402: "INSUFFICIENT_CREDITS",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    429: "RATE_LIMIT_EXCEEDED",
    500: "SERVER_ERROR",
}
LIMITS = {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}
NEVER = "00000000-0000-0000-0000-000000000000"
MIB = 1024 * 1024

GOOD_BODIES: Mapping[str, Any] = {
    "generor.generators.estimate": {"model_id": 37},
    "generor.generators.generate": {"model_id": 37, "prompt": "A joke about programming"},
    "generor.creations.update": {"license": 2},
    "generor.comments.create": {"text": "Great creation!"},
    "generor.comments.vote": {"vote": "up"},
    "generor.ratings.rate": {"score": 5},
    "generor.users.update_me": {"bio": "Updated bio"},
    "generor.teams.create": {"name": "My Creative Team"},
    "generor.teams.add_member": {"username": "janedoe"},
    "generor.api_keys.create": {"name": "My App"},
    "luma.generations.create": {"prompt": "A sunset"},
    "luma.files.create": {"mime_type": "image/png", "size_bytes": 4},
}


@define
class Request:
    """A request that succeeds until a provoker makes something wrong with it."""

    case: Documented
    simulator: Simulator
    session: aiohttp.ClientSession
    key: str | None
    params: dict[str, Any] = field(factory=dict[str, Any])
    query: dict[str, str] = field(factory=dict[str, str])
    body: Any = None

    async def send(self) -> tuple[aiohttp.ClientResponse, Any]:
        """Send the request, and return the answer with its body."""
        path = self.case.template.format(**self.params)
        return await self.call(self.case.method, path, self.body, params=self.query)

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[aiohttp.ClientResponse, Any]:
        """Call any endpoint with the same key."""
        base_url = self.simulator.luma_url if self.case.api == "luma" else self.simulator.generor_url
        more |= {"data": body} if isinstance(body, aiohttp.FormData) else {"json": body}
        headers = {} if self.key is None else {"Authorization": f"Bearer {self.key}"}
        async with self.session.request(method, base_url + path, headers=headers, **more) as reply:
            text = await reply.text()
            return reply, json.loads(text) if text else None

    async def make(self, path: str, **body: Any) -> Any:
        """Make an object that the request needs."""
        reply, made = await self.call("POST", path, body)
        assert reply.status in {200, 201}, made
        return made if self.case.api == "luma" else made["data"]


@pytest.mark.parametrize("case", documented(), ids=str)
async def test_a_documented_status_is_reached(case: Documented) -> None:
    async with good_request(case) as request:
        if case.status >= 300:
            await provoker(case)(request)
        reply, body = await request.send()
        assert reply.status == case.status, body
        if case.api == "luma":
            assert reply.headers.keys() >= {"X-Request-Id", "X-API-Version"}
            assert (body is not None and body.keys() == {"detail"}) is (case.status >= 400)
        else:
            assert reply.headers.keys() >= LIMITS
            assert body.get("error", {}).get("code") == CODES.get(case.status)
            assert body.get("error", {}).get("status", case.status) == case.status
            assert body["success"] is (case.status < 300)
        assert ("Retry-After" in reply.headers) is (case.status == 429)


@pytest.mark.parametrize("case", [case for case in documented() if case.status < 300], ids=str)
async def test_a_key_is_needed_where_the_spec_says_so_and_nowhere_else(case: Documented) -> None:
    async with good_request(case) as request:
        request.key = None
        reply, _ = await request.send()
        assert reply.status == (401 if case.key else case.status)


@pytest.mark.parametrize("case", {case.template: case for case in documented()}.values(), ids=str)
async def test_a_method_that_a_path_does_not_have_is_refused(case: Documented) -> None:
    async with good_request(case) as request:
        path = case.template.format(**request.params)
        reply, body = await request.call("PUT", path)
        assert reply.status == 405
        assert case.method in reply.headers["Allow"]
        assert body["error"]["code"] == "METHOD_NOT_ALLOWED" if case.api == "generor" else body.keys() == {"detail"}


@asynccontextmanager
async def good_request(case: Documented) -> AsyncGenerator[Request]:
    async with Simulator(speed=FAST) as simulator, aiohttp.ClientSession() as session:
        key = simulator.luma_key if case.api == "luma" else simulator.generor_key
        request = Request(case, simulator, session, key, body=GOOD_BODIES.get(case.operation))
        if case.operation == "generor.creations.search":
            request.query["q"] = "sunset"
        for name, find in THINGS.items():
            if f"{{{name}}}" in case.template:
                request.params[name] = await find(request)
        yield request


# What there must be for a request to succeed, by the path parameter that names it.


async def slug(request: Request) -> str:
    return "joke"


async def model_type(request: Request) -> str:
    return "text"


async def model_id(request: Request) -> int:
    return 37


async def username(request: Request) -> str:
    return "janedoe"


async def creation_id(request: Request) -> Any:
    made = await request.make("/generators/joke/generate", model_id=37, prompt="A joke")
    return made["creations"][0]["creation_id"]


async def comment_id(request: Request) -> Any:
    return (await request.make(f"/creations/{await creation_id(request)}/comments", text="Great!"))["comment_id"]


async def team_id(request: Request) -> Any:
    return (await request.make("/teams", name="My Creative Team"))["team_id"]


async def user_id(request: Request) -> Any:
    """Add a member to the team of the request, and return the member's id."""
    team = await request.make(f"/teams/{request.params['team_id']}/members", username="janedoe")
    return team["members"][-1]["user_id"]


async def invite_code(request: Request) -> Any:
    return (await request.make("/teams", name="My Creative Team"))["invite_code"]


async def key_id(request: Request) -> Any:
    return (await request.make("/api-keys", name="My App"))["key_id"]


async def generation_id(request: Request) -> Any:
    return (await request.make("/generations", prompt="A sunset"))["id"]


async def file_id(request: Request) -> Any:
    reply, made = await request.call("POST", "/files", form_of(b"\x89PNG"))
    assert reply.status == 201
    return made["id"]


def form_of(content: bytes) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("file", io.BytesIO(content), filename="image.png", content_type="image/png")
    return form


THINGS: Mapping[str, Callable[[Request], Awaitable[Any]]] = {
    "slug": slug,
    "type": model_type,
    "model_id": model_id,
    "username": username,
    "creation_id": creation_id,
    "comment_id": comment_id,
    "team_id": team_id,
    "user_id": user_id,
    "invite_code": invite_code,
    "key_id": key_id,
    "generation_id": generation_id,
    "file_id": file_id,
}


# What makes a good request fail, by status.

Provoker = Callable[[Request], Awaitable[None]]


def provoker(case: Documented) -> Provoker:
    """Return the function that provokes a status of an operation: its own, or one that works for every operation."""
    own = OWN_PROVOKERS.get((case.operation, case.status))
    return own or PROVOKERS[case.api, case.status]


async def bad_key(request: Request) -> None:
    request.key = "luma-api-nobodys" if request.case.api == "luma" else "gnr_live_nobodys"


async def lacking_scope(request: Request) -> None:
    scope: Literal["read", "write"] = "write" if request.case.method == "GET" else "read"
    request.key = request.simulator.generor.add_key(scopes=(scope,))


async def suspended(request: Request) -> None:
    request.key = request.simulator.luma.keys["suspended"]


async def nothing_there(request: Request) -> None:
    """Ask for something that doesn't exist, by the last path parameter: the others must be valid."""
    name = list(request.params)[-1]
    strings = {"slug": "nothing", "username": "nobody", "invite_code": "0", "generation_id": NEVER, "file_id": NEVER}
    request.params[name] = strings.get(name, 999_999)


async def bad_input(request: Request) -> None:
    if request.case.body:
        request.body = []
    else:
        request.query["per_page"] = "0"


def query(**wrong: str) -> Provoker:
    async def provoke(request: Request) -> None:
        request.query.update(wrong)

    return provoke


def path(**wrong: str) -> Provoker:
    async def provoke(request: Request) -> None:
        request.params.update(wrong)

    return provoke


def body(**wrong: Any) -> Provoker:
    async def provoke(request: Request) -> None:
        request.body = {**request.body, **wrong}

    return provoke


def reference(**wrong: str) -> Provoker:
    return body(image_ref=[wrong])


async def nothing_uploaded(request: Request) -> None:
    asked = await request.make("/files", mime_type="image/png", size_bytes=4)
    request.params["file_id"] = asked["id"]


async def too_large_inline(request: Request) -> None:
    request.body = form_of(bytes(33 * MIB))


async def no_credits(request: Request) -> None:
    request.simulator.generor.account.wallet.reserved = request.simulator.generor.account.wallet.total


async def no_balance(request: Request) -> None:
    request.key = request.simulator.luma.keys["poor"]


async def full_window(request: Request) -> None:
    """Use a key whose limit is used up by the request before. Its minute is long, because simulated time is fast."""
    request.key = request.simulator.generor.add_key()
    minute = request.simulator.generor.state.keys[request.key].windows[0]
    minute.limit, minute.seconds = 1, 1e9
    reply, _ = await request.call("GET", "/users/me")
    assert reply.status == 200


async def full_minute(request: Request) -> None:
    minute = request.simulator.luma.client.window
    minute.limit, minute.seconds = 1, 1e9
    await request.make("/generations", prompt="A sunset")


async def server_error(request: Request) -> None:
    request.simulator.faults.add(operation=request.case.operation, fault="500", times=1)


PROVOKERS: Mapping[tuple[str, int], Provoker] = {
    ("generor", 400): bad_input,
    ("generor", 401): bad_key,
    ("generor", 402): no_credits,
    ("generor", 403): lacking_scope,
    ("generor", 404): nothing_there,
    ("generor", 429): full_window,
    ("generor", 500): server_error,
    ("luma", 400): bad_input,
    ("luma", 401): bad_key,
    ("luma", 402): no_balance,
    ("luma", 403): suspended,
    ("luma", 404): nothing_there,
    ("luma", 429): full_minute,
}
OWN_PROVOKERS: Mapping[tuple[str, int], Provoker] = {
    ("generor.generators.list", 400): query(status="retired"),
    ("generor.models.list_by_type", 400): path(type="smell"),
    ("generor.models.get", 400): path(type="smell"),
    ("generor.users.follow", 400): path(username="johndoe"),
    ("luma.generations.create", 413): reference(url="https://example.com/too-large.jpg"),
    ("luma.generations.create", 422): reference(data="not-valid-base64!!!", media_type="image/png"),
    ("luma.generations.create", 502): reference(url="https://bad-gateway.example.com/a.jpg"),
    ("luma.generations.create", 503): reference(url="https://ingestion-unavailable.example.com/a.jpg"),
    ("luma.files.list", 400): query(limit="0"),
    ("luma.files.create", 413): too_large_inline,
    ("luma.files.complete", 400): nothing_uploaded,
}


def test_no_provoker_is_left_over() -> None:
    """Each provokes a status that the spec documents."""
    cases = documented()
    assert OWN_PROVOKERS.keys() <= {(case.operation, case.status) for case in cases}
    assert PROVOKERS.keys() <= {(case.api, case.status) for case in cases}
    assert GOOD_BODIES.keys() == {case.operation for case in cases if case.body}
