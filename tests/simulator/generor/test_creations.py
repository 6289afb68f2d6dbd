"""Creations: lists and their pages, details, privacy, changes, comments, ratings and the feed."""

from typing import Any

import pytest
from support.generor_service import Caller, generor

MEMBERS = {
    *("creation_id", "generator", "user_id", "username", "prompt", "created_at", "privacy_mode"),
    *("type", "license", "images", "generator_data"),
}


async def ids(caller: Caller, path: str) -> list[int]:
    return [creation["creation_id"] for creation in (await caller.get(path)).data]


async def test_a_new_creation_shows_as_in_the_documents() -> None:
    async with generor(epoch=1_775_649_600.0, speed=200.0) as caller:
        creation_id = await caller.make_one("image", 10003, aspect_ratio="16:9")
        shown = (await caller.get(f"/creations/{creation_id}")).data
        assert shown.keys() == MEMBERS
        assert (shown["generator"], shown["user_id"], shown["username"]) == ("image", 42, "johndoe")
        assert (shown["privacy_mode"], shown["license"], shown["type"]) == (0, 1, "img")
        assert shown["created_at"].startswith("2026-04-08 1")
        url = f"/users/42/img/image-{creation_id}.webp"
        assert shown["images"] == [{"url": url, "width": 512, "height": 288}]


async def test_the_picture_is_served_under_the_relative_url() -> None:
    async with generor() as caller:
        creation_id = await caller.make_one("image", 10003)
        (image,) = (await caller.get(f"/creations/{creation_id}")).data["images"]
        async with caller.session.get(caller.simulator.url + image["url"]) as reply:
            assert (reply.status, reply.content_type) == (200, "image/webp")
        async with caller.session.head(caller.simulator.url + image["url"]) as reply:
            assert reply.status == 200
        async with caller.session.get(f"{caller.simulator.url}{image['url']}.png") as reply:
            assert reply.status == 404


async def test_a_text_shows_what_was_written() -> None:
    async with generor() as caller:
        made = (await caller.make("joke", 37))["creations"][0]
        shown = (await caller.get(f"/creations/{made['creation_id']}")).data
        assert shown["generator_data"]["text"] == made["text"]
        assert shown["images"] == []


async def test_own_creations_are_listed_newest_first() -> None:
    async with generor() as caller:
        made = [await caller.make_one() for _ in range(3)]
        assert await ids(caller, "/creations") == made[::-1]
        assert await ids(caller, "/creations?sort=oldest") == made


async def test_own_creations_are_filtered_by_generator() -> None:
    async with generor() as caller:
        await caller.make("joke", 37)
        picture = await caller.make_one("image", 10003)
        assert await ids(caller, "/creations?generator=image") == [picture]
        assert (await caller.get("/creations?generator=x")).refusal[:2] == (400, "VALIDATION_ERROR")


async def test_pages_have_their_position() -> None:
    async with generor() as caller:
        reply = await caller.get("/creations/public?per_page=20&page=2")
        assert reply.meta == {
            "page": 2,
            "per_page": 20,
            "total": 54,
            "total_pages": 3,
            "has_next": True,
            "has_prev": True,
        }


async def test_pages_join_without_gap_or_overlap() -> None:
    async with generor() as caller:
        pages = [await ids(caller, f"/creations/public?per_page=20&page={page}") for page in (1, 2, 3)]
        assert [*pages[0], *pages[1], *pages[2]] == await ids(caller, "/creations/public?per_page=100")


async def test_a_page_past_the_last_is_empty() -> None:
    async with generor() as caller:
        reply = await caller.get("/creations/public?page=99")
        assert (reply.data, reply.meta["has_next"]) == ([], False)


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("page=0", "page must be a whole number of at least 1"),
        ("page=-1", "page must be a whole number of at least 1"),
        ("page=two", "page must be a whole number of at least 1"),
        ("page=", "page must be a whole number of at least 1"),
        ("per_page=101", "per_page must be at most 100"),
        ("per_page=0", "per_page must be a whole number of at least 1"),
        ("sort=random", "sort must be one of: newest, oldest"),
    ],
)
async def test_wrong_paging_is_refused(query: str, complaint: str) -> None:
    async with generor() as caller:
        reply = await caller.get(f"/creations/public?{query}")
        assert reply.refusal == (400, "VALIDATION_ERROR", complaint)


