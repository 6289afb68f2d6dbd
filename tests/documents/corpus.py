"""What the two API documents print and promise, as data: their JSON examples and the errors they describe.

An unknown or missing key in the files is refused on loading, so the classes here are the files' format.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

from attrs import field, frozen
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, override

__all__ = ["GENEROR", "LUMA", "Corpus", "DescribedError", "Example", "JsonObject", "at_path"]

JsonObject: TypeAlias = dict[str, Any]


@frozen(kw_only=True)
class Example:
    """One JSON object that a document prints, without its comments."""

    name: str
    section: str
    """The headings it stands under, outermost first."""
    kind: Literal["request", "response", "error", "object", "fragment"]
    """`object` is one item of an answer; `fragment` an answer that leaves out what a whole one has."""
    operation: str | None
    arguments: tuple[str | int, ...]
    """The operation's path parameters in order; 1 where the document leaves an id open."""
    status: int | None
    """None where the document doesn't say."""
    model: str | None
    at: str = "$"
    """Path of the part of `json` that decodes to `model`."""
    headers: dict[str, str] = field(factory=dict)
    """Those printed above it."""
    elided: tuple[str, ...]
    """Paths at which the document wrote an ellipsis; what else it printed there is kept."""
    json: JsonObject


@frozen(kw_only=True)
class DescribedError:
    """One error that a document describes: how to meet it, its answer, what the client makes of it."""

    name: str
    section: str | None
    """None for those that only the vendor's newer sources name."""
    operation: str | None
    """None for a call that no operation makes; `storage.get` for a presigned URL."""
    arguments: tuple[str | int, ...]
    status: int | None
    """None where the document forbids something and doesn't say how it answers."""
    code: str | None = None
    message: str | None = None
    """Generor's text; None where the document gives none."""
    detail: str | None = None
    failure_code: str | None = None
    failure_reason: str | None = None
    headers: dict[str, str | None]
    """Headers of the answer; None stands for any value."""
    absent: tuple[str, ...]
    provoke: JsonObject
    """How to meet it.

    - `json`: the request body; at the paths named, `lengthen` makes a string that many characters long, and
      `inline_bytes` puts the base64 of that many bytes.
    - `method`, `path`: the request line, below the base URL.
    - `authorization`: the header's value; null for no header, `{key}` stands for a good key.
    - `state`: what must be so on the server before; the other keys describe it further.
    """
    error_class: str
    retryable: bool | None
    """None where the document doesn't say."""
    fix: str | None = None
    """What the document advises."""
    scope: Literal["minute", "hour", "day"] | None = None
    """Which rate limit's window is full."""
    needs: Literal["read", "write", "generate"] | None = None
    """The scope that the key lacks."""
    checked_by_client: bool = False
    """The client refuses this call unsent, so the server's answer has to be asked for by `client.request`."""
    source: Literal["documented", "client"] = "documented"


@frozen(kw_only=True)
class Corpus:
    """Everything taken from one document."""

    document: str
    examples: tuple[Example, ...]
    errors: tuple[DescribedError, ...]


def at_path(value: Any, path: str) -> Any:
    """Look up a path such as `$.output[0].url`; KeyError or IndexError when it leads nowhere."""
    for step in _steps(path):
        value = value[step]
    return value


def _steps(path: str) -> Iterator[str | int]:
    for match in re.finditer(r"\.(\w+)|\[(\d+)\]", path):
        yield match[1] or int(match[2])


def _load(name: str) -> Corpus:
    converter = Converter(forbid_extra_keys=True)
    converter.register_structure_hook(str | int, lambda value, _: value)
    converter.register_structure_hook(
        DescribedError,
        make_dict_structure_fn(
            DescribedError,
            converter,
            _cattrs_forbid_extra_keys=True,
            error_class=override(rename="class"),
        ),
    )
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    return converter.structure(json.loads(text), Corpus)


GENEROR = _load("generor.json")
LUMA = _load("luma.json")
