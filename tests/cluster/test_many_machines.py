"""The page `generor_async/docs/many-machines.md`: every command that it shows is run, in its order."""

import json
import re
import shlex

import pytest
from support.commands import Commands
from support.fleet_commands import Fleet
from support.moto import Moto
from support.pages import blocks, page

PAGE = "many-machines.md"
COMMANDS = [shlex.split(block) for block in blocks(PAGE, "console")]
SECRET = "hush-hush"
ROWS = 20


@pytest.fixture
def outfitted(fleet: Fleet, moto: Moto) -> Fleet:
    """The fleet with the bucket of the page."""
    moto.create_bucket("bucket")
    fleet.environment |= moto.environment(SECRET)
    return fleet


def test_the_way_from_one_machine_to_three_has_ten_commands() -> None:
    generor = [command for command in COMMANDS if command[0] == "generor"]
    assert len(generor) == 10
    assert sum(command[2] == "worker" for command in generor) == 3
    (installed,) = (command for command in COMMANDS if command not in generor)
    assert installed == ["pip", "install", "generor-async[cluster]"]


def test_its_variables_are_those_of_the_commands(fleet: Fleet) -> None:
    exported = re.findall(r"^export (\w+)=", page(PAGE), re.MULTILINE)
    assert len(exported) == 3
    assert set(exported) <= fleet.environment.keys()


def test_every_command_of_the_page_runs_in_its_order(outfitted: Fleet, moto: Moto) -> None:
    fleet = outfitted
    prompts = (f"{json.dumps({'prompt': f'heron {number}'})}\n" for number in range(ROWS))
    (fleet.folder / "prompts.jsonl").write_text("".join(prompts))
    for program, *arguments in COMMANDS:
        if program == "generor" and arguments[1] == "worker":
            fleet.worker(*arguments[2:])
        elif program == "generor":
            fleet.run(*arguments[1:])
    assert fleet.check("herons") == {"done": ROWS}
    assert len(moto.keys("bucket")) == ROWS
    assert (fleet.folder / "herons.html").read_text().count("X-Amz-Signature") >= ROWS
    assert len((fleet.folder / "herons.csv").read_text().splitlines()) == ROWS + 1
    for worker in list(fleet.workers):
        code, told = fleet.end(worker)
        assert code == 0, told


@pytest.mark.parametrize("row", re.findall(r"^\|.*\|.*`generor.*\|$", page(PAGE), re.MULTILINE))
def test_the_commands_of_its_table_are_ones(commands: Commands, row: str) -> None:
    shown = re.findall(r"`(generor [^`]*)`", row)
    for command in shown:
        name, *options = shlex.split(command)[2:]
        ended = commands.run("batch", name, "--help", env={"COLUMNS": "300"})
        assert ended.returncode == 0
        assert all(option in ended.stdout for option in options if option.startswith("--"))
