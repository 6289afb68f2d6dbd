"""A worker that has to end while its database is away names the ids of what was paid for, and they are taken up."""

import re
import shlex
import signal

import pytest
from support.fleet_commands import Fleet, wait_for
from support.servers import PostgresServer

LEASE = ("--lease", "4")
WARM = 6
DRAIN = "20"
"""Real seconds; answers take a third of them."""


def named(told: str) -> list[str]:
    """Return the command that an error names, as arguments."""
    found = re.search(r"`generor batch (adopt [^`]*)`", told)
    assert found is not None, told
    return shlex.split(found[1])


def test_ids_that_could_not_be_written_are_named_and_taken_up_again(fleet: Fleet, postgres: PostgresServer) -> None:
    simulator, worker = fleet.simulator, fleet.worker(*LEASE, "--drain", DRAIN)
    fleet.submit("herons", WARM)  # after which several calls are made at once
    wait_for(lambda: fleet.states("herons") == {"done": WARM})
    simulator.faults.add(operation="luma.generations.create", fault="drip", when="after_charge", pieces=3, pause=30.0)
    fleet.submit("herons", WARM + 4)
    wait_for(lambda: len([entry for entry in simulator.ledger.charges if not entry.answered]) >= 2)
    postgres.stop(immediate=True)
    try:
        code, told = fleet.end(worker, signal.SIGTERM)
    finally:
        postgres.start()
    assert code == 0, told
    ids = simulator.luma.generations.keys() - {id_ for row in fleet.rows("herons") for id_ in row.remote_ids}
    assert len(ids) >= 2, "answers come after more than five seconds"
    assert all(told.count(id_) == 2 for id_ in ids), told  # in words, and in the command
    command = named(told)
    simulator.faults.clear()
    fleet.worker(*LEASE)
    wait_for(lambda: fleet.states("herons").keys() == {"done", "unknown"})
    assert fleet.run(*command) == f"{len(ids)} rows have their jobs again\n"
    wait_for(lambda: fleet.states("herons").keys() == {"done"})
    assert fleet.check("herons") == {"done": WARM + 4}
    assert f"({len(ids)} had them already)" in fleet.run(*command)


@pytest.mark.parametrize("job", ["x", "=x", "x="])
def test_what_names_no_job_is_refused(fleet: Fleet, job: str) -> None:
    assert "is not ROW=JOB" in fleet.refused("adopt", "--name", "herons", "--job", job)


def test_only_unknown_rows_are_given_a_job(fleet: Fleet) -> None:
    fleet.submit("herons", 2)
    row = fleet.rows("herons")[0]
    assert "there is no row 'x'" in fleet.refused("adopt", "--job", "x=1")
    assert f"'{row.id}' is ready. Leave it out" in fleet.refused("adopt", "--job", f"{row.id}=1")


def test_a_row_is_not_given_what_belongs_to_another_or_can_be_no_job(fleet: Fleet) -> None:
    fleet.simulator.faults.add_spec("luma.generations.create=reset:after_charge:2x")
    worker = fleet.worker(*LEASE)
    fleet.submit("herons", 4)
    wait_for(lambda: fleet.states("herons") == {"done": 2, "unknown": 2})
    rows = {row.state: row for row in fleet.rows("herons")}
    (taken,), row = rows["done"].remote_ids, rows["unknown"].id
    assert "is no id of a job" in fleet.refused("adopt", "--job", f"{row}=../x")
    assert f"{taken} is the job of the row" in fleet.refused("adopt", "--job", f"{row}={taken}")
    assert "a call makes one job" in fleet.refused("adopt", "--job", f"{row}=x", "--job", f"{row}=y")
    assert fleet.states("herons") == {"done": 2, "unknown": 2}
    fleet.run("adopt", "--job", f"{row}=mistyped")
    wait_for(lambda: "Job mistyped" in fleet.told("status"))
    assert fleet.states("herons") == {"done": 2, "unknown": 2}, "the row waits for the right one"
    made = {job.request.prompt: id_ for id_, job in fleet.simulator.luma.generations.items()}
    right = made[str(rows["unknown"].parameters["prompt"])]
    fleet.run("adopt", "--job", f"{row}={right}")
    wait_for(lambda: fleet.states("herons") == {"done": 3, "unknown": 1})
    assert fleet.end(worker)[0] == 0
    fleet.check("herons")
