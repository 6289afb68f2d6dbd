"""The switches for what the documents leave open, in both positions, as a user of `Simulator` sets them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.generor_service import Caller, generor

from generor_async.simulator import Simulator

START = 1_775_649_610.0
STANDING_STILL = 0.001


@asynccontextmanager
async def both(**options: Any) -> AsyncGenerator[tuple[Caller, "Luma"]]:
    """Run a simulator whose time is almost frozen, ten seconds into a minute."""
    chosen: dict[str, Any] = {"speed": STANDING_STILL, "epoch": START, "luma_rpm": 2, "tier": "free"} | options
    async with generor(**chosen) as caller:
        yield caller, Luma(caller.simulator, caller)


class Luma:
    """Calls the Luma API of a simulator."""

    def __init__(self, simulator: Simulator, caller: Caller) -> None:
        self.simulator, self._session, self.key = simulator, caller.session, simulator.luma_key

    async def create(self, prompt: str = "A sunset", **fields: Any) -> tuple[int, Any, Any]:
        """Submit a generation; return status, body and headers of the answer."""
        return await self._call("POST", "/generations", {"prompt": prompt, **fields})

    async def get(self, generation_id: str) -> tuple[int, Any, Any]:
        return await self._call("GET", f"/generations/{generation_id}")

    async def _call(self, method: str, path: str, body: Any = None) -> tuple[int, Any, Any]:
        headers, url = {"Authorization": f"Bearer {self.key}"}, self.simulator.luma_url + path
        async with self._session.request(method, url, json=body, headers=headers) as reply:
            return reply.status, await reply.json(), reply.headers

    @property
    def balance(self) -> float:
        return float(self.simulator.luma.client.balance)


@pytest.mark.parametrize(("kind", "wait"), [("sliding", 60), ("fixed", 50)])
async def test_luma_window_says_how_long_a_full_minute_lasts(kind: str, wait: int) -> None:
    async with both(luma_window=kind) as (_, luma):
        await luma.create()
        await luma.create()
        status, _, headers = await luma.create()
        assert (status, int(headers["Retry-After"])) == (429, wait)


@pytest.mark.parametrize(("kind", "wait"), [("sliding", 60), ("fixed", 50)])
async def test_generor_window_says_how_long_a_full_minute_lasts(kind: str, wait: int) -> None:
    async with both(generor_window=kind) as (caller, _):
        replies = [await caller.get("/users/me") for _ in range(31)]
        assert (replies[-1].status, int(replies[-1].headers["Retry-After"])) == (429, wait)


@pytest.mark.parametrize("count_rejected", [False, True])
async def test_count_rejected_makes_asking_too_often_put_the_next_request_off(count_rejected: bool) -> None:
    async with both(count_rejected=count_rejected) as (_, luma):
        await luma.create()
        await luma.create()
        luma.simulator.advance(59)
        assert (await luma.create())[0] == (await luma.create())[0] == 429
        luma.simulator.advance(1)
        assert (await luma.create())[0] == (429 if count_rejected else 201)


@pytest.mark.parametrize(("count_errors", "left"), [(True, [29, 28, 27]), (False, [30, 29, 29])])
async def test_count_errors_says_whether_what_generor_refuses_counts(count_errors: bool, left: list[int]) -> None:
    async with both(count_errors=count_errors) as (caller, _):
        told = [
            (await caller.get(path)).headers["X-RateLimit-Remaining"]
            for path in ("/creations/999999", "/users/me", "/creations?page=0")
        ]
        assert [int(remaining) for remaining in told] == left


@pytest.mark.parametrize(("count_errors", "status"), [(True, 429), (False, 201)])
async def test_count_errors_says_whether_what_luma_refuses_counts(count_errors: bool, status: int) -> None:
    async with both(count_errors=count_errors, luma_jobs=2) as (_, luma):
        assert [(await luma.create(""))[0], (await luma.create(model="uni-2"))[0]] == [400, 400]
        assert (await luma.create())[0] == status


@pytest.mark.parametrize(("shown", "limits"), [("tightest", {"30", "500"}), ("minute", {"30"})])
async def test_generor_window_shown_says_which_window_the_headers_tell_of(shown: str, limits: set[str]) -> None:
    async with both(generor_window_shown=shown) as (caller, _):
        told = set[str]()
        for number in range(500):
            if number % 30 == 0:
                caller.simulator.advance(60)
            told.add((await caller.get("/users/me")).headers["X-RateLimit-Limit"])
        assert told == limits
        beyond = await caller.get("/users/me")
        assert beyond.status == 429  # of the hour, whatever window is shown
        assert int(beyond.headers["Retry-After"]) > 60


@pytest.mark.parametrize(("choice", "status"), [("refuse", 401), ("ignore", 200)])
async def test_bad_key_on_public_says_what_becomes_of_a_bad_key_where_none_is_needed(choice: str, status: int) -> None:
    async with both(bad_key_on_public=choice) as (caller, _):
        nobody = caller.with_key("gnr_live_nobodys")
        assert (await nobody.get("/generators")).status == status
        assert (await nobody.get("/users/me")).status == 401


@pytest.mark.parametrize("cost", [False, True])
async def test_generor_failures_cost_charges_for_what_failed(cost: bool) -> None:
    async with generor(generor_failures_cost=cost) as caller:
        before = caller.simulator.generor.account.wallet.total
        reply = await caller.post("/generators/joke/generate", {"model_id": 37, "prompt": "[[fail:generation_failed]]"})
        assert reply.refusal[:2] == (500, "SERVER_ERROR")
        paid = before - caller.simulator.generor.account.wallet.total
        assert (paid > 0) is cost
        assert [entry.charged for entry in caller.simulator.ledger.charges] == ([paid] if cost else [])
        spent = (await caller.get("/credits/transactions?type=spend&per_page=1")).data[0]
        assert (spent["amount"] == -paid) is cost


@pytest.mark.parametrize(("charge_at", "at_once"), [("submit", 0.0404), ("completion", 0.0)])
async def test_luma_charge_at_says_when_the_money_goes(charge_at: str, at_once: float) -> None:
    async with both(luma_charge_at=charge_at) as (_, luma):
        before = luma.balance
        _, generation, _ = await luma.create()
        assert before - luma.balance == pytest.approx(at_once)
        luma.simulator.advance(3600)
        await luma.get(generation["id"])
        assert before - luma.balance == pytest.approx(0.0404)
        assert [entry.charged for entry in luma.simulator.ledger.charges] == [0.0404]


@pytest.mark.parametrize("refund", [False, True])
async def test_luma_refund_failures_gives_back_what_a_failed_job_cost(refund: bool) -> None:
    async with both(luma_refund_failures=refund) as (_, luma):
        before = luma.balance
        _, failing, _ = await luma.create("[[fail:generation_failed]]")
        _, fine, _ = await luma.create()
        luma.simulator.advance(3600)
        for generation in (failing, fine, failing):
            await luma.get(generation["id"])
        assert before - luma.balance == pytest.approx(0.0404 if refund else 0.0808)
        told = [entry.charged for entry in luma.simulator.ledger.requests]
        assert told == [0.0404, 0.0404, -0.0404 if refund else 0, 0, 0]


@pytest.mark.parametrize(("may_read", "status"), [(False, 403), (True, 200)])
async def test_suspended_may_read_lets_a_suspended_client_fetch_what_it_paid_for(may_read: bool, status: int) -> None:
    async with both(suspended_may_read=may_read) as (_, luma):
        _, generation, _ = await luma.create()
        luma.simulator.luma.client.standing = "suspended"
        assert (await luma.get(generation["id"]))[0] == status
        assert (await luma.create())[0] == 403


@pytest.mark.parametrize(("lag", "status"), [(0, 201), (5, 429)])
async def test_release_lag_keeps_the_slot_of_a_job_that_has_ended(lag: float, status: int) -> None:
    async with both(release_lag=lag, luma_jobs=1, luma_rpm=100) as (_, luma):
        _, generation, _ = await luma.create()
        while (await luma.get(generation["id"]))[1]["state"] != "completed":
            luma.simulator.advance(1)
        assert (await luma.create())[0] == status
        luma.simulator.advance(lag)
        assert (await luma.create())[0] == (429 if lag == 0 else 201)


HEAVY: dict[str, Any] = {"model": "uni-1-max", "type": "image_edit", "source": {"url": "https://example.com/a.jpg"}}


@pytest.mark.parametrize(
    ("weights", "left", "taken"),
    [
        ("contract", 9, 7),
        ("measured", 7, 3),
        ("uni-1-max/image_edit=5", 5, 2),
        ({("uni-1-max", "image_edit"): 2}, 8, 5),
    ],
)
async def test_luma_weights_says_what_an_edit_takes_of_both_limits(weights: Any, left: int, taken: int) -> None:
    async with both(luma_weights=weights, luma_rpm=10, luma_jobs=10) as (_, luma):
        _, _, headers = await luma.create(**HEAVY)
        assert int(headers["X-RateLimit-Remaining"]) == left
    async with both(luma_weights=weights, luma_rpm=30, luma_jobs=10 if taken != 7 else 7) as (_, luma):
        told = [(await luma.create(**HEAVY))[0] for _ in range(taken + 1)]
        assert told == [201] * taken + [429]


@pytest.mark.parametrize(("reset", "told"), [("oldest", START + 60), ("minute", START + 80)])
async def test_luma_reset_says_what_a_201_tells_and_a_429_never_changes(reset: str, told: float) -> None:
    async with both(luma_reset=reset) as (_, luma):
        await luma.create()
        luma.simulator.advance(20)
        for expected, status in ((told, 201), (START + 60, 429)):
            answered, _, headers = await luma.create()
            assert answered == status
            assert int(headers["X-RateLimit-Reset"]) == pytest.approx(expected, abs=1)


@pytest.mark.parametrize(
    ("wording", "detail"),
    [
        ("limit", "Concurrent generation limit reached (3)"),
        ("units", "Concurrent generation capacity reached (limit=3 weight units, needs 3)"),
        ("contract", "Too many concurrent jobs"),
    ],
)
async def test_luma_wording_says_how_a_full_house_is_put(wording: str, detail: str) -> None:
    async with both(luma_wording=wording, luma_jobs=3, luma_rpm=100, luma_weights="measured") as (_, luma):
        assert (await luma.create(**HEAVY))[0] == 201
        status, body, headers = await luma.create(**HEAVY)
        assert (status, body, headers["Retry-After"]) == (429, {"detail": detail}, "60")
        assert not [name for name in headers if name.startswith("X-RateLimit")]


@pytest.mark.parametrize(("release_at", "status"), [("end", 201), ("poll", 429)])
async def test_luma_release_at_says_whether_a_job_must_be_polled_to_free_its_slot(release_at: str, status: int) -> None:
    async with both(luma_release_at=release_at, luma_jobs=2, luma_rpm=100) as (_, luma):
        ids = [(await luma.create())[1]["id"] for _ in range(2)]
        luma.simulator.advance(600)
        assert (await luma.create())[0] == status
        for generation_id in ids:
            assert (await luma.get(generation_id))[1]["state"] == "completed"
        assert (await luma.create())[0] == 201


@pytest.mark.parametrize(("expiry", "status"), [(3_600.0, 201), (10.0, 201), (float("inf"), 429)])
async def test_luma_job_expiry_sets_how_long_a_job_keeps_its_slot(expiry: float, status: int) -> None:
    async with both(luma_job_expiry=expiry, luma_release_at="poll", luma_jobs=1, luma_rpm=100) as (_, luma):
        await luma.create()
        luma.simulator.advance(min(expiry, 7_200) - 1)
        assert (await luma.create())[0] == 429
        luma.simulator.advance(2)
        assert (await luma.create())[0] == status


@pytest.mark.parametrize(("limit", "status"), [(None, 200), (3, 429)])
async def test_luma_abuse_limit_refuses_polls_as_well(limit: int | None, status: int) -> None:
    async with both(luma_abuse_limit=limit) as (_, luma):
        _, generation, _ = await luma.create()
        for _ in range(2):
            assert (await luma.get(generation["id"]))[0] == 200
        told, body, headers = await luma.get(generation["id"])
        assert told == status
        if limit is not None:
            assert (body, headers["Retry-After"]) == ({"detail": "Too many requests"}, "60")
            assert not [name for name in headers if name.startswith("X-RateLimit")]
            assert (await luma.create())[0] == (await luma.get("../nothing"))[0] == 429


@pytest.mark.parametrize(("durations", "least", "most"), [("brief", 15, 50), ("measured", 70, 130)])
async def test_luma_durations_says_how_long_jobs_take(durations: str, least: float, most: float) -> None:
    async with both(luma_durations=durations, luma_rpm=100) as (_, luma):
        _, generation, _ = await luma.create(**HEAVY)
        luma.simulator.advance(least)
        assert (await luma.get(generation["id"]))[1]["state"] == "processing"
        luma.simulator.advance(most - least)
        assert (await luma.get(generation["id"]))[1]["state"] == "completed"


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ((), [201, 201, 429]),
        (["luma=bursts:size=1"], [201, 429, 429]),
        (["luma=hog"], [429, 429, 429]),
        (["luma=jobs:slots=9"], [201, 429, 429]),
        (["generor=hog"], [201, 201, 429]),
    ],
)
async def test_others_share_the_limits_of_the_key(others: list[str], told: list[int]) -> None:
    async with both(others=others) as (caller, luma):
        assert [(await luma.create())[0] for _ in range(3)] == told
        assert (await caller.get("/users/me")).status == (429 if others == ["generor=hog"] else 200)


@pytest.mark.parametrize(("lag", "listed"), [(0, 1), (30, 0)])
async def test_listing_lag_keeps_what_is_new_out_of_lists(lag: float, listed: int) -> None:
    async with generor(listing_lag=lag * 1e6) as caller:
        await caller.make()
        assert len((await caller.get("/creations")).data) == listed


async def test_an_invalid_position_of_a_switch_is_refused() -> None:
    for name in (
        "bad_key_on_public",
        "generor_window",
        "generor_window_shown",
        "luma_charge_at",
        "luma_durations",
        "luma_release_at",
        "luma_reset",
        "luma_window",
        "luma_wording",
    ):
        with pytest.raises(ValueError, match=f"^{name} must be one of .*, not 'perhaps'"):
            Simulator(**{name: "perhaps"})  # type: ignore[arg-type]  # that it is wrong is the point
