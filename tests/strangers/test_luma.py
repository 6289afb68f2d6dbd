"""The server's Luma Agents API, seen by bare aiohttp in virtual time."""

import asyncio
import base64
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from strangers import Held, Others, Span
from strangers.stage import User, luma, play, text_of, wall

EDIT = {
    "model": "uni-1-max",
    "type": "image_edit",
    "prompt": "a chair",
    "source": {"data": base64.b64encode(b"x").decode(), "media_type": "image/png"},
}
MEASURED_FORM = "Concurrent generation capacity reached: limit=10 weight units, request needs 3."

WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"model": "super-model-v9"}, 400, "Unknown model: super-model-v9"),
    ({"type": "video"}, 400, "Type 'video' is not supported for model 'uni-1'"),
    ({"prompt": ""}, 400, "Prompt must be between 1 and 6000 characters"),
    ({"type": "image_edit"}, 400, "source is required for type 'image_edit'"),
    ({"source": {"url": "https://a/b.png"}}, 400, "source is only valid for type 'image_edit'"),
    ({"image_ref": [{"data": "eA=="}]}, 400, "image_ref[0]: 'media_type' is required with 'data'"),
    ({"image_ref": [{"data": "!", "media_type": "image/png"}]}, 422, "image_ref[0]: invalid base64 data"),
    ({"image_ref": [{}]}, 400, "image_ref[0]: provide either 'url' or 'data', not neither"),
    (
        {"aspect_ratio": "4:3"},
        400,
        "Invalid aspect_ratio '4:3'. Valid: 1:1, 1:2, 1:3, 16:9, 2:1, 2:3, 3:1, 3:2, 9:16",
    ),
]


def test_a_generation_runs_from_queued_to_a_picture_whose_url_expires() -> None:
    async def story(user: User) -> None:
        first = await user.create(output_format="png")
        job = await first.json()
        assert (first.status, job["state"], job["output"]) == (201, "queued", [])
        path = f"/v1/generations/{job['id']}"
        await asyncio.sleep(5)
        assert (await (await user.send("GET", path)).json())["state"] == "processing"
        await asyncio.sleep(5)
        done = await (await user.send("GET", path)).json()
        assert done["state"] == "completed"
        url = done["output"][0]["url"]
        picture = await user.send("GET", url)
        assert picture.content.startswith(b"\x89PNG\r\n\x1a\n")
        assert (await user.send("GET", url, Authorization="Bearer x")).status == 400
        assert (await user.send("GET", url.replace("output", "other"))).status == 403
        await asyncio.sleep(3600)
        assert (await user.send("GET", url)).status == 403
        again = (await (await user.send("GET", path)).json())["output"][0]["url"]
        assert (await user.send("GET", again)).content == picture.content

    play(story, luma(durations={("uni-1", "image"): 10.0}))


@pytest.mark.parametrize(("body", "status", "detail"), WRONG)
def test_a_wrong_body_is_refused_in_the_documented_words(body: dict[str, Any], status: int, detail: str) -> None:
    async def story(user: User) -> None:
        reply = await user.create(**body)
        assert (reply.status, await reply.json()) == (status, {"detail": detail})
        assert not user.server.charges
        assert (await user.create()).headers["X-RateLimit-Remaining"] == "29"

    play(story, luma())


def test_every_answer_has_its_request_id_and_the_servers_date() -> None:
    async def story(user: User) -> None:
        await asyncio.sleep(100)
        missing = await user.send("GET", "/v1/generations/not-a-uuid", **{"X-Request-Id": "mine"})
        assert (missing.status, await missing.json()) == (404, {"detail": "Generation not found"})
        assert (missing.headers["X-Request-Id"], missing.headers["X-API-Version"]) == ("mine", "2026-04-01")
        assert parsedate_to_datetime(missing.headers["Date"]).timestamp() == int(wall(user))
        wrong = await user.send("GET", "/v1/generations/x", Authorization=f"bearer {user.server.luma_key}")
        assert await wrong.json() == {"detail": "Missing or invalid API key"}
        assert user.server.requests[0].request_id == "mine"

    play(story, luma())


