"""Rows read from files and from Python: what is wrong is named by its line and set aside, and the rest goes on."""

import asyncio
import codecs
import gzip
import json
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from generor_async.batch.inputs import Rows, read_rows
from generor_async.batch.notices import ReadingNotices
from generor_async.batch.parameters import OPERATIONS, Parameters, request_digest
from generor_async.batch.row_files import check_files
from generor_async.batch.source import RowSource
from generor_async.errors import InvalidRequestError
from generor_async.rules.csv_quotes import LONGEST_RECORD
from generor_async.stores.records import NewRow, Reject
from generor_async.values import MediaRef

MISQUOTED = (
    "a quote is out of place in line {} or behind: put cells that hold quotes, line ends or {} in quotes, and double"
    " their own quotes"
)
LUMA, GENEROR = Parameters(OPERATIONS["luma"]), Parameters(OPERATIONS["generor"], common={"slug": "image"})
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


async def entries(rows: Rows, parameters: Parameters = LUMA, **options: Any) -> list[NewRow | Reject]:
    return [entry async for page in read_rows(rows, parameters, **options) for entry in page]


def prompts(found: Sequence[NewRow | Reject]) -> list[Any]:
    """Give each row's prompt, and each reject's reason."""
    return [entry.parameters["prompt"] if isinstance(entry, NewRow) else entry.reason for entry in found]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


Write = Callable[[str, str | bytes], Path]


# --- JSON lines -------------------------------------------------------------------------------------------------------


async def test_a_line_that_is_no_json_in_the_middle_of_ten_thousand_is_named_and_the_rest_runs(write: Write) -> None:
    lines = [json.dumps({"prompt": f"cat {n}"}) for n in range(10_000)]
    lines[4_999] = '{"prompt": "cat'
    found = await entries(write("prompts.jsonl", "\n".join(lines)))
    (bad,) = (entry for entry in found if isinstance(entry, Reject))
    assert len(found) == 10_000
    assert (bad.place, bad.text) == ("prompts.jsonl:5000", '{"prompt": "cat')
    assert bad.reason.startswith("it is not JSON (Unterminated string")
    assert bad.reason.endswith("write one object on each line")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[1]", "it is not a JSON object: write one object on each line"),
        ('{"prompt": NaN}', "it is not JSON (NaN is not JSON): write one object on each line"),
        ("[" * 100_000, "it is not JSON (maximum recursion depth exceeded"),
        ('{"promt": "x"}', "'promt' is no parameter of luma.generations.create; those are: aspect_ratio, image_ref,"),
        ('{"style": "manga"}', "'prompt' is missing: add it to the row, or give it for all rows"),
        ('{"prompt": "\\ud800"}', "it holds half of a surrogate pair, which is no text: remove it"),
        ('{"prompt": "x", "id": ""}', "its id must be text of 1 to 200 characters, or a whole number: correct it"),
        ('{"prompt": "x", "id": true}', "its id must be text of 1 to 200 characters"),
        ('{"prompt": "x", "id": null, "style": 7}', "style must be a string, not int. Write it in quotes"),
        ('{"prompt": "x", "type": "image_edit", "source": {"path": "no.png"}}', "source: /here/no.png cannot be read"),
        ('{"prompt": "x", "type": "image_edit"}', "source is required for type 'image_edit'"),
        (json.dumps({"prompt": "x" * 6_001}), "prompt: Prompt must be between 1 and 6000 characters. It has 6,001."),
    ],
)
async def test_a_reject_s_reason_is_a_sentence(write: Write, line: str, reason: str) -> None:
    parameters = Parameters(OPERATIONS["luma"], folder=Path("/here"))
    found = await entries(write("x.jsonl", line + '\n{"prompt": "good"}\n'), parameters)
    assert prompts(found)[1:] == ["good"]
    assert isinstance(found[0], Reject)
    assert found[0].place == "x.jsonl:1"
    assert found[0].reason.startswith(reason)


async def test_generors_prompts_may_be_longer_than_lumas(write: Write) -> None:
    lines = [json.dumps({"prompt": "x" * size, "model_id": 10_003}) for size in (6_001, 10_000, 10_001)]
    found = await entries(write("x.jsonl", "\n".join(lines)), GENEROR)
    assert [type(entry) for entry in found] == [NewRow, NewRow, Reject]
    assert prompts(found)[2] == (
        "prompt must be at most 10,000 characters. It has 10,001. Correct it, and run it again."
    )


