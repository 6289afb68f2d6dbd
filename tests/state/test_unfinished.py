"""A client with a state: after a restart it is known which jobs are unfinished, and of which calls nobody knows."""

import asyncio
import os
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.clock import in_virtual_time, patient
from support.generor_service import until
from support.programs import begin, finished

from generor_async import (
    AsyncGeneror,
    AsyncLuma,
    ClientClosedError,
    ContentModeratedError,
    Generor,
    InvalidRequestError,
    Job,
    Luma,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
)
from generor_async.simulator import Simulator

CREATE = "luma.generations.create"
GENERATE = "generor.generators.generate"
LONG_AGO = 100 * 86_400.0


anyio_backend = in_virtual_time


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(seed=7, luma_rpm=10_000, luma_jobs=1_000) as simulator:
        yield simulator


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.sqlite"


def luma_of(simulator: Simulator, path: Path, **options: Any) -> AsyncLuma:
    return AsyncLuma(**simulator.luma_options, state=path, **options)


def generor_of(simulator: Simulator, path: Path, **options: Any) -> AsyncGeneror:
    return AsyncGeneror(**simulator.generor_options, state=path, **options)


def states(path: Path) -> list[tuple[str, str | None, str | None]]:
    """Return state, ids and context of all calls, as the file has them."""
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.execute("SELECT state, remote_ids, context FROM calls ORDER BY number"))


async def unfinished(luma: AsyncLuma) -> list[Job]:
    return [job async for job in luma.jobs.unfinished()]


async def test_after_a_restart_the_jobs_that_go_on_are_found_with_their_context(
    simulator: Simulator, path: Path
) -> None:
    async with luma_of(simulator, path) as luma:
        first = await luma.with_options(context={"channel": 7}).generations.submit(prompt="a heron")
        second = await luma.generations.submit(prompt="a crane")
        assert first.context == {"channel": 7}
    async with luma_of(simulator, path) as luma:
        found = await unfinished(luma)
        assert [(job.id, job.context) for job in found] == [(first.id, {"channel": 7}), (second.id, None)]
        assert (await found[0]).state == "completed"
        assert [job.id for job in await unfinished(luma)] == [second.id]
    async with luma_of(simulator, path) as luma:
        assert [job.id for job in await unfinished(luma)] == [second.id]
        async for job in luma.jobs.unfinished():
            await job
        assert await unfinished(luma) == []


async def test_a_job_that_was_waited_for_is_finished(simulator: Simulator, path: Path) -> None:
    async with luma_of(simulator, path) as luma:
        done = await luma.generations.run(prompt="a heron")
        assert await unfinished(luma) == []
        assert states(path) == [("done", f'["{done.id}"]', None)]
        with pytest.raises(ContentModeratedError):
            await luma.generations.run(prompt="a heron [[moderate]]")
        assert [state for state, *_ in states(path)] == ["done", "failed"]


async def test_a_job_that_is_resumed_by_its_id_alone_is_finished_as_well(simulator: Simulator, path: Path) -> None:
    async with luma_of(simulator, path) as luma:
        job = await luma.generations.submit(prompt="a heron")
    async with luma_of(simulator, path) as luma:
        await luma.generations.job(job.id)
        assert await unfinished(luma) == []


async def test_a_job_that_the_api_denies_is_unknown(simulator: Simulator, path: Path) -> None:
    async with luma_of(simulator, path) as luma:
        job = await luma.generations.submit(prompt="a heron")
        simulator.luma.generations.clear()
        with pytest.raises(NotFoundError):
            await job
    async with luma_of(simulator, path) as luma:
        assert await unfinished(luma) == []
        (call,) = [call async for call in luma.jobs.unknown()]
        assert job.id in call.reason


async def test_the_events_of_a_kept_call_are_those_of_any_call(simulator: Simulator, path: Path) -> None:
    events = list[Any]()
    async with luma_of(simulator, path, on_event=events.append) as luma:
        await luma.generations.create(prompt="a heron")
    names = [type(event).__name__ for event in events]
    assert names == ["CallStarted", "AttemptStarted", "AttemptEnded", "CallEnded"]
    assert len({event.call_id for event in events}) == 1
    assert (events[-1].outcome, events[-1].attempts) == ("done", 1)


