"""Writes steps of many calls in few SQL statements, and brings the calls up to date.

A statement changes many calls at once: after each one the writer's thread must get hold of the interpreter again, which
a busy event loop keeps for milliseconds.
"""

import sqlite3
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

from generor_async.errors import FolderError
from generor_async.rules.row_states import (
    STATE_AFTER,
    RowState,
    RowStep,
    Submit,
)
from generor_async.stores.ledger import LedgerLog
from generor_async.stores.records import Account, AccountKey, CallRecord
from generor_async.stores.sqlite.accounts import change_accounts, reserve, sum_changes
from generor_async.stores.steps import STEP_COLUMNS, UNOWNED, update_call

__all__ = ["StepBatch"]

MAX_CALLS: Final = 256
"""Calls in one statement, at most: SQLite takes 32,766 values."""
PADDING: Final = -1
"""The attempt of values that only fill up a statement."""

_MOVES_MONEY: Final = frozenset({"counted", "result"})
"""A step that changes one of these columns changes what its call counts on its accounts."""


_INSERTED: Final = "SELECT number FROM calls WHERE run = x''"
"""Finds calls that were deleted meanwhile, as a step has inserted them instead of updating them."""
_DELETE_INSERTED: Final = "DELETE FROM calls WHERE run = x''"


class StepBatch:
    """Steps of one type, of calls in one state, that are written together; intents are on the same accounts.

    They are added in the event loop's thread, and written in the writer's.
    """

    def __init__(
        self,
        step_type: type[RowStep],
        columns: int,
        state: RowState,
        owner: int | None,
        accounts: tuple[AccountKey, ...],
        new_owner: int,
        *,
        check: Callable[[], FolderError | None] | None,
        log: LedgerLog | None,
    ) -> None:
        after = STATE_AFTER[step_type]
        self._before = state, owner
        self._after = after, None if after in UNOWNED else new_owner
        self._columns = STEP_COLUMNS[step_type][:columns]
        self._accounts = accounts
        self._is_intent = step_type is Submit
        self._moves_money = not self._is_intent and not _MOVES_MONEY.isdisjoint(self._columns)
        self._steps: list[tuple[CallRecord, RowStep]] = []
        self._values: list[Any] = []
        """The values of all steps, in the order of the columns, each followed by the call's number and attempt."""
        self._check = check
        self._log = log
        self.after_write: Callable[[sqlite3.Connection, Sequence[int]], object] | None = None
        """Called in the transaction with the numbers of the calls whose steps were written."""
        self.problem: FolderError | None = None
        """Why nothing was written, as returned by `check` just before."""
        self.stale: set[int] = set()
        """Positions of steps that were not written, as somebody else has moved their call."""
        self.without_room: dict[int, Account] = {}
        """Positions of intents that were not written, with the account that had no room."""

    def add(self, call: CallRecord, step: RowStep, values: tuple[Any, ...]) -> int:
        """Add a step with the values that it writes; return its position."""
        self._values += values
        self._values += (call.number, call.attempt)
        self._steps.append((call, step))
        return len(self._steps) - 1

    def execute(self, connection: sqlite3.Connection) -> None:
        """Write the steps whose calls nobody else has moved, and whose accounts have room."""
        self.problem = None if self._check is None else self._check()
        if self.problem is not None:
            return
        count = len(self._steps)
        for start in range(0, count, MAX_CALLS):
            end = min(start + MAX_CALLS, count)
            if not self._write(connection, start, end):
                for at in range(start, end):
                    self._write(connection, at, at + 1)
        if self.after_write is not None:
            self.after_write(connection, [call.number for call, _ in self._written()])

    def after_commit(self) -> None:
        """Tell the log of the written steps."""
        if self.problem is None and self._log is not None:
            self._log.append(self._written())

    def finish(self) -> None:
        """Bring the calls up to date; after an interruption it continues where it was."""
        state, owner = self._after
        if self.problem is not None:
            return
        steps, refused = self._steps, self._refused
        while steps:
            call, step = steps.pop()
            if len(steps) not in refused:
                call.state = state
                call.owner = owner
                if self._is_intent:
                    call.accounts = self._accounts
                update_call(call, step)

    @property
    def _refused(self) -> set[int]:
        """Positions of steps that were not written."""
        return self.stale | self.without_room.keys()

    def _written(self) -> Sequence[tuple[CallRecord, RowStep]]:
        if not (refused := self._refused):
            return self._steps
        return [step for at, step in enumerate(self._steps) if at not in refused]

    def _column(self, name: str, start: int, end: int) -> Sequence[Any]:
        """Return the values of a column in the steps from `start` to before `end`."""
        width = len(self._columns) + 2
        return self._values[start * width + self._columns.index(name) : end * width : width]

    def _write(self, connection: sqlite3.Connection, start: int, end: int) -> bool:
        """Write the steps from `start` to before `end`, with their money; if one of them can't be, write none."""
        if not self._accounts:
            return self._apply(connection, start, end)
        connection.execute("SAVEPOINT steps")
        is_written = self._apply(connection, start, end) and self._reserve(connection, start, end)
        if not is_written:
            connection.execute("ROLLBACK TO steps")
        connection.execute("RELEASE steps")
        return is_written

    def _reserve(self, connection: sqlite3.Connection, start: int, end: int) -> bool:
        """Reserve what intents need; tell whether their accounts have room."""
        amounts = self._column("counted", start, end)
        needed = sum(amount for at, amount in enumerate(amounts, start) if at not in self.stale)
        full = reserve(connection, self._accounts, needed)
        if full is not None and end == start + 1:
            self.without_room[start] = full
        return full is None

    def _apply(self, connection: sqlite3.Connection, start: int, end: int) -> bool:
        """Write the steps from `start` to before `end`, and settle their money; return False if none was written.

        A stale step has none of them written. Those of calls that were deleted meanwhile are stale as well, but the
        others stay written.
        """
        count, width = end - start, len(self._columns) + 2
        values = self._values[start * width : end * width]
        numbers = values[width - 2 :: width]
        changes: list[tuple[str, float, float]] = []
        if self._moves_money:
            counts = self._column("counted", start, end) if "counted" in self._columns else [None] * count
            changes = sum_changes(connection, zip(numbers, counts, strict=True))
        size = _statement_size(count)
        values += [*values[: width - 1], PADDING] * (size - count)
        try:
            connection.execute(_statement(self._columns, self._before, self._after, size), values)
        except sqlite3.IntegrityError:
            if count == 1:
                self.stale.add(start)
            return False
        change_accounts(connection, changes)
        if inserted := connection.execute(_INSERTED).fetchall():
            connection.execute(_DELETE_INSERTED)
            self.stale.update(start + numbers.index(number) for (number,) in inserted)
        return True


