"""Which character separates the cells of a table, told by its first lines."""

import re
from collections.abc import Container
from typing import Final

from generor_async.rules.csv_quotes import cells_of

__all__ = ["NAMES", "named_separator", "separator_of"]

NAMES: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
NAMED: Final = re.compile(r'"?sep=(.)"?[\r\n]*')


def named_separator(line: str) -> str | None:
    """Return what a first line such as `sep=;`, which Excel takes and writes, says; None where it is no such line."""
    found = NAMED.fullmatch(line)
    return found[1] if found else None


def separator_of(header: str, own: str, known: Container[str]) -> str:
    """Return what separates the names of columns: what gives the most that are known, and else `own`, the usual one."""

    def worth(separator: str) -> tuple[int, bool, bool]:
        cells = cells_of(separator)(header) or []
        return sum(cell in known for cell in cells), len(cells) > 1, separator == own

    return max(NAMES, key=worth)
