"""Ledgers of earlier versions: they are read as they are, and upgraded once, with a backup, by processes that die."""

import json
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from attrs import asdict
from support.commands import Commands
from support.old_ledgers import OLD, dump, make_folder, make_ledger, recorded
from support.small_disk import full, make_read_only, run_on_small_disk

import generor_async
from generor_async.errors import JournalError
from generor_async.rules.row_states import ROW_STATES
from generor_async.stores import sqlite
from generor_async.stores.ledger import LedgerReader, UnusableLedgerError
from generor_async.stores.records import Account
from generor_async.stores.sqlite import upgrade as module
from generor_async.stores.sqlite.schema import connect, open_to_read, open_to_write
from generor_async.stores.sqlite.tables import SCHEMA

VERSIONS = (1, 2)
HERE = Path(__file__).parent
KEY = ("run:", "")


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> int:
    found: int = request.param
    return found


@pytest.fixture
def path(tmp_path: Path, version: int) -> Path:
    """An old ledger's path."""
    return make_ledger(tmp_path / "journal.sqlite", OLD / f"v{version}.sql")


def opened(path: Path) -> None:
    """Open a ledger for writing as the next run does, and close it."""
    connection, _ = open_to_write(path, now=0.0)
    connection.close()


def upgraded(path: Path, version: int) -> list[str]:
    """Upgrade a ledger; return what it holds then."""
    with closing(connect(path)) as connection:
        module.upgrade(connection, path, version)
    return dump(path)


async def collect(values: AsyncIterator[Any]) -> list[dict[str, Any]]:
    return [asdict(value) async for value in values]


async def answers(reader: LedgerReader) -> dict[str, Any]:
    """Ask a reader everything that the reader of those versions was asked."""
    found: dict[str, Any] = {
        "counts": await reader.counts(),
        "rows": await collect(reader.scan()),
        "by_state": {state: [row["id"] for row in await collect(reader.scan(state))] for state in ROW_STATES},
        "stored": await collect(reader.stored_files()),
        "find": {
            id_: (call.state, call.parameters) for id_, call in (await reader.find(["row-1", "row-14", "nope"])).items()
        },
        "parameter_names": await reader.parameter_names(),
        "failures": [asdict(failure) for failure in await reader.failures()],
        "last_activity": [await reader.last_activity(before) for before in (None, 2005.0)],
        "last_done": await reader.last_done(2),
        "answered": await reader.count_answered(10),
        "rejects": await collect(reader.rejects()),
        "duplicates": await collect(reader.duplicates()),
        "column_names": await reader.column_names(),
        "charges": sorted((asdict(charge) for charge in await reader.charges()), key=str),
        "unresolved_credits": await reader.unresolved_credits(),
        "unlisted": [asdict(call) for call in await reader.unlisted_calls(10)],
        "refundable": await reader.refundable(["moderated"]),
        "notes": {
            name: await reader.read_note(name) for name in ("balance", "started_at", "key", "fingerprint", "nope")
        },
    }
    for name in ("digest", "request_key", "operation", "user", "context"):
        assert not [row for row in found["rows"] if row.pop(name) is not None]
    accounts = {row["id"]: row.pop("accounts") for row in found["rows"]}
    submitted = {row["id"] for row in found["rows"] if row["request_id"] is not None}
    assert {id_ for id_, keys in accounts.items() if keys == (KEY,)} == submitted
    as_recorded: dict[str, Any] = json.loads(json.dumps(found))
    return as_recorded


async def check_reader(path: Path, version: int) -> None:
    """Check that a reader answers as the reader of that version did, and that the account is what its calls count."""
    reader = await sqlite.open_reader(path)
    assert reader is not None
    found = await answers(reader)
    assert found == recorded(version)
    account = await reader.account(KEY)
    (row,) = await reader.get([1])
    await reader.close()
    assert (row.id, row.state) == ("row-1", "done")
    assert isinstance(account, Account)
    assert account.cap is None
    unknown = {call["number"] for call in found["rows"] if call["cost"] is None and call["state"] != "done"}
    earlier = sum(call["unresolved_before"] for call in found["rows"])
    assert account.reserved == earlier + sum(call["counted"] for call in found["rows"] if call["number"] in unknown)
    total = sum(call["counted"] + call["charged_before"] for call in found["rows"])
    assert account.reserved + account.spent == total > account.reserved > 0


