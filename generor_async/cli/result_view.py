"""Prints the result of a call: as a table or list on a terminal, and as JSON to a pipe or file."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from generor_async.cli.error_output import escape_controls
from generor_async.values import JSON, Model, is_array, is_object

__all__ = ["print_result"]

MAX_COLUMNS: Final = 6
"""A table's caption names the fields beyond these."""


def print_result(result: Any, files: Sequence[Path] | None = None) -> None:
    """Print the result of a call, and the paths of its downloaded files. API keys in it are masked."""
    value = _as_json(result)
    if files is not None:
        value = {**value, "files": [str(path) for path in files]}
    if sys.stdout.isatty():
        Console().print(_render(json.loads(_dump(value))))
        return
    # UTF-8 can't encode half of a surrogate pair; its JSON escape is written instead.
    sys.stdout.buffer.write(_dump(value).encode("utf-8", "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()


def _as_json(result: Any) -> JSON:
    """Return a result as JSON, with models as they were received."""
    if isinstance(result, Model):
        return result.raw
    if is_array(result):
        return [_as_json(item) for item in result]
    if is_object(result):
        return {name: _as_json(item) for name, item in result.items()}
    return result


def _dump(value: JSON) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)  # str() of a Secret is masked


def _render(value: JSON) -> RenderableType:
    if is_object(value):
        return _render_object(value)
    if is_array(value):
        return _render_list(value)
    return "done" if value is None else _render_scalar(value)


def _render_scalar(value: JSON) -> Text:
    if value is None:
        return Text("-", style="dim")
    text = escape_controls(value if isinstance(value, str) else json.dumps(value))
    is_link = text.startswith(("https://", "http://"))
    return Text(text, style=f"link {text}" if is_link else "", overflow="fold")  # a folded URL stays one link


def _render_object(value: dict[str, JSON]) -> RenderableType:
    """Render scalar fields beside their names, and other fields below them."""
    parts: list[RenderableType] = []
    grid: Table | None = None
    for name, item in value.items():
        title = Text(escape_controls(name), style="bold")
        if item and (is_object(item) or is_array(item)):
            grid = None
            parts += [title, Padding(_render(item), (0, 0, 0, 2))]
            continue
        if grid is None:
            grid = Table.grid("", "", padding=(0, 2))
            parts.append(grid)
        grid.add_row(title, _render_scalar(item))
    return Group(*parts)


def _render_list(items: list[JSON]) -> RenderableType:
    """Render several objects as a table, and any other items one below the other."""
    if not items:
        return Text("none", style="dim")
    objects = [item for item in items if is_object(item)]
    if len(items) == 1 or len(objects) < len(items):
        return Group(*(_render(item) for item in items))
    return _render_table(objects)


def _render_table(objects: list[dict[str, JSON]]) -> Table:
    """Render objects as rows, with a column for each of the first scalar fields."""
    names = list(dict.fromkeys(name for item in objects for name, value in item.items() if _is_scalar(value)))
    others = [
        name for name in dict.fromkeys(name for item in objects for name in item) if name not in names[:MAX_COLUMNS]
    ]
    caption = f"also has: {escape_controls(', '.join(others))} (pipe it to see all, as JSON)" if others else None
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), caption=caption, caption_justify="left")
    for name in names[:MAX_COLUMNS]:
        table.add_column(escape_controls(name), overflow="fold")
    for item in objects:
        table.add_row(*(_render_scalar(item.get(name)) for name in names[:MAX_COLUMNS]))
    return table


def _is_scalar(value: JSON) -> bool:
    return not is_object(value) and not is_array(value)
