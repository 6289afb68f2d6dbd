"""Recipes as users start them: each a process of its own, on the simulator of both APIs."""

import os
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

import generor_async
from generor_async.simulator import Simulator

__all__ = ["Simulated", "environment_of", "started"]

PATIENCE = 30.0
"""Seconds for which a process may end before it is killed."""


def environment_of(simulator: Simulator) -> Mapping[str, str]:
    """Return the environment of processes that import this package, and ask a simulator instead of the APIs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GENEROR_", "LUMA_"))}
    return {
        **kept,
        "PYTHONPATH": str(Path(generor_async.__file__).parents[1]),
        "PYTHONUNBUFFERED": "1",
        "LUMA_BASE_URL": simulator.luma_url,
        "LUMA_AGENTS_API_KEY": simulator.luma_key,
        "GENEROR_BASE_URL": simulator.generor_url,
        "GENEROR_API_KEY": simulator.generor_key,
    }


@contextmanager
def started(
    *command: str | os.PathLike[str], folder: Path, environment: Mapping[str, str], log: str
) -> Generator["subprocess.Popen[str]"]:
    """Run a process in a folder until the end of the block, when it gets a SIGTERM; its output is in a file there."""
    with (folder / log).open("a") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output, text=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@frozen
class Simulated:
    """Both APIs, and a folder with what a recipe shows."""

    simulator: Simulator
    folder: Path
    environment: Mapping[str, str]

    def script(self, name: str, text: str) -> Path:
        """Write a file into the folder, and return its path."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    @contextmanager
    def started(self, *command: str | os.PathLike[str], log: str = "log.txt") -> Generator["subprocess.Popen[str]"]:
        """Run a process in the folder until the end of the block; its output is in a file there."""
        with started(*command, folder=self.folder, environment=self.environment, log=log) as process:
            yield process
