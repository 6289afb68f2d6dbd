"""`generor`, `demo` and `simulate` as processes: exit codes and output."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from inspect import signature
from pathlib import Path
from typing import TypeAlias
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from PIL import Image
from support.commands import Commands, Running

from generor_async.cli.app import SUBCOMMANDS
from generor_async.simulator import Simulator
from generor_async.simulator.fault_kinds import KINDS

COMMAND = [sys.executable, "-W", "error", "-c", "from generor_async.cli import main; main()"]
ENVIRONMENT = {**os.environ, "COLUMNS": "100"}

Run: TypeAlias = "Callable[..., subprocess.CompletedProcess[str]]"
Begin: TypeAlias = Callable[..., Running]


@pytest.fixture
def run(commands: Commands) -> Run:
    return partial(commands.run, env=ENVIRONMENT)


@pytest.fixture
def begin(commands: Commands) -> Begin:
    return partial(commands.begin, env=ENVIRONMENT)


def test_the_demo_makes_every_kind_of_file_and_prints_the_folder(tmp_path: Path) -> None:
    before = os.times()
    ended = subprocess.run(
        [*COMMAND, "demo", "--out", str(tmp_path / "out"), "--seed", "3"],
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
    )
    assert ended.returncode == 0
    assert ended.stderr == ""
    took = os.times()
    assert took.children_user - before.children_user < 30, "of its own, whatever else the machine does"
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert made == {
        "generor-joke.txt",
        "generor-picture.webp",
        "generor-video.mp4",
        "luma-edit.png",
        "luma-picture.png",
        "luma-poster.jpg",
        "luma-video.mp4",
    }
    for name in made:
        assert name in ended.stdout
    for said in ("asked for 3 s, got 5 s", "estimated 1 credit", "content_moderated", "credits", "$0.", str(tmp_path)):
        assert said in ended.stdout.replace("\n", "")
    with Image.open(tmp_path / "out/generor-picture.webp") as picture:
        assert picture.width / picture.height == pytest.approx(16 / 9, abs=0.02)


def test_the_demo_may_be_run_again_into_the_same_folder(run: Run, tmp_path: Path) -> None:
    assert [run("demo", "--out", str(tmp_path)).returncode for _ in range(2)] == [0, 0]


def test_an_unwritable_folder_is_reported_in_one_line_with_advice(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = run("demo", "--out", str(tmp_path / "file/out"))
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert re.fullmatch(r"generor: the folder .* cannot be written to .*--out\.\n", ended.stderr)


def test_an_interrupted_demo_prints_one_line(begin: Begin, tmp_path: Path) -> None:
    process = begin("demo", "--out", str(tmp_path / "out"))
    process.stdout.readline()
    process.interrupt()
    code, _, errors = process.end()
    assert code == 130
    assert errors == f"generor: interrupted; finished files are in {tmp_path / 'out'}\n"


def test_simulate_serves_and_prints_addresses_and_keys(begin: Begin) -> None:
    process = begin("simulate", "--port", "0")
    printed = "".join(process.stdout.readline() for _ in range(6))
    for name in ("GENEROR_BASE_URL", "GENEROR_API_KEY", "LUMA_BASE_URL", "LUMA_AGENTS_API_KEY"):
        assert f"export {name}=" in printed
    (port,) = set(re.findall(r"http://127\.0\.0\.1:(\d+)/", printed))
    with socket.create_connection(("127.0.0.1", int(port)), timeout=5):
        pass
    process.interrupt()
    code, _, errors = process.end()
    assert (code, errors) == (0, "")


def test_simulate_serves_with_the_given_faults(begin: Begin) -> None:
    process = begin("simulate", "--port", "0", "--fault", "luma.files.list=503:1x", "--fault", "luma.*=wrong_json")
    printed = "".join(process.stdout.readline() for _ in range(8))
    (url,) = re.findall(r"curl (http\S+)/__sim__/state", printed)
    with pytest.raises(HTTPError, match="503"):
        urlopen(f"{url}/v1/files")
    with urlopen(f"{url}/v1/files") as reply:
        assert "schema" in json.load(reply)
    with urlopen(f"{url}/__sim__/faults") as reply:
        assert [rule["struck"] for rule in json.load(reply)["faults"]] == [1, 1]
    process.interrupt()
    code, _, errors = process.end()
    assert (code, errors) == (0, "")


def test_simulate_has_an_option_for_every_argument_of_the_simulator(run: Run) -> None:
    named = {option.removeprefix("no-") for option in re.findall(r"--([a-z-]+)", run("simulate", "--help").stdout)}
    assert {name.replace("_", "-") for name in signature(Simulator).parameters} == named - {"fault", "help"}


def test_simulate_serves_what_its_options_say(begin: Begin) -> None:
    options = ("--generor-credits", "5", "--luma-balance", "0.25", "--luma-rpm", "1", "--no-count-errors")
    others = ("--others", "luma=jobs:slots=2", "--others", "generor=bursts:size=30")
    process = begin("simulate", "--port", "0", *options, *others, "--luma-weights", "measured")
    printed = "".join(process.stdout.readline() for _ in range(8))
    (url,) = re.findall(r"curl (http\S+)/__sim__/state", printed)
    (key,) = re.findall(r"LUMA_AGENTS_API_KEY=(\S+)", printed)
    with urlopen(f"{url}/__sim__/state") as reply:
        state = json.load(reply)
    assert (state["generor"]["credits"], state["luma"]["balance"]) == (5, 0.25)
    assert [(other["kind"], other["admitted"]) for other in state["others"]] == [("jobs", 0), ("bursts", 30)]
    for _ in range(2):  # neither counts
        with pytest.raises(HTTPError, match="400"):
            urlopen(Request(f"{url}/v1/generations", b"{}", {"Authorization": f"Bearer {key}"}))
    process.interrupt()
    code, _, errors = process.end()
    assert (code, errors) == (0, "")


def test_the_help_of_simulate_names_every_fault_with_its_details(run: Run) -> None:
    printed = " ".join(run("simulate", "--help").stdout.split())
    for name, kind in KINDS.items():
        assert f"• {name}: {kind.does.partition(' ')[0]}" in printed
        for detail in kind.details:
            assert f"{detail}=" in printed


def test_a_port_in_use_is_reported_in_one_line_with_advice(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run("simulate", "--port", str(port))
    assert ended.returncode == 2
    assert ended.stderr == (
        f"generor: cannot listen on 127.0.0.1:{port} (Address already in use); choose another --port, or 0 for any\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--speed", "0"), "speed must be greater than 0"),
        (("--tier", "gold"), "tier must be one of free, basic, pro, enterprise"),
        (("--port", "99999"), "port must be at least 0 and at most 65535"),
        (("--luma-jobs", "0"), "luma_jobs must be greater than 0"),
        (("--luma-window", "open"), "luma_window must be one of sliding, fixed, not 'open'"),
        (("--control", "somewhere"), "control must be one of loopback, anywhere"),
        (("--luma-weights", "heavy"), "luma_weights must be contract or measured, or MODEL/TYPE=UNITS, not 'heavy'"),
        (("--others", "luma=many"), "other users are steady, bursts, hog, jobs, not 'many'"),
        (("--fault", "reset"), "'reset' is not OPERATION=FAULT, such as luma.generations.create=reset:after_charge:3x"),
        (("--fault", "luma.generation.create=reset"), "no operation is called 'luma.generation.create'; the nearest: "),
        (("--fault", "luma.*=rest"), "no fault is called 'rest'; the nearest: reset, refuse"),
        (("--fault", "luma.*=reset:later"), "'later' says nothing about a fault: "),
        (("--fault", "*=reset", "--fault", "*=drip:peices=3"), "drip takes no detail 'peices'; the nearest: pieces"),
    ],
)
def test_invalid_settings_are_reported_in_one_line(run: Run, arguments: tuple[str, ...], said: str) -> None:
    ended = run("simulate", *arguments)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"generor: {said}")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [("--help",), ("demo", "--help"), ("simulate", "-h")])
def test_every_help_text_is_well_formed(run: Run, arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    assert ended.returncode == 0
    assert "Usage:" in ended.stdout


def test_the_core_imports_nothing_of_the_extras() -> None:
    code = "import sys, generor_async; print([n for n in ('typer', 'rich', 'PIL', 'uvloop') if n in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_without_the_extra_the_command_says_how_to_install_it() -> None:
    code = "import sys; sys.modules['typer'] = None\nfrom generor_async.cli import main; main()"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == (
        "generor: the command needs the package 'typer': install it with pip install 'generor-async[cli]'\n"
    )


def test_subcommands_are_listed_as_they_describe_themselves(run: Run) -> None:
    for name, summary in SUBCOMMANDS.items():
        described = " ".join(run(name, "--help").stdout.split())
        assert f" {summary} " in f"{described} "
        assert "--install-completion" not in described


@pytest.mark.parametrize("arguments", [("--help",), ("nonsense",)])
def test_uncalled_commands_are_not_imported(arguments: tuple[str, ...]) -> None:
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print(*(name for name in sys.modules if name.startswith('generor_async')), sep=','))\n"
        "from generor_async.cli import main; main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, env=ENVIRONMENT
    )
    imported = ended.stdout.splitlines()[-1].split(",")
    assert sorted(imported) == [
        "generor_async",
        "generor_async.cli",
        "generor_async.cli.app",
        "generor_async.cli.std_streams",
    ]
