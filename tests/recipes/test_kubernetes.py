"""The manifests for Kubernetes are valid, and their commands are ours."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.commands import Commands
from support.pages import blocks

PAGE = "recipes/kubernetes.md"
MANIFESTS: dict[str, Any] = {
    f"{found['kind']} {found['metadata']['name']}": found for found in map(yaml.safe_load, blocks(PAGE, "yaml"))
}


def test_kubernetes_takes_every_manifest(tmp_path: Path) -> None:
    assert len(MANIFESTS) == 4
    for number, text in enumerate(blocks(PAGE, "yaml")):
        (tmp_path / f"{number}.yaml").write_text(text)
    validate = [sys.executable, "-m", "kubernetes_validate", "--strict", "--no-warn"]
    ended = subprocess.run([*validate, *tmp_path.iterdir()], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def containers(manifest: Any) -> list[dict[str, Any]]:
    """Return the containers of a manifest, however deep its pod's template is."""
    spec = manifest.get("spec", {})
    for name in ("jobTemplate", "template"):
        if name in spec:
            return containers(spec[name])
    found: list[dict[str, Any]] = spec.get("containers", [])
    return found


@pytest.mark.parametrize("name", [name for name, found in MANIFESTS.items() if containers(found)])
def test_each_container_runs_a_command_that_there_is(commands: Commands, name: str) -> None:
    (container,) = containers(MANIFESTS[name])
    program, *arguments = container["command"]
    assert program == "generor"
    ended = commands.run(*arguments, "--help")
    assert ended.returncode == 0, ended.stderr
    assert "Usage: generor batch" in re.sub(r"\s+", " ", ended.stdout)
    assert container["envFrom"] == [{"secretRef": {"name": "generor"}}]


def test_a_worker_has_time_to_drain() -> None:
    pod = MANIFESTS["Deployment generor-worker"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    drain = float(container["command"][container["command"].index("--drain") + 1])
    assert pod["terminationGracePeriodSeconds"] >= drain + 10