async def test_a_line_in_another_encoding_is_a_reject(write: Write) -> None:
    found = await entries(write("x.jsonl", b'{"prompt": "caf\xe9"}\n{"prompt": "caf\xc3\xa9"}\n'))
    assert prompts(found) == ["it is not UTF-8: write the file as UTF-8", "café"]
    assert isinstance(found[0], Reject)
    assert found[0].text == '{"prompt": "caf\\udce9"}'


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
async def test_files_with_byte_order_marks_and_in_utf_16_are_read(write: Write, encoding: str) -> None:
    lines, table = '{"prompt": "café"}\r\n{"prompt": "日本"}', "prompt\tstyle\r\ncafé\tmanga\r\n日本\t\r\n"
    assert prompts(await entries(write("x.jsonl", lines.encode(encoding)))) == ["café", "日本"]
    assert prompts(await entries(write("x.tsv", table.encode(encoding)))) == ["café", "日本"]


async def test_truncated_utf_16_is_refused(write: Write) -> None:
    path = write("x.jsonl", codecs.BOM_UTF16_LE + '{"prompt": "a"}\n'.encode("utf-16-le")[:-1])
    with pytest.raises(InvalidRequestError, match="breaks off or is not UTF-16"):
        await entries(path)


async def test_a_line_that_never_ends_is_cut_and_the_next_one_runs(write: Write) -> None:
    found = await entries(write("x.jsonl", b"x" * (LONGEST_RECORD * 2 + 5) + b'\n{"prompt": "good"}'))
    assert prompts(found) == [
        "it is longer than 16 MiB: name media by URL or path instead of carrying them",
        "good",
    ]
    assert isinstance(found[1], NewRow)
    assert found[1].place == "x.jsonl:2"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("x.jsonl", "", "has no rows. Write a row on each line."),
        ("x.jsonl", "\n \n", "has no rows. Write a row on each line."),
        ("x.csv", "", "has no rows. Write a row on each line below the header."),
        ("x.csv", "prompt\n", "has no rows"),
        ("x.parquet", "PAR1", r"is of no known kind. Name it .jsonl, .csv or .tsv, as what it holds."),
    ],
)
async def test_a_file_without_rows_is_refused(write: Write, name: str, content: str, sentence: str) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        await entries(write(name, content))


async def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"no\.jsonl cannot be read \(No such file or directory\)\. Give"):
        await entries(tmp_path / "no.jsonl")


# --- tables -----------------------------------------------------------------------------------------------------------


async def test_quotes_in_a_tsv_are_those_of_the_prompt_unless_they_hold_a_whole_cell(write: Write) -> None:
    text = 'prompt\tstyle\n"G I G G L E" painted red\tauto\na "cat"\tmanga\n"a ""dog"""\t\n'
    found = await entries(write("x.tsv", text))
    assert prompts(found) == ['"G I G G L E" painted red', 'a "cat"', 'a "dog"']
    assert isinstance(found[2], NewRow)
    assert found[2].parameters == {"prompt": 'a "dog"'}, "an empty cell is not given"


async def test_a_csv_is_read_by_rfc_4180(write: Write) -> None:
    text = 'prompt,style\r\n"a cat, ""big""\nand fat",auto\r\na dog,manga\r\n'
    found = await entries(write("x.csv", text))
    assert prompts(found) == ['a cat, "big"\nand fat', "a dog"]
    assert [entry.place for entry in found] == ["x.csv:2-3", "x.csv:4"]


async def test_bad_records_of_a_csv_are_named_and_the_next_ones_run(write: Write) -> None:
    text = """prompt,style
"a cat",auto
the "big" cat,auto

"a dog",manga
caf\udce9,auto
nul\0,auto
a hen,auto
"""
    found = await entries(write("x.csv", text.encode(errors="surrogateescape")))
    assert [entry.place for entry in found] == [f"x.csv:{number}" for number in (2, 3, 5, 6, 7, 8)]
    assert prompts(found) == [
        "a cat",
        MISQUOTED.format(3, "commas"),
        "a dog",
        "it is not UTF-8: write the file as UTF-8",
        "it holds a NUL (a zero byte), which no text has: remove it, or write the file again",
        "a hen",
    ]


