"""Users, followers and teams."""

from typing import Any

import pytest
from support.generor_service import Caller, generor


async def test_the_profile_has_what_the_documents_show() -> None:
    async with generor(generor_credits=1250) as caller:
        data = (await caller.get("/users/me")).data
        assert data.keys() == {
            *("user_id", "username", "email", "avatar", "bio", "website", "joined", "credits"),
            *("creation_count", "follower_count", "following_count", "teams"),
        }
        assert (data["user_id"], data["username"]) == (42, "johndoe")
        assert data["credits"] == {"total": 1250, "paid": 1000, "free": 200, "earned": 50, "max": 250}


async def test_the_profile_counts() -> None:
    async with generor() as caller:
        await caller.make("joke", 37, count=2)
        await caller.as_user("tomas").post("/users/johndoe/follow")
        await caller.post("/teams", {"name": "Ours"})
        data = (await caller.get("/users/me")).data
        assert (data["creation_count"], data["follower_count"], data["following_count"]) == (2, 2, 2)
        assert [team["name"] for team in data["teams"]] == ["Ours"]


async def test_bio_and_website_can_be_changed_and_taken_away() -> None:
    async with generor() as caller:
        body: dict[str, Any] = {"bio": "Updated bio", "website": "https://example.org"}
        data = (await caller.call("PATCH", "/users/me", body)).data
        assert (data["bio"], data["website"]) == ("Updated bio", "https://example.org")
        data = (await caller.call("PATCH", "/users/me", {"bio": None, "website": ""})).data
        assert (data["bio"], data["website"]) == (None, None)


async def test_a_change_leaves_the_other_field_alone() -> None:
    async with generor() as caller:
        data = (await caller.call("PATCH", "/users/me", {"bio": "New"})).data
        assert (data["bio"], data["website"]) == ("New", "https://example.com")


@pytest.mark.parametrize("body", [{}, {"bio": 5}, {"bio": "New", "website": "example"}])
async def test_a_wrong_change_is_refused_as_a_whole(body: dict[str, Any]) -> None:
    async with generor() as caller:
        reply = await caller.call("PATCH", "/users/me", body)
        assert reply.refusal[:2] == (400, "VALIDATION_ERROR")
        assert (await caller.get("/users/me")).data["bio"] == "I make things with AI"


async def test_others_see_neither_credits_nor_email() -> None:
    async with generor() as caller:
        data = (await caller.with_key(None).get("/users/johndoe")).data
        assert not {"credits", "email"} & data.keys()
        assert data["username"] == "johndoe"


@pytest.mark.parametrize("tail", ["", "/creations", "/followers", "/following", "/follow"])
async def test_an_unknown_user_is_not_found(tail: str) -> None:
    async with generor() as caller:
        reply = await caller.get(f"/users/nobody{tail}")
        assert reply.refusal == (404, "NOT_FOUND", "User not found")


async def test_a_users_public_creations_are_listed() -> None:
    async with generor() as caller:
        await caller.make("joke", 37, privacy_mode=1)
        public = await caller.make_one()
        listed = (await caller.with_key(None).get("/users/johndoe/creations")).data
        assert [creation["creation_id"] for creation in listed] == [public]


async def test_following_and_unfollowing_repeat_without_effect() -> None:
    async with generor() as caller:
        path, told = "/users/tomas/follow", list[bool]()
        for method in ("GET", "POST", "POST", "GET", "DELETE", "DELETE", "GET"):
            told.append((await caller.call(method, path)).data["following"])
        assert told == [False, True, True, True, False, False, False]


async def test_followers_and_following_agree() -> None:
    async with generor() as caller:
        await caller.post("/users/tomas/follow")
        following = (await caller.get("/users/johndoe/following?sort=oldest")).data
        assert [user["username"] for user in following] == ["janedoe", "mira_k", "tomas"]
        followers = (await caller.get("/users/tomas/followers")).data
        assert "johndoe" in {user["username"] for user in followers}


async def test_nobody_follows_themselves() -> None:
    async with generor() as caller:
        reply = await caller.post("/users/johndoe/follow")
        assert reply.refusal == (400, "VALIDATION_ERROR", "You cannot follow yourself")


async def new_team(caller: Caller) -> Any:
    reply = await caller.post("/teams", {"name": "My Creative Team"})
    assert reply.status == 201
    return reply.data