# --- reading ----------------------------------------------------------------------------------------------------------


async def test_an_old_ledger_is_read_without_being_changed(path: Path, version: int) -> None:
    before = dump(path)
    await check_reader(path, version)
    assert dump(path) == before
    assert list(path.parent.iterdir()) == [path]


async def read_only(disk: Path) -> None:
    paths = [make_ledger(disk / f"v{version}.sqlite", OLD / f"v{version}.sql") for version in VERSIONS]
    make_read_only(disk)
    for version, path in zip(VERSIONS, paths, strict=True):
        await check_reader(path, version)


def test_an_old_ledger_is_read_in_a_read_only_folder() -> None:
    run_on_small_disk(read_only, kilobytes=1_000)


async def test_a_reader_is_told_of_an_upgrade_by_another_process(path: Path) -> None:
    reader = await sqlite.open_reader(path)
    assert reader is not None
    opened(path)
    with pytest.raises(JournalError, match="another process upgrades it to the format of this version") as caught:
        await reader.counts()
    assert caught.value.advice == "Run it again"
    await reader.close()


# --- the upgrade ------------------------------------------------------------------------------------------------------


async def test_an_upgraded_ledger_answers_as_the_old_one_did(path: Path, version: int) -> None:
    opened(path)
    await check_reader(path, version)


