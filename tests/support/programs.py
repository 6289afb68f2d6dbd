"""Programs of a user's, each run in an interpreter of its own, against a simulator that is elsewhere."""

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import generor_async
from generor_async.simulator import Simulator

__all__ = ["begin", "environment", "finished", "until"]

PATIENCE = 300.0
"""Seconds after which a program hangs."""


def environment(simulator: Simulator) -> dict[str, str]:
    """Where a program finds the package, what supports tests, the simulator and its keys."""
    places = [Path(generor_async.__file__).parents[1], Path(__file__).parents[1]]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, places)),
        "PYTHONUNBUFFERED": "1",
        "GENEROR_API_KEY": simulator.generor_key,
        "GENEROR_BASE_URL": simulator.generor_url,
        "LUMA_AGENTS_API_KEY": simulator.luma_key,
        "LUMA_BASE_URL": simulator.luma_url,
    }


def begin(simulator: Simulator, program: str, *options: str) -> "subprocess.Popen[str]":
    """Start a program; `options` are the interpreter's."""
    return subprocess.Popen(
        [sys.executable, *options, "-c", textwrap.dedent(program)],
        env=environment(simulator),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: "subprocess.Popen[str]", *, patience: float = PATIENCE) -> tuple[int, str, str]:
    """Close a program's input and wait for its end; give its exit code, and what it wrote on both channels."""
    try:
        out, err = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"it hangs: {out}\n{err}") from None
    return process.returncode, out, err


def until(condition: Callable[[], object]) -> None:
    """Wait for what another process is about to do."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.01)
