"""Workers as processes: whatever becomes of one, every row ends by itself, and none is bought twice."""

import json
import signal

from support.fleet_commands import Fleet, wait_for
from support.servers import PostgresServer

ROWS = 48
LEASE = ("--lease", "4")


def test_a_worker_is_killed_in_the_midst_of_a_paid_call_another_is_stopped_and_the_database_restarts(
    fleet: Fleet, postgres: PostgresServer
) -> None:
    simulator = fleet.simulator
    simulator.faults.add(operation="luma.generations.create", fault="stall", when="after_charge", times=1)
    fleet.submit("herons", ROWS)
    killed = fleet.worker(*LEASE)
    wait_for(lambda: len(simulator.ledger.charges) >= 1)
    stopped, stays = fleet.worker(*LEASE), fleet.worker(*LEASE)
    wait_for(lambda: len(simulator.ledger.charges) >= ROWS // 3)
    assert fleet.end(killed, signal.SIGKILL)[0] == -signal.SIGKILL
    wait_for(lambda: len(simulator.ledger.charges) >= ROWS // 2)
    code, told = fleet.end(stopped)
    assert code == 0, told
    assert "herons: the shift was stopped" in told
    postgres.restart(immediate=True)

    wait_for(lambda: fleet.states("herons").keys() <= {"done", "unknown"})
    states = fleet.check("herons")
    assert sum(states.values()) == ROWS
    assert 1 <= states["unknown"] < ROWS // 3
    shown = json.loads(fleet.run("status", code=3))
    assert shown["rows"] == states
    assert len(shown["workers"]) <= 1
    assert len(list((fleet.folder / "outputs").rglob("*.*"))) == states["done"]
    code, told = fleet.end(stays)
    assert code == 0
    assert "Traceback" not in told


def test_a_worker_waits_for_runs_and_for_rows_that_are_made_ready_again(fleet: Fleet) -> None:
    worker = fleet.worker(*LEASE)
    fleet.submit("herons", 3)
    wait_for(lambda: fleet.states("herons") == {"done": 3})
    rows = fleet.folder / "herons.jsonl"
    rows.write_text(f"{rows.read_text()}{json.dumps({'prompt': '[[moderate]] a heron'})}\n")
    media = f"file://{fleet.folder}/outputs"
    submitted = fleet.run("submit", str(rows), "--name", "herons", "--media", media, "--yes")
    assert json.loads(submitted)["rows"] == {"new": 1, "known": 3, "rejected": 0, "duplicates": 0}
    again = fleet.run("submit", str(rows), "--name", "herons", "--media", media, "--yes")
    assert json.loads(again)["rows"] == {"new": 0, "known": 4, "rejected": 0, "duplicates": 0}, "it isn't read again"
    wait_for(lambda: fleet.states("herons")["failed"] == 1)
    fleet.run("status", "--check", code=3)
    assert fleet.run("retry", "--failed") == "1 row is ready to be run again\n"
    wait_for(lambda: [(row.state, row.attempt) for row in fleet.rows("herons")][-1] == ("failed", 2))
    assert fleet.end(worker)[0] == 0


def test_a_run_is_stopped_goes_on_and_is_deleted(fleet: Fleet) -> None:
    charges = fleet.simulator.ledger
    worker = fleet.worker(*LEASE, "--concurrency", "2")
    fleet.submit("herons", ROWS)
    wait_for(lambda: len(charges.charges) >= 4)
    assert "is stopped" in fleet.run("stop")
    wait_for(lambda: fleet.idle("herons"))
    stopped_at = len(charges.charges)
    assert stopped_at < ROWS
    assert "herons was stopped by `generor batch stop`, and not all rows" in fleet.told("status", "--check")
    fleet.run("status", "--check", code=3)
    assert "stopped by `generor batch stop`: `generor batch resume --name herons` goes on" in fleet.told("status")
    assert "goes on" in fleet.run("resume")
    wait_for(lambda: len(charges.charges) >= stopped_at + 4)
    assert fleet.run("delete", "--name", "herons", "--yes").endswith("is deleted\n")
    gone = len(charges.charges)
    fleet.run("status", code=2)
    assert fleet.end(worker)[0] == 0
    assert len(charges.charges) == gone < ROWS


def test_who_submits_to_a_stopped_run_is_told_so(fleet: Fleet) -> None:
    fleet.simulator.faults.add_spec("luma.generations.get=503")
    fleet.worker(*LEASE)
    fleet.submit("herons", 2)
    wait_for(lambda: fleet.states("herons") == {"accepted": 2})
    fleet.run("stop")
    rows, media = str(fleet.folder / "herons.jsonl"), f"file://{fleet.folder}/outputs"
    again = fleet.told("submit", rows, "--name", "herons", "--media", media, "--yes")
    assert "stopped by `generor batch stop`: `generor batch resume --name herons` goes on" in again


def test_a_worker_with_a_wrong_key_keeps_nobody_else_from_work(fleet: Fleet) -> None:
    good = fleet.environment["LUMA_AGENTS_API_KEY"]
    fleet.environment["LUMA_AGENTS_API_KEY"] = "luma-api-wrong"
    wrong = fleet.worker(*LEASE)
    fleet.environment["LUMA_AGENTS_API_KEY"] = good
    fleet.submit("herons", 3)
    wait_for(lambda: "401: Invalid API key" in fleet.heard(wrong))
    assert "key of the last worker was refused" in fleet.told("status")
    right = fleet.worker(*LEASE)
    wait_for(lambda: fleet.states("herons") == {"done": 3})
    assert fleet.check("herons") == {"done": 3}
    for worker in (wrong, right):
        assert fleet.end(worker)[0] == 0
