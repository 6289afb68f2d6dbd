"""What is no limit of requests or jobs (abuse, outages, gateways' pages, lost answers), and limits in a file."""

import asyncio
import logging
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from generor_async import (
    AsyncLuma,
    BadGatewayError,
    Event,
    Limits,
    OutcomeUnknownError,
    RateLimitError,
    ServiceUnavailableError,
    Throttled,
)
from strangers import Answer, GenerorWorld, LumaWorld, Outage, StrangerServer, in_turn
from strangers.clients import (
    MANY_JOBS,
    TRAVEL,
    admitted,
    check_charges,
    generor_of,
    luma_of,
    now,
    ours,
    refused,
    virtual,
)
from strangers.server import EPOCH

SHORT = {("uni-1", "image"): 5.0}


def server_of(script: Any = None, **switches: Any) -> StrangerServer:
    known: dict[str, Any] = {"per_minute": 1_000, "slots": 1_000, "durations": SHORT}
    world = LumaWorld(**known | switches)
    return StrangerServer(luma=world, script=script, **TRAVEL)


async def create(luma: AsyncLuma, calls: int, **params: Any) -> list[str]:
    made = await asyncio.gather(*(luma.generations.create(prompt="a chair", **params) for _ in range(calls)))
    return [generation.id for generation in made]


# --- the ceiling against abuse ----------------------------------------------------------------------------------------


@virtual
async def test_the_ceiling_against_abuse_holds_every_call_and_teaches_no_ceiling_of_jobs() -> None:
    """20 calls a minute of any kind: what comes after them waits for Retry-After, whatever it is."""
    events = list[Event]()
    async with (
        server_of(abuse_per_minute=20) as server,
        luma_of(server, limits=Limits(), on_event=events.append) as luma,
    ):
        first = await luma.generations.create(prompt="a chair")
        for _ in range(19):
            await luma.generations.get(first.id)
        began = now()
        look = asyncio.create_task(luma.generations.get(first.id))
        await asyncio.sleep(1)
        check_charges(server, [first.id, *await create(luma, 5)])
        assert (await look).state == "completed"
        assert 55 <= now() - began <= 65
        assert len(refused(ours(server), "abuse")) == 1
        assert luma.rate_limits.jobs is not None
        assert luma.rate_limits.jobs.ceiling is None
        assert "abuse" in {event.scope for event in events if isinstance(event, Throttled)}


@virtual
async def test_met_by_a_submission_it_teaches_no_ceiling_of_jobs_either() -> None:
    async with server_of(abuse_per_minute=20) as server, luma_of(server, limits=Limits(), timeout=180) as luma:
        made = await create(luma, 1)
        for _ in range(19):
            await luma.generations.get(made[0])
        began = now()
        check_charges(server, made + await create(luma, 1))
        assert 55 <= now() - began <= 65
        assert luma.rate_limits.jobs is not None
        assert luma.rate_limits.jobs.ceiling is None


@virtual
async def test_while_the_key_is_held_calls_of_all_kinds_wait_and_none_fails() -> None:
    async with server_of(abuse_per_minute=60) as server, luma_of(server, limits=Limits()) as luma:
        made = await asyncio.gather(*(luma.generations.run(prompt="a chair") for _ in range(60)))
        check_charges(server, [one.id for one in made])
        assert len(refused(ours(server), "abuse")) <= 40
        assert now() <= 360


@virtual
async def test_a_hold_that_is_longer_than_a_given_timeout_fails_at_once_and_says_for_how_long() -> None:
    async with server_of(abuse_per_minute=1) as server, luma_of(server) as luma:
        await create(luma, 1)
        with pytest.raises(RateLimitError) as caught:
            await luma.with_options(timeout=20).generations.create(prompt="a chair")
        assert caught.value.retry_after is not None
        assert 55 <= caught.value.retry_after <= 60
        assert now() < 1


