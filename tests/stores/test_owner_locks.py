"""A process that was killed is taken over at once, one that lives is not, whatever its lease says."""

import subprocess
import sys
from pathlib import Path

import pytest
from stores.ledgers import RULES, stored, submit, take
from stores.test_ledger import new_call
from stores.test_ledger_processes import environment

from generor_async.stores.ledger import LEASE_SECONDS, NO_RUN
from generor_async.stores.records import TakenOver
from generor_async.stores.sqlite import open_ledger

HOLDER = """
import asyncio, sys
from pathlib import Path
from stores.ledgers import ACCEPT, RULES, submit, take
from stores.test_ledger import new_call
from generor_async.stores.ledger import NO_RUN
from generor_async.stores.sqlite import open_ledger

async def main():
    ledger = await open_ledger(Path(sys.argv[1]), run=NO_RUN, rules=RULES)
    for id_, steps in {"a": [submit(), ACCEPT], "b": [submit()], "c": []}.items():
        call, _ = await ledger.lease(new_call(id_))
        await take(ledger, call, *steps)
    print("ready", flush=True)
    sys.stdin.readline()
    await ledger.close()

asyncio.run(main())
"""
NOBODY = TakenOver()


def holder(path: Path) -> "subprocess.Popen[str]":
    """Start a process that holds three calls."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def locks(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.lock"))


async def test_a_killed_process_is_taken_over_at_once_and_a_living_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    with holder(path) as process:
        ledger = await open_ledger(path, run=NO_RUN, rules=RULES)
        assert await ledger.take_over() == NOBODY
        assert len(locks(tmp_path)) == 2
        process.kill()
    assert await ledger.take_over() == TakenOver(ready=1, unknown=1, resumed=1)
    assert {call.id: call.state for call in await stored(ledger)} == {"a": "accepted", "b": "unknown", "c": "ready"}
    assert len(locks(tmp_path)) == 1
    await ledger.close()
    assert locks(tmp_path) == []


async def test_a_process_that_has_closed_its_ledger_is_taken_over_at_once(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    with holder(path) as process:
        process.communicate("\n")
    ledger = await open_ledger(path, run=NO_RUN, rules=RULES)
    assert await ledger.take_over() == TakenOver(ready=1, unknown=1, resumed=1)
    await ledger.close()


@pytest.mark.parametrize("behind", [-7_200.0, 0.0, 3_600.0])
async def test_a_process_whose_clock_differs_lives_as_long_as_it_renews_its_lease(
    tmp_path: Path, behind: float
) -> None:
    """As with one that was begun under another time of day: it is measured by the clock of whoever looks."""
    path, now = tmp_path / "state.sqlite", [1_775_649_600.0]
    other = await open_ledger(path, run=NO_RUN, rules=RULES, clock=lambda: now[0] - behind)
    ledger = await open_ledger(path, run=NO_RUN, rules=RULES, clock=lambda: now[0])
    call, _ = await other.lease(new_call("a"))
    await take(other, call, submit())
    for _ in range(20):
        assert await ledger.take_over() == NOBODY
        now[0] += LEASE_SECONDS / 4
        await other.renew()
    assert await ledger.take_over() == NOBODY
    taken = list[TakenOver]()
    for _ in range(3):  # it stands still now
        now[0] += LEASE_SECONDS
        taken.append(await ledger.take_over())
    assert sorted(each.unknown for each in taken) == [0, 0, 1]
    await other.close()
    await ledger.close()


async def test_without_locks_the_lease_alone_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(_: object) -> None:
        raise OSError(38, "Function not implemented")

    path = tmp_path / "state.sqlite"
    with holder(path) as process:
        process.kill()
    monkeypatch.setattr("generor_async.stores.sqlite.owner_locks.system_lock", no_locks)
    ledger = await open_ledger(path, run=NO_RUN, rules=RULES)
    assert await ledger.take_over() == NOBODY
    await ledger.close()


async def test_a_batch_has_no_lock_of_its_own_beside_its_journal(tmp_path: Path) -> None:
    ledger = await open_ledger(tmp_path / "journal.sqlite", rules=RULES)
    assert locks(tmp_path) == []
    await ledger.close()
