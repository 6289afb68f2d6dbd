"""A notebook in a real kernel, whose cells run inside of an event loop."""

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.programs import environment

from generor_async.simulator import Simulator

FAST = "from support.clock import hasten\nhasten(10)\n"
CELLS = (
    "import asyncio\nfrom generor_async import AsyncLuma, Luma\nasyncio.get_running_loop().is_running()",
    "luma = Luma()\ngeneration = luma.generations.run(prompt='A heron')\ngeneration.state",
    "[path.suffix for path in luma.download(generation, folder)]",
    "[generation.state for generation in luma.generations.submit(prompt='A heron').updates()][-1]",
    "async with AsyncLuma() as other:\n    again = await other.generations.get(generation.id)\nagain.state",
    "luma.close()",
    "generation",
)
"""Nothing is written beside what is shown: a cell has no other way than to stop the kernel's loop."""


SHOWN = ["True", "'completed'", "['.png']", "'completed'", "'completed'"]


def cell(code: str) -> dict[str, Any]:
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": code}


def test_a_notebook_runs(simulator: Simulator, tmp_path: Path) -> None:
    cells = [cell(code) for code in (f"{FAST}folder = {str(tmp_path / 'out')!r}", *CELLS)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = tmp_path / "notebook.ipynb"
    notebook.write_text(
        json.dumps({"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 4})
    )
    homes = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    own = {name: str(tmp_path / name) for name in homes}
    execute = "from nbclient.cli import main; main()"
    command = [sys.executable, "-c", execute, "--inplace", "--timeout=600", "--startup_timeout=600", str(notebook)]
    ended = subprocess.run(command, env=environment(simulator) | own, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    outputs: list[dict[str, Any]] = [
        output for cell in json.loads(notebook.read_text())["cells"] for output in cell["outputs"]
    ]
    assert {output["output_type"] for output in outputs} == {"execute_result"}
    *values, displayed = outputs
    assert ["".join(output["data"]["text/plain"]) for output in values] == SHOWN
    (picture,) = (tmp_path / "out").iterdir()
    assert base64.b64decode(displayed["data"]["image/png"]) == picture.read_bytes()
    assert len(simulator.ledger.charges) == 2