@pytest.mark.parametrize("fault", ["reset", "close", "truncate:keep=0.02"])
async def test_a_call_whose_answer_was_lost_is_unknown_until_it_is_settled(
    simulator: Simulator, path: Path, fault: str
) -> None:
    simulator.faults.add_spec(f"{CREATE}={fault}:after_charge:1x")
    async with luma_of(simulator, path) as luma:
        with pytest.raises(OutcomeUnknownError) as lost:
            await luma.with_options(context=[1]).generations.create(prompt="a heron")
        (call,) = [call async for call in luma.jobs.unknown()]
        assert (call.context, call.operation, call.idempotency_key) == ([1], CREATE, None)
        assert call.request_id == lost.value.request_id
        assert call.credits == pytest.approx(0.0404 / 0.003)
        assert "heron" not in call.reason
        assert abs(call.sent_at.timestamp() - simulator.clock.time()) < 600
    (made,) = simulator.luma.generations.values()
    async with luma_of(simulator, path) as luma:
        assert [each.id async for each in luma.jobs.unknown()] == [call.id], "they are kept"
        await luma.jobs.settle(call, job_id=made.id)
        assert [(job.id, job.context) for job in await unfinished(luma)] == [(made.id, [1])]
        assert [each async for each in luma.jobs.unknown()] == []
        with pytest.raises(InvalidRequestError, match="no unknown call"):
            await luma.jobs.settle(call, job_id=made.id)


async def test_a_call_that_is_settled_as_without_effect_is_gone(simulator: Simulator, path: Path) -> None:
    simulator.faults.add_spec(f"{CREATE}=reset:before_charge:1x")
    async with luma_of(simulator, path) as luma:
        with pytest.raises(OutcomeUnknownError):
            await luma.generations.create(prompt="a heron")
        async for call in luma.jobs.unknown():
            await luma.jobs.settle(call.id, job_id=None)
        assert [each async for each in luma.jobs.unknown()] == []
    assert [state for state, *_ in states(path)] == ["failed"]


async def test_what_was_refused_or_never_left_is_no_unknown_call(simulator: Simulator, path: Path) -> None:
    simulator.faults.add_spec(f"{CREATE}=403:1x")
    async with luma_of(simulator, path) as luma:
        with pytest.raises(PermissionDeniedError):
            await luma.generations.create(prompt="a heron")
        with pytest.raises(InvalidRequestError):
            await luma.generations.create(prompt="")
        assert [each async for each in luma.jobs.unknown()] == []
        assert await unfinished(luma) == []
    assert [state for state, *_ in states(path)] == ["failed"], "what is refused here never reaches the state"


async def test_a_call_is_written_down_before_each_attempt_and_its_id_before_it_is_told(
    simulator: Simulator, path: Path
) -> None:
    simulator.faults.add_spec(f"{CREATE}=429:1x:retry_after=1")
    seen = list[str]()

    def listen(event: object) -> None:
        seen.extend(state for state, *_ in states(path)) if path.exists() else None

    async with luma_of(simulator, path, on_event=listen) as luma:
        generation = await luma.generations.create(prompt="a heron")
        assert states(path) == [("accepted", f'["{generation.id}"]', None)]
    assert {"submitting", "leased"} <= set(seen)


async def test_a_cancelled_call_that_had_left_is_unknown(simulator: Simulator, path: Path) -> None:
    simulator.faults.add_spec(f"{CREATE}=stall:after_charge")
    async with luma_of(simulator, path) as luma:
        call = asyncio.create_task(luma.generations.create(prompt="a heron"))
        await until(lambda: simulator.ledger.requests)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert [each.operation async for each in luma.jobs.unknown()] == [CREATE]


