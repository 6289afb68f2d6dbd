"""A journal in a folder, in SQLite: one file, one writer, any number of readers.

With a write-ahead log and `synchronous = FULL` a commit has reached the disk when it returns. Inputs and rows are two
tables: what changes is narrow, and what is wide never changes. A row holds its latest attempt; those before are kept
in `earlier`, as they may have been charged.
"""

import json
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

from generor_async.batch.folder import JOURNAL, Folder
from generor_async.batch.journal import Added, Journal, NewRow, Reader, Reject, Row, RunKey
from generor_async.batch.schema import connect, open_to_read, open_to_write
from generor_async.batch.writer import Writer
from generor_async.engine.threads import to_the_end
from generor_async.errors import JournalError, StaleRowError
from generor_async.rules.rows import (
    ENDED,
    LEADS_TO,
    STATES,
    Accept,
    Doubt,
    Download,
    Fail,
    Finish,
    Release,
    Run,
    State,
    Step,
    Submit,
    is_legal,
)
from generor_async.rules.spending import Spent
from generor_async.values import JSON

__all__ = ["SqliteJournal", "SqliteReader", "open_journal", "open_reader"]

T = TypeVar("T")

PAGE: Final = 500
"""Rows that are read at a time."""
COLUMNS: Final = """
    rows.number, id, parameters, place, state, attempt, owner, request_id, submitted_at, longest, model, estimated,
    held, (SELECT total(held) FROM earlier WHERE earlier.number = rows.number), cost, alone, remote_ids,
    ended_at, result, problem
"""
"""In the order of Row's fields."""
STRIDE: Final = 16
"""One statement changes 1, 2, 4 or 8 rows, or a multiple of this: few statements, to be prepared once."""
MOST: Final = 256
"""Rows that one statement changes at the most: SQLite takes 32,766 values in one."""
LEFT_OUT: Final = -1
"""The attempt of what only fills a statement up."""
FRESH: Final = """
    request_id = NULL, submitted_at = NULL, longest = 0, model = NULL, estimated = 0, held = 0,
    cost = NULL, alone = 0, remote_ids = NULL, ended_at = NULL, result = NULL, problem = NULL
"""
"""What the beginning of another attempt makes of the columns."""

SPENT: Final = """
SELECT
    model,
    sum(iif(settled, held, 0)),
    sum(iif(settled AND (held > 0 OR state = 'done'), estimated, 0)),
    sum(iif(settled, 0, held)),
    max(iif(alone AND estimated > 0, cost / estimated, NULL))
FROM (
    SELECT model, state, held, estimated, cost, alone, cost IS NOT NULL OR state = 'done' AS settled FROM rows
    UNION ALL
    SELECT model, state, held, estimated, cost, alone, cost IS NOT NULL AS settled FROM earlier
)
WHERE model IS NOT NULL GROUP BY model ORDER BY model
"""


async def open_journal(folder: str | os.PathLike[str], *, key: RunKey) -> "SqliteJournal":
    """Open the journal in a folder, or begin one, and do what a restart does.

    Raises:
        InvalidRequestError: The folder is in use by a living process, is another run's, was made by a newer version of
            this package, or can't be written to.
    """
    return SqliteJournal(*await to_the_end(lambda: open_to_write(folder, key)))


async def open_reader(folder: str | os.PathLike[str], *, key: RunKey | None = None) -> "SqliteReader":
    """Open the journal in a folder to read it, in use or not.

    Raises:
        InvalidRequestError: There is none, it can't be read, or it is another run's than that of the `key`.
    """
    path = Path(folder) / JOURNAL
    return SqliteReader(await to_the_end(lambda: open_to_read(path, key)), path)