async def test_only_its_owner_sees_a_private_creation() -> None:
    async with generor() as caller:
        creation_id = await caller.make_one("joke", 37, privacy_mode=1)
        path = f"/creations/{creation_id}"
        assert (await caller.get(path)).data["privacy_mode"] == 1
        assert (await caller.with_key(None).get(path)).refusal[:2] == (401, "UNAUTHORIZED")
        assert (await caller.as_user("janedoe").get(path)).refusal[:2] == (403, "FORBIDDEN")
        assert creation_id in await ids(caller, "/creations")
        assert creation_id not in await ids(caller, "/creations/public?per_page=100")


@pytest.mark.parametrize("creation_id", ["99999", "0", "x", "-1", "1" * 40])
async def test_a_creation_that_is_not_there_is_not_found(creation_id: str) -> None:
    async with generor() as caller:
        reply = await caller.get(f"/creations/{creation_id}")
        assert reply.refusal == (404, "NOT_FOUND", "Creation not found")


async def test_search_finds_prompts_with_every_word() -> None:
    async with generor() as caller:
        found = (await caller.get("/creations/search?q=sunset+mountain&per_page=100")).data
        assert {creation["prompt"] for creation in found} == {
            "A sunset over mountains",
            "Sunset seen from a mountain hut, warm light",
        }


@pytest.mark.parametrize("query", ["", "?q=", "?q=+"])
async def test_search_needs_words(query: str) -> None:
    async with generor() as caller:
        reply = await caller.get(f"/creations/search{query}")
        assert reply.refusal == (400, "VALIDATION_ERROR", "q is required")


async def test_a_generators_public_creations_are_listed() -> None:
    async with generor() as caller:
        listed = (await caller.get("/generators/joke/creations?page=1&per_page=10")).data
        assert {creation["generator"] for creation in listed} == {"joke"}


async def test_the_status_of_a_finished_creation_is_completed() -> None:
    async with generor() as caller:
        creation_id = await caller.make_one()
        data = (await caller.get(f"/creations/{creation_id}/status")).data
        assert data == {"creation_id": creation_id, "status": "completed"}


async def test_the_owner_changes_privacy_and_licence() -> None:
    async with generor() as caller:
        path = f"/creations/{await caller.make_one()}"
        shown = (await caller.call("PATCH", path, {"privacy_mode": 1, "license": 2})).data
        assert (shown["privacy_mode"], shown["license"]) == (1, 2)
        assert (await caller.get(path)).data == shown


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({}, "Nothing to update: give privacy_mode or license"),
        ({"license": 3}, "license must be between 1 and 2"),
        ({"privacy_mode": True}, "privacy_mode must be an integer"),
        ({"privacy_mode": 0, "license": 0}, "license must be between 1 and 2"),
    ],
)
async def test_a_wrong_change_is_refused(body: dict[str, Any], complaint: str) -> None:
    async with generor() as caller:
        reply = await caller.call("PATCH", f"/creations/{await caller.make_one()}", body)
        assert reply.refusal == (400, "VALIDATION_ERROR", complaint)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_creations_of_others_cannot_be_changed(method: str) -> None:
    async with generor() as caller:
        reply = await caller.call(method, "/creations/6001", {"license": 2})
        assert reply.refusal == (403, "FORBIDDEN", "You can only change your own creations")


async def test_a_deleted_creation_is_gone_with_its_file() -> None:
    async with generor() as caller:
        made = (await caller.make("image", 10003))["creations"][0]
        path = f"/creations/{made['creation_id']}"
        assert (await caller.call("DELETE", path)).status == 200
        assert (await caller.get(path)).status == 404
        assert (await caller.call("DELETE", path)).status == 404
        assert await ids(caller, "/creations") == []
        async with caller.session.get(made["image_url"]) as reply:
            assert reply.status == 404


async def test_a_listing_may_lag_behind() -> None:
    async with generor(listing_lag=3600.0, speed=1000.0) as caller:
        creation_id = await caller.make_one()
        assert await ids(caller, "/creations") == []
        caller.simulator.advance(3600)
        assert await ids(caller, "/creations") == [creation_id]


