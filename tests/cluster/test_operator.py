"""An operator who does what can be done to a run, in any order, while workers are killed: each row is bought once."""

import json
import random
import signal

import pytest
from support.fleet_commands import Fleet, wait_for

LEASE = ("--lease", "4", "--drain", "2", "--concurrency", "4")
NAME = "herons"
PAID = {"submitting", "accepted", "downloading"}
OPEN = {"ready", "leased", *PAID}


class Operator:
    """Does random things to one run."""

    def __init__(self, fleet: Fleet, seed: int) -> None:
        self.fleet = fleet
        self.dice = random.Random(seed)
        self.rows = 0
        self.done: list[str] = []
        """What was done, for a failure to tell."""

    def submit(self) -> None:
        """Submit the rows of before, and some more."""
        self.rows += self.dice.randrange(1, 6)
        self.fleet.submit(NAME, self.rows)

    def submit_changed(self) -> None:
        """Submit rows that ask for what is there, under other ids: refused, or nothing is bought again."""
        path = self.fleet.folder / f"{NAME}.jsonl"
        lines = [{"prompt": f"{NAME} {number}", "id": f"other {number}"} for number in range(self.rows)]
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        media = f"file://{self.fleet.folder}/outputs"
        told = self.fleet.told("submit", str(path), "--name", NAME, "--media", media, "--yes")
        assert "would buy it again" in told, told

    def stop(self) -> None:
        """Stop the run."""
        self.fleet.run("stop", *self.dice.choice([[], ["--now"]]))

    def resume(self) -> None:
        """Go on with it."""
        self.fleet.run("resume")

    def retry(self) -> None:
        """Make failed rows ready; unknown ones might be charged twice."""
        self.fleet.run("retry", "--failed")

    def delete(self) -> None:
        """Delete it: workers fetch what is paid for first, or it is refused, and they do so while it is stopped."""
        told = self.fleet.told("delete", "--name", NAME, "--yes")
        if "isn't deleted" in told:
            self.stop_and_wait()
            told = self.fleet.told("delete", "--name", NAME, "--yes")
        if "may have been paid for, and nobody knows" in told:
            told = self.fleet.told("delete", "--name", NAME, "--yes", "--force")
        assert "isn't deleted" not in told, told
        assert "the outputs of" not in told, told

    def stop_and_wait(self) -> None:
        """Stop it, and wait until workers have fetched what is paid for."""
        self.fleet.run("stop")
        wait_for(lambda: not self.fleet.states(NAME).keys() & PAID)

    def kill(self) -> None:
        """Kill a worker, or end one, and start another."""
        number = self.dice.choice([signal.SIGKILL, signal.SIGTERM])
        self.fleet.end(self.dice.choice(self.fleet.workers), number)
        self.fleet.worker(*LEASE)

    def act(self) -> None:
        """Do something."""
        what = self.dice.choice([self.submit, self.submit_changed, self.stop, self.resume, self.retry, self.kill])
        self.done.append(what.__name__)
        what()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let one operator do things, or many with `--faults=all`."""
    first = 0 if "bought_once" in metafunc.function.__name__ else 100
    many = metafunc.config.getoption("--faults") == "all"
    metafunc.parametrize("seed", range(first, first + (10 if many else 1)))


@pytest.fixture
def operator(fleet: Fleet, seed: int) -> Operator:
    """An operator with three workers, who has done many things; a tenth of all answers was lost."""
    fleet.simulator.faults.add(operation="luma.generations.create", fault="reset", when="after_charge", rate=0.1)
    operator = Operator(fleet, seed)
    for _ in range(3):
        fleet.worker(*LEASE)
    operator.submit()
    for _ in range(16):
        operator.act()
    return operator


def outputs(fleet: Fleet) -> int:
    return len(list((fleet.folder / "outputs").rglob("*.*")))


def test_whatever_an_operator_does_each_row_is_bought_once(fleet: Fleet, operator: Operator) -> None:
    fleet.run("resume")
    wait_for(lambda: not fleet.states(NAME).keys() & OPEN)
    states = fleet.check(NAME)
    assert sum(states.values()) == operator.rows, operator.done
    made = len(fleet.simulator.luma.generations)
    assert states["done"] <= made <= states["done"] + states.get("unknown", 0), operator.done
    assert outputs(fleet) == states["done"], operator.done


def test_whatever_was_done_before_deleting_a_run_loses_nothing_that_was_paid_for(
    fleet: Fleet, operator: Operator
) -> None:
    unknown = {str(row.parameters["prompt"]) for row in fleet.rows(NAME) if row.state in {"unknown", *OPEN}}
    operator.delete()
    made = {job.request.prompt for job in fleet.simulator.luma.generations.values()}
    assert len(fleet.simulator.luma.generations) == len(made), operator.done
    assert not fleet.simulator.ledger.duplicates()
    assert len(made - unknown) <= outputs(fleet) <= len(made), operator.done
    assert "has no runs" in fleet.refused("status")
