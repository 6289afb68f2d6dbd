"""The Celery task: each task pays once, whatever happens to its worker."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import frozen
from support.fleet_commands import wait_for
from support.pages import DOCS
from support.recipes import Simulated, environment_of, started
from support.servers import redis_server

from generor_async.simulator import Simulator

TASK = "celery_task"
CREATE = "luma.generations.create"


@frozen
class Workers:
    """A broker, and workers for the task."""

    simulator: Simulator
    folder: Path
    environment: Mapping[str, str]

    @contextmanager
    def started(self, *, redelivery: int = 3600) -> Generator["subprocess.Popen[str]"]:
        """Run a worker with two processes until the end of the block."""
        options = ("-A", TASK, "worker", "--concurrency", "2", "--loglevel", "INFO", "--without-gossip")
        environment = {**self.environment, "PICTURES_REDELIVERY": str(redelivery)}
        before = self.log.count("ready.")
        command = (sys.executable, "-m", "celery", *options)
        with started(*command, folder=self.folder, environment=environment, log="worker.log") as process:
            wait_for(lambda: self.log.count("ready.") > before or process.poll() is not None)
            yield process

    @property
    def log(self) -> str:
        path = self.folder / "worker.log"
        return path.read_text() if path.exists() else ""

    def python(self, program: str) -> str:
        """Run what the web application would; return what it prints."""
        ended = subprocess.run(
            [sys.executable, "-c", f"from {TASK} import app, picture\n{program}"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr + self.log
        return ended.stdout.strip()

    def delay(self, *prompts: str) -> list[str]:
        """Order pictures; return the ids of the tasks."""
        return self.python(f"for prompt in {prompts!r}: print(picture.delay(prompt).id)").split()

    def results(self, tasks: list[str]) -> list[str]:
        """Wait for tasks; return what came of each: the file's name, or the error's."""
        program = f"""
from pathlib import Path
for task in {tasks!r}:
    try:
        print(Path(app.AsyncResult(task).get(timeout=100)).name)
    except Exception as error:
        print(type(error).__name__, error)
"""
        return self.python(program).splitlines()

    def check(self, names: list[str]) -> None:
        """Check that each picture that was charged is a task's, and is in the folder."""
        assert sorted(names) == sorted(f"{id_}-0.png" for id_ in self.simulator.luma.generations)
        assert len(self.simulator.ledger.charges) == len(names)
        assert not self.simulator.ledger.duplicates()
        assert all((self.folder / "pictures" / name).stat().st_size for name in names)


@pytest.fixture
def workers(simulated: Simulated) -> Iterator[Workers]:
    simulated.script(f"{TASK}.py", (DOCS / f"recipes/{TASK}.py").read_text())
    with redis_server(simulated.folder) as redis:
        environment = {**environment_of(simulated.simulator), "PICTURES_REDIS_URL": redis.url}
        environment["PYTHONPATH"] += os.pathsep + str(simulated.folder)
        yield Workers(simulated.simulator, simulated.folder, environment)


def children(worker: "subprocess.Popen[str]") -> list[int]:
    return [int(child) for child in Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()]


def test_a_task_whose_process_is_killed_takes_up_its_picture(workers: Workers) -> None:
    with workers.started() as worker:
        tasks = workers.delay("a heron", "a crane")
        wait_for(lambda: len(workers.simulator.luma.generations) == 2)
        for child in children(worker):
            os.kill(child, signal.SIGKILL)
        names = workers.results(tasks)
    workers.check(names)


def test_a_task_whose_worker_is_killed_is_delivered_again(workers: Workers) -> None:
    with workers.started(redelivery=2) as worker:
        tasks = workers.delay("a heron", "a crane")
        wait_for(lambda: len(workers.simulator.luma.generations) == 2)
        for process in (*children(worker), worker.pid):
            os.kill(process, signal.SIGKILL)
        worker.wait()
    with workers.started(redelivery=2):  # so short that tasks are delivered again while they run, too
        names = workers.results(tasks)
        wait_for(lambda: "unacked" not in workers.python(LEFT))
    workers.check(names)


LEFT = """
import os
import redis
with redis.from_url(os.environ["PICTURES_REDIS_URL"]) as broker:
    print([key.decode() for key in broker.keys("unacked*") if key != b"unacked_mutex"])
"""


def test_a_picture_that_may_have_been_charged_is_not_bought_again(workers: Workers) -> None:
    workers.simulator.faults.add_spec(f"{CREATE}=stall:after_charge:1x")
    with workers.started() as worker:
        (task,) = workers.delay("a heron")
        wait_for(lambda: len(workers.simulator.luma.generations) == 1)
        for child in children(worker):
            os.kill(child, signal.SIGKILL)
        (lost,) = workers.results([task])
        (failed,) = workers.results(workers.delay("a heron [[moderate]]"))
    assert lost.startswith(f"PictureError {CREATE}: an earlier call with this idempotency key may have been charged")
    assert failed.startswith("PictureError generation")
    assert "content_moderated" in failed
    assert len(workers.simulator.ledger.charges) == 2


def test_a_worker_that_is_stopped_lets_its_tasks_end(workers: Workers) -> None:
    with workers.started() as worker:
        tasks = workers.delay("a heron", "a crane")
        wait_for(lambda: len(workers.simulator.luma.generations) == 2)
        worker.terminate()
        assert worker.wait(60) == 0
    workers.check(workers.results(tasks))