async def test_records_next_to_a_malformed_one_are_rejected_with_it(write: Write) -> None:
    text = "id,prompt,style\n" + "".join(f"{number},cat {number},auto\n" for number in range(2, 9))
    found = await entries(write("x.csv", text.replace("5,cat 5", "5,a cat, big")))
    assert prompts(found) == [
        "cat 2",
        (
            "line 5 has 4 cells, and the header 3: give it as many, and put cells that hold quotes, line ends or commas"
            " in quotes; the lines beside it may be pieces of it"
        ),
        "cat 8",
    ]
    assert found[1].place == "x.csv:3-7"


async def test_a_bare_line_feed_ends_no_record_if_the_header_ends_in_cr_lf(write: Write) -> None:
    """As a program writes that quotes nothing, on Windows: its cells have line feeds, its records CR LF."""
    text = "prompt,style\r\n" + "".join(f"cat {number},auto\r\n" for number in range(2, 12))
    found = await entries(write("x.csv", text.replace("cat 6", "a cat,big\nand 6")))
    assert found[1].place == "x.csv:3-9"
    first, reason, *others = prompts(found)
    assert reason.startswith("line 6 ends in a line feed alone, and the header in CR LF: write all records with the")
    assert [first, *others] == ["cat 2", "cat 9", "cat 10", "cat 11"]
    one_column = await entries(write("y.csv", "prompt\r\nA fox\r\nA heron\nin the rain\r\nA cat\r\n"))
    assert [type(one).__name__ for one in one_column] == ["Reject"]
    ended = await entries(write("z.csv", 'prompt\r\n"A fox\nand a cat"\r\n"A crow"\nA heron'))
    assert prompts(ended) == ["A fox\nand a cat", "A crow", "A heron"]


async def test_a_table_with_short_lines_does_not_take_quotes_as_text(write: Write) -> None:
    """As a program writes that quotes nothing: a piece of a cell may hold as many tabs as a record."""
    broken = "id\tprompt\n1\tA fox\nin the rain\n" + "".join(f"{n}\tA cat\n" for n in range(2, 9))
    broken += (
        '9\tA "big" bird, a "red" fox, line one\nline two\tof "the" same, so "it" goes\n10\tA "shy" hen of "old"\n'
    )
    assert not [one for one in prompts(await entries(write("x.tsv", broken))) if one.startswith(('A "big', "of"))]


# What people's tools wrote: each once bought pieces of cells as prompts of their own.
BROKEN = {
    "in one column nothing says where a record begins again": (
        "x.csv",
        'prompt\n"He said "hi"\nline two\nline three"\nA heron\n',
        [("x.csv:2-5", None)],
    ),
    "quotes that are not doubled": (
        "x.csv",
        'id,prompt\n1,"He said "go" to\nthe market, the old one"\n2,A heron\n',
        [("x.csv:2-3", None), ("x.csv:4", "A heron")],
    ),
    "quotes behind backslashes": (
        "x.csv",
        'id,prompt\n1,"He said \\"go\\" to\nthe market, the old one"\n2,A heron\n',
        [("x.csv:2-3", None), ("x.csv:4", "A heron")],
    ),
    "a line end in quotes, with tabs": (
        "x.tsv",
        'id\tprompt\n1\t"A heron\nin the rain"\n2\tA fox\n',
        [("x.tsv:2-3", "A heron\nin the rain"), ("x.tsv:4", "A fox")],
    ),
    "commas alone": ("x.csv", "prompt,,\nA heron,,\n,,\n", [("x.csv:2", "A heron")]),
    "a quote that was never closed": (
        "x.csv",
        'id,prompt\n1,A fox\n2,"A heron\n3,A cat\n',
        [("x.csv:2-4", None)],
    ),
    "a quote that was never opened": (
        "x.csv",
        'id,prompt\n1,"A fox"\n2,A heron\n3,A cat"\n4,"A hen"\n5,"A dog"\n',
        [("x.csv:2-5", None), ("x.csv:6", "A dog")],
    ),
}


@pytest.mark.parametrize(("name", "text", "expected"), BROKEN.values(), ids=BROKEN)
async def test_no_piece_of_a_broken_record_is_a_row(
    write: Write, name: str, text: str, expected: list[tuple[str, str | None]]
) -> None:
    found = await entries(write(name, text))
    told = [(one.place, one.parameters["prompt"] if isinstance(one, NewRow) else None) for one in found]
    assert told == expected
    for one in found:
        if isinstance(one, Reject):
            first, _, last = one.place.partition(":")[2].partition("-")
            assert one.text == "".join(text.splitlines(keepends=True)[int(first) - 1 : int(last or first)])


