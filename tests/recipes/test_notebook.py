"""The notebook, run in a real kernel from its first cell to its last."""

import base64
import json
import shutil
import subprocess
import sys
from typing import Any

from support.pages import DOCS
from support.recipes import Simulated

NOTEBOOK = DOCS / "recipes/notebook.ipynb"
HOMES = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
PROMPTS = ["A heron at dawn", "A heron at dusk", "A heron at midnight", "A heron at noon", "The same at night"]


def outputs_of(text: str) -> list[dict[str, Any]]:
    """Return what the cells of a notebook show."""
    return [output for cell in json.loads(text)["cells"] for output in cell.get("outputs", [])]


def test_the_notebook_shows_its_pictures(simulated: Simulated) -> None:
    notebook = shutil.copy(NOTEBOOK, simulated.folder)
    environment = {**simulated.environment, **{name: str(simulated.folder / name) for name in HOMES}}
    command = [sys.executable, "-c", "from nbclient.cli import main; main()", "--inplace", "--timeout=300", notebook]
    ended = subprocess.run(
        command, env=environment, cwd=simulated.folder, capture_output=True, text=True, check=False, timeout=300
    )
    assert ended.returncode == 0, ended.stderr
    shown = [output["data"] for output in outputs_of((simulated.folder / NOTEBOOK.name).read_text())]
    pictures = sorted(path.read_bytes() for path in (simulated.folder / "pictures").iterdir())
    assert sorted(base64.b64decode(data["image/png"]) for data in shown) == pictures
    assert len(pictures) == len(PROMPTS)
    made = simulated.simulator.luma.generations.values()
    assert sorted(generation.request.prompt for generation in made) == PROMPTS
    assert len(simulated.simulator.ledger.charges) == len(PROMPTS)


def test_no_outputs_are_committed() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert outputs_of(NOTEBOOK.read_text()) == []
    assert all(cell["execution_count"] is None for cell in cells if cell["cell_type"] == "code")