@pytest.mark.parametrize("chunk", [1, 3, 1_000])
def test_an_upgraded_ledger_has_the_tables_of_a_new_one(
    path: Path, version: int, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", chunk)
    opened(path)
    opened(path.with_name("new.sqlite"))
    schema = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"
    found = list[Any]()
    for file in (path, path.with_name("new.sqlite")):
        with closing(sqlite3.connect(file)) as connection:
            pragmas = [connection.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")]
            found.append((pragmas, connection.execute(schema).fetchall()))
    assert found[0] == found[1]
    assert found[0][0][1] == (SCHEMA,)
    with closing(sqlite3.connect(path)) as connection:
        moved = connection.execute("SELECT count(*) FROM calls JOIN inputs USING (number)").fetchone()
        assert moved == (len(recorded(version)["rows"]),)


def test_a_ledger_without_rows_is_upgraded(tmp_path: Path) -> None:
    path = make_ledger(tmp_path / "journal.sqlite", OLD / "v2.sql")
    with closing(sqlite3.connect(path)) as connection:
        for table in module.OLD_TABLES:
            connection.execute(f"DELETE FROM {table}")
        connection.commit()
    opened(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM calls").fetchone() == (0,)
        assert connection.execute("SELECT reserved, spent FROM accounts").fetchall() == [(0.0, 0.0)]


def test_neither_the_file_nor_its_log_stays_larger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LOG_BYTES", 1 << 16)
    path = make_ledger(tmp_path / "journal.sqlite", OLD / "v2.sql")
    add_rows(path, 30_000)
    before = path.stat().st_size
    connection, _ = open_to_write(path, now=0.0)
    with closing(connection):
        assert path.stat().st_size < 1.1 * before
        assert path.with_name("journal.sqlite-wal").stat().st_size <= 1 << 16


def test_what_is_only_in_the_log_of_a_killed_process_is_upgraded_as_well(tmp_path: Path) -> None:
    path = make_ledger(tmp_path / "journal.sqlite", OLD / "v2.sql")
    left = tmp_path / "left"
    left.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE rows SET state = 'failed' WHERE state = 'done'")
        connection.commit()
        for file in tmp_path.glob("journal.sqlite*"):
            shutil.copy(file, left)
    before = dump(path)
    opened(left / path.name)
    assert dump(left / "journal.sqlite.v2") == before
    with closing(sqlite3.connect(left / path.name)) as connection:
        assert connection.execute("SELECT count(*) FROM calls WHERE state = 'failed'").fetchone() == (5,)


def test_users_are_told_of_an_upgrade_that_takes_long(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "LARGE", 0)
    with caplog.at_level(logging.WARNING, "generor_async"):
        opened(path)
        opened(path)
    (message,) = caplog.messages
    assert message == f"{path} is upgraded to the format of this version, once, after a copy is made: please wait"


def test_a_ledger_that_somebody_else_has_upgraded_meanwhile_is_left_alone(path: Path, version: int) -> None:
    new = upgraded(path, version)
    assert upgraded(path, version) == new


@pytest.mark.parametrize("open_", [open_to_read, opened])
def test_a_newer_ledger_is_refused(path: Path, open_: Callable[[Path], object]) -> None:
    opened(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    before = path.read_bytes()
    with pytest.raises(UnusableLedgerError, match="was made by a newer version of this package") as caught:
        open_(path)
    assert caught.value.advice == "Upgrade it: another folder buys every row again"
    assert path.read_bytes() == before


def add_rows(path: Path, rows: int) -> None:
    """Add so many rows to a ledger of version 2 whose ids are in no order."""
    with closing(sqlite3.connect(path)) as connection:
        for number in range(100, rows + 100):
            given = (
                number,
                f"{number * 7919 % 1_000_003:x}",
                json.dumps({"prompt": "a heron " * 30}),
                f"rows:{number}",
            )
            connection.execute("INSERT INTO inputs VALUES (?, ?, ?, ?)", given)
        connection.execute(
            "INSERT INTO rows (number, state, attempt) SELECT number, 'ready', 0 FROM inputs WHERE number >= 100"
        )
        connection.commit()


# --- the backup -------------------------------------------------------------------------------------------------------


def test_a_backup_is_made_once(path: Path, version: int) -> None:
    before = dump(path)
    path.chmod(0o600)
    opened(path)
    backup = path.with_name(f"journal.sqlite.v{version}")
    assert {file.name for file in path.parent.iterdir()} == {path.name, backup.name}
    assert dump(backup) == before
    assert backup.stat().st_mode & 0o777 == 0o600
    written = backup.stat().st_mtime_ns
    opened(path)
    assert {file.name for file in path.parent.iterdir()} == {path.name, backup.name}
    assert backup.stat().st_mtime_ns == written


def test_the_backup_of_an_interrupted_upgrade_is_used(path: Path, version: int) -> None:
    old = path.read_bytes()
    opened(path)
    path.write_bytes(old)
    opened(path)
    assert {file.name for file in path.parent.iterdir()} == {path.name, f"journal.sqlite.v{version}"}


@pytest.mark.parametrize("there", ["another file", "an older backup"])
def test_a_file_where_the_backup_should_be_is_kept(path: Path, version: int, there: str) -> None:
    first, second = (path.with_name(f"journal.sqlite.v{version}{suffix}") for suffix in ("", "-2"))
    if there == "another file":
        first.write_bytes(b"mine")
    else:
        shutil.copy(path, first)
        with closing(sqlite3.connect(path)) as connection:  # as the earlier version does when it goes on
            connection.execute("INSERT INTO owners (pid) VALUES (7)")
            connection.commit()
    kept, before = first.read_bytes(), dump(path)
    opened(path)
    assert first.read_bytes() == kept
    assert dump(second) == before


def test_without_a_backup_nothing_is_upgraded(path: Path, version: int) -> None:
    before, partial = dump(path), path.with_name(f"journal.sqlite.v{version}.new")
    partial.mkdir()
    with pytest.raises(UnusableLedgerError) as caught:
        opened(path)
    backup = path.with_name(f"journal.sqlite.v{version}")
    sentence = f"{path} is of an earlier version of this package, and {backup} cannot be written (Is a directory)"
    assert (caught.value.problem, caught.value.is_disk_error) == (sentence, False)
    assert dump(path) == before
    partial.rmdir()
    opened(path)
    assert dump(backup) == before


# --- interrupted ------------------------------------------------------------------------------------------------------


def killed(path: Path, what: str) -> Mapping[str, int]:
    """Kill the upgrade of a ledger over and over; return how often it was old, with a backup or without, or new."""
    found = subprocess.run(
        [sys.executable, HERE / "killed_upgrade.py", path.parent, path, what],
        env={**os.environ, "PYTHONPATH": f"{Path(generor_async.__file__).parents[1]}:{HERE.parent}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return Counter(json.loads(found.stdout))


def test_killed_at_every_boundary_a_ledger_is_old_or_new_and_the_next_run_completes_it(path: Path) -> None:
    found = killed(path, "boundaries")
    assert found["old"] >= 5
    assert found["backup"] >= 70
    assert found["new"] >= 1


def test_killed_at_random_moments_a_ledger_is_old_or_new_and_the_next_run_completes_it(tmp_path: Path) -> None:
    path = make_ledger(tmp_path / "journal.sqlite", OLD / "v2.sql")
    add_rows(path, 3_000)
    assert sum(killed(path, "moments").values()) == 12


def try_to_open(path: Path) -> UnusableLedgerError | None:
    """Open a ledger; return the error if that fails."""
    try:
        opened(path)
    except UnusableLedgerError as error:
        return error
    return None


def small(disk: Path) -> None:
    """Upgrade a ledger with ever more space."""
    path = make_ledger(disk / "journal.sqlite", OLD / "v2.sql")
    add_rows(path, 300)
    backup, before, failures = path.with_name("journal.sqlite.v2"), dump(path), Counter[str]()
    for spare in range(0, 400, 5):
        with full(disk, spare=spare):
            if (error := try_to_open(path)) is None:
                break
        assert error.is_disk_error, error
        assert error.advice is not None
        assert error.advice.startswith("Free some space")
        failures["with a backup" if backup.exists() else "without"] += 1
        assert dump(path) == before
        assert not path.with_name("journal.sqlite.v2.new").exists()
    assert min(failures["with a backup"], failures["without"]) > 2
    assert dump(backup) == before
    opened(path)
    assert f"PRAGMA user_version = {SCHEMA};" in dump(path)


def test_on_a_full_disk_a_ledger_stays_as_it_is_until_there_is_space() -> None:
    run_on_small_disk(small, kilobytes=3_000)


def test_a_ledger_that_another_program_has_locked_is_upgraded_later(path: Path, version: int) -> None:
    before = dump(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with (
            closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            module.upgrade(connection, path, version)
    assert dump(path) == before
    assert list(path.parent.iterdir()) == [path]
    upgraded(path, version)


# --- a whole run ------------------------------------------------------------------------------------------------------


def charges(folder: Path) -> Counter[str]:
    """Count the generations that the simulator has accepted, by prompt."""
    lines = map(json.loads, (folder / "simulator.jsonl").read_text().splitlines())
    return Counter(
        json.loads(line["text"])["prompt"]
        for line in lines
        if (line.get("method"), line.get("url"), line.get("status")) == ("POST", "/v1/generations", 201)
    )


@pytest.mark.parametrize("has_calls", [True, False], ids=["with calls.jsonl", "without"])
def test_a_run_that_an_earlier_version_began_continues_and_buys_nothing_again(
    commands: Commands, tmp_path: Path, has_calls: bool
) -> None:
    out, exported = tmp_path / "out", tmp_path / "export.jsonl"
    rows, journal = make_folder(out), out / "journal.sqlite"
    begun, before = charges(out), dump(journal)
    assert sum(begun.values()) > 20
    assert json.loads(commands.run("batch", "status", str(out)).stdout) == json.loads((out / "status.json").read_text())
    commands.run("batch", "export", str(out), "--to", str(exported))
    assert exported.read_text() == (out / "export.jsonl").read_text()
    assert dump(journal) == before
    if not has_calls:
        (out / "calls.jsonl").unlink()

    run = "batch", "run", str(rows), "--out", str(out), "--simulate", "--keep", "sku"
    ended = commands.run(*run)
    assert (ended.returncode, json.loads(ended.stdout)["rows"]) == (3, {"done": 43, "failed": 2, "unknown": 1})
    bought = charges(out)
    assert bought == {prompt: 2 if prompt == "[[moderate]] 1" else 1 for prompt in bought}, "that one was tried again"
    assert len(bought) == 46
    assert dump(out / "journal.sqlite.v2") == before
    again = commands.run(*run)
    assert (again.returncode, charges(out)) == (3, bought)
    assert (
        sum("call_id" in line or "request_id" in line for line in (out / "calls.jsonl").read_text().splitlines()) >= 46
    )

    shutil.copy(out / "journal.sqlite.v2", journal)  # which lacks what was bought since
    refused = commands.run(*run)
    assert (refused.returncode, charges(out)) == (2, bought)
    assert "is older than calls.jsonl beside it" in refused.stderr
