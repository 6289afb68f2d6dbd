"""The lenient decoder, for answers that are not as the documents show them.

The answer to a paid call may lack a field, or have one of another type: such a field is None, and reported as a
`Problem`. A value that is only written in another way (a number in a string, `[]` for an empty object, as PHP writes
it) is converted. An item that can't be decoded is left out of its list; the other items stay.
"""

# ruff: noqa: ARG001 - all readers have the same signature

import json
import math
import re
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeAlias, TypeVar

from attrs import field, frozen

from generor_async.values.decoding import UnexpectedShape
from generor_async.values.model import (
    JSON,
    DecodeError,
    Model,
    Problem,
    is_array,
    is_object,
    set_decoder,
    type_mismatch,
)
from generor_async.values.secret import MASK, Secret

__all__ = [
    "Attribute",
    "Problems",
    "Reader",
    "Shape",
    "as_any",
    "as_bool",
    "as_datetime",
    "as_dict",
    "as_float",
    "as_id",
    "as_int",
    "as_items",
    "as_one_of",
    "as_secret",
    "as_str",
    "as_word",
    "given_at",
    "list_of",
    "map_of",
]

T = TypeVar("T")
M = TypeVar("M", bound=Model)

Problems: TypeAlias = list[Problem]
Reader: TypeAlias = Callable[[JSON, str, Problems], T]
"""Decodes the value at a path, and appends what is wrong in it to the problems; raises `DecodeError`."""

_NUMBER: Final = re.compile(r"[+-]?\d{1,30}(\.\d{0,30})?([eE][+-]?\d{1,3})?", re.ASCII)
_BOOLEANS: Final = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
_MILLISECONDS: Final = 1e11
"""Timestamps from here on are milliseconds: in seconds, this is the year 5138."""


def as_any(value: JSON, path: str, problems: Problems) -> Any:
    """Return any value."""
    return value


def as_str(value: JSON, path: str, problems: Problems) -> str:
    """Read a string, or a number as one."""
    if type(value) is str:
        return value
    if type(value) is int or type(value) is float:
        return str(value)
    raise type_mismatch(value, "a string", path)


def as_word(value: JSON, path: str, problems: Problems) -> str:
    """Read a string; a number is not accepted."""
    if type(value) is str:
        return value
    raise type_mismatch(value, "a string", path)


def as_float(value: JSON, path: str, problems: Problems) -> float:
    """Read a number, or a string that holds one."""
    if type(value) is str and _NUMBER.fullmatch(text := value.strip()):
        value = int(text) if text.lstrip("+-").isdecimal() else float(text)
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return value
    raise type_mismatch(value, "a number", path)


def as_int(value: JSON, path: str, problems: Problems) -> int:
    """Read an integer, a string that holds one, or a float such as 8.0."""
    try:
        number = as_float(value, path, problems)
    except DecodeError:
        number = math.nan
    if type(number) is int or (type(number) is float and number.is_integer()):
        return int(number)
    raise type_mismatch(value, "an integer", path)


def as_id(value: JSON, path: str, problems: Problems) -> int | str:
    """Read an id that should be an integer; any other text is kept, and reported as a problem."""
    try:
        return as_int(value, path, problems)
    except DecodeError as error:
        if type(value) is not str or not value.strip():
            raise
        problems.append(error.as_problem())
        return value


def as_bool(value: JSON, path: str, problems: Problems) -> bool:
    """Read a boolean, 1 or 0, or a string that holds one of them."""
    if type(value) is bool:
        return value
    meant = _BOOLEANS.get(str(value).strip().lower()) if type(value) is int or type(value) is str else None
    if meant is None:
        raise type_mismatch(value, "true or false", path)
    return meant


def as_datetime(value: JSON, path: str, problems: Problems) -> datetime:
    """Read an ISO 8601 timestamp, or Unix time in seconds or milliseconds."""
    try:
        if type(value) is str and not _NUMBER.fullmatch(value.strip()):
            return datetime.fromisoformat(value.strip())
        moment = as_float(value, path, problems)
        return datetime.fromtimestamp(moment / 1000 if abs(moment) >= _MILLISECONDS else moment, UTC)
    except (DecodeError, ValueError, OverflowError, OSError):
        raise type_mismatch(value, "a date and time", path) from None


