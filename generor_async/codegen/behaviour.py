"""`python -m generor_async.codegen.behaviour`: write `simulator/BEHAVIOUR.md`, or check that it is up to date.

It is generated from the behaviour table (`tests/simulator/behaviour/*.yaml`), the examples in the vendors' documents
(`tests/documents/*.json`), and the statuses in our spec.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from inspect import signature
from typing import Any, Final, Literal

import yaml
from attrs import frozen

from generor_async.codegen.document import ROOT, Document
from generor_async.simulator import Simulator

PATH = ROOT / "generor_async" / "simulator" / "BEHAVIOUR.md"
SPEC = ROOT / "generor_async" / "spec"
CORPUS = ROOT / "tests" / "documents"
TABLE_FOLDER = ROOT / "tests" / "simulator" / "behaviour"
HTTP_METHODS = ("get", "post", "put", "patch", "delete")
ANSWERED = "test_an_error_is_answered_and_raised_as_described"
TITLES = {"luma": "Luma errors", "generor": "Generor API"}

HEAD = """\
# How the simulator behaves

<!-- Made by `python -m generor_async.codegen.behaviour`: change what it is made of, not this file. -->

Each thing that the simulator does is one of these:

- **documented**: the contract says so: *Generor API* and *Luma errors*, the vendors' published pages.
- **page**: another page of the vendor's says so; *Luma guides* are those of late 2026.
- **measured**: public logs and notes of people who run against the live server show it. Where two sources show
  something else than the contract says, it is the default here.
- **client**: the types of Luma's official client, `luma-agents` 0.5.0 from PyPI, say so.
- **assumed**: nobody does, and the simulator had to choose. Where the other choice could mislead a program that is
  tried here first, it has a switch: an argument of `Simulator`. Where it has none, the table says why.

Tests are named as pytest does, below `tests/simulator/`.
"""
SWITCHES = """\
## Switches

As the simulator is unless told otherwise; the argument, in another position, makes it otherwise.

| argument of `Simulator` | default | what it decides | otherwise |
|---|---|---|---|
"""
REFUSALS = """\
## Refusals, word for word

What the documents say is refused, or ends in failure, and how. Each line is met at the simulator as described, bare
and through our client, by the test of `tests/documents/test_errors.py` that it names, which holds status, words and
headers against it (for the limit of concurrent jobs, under `luma_wording="contract"`). Where no words are given the
document has none.

| where it is said | operation | answer | words | shown by |
|---|---|---|---|---|
"""
STATUSES = """\
## Every documented status is reached

Our spec's statuses of each operation; `test_statuses.py::test_a_documented_status_is_reached` brings the simulator to
each of them, and fails for one that is added to the spec until it can. The other direction is schemathesis'
(`nox -s "schema(full)"`): whatever is sent, no operation answers with a status that isn't here.

| operation | statuses |
|---|---|
"""


@frozen(kw_only=True)
class Behaviour:
    """One behaviour of the simulator, and the source that says that the real API has it."""

    name: str
    says: str
    weight: Literal["documented", "page", "measured", "client", "assumed"]
    """`documented`: the contract; `page`: another page of the vendor's; `measured`: public logs of the live
    server; `client`: the official client's types; `assumed`: no source."""
    where: str = ""
    """Document and heading, or the author of the logs; empty for assumptions."""
    tests: list[str]
    """The tests of it, as pytest names them, below `tests/simulator/`."""
    switch: str = ""
    """The argument of `Simulator` that changes it."""
    unswitched: str = ""
    """Why an assumption needs no switch: how a program would notice if it were wrong."""
    otherwise: str = ""
    """The other values of the switch, their source, and why they aren't the default."""