@pytest.mark.parametrize(
    ("name", "text", "note"),
    [
        ("x.csv", "id;prompt\n1;A heron\n", "the cells of x.csv are separated by semicolons, as its header shows"),
        ("x.csv", "id\tprompt\n1\tA heron\n", "the cells of x.csv are separated by tabs, as its header shows"),
        ("x.tsv", "id,prompt\n1,A heron\n", "the cells of x.tsv are separated by commas, as its header shows"),
        ("x.csv", "sep=|\r\nid|prompt\r\n1|A heron\r\n", "the cells of x.csv are separated by bars, as its first line"),
        ("x.csv", '"sep=;"\nid;prompt\n1;A heron\n', "the cells of x.csv are separated by semicolons, as its first"),
    ],
)
async def test_another_separator_is_detected_by_the_header_and_reported(
    write: Write, name: str, text: str, note: str
) -> None:
    notes, said = ReadingNotices(), list[str]()
    notes.listen(said.append)
    (row,) = await entries(write(name, text), notices=notes)
    assert isinstance(row, NewRow)
    assert (row.id, row.parameters["prompt"]) == ("1", "A heron")
    (sentence,) = said
    assert sentence.startswith(note)


async def test_a_cell_may_be_as_long_as_a_record(write: Write) -> None:
    cell = '"' + "x" * 200_000 + '""\n"'
    found = await entries(write("x.csv", f"id,prompt\n1,{cell}\n2,A heron\n"))
    assert [entry.place for entry in found] == ["x.csv:2-3", "x.csv:4"]
    assert "It has 200,002." in prompts(found)[0]


async def test_other_columns_are_kept_and_reported_and_likely_misspellings_refused(write: Write) -> None:
    path = write("x.csv", "Prompt,Note,style\na cat,nice,manga\n")
    with pytest.raises(InvalidRequestError, match=r"may be misspelt parameters of .*: 'Prompt' \(is it 'prompt'\?\)"):
        await entries(path)
    notes, said = ReadingNotices(), list[str]()
    notes.listen(said.append)
    (row,) = await entries(path, evolve(LUMA, prompt_column="Prompt"), notices=notes)
    assert isinstance(row, NewRow)
    assert row.parameters == {"prompt": "a cat", "style": "manga"}
    assert row.columns == {"Note": "nice"}
    assert said == ["x.csv has columns that are kept beside what comes of its rows: 'Note'"]
    with pytest.raises(InvalidRequestError, match=r"no column 'Text'\. Its columns are 'Prompt', 'Note', 'style'"):
        await entries(path, evolve(LUMA, prompt_column="Text"))


async def test_a_repeated_column_is_refused(write: Write) -> None:
    with pytest.raises(InvalidRequestError, match="has the column 'note' twice"):
        await entries(write("x.csv", "prompt,note,note\na,b,c\n"))
    with pytest.raises(InvalidRequestError, match=r"the column 'prompt' beside 'Text', which is the prompt\. Call"):
        await entries(write("x.csv", "prompt,Text\na,b\n"), evolve(LUMA, prompt_column="Text"))


async def test_the_prompt_may_have_another_name_wherever_rows_come_from(write: Write) -> None:
    text = evolve(LUMA, prompt_column="Text")
    jsonl = write("x.jsonl", '{"Text": "a cat"}\n{"Text": "a", "prompt": "b"}\n{"prompt": "a dog"}\n')
    both = "it has 'prompt' beside 'Text', which is the prompt: leave one out"
    assert prompts(await entries(jsonl, text)) == ["a cat", both, "a dog"]
    assert prompts(await entries([{"Text": "a cat"}, "a dog"], text)) == ["a cat", "a dog"]


async def test_a_table_with_very_many_columns_is_read_in_time_and_not_all_of_them_are_named(write: Write) -> None:
    names = ",".join(f"column {number}" for number in range(5_000))
    notes, said = ReadingNotices(), list[str]()
    notes.listen(said.append)
    (row,) = await entries(write("x.csv", f"prompt,{names}\na cat{',x' * 5_000}\n"), notices=notes)
    assert isinstance(row, NewRow)
    assert len(row.columns) == 5_000
    assert said[0].endswith("'column 48', 'column 49' and 4,950 more")


