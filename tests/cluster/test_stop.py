"""Runs that are stopped, go on and are deleted: no new call is made meanwhile, and nothing that is paid for is lost."""

import json
import signal
from collections import Counter

from support.commands import Running
from support.fleet_commands import Fleet, wait_for

from generor_async.simulator.faults import Fault

LEASE = ("--lease", "4")
ROWS = 10
MANY = 100
"""Rows of which some are left when the command comes to stop the run, however busy the machine is."""


def states(fleet: Fleet, name: str = "herons") -> Counter[str]:
    return fleet.states(name)


def no_job_ends(fleet: Fleet) -> Fault:
    """Let no job end until the fault is removed."""
    return fleet.simulator.faults.add_spec("luma.generations.get=503")


def at_work(fleet: Fleet, *workers: Running) -> None:
    """Wait until some jobs are accepted, none of which ends, and each worker has a shift."""
    wait_for(lambda: states(fleet)["accepted"] >= 2)
    wait_for(lambda: all("herons: a shift begins" in fleet.heard(worker) for worker in workers))


def bought(fleet: Fleet) -> int:
    return len(fleet.simulator.luma.generations)


def test_stop_waits_for_jobs_that_are_paid_for_and_stores_their_outputs(fleet: Fleet) -> None:
    held = no_job_ends(fleet)
    workers = [fleet.worker(*LEASE, "--concurrency", "2") for _ in range(2)]
    fleet.submit("herons", ROWS)
    at_work(fleet, *workers)
    told = fleet.told("stop")
    assert "under way: workers fetch the outputs before they leave the run" in told
    wait_for(lambda: not states(fleet).keys() & {"leased", "submitting"})
    stopped_at = bought(fleet)
    assert not fleet.idle("herons"), "they wait for what is paid for"
    assert states(fleet)["accepted"] == stopped_at
    fleet.simulator.faults.remove(held)
    wait_for(lambda: fleet.idle("herons"))
    assert states(fleet) == {"done": stopped_at, "ready": ROWS - stopped_at}
    assert bought(fleet) == stopped_at < ROWS
    # A worker says so after its lease has ended.
    wait_for(lambda: all("herons: the shift has ended (interrupted" in fleet.heard(worker) for worker in workers))
    fleet.run("resume")
    wait_for(lambda: states(fleet) == {"done": ROWS})
    fleet.check("herons")


def test_a_worker_that_is_told_to_end_while_the_run_is_stopped_drains(fleet: Fleet) -> None:
    no_job_ends(fleet)
    worker = fleet.worker(*LEASE)
    fleet.submit("herons", 3)
    wait_for(lambda: states(fleet) == {"accepted": 3})
    fleet.run("stop")
    code, told = fleet.end(worker)
    assert (code, states(fleet)) == (0, {"accepted": 3}), told
    fleet.simulator.faults.clear()
    assert "stopped by `generor batch stop`" in fleet.told("status")
    assert json.loads(fleet.run("status", code=3))["reason"] == "stopped"
    fleet.worker(*LEASE)  # whoever is there fetches them, though the run is stopped
    wait_for(lambda: states(fleet) == {"done": 3})
    assert "stopped" not in fleet.told("status"), "nothing is left to go on with"
    wait_for(lambda: fleet.idle("herons"))
    fleet.check("herons")


def test_what_a_killed_worker_has_paid_for_is_fetched_while_the_run_is_stopped(fleet: Fleet) -> None:
    held = no_job_ends(fleet)
    workers = [fleet.worker(*LEASE, "--concurrency", "2") for _ in range(2)]
    fleet.submit("herons", ROWS)
    at_work(fleet, *workers)
    fleet.run("stop")
    fleet.end(workers[0], signal.SIGKILL)
    fleet.simulator.faults.remove(held)
    wait_for(lambda: fleet.idle("herons") and not states(fleet).keys() & {"accepted", "downloading", "submitting"})
    stopped_at = bought(fleet)
    ended = states(fleet)
    assert ended["done"] + ended["unknown"] == stopped_at < ROWS
    fleet.run("resume")
    wait_for(lambda: states(fleet)["done"] + states(fleet)["unknown"] == ROWS)
    fleet.check("herons")


def test_stop_now_leaves_accepted_jobs_and_a_plain_stop_has_them_fetched(fleet: Fleet) -> None:
    no_job_ends(fleet)
    worker = fleet.worker(*LEASE, "--concurrency", "2")
    fleet.submit("herons", ROWS)
    at_work(fleet, worker)
    assert "under way: `resume` fetches the outputs" in fleet.told("stop", "--now")
    wait_for(lambda: fleet.idle("herons"))
    left = states(fleet)
    assert left["accepted"] == bought(fleet) < ROWS
    fleet.simulator.faults.clear()
    fleet.run("stop")
    wait_for(lambda: states(fleet) == {"done": left["accepted"], "ready": left["ready"]})
    fleet.check_bought_once("herons")


def test_stop_now_ends_shifts_that_fetch_what_is_paid_for(fleet: Fleet) -> None:
    no_job_ends(fleet)
    worker = fleet.worker(*LEASE, "--concurrency", "2")
    fleet.submit("herons", ROWS)
    at_work(fleet, worker)
    fleet.run("stop")
    wait_for(lambda: not states(fleet).keys() & {"leased", "submitting"})
    fleet.run("stop", "--now")
    wait_for(lambda: fleet.idle("herons"))
    assert states(fleet)["accepted"] == bought(fleet) < ROWS


