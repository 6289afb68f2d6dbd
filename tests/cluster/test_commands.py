"""What the commands say of a database that they can't use, and that no password is shown anywhere."""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from support.commands import Commands
from support.fleet_commands import Fleet, wait_for
from support.servers import PostgresServer, postgres_server

ROWS = 2
SECRET = "hush-hush"
EACH = ("status", "worker", "migrate")
"""Commands that need no more than a database."""


def test_a_run_is_chosen_by_its_name_where_there_are_several(fleet: Fleet) -> None:
    assert "has no runs. Begin one with `generor batch submit`" in fleet.refused("status")
    fleet.submit("herons", ROWS)
    assert '"ready": 2' in fleet.run("status", code=3)
    fleet.submit("gulls", ROWS)
    for command in ("status", "resume"):
        assert "has several runs. Choose one with --name: " in fleet.refused(command)
    assert "has no run 'storks'. Choose one with --name: " in fleet.refused("status", "--name", "storks")
    assert "has no run 'her ons;'" in fleet.refused("status", "--name", "her ons;")
    media = f"file://{fleet.folder}/outputs"
    rows = str(fleet.folder / "gulls.jsonl")
    assert "'her ons;' is not a valid name of a run" in fleet.refused(
        "submit", rows, "--name", "her ons;", "--media", media, "--yes"
    )


def test_nothing_is_submitted_without_a_yes(fleet: Fleet) -> None:
    rows = fleet.folder / "rows.jsonl"
    rows.write_text('{"prompt": "a heron"}\n')
    media = f"file://{fleet.folder}/outputs"
    whole = ("submit", str(rows), "--name", "herons", "--media", media, "--max-credits", "100")
    fleet.environment["COLUMNS"] = "200"
    assert "this spends real credits, up to 100 credits ($0.30): confirm with --yes" in fleet.refused(*whole)
    assert '"new": 1' in fleet.run(*whole, "--dry-run")
    assert "has no runs" in fleet.refused("status")


def test_a_database_that_is_not_there_is_named(fleet: Fleet) -> None:
    fleet.environment["GENEROR_DATABASE_URL"] = f"postgresql://ann:{SECRET}@127.0.0.1:1/app"
    for command in EACH:
        told = fleet.refused(command)
        assert "postgresql://ann@127.0.0.1:1/app" in told
        assert "Connection refused" in told
        assert told.count("\n") == 1


def test_a_database_of_a_later_version_is_refused(fleet: Fleet) -> None:
    fleet.run("migrate")
    with psycopg.connect(fleet.environment["GENEROR_DATABASE_URL"]) as connection:
        connection.execute("UPDATE generor.meta SET version = 99, compatible = 99")
    for command in EACH:
        assert "was made by a newer version of this package. Upgrade it" in fleet.refused(command)


def test_a_user_without_rights_is_told_so_without_the_statement(fleet: Fleet) -> None:
    url = fleet.environment["GENEROR_DATABASE_URL"]
    fleet.run("migrate")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE ROLE guest LOGIN")
    try:
        fleet.environment["GENEROR_DATABASE_URL"] = url.replace("postgres@", "guest@")
        told = fleet.refused("status")
        assert "cannot be read (permission denied for schema generor). Give its user the rights" in told
    finally:
        with psycopg.connect(url) as connection:
            connection.execute("DROP ROLE guest")


@contextmanager
def guarded(folder: Path) -> Generator[PostgresServer]:
    """A server that asks for a password."""
    with postgres_server(folder) as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE ann SUPERUSER LOGIN PASSWORD '{SECRET}'".encode())
            row = connection.execute("SHOW hba_file").fetchone()
            assert row is not None
            Path(row[0]).write_text("host all all all scram-sha-256\n")
            connection.execute("SELECT pg_reload_conf()")
        yield server


