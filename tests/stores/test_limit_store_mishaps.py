"""Processes that die, clocks that differ, and files that are another's, locked, harmed or gone."""

import asyncio
import json
import logging
import math
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import FakeClock, LoopClock
from support.stores import SCOPE, Memory, Process, locked, on, use_store

from generor_async import AsyncLuma, InvalidRequestError, Limits
from generor_async.engine.limit_keeper import LimitKeeper
from generor_async.engine.shared_rules import BUSY_LIMIT, RECHECK_SECONDS, RETRY_SECONDS
from generor_async.rules.holds import Hold
from generor_async.rules.pending import LEAVING_SECONDS, PENDING_SECONDS
from generor_async.rules.permit import Permit
from generor_async.rules.vendors import LUMA
from generor_async.rules.wait import Wait
from generor_async.rules.window import JITTER, MINUTE
from generor_async.simulator import Simulator
from generor_async.stores.shared_clock import LATEST_TIME
from generor_async.stores.sqlite_limits import SCHEMA, SqliteLimitStore
from generor_async.testing import run


def let_go(process: Process, count: int) -> list[Permit]:
    """Let requests go that don't leave yet."""
    permits: list[Permit] = []
    for _ in range(count):
        permit = process.reserve()
        assert isinstance(permit, Permit), permit
        permits.append(permit)
        process.clock.now += 0.4
    return permits


# --- processes that die ---------------------------------------------------------------------------------------------


def test_what_a_dead_process_let_go_lapses_although_nobody_writes(tmp_path: Path) -> None:
    clock = FakeClock()
    dead, alone = (on(tmp_path / "limits", clock, rpm=4) for _ in range(2))
    began = clock.now
    let_go(dead, 4)
    wait = alone.reserve()
    assert isinstance(wait, Wait)
    assert wait.until == pytest.approx(began + PENDING_SECONDS), "whoever can't wait so long is told at once"
    clock.now = wait.until + 2.0
    for _ in range(4):
        alone.send()
        clock.now += JITTER
    assert alone.used() == 4


def test_what_a_process_lets_go_counts_for_as_long_as_it_lives(tmp_path: Path) -> None:
    clock = FakeClock()
    slow, other = (on(tmp_path / "limits", clock, rpm=2) for _ in range(2))
    held = let_go(slow, 2)
    for _ in range(20):
        clock.now += PENDING_SECONDS / 3
        assert isinstance(slow.reserve(), Wait), "its calls wait, and ask again"
        assert isinstance(other.reserve(), Wait)
    for permit in held:
        slow.pace.give_back(permit)
    clock.now += RECHECK_SECONDS
    other.send()


def test_a_few_that_a_dead_process_let_go_do_not_stop_the_last_quarter_of_a_window(tmp_path: Path) -> None:
    clock = FakeClock()
    dead, alone = (on(tmp_path / "limits", clock, rpm=20) for _ in range(2))
    for _ in range(13):
        alone.send()
        clock.now += JITTER
    let_go(dead, 3)
    clock.now += LEAVING_SECONDS
    for _ in range(4):
        alone.send()
        clock.now += JITTER
    assert isinstance(alone.reserve(), Wait), "they count all the same"


def test_a_process_that_ends_without_closing_its_client_has_told_of_its_requests(tmp_path: Path) -> None:
    program = """
        import asyncio, sys
        from generor_async import AsyncGeneror, Limits
        from generor_async.simulator import Simulator

        async def scene():
            simulator = await Simulator(tier="free").__aenter__()
            generor = AsyncGeneror(**simulator.generor_options, limits=Limits(store=sys.argv[1], name="x"))
            await asyncio.gather(*(generor.users.me() for _ in range(5)))
            asyncio.get_running_loop().call_soon(sys.exit)
            await asyncio.sleep(1)

        asyncio.run(scene())
    """
    path = tmp_path / "limits"
    subprocess.run([sys.executable, "-W", "ignore", "-c", textwrap.dedent(program), str(path)], check=True, timeout=100)
    with closing(sqlite3.connect(path)) as connection:
        (text,) = connection.execute("SELECT state FROM limits").fetchone()
    minute, (_, _, _, (hour, _)), pending, *_ = json.loads(text)["rules"]["windows"]
    assert pending == []
    assert sum(units for *_, units, _ in minute[0][-1]) == 5
    assert sum(units for *_, units, _ in hour[0][-1]) + json.loads(text)["rules"]["windows"][1][0] == 5


