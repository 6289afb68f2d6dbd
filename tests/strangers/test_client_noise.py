"""Connections that carry answers nobody asked for: none is taken for the answer to a request."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from generor_async import APIConnectionError, APIError, GenerorAsyncError, OutcomeUnknownError, run_batch
from strangers import Answer, Arrival, LumaWorld, StrangerServer
from strangers.clients import TRAVEL, check_charges, generor_of, luma_of, ours, virtual
from strangers.noise import EVIL, EXTRAS, HINTS, UPGRADE
from strangers.test_client_paid import JOKE, attempt, rows

WAITS = (0.0, 0.01, 0.02, 0.03, 1.0, 5.0, 6.0)
"""Seconds between two calls: before, at, and after the moment when the answer too many comes."""


def noisy(noise: Any) -> StrangerServer:
    return StrangerServer(luma=LumaWorld(slots=1_000), noise=noise)


def check_none_is_evil(server: StrangerServer, told: list[Any], ids: list[str]) -> None:
    """Each charge is in one result; nothing was believed that nobody asked for."""
    assert EVIL not in ids
    assert "666" not in ids
    assert not [one for one in told if isinstance(one, GenerorAsyncError)]
    check_charges(server, ids)


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("noise", EXTRAS)
@virtual
async def test_jobs_of_one_connection_are_the_ones_that_were_made(noise: str, wait: float) -> None:
    async with noisy(noise) as server, luma_of(server, max_connections=1) as luma:
        told = list[Any]()
        for number in range(6):
            told.append(await attempt(luma.generations.create(prompt=f"chair {number}")))
            await asyncio.sleep(wait)
            await asyncio.sleep(0)  # what comes at this very moment has come
        check_none_is_evil(server, told, [one.id for one in told])
        assert (await luma.generations.job(told[0].id)).id == told[0].id


@pytest.mark.parametrize("noise", EXTRAS)
@virtual
async def test_what_comes_while_a_job_is_submitted_is_not_believed_of_a_server_that_echoes(noise: Any) -> None:
    """The next request has left before the answer too many comes: all that tells is the id that it echoes."""
    async with StrangerServer(luma=LumaWorld(slots=1_000), **TRAVEL) as server, luma_of(server) as luma:
        for number in range(12):
            await luma.generations.create(prompt=f"chair {number}")
        server.noise = noise
        told = [await attempt(luma.generations.create(prompt="a chair")) for _ in range(6)]
        await asyncio.sleep(1)  # until the last request has arrived, too
        check_believed(server, told)
        assert len(server.charges) == 18


@pytest.mark.parametrize("wait", [0.02, 0.03, 1.0, 4.0, 6.0])
@pytest.mark.parametrize("noise", EXTRAS)
@virtual
async def test_creations_of_one_connection_are_the_ones_that_were_made(noise: str, wait: float) -> None:
    """Generor echoes nothing: what comes while the next answer is awaited (408 after 5 s) can only leave it unknown."""
    async with noisy(noise) as server, generor_of(server, max_connections=1) as generor:
        told = list[Any]()
        for _ in range(4):
            told.append(await attempt(generor.generators.generate(**JOKE)))
            await asyncio.sleep(wait)
        await asyncio.sleep(60)  # until the last generation has ended, too
        assert len(server.charges) == len(ours(server, "generor", "POST")) == 4
        lost = [one for one in told if isinstance(one, GenerorAsyncError)]
        assert all(isinstance(one, OutcomeUnknownError) for one in lost)
        assert bool(lost) == (noise == "408 when idle" and wait < 5)
        known = [str(one.creations[0].creation_id) for one in told if one not in lost]
        assert set(known) <= {charge.item for charge in server.charges}
        assert len(set(known)) == len(known)
        assert len(await generor.creations.list().collect()) == 4


@pytest.mark.parametrize("noise", EXTRAS)
@virtual
async def test_a_batch_over_such_connections_has_its_own_results(noise: str, tmp_path: Path) -> None:
    async with noisy(noise) as server, luma_of(server) as luma:
        outcomes = [outcome async for outcome in run_batch(luma, rows(), to=tmp_path)]
        assert {outcome.state for outcome in outcomes} == {"done"}
        check_none_is_evil(server, outcomes, [id_ for outcome in outcomes for id_ in outcome.remote_ids])


@virtual
async def test_an_answer_before_any_request_is_not_believed_of_a_server_that_echoes() -> None:
    async with noisy("") as server, luma_of(server) as luma:
        for number in range(12):
            await luma.generations.create(prompt=f"chair {number}")
        server.noise = "early"
        await asyncio.sleep(3_600)  # connections are gone by then
        told = [await attempt(luma.generations.create(prompt="a chair")) for _ in range(3)]
        check_believed(server, told)


def check_believed(server: StrangerServer, told: list[Any]) -> None:
    """What was taken for an answer is one; other calls are unknown or weren't sent, and no paid one was repeated."""
    charged = {charge.item for charge in server.charges}
    for one in told:
        if isinstance(one, GenerorAsyncError):
            if isinstance(one, APIConnectionError) and one.outcome == "not_sent":
                continue
            assert isinstance(one, OutcomeUnknownError)
            assert one.job_id != EVIL
        else:
            assert one.id in charged
    known = [one.id for one in told if not isinstance(one, GenerorAsyncError)]
    assert len(set(known)) == len(known)
    assert len({charge.request_id for charge in server.charges}) == len(server.charges)