def test_a_sliding_window_frees_one_place_after_the_other() -> None:
    async def story(user: User) -> None:
        for _ in range(2):
            await user.create()
            await asyncio.sleep(10)
        first = await user.create()
        await asyncio.sleep(10)
        assert (first.status, first.headers["X-RateLimit-Remaining"]) == (201, "0")
        assert int(first.headers["X-RateLimit-Reset"]) == wall(user) + 50
        refused = await user.create()
        assert (refused.status, await refused.json()) == (429, {"detail": "Rate limit exceeded"})
        assert (refused.headers["Retry-After"], refused.headers["X-RateLimit-Remaining"]) == ("30", "0")
        assert int(refused.headers["X-RateLimit-Reset"]) == wall(user) + 30
        await asyncio.sleep(29.5)
        assert (await user.create()).status == 429
        await asyncio.sleep(0.5)
        assert [(await user.create()).status for _ in range(2)] == [201, 429]

    play(story, luma(per_minute=3))


def test_a_fixed_window_frees_all_places_at_its_boundary() -> None:
    async def story(user: User) -> None:
        start = wall(user)
        assert [(await user.create()).status for _ in range(4)] == [201, 201, 201, 429]
        boundary = start + (50 - start) % 60
        await asyncio.sleep(boundary - start - 0.5)
        assert (await user.create()).status == 429
        await asyncio.sleep(0.5)
        assert [(await user.create()).status for _ in range(4)] == [201, 201, 201, 429]

    play(story, luma(per_minute=3, window_kind="fixed", window_phase=50.0))


def test_refusals_count_where_the_world_says_so() -> None:
    async def story(user: User) -> None:
        assert [(await user.create(prompt)).status for prompt in ("a", "", "b")] == [201, 400, 429]
        await asyncio.sleep(50)
        assert [(await user.create()).status for _ in range(2)] == [429, 429]
        await asyncio.sleep(10)
        assert (await user.create()).status == 429

    play(story, luma(per_minute=2, counted_refusals=frozenset({"invalid", "window"})))


def test_heavy_edits_take_three_units_of_both_limits() -> None:
    async def story(user: User) -> None:
        replies = [await user.send("POST", "/v1/generations", EDIT) for _ in range(4)]
        assert [reply.status for reply in replies] == [201, 201, 201, 429]
        assert [reply.headers.get("X-RateLimit-Remaining") for reply in replies] == ["27", "24", "21", None]
        assert await replies[3].json() == {"detail": MEASURED_FORM}
        assert replies[3].headers["Retry-After"] == "60"
        assert (await user.create()).status == 201
        await asyncio.sleep(200)
        assert (await user.send("POST", "/v1/generations", EDIT)).status == 201

    play(story, luma())


@pytest.mark.parametrize(("freed", "at_end", "late"), [("end", 201, 201), ("late", 429, 201), ("poll", 429, 429)])
def test_a_slot_comes_free_when_the_world_says_so(freed: str, at_end: int, late: int) -> None:
    async def story(user: User) -> None:
        job = await (await user.create("[seconds:20]")).json()
        await asyncio.sleep(20)
        blocker = "[fails:x][seconds:0]"
        assert (await user.create(blocker)).status == at_end
        await asyncio.sleep(5)
        assert (await user.create(blocker)).status == late
        await user.send("GET", f"/v1/generations/{job['id']}")
        await asyncio.sleep(5)
        assert (await user.create(blocker)).status == 201

    play(story, luma(slots=1, slot_freed=freed, slot_late=5.0))


def test_a_stuck_job_is_dropped_from_the_count_after_an_hour() -> None:
    async def story(user: User) -> None:
        assert [(await user.create(prompt)).status for prompt in ("[stuck]", "b")] == [201, 429]
        await asyncio.sleep(3599)
        assert (await user.create()).status == 429
        await asyncio.sleep(1)
        assert (await user.create()).status == 201

    play(story, luma(slots=1, concurrent_wording="contract"))


def test_the_ceiling_against_abuse_counts_polls_and_shows_no_window() -> None:
    async def story(user: User) -> None:
        replies = [await user.send("GET", "/v1/generations/x") for _ in range(4)]
        assert [reply.status for reply in replies] == [404, 404, 404, 429]
        assert (replies[3].headers["Retry-After"], "X-RateLimit-Limit" in replies[3].headers) == ("60", False)
        assert "concurrent" not in text_of(replies[3])
        assert user.server.requests[3].refusal == "abuse"

    play(story, luma(abuse_per_minute=3))


def test_reset_and_retry_after_come_in_other_forms() -> None:
    async def story(user: User) -> None:
        first = await user.create()
        assert int(first.headers["X-RateLimit-Reset"]) == (wall(user) + 60) * 1000
        await asyncio.sleep(15)
        refused = await user.create()
        assert parsedate_to_datetime(refused.headers["Retry-After"]).timestamp() == wall(user) + 45

    play(story, luma(per_minute=1, reset_format="milliseconds", retry_after="date"))