def read_table(name: str) -> list[Behaviour]:
    """Read the rows of one API, or those that both have in common (`shared`)."""
    text = (TABLE_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    return [Behaviour(**row) for row in yaml.safe_load(text)]


BEHAVIOURS: Final = {
    "Luma Agents API": read_table("luma"),
    "Generor API": read_table("generor"),
    "Both": read_table("shared"),
}
"""The rows, under the headings of BEHAVIOUR.md."""


def main() -> int:
    """Write or check the file; the exit code is 1 if it is out of date."""
    parser = argparse.ArgumentParser(prog="python -m generor_async.codegen.behaviour", description=f"Write {PATH}.")
    parser.add_argument("--check", action="store_true", help="write nothing; say whether the file is up to date")
    if not parser.parse_args().check:
        PATH.write_text(render(), encoding="utf-8")
        return 0
    if PATH.read_text(encoding="utf-8") == render():
        return 0
    print(f"{PATH} is not up to date: run python -m generor_async.codegen.behaviour", file=sys.stderr)  # noqa: T201 - a command
    return 1


def render() -> str:
    """Return the whole text."""
    sections = map(_section, BEHAVIOURS, BEHAVIOURS.values())
    return "\n".join([HEAD, SWITCHES + _switches(), *sections, REFUSALS + _refusals(), STATUSES + _statuses()])


def _switches() -> str:
    arguments = signature(Simulator).parameters
    rows = [row for rows in BEHAVIOURS.values() for row in rows if row.switch]
    lines = list[str]()
    for name in dict.fromkeys(row.switch for row in rows):
        says = "<br>".join(row.says for row in rows if row.switch == name)
        otherwise = "<br>".join(row.otherwise for row in rows if row.switch == name and row.otherwise)
        lines.append(f"| `{name}` | `{arguments[name].default!r}` | {says} | {otherwise} |\n")
    return "".join(lines)


def _section(title: str, rows: Iterable[Behaviour]) -> str:
    table = ["| what it does | | where it is said | switch | shown by |", "|---|---|---|---|---|", *map(_row, rows)]
    return f"## {title}\n\n" + "\n".join(table) + "\n"


def _row(row: Behaviour) -> str:
    switch = f"`{row.switch}`" if row.switch else f"none: {row.unswitched}" if row.unswitched else ""
    tests = "<br>".join(f"`{test}`" for test in row.tests)
    return f"| {row.says} | **{row.weight}** | {row.where} | {switch} | {tests} |"


def _refusals() -> str:
    lines = [_refusal(api, error) for api in ("luma", "generor") for error in _corpus(api)]
    return "\n".join(lines) + "\n"


def _corpus(api: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((CORPUS / f"{api}.json").read_text(encoding="utf-8"))["errors"]
    return found


def _refusal(api: str, error: dict[str, Any]) -> str:
    section = error["section"]
    where = f"{TITLES[api]} / {section}" if section else "luma-agents 0.5.0 / generation"
    operation = f"`{error['operation']}`" if error["operation"] else ""
    told = " ".join(f"`{error[name]}`" for name in ("code", "failure_code") if error.get(name))
    words = error.get("detail") or error.get("failure_reason") or error.get("message") or ""
    answer = f"{error['status'] or '4xx'} {told}".rstrip()
    return f"| {where} | {operation} | {answer} | {words} | `{_test_of(api, error)}` |"


def _test_of(api: str, error: dict[str, Any]) -> str:
    if error["operation"] == "storage.get":
        return "test_an_expired_url_is_refused_and_then_fetched_anew"
    name = "test_a_job_fails_as_described" if error.get("failure_code") else ANSWERED
    return f"{name}[{api}-{error['name']}]"


def _statuses() -> str:
    return (
        "\n".join(f"| `{name}` | {' '.join(codes)} |" for api in ("luma", "generor") for name, codes in _spec(api))
        + "\n"
    )


def _spec(api: str) -> Iterator[tuple[str, list[str]]]:
    for item in Document.load(SPEC / f"{api}.yaml").root["paths"].values():
        for method in HTTP_METHODS:
            if method in item:
                yield f"{api}.{item[method]['operationId']}", list(item[method]["responses"])


if __name__ == "__main__":
    sys.exit(main())