@virtual
async def test_a_hold_of_hours_is_logged_and_shown_and_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    answer = Answer(status=429, body={"detail": "Rate limit exceeded"}, headers={"Retry-After": "7200"})
    async with server_of(in_turn([answer])) as server, luma_of(server) as luma:
        with caplog.at_level(logging.WARNING, "generor_async"):
            waiting = [asyncio.create_task(create(luma, 1)) for _ in range(3)]
            await asyncio.sleep(10)
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        held = luma.rate_limits.held
        assert held is not None
        assert held.until == pytest.approx(EPOCH + 7_200, abs=1)
        assert "Rate limit exceeded" in held.reason
        made = await asyncio.gather(*waiting)
        check_charges(server, [one for ids in made for one in ids])
        assert 7_200 <= now() <= 7_320


# --- outages ----------------------------------------------------------------------------------------------------------


@virtual
@pytest.mark.parametrize(
    ("status", "calls", "seconds", "posts"), [(502, 50, 1, 2), (503, 50, 1, 2), (502, 50, 20, 3), (503, 300, 20, 3)]
)
async def test_a_documented_outage_fails_no_call(status: int, calls: int, seconds: float, posts: int) -> None:
    async with server_of(outages=(Outage(0, seconds, status=status),)) as server, luma_of(server) as luma:
        check_charges(server, await create(luma, calls))
        sent = ours(server, method="POST")
        assert len(sent) <= posts * calls
        assert now() <= seconds + 40


@virtual
@pytest.mark.parametrize("scope", ["all", "url"])
async def test_an_outage_of_what_fetches_urls_holds_up_nobody_else(scope: Any) -> None:
    outage = Outage(0, 20, status=503, scope=scope)
    async with server_of(outages=(outage,)) as server, luma_of(server) as luma:
        reference = {"image_ref": [{"url": "https://pictures.example/a.png"}]}
        by_url = asyncio.create_task(create(luma, 10, **reference))
        others = await create(luma, 10)
        assert now() < 1 if scope == "url" else now() >= 20
        check_charges(server, others + await by_url)
        assert 20 <= now() <= 50


@virtual
async def test_jobs_outlive_an_outage_of_looks_too() -> None:
    async with server_of(outages=(Outage(3, 63, status=502, scope="all"),)) as server, luma_of(server) as luma:
        made = await asyncio.gather(*(luma.generations.run(prompt="a chair") for _ in range(20)))
        check_charges(server, [one.id for one in made])
        assert now() <= 110


@virtual
@pytest.mark.parametrize(("status", "kind"), [(502, BadGatewayError), (503, ServiceUnavailableError)])
async def test_an_outage_that_lasts_ends_in_its_own_error(status: int, kind: type[Exception]) -> None:
    async with server_of(outages=(Outage(status=status),)) as server, luma_of(server) as luma:
        with pytest.raises(kind):
            await create(luma, 1)
        assert len(server.requests) <= 5
        assert now() <= 61


@virtual
@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("after", [False, True])
async def test_a_gateways_page_on_a_paid_call_is_unknown_and_nothing_is_sent_twice(status: int, after: bool) -> None:
    outage = Outage(0, 10, status=status, html=True, after=after)
    async with server_of(outages=(outage,)) as server, luma_of(server) as luma:
        calls = (luma.generations.create(prompt="a chair") for _ in range(20))
        errors = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(error) for error in errors} == {OutcomeUnknownError}
        assert len(ours(server, method="POST")) == 20
        assert len(server.charges) == (20 if after else 0)
        ids = {error.request_id for error in errors if isinstance(error, OutcomeUnknownError)}
        assert ids == {one.request_id for one in server.requests}


@virtual
@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_any_5xx_of_generors_leaves_a_generate_unknown_and_reads_are_repeated(status: int) -> None:
    world = GenerorWorld(outages=(Outage(0, 0.3, status=status, scope="all", html=status != 500),))
    async with StrangerServer(generor=world, **TRAVEL) as server, generor_of(server) as generor:
        with pytest.raises(OutcomeUnknownError):
            await generor.generators.generate("joke", prompt="a heron", model_id=37)
        assert (await generor.users.me()).username == "stranger"
        assert len(ours(server, "generor", "POST")) == 1