def as_secret(value: JSON, path: str, problems: Problems) -> Secret:
    """Read a key."""
    if isinstance(value, Secret):
        return value
    return Secret(as_word(value, path, problems))


def as_dict(value: JSON, path: str, problems: Problems) -> dict[str, Any]:
    """Read an object whose keys are data, `[]` for an empty one, or a string that holds one as JSON."""
    value = _unquoted(value, "{")
    if is_object(value):
        return value
    if is_array(value) and not value:
        return {}
    raise type_mismatch(value, "an object", path)


def as_items(value: JSON, path: str) -> list[Any]:
    """Return the items of an array, or of an object whose keys are numbers, as PHP writes an array."""
    value = _unquoted(value, "[")
    if is_array(value):
        return value
    if is_object(value) and all(key.isdecimal() for key in value):
        return list(value.values())
    raise type_mismatch(value, "an array", path)


def as_one_of(*readers: Reader[Any]) -> Reader[Any]:
    """Return a reader that tries several readers in order."""

    def read(value: JSON, path: str, problems: Problems) -> Any:
        for reader in readers[:-1]:
            try:
                return reader(value, path, problems)
            except DecodeError:
                continue
        return readers[-1](value, path, problems)

    return read


def list_of(read: Reader[T]) -> Reader[list[T]]:
    """Return a reader of an array, which leaves out items that can't be decoded.

    A single object is read as an array of one, and the items of an array within the array are added.
    """
    shape: Shape[Any] | None = getattr(read, "__self__", None)

    def read_list(value: JSON, path: str, problems: Problems) -> list[T]:
        try:
            items = as_items(value, path)
        except DecodeError:
            if shape is None or not shape.knows(value):
                raise
            items = [value]
        found: list[T] = []
        for index, item in enumerate(items):
            try:
                found.append(read(item, f"{path}[{index}]", problems))
            except DecodeError as error:
                problems.append(error.as_problem())
                if shape is not None:
                    known = filter(shape.knows, _in_arrays(item))
                    found += [read(inside, error.path, problems) for inside in known]
        return found

    return read_list


def _in_arrays(value: JSON) -> Iterator[JSON]:
    """Yield the items of nested arrays, at any depth."""
    pending = deque(value if is_array(value) else ())
    while pending:
        item = pending.popleft()
        if is_array(item):
            pending.extendleft(reversed(item))
        else:
            yield item


def map_of(read: Reader[T]) -> Reader[dict[str, T]]:
    """Return a reader of an object whose keys are data, which leaves out values that can't be decoded."""

    def read_map(value: JSON, path: str, problems: Problems) -> dict[str, T]:
        found: dict[str, T] = {}
        for key, item in as_dict(value, path, problems).items():
            try:
                found[key] = read(item, f"{path}.{key}", problems)
            except DecodeError as error:
                problems.append(error.as_problem())
        return found

    return read_map


def _unquoted(value: JSON, opening: str) -> JSON:
    """Parse a string that holds JSON; return any other value as it is."""
    if type(value) is str and value.lstrip().startswith(opening):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


@frozen
class Attribute:
    """How one attribute of a model is decoded."""

    name: str
    wire: str
    called: str
    """The expected type for messages, such as `a string`."""
    read: Reader[Any]
    promised: bool = False
    """Whether the documents show it in every answer."""


