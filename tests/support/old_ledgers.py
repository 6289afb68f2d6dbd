"""Ledgers that versions 1 and 2 of the tables have: journals of batches, as the package wrote them then.

`v1.sql` and `v2.sql` have rows in every state; beside them is what that package's reader answered. `folder` has what a
simulated run had left when it was killed, and what `status` and `export` printed then.
"""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

__all__ = ["OLD", "dump", "make_folder", "make_ledger", "recorded"]

OLD: Final = Path(__file__).parents[1] / "stores" / "old_ledgers"


def make_ledger(path: Path, script: Path) -> Path:
    """Make a ledger by a script of SQL; return its path."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(script.read_text("utf-8"))
    return path


def make_folder(folder: Path) -> Path:
    """Make the results folder of the run that was killed; return the path of its input."""
    shutil.copytree(OLD / "folder", folder)
    make_ledger(folder / "journal.sqlite", folder / "journal.sql")
    (folder / "journal.sql").unlink()
    return (folder / "rows.jsonl").rename(folder.with_name("rows.jsonl"))


def recorded(version: int) -> dict[str, Any]:
    """Return what the reader answered then, under today's names."""
    answers: dict[str, Any] = json.loads((OLD / f"v{version}.json").read_text("utf-8"))
    return answers


def dump(path: Path) -> list[str]:
    """Return everything that a ledger holds as SQL; fail if its file is damaged."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        pragmas = [
            f"PRAGMA {name} = {connection.execute(f'PRAGMA {name}').fetchone()[0]};"
            for name in ("application_id", "user_version")
        ]
        return [*pragmas, *connection.iterdump()]
