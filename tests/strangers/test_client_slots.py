"""Jobs at once: ceilings that refusals name or don't, units, others who hold slots, slots that come free late."""

import asyncio
import base64
from typing import Any

import pytest

from generor_async import AsyncLuma, ConcurrentJobsError, DeadlineExceededError, Limits, Throttled
from strangers import Held, LumaWorld, Others, Span, StrangerServer
from strangers.clients import TRAVEL, admitted, check_charges, luma_of, now, ours, refused, virtual

WORDINGS = ["contract", "limit", "capacity"]
SOURCE: dict[str, Any] = {"data": base64.b64encode(b"x").decode(), "media_type": "image/png"}
EDIT: dict[str, Any] = {"model": "uni-1-max", "type": "image_edit", "source": SOURCE}
EVERY: dict[tuple[str, str], float] = {
    ("uni-1", "image"): 30.0,
    ("uni-1-max", "image"): 30.0,
    ("uni-1-max", "image_edit"): 30.0,
}


def server_of(seconds: float = 30.0, **switches: Any) -> StrangerServer:
    durations = dict.fromkeys(EVERY, seconds)
    known: dict[str, Any] = {"per_minute": 1_000, "durations": durations}
    world = LumaWorld(**known | switches)
    return StrangerServer(luma=world, **TRAVEL)


async def all_run(luma: AsyncLuma, requests: list[dict[str, Any]]) -> list[str]:
    """Run many at once; each has to be completed."""
    made = await asyncio.gather(*(luma.generations.run(prompt="a chair", **request) for request in requests))
    return [generation.id for generation in made]


@virtual
@pytest.mark.parametrize(
    ("wording", "most_refused", "retry_after"),
    [("contract", 6, 60), ("contract", 6, None), ("limit", 1, 60), ("capacity", 1, None)],
)
async def test_a_ceiling_that_a_refusal_names_is_known_from_then_on(
    wording: str, most_refused: int, retry_after: int | None
) -> None:
    """40 jobs of 30 s on 10 slots take 120 s."""
    switches: dict[str, Any] = {"concurrent_wording": wording, "concurrent_retry_after": retry_after}
    async with server_of(**switches) as server, luma_of(server, limits=Limits()) as luma:
        check_charges(server, await all_run(luma, [{}] * 40))
        assert now() <= 1.06 * 120
        assert len(refused(ours(server), "concurrent")) <= most_refused


@virtual
@pytest.mark.parametrize("wording", WORDINGS)
async def test_a_ceiling_of_4_is_found(wording: str) -> None:
    async with server_of(slots=4, concurrent_wording=wording) as server, luma_of(server, limits=Limits()) as luma:
        check_charges(server, await all_run(luma, [{}] * 40))
        assert now() <= 1.10 * 300
        assert len(refused(ours(server))) <= 15
        assert luma.rate_limits.jobs is not None
        assert luma.rate_limits.jobs.ceiling == 4


@virtual
async def test_heavy_edits_and_others_share_ten_units() -> None:
    """7 edits of 3 units and 7 jobs of 1, 20 s each: 28 units on 10 take 60 s."""
    async with server_of(20.0) as server, luma_of(server, limits=Limits()) as luma:
        check_charges(server, await all_run(luma, [EDIT] * 7 + [{}] * 7))
        assert now() <= 1.10 * 60
        assert len(refused(ours(server))) <= 2


@virtual
@pytest.mark.parametrize("weights", [{}, {("uni-1-max", "image"): 4, ("uni-1", "image"): 2}])
async def test_weights_that_are_not_those_of_the_documents_are_learned(weights: dict[tuple[str, str], int]) -> None:
    """Either every job weighs one unit, or what is believed to be light weighs more."""
    requests: list[dict[str, Any]] = [EDIT, {"model": "uni-1-max"}, {}] * 10
    units = [weights.get(kind, 1) for kind in (("uni-1-max", "image_edit"), ("uni-1-max", "image"), ("uni-1", "image"))]
    switches: dict[str, Any] = {"window_weights": weights, "slot_weights": weights, "per_minute": 60}
    async with server_of(20.0, **switches) as server, luma_of(server, limits=Limits()) as luma:
        check_charges(server, await all_run(luma, requests))
        assert now() <= 1.35 * sum(units) * 10 * 20 / 10
        assert len(refused(ours(server))) <= 10


@virtual
async def test_units_fill_the_window_of_a_minute() -> None:
    """30 edits of 3 units at 30 units a minute: 10 each minute, the last ones after two."""
    async with server_of(1.0, per_minute=30, slots=1_000) as server, luma_of(server) as luma:
        made = await asyncio.gather(*(luma.generations.create(prompt="a chair", **EDIT) for _ in range(30)))
        check_charges(server, [one.id for one in made])
        assert max(admitted(ours(server, method="POST"))) <= 125
        assert len(refused(ours(server))) <= 1


