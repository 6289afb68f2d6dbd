"""Detects the separator of a table by its first lines."""

import re
from collections.abc import Container
from typing import Final

from generor_async.rules.csv_quotes import cell_parser

__all__ = ["SEPARATOR_NAMES", "declared_separator", "guess_separator"]

SEPARATOR_NAMES: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
SEP_LINE: Final = re.compile(r'"?sep=(.)"?[\r\n]*')


def declared_separator(line: str) -> str | None:
    """Return the separator that a first line such as `sep=;` declares, as Excel writes it; None for other lines."""
    found = SEP_LINE.fullmatch(line)
    return found[1] if found else None


def guess_separator(header: str, own: str, known: Container[str]) -> str:
    """Return the separator that gives the most known column names; `own`, the usual one, where several do."""

    def worth(separator: str) -> tuple[int, bool, bool]:
        cells = cell_parser(separator)(header) or []
        return sum(cell in known for cell in cells), len(cells) > 1, separator == own

    return max(SEPARATOR_NAMES, key=worth)
