"""Packs the rows of a large page: compressed column by column, for the page's script to read.

The packed text is lines of JSON. A string is a pattern (see `markup`); patterns are numbered from 0. An object is a
block of rows: `of` has the number of each row's pattern, and `columns` by pattern number the values of its rows, value
by value, since similar values compress best side by side.
"""

import json
import zlib
from base64 import b64encode
from collections.abc import Iterator
from typing import IO, Any, Final

from attrs import Factory, define, field

from generor_async.batch.report.row_card import RowCard

__all__ = ["PackedRows"]

ROWS_PER_BLOCK: Final = 400
"""Rows in one block, and in memory at a time."""
CHUNK: Final = 3 << 14
"""Bytes encoded at a time: a multiple of three, so that the pieces of base64 join."""
PLACEHOLDER: Final = """\
<li id="unread">{rows:,} rows are packed into this page, and shown by its script. They are in results.jsonl, too.</li>
"""
"""Shown until the script has unpacked the rows."""
GZIP: Final = 31
"""The window size by which zlib writes gzip, which browsers read."""


@define
class PackedRows:
    """Writes rows into a file, compressed."""

    _file: IO[bytes]
    _patterns: dict[str, int] = Factory(dict[str, int])
    _rows: list[RowCard] = Factory(list[RowCard])
    _count: int = 0
    _compressor: Any = field(init=False, factory=lambda: zlib.compressobj(9, wbits=GZIP))
    """zlib's compressor, whose type has no public name."""

    def add(self, card: RowCard) -> None:
        """Add a row; it is written with its block."""
        self._rows.append(card)
        self._count += 1
        if len(self._rows) == ROWS_PER_BLOCK:
            self._pack()

    def markup(self) -> Iterator[bytes]:
        """Write the last block, and yield the markup that stands for the rows in the page."""
        if self._rows:
            self._pack()
        self._file.write(self._compressor.flush())
        self._file.seek(0)
        yield PLACEHOLDER.format(rows=self._count).encode()
        yield b'<script type="text/plain" id="packed">'
        while piece := self._file.read(CHUNK):
            yield b64encode(piece)
        yield b"</script>\n"

    def _pack(self) -> None:
        rows, self._rows = self._rows, []
        of, alike = list[int](), dict[int, list[tuple[str, ...]]]()
        for row in rows:
            number = self._patterns.get(row.pattern)
            if number is None:
                number = self._patterns[row.pattern] = len(self._patterns)
                self._write(row.pattern)
            of.append(number)
            alike.setdefault(number, []).append(row.values)
        self._write(
            {"of": of, "columns": {number: list(zip(*values, strict=True)) for number, values in alike.items()}}
        )

    def _write(self, line: object) -> None:
        text = json.dumps(line, separators=(",", ":"), ensure_ascii=False)
        # JSON may hold halves of surrogate pairs, which UTF-8 has no bytes for; all of this is markup.
        self._file.write(self._compressor.compress(text.encode(errors="xmlcharrefreplace") + b"\n"))