# --- clocks that differ ---------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-1e5, 1e5), min_size=2, max_size=4), st.lists(st.integers(0, 3), max_size=40))
def test_the_stores_time_is_that_of_the_clock_that_is_ahead(skews: list[float], order: list[int]) -> None:
    rows: dict[str, tuple[float, str]] = {}
    now = 1_000.0
    clocks = [FakeClock(now=now, epoch=1_775_000_000.0 + skew) for skew in skews]
    processes = [Process(Memory(clock, rows), clock, rpm=1_000) for clock in clocks]
    all_known, known = len(processes), 0
    for at, which in enumerate([*range(all_known), *order]):
        now += 0.5
        for clock in clocks:
            clock.now = now
        process = processes[which % len(processes)]
        process.send()
        latest = max(clock.time() for clock in clocks)
        assert process.clock.time() - 0.001 <= process.shared.now() <= latest + 0.001
        known = process.used() if at < all_known else known + 1
        assert process.used() == known


# --- holds ----------------------------------------------------------------------------------------------------------


def test_a_call_that_draws_on_nothing_keeps_to_what_another_process_was_told(tmp_path: Path) -> None:
    async def scene() -> None:
        clock, limits = LoopClock(), Limits(store=tmp_path / "limits")
        async with Simulator() as simulator:
            options: dict[str, Any] = dict(simulator.luma_options)
            del options["clock"]
            async with (
                AsyncLuma(**options, clock=clock, limits=limits) as told,
                AsyncLuma(**options, clock=LoopClock(), limits=limits) as luma,
            ):
                await luma.files.list()
                await asyncio.sleep(2.0)
                now = clock.monotonic()
                told._session.limits.block(  # pyright: ignore[reportPrivateUsage] # as an answer would
                    Hold(until=now + 600.0, scope="abuse", reason="too many failed requests"), now
                )
                await luma.files.list()
                assert clock.monotonic() >= now + 600.0

    run(scene())


def test_calls_that_draw_on_nothing_look_at_the_store_once_a_second_at_most(tmp_path: Path) -> None:
    async def scene() -> None:
        limits, memory = Limits(store=tmp_path / "limits"), Memory(LoopClock())
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options, limits=limits) as luma:
            use_store(luma, memory)
            began = asyncio.get_running_loop().time()
            for _ in range(200):
                await luma.files.list()
                await asyncio.sleep(0.02)
            seconds = asyncio.get_running_loop().time() - began
        assert 3 <= memory.transactions <= seconds + 2

    run(scene())


# --- files of others ------------------------------------------------------------------------------------------------


def sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    "made_by",
    [
        ["CREATE TABLE sent (mail TEXT)", "INSERT INTO sent VALUES ('important')"],
        ["CREATE TABLE sent (owner TEXT, at INTEGER, count INTEGER)"],  # no version
        ["CREATE TABLE limits (scope TEXT, state TEXT)", "CREATE TABLE mails (a)", "PRAGMA user_version = 2"],
        ["CREATE TABLE mails (a)"],
        ["PRAGMA user_version = 7"],
        ["PRAGMA application_id = 5", "CREATE TABLE limits (scope TEXT, state TEXT)", "PRAGMA user_version = 3"],
    ],
)
def test_a_database_of_something_else_is_refused_and_stays_as_it_is(tmp_path: Path, made_by: list[str]) -> None:
    sql(tmp_path / "app.sqlite", *made_by)
    before = (tmp_path / "app.sqlite").read_bytes()
    with pytest.raises(InvalidRequestError, match=r"app\.sqlite is a database of something else"):
        Limits(store=tmp_path / "app.sqlite")
    assert (tmp_path / "app.sqlite").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["app.sqlite"]


