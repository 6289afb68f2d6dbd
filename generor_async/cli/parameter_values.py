"""What is written on a command line for a parameter, read as the value that the operation takes.

`@FILE` stands for what is in a file. Nothing is guessed: which of its forms a text has is told by how it begins.
"""

import json
import math
import os
import re
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import define

from generor_async import MediaRef
from generor_async.cli.exit_codes import BadUseError
from generor_async.cli.operation_info import Described, Kind, Parameter
from generor_async.values import JSON, is_array, is_object

__all__ = ["RULES", "Reader", "option"]

RULES: Final = """\
**What values look like.** TEXT is taken as it is; `@FILE` stands for the text of a file (UTF-8, the last line end left
out), `@-` for standard input, and `@@` for a text that begins with one `@`. JSON is an object, written out or named
the same ways. MEDIA is a URL with `://`, `@FILE` for the image or video in a file, or an object such as
`{"file_id": "..."}` or `{"generation_id": "..."}`. BYTES is `@FILE` or `@-`. TIME is ISO 8601, such as
`2026-04-08T12:00:00Z`. An option marked as repeatable is given once for each item of its list.

`--json` gives any parameters as one JSON object, by their names with underscores, null where the API takes it; an
option beside it goes before it. In JSON, `{"path": "cat.png"}` stands for the media in a file where the operation
takes media.
"""
Values: TypeAlias = dict[str, Any]

MADE_OF: Final[Mapping[Kind, tuple[type, ...]]] = {
    "text": (str,),
    "integer": (int,),
    "number": (int, float),
    "flag": (bool,),
    "time": (str,),
    "object": (dict,),
    "media": (dict, str),
    "bytes": (str,),
}
"""What a JSON value for each kind is."""
CALLED: Final[Mapping[Kind, str]] = {
    "text": "text",
    "integer": "a whole number",
    "number": "a number",
    "flag": "true or false",
    "time": "a time",
    "object": "an object",
    "media": "an object that names media",
    "bytes": 'the name of a file, such as "@cat.png"',
}
WHOLE: Final = re.compile(r"[+-]?\d+")
DIGITS_OF_A_NUMBER: Final = 18


def option(name: str) -> str:
    """Return a parameter's name as an option."""
    return "--" + name.replace("_", "-")


