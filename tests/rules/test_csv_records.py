"""CSV tables: whatever CSV writers write is read back, and no piece of a broken record becomes a row."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st
from support.examples import examples

from generor_async.rules.csv_records import CsvRecord, CsvTable, RejectedLines

SEPARATORS = [",", ";", "\t", "|"]
NOT_QUOTED = (
    "a quote is out of place in line {} or behind: put cells that hold quotes, line ends or {} in quotes, and double"
    " their own quotes"
)


def lines_of(text: str, end: str) -> Iterator[tuple[int, str]]:
    return enumerate(re.findall(rf"[^{end[-1]}]*{end[-1]}|[^{end[-1]}]+\Z", text), 1)


def read(text: str, separator: str = ",", *, end: str = "\n") -> list[CsvRecord | RejectedLines]:
    return list(CsvTable(lines_of(text, end), separator).records())


def rows(found: Sequence[CsvRecord | RejectedLines]) -> list[list[str]]:
    return [one[2] for one in found if not isinstance(one, RejectedLines)]


def aside(found: Sequence[CsvRecord | RejectedLines]) -> list[tuple[int, int, str]]:
    return [(one.first, one.last, one.text) for one in found if isinstance(one, RejectedLines)]


# --- what writers write -----------------------------------------------------------------------------------------------

CELLS = st.text(alphabet='ab",;\t|\n\r \\é', max_size=8)


def tables(cells: st.SearchStrategy[str], *, most: int = 6) -> st.SearchStrategy[list[list[str]]]:
    """Make rows of one width with a first cell that is not blank, as those below no header are left out."""

    def of(width: int) -> st.SearchStrategy[list[list[str]]]:
        row = st.tuples(cells.filter(lambda cell: bool(cell.strip())), *[cells] * (width - 1)).map(list)
        return st.lists(row, min_size=1, max_size=most)

    return st.integers(1, 4).flatmap(of)


def written(records: Sequence[Sequence[str]], **dialect: Any) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream, **dialect).writerows(records)
    return stream.getvalue()


def with_header(records: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    return [[f"column{number}" for number in range(len(records[0]))], *records]


@given(
    records=tables(CELLS),
    separator=st.sampled_from(SEPARATORS),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\r\n", "\n", "\r"]),
)
@examples(50)
def test_all_that_a_writer_of_csv_writes_is_read_as_it_was(
    records: list[list[str]], separator: str, quoting: Any, end: str
) -> None:
    if len(end) == 1 and quoting != csv.QUOTE_ALL:  # some versions of Python don't quote for the other line end
        records = [[cell.strip("\r\n") for cell in record] for record in records]
        assume(all(record[0].strip() for record in records))
    text = written(with_header(records), delimiter=separator, quoting=quoting, lineterminator=end)
    found = read(text, separator, end=end)
    assert rows(found) == records
    assert not aside(found)


# --- what is broken ---------------------------------------------------------------------------------------------------


def refuses(text: str, separator: str) -> bool:
    """Read as RFC 4180 has it, and refuse the whole of what is not so, or has other counts of cells."""
    records: list[list[str]] = []
    row, cell, state = list[str](), "", "begin"
    at = 0
    text = re.sub(r"\r\n|\r", "\n", text)
    while at < len(text):
        one = text[at]
        at += 1
        if state == "quoted":
            if one != '"':
                cell += one
            elif text[at : at + 1] == '"':
                cell, at = cell + '"', at + 1
            else:
                state = "closed"
        elif one in {separator, "\n"}:
            row, cell, state = [*row, cell], "", "begin"
            if one == "\n":
                records, row = [*records, row], []
        elif state == "closed" or one == '"':
            if state != "begin":
                return True
            state = "quoted"
        else:
            cell, state = cell + one, "plain"
    if state == "quoted":
        return True
    if row or cell or state != "begin":
        records.append([*row, cell])
    return len({len(record) for record in records if any(map(str.strip, record))}) > 1


MUTATIONS = st.lists(
    st.tuples(st.integers(0, 10_000), st.sampled_from(["drop", "cut", *'"\t,;\n\\\0'])), min_size=1, max_size=2
)


def broken(text: str, begin: int, end: int, mutations: Sequence[tuple[int, str]], kept: str) -> str:
    """Change some places of one record: lose a quote, separator or line end there, add a character, or end the file."""
    for where, kind in mutations:
        if kind == "drop":
            places = [at for at in range(begin, min(end, len(text))) if text[at] in kept]
            if places:
                at = places[where % len(places)]
                text = text[:at] + text[at + 1 :]
        else:
            at = begin + where % max(1, min(end, len(text)) - begin)
            text = text[:at] if kind == "cut" else text[:at] + kind + text[at:]
    return text


@given(
    records=tables(st.text(alphabet='ab",\t\n ', max_size=8), most=5),
    separator=st.sampled_from([",", "\t"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    which=st.integers(0, 4),
    mutations=MUTATIONS,
)
@examples(100)
def test_of_a_record_that_was_broken_no_piece_is_read_where_a_strict_reader_would_refuse_the_file(
    records: list[list[str]], separator: str, quoting: Any, which: int, mutations: list[tuple[int, str]]
) -> None:
    texts = [
        written([record], delimiter=separator, quoting=quoting, lineterminator="\n") for record in with_header(records)
    ]
    which = 1 + which % len(records)
    begin = sum(map(len, texts[:which]))
    text = broken("".join(texts), begin, begin + len(texts[which]), mutations, f'"\n{separator}')
    assume(refuses(text, separator))
    for row in rows(read(text, separator)):
        assert row in records
