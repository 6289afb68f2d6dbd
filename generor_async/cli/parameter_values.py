"""Parses parameter values from the command line: a value's first characters tell its form, such as `@FILE`."""

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
from generor_async.cli.error_output import BadUseError
from generor_async.cli.operation_info import OperationInfo, OperationParameter, ValueType
from generor_async.values import JSON, is_array, is_object

__all__ = ["VALUE_SYNTAX", "ParameterReader", "option_name"]

VALUE_SYNTAX: Final = """\
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

JSON_TYPES: Final[Mapping[ValueType, tuple[type, ...]]] = {
    "text": (str,),
    "integer": (int,),
    "number": (int, float),
    "flag": (bool,),
    "time": (str,),
    "object": (dict,),
    "media": (dict, str),
    "bytes": (str,),
}
"""The Python types of a JSON value of each value type."""
TYPE_NAMES: Final[Mapping[ValueType, str]] = {
    "text": "text",
    "integer": "a whole number",
    "number": "a number",
    "flag": "true or false",
    "time": "a time",
    "object": "an object",
    "media": "an object that names media",
    "bytes": 'the name of a file, such as "@cat.png"',
}
INTEGER: Final = re.compile(r"[+-]?\d+")
MOST_DIGITS: Final = 18


def option_name(name: str) -> str:
    """Return the option for a parameter."""
    return "--" + name.replace("_", "-")


@define
class ParameterReader:
    """Reads the parameter values of one command; only one of them can be read from stdin."""

    _operation: OperationInfo
    _stdin_is_read: bool = False

    def read(self, given: Mapping[str, Any], body: str | None) -> Values:
        """Return the operation's parameters from its options and from `--json`; raises BadUseError."""
        values = {} if body is None else self._from_json(body)
        for parameter in self._operation.parameters:
            written = given.get(parameter.name)
            if written is None:
                continue
            if parameter.is_list:
                values[parameter.name] = [self._read_option(parameter, text) for text in written]
            elif isinstance(written, bool):
                values[parameter.name] = written
            else:
                values[parameter.name] = self._read_option(parameter, written)
        if missing := [one.name for one in self._operation.parameters if one.required and one.name not in values]:
            raise BadUseError(f"missing: {', '.join(map(option_name, missing))}")
        return values

    def _read_option(self, parameter: OperationParameter, written: str) -> Any:
        """Read a value from the text of an option."""
        hint, kinds = option_name(parameter.name), parameter.value_types
        if "bytes" in kinds:
            return self._read_bytes(written, hint)
        if "media" in kinds:
            return self._read_media(written, hint)
        text = self._read_text(written, hint)
        if "object" in kinds:
            return self._with_files(self._parse_object(text, hint), hint)
        if "time" in kinds:
            return _parse_time(text, hint)
        if kinds & {"integer", "number"}:
            return _parse_number(text, hint, kinds)
        return text

    def _from_json(self, written: str) -> Values:
        """Read the parameters from the object in `--json`."""
        known = {parameter.name: parameter for parameter in self._operation.parameters}
        found = self._parse_object(self._read_text(written, "--json"), "--json")
        if unknown := [name for name in found if name not in known]:
            raise BadUseError(
                f"{unknown[0]!r} is no parameter of {self._operation.name}; those are: {', '.join(known) or 'none'}",
                param_hint="--json",
            )
        return {name: self._from_value(known[name], value) for name, value in found.items()}

    def _from_value(self, parameter: OperationParameter, value: JSON) -> Any:
        """Check the type of a JSON value, and convert what JSON has no type for."""
        if value is None and parameter.nullable:
            return None
        items = value if parameter.is_list else [value]
        if not is_array(items) or not all(_has_type(item, parameter.value_types) for item in items):
            wanted = " or ".join(TYPE_NAMES[kind] for kind in sorted(parameter.value_types))
            wanted = f"a list, each item {wanted}" if parameter.is_list else wanted
            raise BadUseError(f"{parameter.name} must be {wanted}", param_hint="--json")
        hint = f"--json: {parameter.name}"
        if isinstance(value, str) and parameter.value_types & {"time", "bytes"}:
            return _parse_time(value, hint) if "time" in parameter.value_types else self._read_bytes(value, hint)
        if "media" in parameter.value_types:
            items = [self._read_media(item, hint) if isinstance(item, str) else item for item in items]
            return self._with_files(items if parameter.is_list else items[0], hint)
        return self._with_files(value, hint)

    def _with_files(self, value: JSON, hint: str) -> Any:
        """Replace `{"path": ...}` by a media reference if the operation takes media."""
        if not any("media" in parameter.value_types for parameter in self._operation.parameters):
            return value
        if is_array(value):
            return [self._with_files(item, hint) for item in value]
        if not is_object(value):
            return value
        if isinstance(path := value.get("path"), str) and value.keys() <= {"path", "media_type"}:
            return MediaRef.file(_existing_file(path, hint), media_type=value.get("media_type"))
        return {name: self._with_files(item, hint) for name, item in value.items()}

    def _read_media(self, written: str, hint: str) -> Any:
        if written.startswith("@"):
            return MediaRef.file(_existing_file(written[1:], hint))
        if written.lstrip().startswith("{"):
            return self._with_files(self._parse_object(written, hint), hint)
        if "://" in written:
            return MediaRef.url(written)
        raise BadUseError(
            f"{_excerpt(written)} is neither a URL, @FILE nor a JSON object; for a local file, write @{written}",
            param_hint=hint,
        )

    def _parse_object(self, text: str, hint: str) -> dict[str, JSON]:
        try:
            found = json.loads(text, parse_constant=_reject_constant)
        except (ValueError, RecursionError) as error:
            raise BadUseError(f"{_excerpt(text)} is not JSON ({error})", param_hint=hint) from None
        if not is_object(found):
            raise BadUseError(f"{_excerpt(text)} is not a JSON object such as {{...}}", param_hint=hint)
        return found

    def _read_text(self, written: str, hint: str) -> str:
        """Return the text itself, or that of the file that it names."""
        if not written.startswith("@"):
            return written
        if written.startswith("@@"):
            return written[1:]
        try:
            text = self._read_bytes(written, hint).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise BadUseError(f"{written[1:]} is not text in UTF-8", param_hint=hint) from None
        return text.removesuffix("\n").removesuffix("\r")

    def _read_bytes(self, written: str, hint: str) -> bytes:
        if written == "@-":
            if self._stdin_is_read:
                raise BadUseError("only one value can be read from standard input", param_hint=hint)
            self._stdin_is_read = True
            return sys.stdin.buffer.read()
        if not written.startswith("@"):
            raise BadUseError(f"{_excerpt(written)} is not the name of a file: write @{written}", param_hint=hint)
        try:
            return _existing_file(written[1:], hint).read_bytes()
        except OSError as error:
            raise BadUseError(f"{written[1:]} cannot be read ({error.strerror})", param_hint=hint) from None


