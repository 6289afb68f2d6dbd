"""Access to the Generor API: keys, scopes, tiers, windows and the shape of every refusal."""

import pytest
from support.generor_service import generor
from support.spec import operations

from generor_async.simulator import Simulator

EPOCH = 1_775_649_600.0
WINDOW = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "X-RateLimit-Tier")


def test_every_documented_operation_is_served() -> None:
    routes = Simulator().generor.routes
    assert sorted(route.operation for route in routes) == sorted(operations("generor"))
    assert len({(route.method, route.template) for route in routes}) == len(routes)


async def test_a_missing_key_is_refused_with_advice() -> None:
    async with generor() as caller:
        reply = await caller.with_key(None).get("/users/me")
        assert reply.refusal[:2] == (401, "UNAUTHORIZED")
        assert "Missing API key" in reply.refusal[2]


@pytest.mark.parametrize("value", ["Bearer gnr_live_nobodys", "Basic abc", "Bearer", "gnr_live_a1b2"])
@pytest.mark.parametrize("path", ["/users/me", "/generators"])
async def test_a_bad_key_is_refused_even_where_none_is_needed(value: str, path: str) -> None:
    async with generor() as caller:
        reply = await caller.with_key(None).get(path, Authorization=value)
        assert reply.refusal[:2] == (401, "UNAUTHORIZED")


@pytest.mark.parametrize(
    "path",
    [
        "/generators",
        "/generators/image",
        "/generators/joke/creations",
        "/creations/public",
        "/creations/search?q=sunset",
        "/creations/6001",
        "/creations/6001/comments",
        "/creations/6001/rating",
        "/models",
        "/models/image",
        "/models/image/10001",
        "/users/janedoe",
        "/users/janedoe/followers",
    ],
)
async def test_public_operations_need_no_key(path: str) -> None:
    async with generor() as caller:
        assert (await caller.with_key(None).get(path)).status == 200


@pytest.mark.parametrize(
    ("scopes", "method", "path", "status"),
    [
        (("read",), "GET", "/users/me", 200),
        (("read",), "GET", "/models", 200),
        (("write",), "GET", "/models", 403),
        (("generate",), "GET", "/users/me", 403),
        (("read",), "POST", "/users/janedoe/follow", 403),
        (("write",), "POST", "/users/janedoe/follow", 200),
        (("read", "write"), "POST", "/generators/joke/generate", 403),
        (("generate",), "POST", "/generators/joke/generate", 400),
        (("read",), "POST", "/generators/joke/estimate", 400),
        ((), "DELETE", "/users/janedoe/follow", 200),
    ],
)
async def test_a_scoped_key_may_do_only_what_its_scopes_allow(
    scopes: tuple[str, ...], method: str, path: str, status: int
) -> None:
    async with generor() as caller:
        made = (await caller.post("/api-keys", {"name": "scoped", "scopes": scopes})).data
        reply = await caller.with_key(made["api_key"]).call(method, path)
        assert reply.status == status


async def test_a_missing_scope_is_named() -> None:
    async with generor() as caller:
        key = caller.simulator.generor.add_key(scopes=("read",))
        reply = await caller.with_key(key).post("/generators/joke/generate", {})
        assert reply.refusal == (403, "FORBIDDEN", "This API key lacks the scope 'generate'")


@pytest.mark.parametrize(("tier", "minute"), [("free", 30), ("basic", 60), ("pro", 120), ("enterprise", 300)])
async def test_the_headers_tell_the_tier_and_its_minute(tier: str, minute: int) -> None:
    async with generor(tier=tier, speed=1.0, epoch=EPOCH) as caller:
        reply = await caller.get("/users/me")
        limit, remaining, reset, told = (reply.headers[name] for name in WINDOW)
        assert (limit, remaining, told) == (str(minute), str(minute - 1), tier)
        assert EPOCH + 60 <= int(reset) <= EPOCH + 62


