"""A process that upgrades a ledger, forked and killed over and over; the tests run it as a program.

    python killed_upgrade.py FOLDER LEDGER boundaries | moments

It writes how often the ledger was old after a kill, without a backup or with one, and how often it was new.
"""

import json
import random
import shutil
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from support.forks import die, forked
from support.old_ledgers import dump

from generor_async.stores.sqlite import upgrade as module
from generor_async.stores.sqlite.schema import connect
from generor_async.stores.sqlite.tables import SCHEMA

CHUNK = 4
"""Rows that are moved at a time where few are."""
OPERATIONS = 250
"""Operations of SQLite's virtual machine after which a process is killed inside a statement."""
FILE_EVENTS = frozenset({"open", "os.remove", "os.rename"})
MOMENTS = 12


class Upgrade:
    """An upgrade of a ledger, which may be killed and tried again."""

    def __init__(self, folder: Path, template: Path) -> None:
        self.template = template
        self.path = folder / "journal.sqlite"
        self.old = dump(template)
        self.version = int(self.old[1].rpartition(" ")[2].rstrip(";"))
        self.backup = folder / f"journal.sqlite.v{self.version}"
        self.restore()
        self.run()
        self.new = dump(self.path)
        assert f"PRAGMA user_version = {SCHEMA};" in self.new

    def restore(self) -> None:
        """Put the old ledger in a folder of its own."""
        shutil.rmtree(self.path.parent, ignore_errors=True)
        self.path.parent.mkdir()
        shutil.copy(self.template, self.path)

    def run(self, boundary: Callable[[], None] | None = None) -> None:
        """Upgrade the ledger, calling a function at each boundary."""
        if boundary is not None:
            watch(boundary)
        with closing(connect(self.path)) as connection:
            ((version,),) = connection.execute("PRAGMA user_version")
            if version < SCHEMA:
                module.upgrade(connection, self.path, version)
            if boundary is not None:
                boundary()

    def check_killed(self) -> str:
        """Check what a kill has left, and that the next upgrade completes it; return which of the two it was."""
        has_backup = self.backup.exists()
        if has_backup:
            assert dump(self.backup) == self.old
        left = dump(self.path)
        assert left == self.old or (left == self.new and has_backup)
        self.run()
        assert dump(self.path) == self.new
        assert dump(self.backup) == self.old
        assert {file.name for file in self.path.parent.iterdir()} == {self.path.name, self.backup.name}
        return "new" if left == self.new else "backup" if has_backup else "old"


def watch(boundary: Callable[[], None]) -> None:
    """Call a function before each statement, within long ones, and before each other call that changes a file."""

    def on_profile(frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call" and frame.f_code.co_filename == module.__file__:
            if isinstance(connection := called.__self__, sqlite3.Connection):
                connection.set_trace_callback(lambda _: boundary())
                connection.set_progress_handler(boundary, OPERATIONS)
            else:
                boundary()

    sys.addaudithook(lambda event, _: boundary() if event in FILE_EVENTS else None)
    sys.setprofile(on_profile)


def at_boundaries(upgrade: Upgrade) -> Counter[str]:
    """Die at the first boundary, the second, and so on, until none is left."""
    found = Counter[str]()
    for dies_at in range(10_000):
        upgrade.restore()
        passed = 0

        def boundary(dies_at: int = dies_at) -> None:
            nonlocal passed
            passed += 1
            if passed > dies_at:
                die()

        ended = forked(partial(upgrade.run, boundary))
        left = upgrade.check_killed()
        if ended:
            return found
        found[left] += 1
    raise AssertionError("it never ended")


def at_moments(upgrade: Upgrade) -> Counter[str]:
    """Die at random moments."""
    dice, found = random.Random(MOMENTS), Counter[str]()
    upgrade.restore()
    begun = time.perf_counter()
    assert forked(upgrade.run)
    took = time.perf_counter() - begun
    for _ in range(MOMENTS):
        upgrade.restore()
        forked(upgrade.run, dice.uniform(0, took))
        found[upgrade.check_killed()] += 1
    return found


if __name__ == "__main__":
    where, template, what = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    if what == "boundaries":
        pytest.MonkeyPatch().setattr(module, "CHUNK", CHUNK)
    upgrade = Upgrade(where / "work", template)
    sys.stdout.write(json.dumps(at_boundaries(upgrade) if what == "boundaries" else at_moments(upgrade)))
