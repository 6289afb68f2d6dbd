"""BEHAVIOUR.md is up to date."""

import ast
import re
import sys
from pathlib import Path

import pytest
from documents.corpus import GENEROR, LUMA

from generor_async.codegen import behaviour

ERRORS = (Path(__file__).parents[1] / "documents" / "test_errors.py").read_text(encoding="utf-8")


def test_it_is_up_to_date() -> None:
    assert behaviour.PATH.read_text(encoding="utf-8") == behaviour.render()


def test_the_check_reports_an_outdated_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(behaviour, "PATH", tmp_path / "BEHAVIOUR.md")
    monkeypatch.setattr(sys, "argv", ["behaviour"])
    assert behaviour.main() == 0
    monkeypatch.setattr(sys, "argv", ["behaviour", "--check"])
    assert behaviour.main() == 0
    behaviour.PATH.write_text(behaviour.render().replace("assumed", "documented"), encoding="utf-8")
    assert behaviour.main() == 1
    assert "run python -m generor_async.codegen.behaviour" in capsys.readouterr().err


def test_every_described_error_names_an_existing_test() -> None:
    lines = behaviour.render().splitlines()
    refusals = lines[lines.index("## Refusals, word for word") : lines.index("## Every documented status is reached")]
    named = [match[1] for line in refusals if (match := re.search(r"`(test_\w+)[^`]*` \|$", line))]
    assert len(named) == sum(len(corpus.errors) for corpus in (GENEROR, LUMA))
    there = {node.name for node in ast.walk(ast.parse(ERRORS)) if isinstance(node, ast.AsyncFunctionDef)}
    assert set(named) <= there