def test_headers_may_be_sparse_and_speak_of_the_oldest_request() -> None:
    async def story(user: User) -> None:
        await user.create()
        await asyncio.sleep(20.5)
        assert (await user.create()).headers["X-RateLimit-Reset"] == "39"
        assert "Retry-After" not in (await user.create()).headers

    sparse = {"retry_after": "absent", "round_up": False}
    play(story, luma(per_minute=2, reset_on_success="oldest", reset_format="relative", **sparse))


@pytest.mark.parametrize(
    ("account", "status", "detail"),
    [("expired", 401, "API key has expired"), ("suspended", 403, "API client is suspended")],
)
def test_a_key_may_be_out_of_use(account: str, status: int, detail: str) -> None:
    async def story(user: User) -> None:
        reply = await user.create()
        assert (reply.status, await reply.json()) == (status, {"detail": detail})

    play(story, luma(account=account))


def test_limits_fail_open_while_their_store_is_down() -> None:
    async def story(user: User) -> None:
        replies = [await user.create() for _ in range(3)]
        assert [(reply.status, "X-RateLimit-Limit" in reply.headers) for reply in replies] == [(201, False)] * 3
        await asyncio.sleep(30)
        assert [(await user.create()).status for _ in range(2)] == [201, 429]

    play(story, luma(per_minute=1, store_down=(Span(0, 30),)))


def test_a_failed_job_gives_its_credits_back() -> None:
    async def story(user: User) -> None:
        job = await (await user.create("[fails:generation_failed][seconds:10]")).json()
        assert (await user.create()).status == 402
        await asyncio.sleep(10)
        failed = await (await user.send("GET", f"/v1/generations/{job['id']}")).json()
        assert (failed["state"], failed["failure_code"], failed["output"]) == ("failed", "generation_failed", [])
        assert (await user.create()).status == 201
        assert [(one.credits, one.refunded) for one in user.server.charges] == [(13.47, True), (13.47, False)]

    play(story, luma(balance=14.0))


def test_others_take_places_and_insist() -> None:
    async def story(user: User) -> None:
        await asyncio.sleep(1)
        assert (await user.create()).status == 429
        await asyncio.sleep(59)
        assert (await user.create()).status == 429
        await asyncio.sleep(60)
        assert (await user.create()).status == 201
        others = [(one.at, one.status) for one in user.server.requests if one.other]
        assert others == [(0.0, 201)] * 2 + [(0.0, 429)] * 2 + [(60.0, 201)] * 2

    play(story, luma(per_minute=2, others=(Others(size=4, insist=True),)))


def test_a_hog_keeps_the_window_full_until_it_leaves() -> None:
    async def story(user: User) -> None:
        statuses = list[int]()
        for _ in range(5):
            statuses.append((await user.create()).status)
            await asyncio.sleep(59.9)
        assert statuses == [201, 429, 429, 429, 201]

    play(story, luma(per_minute=3, hogs=(Span(10, 150),)))


def test_others_hold_slots_for_a_while_and_can_be_sent_by_hand() -> None:
    async def story(user: User) -> None:
        assert [(await user.create()).status for _ in range(2)] == [201, 429]
        await asyncio.sleep(100)
        assert await user.server.send_as_other(count=3, seconds=50) == 2
        assert (await user.create()).status == 429
        await asyncio.sleep(50)
        assert (await user.create()).status == 201

    play(story, luma(slots=2, held=(Held(0, 100, count=1),)))


def test_a_file_goes_up_by_its_presigned_url_and_serves_as_reference() -> None:
    async def story(user: User) -> None:
        reply = await user.send("POST", "/v1/files", {"mime_type": "application/json", "size_bytes": 4})
        made = await reply.json()
        assert (reply.status, made["state"]) == (201, "pending")
        put = await user.send("PUT", made["upload"]["url"], 1234, **made["upload"]["headers"])
        done = await user.send("POST", f"/v1/files/{made['id']}/complete")
        assert (put.status, (await done.json())["state"]) == (200, "pending")
        assert (await user.create(image_ref=[{"file_id": made["id"]}])).status == 400
        await asyncio.sleep(2)
        assert (await user.create(image_ref=[{"file_id": made["id"]}])).status == 201
        assert (await user.send("DELETE", f"/v1/files/{made['id']}")).status == 204
        listed = await (await user.send("GET", "/v1/files?limit=1")).json()
        assert [one["state"] for one in listed["data"]] == ["deleted"]

    play(story, luma())