async def test_the_headers_count_down() -> None:
    async with generor(speed=1.0) as caller:
        left = [int((await caller.get("/models")).headers["X-RateLimit-Remaining"]) for _ in range(3)]
        assert left == [299, 298, 297]


async def test_refusals_count_and_carry_the_headers_too() -> None:
    async with generor(speed=1.0) as caller:
        await caller.get("/nowhere")
        await caller.get("/creations/1")
        reply = await caller.call("PUT", "/feed")
        assert reply.headers["X-RateLimit-Remaining"] == "297"


async def test_after_the_last_request_of_a_minute_comes_a_429() -> None:
    async with generor(tier="free", speed=1.0, epoch=EPOCH) as caller:
        for _ in range(30):
            assert (await caller.get("/models/music")).status == 200
        reply = await caller.get("/models/music")
        assert reply.refusal[:2] == (429, "RATE_LIMIT_EXCEEDED")
        assert reply.headers["X-RateLimit-Remaining"] == "0"
        assert 55 <= int(reply.headers["Retry-After"]) <= 60


async def test_waiting_for_retry_after_is_enough() -> None:
    async with generor(tier="free", speed=1.0) as caller:
        for _ in range(30):
            await caller.get("/models/music")
        wait = int((await caller.get("/models/music")).headers["Retry-After"])
        caller.simulator.advance(wait)
        assert (await caller.get("/models/music")).status == 200


async def test_the_hour_binds_when_it_has_the_smaller_share_left() -> None:
    async with generor(tier="free", speed=1.0) as caller:
        for _ in range(2):
            for _ in range(25):
                await caller.get("/models/music")
            caller.simulator.advance(61)
        reply = await caller.get("/models/music")
        assert (reply.headers["X-RateLimit-Limit"], reply.headers["X-RateLimit-Remaining"]) == ("500", "449")


async def test_the_hour_refuses_when_it_is_used_up() -> None:
    async with generor(tier="free", speed=1.0) as caller:
        (key,) = caller.simulator.generor.state.keys.values()
        key.windows[1].limit = 3
        for _ in range(3):
            await caller.get("/models/music")
        caller.simulator.advance(120)
        reply = await caller.get("/models/music")
        assert reply.status == 429
        assert 3400 <= int(reply.headers["Retry-After"]) <= 3480


async def test_each_key_has_windows_of_its_own() -> None:
    async with generor(speed=1.0) as caller:
        await caller.get("/models/music")
        other = caller.with_key(caller.simulator.generor.add_key())
        assert (await other.get("/models/music")).headers["X-RateLimit-Remaining"] == "299"


async def test_without_a_key_there_are_15_a_minute() -> None:
    async with generor(speed=1.0) as caller:
        nobody = caller.with_key(None)
        left = [(await nobody.get("/models/music")).headers["X-RateLimit-Remaining"] for _ in range(15)]
        assert left == [str(number) for number in range(14, -1, -1)]
        reply = await nobody.get("/models/music")
        assert reply.refusal[:2] == (429, "RATE_LIMIT_EXCEEDED")
        assert "X-RateLimit-Tier" not in reply.headers


async def test_a_fixed_window_resets_for_all_at_once() -> None:
    async with generor(tier="free", speed=1.0, epoch=EPOCH, generor_window="fixed") as caller:
        caller.simulator.advance(30)
        reply = await caller.get("/models/music")
        assert reply.headers["X-RateLimit-Reset"] == str(int(EPOCH) + 60)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b'{"count": NaN}', b"[" * 100_000, b"\xff"])
async def test_a_body_that_is_not_a_json_object_is_refused(body: bytes) -> None:
    async with generor() as caller:
        url = f"{caller.simulator.generor_url}/generators/joke/estimate"
        async with caller.session.post(url, data=body) as reply:
            assert (reply.status, (await reply.json())["error"]["code"]) == (400, "VALIDATION_ERROR")
