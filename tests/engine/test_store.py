"""What left in the last day outlives the process: killed, forked, with a broken file or a full disk."""

import asyncio
import functools
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from support.clock import LoopClock

from generor_async import AsyncGeneror, InvalidRequestError, Limits
from generor_async.engine.store import SCHEMA, Store
from generor_async.rules.vendors import LUMA
from generor_async.rules.window import DAY, HOUR, MINUTE
from generor_async.simulator import Simulator
from generor_async.testing import run

EPOCH = 1_775_649_600.0
OWNER = "0123abcd"


def virtual(scene: Callable[[Path], Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
    """Run a test in virtual time."""

    @functools.wraps(scene)
    def test(tmp_path: Path) -> None:
        run(scene(tmp_path))

    return test


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def totals(store: Store, now: float, owner: str = OWNER) -> int:
    return sum(count for _, count in store.recall(owner, now))


def test_what_was_added_is_recalled_by_another(tmp_path: Path) -> None:
    store = Store(tmp_path / "limits")
    for second in (0.2, 0.9, 1.5):
        store.add(OWNER, EPOCH + second)
    store.add("another", EPOCH)
    found = list(Store(tmp_path / "limits").recall(OWNER, EPOCH + 60))
    assert found == [(EPOCH + 1, 2), (EPOCH + 2, 1)]


def test_what_is_older_than_a_day_goes(tmp_path: Path) -> None:
    store = Store(tmp_path / "limits")
    store.add(OWNER, EPOCH)
    store.add(OWNER, EPOCH + HOUR)
    assert totals(store, EPOCH + DAY + 60) == 1
    assert totals(store, EPOCH) == 1


def test_a_clock_that_was_set_back_puts_nothing_into_the_future(tmp_path: Path) -> None:
    store = Store(tmp_path / "limits")
    store.add(OWNER, EPOCH + HOUR)
    assert list(store.recall(OWNER, EPOCH)) == [(EPOCH, 1)]


@virtual
async def test_a_process_that_starts_again_keeps_to_the_hour(tmp_path: Path) -> None:
    async with Simulator(tier="free") as simulator:
        for start in range(3):
            limits = Limits(tier="free", store=tmp_path / "limits")
            async with AsyncGeneror(**simulator.generor_options, limits=limits) as generor:
                assert generor.rate_limits.windows["hour"].used == 200 * start
                for _ in range(200):
                    await generor.users.me()
        assert [entry.status for entry in simulator.ledger.requests] == [200] * 600
    assert asyncio.get_running_loop().time() > HOUR, "500 an hour were all that there was"


@virtual
async def test_the_key_is_not_in_the_file(tmp_path: Path) -> None:
    async with Simulator() as simulator:
        limits = Limits(store=tmp_path / "limits")
        async with AsyncGeneror(**simulator.generor_options, limits=limits) as generor:
            await generor.users.me()
        kept = contents(tmp_path)
    assert kept
    assert simulator.generor_key.encode() not in kept


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_killed_process_loses_nothing_that_it_wrote(tmp_path: Path) -> None:
    script = f"""
        from generor_async.engine.store import Store
        store = Store({str(tmp_path / "limits")!r})
        for number in range(10_000_000):
            store.add({OWNER!r}, {EPOCH} + number % 60)
            print(number + 1, flush=True)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        while int(child.stdout.readline()) < 500:
            pass
        child.send_signal(signal.SIGKILL)
        told = max([500, *map(int, child.stdout.read().splitlines())])
    # The last number may have been cut off, and one more written down before it could be told.
    assert told <= totals(Store(tmp_path / "limits"), EPOCH + MINUTE) <= told + 1


def test_processes_may_write_at_the_same_time(tmp_path: Path) -> None:
    script = f"""
        from generor_async.engine.store import Store
        store = Store({str(tmp_path / "limits")!r})
        for number in range(300):
            store.add({OWNER!r}, {EPOCH} + number)
    """
    writers = [subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)]) for _ in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert totals(Store(tmp_path / "limits"), EPOCH + 300) == 900


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is nothing to fork here")
def test_a_forked_child_writes_by_a_connection_of_its_own(tmp_path: Path) -> None:
    script = f"""
        import os
        from generor_async import Limits
        limits = Limits(store={str(tmp_path / "limits")!r})
        store = limits._store
        store.add({OWNER!r}, {EPOCH})
        child = os.fork()
        for _ in range(100):
            store.add({OWNER!r}, {EPOCH})
        if child:
            os.waitpid(child, 0)
    """
    subprocess.run([sys.executable, "-W", "error", "-c", textwrap.dedent(script)], check=True, timeout=30)
    assert totals(Store(tmp_path / "limits"), EPOCH) == 201


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
    Store(tmp_path / "limits")
    with sqlite3.connect(tmp_path / "limits") as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    with pytest.raises(InvalidRequestError, match="newer version"):
        Limits(store=tmp_path / "limits")


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process's files are set as Linux has them")
def test_a_full_disk_costs_no_call_and_is_told_once(tmp_path: Path) -> None:
    script = f"""
        import logging, resource, signal
        from generor_async.engine.store import Store
        logging.basicConfig(format="%(message)s")
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        store = Store({str(tmp_path / "limits")!r})
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
        for number in range(5_000):
            store.add({OWNER!r}, {EPOCH} + number)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], check=True, capture_output=True, text=True, timeout=60
    )
    lines = done.stderr.splitlines()
    assert len(lines) == 1
    assert "it is not used any more" in lines[0]


def test_a_file_that_breaks_later_costs_no_call(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Store(tmp_path / "limits")
    with sqlite3.connect(tmp_path / "limits") as connection:
        connection.execute("DROP TABLE sent")
    with caplog.at_level(logging.WARNING):
        store.add(OWNER, EPOCH)
        store.add(OWNER, EPOCH)
        assert list(store.recall(OWNER, EPOCH)) == []
    assert [record.levelname for record in caplog.records][:1] == ["WARNING"]


@virtual
async def test_luma_keeps_to_its_minute_after_a_start(tmp_path: Path) -> None:
    clock = LoopClock()
    first = Limits(rpm=2, store=tmp_path / "limits")
    first.serve(LUMA, clock, "http://127.0.0.1", None)
    permit = first.queue.enter_nowait(0.0, "normal")
    assert permit is not None
    first.sent(permit, 0.0)
    again = Limits(rpm=2, store=tmp_path / "limits")
    again.serve(LUMA, clock, "http://127.0.0.1", None)
    assert again.snapshot(0.0).windows["minute"].used == 1
    await asyncio.sleep(2 * MINUTE)
    assert again.snapshot(clock.monotonic()).windows["minute"].used == 0
