"""Where a batch is, as the command line and the environment say: a folder, or a run in a database."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import evolve
from support.commands import Commands

from generor_async.cli.batch_places import Place, find_place
from generor_async.values import Masked

if TYPE_CHECKING:
    import subprocess

URL = "postgresql://ann@db.internal/app"
SECRET = "postgresql://ann:hush@db.internal/app"
WITH_PLACE = ("status", "retry", "adopt", "fetch", "report", "export")
WITH_DATABASE = ("resume", "stop")
NEEDED = {"retry": ("--failed",), "adopt": ("--job", "row=job")}


def run(
    commands: Commands, *arguments: str, cwd: Path | None = None, **environment: str
) -> "subprocess.CompletedProcess[str]":
    env = {name: value for name, value in os.environ.items() if not name.startswith("GENEROR_")}
    return commands.run("batch", *arguments, env=env | {"COLUMNS": "400"} | environment, cwd=cwd)


def said(ended: "subprocess.CompletedProcess[str]") -> str:
    assert ended.returncode == 2
    assert not ended.stdout
    return re.sub(r"[\s│]+", " ", ended.stderr)


@pytest.mark.parametrize("command", [*WITH_PLACE, *WITH_DATABASE])
@pytest.mark.parametrize(
    "url", [SECRET, "postgres://db/app?password=hush", "redis://:hush@cache", "host=db password=hush"]
)
def test_a_password_on_the_command_line_is_refused_with_the_alternatives(
    commands: Commands, command: str, url: str
) -> None:
    words = said(run(commands, command, url, *NEEDED.get(command, ())))
    assert "holds a password, which `ps` shows to everybody" in words
    assert "GENEROR_DATABASE_URL" in words
    assert "~/.pgpass" in words
    assert "hush" not in words


def test_a_batch_is_not_run_into_a_database(commands: Commands, tmp_path: Path) -> None:
    assert "`generor batch submit`" in said(run(commands, "run", "x.jsonl", "--out", URL, "--simulate", cwd=tmp_path))
    words = said(run(commands, "run", "x.jsonl", "--out", SECRET, "--simulate", cwd=tmp_path))
    assert "holds a password" in words
    assert "hush" not in words
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [*WITH_PLACE, *WITH_DATABASE])
def test_without_any_place_both_are_named(commands: Commands, command: str) -> None:
    words = said(run(commands, command, *NEEDED.get(command, ())))
    assert "the URL of the database, postgresql://user@host/name, or set GENEROR_DATABASE_URL" in words
    assert ("the folder" in words) is (command in WITH_PLACE)


def test_what_is_no_place_is_refused(commands: Commands) -> None:
    for place in ("mysql://db/app", "postgresql:/db/app"):
        assert "neither a folder nor the URL" in said(run(commands, "status", place))
    assert "GENEROR_DATABASE_URL is no URL of a PostgreSQL" in said(
        run(commands, "status", GENEROR_DATABASE_URL="mysql://ann:hush@db/app")
    )
    assert "a folder has one run alone" in said(run(commands, "status", "results", "--name", "herons"))


def test_a_place_is_shown_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENEROR_DATABASE_URL", SECRET)
    place = find_place(None, None)
    assert place == Place(Masked(SECRET), None, is_given=False)
    assert str(place) == URL
    assert "hush" not in repr(place)
    named = evolve(place, name="herons")
    assert str(named) == f"herons in {URL}"
    assert named.command("retry", "--failed") == "generor batch retry --name herons --failed"
    assert find_place(URL, "a b").command("fetch") == f"generor batch fetch {URL} --name 'a b'"
    assert find_place("her ons", None).command("fetch") == "generor batch fetch 'her ons'"