async def test_comments_are_written_answered_and_listed() -> None:
    async with generor() as caller:
        path = f"/creations/{await caller.make_one()}/comments"
        first = await caller.post(path, {"text": "Great creation!", "parent_id": None})
        assert first.status == 201
        reply = await caller.as_user("janedoe").post(path, {"text": "Yes", "parent_id": first.data["comment_id"]})
        assert reply.data["parent_id"] == first.data["comment_id"]
        listed = (await caller.with_key(None).get(f"{path}?sort=oldest")).data
        assert [(comment["username"], comment["text"]) for comment in listed] == [
            ("johndoe", "Great creation!"),
            ("janedoe", "Yes"),
        ]


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({}, (400, "VALIDATION_ERROR", "text is required")),
        ({"text": " "}, (400, "VALIDATION_ERROR", "text is required")),
        ({"text": 5}, (400, "VALIDATION_ERROR", "text must be a string")),
        ({"text": "Hm", "parent_id": 9999}, (404, "NOT_FOUND", "Parent comment not found")),
    ],
)
async def test_a_wrong_comment_is_refused(body: dict[str, Any], refusal: tuple[int, str, str]) -> None:
    async with generor() as caller:
        assert (await caller.post("/creations/6001/comments", body)).refusal == refusal


async def test_only_its_author_deletes_a_comment() -> None:
    async with generor() as caller:
        comment = (await caller.post("/creations/6001/comments", {"text": "Hm"})).data
        path = f"/comments/{comment['comment_id']}"
        assert (await caller.as_user("janedoe").call("DELETE", path)).refusal[:2] == (403, "FORBIDDEN")
        assert (await caller.call("DELETE", path)).status == 200
        assert (await caller.call("DELETE", path)).refusal == (404, "NOT_FOUND", "Comment not found")


async def test_a_later_vote_replaces_an_earlier_one() -> None:
    async with generor() as caller:
        comment = (await caller.post("/creations/6001/comments", {"text": "Hm"})).data
        path, votes = f"/comments/{comment['comment_id']}/vote", list[tuple[int, int]]()
        for vote in ("up", "up", "down"):
            data = (await caller.post(path, {"vote": vote})).data
            votes.append((data["upvotes"], data["downvotes"]))
        assert votes == [(1, 0), (1, 0), (0, 1)]


@pytest.mark.parametrize("vote", [None, "sideways", 1])
async def test_a_wrong_vote_is_refused(vote: object) -> None:
    async with generor() as caller:
        comment = (await caller.post("/creations/6001/comments", {"text": "Hm"})).data
        reply = await caller.post(f"/comments/{comment['comment_id']}/vote", {"vote": vote})
        assert reply.refusal[:2] == (400, "VALIDATION_ERROR")


async def test_a_rating_is_the_average_of_everybodys_last_score() -> None:
    async with generor() as caller:
        creation_id = await caller.make_one()
        path = f"/creations/{creation_id}/rating"
        assert (await caller.get(path)).data == {"creation_id": creation_id, "average": 0, "count": 0}
        await caller.post(path, {"score": 1})
        await caller.post(path, {"score": 5})
        await caller.as_user("janedoe").post(path, {"score": 4})
        reply = await caller.as_user("tomas").post(path, {"score": 4})
        assert reply.data == {"creation_id": creation_id, "average": 4.3, "count": 3}


@pytest.mark.parametrize("score", [None, 0, 6, 4.5, "5"])
async def test_a_wrong_score_is_refused(score: object) -> None:
    async with generor() as caller:
        reply = await caller.post("/creations/6001/rating", {"score": score})
        assert reply.refusal[:2] == (400, "VALIDATION_ERROR")


async def test_the_feed_has_the_creations_of_followed_users() -> None:
    async with generor() as caller:
        seen = {item["username"] for item in (await caller.get("/feed?per_page=100")).data}
        assert seen == {"janedoe", "mira_k"}
        await caller.call("DELETE", "/users/mira_k/follow")
        pictures = (await caller.get("/feed?generator=image&per_page=100")).data
        assert {(item["username"], item["generator"]) for item in pictures} == {("janedoe", "image")}
