"""Our pytest plugin is a module by itself in the wheel, and a part of the package in a checkout."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import generor_async

__all__ = ["MODULE", "PLUGIN", "provide"]

MODULE = "pytest_generor_async"
PLUGIN = MODULE if find_spec(MODULE) else "generor_async.testing.plugin"
"""The name under which this run finds it."""


def provide(folder: Path) -> str:
    """Let pytest find the plugin as it does where the wheel is installed; return the PYTHONPATH for that."""
    package = Path(generor_async.__file__).parent
    if PLUGIN != MODULE:
        shutil.copy(package / "testing/plugin.py", folder / f"{MODULE}.py")
    return f"{package.parent}:{folder}"