@pytest.mark.parametrize(
    "made_by",
    [
        [],
        ["CREATE TABLE sent (owner TEXT, at INTEGER, count INTEGER)", "PRAGMA user_version = 1"],
        [
            "CREATE TABLE limits (scope TEXT, state TEXT)",
            "INSERT INTO limits VALUES ('0123abcd', 'x')",
            "PRAGMA user_version = 2",
        ],
        [
            "CREATE TABLE limits (scope TEXT PRIMARY KEY, state TEXT) WITHOUT ROWID",
            "INSERT INTO limits VALUES ('0123abcd', '[1.0]\n{}')",
            "PRAGMA application_id = 1734700641",
            "PRAGMA user_version = 3",
        ],
    ],
)
def test_an_empty_file_and_one_of_an_earlier_version_are_taken(
    tmp_path: Path, made_by: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    sql(tmp_path / "limits", *made_by)
    process = on(tmp_path / "limits", FakeClock())
    process.send()
    assert on(tmp_path / "limits", process.clock).used() == 1
    with closing(sqlite3.connect(tmp_path / "limits")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA,)
        assert [name for (name,) in connection.execute("SELECT name FROM sqlite_master")] == ["limits"]
    assert not caplog.records


@pytest.mark.parametrize("store", ["", ":memory:"])
def test_what_is_no_file_is_refused_with_what_to_write_instead(store: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        Limits(store=store)
    assert 'store="limits.sqlite"' in (caught.value.advice or "")


# --- files that are locked, harmed or gone --------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False])
def test_a_file_that_is_locked_at_the_start_costs_speed_and_one_warning(
    tmp_path: Path, known: bool, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    if known:
        SqliteLimitStore(tmp_path / "limits", clock)
    with locked(tmp_path / "limits"):
        process = on(tmp_path / "limits", clock)
        until = clock.now + 10 * RETRY_SECONDS
        while clock.now < until:
            if isinstance(permit := process.reserve(), Permit):
                process.pace.give_back(permit)
                clock.now += RETRY_SECONDS / 2
            else:
                clock.now += RECHECK_SECONDS
            assert clock.now > until - 10 * RETRY_SECONDS + BUSY_LIMIT or not caplog.records
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    clock.now += RETRY_SECONDS
    process.send()
    assert on(tmp_path / "limits", clock).used() == process.used()


def test_nothing_is_written_where_there_is_nothing_to_write(tmp_path: Path) -> None:
    _ = LimitKeeper(limits := Limits(store=tmp_path / "limits"), LUMA, FakeClock(), scope=SCOPE)
    with closing(sqlite3.connect(tmp_path / "limits")) as connection:
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        assert connection.execute("SELECT count(*) FROM limits").fetchone() == (0,)
        _ = LimitKeeper(limits, LUMA, FakeClock(), scope=SCOPE)
        assert connection.execute("PRAGMA data_version").fetchone() == (version,)


@pytest.mark.parametrize("instead", ["nothing", "an older copy"])
def test_a_file_that_is_deleted_or_replaced_is_opened_again(tmp_path: Path, instead: str) -> None:
    clock, path = FakeClock(), tmp_path / "limits"
    one, other = on(path, clock), on(path, clock)
    one.send()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM INTO ?", (str(tmp_path / "copy"),))
    clock.now += JITTER
    one.send()
    path.unlink()
    if instead == "an older copy":
        (tmp_path / "copy").rename(path)
    for each in (one, other, one):
        clock.now += JITTER
        each.send()
    assert one.used() == other.used() == on(path, clock).used()


@pytest.mark.parametrize("text", ["", "[]", "{}", "[NaN]", "null", "[" * 100_000])
def test_a_state_that_cannot_be_read_is_replaced_and_told_once(text: str, caplog: pytest.LogCaptureFixture) -> None:
    clock, rows = FakeClock(), dict[str, tuple[float, str]]()
    stores = [Memory(clock, rows) for _ in range(2)]
    processes = [Process(store, clock) for store in stores]
    processes[0].used()
    stores[0].text = text
    for each in processes:
        each.used()
        clock.now += 1.0
        each.send()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert [each.used() for each in processes] == [2, 2]


@pytest.mark.parametrize("at", [2 * LATEST_TIME, -2 * LATEST_TIME, math.nan, math.inf, "x", None, b"x"])
def test_a_time_that_cannot_be_right_is_ignored(at: Any) -> None:
    clock = FakeClock()
    store = Memory(clock)
    process = Process(store, clock)
    process.send()
    store.rows[SCOPE] = at, store.text
    process.send()
    assert process.used() == 2
    assert store.rows[SCOPE][0] == clock.time()


def test_a_hold_of_an_absurd_length_in_the_file_holds_nobody() -> None:
    clock = FakeClock()
    store = Memory(clock)
    one = Process(store, clock)
    one.send()
    known = json.loads(store.text)
    known["holds"] = [["abuse", 1e300, "x"]]
    store.text = json.dumps(known)
    clock.now += MINUTE
    one.send()
    assert json.loads(store.text)["holds"] == []