async def test_a_new_team_has_its_owner_as_member() -> None:
    async with generor() as caller:
        team = await new_team(caller)
        assert (team["name"], team["owner_id"], team["member_count"]) == ("My Creative Team", 42, 1)
        assert [(member["username"], member["role"]) for member in team["members"]] == [("johndoe", "owner")]
        assert (await caller.get(f"/teams/{team['team_id']}")).data == team
        assert [listed["team_id"] for listed in (await caller.get("/teams")).data] == [team["team_id"]]


async def test_a_team_needs_a_name() -> None:
    async with generor() as caller:
        assert (await caller.post("/teams", {})).refusal == (400, "VALIDATION_ERROR", "name is required")


async def test_strangers_do_not_see_a_team() -> None:
    async with generor() as caller:
        path = f"/teams/{(await new_team(caller))['team_id']}"
        stranger = caller.as_user("janedoe")
        for tail in ("", "/creations"):
            assert (await stranger.get(path + tail)).refusal[:2] == (403, "FORBIDDEN")
        assert (await stranger.get("/teams/999")).refusal == (404, "NOT_FOUND", "Team not found")


async def test_a_member_is_added_by_name() -> None:
    async with generor() as caller:
        path = f"/teams/{(await new_team(caller))['team_id']}/members"
        reply = await caller.post(path, {"username": "janedoe"})
        assert [member["username"] for member in reply.data["members"]] == ["johndoe", "janedoe"]
        assert (await caller.post(path, {"username": "nobody"})).refusal[:2] == (404, "NOT_FOUND")
        assert (await caller.post(path, {})).refusal[:2] == (400, "VALIDATION_ERROR")


async def test_an_invite_code_lets_in_until_it_is_changed() -> None:
    async with generor() as caller:
        team = await new_team(caller)
        jane, tomas = caller.as_user("janedoe"), caller.as_user("tomas")
        assert (await jane.post(f"/teams/join/{team['invite_code']}")).data["member_count"] == 2
        changed = (await caller.post(f"/teams/{team['team_id']}/invite")).data["invite_code"]
        assert changed != team["invite_code"]
        reply = await tomas.post(f"/teams/join/{team['invite_code']}")
        assert reply.refusal == (404, "NOT_FOUND", "Invite code not found")
        assert (await tomas.post(f"/teams/join/{changed}")).status == 200


async def test_joining_twice_changes_nothing() -> None:
    async with generor() as caller:
        team = await new_team(caller)
        reply = await caller.post(f"/teams/join/{team['invite_code']}")
        assert reply.data["member_count"] == 1


async def test_only_the_owner_removes_members_and_changes_the_code() -> None:
    async with generor() as caller:
        team = await new_team(caller)
        path, jane = f"/teams/{team['team_id']}", caller.as_user("janedoe")
        await jane.post(f"/teams/join/{team['invite_code']}")
        for method, tail in (("DELETE", "/members/42"), ("POST", "/invite")):
            reply = await jane.call(method, path + tail)
            assert reply.refusal == (403, "FORBIDDEN", "Only the team's owner can do this")
        assert (await caller.call("DELETE", f"{path}/members/43")).status == 200
        assert (await jane.get(path)).status == 403
        for stranger in ("43", "x"):
            reply = await caller.call("DELETE", f"{path}/members/{stranger}")
            assert reply.refusal == (404, "NOT_FOUND", "Team member not found")


async def test_a_team_gets_a_new_owner_and_ends_with_its_last_member() -> None:
    async with generor() as caller:
        team = await new_team(caller)
        path, jane = f"/teams/{team['team_id']}", caller.as_user("janedoe")
        await jane.post(f"/teams/join/{team['invite_code']}")
        assert (await caller.call("DELETE", path)).status == 200
        assert (await jane.get(path)).data["owner_id"] == 43
        assert (await jane.call("DELETE", path)).status == 200
        assert (await jane.get(path)).refusal[:2] == (404, "NOT_FOUND")


async def test_a_teams_creations_are_listed_to_its_members() -> None:
    async with generor() as caller:
        team = await new_team(caller)
        jane = caller.as_user("janedoe")
        await jane.post(f"/teams/join/{team['invite_code']}")
        public = await caller.make_one("joke", 37, team_id=team["team_id"])
        private = await caller.make_one("joke", 37, team_id=team["team_id"], privacy_mode=1)
        path = f"/teams/{team['team_id']}/creations"
        assert [item["creation_id"] for item in (await caller.get(path)).data] == [private, public]
        assert [item["creation_id"] for item in (await jane.get(path)).data] == [public]