async def test_an_error_of_the_listener_is_raised_as_it_is(write: Write) -> None:
    def gone(_: str) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    notes = ReadingNotices()
    notes.listen(gone)
    with pytest.raises(BrokenPipeError):
        await entries(write("x.csv", "prompt,note\na cat,b\n"), notices=notes)


async def test_too_deeply_nested_rows_are_rejected_alone(write: Write) -> None:
    deep = "[" * 100_000
    found = await entries(write("x.csv", f"prompt,image_ref\na,{deep}\nb,\n"))
    assert [type(entry) for entry in found] == [Reject, NewRow]
    assert prompts(found)[0].startswith("image_ref is not JSON (maximum recursion depth exceeded")


async def test_an_object_with_a_repeated_member_is_rejected(write: Write) -> None:
    twice, once = '{"prompt": "a", "prompt": "b"}', '{"prompt": "c"}'
    for name, text in (("x.jsonl", f"{twice}\n{once}\n"), ("x.json", f"[{twice},\n{once}]")):
        reason, other = prompts(await entries(write(name, text)))
        assert reason.startswith("it is not JSON (an object has 'prompt' twice)")
        assert other == "c"


async def test_cells_are_converted_to_their_parameters_types(write: Write) -> None:
    header = "id\tmodel_id\taspect_ratio\ttemperature\tgenerate_audio\treference_images\tparameters\tpreference"
    cells = '7\t10003\t4\t0.5\tYes\thttps://x.example/a.png\t{"a": "b"}\tpun'
    (row,) = await entries(write("x.tsv", f"{header}\n{cells}\n"), GENEROR)
    assert isinstance(row, NewRow)
    assert row.id == "7"
    assert row.parameters == {
        "slug": "image",
        "model_id": 10_003,
        "aspect_ratio": 4,
        "temperature": 0.5,
        "generate_audio": True,
        "reference_images": ["https://x.example/a.png"],
        "parameters": {"a": "b"},
        "preference": "pun",
    }


@pytest.mark.parametrize(
    ("name", "cell", "reason"),
    [
        ("model_id", "ten", "model_id is 'ten': write a number"),
        ("generate_audio", "perhaps", "generate_audio is 'perhaps': write true or false"),
        ("parameters", "{a}", "parameters is not JSON"),
    ],
)
async def test_cells_of_the_wrong_type_are_rejected(write: Write, name: str, cell: str, reason: str) -> None:
    parameters = Parameters(OPERATIONS["generor"], common={"slug": "image", "model_id": 1})
    (found,) = await entries(write("x.tsv", f"prompt\t{name}\nx\t{cell}\n"), parameters)
    assert isinstance(found, Reject)
    assert found.reason.startswith(reason)
    assert json.loads(found.text) == {"prompt": "x", name: cell}


async def test_media_in_cells_are_urls_paths_or_json(write: Write, tmp_path: Path) -> None:
    write("a.png", PNG)
    parameters = Parameters(OPERATIONS["luma"], folder=tmp_path)
    header = "prompt\ttype\tsource\timage_ref"
    lines = ['x\timage_edit\ta.png\t[{"url": "https://x.example/b.png"}]', "x\timage\t\thttps://x.example/b.png"]
    first, second = await entries(write("x.tsv", "\n".join([header, *lines])), parameters)
    assert isinstance(first, NewRow)
    assert isinstance(second, NewRow)
    assert first.parameters["source"]["path"] == str(tmp_path / "a.png")
    assert first.parameters["image_ref"] == second.parameters["image_ref"] == [{"url": "https://x.example/b.png"}]