async def test_the_end_of_the_client_leaves_calls_under_way_unknown(simulator: Simulator, path: Path) -> None:
    simulator.faults.add_spec(f"{CREATE}=stall:after_charge")
    async with luma_of(simulator, path) as luma:
        call = asyncio.create_task(luma.generations.create(prompt="a heron"))
        await until(lambda: simulator.ledger.requests)
    with pytest.raises((OutcomeUnknownError, ClientClosedError)):
        await call
    assert [state for state, *_ in states(path)] == ["unknown"]
    assert not list(path.parent.glob("*.lock"))


async def test_generor_keeps_its_calls_as_well(simulator: Simulator, path: Path) -> None:
    asked: dict[str, Any] = {"slug": "joke", "prompt": "a secret heron", "model_id": 37}
    async with generor_of(simulator, path) as generor:
        result = await generor.generators.generate(**asked)
        assert [each async for each in generor.jobs.unfinished()] == []
        ids = f'["{result.creations[0].creation_id}"]'
        assert states(path) == [("done", ids, None)]
        simulator.faults.add_spec(f"{GENERATE}=reset:before_charge:1x")
        with pytest.raises(OutcomeUnknownError):
            await generor.with_options(context="second").generators.generate(**asked)
        (call,) = [call async for call in generor.jobs.unknown()]
        assert call.check_at is not None
        assert call.check_at > call.sent_at
        made = result.creations[0].creation_id
        await generor.jobs.settle(call, creation_ids=[made])
        (job,) = [job async for job in generor.jobs.unfinished()]
        assert (job.creation_ids, job.context) == ((made,), "second")
        found = await job.result()
        assert [creation.creation_id for creation in found.creations] == [made]
        assert found.creations[0].text
        assert [job async for job in generor.jobs.unfinished()] == []
    for file in path.parent.iterdir():
        assert b"secret heron" not in file.read_bytes(), "prompts are not kept"


async def test_both_apis_may_share_a_state(simulator: Simulator, path: Path) -> None:
    async with luma_of(simulator, path) as luma, generor_of(simulator, path) as generor:
        job = await luma.generations.submit(prompt="a heron")
        simulator.faults.add_spec(f"{GENERATE}=reset:before_charge:1x")
        with pytest.raises(OutcomeUnknownError):
            await generor.generators.generate("joke", model_id=37)
        assert [each async for each in luma.jobs.unknown()] == []
        assert [each async for each in generor.jobs.unfinished()] == []
        assert [each.id for each in await unfinished(luma)] == [job.id]
        assert [each.operation async for each in generor.jobs.unknown()] == [GENERATE]


async def test_jobs_of_a_living_client_are_left_to_it(simulator: Simulator, path: Path) -> None:
    async with luma_of(simulator, path) as luma, luma_of(simulator, path) as other:
        job = await luma.generations.submit(prompt="a heron")
        assert await unfinished(other) == []
        assert [each.id for each in await unfinished(luma)] == [job.id]
        await luma.close()
        assert [each.id for each in await unfinished(other)] == [job.id]


async def test_what_nobody_asks_for_stays_for_who_does(simulator: Simulator, path: Path) -> None:
    """A client of another API, or a process that asks for nothing, takes no job that somebody else would take up."""
    async with luma_of(simulator, path) as luma:
        job = await luma.generations.submit(prompt="a heron")
    async with generor_of(simulator, path) as generor, luma_of(simulator, path) as idle:
        assert [one async for one in generor.jobs.unfinished()] == []
        assert [call async for call in generor.jobs.unknown()] == [call async for call in idle.jobs.unknown()] == []
        await idle.generations.submit(prompt="a crane")
        assert job.id not in await idle.drain(0)
        async with luma_of(simulator, path) as luma:
            assert [one.id for one in await unfinished(luma)] == [job.id]
            assert await luma.drain(0) == [job.id]


async def test_a_job_of_nobody_ends_with_whoever_sees_it(simulator: Simulator, path: Path) -> None:
    async with luma_of(simulator, path) as luma:
        job = await luma.generations.submit(prompt="a heron")
        acknowledged = await luma.with_options(acknowledge=True).generations.submit(prompt="a crane")
    async with luma_of(simulator, path) as other:
        await other.generations.job(job.id)
        await other.jobs.acknowledge(acknowledged.id)
        async with luma_of(simulator, path) as luma:
            assert await unfinished(luma) == []