class SqliteReader(Reader):
    """Reads a journal, while its owner writes it or when nobody does."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._reading = connection
        self._turn = threading.Lock()
        self._path = path

    async def counts(self) -> Mapping[State, int]:
        """Count the rows in each state."""
        found = dict(await self._ask("SELECT state, count(*) FROM rows GROUP BY state"))
        return {state: found.get(state, 0) for state in STATES}

    async def rows(self, *states: State) -> AsyncIterator[Row]:
        """Yield the rows in these states, all if none is given, in the order of reading; memory is bounded."""
        among = ", ".join("?" * len(states or STATES))
        query = f"""
            SELECT {COLUMNS} FROM rows JOIN inputs USING (number)
            WHERE rows.number > ? AND state IN ({among}) ORDER BY rows.number LIMIT {PAGE}
        """
        last = 0
        while page := [_row(found) for found in await self._ask(query, last, *(states or STATES))]:
            for row in page:
                yield row
            last = page[-1].number

    async def parameters(self, ids: Sequence[str]) -> Mapping[str, Mapping[str, JSON]]:
        """Return the parameters of those of these rows that are there, by id; some hundred at a time."""
        among = ", ".join("?" * len(ids))
        found = await self._ask(f"SELECT id, parameters FROM inputs WHERE id IN ({among})", *ids)
        return {id_: json.loads(parameters) for id_, parameters in found}

    async def parameter_names(self) -> tuple[int, Sequence[str]]:
        """Return the last row's number, and the names of the parameters that any row up to it has."""
        ((last,),) = await self._ask("SELECT coalesce(max(number), 0) FROM inputs")
        names = "SELECT DISTINCT key FROM inputs, json_each(inputs.parameters) WHERE number <= ? ORDER BY key"
        return last, [name for (name,) in await self._ask(names, last)]

    async def rejects(self) -> AsyncIterator[Reject]:
        """Yield the lines that were set aside, in the order of reading."""
        query = f"SELECT rowid, place, text, reason FROM rejects WHERE rowid > ? ORDER BY rowid LIMIT {PAGE}"
        last = 0
        while page := await self._ask(query, last):
            for last, place, text, reason in page:  # noqa: B007 - the page's end is where the next begins
                yield Reject(place=place, text=text, reason=reason)

    async def spent(self) -> Sequence[Spent]:
        """Sum up what every model's attempts cost."""
        found = await self._ask(SPENT)
        return [
            Spent(model=model, settled=settled, estimated=estimated, open=open_, ratio=ratio)
            for model, settled, estimated, open_, ratio in found
        ]

    async def recall(self, name: str) -> JSON:
        """Return what was remembered under a name; None where nothing was."""
        found = await self._ask("SELECT value FROM notes WHERE name = ?", name)
        return json.loads(found[0][0]) if found else None

    async def close(self) -> None:
        """Close it."""

        def close() -> None:
            with self._turn:
                self._reading.close()

        await to_the_end(close)

    async def _ask(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        def ask() -> list[tuple[Any, ...]]:
            with self._turn:
                return self._reading.execute(query, arguments).fetchall()

        try:
            return await to_the_end(ask)
        except sqlite3.Error as error:
            raise JournalError(f"{self._path} cannot be read ({error})") from None


class SqliteJournal(SqliteReader, Journal):
    """A journal of one's own; belongs to the event loop that opens it."""

    def __init__(self, folder: Folder, writing: sqlite3.Connection, owner: int) -> None:
        path = folder.path / JOURNAL
        super().__init__(connect(path), path)
        self._folder = folder
        self._writing = writing
        self._writer = Writer(writing, str(path))
        self._owner = owner
        self._take = {step: partial(_take, step=step, owner=owner) for step in _COLUMNS}
        self._claimed: list[Row] = []
        """Leased, and not handed out, as whoever claimed them was cancelled."""

    async def add(self, rows: Iterable[NewRow]) -> Added:
        """Write down rows, as ready; one transaction, so hand them in by hundreds."""
        given = [(row.id, row.text, row.place) for row in rows]
        return await self._write(partial(_add, given=given))

    async def reject(self, rejects: Iterable[Reject]) -> None:
        """Write down lines that can't be run; one that is there is replaced."""
        given = [(reject.place, reject.text, reject.reason) for reject in rejects]
        await self._write(lambda connection: connection.executemany("REPLACE INTO rejects VALUES (?, ?, ?)", given))

    async def forget_rejects(self) -> None:
        """Forget the lines that can't be run: they are read again, and may have been mended."""
        await self._write(lambda connection: connection.execute("DELETE FROM rejects"))

    async def claim(self, most: int) -> Sequence[Row]:
        """Lease up to so many ready rows, in the order of reading; none where none is ready."""
        if len(self._claimed) < most:
            missing = most - len(self._claimed)
            await self._writer.run(partial(_claim, owner=self._owner, most=missing), self._claimed.extend)
        rows, self._claimed[:] = self._claimed[:most], self._claimed[most:]
        return rows

    async def step(self, row: Row, step: Step) -> None:
        """Take a step, and return when it is committed."""
        assert is_legal(row.state, step), f"{row.state} does not lead to {step}"
        change = (*_values(step, row), row.number, row.attempt, row.state, row.owner)
        commit = self._writer.add(self._take[type(step)], change)
        try:
            await commit
        finally:
            if written := commit.wrote(change):
                _note(row, step, self._owner)
        if not written:
            commit.check()
            raise StaleRowError(f"row {row.id} was taken by somebody else since it was claimed")

    async def remember(self, name: str, value: JSON) -> None:
        """Write down a fact about the run, such as the balance it began with."""
        given = (name, _dump(value))
        await self._write(lambda connection: connection.execute("REPLACE INTO notes VALUES (?, ?)", given))

    async def close(self) -> None:
        """Commit what is under way, close it, and let others have the folder."""

        def close() -> None:
            self._writer.close()
            self._writing.close()
            self._folder.let_go()

        await super().close()
        await to_the_end(close)

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        results: list[T] = []
        await self._writer.run(work, results.append)
        return results[0]


# --- steps --------------------------------------------------------------------------------------------------------


_NOBODYS: Final = frozenset({*ENDED, "ready"})
"""States in which nobody holds a row."""
_COLUMNS: Final[Mapping[type[Step], tuple[str, ...]]] = {
    Submit: ("request_id", "submitted_at", "longest", "model", "estimated", "held"),
    Accept: ("alone", "cost", "held", "remote_ids"),
    Run: (),
    Download: (),
    Finish: ("ended_at", "result"),
    Fail: ("ended_at", "cost", "held", "problem"),
    Doubt: ("ended_at", "problem"),
    Release: ("ended_at", "cost", "held", "problem"),
}
"""What each step changes of a row, beside its state and its owner."""

_Change: TypeAlias = tuple[Any, ...]
"""What a step writes, in the order of its columns; then the row's number, attempt, state and owner, as its holder has
them."""


def _take(
    connection: sqlite3.Connection, changes: Sequence[_Change], *, step: type[Step], owner: int
) -> Sequence[_Change]:
    """Change each row that is as its holder knows it; return the changes of those that aren't.

    After each statement the thread must get hold of the interpreter again, which a busy event loop keeps for
    milliseconds: so many rows go into one.
    """
    refused: list[_Change] = []
    for start in range(0, len(changes), MOST):
        some = changes[start : start + MOST]
        try:
            _take_together(connection, some, step, owner)
        except sqlite3.IntegrityError:  # nothing of the statement was done
            refused += [change for change in some if not _is_taken(connection, change, step, owner)]
    return refused


def _is_taken(connection: sqlite3.Connection, change: _Change, step: type[Step], owner: int) -> bool:
    try:
        _take_together(connection, [change], step, owner)
    except sqlite3.IntegrityError:
        return False
    return True


def _take_together(connection: sqlite3.Connection, changes: Sequence[_Change], step: type[Step], owner: int) -> None:
    """Change all these rows, or raise an error if one isn't as its holder knows it."""
    count = len(changes)
    size = 1 << (count - 1).bit_length() if count < STRIDE else -(-count // STRIDE) * STRIDE
    *columns, number, _, state, owner_before = changes[0]
    left_out = (*columns, number, LEFT_OUT, state, owner_before)
    filled = chain(changes, repeat(left_out, size - count))
    connection.execute(_query(LEADS_TO[step], _COLUMNS[step], owner, size), list(chain.from_iterable(filled)))


@cache
def _query(state: State, names: tuple[str, ...], owner: int, size: int) -> str:
    """Return the statement that leads so many rows to a state: an insertion of rows that are there.

    A row that is not as its holder knows it gets a state of NULL, which is refused, and all the others with it.
    """
    values = f"({', '.join('?' * (len(names) + 4))})"
    assignments = "".join(f", {name} = excluded.{name}" for name in names)
    known = "attempt = excluded.attempt AND state = excluded.state AND owner IS excluded.owner"
    return f"""
        INSERT INTO rows ({"".join(f"{name}, " for name in names)}number, attempt, state, owner)
        VALUES {", ".join([values] * size)}
        ON CONFLICT (number) DO UPDATE
        SET state = iif({known}, '{state}', NULL), owner = {"NULL" if state in _NOBODYS else owner}{assignments}
        WHERE excluded.attempt <> {LEFT_OUT}
    """


def _values(step: Step, row: Row) -> tuple[Any, ...]:
    """Return what a step writes, in the order of its columns."""
    match step:
        case Submit():
            return step.request_id, step.at, step.longest, step.model, step.estimated, step.reserved
        case Accept():
            ids = f"[{','.join(map(_dump, step.remote_ids))}]"  # a text alone is quicker to write than a list
            return step.alone, *_costs(step.cost, row), ids
        case Run() | Download():
            return ()
        case Finish():
            return step.at, _dump(step.result)
        case Doubt():
            return step.at, _dump(step.problem)
        case Fail() | Release():
            return step.at, *_costs(step.cost, row), _dump(step.problem)


def _note(row: Row, step: Step, owner: int) -> None:
    """Bring a row up to date that has taken a step."""
    row.state = LEADS_TO[type(step)]
    match step:
        case Submit():
            row.request_id, row.submitted_at, row.longest = step.request_id, step.at, step.longest
            row.model, row.estimated, row.held = step.model, step.estimated, step.reserved
            return
        case Accept():
            row.owner, row.alone, row.remote_ids = owner, step.alone, step.remote_ids
            row.cost, row.held = _costs(step.cost, row)
            return
        case Run() | Download():
            return
        case Finish():
            row.result = step.result
        case Doubt():
            row.problem = step.problem
        case Fail() | Release():
            row.problem = step.problem
            row.cost, row.held = _costs(step.cost, row)
    row.owner, row.ended_at = None, step.at


def _costs(cost: float | None, row: Row) -> tuple[float | None, float]:
    return (row.cost, row.held) if cost is None else (cost, cost)


def _claim(connection: sqlite3.Connection, *, owner: int, most: int) -> list[Row]:
    chosen = "SELECT number FROM rows WHERE state = 'ready' ORDER BY number LIMIT ?"
    found = connection.execute(
        "SELECT rows.number, id, parameters, place, attempt FROM rows JOIN inputs USING (number)"
        f" WHERE rows.number IN ({chosen}) ORDER BY rows.number",
        (most,),
    ).fetchall()
    before = {number: _put_away(connection, number) for number, *_, attempt in found if attempt}
    connection.execute(
        f"UPDATE rows SET state = 'leased', attempt = attempt + 1, owner = ? WHERE number IN ({chosen})", (owner, most)
    )
    return [
        Row(
            number=number,
            id=id_,
            parameters=parameters,
            place=place,
            state="leased",
            attempt=attempt + 1,
            owner=owner,
            charged_before=before.get(number, 0.0),
        )
        for (number, id_, _, place, attempt), parameters in zip(found, _load_all(found, 2), strict=True)
    ]


def _put_away(connection: sqlite3.Connection, number: int) -> float:
    """Keep the attempt that a row has made, if it came to a call, and return what all of them count."""
    connection.execute("INSERT INTO earlier SELECT * FROM rows WHERE number = ? AND request_id IS NOT NULL", (number,))
    connection.execute(f"UPDATE rows SET {FRESH} WHERE number = ?", (number,))
    (held,) = connection.execute("SELECT total(held) FROM earlier WHERE number = ?", (number,)).fetchone()
    return float(held)


def _add(connection: sqlite3.Connection, given: Sequence[tuple[str, str, str]]) -> Added:
    (last,) = connection.execute("SELECT coalesce(max(number), 0) FROM inputs").fetchone()
    cursor = connection.executemany(
        "INSERT INTO inputs (id, parameters, place) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", given
    )
    new = cursor.rowcount
    connection.execute(
        "INSERT INTO rows (number, state, attempt) SELECT number, 'ready', 0 FROM inputs WHERE number > ?", (last,)
    )
    rejects: tuple[Reject, ...] = ()
    if new < len(given):
        rejects = tuple(reject for row in given if (reject := _conflict(connection, *row)))
    return Added(new=new, known=len(given) - new - len(rejects), rejects=rejects)


def _conflict(connection: sqlite3.Connection, id_: str, parameters: str, place: str) -> Reject | None:
    query = "SELECT place FROM inputs WHERE id = ? AND parameters <> ?"
    found = connection.execute(query, (id_, parameters)).fetchone()
    if found is None:
        return None
    reason = f"the id {id_!r} belongs to another row, at {found[0]}: give each row an id of its own, or none"
    return Reject(place=place, text=parameters, reason=reason)


def _row(found: tuple[Any, ...]) -> Row:
    (
        number, id_, parameters, place, state, attempt, owner, request_id, submitted_at, longest, model, estimated,
        held, charged_before, cost, alone, remote_ids, ended_at, result, problem,
    ) = found  # fmt: skip
    return Row(
        number=number,
        id=id_,
        parameters=json.loads(parameters),
        place=place,
        state=state,
        attempt=attempt,
        owner=owner,
        request_id=request_id,
        submitted_at=submitted_at,
        longest=longest,
        model=model,
        estimated=estimated,
        held=held,
        charged_before=charged_before,
        cost=cost,
        alone=bool(alone),
        remote_ids=tuple(json.loads(remote_ids)) if remote_ids else (),
        ended_at=ended_at,
        result=json.loads(result) if result else None,
        problem=json.loads(problem) if problem else None,
    )


def _load_all(found: Sequence[tuple[Any, ...]], column: int) -> list[Any]:
    """Read the JSON in a column of many rows at once."""
    loaded: list[Any] = json.loads(f"[{','.join([row[column] for row in found])}]")
    return loaded


_encode: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def _dump(value: JSON) -> str:
    """Write JSON so that equal values are equal texts."""
    text = _encode(value)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, as in the name of a file that isn't UTF-8
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
    return text