def test_a_run_that_goes_on_before_its_shifts_have_ended_keeps_them(fleet: Fleet) -> None:
    held = no_job_ends(fleet)
    worker = fleet.worker(*LEASE, "--concurrency", "2")
    fleet.submit("herons", ROWS)
    at_work(fleet, worker)
    fleet.run("stop")
    wait_for(lambda: not states(fleet).keys() & {"leased", "submitting"})
    fleet.run("resume")
    fleet.simulator.faults.remove(held)
    wait_for(lambda: states(fleet) == {"done": ROWS})
    wait_for(lambda: fleet.idle("herons"))
    assert fleet.heard(worker).count("herons: a shift begins") == 1
    fleet.check("herons")


def test_stop_says_so_where_nothing_is_left_to_stop(fleet: Fleet) -> None:
    fleet.worker(*LEASE)
    fleet.submit("herons", 2)
    wait_for(lambda: states(fleet) == {"done": 2})
    assert "is complete: there is nothing to stop" in fleet.run("stop")
    assert "is complete: no row is left to run" in fleet.run("resume")
    fleet.run("status", "--check")
    fleet.submit("herons", 3)  # which isn't stopped now
    wait_for(lambda: states(fleet) == {"done": 3})


def test_delete_waits_until_workers_have_fetched_what_is_paid_for(fleet: Fleet) -> None:
    fleet.worker(*LEASE, "--concurrency", "2")
    fleet.submit("herons", MANY)
    wait_for(lambda: bought(fleet) >= 4)
    told = fleet.told("delete", "--name", "herons", "--yes")
    assert "waiting for workers to fetch what is paid for, and end" in told
    assert "given up" not in told
    assert bought(fleet) == len(list((fleet.folder / "outputs").rglob("*.*"))) < MANY
    fleet.run("status", code=2)


def test_delete_is_refused_while_nobody_fetches_what_is_paid_for(fleet: Fleet) -> None:
    no_job_ends(fleet)
    worker = fleet.worker(*LEASE)
    fleet.submit("herons", 3)
    wait_for(lambda: states(fleet) == {"accepted": 3})
    assert fleet.end(worker)[0] == 0
    refused = fleet.refused("delete", "--name", "herons", "--yes")
    assert "isn't deleted: 3 rows are paid for, and nobody has fetched the outputs" in refused
    assert "--force" in refused
    assert json.loads(fleet.run("status", code=3))["rows"] == {"accepted": 3}
    assert "stopped" not in fleet.told("status"), "a deletion that is refused changes nothing"
    assert "the outputs of 3 rows that are paid for are given up" in fleet.told(
        "delete", "--name", "herons", "--yes", "--force"
    )
    assert "has no runs" in fleet.refused("status")


def test_delete_is_refused_while_nobody_knows_whether_a_row_was_paid_for(fleet: Fleet) -> None:
    fleet.simulator.faults.add_spec("luma.generations.create=reset:after_charge:1x")
    worker = fleet.worker(*LEASE)
    fleet.submit("herons", 3)
    wait_for(lambda: states(fleet) == {"done": 2, "unknown": 1})
    for _ in range(2):  # with a worker, and without one
        refused = fleet.refused("delete", "--name", "herons", "--yes")
        assert "isn't deleted: 1 row may have been paid for, and nobody knows" in refused
        assert "`generor batch status`" in refused
        assert "--force" in refused
        if fleet.workers:
            assert fleet.end(worker)[0] == 0
    told = fleet.told("delete", "--name", "herons", "--yes", "--force")
    assert "given up: 1 row that may have been paid for" in told.splitlines()
    assert "has no runs" in fleet.refused("status")


def test_delete_is_refused_for_a_row_whose_worker_was_killed_in_its_call(fleet: Fleet) -> None:
    fleet.simulator.faults.add(operation="luma.generations.create", fault="stall", when="after_charge")
    worker = fleet.worker(*LEASE)
    fleet.submit("herons", 1)
    wait_for(lambda: states(fleet) == {"submitting": 1})
    fleet.end(worker, signal.SIGKILL)
    wait_for(lambda: fleet.idle("herons"))
    assert "1 row may have been paid for, and nobody knows" in fleet.refused("delete", "--name", "herons", "--yes")
    assert states(fleet) == {"submitting": 1}


def test_delete_looks_for_the_run_before_it_asks(fleet: Fleet) -> None:
    fleet.environment["COLUMNS"] = "200"
    fleet.submit("herons", 1)
    for force in ([], ["--force"]):
        assert "has no run 'storks'" in fleet.refused("delete", "--name", "storks", *force)
        assert "confirm with --yes" in fleet.refused("delete", "--name", "herons", *force)
    assert states(fleet) == {"ready": 1}


def test_rows_that_are_ready_again_wait_while_the_run_is_stopped_and_that_is_said(fleet: Fleet) -> None:
    worker = fleet.worker(*LEASE, "--concurrency", "1")
    rows = fleet.folder / "herons.jsonl"
    rows.write_text("".join(f"{json.dumps({'prompt': f'[[moderate]] {number}'})}\n" for number in range(ROWS)))
    fleet.run("submit", str(rows), "--name", "herons", "--media", f"file://{fleet.folder}/outputs", "--yes")
    wait_for(lambda: states(fleet)["failed"] >= 1)
    fleet.run("stop")
    wait_for(lambda: fleet.idle("herons"))
    told = fleet.told("retry", "--failed")
    assert "stopped by `generor batch stop`: `generor batch resume --name herons` goes on with it" in told
    assert states(fleet) == {"ready": ROWS}
    assert fleet.end(worker)[0] == 0