async def test_what_has_ended_can_be_deleted(simulator: Simulator, path: Path) -> None:
    async with luma_of(simulator, path) as luma:
        await luma.generations.run(prompt="a heron")
        await luma.generations.submit(prompt="a crane")
        assert await luma.jobs.prune(older_than=LONG_AGO) == 0
        simulator.advance(60)
        assert await luma.jobs.prune(older_than=30) == 1
    assert [state for state, *_ in states(path)] == ["accepted"]


async def test_what_has_ended_is_deleted_by_itself_after_some_days(simulator: Simulator, path: Path) -> None:
    async with luma_of(simulator, path, keep_days=2) as luma:
        await luma.generations.run(prompt="a heron")
    simulator.advance(3 * 86_400)
    async with luma_of(simulator, path, keep_days=2) as luma:
        await unfinished(luma)
        await until(lambda: not states(path))


async def test_without_a_state_nothing_is_kept_and_nothing_can_be_asked(simulator: Simulator) -> None:
    async with AsyncLuma(**simulator.luma_options) as luma:
        for asking in (luma.jobs.unfinished(), luma.jobs.unknown()):
            with pytest.raises(InvalidRequestError, match="keeps no calls"):
                await anext(asking)
        with pytest.raises(InvalidRequestError, match="keeps no calls"):
            await luma.jobs.prune(older_than=1)
        refused: list[dict[str, Any]] = [{"context": 1}, {"idempotency_key": "k"}]
        for options in refused:
            with pytest.raises(InvalidRequestError, match="needs a client that keeps"):
                luma.with_options(**options)


async def test_a_state_that_cannot_be_used_is_refused_in_words(simulator: Simulator, tmp_path: Path) -> None:
    other = tmp_path / "notes.sqlite"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE notes (text)")
    newer = tmp_path / "newer.sqlite"
    async with luma_of(simulator, newer) as luma:
        await luma.jobs.prune(older_than=1)
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("PRAGMA user_version = 1000")
    nowhere = tmp_path / "nowhere" / "calls.sqlite"
    os.mkfifo(tmp_path / "pipe")
    for place, problem in (
        (other, r"is a database of something else\. Give another path"),
        (newer, r"made by a newer version .* Upgrade the package\. Don't give another path: there, nobody knows"),
        (nowhere, rf"\(there is no folder {re.escape(str(nowhere.parent))}\)\. Create it, or correct the path"),
        (tmp_path, r"\(it is a folder\)\. Give the path of a file in it"),
        (tmp_path / "pipe", r"\(it is no ordinary file\)\. Give the path of a file"),
    ):
        async with luma_of(simulator, place) as luma:
            for _ in range(2):
                with pytest.raises(InvalidRequestError, match=f"^the state cannot be used: .*{problem}"):
                    await luma.generations.create(prompt="a heron")
    assert not simulator.ledger.requests, "nothing was sent"


CLOSED = """
import os
from pathlib import Path
from generor_async.stores.ledger import NO_RUN, UnusableLedgerError
from generor_async.stores.sqlite.schema import open_to_write

if not os.getuid():
    os.setuid(65534)  # root may open everything
try:
    open_to_write(Path(PLACE), 0.0, run=NO_RUN)
except UnusableLedgerError as error:
    print(error.problem, error.advice)
"""


