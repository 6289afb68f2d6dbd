"""Exports: every row with what came of it, as a program or a spreadsheet reads it."""

import asyncio
import csv
import io
import json
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from attrs import asdict
from hypothesis import given
from hypothesis import strategies as st

from generor_async.batch.export import FIELDS, ExportFormat, export_lines
from generor_async.batch.journal import open_journal, open_reader
from generor_async.batch.outcomes import write_atomically
from generor_async.batch.parameters import Parameters
from generor_async.batch.run_key import RunKey
from generor_async.rules.row_states import Accept, Download, Fail, Finish, Submit
from generor_async.stores.ledger import Ledger, write_step
from generor_async.stores.records import CallRecord, NewRow

KEY = RunKey(operation="luma.generations.create", address="http://127.0.0.1/v1", source="rows")
SUBMIT = Submit(at=1_700_000_000.25, request_id="r1", model="uni-1", estimated=6.0, reserved=6.0)


def new(id_: str, **parameters: Any) -> NewRow:
    return NewRow(id=id_, parameters=parameters, place=f"rows.jsonl:{id_}")


async def lines(folder: Path, form: ExportFormat) -> list[str]:
    reader = await open_reader(folder)
    try:
        return [line async for line in export_lines(reader, form)]
    finally:
        await reader.close()


async def table(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(await lines(folder, "csv")), newline=""), strict=True))


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def begun(folder: Path, *rows: NewRow) -> Ledger:
    journal = await open_journal(folder, key=KEY)
    await journal.add(rows)
    return journal


async def test_every_row_is_exported_while_a_run_writes_it(tmp_path: Path) -> None:
    journal = await begun(tmp_path, new("a", prompt="a heron"), new("b", prompt="bad"), new("c", prompt="later"))
    done, failed = await journal.claim(2)
    for step in (
        SUBMIT,
        Accept(remote_ids=("j1",)),
        Download(),
        Finish(at=1_700_000_009.0, result={"files": ["a.png"]}),
    ):
        await write_step(journal, done, step)
    await write_step(journal, failed, SUBMIT)
    await write_step(journal, failed, Fail(at=1_700_000_002.0, problem={"message": "no herons"}, cost=0.0))
    first, second, third = [json.loads(line) for line in await lines(tmp_path, "jsonl")]
    assert first == {
        "id": "a",
        "place": "rows.jsonl:a",
        "state": "done",
        "parameters": {"prompt": "a heron"},
        "files": ["a.png"],
        "remote_ids": ["j1"],
        "credits": 6.0,
        "dollars": 0.018,
        "attempts": 1,
        "call_id": "r1",
        "problem": "",
        "submitted_at": "2023-11-14T22:13:20.250Z",
        "ended_at": "2023-11-14T22:13:29.000Z",
        "duplicate_of": "",
    }
    assert (second["state"], second["problem"], second["credits"]) == ("failed", "no herons", 0.0)
    assert (third["state"], third["attempts"], third["submitted_at"]) == ("ready", 0, None)
    assert json.loads("".join(await lines(tmp_path, "json"))) == [first, second, third]
    in_table = (await table(tmp_path))[0]
    assert (in_table["files"], in_table["remote_ids"], in_table["credits"]) == ('["a.png"]', '["j1"]', "6.0")
    await journal.close()


async def test_a_table_has_a_column_for_each_parameter_that_is_used(tmp_path: Path) -> None:
    rows = new("a", prompt='one, "two"\nthree'), new("b", prompt="x", web_search=True, image_ref=[{"url": "u"}])
    await (await begun(tmp_path, *rows)).close()
    text = await lines(tmp_path, "csv")
    assert text[0].rstrip("\r\n").split(",") == [*FIELDS, "image_ref", "prompt", "web_search"]
    assert all(line.endswith("\r\n") for line in text)
    first, second = await table(tmp_path)
    assert (first["prompt"], first["web_search"]) == ('one, "two"\nthree', "")
    assert (second["image_ref"], second["web_search"]) == ('[{"url":"u"}]', "true")


