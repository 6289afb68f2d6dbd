"""Which character separates the cells of a table, told by its first lines."""

import re
from collections.abc import Container
from typing import Final

from generor_async.rules.csv_quotes import cell_parser

__all__ = ["SEPARATOR_NAMES", "declared_separator", "guess_separator"]

SEPARATOR_NAMES: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
SEP_LINE: Final = re.compile(r'"?sep=(.)"?[\r\n]*')


def declared_separator(line: str) -> str | None:
    """Return what a first line such as `sep=;`, which Excel takes and writes, says; None where it is no such line."""
    found = SEP_LINE.fullmatch(line)
    return found[1] if found else None


def guess_separator(header: str, own: str, known: Container[str]) -> str:
    """Return what separates the names of columns: what gives the most that are known, and else `own`, the usual one."""

    def worth(separator: str) -> tuple[int, bool, bool]:
        cells = cell_parser(separator)(header) or []
        return sum(cell in known for cell in cells), len(cells) > 1, separator == own

    return max(SEPARATOR_NAMES, key=worth)
