"""Shifts under Ray and Celery: each row is bought once."""

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.fleet_commands import Fleet, wait_for
from support.pages import blocks
from support.recipes import started

import generor_async

ROWS = 12
MORE_STARTS = 10
"""How often Ray is started again if it hasn't: nothing is done before."""
RAY, CELERY = blocks("recipes/ray.md", "python")


@pytest.fixture
def environment(fleet: Fleet) -> dict[str, str]:
    """Submit rows; return the environment of programs that work for the run."""
    fleet.submit("herons", ROWS)
    root = Path(generor_async.__file__).parents[1]
    return {**fleet.environment, "PYTHONPATH": f"{root}:{fleet.folder}", "RAY_USAGE_STATS_ENABLED": "0"}


def run(script: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)


def test_three_tasks_of_ray_share_a_run(fleet: Fleet, environment: dict[str, str]) -> None:
    script = fleet.folder / "with_ray.py"
    script.write_text(RAY)
    ended = run(script, environment)
    for _ in range(MORE_STARTS):
        if "timed out during startup" in ended.stderr:  # within half a minute, which a busy machine may need
            ended = run(script, environment)
    assert ended.returncode == 0, ended.stderr
    assert "['done', 'done', 'done']" in ended.stdout
    assert fleet.check("herons") == {"done": ROWS}


@contextmanager
def celery_worker(fleet: Fleet, environment: dict[str, str]) -> Generator[None]:
    command = [sys.executable, "-m", "celery", "-A", "shifts", "worker", "--concurrency", "3", "--loglevel", "INFO"]
    with started(*command, folder=fleet.folder, environment=environment, log="celery.log"):
        yield


def test_three_tasks_of_celery_share_a_run(fleet: Fleet, environment: dict[str, str]) -> None:
    (fleet.folder / "shifts.py").write_text(CELERY)
    with celery_worker(fleet, environment):
        call = "from shifts import shift\nfor _ in range(3): shift.delay('herons')"
        subprocess.run([sys.executable, "-c", call], cwd=fleet.folder, env=environment, check=True)
        wait_for(lambda: fleet.states("herons").keys() == {"done"})
    assert fleet.check("herons") == {"done": ROWS}
    assert json.loads(fleet.run("status"))["rows"] == {"done": ROWS}