@virtual
@pytest.mark.parametrize("after", [False, True])
async def test_an_answer_that_is_lost_is_unknown_and_a_look_is_repeated(after: bool) -> None:
    script = in_turn([Answer(cut=True, after=after)])
    async with server_of(script) as server, luma_of(server) as luma:
        with pytest.raises(OutcomeUnknownError):
            await create(luma, 1)
        assert len(server.charges) == after
        server.script = in_turn([Answer(cut=True), Answer(status=201, body=b"{oh", cut=True), None], method="GET")
        check = await luma.generations.run(prompt="a chair")
        assert check.id == server.charges[-1].item
        assert len(ours(server, method="POST")) == 2


@virtual
@pytest.mark.parametrize("delay", [8.0, 29.0, 100.0])
async def test_an_answer_that_comes_late_is_awaited_for_as_long_as_an_attempt_may_take(delay: float) -> None:
    script = in_turn([Answer(status=500, body="<html>", after=True, delay=delay)])
    async with server_of(script) as server, luma_of(server) as luma:
        with pytest.raises(OutcomeUnknownError):
            await create(luma, 1)
        assert min(delay, 30.0) <= now() <= min(delay, 60.0) + 1
        assert (len(server.requests), len(server.charges)) == (1, 1)


@virtual
async def test_a_gateways_429_teaches_nothing_and_ends_with_the_retries() -> None:
    page = Answer(status=429, body="<html><h1>429</h1></html>", headers={"Retry-After": "1"})
    async with server_of(in_turn(repeat(page))) as server, luma_of(server) as luma:
        with pytest.raises(RateLimitError):
            await luma.with_options(max_retries=2).generations.create(prompt="a chair")
        assert len(server.requests) == 3
        assert now() <= 10
        assert luma.rate_limits.held is None


# --- two processes' worth of clients on one file, each with a clock of its own ---------------------------------------


@virtual
async def test_two_clients_on_one_file_share_the_window(tmp_path: Path) -> None:
    """60 calls of each at 30 a minute take three minutes, as from one client."""
    async with server_of(per_minute=30, slots=MANY_JOBS) as server:
        clients = [luma_of(server, limits=Limits(jobs=MANY_JOBS, store=tmp_path / "limits")) for _ in range(2)]
        async with clients[0], clients[1]:
            made = await asyncio.gather(*(create(client, 60) for client in clients))
        check_charges(server, made[0] + made[1])
        assert len(refused(ours(server))) <= 2
        assert max(admitted(ours(server))) <= 1.05 * 180


@virtual
async def test_two_clients_on_one_file_share_the_slots(tmp_path: Path) -> None:
    """40 jobs of 30 s on 10 slots, half of each client's."""
    async with server_of(slots=10, durations={("uni-1", "image"): 30.0}) as server:
        clients = [luma_of(server, limits=Limits(store=tmp_path / "limits")) for _ in range(2)]
        async with clients[0], clients[1]:
            runs = [client.generations.run(prompt="a chair") for client in clients for _ in range(20)]
            made = await asyncio.gather(*runs)
        check_charges(server, [one.id for one in made])
        assert len(refused(ours(server))) <= 3
        assert now() <= 1.15 * 120


@virtual
@pytest.mark.parametrize("window", ["sliding", "fixed"])
async def test_who_starts_again_knows_from_the_file_what_the_window_holds(tmp_path: Path, window: str) -> None:
    async with server_of(per_minute=30, window_kind=window, window_phase=50.0) as server:
        made = list[str]()
        for calls in (25, 25, 25):
            async with luma_of(server, limits=Limits(jobs=MANY_JOBS, store=tmp_path / "limits")) as luma:
                made += await create(luma, calls)
        check_charges(server, made)
        assert not refused(ours(server))
        assert now() <= 1.05 * 120


def spoil(folder: Path) -> None:
    for file in folder.iterdir():
        file.write_bytes(b"this is no database" * 1_000)


@virtual
async def test_a_file_that_breaks_costs_no_call(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "limits"
    async with server_of(per_minute=60) as server:
        async with luma_of(server, limits=Limits(jobs=MANY_JOBS, store=path)) as luma:
            made = await create(luma, 30)
            spoil(tmp_path)
            made += await create(luma, 70)
        check_charges(server, made)
        assert now() <= 130