@define
class Reader:
    """Reads the values of one command; standard input can be read by one of them."""

    _operation: Described
    _stdin_is_read: bool = False

    def read(self, given: Mapping[str, Any], body: str | None) -> Values:
        """Return the parameters of the operation from its options and `--json`; raises BadUseError."""
        values = {} if body is None else self._from_json(body)
        for parameter in self._operation.parameters:
            written = given.get(parameter.name)
            if written is None:
                continue
            if parameter.many:
                values[parameter.name] = [self._one(parameter, text) for text in written]
            elif isinstance(written, bool):
                values[parameter.name] = written
            else:
                values[parameter.name] = self._one(parameter, written)
        if missing := [one.name for one in self._operation.parameters if one.required and one.name not in values]:
            raise BadUseError(f"missing: {', '.join(map(option, missing))}")
        return values

    def _one(self, parameter: Parameter, written: str) -> Any:
        """Read a value from an option's text."""
        hint, kinds = option(parameter.name), parameter.kinds
        if "bytes" in kinds:
            return self._bytes(written, hint)
        if "media" in kinds:
            return self._media(written, hint)
        text = self._text(written, hint)
        if "object" in kinds:
            return self._with_files(self._object(text, hint), hint)
        if "time" in kinds:
            return _time(text, hint)
        if kinds & {"integer", "number"}:
            return _number(text, hint, kinds)
        return text

    def _from_json(self, written: str) -> Values:
        """Read the parameters that `--json` gives."""
        known = {parameter.name: parameter for parameter in self._operation.parameters}
        found = self._object(self._text(written, "--json"), "--json")
        if unknown := [name for name in found if name not in known]:
            raise BadUseError(
                f"{unknown[0]!r} is no parameter of {self._operation.name}; those are: {', '.join(known) or 'none'}",
                param_hint="--json",
            )
        return {name: self._from_value(known[name], value) for name, value in found.items()}

    def _from_value(self, parameter: Parameter, value: JSON) -> Any:
        """Check a value that stands in JSON, and read it as far as JSON has no form for it."""
        if value is None and parameter.nullable:
            return None
        items = value if parameter.many else [value]
        if not is_array(items) or not all(_fits(item, parameter.kinds) for item in items):
            wanted = " or ".join(CALLED[kind] for kind in sorted(parameter.kinds))
            wanted = f"a list, each item {wanted}" if parameter.many else wanted
            raise BadUseError(f"{parameter.name} must be {wanted}", param_hint="--json")
        hint = f"--json: {parameter.name}"
        if isinstance(value, str) and parameter.kinds & {"time", "bytes"}:
            return _time(value, hint) if "time" in parameter.kinds else self._bytes(value, hint)
        if "media" in parameter.kinds:
            items = [self._media(item, hint) if isinstance(item, str) else item for item in items]
            return self._with_files(items if parameter.many else items[0], hint)
        return self._with_files(value, hint)

    def _with_files(self, value: JSON, hint: str) -> Any:
        """Let `{"path": ...}` stand for a file wherever the operation takes media."""
        if not any("media" in parameter.kinds for parameter in self._operation.parameters):
            return value
        if is_array(value):
            return [self._with_files(item, hint) for item in value]
        if not is_object(value):
            return value
        if isinstance(path := value.get("path"), str) and value.keys() <= {"path", "media_type"}:
            return MediaRef.file(_file(path, hint), media_type=value.get("media_type"))
        return {name: self._with_files(item, hint) for name, item in value.items()}

    def _media(self, written: str, hint: str) -> Any:
        if written.startswith("@"):
            return MediaRef.file(_file(written[1:], hint))
        if written.lstrip().startswith("{"):
            return self._with_files(self._object(written, hint), hint)
        if "://" in written:
            return MediaRef.url(written)
        raise BadUseError(
            f"{_shown(written)} is neither a URL, @FILE nor an object in JSON; a file of this machine is @{written}",
            param_hint=hint,
        )

    def _object(self, text: str, hint: str) -> dict[str, JSON]:
        try:
            found = json.loads(text, parse_constant=_not_json)
        except (ValueError, RecursionError) as error:
            raise BadUseError(f"{_shown(text)} is not JSON ({error})", param_hint=hint) from None
        if not is_object(found):
            raise BadUseError(f"{_shown(text)} is not an object in JSON, as {{...}}", param_hint=hint)
        return found

    def _text(self, written: str, hint: str) -> str:
        """Return the text that is meant: what is written, or what is in the file that it names."""
        if not written.startswith("@"):
            return written
        if written.startswith("@@"):
            return written[1:]
        try:
            text = self._bytes(written, hint).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise BadUseError(f"{written[1:]} is not text in UTF-8", param_hint=hint) from None
        return text.removesuffix("\n").removesuffix("\r")

    def _bytes(self, written: str, hint: str) -> bytes:
        if written == "@-":
            if self._stdin_is_read:
                raise BadUseError("standard input can be read for one value alone", param_hint=hint)
            self._stdin_is_read = True
            return sys.stdin.buffer.read()
        if not written.startswith("@"):
            raise BadUseError(f"{_shown(written)} names no file: write @{written}", param_hint=hint)
        try:
            return _file(written[1:], hint).read_bytes()
        except OSError as error:
            raise BadUseError(f"{written[1:]} cannot be read ({error.strerror})", param_hint=hint) from None


def _file(written: str, hint: str) -> Path:
    """Return the path of a file that is there; one in the home directory may begin with `~`."""
    path = Path(written).expanduser()
    # Path.is_dir raises where the name is too long, as a text's is that begins with @.
    if os.path.isdir(path):  # noqa: PTH112
        raise BadUseError(f"{path} is a folder", param_hint=hint)
    if not os.path.exists(path):  # noqa: PTH110 - the same
        raise BadUseError(f"there is no file {str(path)[:200]}", param_hint=hint)
    return path


def _fits(value: JSON, kinds: frozenset[Kind]) -> bool:
    """Tell whether a JSON value is one of the kinds; true and false are no numbers."""
    if isinstance(value, bool):
        return "flag" in kinds
    return any(isinstance(value, MADE_OF[kind]) for kind in kinds)


def _number(text: str, hint: str, kinds: frozenset[Kind]) -> int | float | str:
    """Read a number; where text is taken as well, whole numbers alone are."""
    if WHOLE.fullmatch(text) and len(text) <= DIGITS_OF_A_NUMBER:
        return int(text)
    if "text" in kinds:
        return text
    if "number" in kinds:
        try:
            if math.isfinite(number := float(text)):
                return number
        except ValueError:
            pass
    wanted: Kind = "number" if "number" in kinds else "integer"
    raise BadUseError(f"{_shown(text)} is not {CALLED[wanted]}", param_hint=hint)


def _time(text: str, hint: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise BadUseError(
            f"{_shown(text)} is not a time in ISO 8601, such as 2026-04-08T12:00:00Z", param_hint=hint
        ) from None


def _not_json(name: str) -> None:
    raise ValueError(f"it has {name}")


def _shown(text: str) -> str:
    """Return as much of a text as a message has room for."""
    return repr(text if len(text) <= 60 else f"{text[:59]}…")