@pytest.mark.parametrize("place", ["calls.sqlite", "in/it/calls.sqlite"])
def test_a_state_in_a_folder_that_is_closed_to_its_user_is_refused_in_words(tmp_path: Path, place: str) -> None:
    path = tmp_path / "closed" / place
    path.parent.mkdir(parents=True)
    (tmp_path / "closed").chmod(0)
    try:
        with Simulator(seed=7) as simulator:
            _, said, error = finished(begin(simulator, CLOSED.replace("PLACE", repr(str(path)))))
    finally:
        (tmp_path / "closed").chmod(0o700)
    assert "(unable to open database file) Let its folder be read and written" in said, error


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (":memory:", r'^state=\':memory:\' is no file, and keeps nothing\. Give a file: state="calls\.sqlite"\.$'),
        ("sqlite:///calls.sqlite", r"not a URL \(sqlite:\)\. Give a path, or the URL of a database"),
        ("redis://ann:secret@cache/0", r"not a URL \(redis:\)\. Give a path, or the URL of a database"),
    ],
)
def test_what_is_no_place_for_a_state_is_refused_at_once(state: str, problem: str) -> None:
    with pytest.raises(InvalidRequestError, match=problem) as caught:
        AsyncLuma(api_key="luma-api-key", state=state)
    assert "secret" not in str(caught.value)


TAKER = """
import sys
from generor_async import Luma

with Luma(state=PLACE) as luma:
    print("ready", flush=True)
    sys.stdin.readline()
    print(*[job.id for job in luma.jobs.unfinished()], flush=True)
    sys.stdin.readline()
"""


def test_each_job_is_taken_up_by_one_of_the_processes_that_ask_at_once(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    with Simulator(seed=7, speed=60, luma_rpm=10_000, luma_jobs=1_000) as simulator:
        with Luma(**patient(simulator.luma_options), state=path) as luma:
            jobs = [luma.generations.submit(prompt=f"heron {number}").id for number in range(30)]
        takers = [begin(simulator, TAKER.replace("PLACE", repr(str(path)))) for _ in range(3)]
        pipes = [(taker.stdin, taker.stdout) for taker in takers]
        told = list[str]()
        for _, out in pipes:
            assert out is not None
            assert out.readline() == "ready\n"
        for into, _ in pipes:
            assert into is not None
            into.write("\n")
            into.flush()
        for _, out in pipes:
            assert out is not None
            told += out.readline().split()
        assert sorted(told) == sorted(jobs)
        for taker in takers:
            taker.kill()
            taker.communicate()
        with Luma(**patient(simulator.luma_options), state=path) as luma:
            assert [job.id for job in luma.jobs.unfinished()] == jobs, "those of killed processes belong to the next"


def test_one_client_serves_many_event_loops(tmp_path: Path) -> None:
    """Each loop is an owner, which the next one takes over."""
    path = tmp_path / "calls.sqlite"
    with Simulator(seed=7, speed=60, luma_rpm=10_000) as simulator:
        options = patient(simulator.luma_options)
        luma, jobs = AsyncLuma(**options, state=path), list[str]()
        for _ in range(3):
            jobs.append(asyncio.run(luma.generations.submit(prompt="a heron")).id)
        assert [job.id for job in asyncio.run(unfinished(luma))] == jobs
    assert not list(path.parent.glob("*.lock"))


def test_the_blocking_clients_keep_their_calls_alike(tmp_path: Path) -> None:
    with Simulator(seed=7, speed=60, luma_rpm=10_000) as simulator:
        path = tmp_path / "calls.sqlite"
        with Luma(**patient(simulator.luma_options), state=path) as luma:
            job = luma.with_options(context={"channel": 7}).generations.submit(prompt="a heron")
        with Luma(**patient(simulator.luma_options), state=path) as luma:
            found = list(luma.jobs.unfinished())
            assert [(each.id, each.context) for each in found] == [(job.id, {"channel": 7})]
            assert found[0].wait().state == "completed"
            assert list(luma.jobs.unfinished()) == list(luma.jobs.unknown()) == []
            assert luma.jobs.prune(older_than=0) == 1
        with Generor(**patient(simulator.generor_options), state=path) as generor:
            simulator.faults.add_spec(f"{GENERATE}=reset:before_charge:1x")
            with pytest.raises(OutcomeUnknownError):
                generor.generators.generate("joke", model_id=37)
            (call,) = generor.jobs.unknown()
            generor.jobs.settle(call, creation_ids=None)
            assert list(generor.jobs.unknown()) == []