def _existing_file(written: str, hint: str) -> Path:
    """Return the path of an existing file; `~` is the home directory."""
    path = Path(written).expanduser()
    # Path.is_dir raises where the name is too long, as a text's is that begins with @.
    if os.path.isdir(path):  # noqa: PTH112
        raise BadUseError(f"{path} is a folder", param_hint=hint)
    if not os.path.exists(path):  # noqa: PTH110 - the same
        raise BadUseError(f"there is no file {str(path)[:200]}", param_hint=hint)
    return path


def _has_type(value: JSON, kinds: frozenset[ValueType]) -> bool:
    """Tell whether a JSON value has one of the types; true and false are no numbers."""
    if isinstance(value, bool):
        return "flag" in kinds
    return any(isinstance(value, JSON_TYPES[kind]) for kind in kinds)


def _parse_number(text: str, hint: str, kinds: frozenset[ValueType]) -> int | float | str:
    """Read a number; where text is allowed as well, only integers are numbers."""
    if INTEGER.fullmatch(text) and len(text) <= MOST_DIGITS:
        return int(text)
    if "text" in kinds:
        return text
    if "number" in kinds:
        try:
            if math.isfinite(number := float(text)):
                return number
        except ValueError:
            pass
    wanted: ValueType = "number" if "number" in kinds else "integer"
    raise BadUseError(f"{_excerpt(text)} is not {TYPE_NAMES[wanted]}", param_hint=hint)


def _parse_time(text: str, hint: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise BadUseError(
            f"{_excerpt(text)} is not a time in ISO 8601, such as 2026-04-08T12:00:00Z", param_hint=hint
        ) from None


def _reject_constant(name: str) -> None:
    raise ValueError(f"it has {name}")


def _excerpt(text: str) -> str:
    """Return the beginning of a text, short enough for a message."""
    return repr(text if len(text) <= 60 else f"{text[:59]}…")