@pytest.mark.parametrize("echo", ["own", "previous", "foreign", "none"])
@virtual
async def test_whose_answer_it_is_is_told_by_its_echo(echo: Any) -> None:
    """One with the id of another request of ours is not believed; one that a server gave itself, or none, is."""
    async with StrangerServer(luma=LumaWorld(echo=echo, slots=1_000), **TRAVEL) as server, luma_of(server) as luma:
        told = [await attempt(luma.generations.create(prompt=f"chair {number}")) for number in range(6)]
        check_believed(server, told)
        errors = [one for one in told if isinstance(one, GenerorAsyncError)]
        assert len(errors) == (5 if echo == "previous" else 0)
        assert len(server.charges) == 6


@virtual
async def test_a_server_that_has_always_echoed_is_not_believed_with_another_id() -> None:
    async with StrangerServer(luma=LumaWorld(slots=1_000), **TRAVEL) as server, luma_of(server) as luma:
        for number in range(12):
            await luma.generations.create(prompt=f"chair {number}")
        server.luma.world = LumaWorld(echo="foreign", slots=1_000)
        told = await attempt(luma.generations.create(prompt="a chair"))
        assert isinstance(told, OutcomeUnknownError)
        assert len(server.charges) == 13


@pytest.mark.parametrize("echo", ["foreign", "none"])
@virtual
async def test_batches_work_on_servers_that_do_not_echo(echo: Any, tmp_path: Path) -> None:
    async with StrangerServer(luma=LumaWorld(echo=echo), **TRAVEL) as server, luma_of(server) as luma:
        outcomes = [outcome async for outcome in run_batch(luma, rows(), to=tmp_path)]
        assert {outcome.state for outcome in outcomes} == {"done"}
        check_charges(server, [id_ for outcome in outcomes for id_ in outcome.remote_ids])


# --- protocols that nobody asked for ----------------------------------------------------------------------------------


def switching(raw: bytes, *methods: str, after: bool = False) -> Any:
    def script(arrival: Arrival) -> Answer | None:
        return Answer(status=101, body=raw, raw=True, after=after) if arrival.method in methods else None

    return script


@pytest.mark.parametrize("after", [False, True])
@virtual
async def test_a_101_is_an_end_and_leaves_no_connection_behind(after: bool) -> None:
    async with StrangerServer(script=switching(UPGRADE, "POST", after=after), **TRAVEL) as server:
        async with luma_of(server, max_connections=1, timeout=100) as luma:
            for _ in range(4):
                with pytest.raises(OutcomeUnknownError):
                    await luma.generations.create(prompt="a chair")
            server.script = None
            made = await luma.generations.create(prompt="a chair")
            assert made.id == server.charges[-1].item
        assert len(server.charges) == (5 if after else 1)
        async with generor_of(server, max_connections=1) as generor:
            server.script = switching(UPGRADE, "GET")
            with pytest.raises(APIError):
                await generor.with_options(max_retries=1).users.me()
            server.script = None
            assert (await generor.users.me()).username == "stranger"


@virtual
async def test_a_look_that_is_answered_by_a_101_costs_no_job() -> None:
    looks = iter([True, True, False, True])

    def script(arrival: Arrival) -> Answer | None:
        odd = arrival.method == "GET" and next(looks, False)
        return Answer(status=101, body=UPGRADE, raw=True) if odd else None

    async with StrangerServer(script=script, **TRAVEL) as server, luma_of(server) as luma:
        done = await luma.generations.run(prompt="a chair")
        check_charges(server, [done.id])


@virtual
async def test_hints_before_an_answer_are_passed_over() -> None:
    async with noisy("") as server, luma_of(server) as luma:
        shown = b'{"id": "x", "state": "queued"}'
        head = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(shown)
        server.script = switching(HINTS + head + shown, "POST")
        assert (await luma.generations.create(prompt="a chair")).id == "x"
        assert len(ours(server)) == 1
