"""Workers of a fleet as processes, and what a server and a database say of their work."""

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import psycopg
from support.commands import Commands, Running, hastened

from generor_async.batch.journal import open_reader
from generor_async.batch.runs import live_workers
from generor_async.simulator import Simulator
from generor_async.stores.records import CallRecord

__all__ = ["STATES", "Fleet", "wait_for"]

PATIENCE = 300.0
STATES: Final = """
    SELECT state, count(*) FROM generor.calls JOIN generor.runs USING (run) WHERE name = %s GROUP BY state
"""


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    begun = looked = time.monotonic()
    while not condition():
        now = time.monotonic()
        assert now < begun + PATIENCE, "it takes too long"
        time.sleep(max(0.02, now - looked))  # looks leave the processor to those that are waited for
        looked = time.monotonic()


class Fleet:
    """Runs the command on one database and one simulator, whose time passes ten times as fast."""

    def __init__(self, commands: Commands, simulator: Simulator, environment: Mapping[str, str], folder: Path) -> None:
        self._commands = commands
        self.simulator = simulator
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GENEROR_")},
            **hastened(),
            "LUMA_BASE_URL": simulator.luma_url,
            "LUMA_AGENTS_API_KEY": simulator.luma_key,
            "GENEROR_BASE_URL": simulator.generor_url,
            "GENEROR_API_KEY": simulator.generor_key,
            **environment,
        }
        self.workers: list[Running] = []
        self._heard: dict[int, bytes] = {}
        self._connections: dict[str, psycopg.Connection[tuple[Any, ...]]] = {}
        """By their URLs: who waits asks often, and to connect costs more than to ask."""

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a command to its end, and return its output."""
        ended = self._commands.run("batch", *arguments, cwd=self.folder, env=self.environment)
        assert ended.returncode == code, ended.stderr
        return ended.stdout

    def told(self, *arguments: str) -> str:
        """Run a command, and return what it says beside its output."""
        return self._commands.run("batch", *arguments, cwd=self.folder, env=self.environment).stderr

    def refused(self, *arguments: str) -> str:
        """Run a command that is refused, and return what it says."""
        ended = self._commands.run("batch", *arguments, cwd=self.folder, env=self.environment)
        assert (ended.returncode, ended.stdout) == (2, ""), ended.stderr
        return ended.stderr

    def submit(self, name: str, count: int, *options: str) -> None:
        """Submit so many rows, whose outputs go into a folder beside the input."""
        rows = self.folder / f"{name}.jsonl"
        rows.write_text("".join(f"{json.dumps({'prompt': f'{name} {number}'})}\n" for number in range(count)))
        media = f"file://{self.folder}/outputs"
        self.run("submit", str(rows), "--name", name, "--media", media, "--yes", *options)

    def worker(self, *options: str) -> Running:
        """Start a worker."""
        begun = self._commands.begin("batch", "worker", *options, cwd=self.folder, env=self.environment)
        self.workers.append(begun)
        os.set_blocking(begun.stderr.fileno(), False)
        return begun

    def heard(self, worker: Running) -> str:
        """Return what a worker has said so far."""
        with suppress(BlockingIOError):
            self._heard[worker.pid] = self._heard.get(worker.pid, b"") + os.read(worker.stderr.fileno(), 1 << 16)
        return self._heard.get(worker.pid, b"").decode()

    def end(self, worker: Running, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a worker a signal; return its exit code, and what it said."""
        self.workers.remove(worker)
        worker.send(number)
        os.set_blocking(worker.stderr.fileno(), True)
        code, _, told = worker.end()
        return code, self._heard.pop(worker.pid, b"").decode() + told

    def end_all(self) -> None:
        """Kill the workers that are left, and close the connections."""
        for worker in list(self.workers):
            self.end(worker, signal.SIGKILL)
        for connection in self._connections.values():
            connection.close()

    def rows(self, name: str) -> Sequence[CallRecord]:
        """Return all rows of a run."""

        async def read() -> list[CallRecord]:
            reader = await open_reader(self.environment["GENEROR_DATABASE_URL"], name=name)
            try:
                return [row async for row in reader.scan()]
            finally:
                await reader.close()

        return asyncio.run(read())

    def states(self, name: str) -> Counter[str]:
        """Count a run's rows by state, which costs less than to read them."""
        url = self.environment["GENEROR_DATABASE_URL"]
        try:
            found = self._connection(url).execute(STATES, [name]).fetchall()
        except psycopg.OperationalError:  # the database was restarted
            self._connections.pop(url).close()
            found = self._connection(url).execute(STATES, [name]).fetchall()
        return Counter(dict(found))

    def _connection(self, url: str) -> "psycopg.Connection[tuple[Any, ...]]":
        if url not in self._connections:
            self._connections[url] = psycopg.connect(url, autocommit=True)
        return self._connections[url]

    def idle(self, name: str) -> bool:
        """Tell whether nobody is at work on a run."""
        return not asyncio.run(live_workers(self.environment["GENEROR_DATABASE_URL"], name))

    def check(self, name: str) -> Mapping[str, int]:
        """Hold a run that has ended against what the server made; return how many rows are in each state."""
        states = self.check_bought_once(name)
        assert states.keys() <= {"done", "unknown"}, states
        return states

    def check_bought_once(self, name: str) -> Mapping[str, int]:
        """Hold a run that nobody works on against what the server made; return how many rows are in each state."""
        made: dict[str, list[Any]] = {}
        for job in self.simulator.luma.generations.values():
            made.setdefault(job.request.prompt, []).append(job.id)
        states: dict[str, int] = {}
        for row in self.rows(name):
            ids = made.get(str(row.parameters["prompt"]), [])
            assert len(ids) <= 1, f"{row.parameters['prompt']} was charged {len(ids)} times"
            states[row.state] = states.get(row.state, 0) + 1
            if row.state == "done":
                assert list(row.remote_ids) == ids
            else:
                assert row.state in {"unknown", "ready"}, row
                assert row.state != "ready" or not ids, row
        assert not self.simulator.ledger.duplicates()
        return states
