"""The limits of a key outlive the process and are shared by those side by side; no file costs a call."""

import asyncio
import copy
import functools
import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import FakeClock, LoopClock
from support.examples import examples
from support.stores import SCOPE, Memory, Process, count_transactions, impatient, locked, on, use_store

from generor_async import AsyncGeneror, AsyncLuma, InvalidRequestError, Limits
from generor_async.engine.limit_keeper import LimitKeeper
from generor_async.engine.shared_rules import BUSY_LIMIT, BUSY_WAIT, RECHECK_SECONDS, RETRY_SECONDS, KeyState
from generor_async.engine.slots import JobSlots
from generor_async.rules.holds import Hold
from generor_async.rules.pace import Permit
from generor_async.rules.pending import PENDING_SECONDS
from generor_async.rules.rate_headers import RateLimitReport
from generor_async.rules.slot_usage import SUBMISSION_SECONDS
from generor_async.rules.turns import LONGEST_RECHECK, YIELD_SECONDS
from generor_async.rules.vendors import GENEROR, LUMA, Vendor
from generor_async.rules.wait import Wait
from generor_async.rules.window import HOUR, JITTER, MINUTE
from generor_async.simulator import Simulator
from generor_async.stores.sqlite_limits import SCHEMA, SqliteLimitStore
from generor_async.testing import run
from generor_async.values import Clock, is_array, is_object

T = TypeVar("T")
TURN = MINUTE + JITTER