@frozen(kw_only=True)
class Shape(Generic[M]):
    """How a model is decoded: by `strict`, or leniently where that raises UnexpectedShape."""

    strict: Callable[[JSON], M] = field(repr=False)
    """The generated decoder; raises `UnexpectedShape`."""
    cls: type[M]
    attributes: tuple[Attribute, ...] = field(repr=False)
    identity: tuple[str, ...] = ()
    """The attributes that identify the object: an answer needs one of them."""
    item: str = ""
    """The attribute that a plain string is taken for, such as the `url` of an image."""

    def __attrs_post_init__(self) -> None:
        set_decoder(self.cls, self.decode)

    def decode(self, source: JSON) -> M:
        """Decode an object that is no answer, such as a model's `to_dict()`; raises ValueError."""
        problems: Problems = []
        try:
            model = self.identified(self.lenient(source, "$", problems), "$")
        except DecodeError as error:
            raise ValueError(f"{error.path}: {error.problem}") from None
        for each in self.attributes:
            if isinstance(getattr(model, each.name), Secret) and str(given_at(source, each.wire)).endswith(MASK):
                model.raw[each.wire] = masked = Secret.masked(str(given_at(source, each.wire)))
                setattr(model, each.name, masked)
        return model

    def lenient(self, source: JSON, path: str, problems: Problems) -> M:
        """Decode the object at `path`, and append what is wrong in it to `problems`; raises `DecodeError`."""
        try:
            return self.strict(source)
        except UnexpectedShape:
            pass
        source = _unquoted(source, "{")
        given = {self.item: source} if self.item and type(source) is str else as_dict(source, path, problems)
        found: Problems = []
        values = {
            each.name: _value(each, given.get(each.wire), f"{path}.{each.wire}", found) for each in self.attributes
        }
        problems += found
        secrets = {each.wire: values[each.name] for each in self.attributes if isinstance(values[each.name], Secret)}
        raw = source if is_object(source) and not secrets else {**given, **secrets}
        return self.cls(**values, raw=raw, problems=tuple(problem.path for problem in found))

    def identified(self, model: M, path: str) -> M:
        """Return a model that has an identity; raises `DecodeError` for one without."""
        identifying = [
            each for each in self.attributes if (each.name in self.identity if self.identity else each.promised)
        ]
        if not identifying or any(self._has(model, each) for each in identifying):
            return model
        value, path = given_at(model.raw, identifying[0].wire), f"{path}.{identifying[0].wire}"
        which = " that is not empty" if value == "" else " with an item that can be read" if is_array(value) else ""
        raise type_mismatch(value, identifying[0].called + which, path)

    @staticmethod
    def _has(model: Model, attribute: Attribute) -> bool:
        """Tell whether a model has a value; a list none of whose items could be decoded doesn't count."""
        value = getattr(model, attribute.name)
        return value not in (None, "", []) or (value == [] and not given_at(model.raw, attribute.wire))

    def knows(self, source: JSON) -> bool:
        """Tell whether an object has any field of the model."""
        return is_object(source) and not self.cls.wire_names.isdisjoint(source)

    def resembles(self, source: JSON) -> bool:
        """Tell whether an object may be this model: it has half of the promised fields."""
        promised = [each.wire for each in self.attributes if each.promised]
        return self.knows(source) and 2 * sum(wire in source for wire in promised) >= len(promised)

    def empty(self, source: JSON) -> M:
        """Return a model without any value, for an answer that has no field of it."""
        nothing: dict[str, Any] = dict.fromkeys(each.name for each in self.attributes)
        return self.cls(**nothing, raw=source)

    def unpromised(self, strict: Callable[[JSON], M]) -> "Shape[M]":
        """Return the shape of the model in answers without a documented body: no field is promised there."""
        attributes = tuple(Attribute(each.name, each.wire, each.called, each.read) for each in self.attributes)
        return Shape(strict=strict, cls=self.cls, attributes=attributes, item=self.item)


def given_at(raw: JSON, wire: str) -> JSON:
    """Return a field of a JSON object; None where it has none."""
    return raw.get(wire) if is_object(raw) else None


def _value(attribute: Attribute, value: JSON, path: str, problems: Problems) -> Any:
    if value is None:
        if attribute.promised:
            problems.append(type_mismatch(None, attribute.called, path).as_problem())
        return None
    try:
        return attribute.read(value, path, problems)
    except DecodeError as error:
        problems.append(error.as_problem())
        return None
