"""Rows written into a journal: new ones, known ones, those that come again, and those of a folder of before."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from generor_async.batch.journal import open_journal
from generor_async.batch.run_key import RunKey
from generor_async.rules.row_numbers import RowNumbers
from generor_async.stores.records import AddResult, Duplicate, NewRow

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
        assert [row.id async for row in journal.scan()] == list(known)
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
    assert [(row.id, row.columns) async for row in journal.scan()] == [("a", {"Note": "new"}), ("b", {})]
    assert [again async for again in journal.duplicates()] == [
        Duplicate(place="x:3", number=1, first="x:1", columns={"Note": "again", "No": 3})
    ]
    assert await journal.column_names() == ["No", "Note"]
    await journal.close()
