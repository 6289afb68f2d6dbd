"""Rebuilds a lost journal from calls.jsonl, results.jsonl and the media beside them."""

import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from generor_async.batch.call_log import CALLS, read_lines
from generor_async.batch.folder import JOURNAL, ResultsFolder, invalid_folder
from generor_async.batch.journal import SIMULATED, RunKey, canonical_json
from generor_async.batch.outcomes import RESULTS
from generor_async.batch.parameters import OPERATIONS
from generor_async.batch.sqlite.new_rows import UNKNOWN_PARAMETERS
from generor_async.batch.sqlite.schema import check_is_current, check_journal, connect, create_tables
from generor_async.batch.sqlite.steps import dump_json
from generor_async.engine.threads import run_to_completion
from generor_async.errors import InvalidRequestError, OutcomeUnknownError
from generor_async.rules.row_states import ROW_STATES, RowState
from generor_async.rules.vendors import GENEROR, LUMA

__all__ = ["Recovered", "recover"]

LOST_PROBLEM: Final = dump_json(
    {
        "message": "the journal was lost, and nothing that is left says what came of its call",
        "error": OutcomeUnknownError.__name__,
    }
)
RECOVERED: Final = "recovered"
"""The model of a row of which only the result is left."""
NOT_IN_RESULT: Final = frozenset({"id", "place", "remote_ids", "credits", "dollars", "columns"})
"""The keys of a line of results.jsonl that are no part of the row's result."""
JOURNAL_SUFFIXES: Final = ("", "-wal", "-shm")
"""The endings of the names of a journal's files."""

UPSERT_INPUT: Final = """
    INSERT INTO inputs VALUES (?, ?, ?, ?)
    ON CONFLICT (number) DO UPDATE SET parameters = excluded.parameters, place = excluded.place
"""
"""Sets the parameters of a row to those of its latest call."""
UPSERT_CALL: Final = """
    INSERT INTO rows (number, state, attempt, call_id, submitted_at, longest, model, estimated, held, problem)
    VALUES (:number, 'unknown', 1, :call_id, :at, :longest, :model, :estimated, :held, :lost)
    ON CONFLICT (number) DO UPDATE SET state = 'unknown', attempt = attempt + 1, call_id = excluded.call_id,
        submitted_at = excluded.submitted_at, longest = excluded.longest, model = excluded.model,
        estimated = excluded.estimated, held = excluded.held, cost = NULL, remote_ids = NULL, problem = excluded.problem
"""
UPDATE_OUTCOME: Final = """
    UPDATE rows SET state = coalesce(:to, state), cost = coalesce(:cost, cost), held = coalesce(:held, held),
        alone = coalesce(:alone, alone), remote_ids = coalesce(:remote_ids, remote_ids), problem = :problem
    WHERE number = :number
"""
UPSERT_DONE: Final = """
    INSERT INTO rows (number, state, attempt, model, estimated, held, cost, alone, remote_ids, result)
    SELECT number, 'done', 1, :model, :credits, :credits, :credits, 1, :remote_ids, :result FROM inputs WHERE id = :id
    ON CONFLICT (number) DO UPDATE SET state = 'done', held = excluded.held, remote_ids = excluded.remote_ids,
        result = excluded.result, problem = NULL
"""


@frozen(kw_only=True)
class Recovered:
    """The contents of a rebuilt journal."""

    counts: Mapping[RowState, int]
    """Rows by state, without those that were never called: they are in the input alone."""
    strays: int
    """Files in media/ that belong to no known row."""
    knows_calls: bool
    """Whether calls.jsonl was there: without it, rows that were under way are missing."""


async def recover(folder: str | os.PathLike[str], *, take_over: bool = False) -> Recovered:
    """Rebuild the journal of a batch; the old one is kept as journal.sqlite.broken.

    Raises:
        InvalidRequestError: The folder is in use, its journal is intact, or nothing is left to rebuild one from.
    """
    return await run_to_completion(lambda: _recover(Path(folder), take_over=take_over))


def _recover(path: Path, *, take_over: bool) -> Recovered:
    if not path.is_dir():
        raise invalid_folder(f"{path} is no folder", "Name the folder that was given to `run`")
    folder = ResultsFolder(path, take_over=take_over)
    try:
        _check_is_lost(path)
        rebuilt = path / f"{JOURNAL}.new"
        rebuilt.unlink(missing_ok=True)
        with closing(connect(rebuilt, mode="rwc")) as connection:
            recovered = _rebuild(connection, path)
        for suffix in JOURNAL_SUFFIXES:
            with suppress(FileNotFoundError):
                (path / f"{JOURNAL}{suffix}").replace(path / f"{JOURNAL}.broken{suffix}")
        rebuilt.replace(path / JOURNAL)
        return recovered
    finally:
        folder.release()


