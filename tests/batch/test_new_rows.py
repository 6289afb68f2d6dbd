"""Rows written into a journal: new ones, known ones, those that come again, and those of a folder of before."""

import json
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from generor_async.batch.journal import AddResult, Duplicate, NewRow, RunKey
from generor_async.batch.sqlite import open_journal, open_reader
from generor_async.batch.sqlite.new_rows import RowNumbers
from generor_async.batch.sqlite.schema import SCHEMA, TABLES, TABLES_2

KEY = RunKey(operation="luma.generations.create", address="http://127.0.0.1/v1", source="rows")
READINGS = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=20), min_size=1, max_size=3)


def new(id_: str, place: str, columns: dict[str, Any] | None = None, **parameters: Any) -> NewRow:
    return NewRow(id=id_, parameters={"prompt": id_, **parameters}, place=place, columns=columns or {})


@given(st.lists(st.integers(1, 40_000)))
def test_a_row_number_is_new_once(numbers: list[int]) -> None:
    met, model = RowNumbers(), set[int]()
    for number in numbers:
        assert met.add(number) is (number not in model)
        model.add(number)


@given(READINGS, st.integers(1, 5))
async def test_each_row_of_a_reading_is_new_known_or_a_duplicate(readings: list[list[str]], page: int) -> None:
    known = dict[str, str]()
    with tempfile.TemporaryDirectory() as folder:
        journal = await open_journal(folder, key=KEY)
        for index, ids in enumerate(readings):
            before, met, again = set(known), set[str](), list[tuple[str, str]]()
            for at, id_ in enumerate(ids):
                if id_ in met:
                    again.append((f"{index}:{at}", known[id_]))
                known.setdefault(id_, f"{index}:{at}")
                met.add(id_)
            await journal.begin_reading()
            rows = [new(id_, f"{index}:{at}") for at, id_ in enumerate(ids)]
            found = [await journal.add(rows[start : start + page]) for start in range(0, len(rows), page)]
            assert sum(one.new for one in found) == len(known) - len(before)
            assert sum(one.known for one in found) == len(met & before)
            assert [(one.place, one.first) for added in found for one in added.duplicates] == again
            assert [(one.place, one.first) async for one in journal.duplicates()] == again
        assert [row.id async for row in journal.rows()] == list(known)
        await journal.close()


async def test_equivalent_parameters_are_the_same_row(tmp_path: Path) -> None:
    journal = await open_journal(tmp_path, key=KEY)
    await journal.add([new("a", "x:1"), new("b", "x:2", image_ref=[{"path": "/a.png", "sha256": "1"}])])
    await journal.begin_reading()
    spelt = (
        new("a", "x:1", model="uni-1", aspect_ratio=None),
        new("b", "x:2", image_ref=[{"path": "/b", "sha256": "1"}]),
    )
    assert await journal.add(spelt) == AddResult(new=0, known=2)
    ((another,),) = [(await journal.add([new("a", "x:3", style="manga")])).rejects]
    assert another.reason.startswith("the id 'a' belongs to another row, at x:1")
    await journal.close()


async def test_columns_are_kept_as_they_were_last_read_and_those_of_a_duplicate_apart(tmp_path: Path) -> None:
    journal = await open_journal(tmp_path, key=KEY)
    await journal.add([new("a", "x:1", {"Note": "old"}), new("b", "x:2")])
    await journal.begin_reading()
    await journal.add([new("a", "x:1", {"Note": "new"}), new("a", "x:3", {"Note": "again", "No": 3})])
    assert [(row.id, row.columns) async for row in journal.rows()] == [("a", {"Note": "new"}), ("b", {})]
    assert [again async for again in journal.duplicates()] == [
        Duplicate(place="x:3", number=1, first="x:1", columns={"Note": "again", "No": 3})
    ]
    assert await journal.column_names() == ["No", "Note"]
    await journal.close()


async def test_a_folder_of_version_1_is_read_as_it_is_and_upgraded_by_a_run(tmp_path: Path) -> None:
    await (await open_journal(tmp_path, key=KEY)).close()
    old = sqlite3.connect(tmp_path / "journal.sqlite")
    for table in ("beside", "duplicates"):
        old.execute(f"DROP TABLE {table}")
    old.execute("DELETE FROM notes WHERE name = 'fingerprint'")
    old.execute("INSERT INTO inputs VALUES (1, 'a', ?, 'x:1')", [json.dumps({"prompt": "a"})])
    old.execute("INSERT INTO rows (number, state, attempt) VALUES (1, 'ready', 0)")
    old.execute("PRAGMA user_version = 1")
    old.commit()
    reader = await open_reader(tmp_path, key=KEY)
    assert [(row.id, row.columns) async for row in reader.rows()] == [("a", {})]
    assert not [again async for again in reader.duplicates()]
    assert not await reader.column_names()
    await reader.close()
    assert old.execute("PRAGMA user_version").fetchone() == (1,)
    journal = await open_journal(tmp_path, key=KEY)
    assert (await journal.add([new("a", "x:1", {"Note": "n"})])).known == 1
    assert await journal.column_names() == ["Note"]
    assert await journal.read_note("fingerprint") is None
    await journal.close()
    assert old.execute("PRAGMA user_version").fetchone() == (SCHEMA,)
    old.close()


def test_the_tables_of_the_first_version_stay_what_they_were() -> None:
    connection = sqlite3.connect(":memory:")
    connection.executescript(TABLES)
    connection.executescript(TABLES_2)
    names = [row[1] for row in connection.execute("PRAGMA table_info(inputs)")]
    assert names == ["number", "id", "parameters", "place"]
    connection.close()
