"""What a call answered, shown: JSON where it goes to a program or a file, something to read on a terminal."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from generor_async.cli.exit_codes import printable
from generor_async.values import JSON, Model, is_array, is_object

__all__ = ["show"]

COLUMNS: Final = 6
"""Columns of a table; what else the items have is named below it."""


def show(result: Any, files: Sequence[Path] | None = None) -> None:
    """Print what a call returned, and where its files are; keys in it stay masked."""
    value = _as_json(result)
    if files is not None:
        value = {**value, "files": [str(path) for path in files]}
    if sys.stdout.isatty():
        Console().print(_drawn(json.loads(_written(value))))
        return
    # Half of a surrogate pair, which UTF-8 has no bytes for, is written as the escape that JSON has for it.
    sys.stdout.buffer.write(_written(value).encode("utf-8", "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()


def _as_json(result: Any) -> JSON:
    """Return the JSON that an answer came from."""
    if isinstance(result, Model):
        return result.raw
    if is_array(result):
        return [_as_json(item) for item in result]
    if is_object(result):
        return {name: _as_json(item) for name, item in result.items()}
    return result


def _written(value: JSON) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)  # a Secret's text is its mask


def _drawn(value: JSON) -> RenderableType:
    if is_object(value):
        return _fields(value)
    if is_array(value):
        return _items(value)
    return "done" if value is None else _scalar(value)


def _scalar(value: JSON) -> Text:
    if value is None:
        return Text("-", style="dim")
    text = printable(value if isinstance(value, str) else json.dumps(value))
    is_link = text.startswith(("https://", "http://"))
    return Text(text, style=f"link {text}" if is_link else "", overflow="fold")  # a link stays whole over lines


def _fields(value: dict[str, JSON]) -> RenderableType:
    """Draw an object: plain fields beside their names, all else below them."""
    parts: list[RenderableType] = []
    grid: Table | None = None
    for name, item in value.items():
        title = Text(printable(name), style="bold")
        if item and (is_object(item) or is_array(item)):
            grid = None
            parts += [title, Padding(_drawn(item), (0, 0, 0, 2))]
            continue
        if grid is None:
            grid = Table.grid("", "", padding=(0, 2))
            parts.append(grid)
        grid.add_row(title, _scalar(item))
    return Group(*parts)


def _items(items: list[JSON]) -> RenderableType:
    """Draw a list: a table where there are several objects, else one item below the other."""
    if not items:
        return Text("none", style="dim")
    objects = [item for item in items if is_object(item)]
    if len(items) == 1 or len(objects) < len(items):
        return Group(*(_drawn(item) for item in items))
    names = list(dict.fromkeys(name for item in objects for name, value in item.items() if _is_plain(value)))
    others = [name for name in dict.fromkeys(name for item in objects for name in item) if name not in names[:COLUMNS]]
    caption = f"also has: {printable(', '.join(others))} (pipe it to see all, as JSON)" if others else None
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), caption=caption, caption_justify="left")
    for name in names[:COLUMNS]:
        table.add_column(printable(name), overflow="fold")
    for item in objects:
        table.add_row(*(_scalar(item.get(name)) for name in names[:COLUMNS]))
    return table


def _is_plain(value: JSON) -> bool:
    return not is_object(value) and not is_array(value)