def _statement_size(count: int) -> int:
    """Return how many calls a statement for `count` of them has: few sizes, so that SQLite prepares few statements."""
    unit = 1 if count <= 2 else 4 if count <= 16 else 16
    return -(-count // unit) * unit


@lru_cache(maxsize=128)  # as many as sqlite3 keeps prepared
def _statement(
    columns: tuple[str, ...], before: tuple[RowState, int | None], after: tuple[RowState, int | None], size: int
) -> str:
    """Return a statement that writes a step of so many calls, as an upsert of calls that exist.

    A stale call gets the state NULL, whose constraint fails the whole statement. One that was deleted is inserted.
    """
    (state, owner), (state_after, owner_after) = before, after
    values = f"({'?, ' * len(columns)}?, ?, '{state}', x'', x'')"  # run and key can't be those of a call
    known = f"attempt = excluded.attempt AND state = excluded.state AND owner IS {_literal(owner)}"
    assignments = "".join(f", {name} = excluded.{name}" for name in columns)
    return f"""
        INSERT INTO calls ({", ".join((*columns, "number", "attempt", "state", "run", "key"))})
        VALUES {", ".join([values] * size)}
        ON CONFLICT (number) DO UPDATE
        SET state = iif({known}, '{state_after}', NULL), owner = {_literal(owner_after)}{assignments}
        WHERE excluded.attempt <> {PADDING}
    """


def _literal(owner: int | None) -> str:
    return "NULL" if owner is None else str(owner)
