"""Several processes work on one ledger: caps are kept to the credit, and whoever is killed costs nothing twice."""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
from stores.ledger_worker import ACCOUNTS, PRICE
from stores.ledgers import MEMORY, RULES, new_row, stored
from support.forked_programs import Program, ended, fork

import generor_async
from generor_async.rules.row_states import PAID_STATES
from generor_async.stores.ledger import LEASE_SECONDS, Ledger
from generor_async.stores.opening import open_ledger, open_reader
from generor_async.stores.records import Account

PROCESSES = 8
CALLS = 375
"""Calls of each process, a fifth of them on a server unless each fault is to happen often."""
SPEED = 100.0
"""Leases end after 0.6 s."""
ROWS = 600


@pytest.fixture
def calls(ledger_place: str, pytestconfig: pytest.Config) -> int:
    """How many calls each process asks for."""
    is_short = "://" in ledger_place and pytestconfig.getoption("--faults") != "all"
    return CALLS // 5 if is_short else CALLS


def environment() -> dict[str, str]:
    places = [Path(generor_async.__file__).parents[1], Path(__file__).parents[1]]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))}


def worker(*arguments: object) -> AbstractContextManager[Program]:
    """Start a worker; it is killed in the end if it lives."""
    return ended(fork(["-m", "stores.ledger_worker", *map(str, arguments)], env=environment()))


def line(process: Program) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


async def accounts(ledger: Ledger) -> list[Account | None]:
    return [await ledger.account(key) for key in ACCOUNTS]


@pytest.mark.parametrize("concurrency", [1, 5])
async def test_processes_that_reserve_on_three_accounts_fill_them_to_the_credit(
    ledger_place: str, concurrency: int, calls: int
) -> None:
    ledger, cap = await open_ledger(ledger_place, rules=RULES), calls * PROCESSES // 2
    await ledger.open_account(ACCOUNTS[1], cap)
    with ExitStack() as stack:
        begun = [
            stack.enter_context(worker("reserve", ledger_place, f"run {at}", calls, concurrency))
            for at in range(PROCESSES)
        ]
        for process in begun:
            assert line(process) == "ready\n"
        for process in begun:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        granted = [int(line(process).split()[0]) for process in begun]
        assert [process.wait() for process in begun] == [0] * PROCESSES
    assert sum(granted) == cap
    assert await accounts(ledger) == [Account(*key, cap if key == ACCOUNTS[1] else None, cap) for key in ACCOUNTS]
    for at, count in enumerate(granted):
        reader = await open_reader(ledger_place, run=f"run {at}")
        assert reader is not None
        assert (await reader.counts())["submitting"] == count
        assert await reader.unresolved_credits() == count
        await reader.close()
    await ledger.close()


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
async def test_workers_that_are_killed_charge_nothing_twice_and_lose_nothing(tmp_path: Path, ledger_place: str) -> None:
    """Whoever is there takes over; the money of each call stays on its accounts."""
    server, dice = tmp_path / "server", random.Random(1)
    ledger = await open_ledger(
        ledger_place, rules=RULES, clock=lambda: SPEED * time.time(), lease=LEASE_SECONDS / SPEED
    )
    for key in ACCOUNTS:
        await ledger.open_account(key, ROWS * PRICE)
    for start in range(0, ROWS, 200):
        await ledger.add([new_row(str(at)) for at in range(start, start + 200)])
    with ExitStack() as stack:
        living = [stack.enter_context(worker("call", ledger_place, server, SPEED, at)) for at in range(4)]
        kills = 0
        while any(process.poll() is None for process in living):
            counts = await ledger.counts()
            assert sum(counts.values()) == ROWS
            for account in await accounts(ledger):
                assert account is not None
                assert account.reserved + account.spent <= ROWS * PRICE
            ended = counts["done"] + counts["failed"] + counts["unknown"]
            if ended > kills * ROWS / 12 and ended < ROWS:
                kills += 1
                at = dice.randrange(len(living))
                living[at].kill()
                living[at].wait()
                living[at] = stack.enter_context(worker("call", ledger_place, server, SPEED, 10 + kills))
        assert kills, "usually eleven: fewer are in time on a busy machine"
        assert [process.wait() for process in living] == [0] * len(living)
    await check(ledger, Counter(server.read_text().split()))
    await ledger.close()


@pytest.mark.skipif(os.name == "nt", reason="there is no fork")
def test_a_process_that_is_killed_at_any_moment_leaves_nothing_half_written(pytestconfig: pytest.Config) -> None:
    kind = "transactions" if pytestconfig.getoption("--kills") == "8" else "statements"
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        command = [sys.executable, "-m", "stores.ledger_killed", folder, kind]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 70


async def check(ledger: Ledger, paid: Counter[str]) -> None:
    """Compare a ledger with what the server knows."""
    calls = await stored(ledger)
    assert max(paid.values()) == 1, "no call is paid for twice"
    assert {call.state for call in calls} == {"done", "failed", "unknown"}
    unpaid = {call.id for call in calls} - paid.keys()
    assert {call.state for call in calls if call.id in unpaid} <= {"unknown"}, "nothing is done that was not paid for"
    assert [call.id async for call in ledger.scan(*PAID_STATES)] == []
    reserved = sum(call.counted for call in calls if call.cost is None and call.state != "done")
    spent = sum(call.counted for call in calls if call.cost is not None or call.state == "done")
    assert sum(call.charged_before for call in calls) == 0.0, "what is made again cost nothing"
    assert await accounts(ledger) == [Account(*key, ROWS * PRICE, reserved, spent) for key in ACCOUNTS]
    assert await ledger.unresolved_credits() == reserved
    assert await ledger.check() is None


def test_processes_that_create_the_same_ledgers_at_the_same_time_all_open_them(tmp_path: Path) -> None:
    program = """if True:
        import sys
        from pathlib import Path
        from generor_async.stores.sqlite.schema import open_to_read, open_to_write

        for number in range(100):
            path = Path(sys.argv[1]) / str(number)
            for connection in (open_to_write(path, 0.0)[0], open_to_read(path)):
                connection.close()
    """
    creators = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", program, str(tmp_path)], env=environment())
        for _ in range(4)
    ]
    assert [creator.wait(300) for creator in creators] == [0] * 4
