"""The behaviour table agrees with the tests and switches that it names."""

import ast
import re
from collections import Counter
from functools import cache
from inspect import signature
from pathlib import Path

import pytest

from generor_async.codegen.behaviour import BEHAVIOURS, Behaviour
from generor_async.simulator import Simulator

HERE = Path(__file__).parents[1] / "simulator"
ROWS = [row for rows in BEHAVIOURS.values() for row in rows]
NO_SWITCHES = {
    "control",
    "epoch",
    "failure_rate",
    "generor_credits",
    "host",
    "kept_in",
    "luma_balance",
    "luma_jobs",
    "luma_rpm",
    "moderation_rate",
    "port",
    "seed",
    "speed",
    "tier",
}
"""Arguments of `Simulator` that choose between no two readings of the documents."""
rows = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


@cache
def functions_of(name: str) -> set[str]:
    tree = ast.parse((HERE / name).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@rows
def test_each_test_that_a_row_names_exists(row: Behaviour) -> None:
    assert row.tests
    for test in row.tests:
        file, _, name = test.partition("::")
        assert name.startswith("test_")
        assert name in functions_of(file)


@rows
def test_every_row_but_an_assumption_names_its_source(row: Behaviour) -> None:
    assert bool(row.where) is (row.weight != "assumed")
    assert row.where.startswith("luma-agents 0.5.0") is (row.weight == "client")


@rows
def test_every_assumption_has_a_switch_or_a_reason_for_none(row: Behaviour) -> None:
    if row.weight == "assumed":
        assert bool(row.switch) is not bool(row.unswitched)
    else:
        assert not row.unswitched


@rows
def test_a_switch_of_a_sourced_behaviour_describes_its_other_values(row: Behaviour) -> None:
    if row.weight != "assumed":
        assert bool(row.otherwise) is bool(row.switch)
    assert row.switch or not row.otherwise


@rows
def test_a_switch_of_an_uncertain_behaviour_is_tested_with_both_values(row: Behaviour) -> None:
    if row.switch and row.weight in {"assumed", "measured", "page"}:
        assert any(test.startswith("test_switches.py") for test in row.tests)


def test_every_switch_of_the_simulator_is_in_the_table() -> None:
    assert {row.switch for row in ROWS} - {""} == set(signature(Simulator).parameters) - NO_SWITCHES


def test_names_are_unique() -> None:
    assert [name for name, count in Counter(row.name for row in ROWS).items() if count > 1] == []


def test_no_text_breaks_the_table() -> None:
    for row in ROWS:
        for text in (row.says, row.where, row.unswitched, row.otherwise):
            assert not re.search(r"[|\n]", text)
            assert not text.endswith(".")
