"""The tables of a ledger in SQLite, and its version.

A call's narrow part, which changes with each step, is in `calls`; its wide part, which doesn't, in `inputs`. A call
holds its latest attempt. Earlier attempts, which may have been charged, are in `attempts`.
"""

import sqlite3
from typing import Final

__all__ = ["APPLICATION", "ATTEMPTS", "INDEXES", "SCHEMA", "TABLES", "create_tables", "run_statements"]

APPLICATION: Final = 0x676E7230
"""SQLite's application id of a ledger."""
SCHEMA: Final = 3
"""The version of the tables, kept as SQLite's user_version."""
ATTEMPTS: Final = ("calls", "attempts")
"""The tables that hold attempts."""

TABLES: Final = """
CREATE TABLE owners (owner INTEGER PRIMARY KEY AUTOINCREMENT, process TEXT NOT NULL, lease_until REAL NOT NULL);
CREATE TABLE calls (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL,
    key TEXT NOT NULL,
    user TEXT,
    operation TEXT,
    digest INTEGER,
    context TEXT,
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    owner INTEGER,
    request_id TEXT,
    submitted_at REAL,
    longest REAL NOT NULL DEFAULT 0,
    model TEXT,
    estimated REAL NOT NULL DEFAULT 0,
    accounts TEXT,
    counted REAL NOT NULL DEFAULT 0,
    cost REAL,
    cost_source INTEGER NOT NULL DEFAULT 0,
    remote_ids TEXT,
    ended_at REAL,
    result TEXT,
    problem TEXT
);
CREATE TABLE attempts AS SELECT * FROM calls;
CREATE TABLE accounts (
    scope TEXT NOT NULL,
    period TEXT NOT NULL,
    cap REAL,
    reserved REAL NOT NULL DEFAULT 0,
    spent REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (scope, period)
) WITHOUT ROWID;
CREATE TABLE inputs (
    number INTEGER PRIMARY KEY,
    place TEXT NOT NULL,
    parameters TEXT,
    columns TEXT,
    request_key INTEGER
);
CREATE TABLE skipped_inputs (
    run TEXT NOT NULL,
    place TEXT NOT NULL,
    number INTEGER,
    columns TEXT,
    text TEXT,
    reason TEXT,
    UNIQUE (run, place)
);
CREATE TABLE notes (run TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (run, name)) WITHOUT ROWID;
"""
"""The `number` of a deleted call is never given to another one. `counted` is what an attempt counts against its
accounts: its reservation, and later its cost. `accounts` is a JSON array of [scope, period]; NULL if there are none.
Parameters that were deleted are NULL, and have a hash of the request in `digest`, and of its content in `request_key`.
`skipped_inputs` are the lines of an input that are no calls: those that repeat the call `number`, and rejects, which
have the line's `text` and a `reason`. `user`, `operation` and `context` are for calls that are no rows of a batch; a
row's operation is its run's."""
INDEXES: Final = """
CREATE UNIQUE INDEX calls_by_key ON calls (run, key);
CREATE INDEX calls_by_state ON calls (run, state);
CREATE INDEX attempts_by_number ON attempts (number);
"""


def create_tables(connection: sqlite3.Connection) -> None:
    """Create the tables in an empty file, within the caller's transaction."""
    run_statements(connection, TABLES + INDEXES)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {SCHEMA}")


def run_statements(connection: sqlite3.Connection, statements: str) -> None:
    """Run statements within the caller's transaction, which `executescript` would end."""
    for statement in statements.split(";"):
        connection.execute(statement)
