"""An account's credits and keys."""

from typing import Any

import pytest
from support.generor_service import generor

TYPES = {
    *("spend", "purchase", "daily_bonus", "weekly_bonus", "signup_bonus", "refund"),
    *("gift_sent", "gift_received"),
}


async def test_the_balance_has_the_documented_parts() -> None:
    async with generor(generor_credits=1250) as caller:
        data = (await caller.get("/credits/balance")).data
        assert data == {"total": 1250, "paid": 1000, "free": 200, "earned": 50, "max": 250}


async def test_free_credits_are_spent_first() -> None:
    async with generor(generor_credits=1250) as caller:
        await caller.make("image", 10001, count=4)
        data = (await caller.get("/credits/balance")).data
        assert (data["free"], data["earned"], data["paid"], data["total"]) == (0, 0, 942, 942)


@pytest.mark.parametrize("credits_", [0, 7, 100_000])
async def test_the_transactions_have_every_type_and_add_up_to_the_balance(credits_: int) -> None:
    async with generor(generor_credits=credits_) as caller:
        listed = (await caller.get("/credits/transactions?sort=oldest")).data
        assert {item["type"] for item in listed} == TYPES
        assert sum(item["amount"] for item in listed) == listed[-1]["balance"] == credits_


async def test_other_changes_of_the_balance_are_in_the_transactions() -> None:
    async with generor(generor_credits=1_000) as caller:
        simulator = caller.simulator
        changes = {"daily_bonus": 250, "spend": 500, "purchase": 10_000, "gift_sent": 100_000}
        assert [simulator.change_credits(*change) for change in changes.items()] == [250, -500, 10_000, -10_750]
        listed = (await caller.get("/credits/transactions?per_page=4")).data
        assert {item["type"]: item["amount"] for item in reversed(listed)} == {
            **changes,
            "spend": -500,
            "gift_sent": -10_750,
        }
        assert [item["balance"] for item in listed] == [0, 10_750, 750, 1_250]
        assert (await caller.get("/credits/balance")).data["total"] == 0
        assert not simulator.ledger.charges


async def test_transactions_are_filtered_by_type() -> None:
    async with generor() as caller:
        await caller.make()
        listed = (await caller.get("/credits/transactions?type=spend&page=1")).data
        assert [item["type"] for item in listed] == ["spend", "spend"]
        assert (listed[0]["amount"], listed[0]["balance"]) == (-1, 99_999)


async def test_an_unknown_type_is_refused() -> None:
    async with generor() as caller:
        status, code, message = (await caller.get("/credits/transactions?type=theft")).refusal
        assert (status, code) == (400, "VALIDATION_ERROR")
        assert all(kind in message for kind in TYPES)


async def test_a_new_key_shows_as_in_the_documents() -> None:
    async with generor() as caller:
        reply = await caller.post("/api-keys", {"name": "My App", "scopes": ["read", "generate"]})
        data = reply.data
        assert reply.status == 201
        assert data.keys() == {"key_id", "api_key", "prefix", "name", "scopes", "message"}
        assert (data["name"], data["scopes"]) == ("My App", ["read", "generate"])
        assert data["message"] == "Save this API key now. It will not be shown again."
        assert len(data["api_key"]) == len("gnr_live_") + 40
        assert data["prefix"] == data["api_key"][: len("gnr_live_a1b2c3d4")]


async def test_a_listed_key_shows_its_prefix_only() -> None:
    async with generor() as caller:
        made = (await caller.post("/api-keys", {"name": "My App"})).data
        newest, main = (await caller.get("/api-keys")).data
        assert (newest["prefix"], newest["last_used_at"]) == (made["prefix"], None)
        assert main["last_used_at"] is not None
        assert not {"api_key", "key"} & newest.keys()


async def test_a_new_key_works_and_a_revoked_one_does_not() -> None:
    async with generor() as caller:
        made = (await caller.post("/api-keys", {"name": "My App"})).data
        other = caller.with_key(made["api_key"])
        assert (await other.get("/users/me")).status == 200
        assert (await caller.call("DELETE", f"/api-keys/{made['key_id']}")).status == 200
        assert (await other.get("/users/me")).refusal[:2] == (401, "UNAUTHORIZED")
        reply = await caller.call("DELETE", f"/api-keys/{made['key_id']}")
        assert reply.refusal == (404, "NOT_FOUND", "API key not found")


async def test_there_are_ten_active_keys_at_most() -> None:
    async with generor() as caller:
        made = [(await caller.post("/api-keys", {"name": f"Key {number}"})).data for number in range(9)]
        reply = await caller.post("/api-keys", {"name": "One too many"})
        assert reply.refusal[:2] == (400, "VALIDATION_ERROR")
        assert "10 active keys" in reply.refusal[2]
        await caller.call("DELETE", f"/api-keys/{made[0]['key_id']}")
        assert (await caller.post("/api-keys", {"name": "Room again"})).status == 201


async def test_another_users_key_can_not_be_revoked() -> None:
    async with generor() as caller:
        made = (await caller.as_user("janedoe").post("/api-keys", {"name": "Hers"})).data
        assert (await caller.call("DELETE", f"/api-keys/{made['key_id']}")).refusal[:2] == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({}, "name is required"),
        ({"name": "x", "scopes": ["admin"]}, "scopes must be a list of: read, write, generate"),
        ({"name": "x", "scopes": [1]}, "scopes must be a list of: read, write, generate"),
        ({"name": "x", "scopes": "read"}, "scopes must be a list"),
    ],
)
async def test_a_wrong_key_is_refused(body: dict[str, Any], complaint: str) -> None:
    async with generor() as caller:
        reply = await caller.post("/api-keys", body)
        assert reply.refusal == (400, "VALIDATION_ERROR", complaint)
