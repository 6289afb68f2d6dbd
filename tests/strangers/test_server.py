"""What both APIs share, and the server's Generor API, seen by bare aiohttp in virtual time."""

import asyncio

import aiohttp
import pytest

from strangers import Answer, Outage, StrangerServer, in_turn
from strangers.stage import Reply, User, generor, luma, play


def test_outages_answer_before_or_after_the_charge() -> None:
    async def story(user: User) -> None:
        down = await user.create()
        assert (down.status, await down.json()) == (502, {"detail": "Upstream service unavailable"})
        await asyncio.sleep(10)
        page = await user.create()
        assert (page.status, page.headers["Content-Type"]) == (504, "text/html; charset=utf-8")
        assert [one.charged for one in user.server.requests] == [False, True]
        await asyncio.sleep(10)
        by_url = await user.create(image_ref=[{"url": "https://example.com/a.png"}])
        assert [by_url.status, (await user.create()).status] == [503, 201]

    after = Outage(10, 20, status=504, html=True, after=True)
    play(story, luma(outages=(Outage(0, 10), after, Outage(20, 30, status=503, scope="url"))))


def test_a_script_can_answer_anything_and_break_the_connection() -> None:
    async def story(user: User) -> None:
        odd = await user.create()
        assert (odd.status, odd.headers["X-Odd"], odd.content) == (201, "1", b"{oh")
        for _ in range(2):
            with pytest.raises(aiohttp.ClientError):
                await user.create()
        assert (await user.create()).status == 201
        assert [(one.status, one.charged) for one in user.server.requests] == [
            (201, False),
            (0, True),
            (0, False),
            (201, True),
        ]

    answers = [Answer(status=201, body=b"{oh", headers={"X-Odd": "1"}), Answer(after=True, cut=True)]
    script = in_turn([*answers, Answer(body=b"{", cut=True)], path="/generations")
    play(story, lambda: StrangerServer(script=script))


def test_a_request_is_counted_after_its_way_and_answered_after_another() -> None:
    async def story(user: User) -> None:
        await user.create()
        loop = asyncio.get_running_loop()
        assert 0.5 <= user.server.requests[0].at < 0.6
        assert 1.0 < loop.time() < 1.2

    play(story, lambda: StrangerServer(travel=0.5, jitter=0.1))


def test_generate_takes_its_time_and_charges() -> None:
    async def story(user: User) -> None:
        started = asyncio.get_running_loop().time()
        reply = await user.generate(count=5)
        assert (reply.status, asyncio.get_running_loop().time() - started) == (201, 12.0)
        data = (await reply.json())["data"]
        assert (data["credit_cost"], data["credits_remaining"], len(data["creations"])) == (5, 1245, 5)
        name = data["creations"][0]["creation_id"]
        status = await (await user.send("GET", f"/api/v1/creations/{name}/status")).json()
        assert status["data"]["status"] == "completed"
        page = await (await user.send("GET", "/api/v1/creations?per_page=2&page=3")).json()
        assert [one["creation_id"] for one in page["data"]] == [name]
        assert page["meta"] == {
            "page": 3,
            "per_page": 2,
            "total": 5,
            "total_pages": 3,
            "has_next": False,
            "has_prev": True,
        }
        assert [(one.credits, one.item) for one in user.server.charges] == [(5, str(name))]
        spent = await (await user.send("GET", "/api/v1/credits/transactions?type=spend")).json()
        assert spent["data"][0]["amount"] == -5

    play(story, generor())


def test_generor_limits_have_three_windows_and_a_tier() -> None:
    async def story(user: User) -> None:
        replies = list[Reply]()
        for _ in range(3):
            replies += [await user.send("GET", "/api/v1/users/me") for _ in range(3)]
            await asyncio.sleep(60)
        assert [reply.status for reply in replies] == [200, 200, 429, 200, 200, 429, 429, 429, 429]
        last = replies[-1].headers
        assert (last["X-RateLimit-Limit"], last["X-RateLimit-Tier"]) == ("4", "Free")
        assert int(last["Retry-After"]) > 60
        assert int(last["X-RateLimit-Reset"]) % 3600 == 0
        assert (await replies[-1].json())["error"]["code"] == "RATE_LIMIT_EXCEEDED"
        await user.server.send_as_other("generor", 2)
        assert user.server.requests[-1].refusal == "window"

    play(story, generor(limits=(2, 4, 100), tier_spelling="Free"))


def test_generor_errors_come_in_the_envelope() -> None:
    async def story(user: User) -> None:
        async def code(method: str, path: str, body: object = None, **headers: str) -> tuple[int, str]:
            reply = await user.send(method, f"/api/v1/{path}", body, **headers)
            assert "X-RateLimit-Tier" in reply.headers
            error = (await reply.json())["error"]
            assert error["status"] == reply.status
            return reply.status, error["code"]

        ask = {"prompt": "a", "model_id": 37}
        assert await code("GET", "users/me", Authorization="") == (401, "UNAUTHORIZED")
        assert await code("GET", "feed") == (404, "NOT_FOUND")
        assert await code("DELETE", "users/me") == (405, "METHOD_NOT_ALLOWED")
        assert await code("POST", "generators/joke/generate", {"prompt": ""}) == (400, "VALIDATION_ERROR")
        assert await code("POST", "generators/joke/generate", {**ask, "count": 9}) == (402, "INSUFFICIENT_CREDITS")
        assert await code("POST", "generators/joke/generate", {**ask, "prompt": "[fails]"}) == (500, "SERVER_ERROR")
        assert not user.server.charges

    play(story, generor(balance=5))


def test_generor_key_without_the_scope_may_only_estimate() -> None:
    async def story(user: User) -> None:
        assert (await user.generate()).status == 403
        video = {"prompt": "a", "model_id": 20061, "seconds": 3}
        reply = await user.send("POST", "/api/v1/generators/video/estimate", video, Authorization="")
        data = (await reply.json())["data"]
        assert (reply.status, data["credit_cost"]["total"], data["adjustments"]["seconds"]["used"]) == (200, 30, 5)

    play(story, generor(scopes=frozenset({"read"})))


def test_a_gateway_gives_up_on_a_call_that_goes_on_and_costs() -> None:
    async def story(user: User) -> None:
        reply = await user.generate()
        assert (reply.status, len(user.server.charges)) == (504, 0)
        listed = await (await user.send("GET", "/api/v1/creations")).json()
        name = listed["data"][0]["creation_id"]
        path = f"/api/v1/creations/{name}/status"
        assert (await (await user.send("GET", path)).json())["data"]["status"] == "generating"
        await asyncio.sleep(7)
        assert (await (await user.send("GET", path)).json())["data"]["status"] == "completed"
        assert [one.credits for one in user.server.charges] == [1]

    play(story, generor(gateway_timeout=5.0))