def test_a_password_comes_from_the_environment_or_a_file_and_is_shown_nowhere(
    commands: Commands, fleet: Fleet, tmp_path: Path
) -> None:
    with guarded(tmp_path) as server:
        place = f"{server.host}:{server.port}"
        fleet.environment["GENEROR_DATABASE_URL"] = f"postgresql://ann:wrong-{SECRET}@{place}/postgres"
        for command in EACH:
            told = fleet.refused(command)
            assert 'password authentication failed for user "ann"' in told
            assert SECRET not in told
        passwords = tmp_path / "pgpass"
        passwords.write_text(f"{server.host}:{server.port}:*:ann:{SECRET}\n")
        passwords.chmod(0o600)
        fleet.environment |= {
            "GENEROR_DATABASE_URL": f"postgresql://ann@{place}/postgres",
            "PGPASSFILE": str(passwords),
        }
        fleet.run("migrate")
        fleet.environment["GENEROR_DATABASE_URL"] = f"postgresql://ann:{SECRET}@{place}/postgres"
        del fleet.environment["PGPASSFILE"]
        worker = fleet.worker()
        fleet.submit("herons", ROWS)
        wait_for(lambda: fleet.states("herons") == {"done": ROWS})
        shown = Path(f"/proc/{worker.pid}/cmdline").read_bytes()
        assert SECRET.encode() not in shown
        server.stop(immediate=True)
        wait_for(lambda: "trying again" in fleet.heard(worker) or "was lost" in fleet.heard(worker))
        server.start()
        code, told = fleet.end(worker)
        assert code == 0, told
        assert SECRET not in told
        with psycopg.connect(fleet.environment["GENEROR_DATABASE_URL"]) as connection:
            for schema in ("generor", "generor_workers"):
                for (table,) in connection.execute(
                    "SELECT table_name FROM information_schema.tables WHERE table_schema = %s", [schema]
                ).fetchall():
                    kept = connection.execute(f"SELECT t::text FROM {schema}.{table} AS t".encode()).fetchall()
                    assert SECRET not in str(kept)
                    assert fleet.environment["LUMA_AGENTS_API_KEY"] not in str(kept)


@pytest.mark.parametrize(
    ("package", "commands"),
    [
        (
            "procrastinate",
            [["worker"], ["migrate"], ["submit", "rows.jsonl", "--name", "herons", "--media", "file:///x"]],
        ),
        ("psycopg", [["status"]]),
    ],
)
def test_a_missing_extra_is_named(package: str, commands: list[list[str]], postgres_url: str) -> None:
    for told in told_without(package, *commands, url=postgres_url):
        assert package in told
        assert "pip install 'generor-async[" in told
        assert told.count("\n") == 1


def test_a_password_on_the_command_line_is_named_before_a_missing_extra() -> None:
    url = f"postgresql://ann:{SECRET}@db/app"
    submit = ["submit", "x", "--name", "herons", "--media", "file:///x", "--out", url]
    for told in told_without("procrastinate", ["worker", url], ["migrate", url], submit, url=""):
        assert "holds a password, which `ps` shows" in " ".join(told.split())
        assert SECRET not in told


WITHOUT = """
import json, sys
package, commands = json.loads(sys.argv[1])
sys.modules[package] = None
from generor_async.cli import main
for arguments in commands:
    sys.argv = ["generor", "batch", *arguments]
    try:
        main()
    except SystemExit as end:
        print(end.code, flush=True)
        print("---", file=sys.stderr, flush=True)
"""
"""Runs commands one after the other where a package is missing; writes how each ends, and a line after its errors."""


def told_without(package: str, *commands: list[str], url: str) -> list[str]:
    """Run commands where a package isn't installed, and return what each says as it refuses that."""
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT, json.dumps([package, commands])],
        env={**os.environ, "GENEROR_DATABASE_URL": url, "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout.split() == ["2"] * len(commands), ended.stderr
    return ended.stderr.split("---\n")[:-1]


def test_who_gives_another_base_url_or_no_row_is_told_which(fleet: Fleet) -> None:
    fleet.submit("herons", ROWS)
    there = fleet.simulator.luma_url
    fleet.environment["LUMA_BASE_URL"] = "http://127.0.0.1:1/v1"
    worker = fleet.worker("--lease", "4")
    wait_for(lambda: "another name is for another run" in fleet.heard(worker))
    assert f"its API is {there}, not http://127.0.0.1:1/v1. To go on with it, set LUMA_BASE_URL" in fleet.heard(worker)
    assert fleet.end(worker)[0] == 0
    assert "there is no row 'x', 'y'. Give the ids that `export` shows" in fleet.refused(
        "retry", "--id", "x", "--id", "y"
    )
