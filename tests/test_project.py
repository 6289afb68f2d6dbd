"""What maintainers and continuous integration read agrees with the code and with itself."""

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
CONTRIBUTING = (GITHUB / "CONTRIBUTING.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`([\w./-]+\.(?:py|md|yaml|yml|toml))`(?:: `([\w.]+)`)?", CONTRIBUTING)
FOLDERS = (ROOT, ROOT / "generor_async", ROOT / "generor_async" / "spec")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def members(node: ast.Module | ast.ClassDef) -> dict[str, ast.stmt]:
    found: dict[str, ast.stmt] = {}
    for each in node.body:
        match each:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found[name] = each
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                found[name] = each
            case _:
                pass
    return found


def workflow(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((GITHUB / "workflows" / name).read_text(encoding="utf-8"))
    return loaded


def version_of(package: str) -> str:
    (version,) = re.findall(
        rf"^{package}==(.+)$", (ROOT / "tests" / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    return str(version)


def test_the_contributing_guide_names_enough_to_find_ones_way() -> None:
    assert len(NAMED) > 40


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED)))
def test_what_the_contributing_guide_names_exists(file: str, name: str) -> None:
    path = next((folder / file for folder in FOLDERS if (folder / file).is_file()), None)
    assert path is not None
    node: Any = ast.parse(path.read_text(encoding="utf-8")) if name else None
    for part in name.split(".") if name else ():
        node = members(node)[part]


def test_a_commit_is_linted_by_the_same_ruff() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    (revision,) = [each["rev"] for each in hooks if each["repo"].endswith("ruff-pre-commit")]
    assert revision == f"v{version_of('ruff')}"


def test_every_python_is_tested_on_three_systems() -> None:
    matrix = workflow("checks.yml")["jobs"]["tests"]["strategy"]["matrix"]
    said = [each.rpartition(" ")[2] for each in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", each)]
    assert matrix["python"] == said
    assert len(matrix["system"]) == 3


def test_a_release_is_published_without_a_token() -> None:
    publish = workflow("release.yml")["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert "secrets." not in (GITHUB / "workflows" / "release.yml").read_text(encoding="utf-8")


def test_the_changelog_has_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    source = (ROOT / "generor_async" / "values" / "version.py").read_text(encoding="utf-8")
    (version,) = re.findall(r'^VERSION: Final = "(.+)"$', source, re.MULTILINE)
    headings = re.findall(r"^## (.+)$", changelog, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d", headings[1])
    kinds = set(re.findall(r"^### (.+)$", changelog, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