# --- kinds of files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.json", '[{"prompt": "A heron"},\n {"prompt":\n  "A fox"}]'),
        ("x.jsonl", '[\n{"prompt": "A heron"}, {"prompt": "A fox"}\n]\n'),
        ("x.json", '{"prompt": "A heron"}\n{"prompt": "A fox"}\n'),
        ("x.jsonl.gz", '{"prompt": "A heron"}\n{"prompt": "A fox"}\n'),
        ("x.csv.gz", "prompt\nA heron\nA fox\n"),
        ("x.csv", "prompt\rA heron\rA fox\r"),
    ],
)
async def test_arrays_packed_files_and_other_line_ends_are_read(write: Write, name: str, text: str) -> None:
    content = gzip.compress(text.encode()) if name.endswith(".gz") else text
    assert prompts(await entries(write(name, content))) == ["A heron", "A fox"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"PK\x03\x04" + bytes(100), r"x\.csv is a zip archive, as Excel's workbooks are, and no text"),
        (b"PAR1" + bytes(100), r"x\.csv is Parquet, and no text\. Write its rows as \.jsonl, \.csv or \.tsv\."),
        (gzip.compress(b"prompt\nA heron\n", mtime=0)[:-6], r"x\.csv breaks off, or is damaged, where it is packed"),
    ],
)
async def test_binary_formats_are_named_and_refused(write: Write, content: bytes, sentence: str) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        await entries(write("x.csv", content))


async def test_a_nul_rejects_its_row_alone(write: Write) -> None:
    found = await entries(write("x.jsonl", b'{"prompt": "A fox\0"}\n{"prompt": "A heron"}\n'))
    assert prompts(found) == [
        "it holds a NUL (a zero byte), which no text has: remove it, or write the file again",
        "A heron",
    ]


async def test_half_of_a_surrogate_pair_rejects_its_row_alone(write: Write) -> None:
    lines = '{"id": "a", "prompt": "A fox"}\n{"id": "caf\\ud83d", "prompt": "A"}\n{"id": "b", "prompt": "A heron"}\n'
    found = await entries(write("x.jsonl", lines))
    assert prompts(found) == ["A fox", "it holds half of a surrogate pair, which is no text: remove it", "A heron"]
    assert found[1].place == "x.jsonl:2"


@pytest.mark.parametrize("times", [1, 3])
async def test_waiting_for_a_fifo_without_a_writer_can_be_cancelled(tmp_path: Path, times: int) -> None:
    path = tmp_path / "x.jsonl"
    os.mkfifo(path)
    reading = asyncio.create_task(entries(path))
    done, _ = await asyncio.wait([reading], timeout=0.5)
    assert not done
    for _ in range(times):
        reading.cancel()
        await asyncio.sleep(0)
    done, _ = await asyncio.wait([reading], timeout=300)
    assert done
    assert reading.cancelled()


