"""Writes steps of many rows in few SQL statements, and brings the rows up to date.

A statement changes many rows at once: after each one the writer's thread must get hold of the interpreter again, which
a busy event loop keeps for milliseconds.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from generor_async.batch.call_log import CallLog
from generor_async.batch.journal import COST_SOURCES, Row
from generor_async.errors import JournalError
from generor_async.rules.row_states import (
    END_STATES,
    STATE_AFTER,
    Accept,
    Defer,
    Download,
    Fail,
    Finish,
    MarkUnknown,
    Release,
    RowState,
    RowStep,
    Submit,
)
from generor_async.values import JSON

__all__ = ["StepBatch", "dump_json", "step_values"]

SIZE_STEP: Final = 16
"""Statements change 1, 2, 4 or 8 rows, or a multiple of this, so that SQLite prepares only few of them."""
MAX_ROWS: Final = 256
"""Rows in one statement, at most: SQLite takes 32,766 values."""
PADDING: Final = -1
"""The attempt of values that only fill up a statement."""

_UNOWNED: Final = frozenset({*END_STATES, "ready"})
"""States in which a row has no owner."""
_COLUMNS: Final[Mapping[type[RowStep], tuple[str, ...]]] = {
    Submit: ("call_id", "submitted_at", "longest", "model", "estimated", "held"),
    Defer: ("held",),
    Accept: ("alone", "remote_ids", "cost", "held"),
    Download: (),
    Finish: ("ended_at", "result"),
    Fail: ("ended_at", "problem", "cost", "held"),
    MarkUnknown: ("ended_at", "problem"),
    Release: ("ended_at", "problem", "cost", "held"),
}
"""The columns that each step changes beside state and owner; without the last two if the step has no cost."""


class StepBatch:
    """Steps of one type, of rows in one state, that are written together.

    They are added in the event loop's thread, and written in the writer's.
    """

    def __init__(
        self,
        step_type: type[RowStep],
        columns: int,
        state: RowState,
        owner: int | None,
        new_owner: int,
        *,
        check: Callable[[], JournalError | None] | None,
        log: CallLog,
    ) -> None:
        after = STATE_AFTER[step_type]
        self._before = state, owner
        self._after = after, None if after in _UNOWNED else new_owner
        self._columns = _COLUMNS[step_type][:columns]
        self._steps: list[tuple[Row, RowStep]] = []
        self._values: list[Any] = []
        """The values of all steps, in the order of the columns, each followed by the row's number and attempt."""
        self._check = check
        self._log = log
        self.problem: JournalError | None = None
        """Why nothing was written, as returned by `check` just before."""
        self.stale: set[int] = set()
        """Positions of steps that were not written, as somebody else has moved their row."""

    def add(self, row: Row, step: RowStep, values: tuple[Any, ...]) -> int:
        """Add a step with the values that it writes; return its position."""
        self._values += values
        self._values += (row.number, row.attempt)
        self._steps.append((row, step))
        return len(self._steps) - 1

    def execute(self, connection: sqlite3.Connection) -> None:
        """Write the steps whose rows nobody else has moved."""
        self.problem = None if self._check is None else self._check()
        if self.problem is not None:
            return
        count = len(self._steps)
        for start in range(0, count, MAX_ROWS):
            end = min(start + MAX_ROWS, count)
            if not self._apply(connection, start, end):
                self.stale.update(at for at in range(start, end) if not self._apply(connection, at, at + 1))

    def after_commit(self) -> None:
        """Append the written steps to calls.jsonl."""
        if self.problem is None:
            self._log.append(taken for at, taken in enumerate(self._steps) if at not in self.stale)

    def finish(self) -> None:
        """Bring the rows up to date; after an interruption it continues where it was."""
        state, owner = self._after
        if self.problem is not None:
            return
        steps, refused = self._steps, self.stale
        while steps:
            row, step = steps.pop()
            if len(steps) not in refused:
                row.state = state
                row.owner = owner
                _update_row(row, step)

    def _apply(self, connection: sqlite3.Connection, start: int, end: int) -> bool:
        """Write the steps from `start` to before `end`; write none if one of their rows is stale."""
        count = end - start
        size = 1 << (count - 1).bit_length() if count < SIZE_STEP else -(-count // SIZE_STEP) * SIZE_STEP
        width = len(self._columns) + 2
        values = self._values[start * width : end * width]
        values += [*values[: width - 1], PADDING] * (size - count)
        try:
            connection.execute(_statement(self._columns, self._before, self._after, size), values)
        except sqlite3.IntegrityError:
            return False
        return True


@lru_cache(maxsize=128)  # as many as sqlite3 keeps prepared
def _statement(
    columns: tuple[str, ...], before: tuple[RowState, int | None], after: tuple[RowState, int | None], size: int
) -> str:
    """Return a statement that writes a step of so many rows, as an upsert of rows that exist.

    A stale row gets the state NULL, whose constraint fails the whole statement.
    """
    (state, owner), (state_after, owner_after) = before, after
    values = f"({'?, ' * len(columns)}?, ?, '{state}')"
    known = f"attempt = excluded.attempt AND state = excluded.state AND owner IS {_literal(owner)}"
    assignments = "".join(f", {name} = excluded.{name}" for name in columns)
    return f"""
        INSERT INTO rows ({", ".join((*columns, "number", "attempt", "state"))})
        VALUES {", ".join([values] * size)}
        ON CONFLICT (number) DO UPDATE
        SET state = iif({known}, '{state_after}', NULL), owner = {_literal(owner_after)}{assignments}
        WHERE excluded.attempt <> {PADDING}
    """


def _literal(owner: int | None) -> str:
    return "NULL" if owner is None else str(owner)


def step_values(step: RowStep) -> tuple[Any, ...]:
    """Return the values that a step writes, in the order of its columns."""
    match step:
        case Submit():
            return step.call_id, step.at, step.longest, step.model, step.estimated, step.reserved
        case Accept():
            ids = f"[{','.join([dump_json(id_) for id_ in step.remote_ids])}]"  # a text is quicker to write than a list
            alone = int(step.alone)  # for a bool, or a None, sqlite3 looks for an adapter each time
            if step.cost is None:
                return alone, ids
            return alone, ids, step.cost, step.cost if step.likely is None else step.likely
        case Defer():
            return (0.0,)
        case Download():
            return ()
        case Finish():
            return step.at, dump_json(step.result)
        case MarkUnknown():
            return step.at, dump_json(step.problem)
        case Fail() | Release():
            return step.at, dump_json(step.problem), *_costs(step.cost)


def _costs(cost: float | None) -> tuple[float, ...]:
    return () if cost is None else (cost, cost)


def _update_row(row: Row, step: RowStep) -> None:
    """Set the fields of a row that its step has written, beside state and owner."""
    match step:
        case Submit():
            row.call_id, row.submitted_at, row.longest = step.call_id, step.at, step.longest
            row.model, row.estimated, row.counted = step.model, step.estimated, step.reserved
            return
        case Accept():
            row.cost_source, row.remote_ids = COST_SOURCES[step.alone], step.remote_ids
            if step.cost is not None:
                row.cost, row.counted = step.cost, step.cost if step.likely is None else step.likely
            return
        case Defer():
            row.counted = 0.0
            return
        case Download():
            return
        case Finish():
            row.ended_at, row.result = step.at, step.result
            return
        case MarkUnknown():
            row.ended_at, row.problem = step.at, step.problem
            return
        case Fail() | Release():
            row.ended_at, row.problem = step.at, step.problem
    if step.cost is not None:
        row.cost = row.counted = step.cost


_encode: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def dump_json(value: JSON) -> str:
    """Encode JSON; equal values give equal texts."""
    text = _encode(value)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, as in the name of a file that isn't UTF-8
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
    return text
