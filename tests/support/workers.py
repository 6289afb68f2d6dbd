"""Runs programs of `tests/support` in processes of their own, against a simulator in this one."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import generor_async
from generor_async.simulator import Simulator

__all__ = ["run_beside"]


def run_beside(module: str, simulator: Simulator, folder: Path, *, api: str, speed: float, **order: Any) -> Any:
    """Run a program with an order, and return its output as JSON; fails with its output and logs."""
    luma = api == "luma"
    whole = {
        "api": api,
        "base_url": simulator.luma_url if luma else simulator.generor_url,
        "key": simulator.luma_key if luma else simulator.generor_key,
        "speed": speed,
        "epoch": simulator.clock.time() - time.monotonic() * speed,
        "folder": str(folder),
        **order,
    }
    places = [Path(generor_async.__file__).parents[1], Path(__file__).parents[1]]
    ended = subprocess.run(
        [sys.executable, "-m", module, json.dumps(whole)],
        env={**os.environ, "PYTHONPATH": ":".join(map(str, places))},
        capture_output=True,
        text=True,
        check=False,
    )
    logs = "".join(log.read_text() for log in sorted(folder.glob("*.log")))
    assert ended.returncode == 0, f"{ended.stderr}\n{logs}"
    return json.loads(ended.stdout)