async def test_a_fifo_is_opened_once_and_its_buffer_read_again(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    os.mkfifo(path)
    text = "".join(json.dumps({"prompt": f"cat {number} {'x' * 100}"}) + "\n" for number in range(2_000))
    writing = asyncio.create_task(asyncio.to_thread(path.write_text, text))
    source = RowSource(path)
    async with aclosing(read_rows(source, LUMA, keep=True)) as pages:
        first = await anext(pages)
    found = [entry async for page in read_rows(source, LUMA) for entry in page]
    await writing
    assert found[: len(first)] == list(first)
    assert [entry.place for entry in found] == [f"rows.jsonl:{number}" for number in range(1, 2_001)]


async def test_rows_of_a_slow_pipe_come_one_by_one_and_its_reader_can_be_cancelled() -> None:
    reading, writing = os.pipe()
    pages = read_rows(f"/dev/fd/{reading}", LUMA)
    for prompt in ("first", "second"):
        os.write(writing, json.dumps({"prompt": prompt}).encode() + b"\n")
        (row,) = await anext(pages)
        assert isinstance(row, NewRow)
        assert (row.parameters["prompt"], row.place) == (prompt, f"pipe:{1 + (prompt == 'second')}")
    waiting = asyncio.ensure_future(anext(pages))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    os.close(writing)
    os.close(reading)


# --- Python -----------------------------------------------------------------------------------------------------------


async def test_rows_of_an_async_iterator_come_one_by_one() -> None:
    """A row may wait for the one before to be done: whoever gathers some of them first waits for ever."""
    done = asyncio.Event()

    async def rows() -> AsyncIterator[dict[str, Any]]:
        yield {"prompt": "first"}
        await done.wait()
        yield {"prompt": "second"}

    pages = read_rows(rows(), LUMA)
    assert prompts(await anext(pages)) == ["first"]
    done.set()
    assert prompts(await anext(pages)) == ["second"]


async def test_rows_of_an_iterator_are_asked_for_in_the_callers_thread_and_not_all_at_once() -> None:
    asked, threads = 0, set[int]()

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal asked
        for asked in range(1, 100_000):
            threads.add(threading.get_ident())
            yield {"prompt": "x", "nonsense": 1} if asked == 2 else {"prompt": "x"}

    pages = read_rows(rows(), LUMA)
    first = await anext(pages)
    assert asked == len(first) < 1_000
    assert threads == {threading.get_ident()}
    assert isinstance(first[1], Reject)
    assert first[1].place == "rows:2"


async def test_rows_from_python_are_kept_as_json(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(PNG)
    references = [MediaRef.file(tmp_path / "cat.png", media_type="image/png"), MediaRef.generation("g-1")]
    row, bad = await entries([{"prompt": "x", "image_ref": references}, {"prompt": "x", "user_id": object()}])
    assert isinstance(row, NewRow)
    json.dumps(row.parameters)
    file = row.parameters["image_ref"][0]
    assert (file["path"], file["media_type"], len(file["sha256"])) == (str(tmp_path / "cat.png"), "image/png", 64)
    assert LUMA.build(row.parameters).body == {
        "prompt": "x",
        "image_ref": [MediaRef.file(tmp_path / "cat.png", media_type="image/png"), {"generation_id": "g-1"}],
    }
    assert isinstance(bad, Reject)
    assert bad.reason.startswith("it is not JSON (")


# --- ids and files ----------------------------------------------------------------------------------------------------


async def test_the_id_of_a_row_depends_on_its_request_alone(tmp_path: Path) -> None:
    for name, data in (("a.png", PNG), ("b.png", PNG), ("c.png", PNG + b"!")):
        (tmp_path / name).write_bytes(data)
    rows: list[dict[str, Any]] = [
        {"prompt": "x", "style": "auto"},
        {"style": "auto", "prompt": "x"},
        {"prompt": "y", "style": "auto"},
        *({"prompt": "x", "image_ref": [{"path": str(tmp_path / f"{name}.png")}]} for name in "abc"),
        {"prompt": "x", "id": "mine"},
        {"prompt": "x", "id": 12},
    ]
    ids = [entry.id for entry in await entries(rows) if isinstance(entry, NewRow)]
    assert ids[0] == ids[1] != ids[2]
    assert ids[3] == ids[4] != ids[5]
    assert ids[6:] == ["mine", "12"]


async def test_a_file_that_changes_after_its_row_was_read_is_not_sent(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(PNG)
    (row,) = await entries([{"prompt": "x", "image_ref": [{"path": str(path)}]}])
    assert isinstance(row, NewRow)
    check_files(row.parameters)
    path.write_bytes(PNG + b"!")
    with pytest.raises(InvalidRequestError, match="has changed since its row was read"):
        check_files(row.parameters)
    path.unlink()
    with pytest.raises(InvalidRequestError, match="cannot be read"):
        check_files(row.parameters)


async def test_a_path_in_generors_parameters_is_not_a_file() -> None:
    (row,) = await entries([{"model_id": 1, "parameters": {"path": "left"}}], GENEROR)
    assert isinstance(row, NewRow)
    assert row.parameters["parameters"] == {"path": "left"}


async def test_a_path_with_a_hash_in_generors_parameters_is_not_a_file() -> None:
    own = {"path": "/no/such/file", "sha256": "0" * 64}
    first, second = await entries([{"model_id": 1, "parameters": {**own, "path": path}} for path in "ab"], GENEROR)
    assert isinstance(first, NewRow)
    assert isinstance(second, NewRow)
    assert not GENEROR.has_file(first.parameters)
    body: Any = GENEROR.build({**first.parameters, "parameters": own}).body
    assert body["parameters"] == own
    digests = {request_digest(GENEROR.operation, row.parameters) for row in (first, second)}
    assert len(digests) == 2


async def test_a_rows_own_parameters_override_common_ones() -> None:
    (row,) = await entries([{"model_id": 1, "slug": "joke"}], GENEROR)
    assert isinstance(row, NewRow)
    assert row.parameters["slug"] == "joke"


async def test_a_hash_without_a_path_is_no_file() -> None:
    given = {"url": "https://media.example/cat.png", "sha256": "0f"}
    (row,) = await entries([{"prompt": "x", "image_ref": [given]}])
    assert isinstance(row, NewRow)
    assert row.parameters["image_ref"] == [given]
