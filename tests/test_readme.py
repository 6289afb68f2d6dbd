"""Everything that the README shows is run: its code on the simulator, its two commands by continuous integration."""

import ast
import asyncio
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from support.commands import Commands
from support.plugin import MODULE, provide

from generor_async.engine.clock import REAL_CLOCK
from generor_async.simulator import Simulator

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
PYTHON = [code for language, code in BLOCKS if language == "python" and "\ndef test_" not in code.replace("async ", "")]
TESTS = [code for language, code in BLOCKS if language == "python" and code not in PYTHON]
CONSOLE = [code.strip() for language, code in BLOCKS if language == "console"]


def heading(code: str) -> str:
    above = README[: README.index(code)]
    headings: list[str] = re.findall(r"^#+ (.+)$", above, re.MULTILINE)
    return headings[-1]


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Simulator:
    """A simulator whose time flies, and with it that of the README's clients, which know of no other clock.

    For an answer they wait as long as ever, as the machine may be busy.
    """
    monkeypatch.chdir(tmp_path)
    simulator = Simulator(seed=7, speed=30)
    for name in ("monotonic", "time", "sleep"):
        monkeypatch.setattr(REAL_CLOCK, name, getattr(simulator.clock, name))
    return simulator


@pytest.mark.parametrize("code", PYTHON, ids=heading)
def test_each_python_block_runs(
    code: str, simulated: Simulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with simulated:
        for variable, value in {
            "GENEROR_API_KEY": simulated.generor_key,
            "GENEROR_BASE_URL": simulated.generor_url,
            "LUMA_AGENTS_API_KEY": simulated.luma_key,
            "LUMA_BASE_URL": simulated.luma_url,
        }.items():
            monkeypatch.setenv(variable, value)
        namespace: dict[str, Any] = {"__name__": "readme"}
        exec(compile(code, "README.md", "exec"), namespace)
        if "main" in namespace and not calls_run(code):
            asyncio.run(namespace["main"]())
    assert not simulated.ledger.duplicates()
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("code", TESTS, ids=["fixtures", "virtual time"])
def test_each_block_of_tests_passes(code: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", provide(pytester.path))
    pytester.makepyfile(code)
    plugins = ("-p", MODULE, "-p", "no:asyncio", "-p", "no:cacheprovider")
    result = pytester.runpytest_subprocess("-W", "error", "--strict-markers", *plugins)
    result.assert_outcomes(passed=code.count("def test_"))


@pytest.mark.parametrize("code", [code for code in CONSOLE if code.startswith("generor ")], ids=heading)
def test_each_command_runs(code: str, commands: Commands, tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "a heron"}\n{"prompt": "two herons"}\n')
    for line in code.splitlines():
        arguments = shlex.split(line, comments=True)[1:]
        ended = commands.run(*arguments, cwd=tmp_path)
        assert ended.returncode == 0, f"{line}\n{ended.stderr}"


def calls_run(code: str) -> bool:
    return any(
        isinstance(node, ast.Expr) and ast.unparse(node) == "asyncio.run(main())" for node in ast.parse(code).body
    )


def test_continuous_integration_runs_exactly_the_readmes_test_command() -> None:
    (command,) = [code for code in CONSOLE if code.endswith("nox")]
    assert command in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()


def test_the_two_commands_are_single_lines_that_make_their_own_environment() -> None:
    demo, tests = [code for code in CONSOLE if code.startswith("python3 -m venv")]
    assert demo.endswith("generor demo")
    assert tests.endswith("nox")
    assert all("\n" not in command for command in (demo, tests))