@virtual
@pytest.mark.parametrize("wording", WORDINGS)
async def test_others_who_hold_slots_and_leave_are_noticed(wording: str) -> None:
    """2 of 4 slots are held for 300 s: 20 jobs of 30 s until then, and 40 in the next 300 s."""
    switches: dict[str, Any] = {"slots": 4, "held": (Held(0, 300, count=2),), "concurrent_wording": wording}
    async with server_of(**switches) as server, luma_of(server, limits=Limits()) as luma:
        check_charges(server, await all_run(luma, [{}] * 60))
        assert now() <= 1.10 * 600
        assert len(refused(ours(server))) <= 30


@virtual
@pytest.mark.parametrize("wording", WORDINGS)
async def test_others_who_hold_every_slot_let_nobody_fail(wording: str) -> None:
    """All slots are held for 200 s; then 20 jobs of 30 s on 10 slots take 60 s. Others leave unseen for a minute."""
    switches: dict[str, Any] = {"held": (Held(0, 200, count=10),), "concurrent_wording": wording}
    async with server_of(**switches) as server, luma_of(server, limits=Limits()) as luma:
        check_charges(server, await all_run(luma, [{}] * 20))
        assert now() <= 200 + 60 + 60
        assert len(refused(ours(server))) <= 15


@virtual
async def test_others_who_come_and_go_with_jobs_of_their_own() -> None:
    others = Others(start=10, size=5, every=90, seconds=45)
    async with server_of(others=(others,)) as server, luma_of(server, limits=Limits()) as luma:
        check_charges(server, await all_run(luma, [{}] * 60))
        assert now() <= 240
        assert len(refused(ours(server))) <= 30


@virtual
@pytest.mark.parametrize(
    ("freed", "wording"), [("late", "contract"), ("late", "limit"), ("late", "capacity"), ("poll", "contract")]
)
async def test_slots_that_come_free_later_than_jobs_end(freed: str, wording: str) -> None:
    """At the next look the whole takes no longer; 5 s late it takes 5 s longer for each turn."""
    switches: dict[str, Any] = {"slot_freed": freed, "slot_late": 5.0, "concurrent_wording": wording}
    async with server_of(**switches) as server, luma_of(server, limits=Limits()) as luma:
        check_charges(server, await all_run(luma, [{}] * 60))
        assert now() <= 1.15 * 6 * (35 if freed == "late" else 30)
        assert len(refused(ours(server))) <= 30


@virtual
async def test_jobs_that_nobody_waits_for_give_their_slots_back() -> None:
    """`create` looks at nothing: the client does it for those who wait for slots."""
    async with server_of(slot_freed="poll") as server, luma_of(server, limits=Limits()) as luma:
        made = [await luma.generations.create(prompt="a chair") for _ in range(30)]
        check_charges(server, [one.id for one in made])
        assert now() <= 110


@virtual
async def test_a_job_that_hangs_is_dropped_from_the_count_after_an_hour() -> None:
    """Two of three slots are held by jobs that never end; an hour later all three are there again."""
    async with server_of(slots=3) as server, luma_of(server, limits=Limits()) as luma:
        stuck = [await luma.generations.submit(prompt="[stuck]") for _ in range(2)]
        await all_run(luma, [{}] * 3)
        assert now() <= 110
        await asyncio.sleep(3_700 - now())
        began = now()
        await all_run(luma, [{}] * 30)
        assert now() - began <= 1.1 * 300
        assert len(server.charges) == len(stuck) + 33


@virtual
async def test_a_given_ceiling_is_kept_to() -> None:
    async with server_of() as server, luma_of(server, limits=Limits(jobs=10)) as luma:
        check_charges(server, await all_run(luma, [{}] * 40))
        assert not refused(ours(server))
        assert now() <= 1.06 * 120


@virtual
async def test_who_waits_for_a_slot_waits_no_longer_than_he_said() -> None:
    events = list[object]()
    async with (
        server_of(held=(Held(count=10),)) as server,
        luma_of(server, limits=Limits(), on_event=events.append) as luma,
    ):
        with pytest.raises(ConcurrentJobsError):
            await luma.with_options(max_retries=0).generations.create(prompt="a chair")
        began = now()
        with pytest.raises((ConcurrentJobsError, DeadlineExceededError)):
            await luma.with_options(queue_timeout=100).generations.create(prompt="a chair")
        assert now() - began <= 101
        assert {event.scope for event in events if isinstance(event, Throttled)} == {"jobs"}


@virtual
async def test_while_the_limits_store_is_down_slots_are_not_counted_and_nothing_breaks() -> None:
    async with server_of(store_down=(Span(10, 70),)) as server, luma_of(server, limits=Limits()) as luma:
        check_charges(server, await all_run(luma, [{}] * 60))
        assert now() <= 200
        assert len(refused(ours(server))) <= 10