async def test_other_columns_are_exported_and_duplicates_have_their_own(tmp_path: Path) -> None:
    def row(id_: str, place: str, **columns: Any) -> NewRow:
        return NewRow(id=id_, parameters={"prompt": id_}, place=place, columns=columns)

    rows = row("a", "x:2", Note="=1", state="new"), row("b", "x:3"), row("a", "x:4", Note="other", Price=7.5)
    journal = await begun(tmp_path, *rows)
    done, _ = await journal.claim(2)
    assert done.columns == {"Note": "=1", "state": "new"}
    for step in (SUBMIT, Accept(remote_ids=("j1",)), Download(), Finish(at=1.0, result={"files": ["a.png"]})):
        await write_step(journal, done, step)
    await journal.close()
    told = [json.loads(line) for line in await lines(tmp_path, "jsonl")]
    assert [(one["place"], one["duplicate_of"], one.get("columns")) for one in told] == [
        ("x:2", "", {"Note": "=1", "state": "new"}),
        ("x:3", "", None),
        ("x:4", "x:2", {"Note": "other", "Price": 7.5}),
    ]
    assert [(one["files"], one["credits"], one["dollars"]) for one in told[::2]] == [
        (["a.png"], 6.0, 0.018),
        (["a.png"], 0.0, 0.0),
    ]
    first, second, third = await table(tmp_path)
    assert (first["Note"], first["input_state"], first["state"], first["Price"]) == ("'=1", "new", "done", "")
    assert (second["Note"], third["Note"], third["Price"], third["files"]) == ("", "other", "7.5", '["a.png"]')


@pytest.mark.parametrize("operation", ["luma.generations.create", "generor.generators.generate"])
def test_no_parameter_has_the_name_of_a_field(operation: str) -> None:
    assert not Parameters(operation).names & set(FIELDS)


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, max_size=5))
async def test_every_text_is_exported_and_none_is_a_formula(texts: list[str]) -> None:
    rows = [new(str(number), prompt=text) for number, text in enumerate(texts)]

    class Kept:
        async def read_note(self, _: str) -> Any:
            return asdict(KEY)

        async def parameter_names(self) -> tuple[int, list[str]]:
            return len(rows), ["prompt"]

        async def scan(self) -> AsyncIterator[Any]:
            for number, row in enumerate(rows):
                yield _row(number, row)

        async def column_names(self) -> list[str]:
            return []

        async def duplicates(self) -> AsyncIterator[Any]:
            for _ in ():
                yield

    text = "".join([line async for line in export_lines(Kept(), "csv")])  # type: ignore[arg-type] # all that is asked of it
    *_, header = next(csv.reader([text.partition("\r\n")[0]]))
    assert header == "prompt"
    told = [record[-1] for record in list(csv.reader(io.StringIO(text, newline=""), strict=True))[1:]]
    for given_, cell in zip(texts, told, strict=True):
        assert cell in {given_, f"'{given_}"}
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


def _row(number: int, row: NewRow) -> CallRecord:
    return CallRecord(
        number=number + 1, id=row.id, parameters=row.parameters, place=row.place, state="ready", attempt=0
    )


async def test_rows_that_arrive_meanwhile_do_not_change_a_tables_columns(tmp_path: Path) -> None:
    journal = await begun(tmp_path, *(new(str(number), prompt="x") for number in range(3)))
    reader = await open_reader(tmp_path)
    told = export_lines(reader, "csv")
    header = await anext(told)
    await journal.add([new("late", prompt="x", style="manga")])
    assert [line.split(",")[0] async for line in told] == ["0", "1", "2"]
    assert "style" not in header
    await reader.close()
    await journal.close()


async def test_an_export_replaces_its_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("before")

    async def broken() -> AsyncIterator[str]:
        yield "half\n"
        await asyncio.sleep(0)
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        await write_atomically(path, broken())
    assert names_in(tmp_path) == ["rows.csv"]
    assert path.read_text() == "before"


async def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    journal = await open_journal(tmp_path, key=KEY)
    peaks: list[int] = []
    for rows in (range(1_000), range(1_000, 5_000)):
        await journal.add(new(str(number), prompt="x" * 200) for number in rows)
        reader = await open_reader(tmp_path)
        tracemalloc.start()
        async for _ in export_lines(reader, "csv"):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        await reader.close()
    await journal.close()
    assert peaks[1] < 1.5 * peaks[0]