def _check_is_lost(path: Path) -> None:
    """Raise InvalidRequestError for a journal that is intact and has the last call."""
    journal = path / JOURNAL
    try:
        check_journal(path)
        with closing(connect(journal)) as connection:
            check_is_current(connection, path)
            ((found,), *_) = connection.execute("PRAGMA integrity_check").fetchall()
            connection.execute("SELECT value FROM notes WHERE name = 'key'").fetchone()
    except (InvalidRequestError, sqlite3.DatabaseError):
        return
    if found == "ok":
        raise invalid_folder(f"{journal} is whole: there is nothing to rebuild", "Run the batch again to go on")


def _rebuild(connection: sqlite3.Connection, path: Path) -> Recovered:
    calls, head = read_lines(path / CALLS), next(read_lines(path / CALLS), None)
    notes: Mapping[str, Any] = {} if head is None else head.get("notes", {})
    knows_calls = "key" in notes
    with connection:
        connection.execute("BEGIN")
        create_tables(connection, RunKey(**notes["key"]) if knows_calls else _guess_key(path))
        if "fingerprint" not in notes:
            _write_notes(connection, {"fingerprint": 1})
        for line in calls:
            _replay_call(connection, line)
        for line in read_lines(path / RESULTS):
            _replay_result(connection, line)
        strays = _count_strays(connection, path)
        found = dict(connection.execute("SELECT state, count(*) FROM rows GROUP BY state"))
    counts: dict[RowState, int] = {state: found[state] for state in ROW_STATES if state in found}
    return Recovered(counts=counts, strays=strays, knows_calls=knows_calls)


def _replay_call(connection: sqlite3.Connection, line: Mapping[str, Any]) -> None:
    if "call_id" in line:
        given = (line["number"], line["id"], canonical_json(line["parameters"]), line["place"])
        connection.execute(UPSERT_INPUT, given)
        if "columns" in line:
            connection.execute("REPLACE INTO beside VALUES (?, ?)", (line["number"], json.dumps(line["columns"])))
        connection.execute("INSERT INTO earlier SELECT * FROM rows WHERE number = ?", (line["number"],))
        connection.execute(UPSERT_CALL, {**_scalars(line), "lost": LOST_PROBLEM})
    elif "number" in line:
        known = {name: line.get(name) for name in ("number", "to", "cost", "held", "alone")}
        texts = {name: dump_json(line[name]) if name in line else None for name in ("remote_ids", "problem")}
        connection.execute(UPDATE_OUTCOME, {**known, **texts})
    elif "notes" in line:
        _write_notes(connection, line["notes"])


def _write_notes(connection: sqlite3.Connection, notes: Mapping[str, Any]) -> None:
    connection.executemany(
        "REPLACE INTO notes VALUES (?, ?)", [(name, dump_json(value)) for name, value in notes.items()]
    )


def _scalars(line: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name not in {"parameters", "columns"}}


def _replay_result(connection: sqlite3.Connection, line: Mapping[str, Any]) -> None:
    if not {"id", "place", "remote_ids", "credits", "files"} <= line.keys():
        return
    new = "INSERT INTO inputs (id, parameters, place) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    connection.execute(new, (line["id"], UNKNOWN_PARAMETERS, line["place"]))
    given = {
        "id": line["id"],
        "model": RECOVERED,
        "credits": line["credits"],
        "remote_ids": dump_json(line["remote_ids"]),
        "result": dump_json({name: value for name, value in line.items() if name not in NOT_IN_RESULT}),
    }
    connection.execute(UPSERT_DONE, given)


def _guess_key(path: Path) -> RunKey:
    """Return the run that a folder belongs to, guessed by its results."""
    first = next((line for line in read_lines(path / RESULTS) if line.get("remote_ids")), None)
    if first is None:
        raise invalid_folder(
            f"{path} has neither {CALLS} nor results, from which a journal could be rebuilt",
            "Look into the account: only if none of its rows was bought may they be run into an empty folder",
        )
    vendor = GENEROR if str(first["remote_ids"][0]).isdecimal() else LUMA
    simulated = (path / "simulator.jsonl").exists()
    return RunKey(
        operation=OPERATIONS[vendor.name],
        address=SIMULATED if simulated else os.environ.get(vendor.url_variable) or vendor.base_url,
        source=str(first["place"]).rpartition(":")[0],
    )


def _count_strays(connection: sqlite3.Connection, path: Path) -> int:
    """Count the files that belong to no result, and whose names contain no remote id of a known row."""
    connection.execute("CREATE TEMP TABLE known (name TEXT PRIMARY KEY) WITHOUT ROWID")
    for kept in (
        "SELECT value FROM rows, json_each(rows.result, '$.files')",
        "SELECT value FROM rows, json_each(rows.remote_ids)",
    ):
        connection.execute(f"INSERT OR IGNORE INTO known {kept}")
    strays = 0
    for place, _, names in os.walk(path / "media"):
        for name in names:
            stem = name.partition(".")[0]
            may_be = ((Path(place) / name).relative_to(path).as_posix(), stem, stem.rpartition("-")[0])
            known = connection.execute("SELECT 1 FROM known WHERE name IN (?, ?, ?)", may_be).fetchone()
            strays += bool(stem) and known is None
    return strays