def virtual(scene: Callable[[Path], Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
    """Run a test in virtual time."""

    @functools.wraps(scene)
    def test(tmp_path: Path) -> None:
        run(scene(tmp_path))

    return test


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def process(folder: Path, clock: Clock, vendor: Vendor = LUMA, **given: Any) -> LimitKeeper:
    """Return what a process of its own would have: a keeper that shares with others through the file alone."""
    return LimitKeeper(Limits(store=folder / "limits", **given), vendor, clock, scope=SCOPE)


# --- the file -------------------------------------------------------------------------------------------------------


def test_a_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("These are my notes, and they are long enough to be taken for a page of something. " * 20)
    with pytest.raises(InvalidRequestError, match=r"notes\.txt cannot be used \(file is not a database\)"):
        Limits(store=other)
    assert other.read_text().startswith("These are my notes")


@pytest.mark.parametrize("where", ["", "no/such/folder/limits"])
def test_what_cannot_be_opened_is_refused(tmp_path: Path, where: str) -> None:
    with pytest.raises(InvalidRequestError, match="cannot be used"):
        Limits(store=tmp_path / where)


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    SqliteLimitStore(tmp_path / "limits", FakeClock())
    with closing(sqlite3.connect(tmp_path / "limits")) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    with pytest.raises(InvalidRequestError, match="newer version"):
        Limits(store=tmp_path / "limits")


def test_a_file_of_the_first_version_begins_anew(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "limits", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE sent (owner TEXT, at INTEGER, count INTEGER)")
        connection.execute("INSERT INTO sent VALUES ('x', 1, 1)")
        connection.execute("PRAGMA user_version = 1")
    process = on(tmp_path / "limits", FakeClock())
    process.send()
    assert on(tmp_path / "limits", process.clock).used() == 1
    with closing(sqlite3.connect(tmp_path / "limits")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA,)
        assert [name for (name,) in connection.execute("SELECT name FROM sqlite_master")] == ["limits"]


@virtual
async def test_the_key_is_not_in_the_file(tmp_path: Path) -> None:
    async with Simulator() as simulator:
        limits = Limits(store=tmp_path / "limits")
        async with AsyncGeneror(**simulator.generor_options, limits=limits) as generor:
            await generor.users.me()
        kept = contents(tmp_path)
    assert kept
    assert simulator.generor_key.encode() not in kept


# --- processes side by side, and one after the other ----------------------------------------------------------------


def test_processes_see_each_others_requests_while_they_run(tmp_path: Path) -> None:
    clock = FakeClock()
    one, other = (on(tmp_path / "limits", clock, rpm=3) for _ in range(2))
    for each in (one, other, one):
        each.send()
        clock.now += 0.5
    for each in (one, other):
        wait = each.reserve()
        assert isinstance(wait, Wait)
        assert wait.until == pytest.approx(1_000.0 + MINUTE)
        assert wait.ask_at == pytest.approx(clock.now + RECHECK_SECONDS), "others may have changed it until then"
    clock.now = 1_000.0 + MINUTE
    other.send()
    assert isinstance(one.reserve(), Wait)


def test_a_request_that_another_has_let_go_counts_before_it_is_sent(tmp_path: Path) -> None:
    clock = FakeClock()
    one, other = (on(tmp_path / "limits", clock, rpm=1) for _ in range(2))
    permit = one.reserve()
    assert isinstance(permit, Permit)
    assert isinstance(other.reserve(), Wait)
    one.pace.give_back(permit)
    other.send()


def test_a_refusal_holds_all_processes_and_what_an_answer_says_is_known_to_all(tmp_path: Path) -> None:
    clock = FakeClock()
    one, other = (on(tmp_path / "limits", clock, rpm=None) for _ in range(2))
    permit = one.reserve()
    assert isinstance(permit, Permit)
    one.pace.sent(permit, clock.monotonic())
    assert isinstance(other.reserve(), Wait), "its answer will name the limit"
    one.pace.received(permit, clock.monotonic(), RateLimitReport(limit=20, used=1), succeeded=True)
    clock.now += RECHECK_SECONDS
    second = other.reserve()
    assert isinstance(second, Permit)
    assert other.pace.states(clock.monotonic())["minute"].limit == 20
    other.pace.sent(second, clock.monotonic())
    other.pace.refused(second, clock.monotonic(), 30.0, "minute", None)
    wait = one.reserve()
    assert isinstance(wait, Wait)
    assert wait.until == pytest.approx(clock.now + 30.0)


def test_a_limit_that_one_process_was_given_is_known_to_the_next(tmp_path: Path) -> None:
    clock = FakeClock()
    on(tmp_path / "limits", clock, rpm=None).reserve()
    given_one = on(tmp_path / "limits", clock, rpm=5)
    given_one.used()
    assert given_one.pace.states(clock.monotonic())["minute"].limit == 5


@virtual
async def test_a_process_that_starts_again_keeps_to_the_hour(tmp_path: Path) -> None:
    async with Simulator(tier="free") as simulator:
        for start in range(3):
            limits = Limits(tier="free", store=tmp_path / "limits")
            async with AsyncGeneror(**simulator.generor_options, limits=limits) as generor:
                await generor.users.me()
                assert generor.rate_limits.windows["hour"].used == 200 * start + 1
                for _ in range(199):
                    await generor.users.me()
        assert [entry.status for entry in simulator.ledger.requests] == [200] * 600
    assert asyncio.get_running_loop().time() > HOUR, "500 an hour were all that there was"


@virtual
async def test_luma_keeps_to_its_minute_after_a_start(tmp_path: Path) -> None:
    clock = LoopClock()
    first = process(tmp_path, clock, rpm=2)
    permit = first.queue.enter_nowait(0.0, "normal")
    assert permit is not None
    first.sent(permit, 0.0)
    again = process(tmp_path, clock, rpm=2)
    for found in (True, False):
        await asyncio.sleep(JITTER)
        assert (again.queue.enter_nowait(clock.monotonic(), "normal") is not None) == found


@virtual
async def test_a_queue_of_one_process_goes_on_when_another_gives_a_place_back(tmp_path: Path) -> None:
    clock = LoopClock()
    both = [process(tmp_path, clock, rpm=1) for _ in range(2)]
    held = both[0].queue.enter_nowait(0.0, "normal")
    assert held is not None
    waiting = asyncio.create_task(both[1].queue.enter("normal", 1_000.0, lambda _: None, again=False))
    await asyncio.sleep(10.0)
    assert not waiting.done()
    both[0].give_back(held, clock.monotonic())
    await waiting
    assert clock.monotonic() <= 10.0 + 2 * LONGEST_RECHECK


@virtual
async def test_requests_that_take_long_count_although_their_process_does_nothing_else(tmp_path: Path) -> None:
    clock = LoopClock()
    slow, other = (process(tmp_path, clock, rpm=2) for _ in range(2))
    permits: list[Permit] = []
    for _ in range(2):
        permit = slow.queue.enter_nowait(clock.monotonic(), "normal")
        assert permit is not None
        permits.append(permit)
        await asyncio.sleep(2 * JITTER)
    slow.sent(permits[0], clock.monotonic())  # the other one waits for a connection
    await asyncio.sleep(2 * PENDING_SECONDS)
    assert other.queue.enter_nowait(clock.monotonic(), "normal") is None


@virtual
async def test_a_submission_that_takes_long_keeps_its_slot_for_as_long_as_its_process_lives(tmp_path: Path) -> None:
    clock = LoopClock()
    slow, other = (process(tmp_path, clock, jobs=1).slots for _ in range(2))
    assert slow is not None
    assert other is not None
    slot = await slow.queue.enter("normal", 1_000.0, lambda _: None, again=False)
    waiting = asyncio.create_task(other.queue.enter("normal", 1_000.0, lambda _: None, again=False))
    await asyncio.sleep(5 * SUBMISSION_SECONDS)
    assert not waiting.done()
    slow.release(slot, clock.monotonic())
    await asyncio.wait_for(waiting, 2 * LONGEST_RECHECK)


@virtual
async def test_a_process_with_few_submissions_does_not_wait_for_one_with_many(tmp_path: Path) -> None:
    clock = LoopClock()
    many, few = (process(tmp_path, clock, jobs=2).slots for _ in range(2))
    assert many is not None
    assert few is not None
    submitted: list[JobSlots] = []

    async def submit(slots: JobSlots) -> None:
        slot = await slots.queue.enter("normal", 10_000.0, lambda _: None, again=False)
        submitted.append(slots)
        await asyncio.sleep(30.0)
        slots.release(slot, clock.monotonic())

    calls = [asyncio.create_task(submit(many)) for _ in range(20)]
    await asyncio.sleep(1.0)
    calls += [asyncio.create_task(submit(few)) for _ in range(2)]
    await asyncio.gather(*calls)
    assert max(place for place, slots in enumerate(submitted) if slots is few) <= 5
    assert clock.monotonic() <= 1.05 * 11 * 30.0, "slots don't stay free for that"


def wait_for_slot(name: str, state: KeyState, at: float) -> None:
    state.job_turns.wait(name, at, served=False)


@virtual
async def test_the_slot_that_was_left_to_a_process_that_is_gone_is_used_within_seconds(tmp_path: Path) -> None:
    clock = LoopClock()
    alone = process(tmp_path, clock, jobs=1)
    assert alone.slots is not None
    any_clock: Any = clock
    others = on(tmp_path / "limits", any_clock).shared
    slot = await alone.slots.queue.enter("normal", 10_000.0, lambda _: None, again=False)
    for gone in ["one", "two"]:
        others.update(partial(wait_for_slot, gone))
    waiting = asyncio.create_task(alone.slots.queue.enter("normal", 10_000.0, lambda _: None, again=False))
    await asyncio.sleep(1.0)
    alone.slots.release(slot, clock.monotonic())
    await asyncio.wait_for(waiting, 2 * YIELD_SECONDS + RECHECK_SECONDS)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("api", ["generor", "luma"])
def test_a_request_takes_little_more_than_one_transaction(tmp_path: Path, api: str, together: bool) -> None:
    limits = Limits(rpm=300, store=tmp_path / "limits")

    async def scene() -> int:
        async with (
            Simulator(tier="enterprise", luma_rpm=300, luma_jobs=50) as simulator,
            AsyncGeneror(**simulator.generor_options, limits=limits if api == "generor" else None) as generor,
            AsyncLuma(**simulator.luma_options, limits=limits if api == "luma" else None) as luma,
        ):
            counting = count_transactions(generor if api == "generor" else luma)
            for _ in range(1 if together else 40):
                calls = (
                    generor.users.me() if api == "generor" else luma.generations.create(prompt="a heron")
                    for _ in range(40 if together else 1)
                )
                await asyncio.gather(*calls)
        return counting.transactions

    # Luma's slots are learned: submissions start slowly.
    assert run(scene()) <= (48 if not together else 30 if api == "luma" else 8)


@virtual
async def test_a_submission_gets_slot_and_permit_at_once_and_holds_no_slot_while_the_window_is_full(
    tmp_path: Path,
) -> None:
    clock = LoopClock()
    one, other = (process(tmp_path, clock, rpm=1, jobs=5) for _ in range(2))
    assert one.slots is not None
    assert other.slots is not None
    slot = one.slots.queue.enter_nowait(0.0, "normal")
    assert slot is not None
    assert slot.permit is not None
    assert other.slots.queue.enter_nowait(0.0, "normal") is None
    waiting = asyncio.create_task(other.slots.queue.enter("normal", 1_000.0, lambda _: None, again=False))
    await asyncio.sleep(1.0)
    assert other.slots.state(clock.monotonic()).used == 1
    assert (other.slots.queue.waits_for, other.slots.backlog) == ("minute", 0)
    waiting.cancel()
    await asyncio.wait([waiting])
    one.slots.release(slot, clock.monotonic())
    one.give_back(slot.permit, clock.monotonic())
    await asyncio.sleep(1.0)
    again = await other.slots.queue.enter("normal", 1_000.0, lambda _: None, again=False)
    assert again.permit is not None


@virtual
async def test_what_one_process_was_told_to_wait_holds_for_the_others(tmp_path: Path) -> None:
    clock = LoopClock()
    told, other = (process(tmp_path, clock, GENEROR, rpm=300) for _ in range(2))
    now = clock.monotonic()
    hold = Hold(until=now + 600.0, scope="abuse", reason="too many failed requests")
    assert told.block(hold, now), "people are told of it"
    assert not told.block(hold, now), "once"
    assert other.queue.enter_nowait(now, "normal") is None, "this looks at the store"
    held = other.snapshot(now).held
    assert held is not None
    assert (held.scope, held.reason) == ("abuse", "too many failed requests")
    assert held.until == pytest.approx(clock.time() + 600.0, abs=0.2)
    later = process(tmp_path, clock, GENEROR, rpm=300)
    assert later.snapshot(now).held == held, "one that begins later knows it before its first call"


def script(text: str, **names: object) -> list[str]:
    """Return the command for a process that imports this file."""
    here = Path(__file__)
    prelude = f"""
        import sys
        sys.path[:0] = [{str(here.parent)!r}, {str(here.parent.parent)!r}]
        from support.clock import FakeClock
        from test_limit_store import Process, SqliteLimitStore
    """
    return [sys.executable, "-W", "error", "-c", textwrap.dedent(prelude) + textwrap.dedent(text.format(**names))]


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_killed_process_loses_nothing_that_it_wrote(tmp_path: Path) -> None:
    command = script(
        """
        process = (clock := FakeClock()) and Process(SqliteLimitStore({path!r}, clock), clock, rpm=9_000)
        for number in range(9_000):
            process.send()
            print(number + 1, flush=True)
        """,
        path=str(tmp_path / "limits"),
    )
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        while int(child.stdout.readline()) < 200:
            pass
        child.send_signal(signal.SIGKILL)
        told = max([200, *map(int, child.stdout.read().splitlines())])
    # The last number may have been cut off, and one more written down before it could be told.
    assert told <= on(tmp_path / "limits", FakeClock(), rpm=9_000).used() <= told + 1


def test_processes_may_write_at_the_same_time(tmp_path: Path) -> None:
    command = script(
        """
        import time
        process = (clock := FakeClock()) and Process(SqliteLimitStore({path!r}, clock), clock, rpm=9_000)
        for number in range(100):
            while not isinstance(permit := process.reserve(), Permit):
                time.sleep(0.001)
                process.clock.now += 0.001
            process.pace.sent(permit, process.clock.monotonic())
            process.pace.received(permit, process.clock.monotonic(), None, succeeded=True)
        while process.shared.has_steps:
            process.clock.now += 0.001
            process.used()
        """.replace("import time", "import time\n        from generor_async.rules.pace import Permit"),
        path=str(tmp_path / "limits"),
    )
    writers = [subprocess.Popen(command) for _ in range(3)]
    assert [writer.wait(300) for writer in writers] == [0, 0, 0]
    assert on(tmp_path / "limits", FakeClock(), rpm=9_000).used() == 300


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is nothing to fork here")
def test_a_forked_child_writes_by_a_connection_of_its_own(tmp_path: Path) -> None:
    command = script(
        """
        import os, time
        from generor_async import Limits
        from generor_async.engine.limit_keeper import keeper_of
        from generor_async.rules.vendors import LUMA
        given, clock = Limits(rpm=9_000, store={path!r}), FakeClock()
        limits = keeper_of(given, LUMA, "", None, clock)
        child = os.fork()
        for _ in range(100):
            while (permit := limits.queue.enter_nowait(clock.now, "normal")) is None:
                time.sleep(0.001)
                clock.now += 0.001
            limits.sent(permit, clock.now)
            limits.received(permit, clock.now, None, succeeded=True)
        while limits._pace._shared.has_steps:
            clock.now += 0.001
            limits._pace._shared.sync()
        if child:
            os.waitpid(child, 0)
            known = keeper_of(given, LUMA, "", None, FakeClock(now=clock.now))
            known.queue.enter_nowait(clock.now, "normal")
            print(known.snapshot(clock.now).windows["minute"].used)
        """,
        path=str(tmp_path / "limits"),
    )
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    assert int(done.stdout) == 201


# --- a file that cannot be used for a while, or any more ------------------------------------------------------------


def test_a_file_that_another_keeps_to_itself_has_calls_wait_a_moment_and_then_go_on_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    process = Process(impatient(tmp_path / "limits", clock), clock)
    began = clock.now
    with locked(tmp_path / "limits"), caplog.at_level(logging.WARNING):
        while isinstance(wait := process.reserve(), Wait):
            assert wait.until == wait.ask_at == clock.now + BUSY_WAIT
            clock.now = wait.until
        assert BUSY_LIMIT <= clock.now - began <= BUSY_LIMIT + 2 * BUSY_WAIT
        process.pace.give_back(wait)
        for _ in range(3):
            process.send()
            clock.now += JITTER
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "goes on by itself" in caplog.text
    clock.now += RETRY_SECONDS
    process.send()
    assert on(tmp_path / "limits", clock).used() == 4, "what was sent meanwhile is told as soon as it can be"


def test_what_happens_while_the_file_is_busy_is_told_later(tmp_path: Path) -> None:
    clock = FakeClock()
    one, other = (Process(impatient(tmp_path / "limits", clock), clock, rpm=None) for _ in range(2))
    permit = one.reserve()
    assert isinstance(permit, Permit)
    one.pace.sent(permit, clock.now)
    with locked(tmp_path / "limits"):
        one.pace.received(permit, clock.now, RateLimitReport(limit=40, used=4), succeeded=True)
    clock.now += BUSY_WAIT
    assert one.used() == 4
    assert other.used() == 4


@virtual
async def test_calls_go_through_while_another_keeps_the_file_to_itself(tmp_path: Path) -> None:
    limits = Limits(store=tmp_path / "limits")
    async with Simulator() as simulator, AsyncGeneror(**simulator.generor_options, limits=limits) as generor:
        use_store(generor, impatient(tmp_path / "limits", LoopClock()))
        await generor.users.me()
        with locked(tmp_path / "limits"):
            await asyncio.gather(*(generor.users.me() for _ in range(5)))
        await generor.users.me()
        assert [entry.status for entry in simulator.ledger.requests] == [200] * 7


def test_a_file_that_breaks_costs_no_call_and_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    process = on(tmp_path / "limits", clock, rpm=3)
    process.send()
    with closing(sqlite3.connect(tmp_path / "limits")) as connection:
        connection.execute("DROP TABLE limits")
    with caplog.at_level(logging.WARNING):
        clock.now += JITTER
        process.send()
        clock.now += JITTER
        process.send()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert isinstance(process.reserve(), Wait), "the limit is kept to all the same"
    clock.now += RETRY_SECONDS
    assert isinstance(process.reserve(), Wait), "and what is known isn't lost"
    clock.now += TURN
    process.send()


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process's files are set as Linux has them")
def test_a_full_disk_costs_no_call_and_is_told(tmp_path: Path) -> None:
    command = script(
        """
        import logging, resource, signal
        from generor_async.rules.window import MINUTE
        logging.basicConfig(format="%(message)s")
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        process = (clock := FakeClock()) and Process(SqliteLimitStore({path!r}, clock), clock, rpm=9_000)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
        for number in range(300):
            process.send()
        print(process.used())
        """,
        path=str(tmp_path / "limits"),
    )
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    assert done.stderr.splitlines()[0].endswith("this process goes on by itself for a while")
    assert int(done.stdout) == 300


# --- what the file says ---------------------------------------------------------------------------------------------


def keep(path: Path, text: object) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT OR REPLACE INTO limits VALUES (?, 0, ?)", (SCOPE, text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        "[]",
        "{}",
        '{"rules": 5, "holds": []}',
        '{"rules": {"windows": 5, "slots": {}, "weights": {}, "turns": []}, "holds": []}',
        b"\x00\xff",
        17,
        None,
        "[" * 100_000,
    ],
)
def test_what_cannot_be_read_is_told_and_each_process_tells_of_its_requests_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: object
) -> None:
    clock = FakeClock()
    process = on(tmp_path / "limits", clock, rpm=5)
    process.send()
    keep(tmp_path / "limits", text)
    with caplog.at_level(logging.WARNING):
        process.send()
    if text is not None:
        assert "can't be read" in caplog.text
    assert on(tmp_path / "limits", clock, rpm=5).used() == 2


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return the places of all that stands in JSON data."""
    yield path
    if is_object(value):
        for key in value:
            yield from places(value[key], (*path, key))
    elif is_array(value):
        for at, each in enumerate(value):
            yield from places(each, (*path, at))


def replaced(value: Any, path: tuple[Any, ...], other: object) -> Any:
    if not path:
        return other
    twin = copy.copy(value)
    twin[path[0]] = replaced(value[path[0]], path[1:], other)
    return twin


@given(
    st.data(), st.one_of(st.none(), st.booleans(), st.text(max_size=3), st.just([]), st.just({}), st.just([1, "x", {}]))
)
@examples(40)
def test_whatever_stands_in_the_state_no_call_fails_of_it(data: st.DataObject, other: object) -> None:
    clock = FakeClock()
    store = Memory(clock)
    one = Process(store, clock)
    for _ in range(3):
        one.send()
        clock.now += JITTER
    whole = json.loads(store.text)
    store.text = json.dumps(replaced(whole, data.draw(st.sampled_from(sorted(places(whole), key=repr))), other))
    reader = Process(store, clock)
    for _ in range(3):
        permit = reader.reserve()
        clock.now += MINUTE
        if isinstance(permit, Permit):
            reader.pace.sent(permit, clock.now)
            reader.pace.received(permit, clock.now, RateLimitReport(limit=10, used=1, resets_in=5.0), succeeded=True)
    reader.used()


# --- the clock ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("back", [0.5, HOUR, 40 * 365 * 86_400.0])
def test_a_clock_that_is_set_back_neither_frees_a_place_nor_holds_one_for_ever(tmp_path: Path, back: float) -> None:
    clock = FakeClock()
    one, other = (on(tmp_path / "limits", clock, rpm=2) for _ in range(2))
    one.send()
    clock.now += 1.0
    other.send()
    clock.epoch -= back
    for each in (one, other, on(tmp_path / "limits", clock, rpm=2)):
        wait = each.reserve()
        assert isinstance(wait, Wait)
        assert clock.now < wait.until <= clock.now + TURN
    clock.now += TURN
    for each in (other, one):
        each.send()
        clock.now += JITTER
    assert isinstance(other.reserve(), Wait)


def test_a_request_that_was_under_way_when_the_clock_was_set_back_is_counted_once(tmp_path: Path) -> None:
    clock = FakeClock()
    one, other = (on(tmp_path / "limits", clock) for _ in range(2))
    permit = one.reserve()
    assert isinstance(permit, Permit)
    one.pace.sent(permit, clock.now)
    clock.epoch -= HOUR
    clock.now += 0.2
    one.pace.received(permit, clock.now, RateLimitReport(limit=10, used=3), succeeded=True)
    assert (one.used(), other.used()) == (3, 3)
    clock.now += 2 * TURN
    assert (one.used(), other.used()) == (0, 0)
