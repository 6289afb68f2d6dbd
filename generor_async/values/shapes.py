"""Reading an answer as far as it goes, where it is not as the documents show it.

What was paid for may come with a field that is missing, or of another shape: such a field is None, and noted as a
`Problem`. What is only written otherwise (a number in a string, `[]` for an empty object, as PHP has it) is read as
what it means. An item that can't be read costs that item, never its list.
"""

# ruff: noqa: ARG001 - all readers are called alike, those that need neither the path nor the problems too

import json
import math
import re
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeAlias, TypeVar

from attrs import field, frozen

from generor_async.values.decoding import Odd
from generor_async.values.model import JSON, Misshapen, Model, Problem, is_array, is_object, misfit
from generor_async.values.secret import Secret

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
"""Reads a value that stands at a path; raises `Misshapen` where it can't be meant, and notes what is wrong in it."""

_NUMBER: Final = re.compile(r"[+-]?\d{1,30}(\.\d{0,30})?([eE][+-]?\d{1,3})?", re.ASCII)
_BOOLEANS: Final = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
_MILLISECONDS: Final = 1e11
"""From here on a timestamp counts milliseconds: as seconds it would lie in the year 5138."""


def as_any(value: JSON, path: str, problems: Problems) -> Any:
    """Return whatever it is."""
    return value


def as_str(value: JSON, path: str, problems: Problems) -> str:
    """Read a string; a number is one without its quotes."""
    if type(value) is str:
        return value
    if type(value) is int or type(value) is float:
        return str(value)
    raise misfit(value, "a string", path)


def as_word(value: JSON, path: str, problems: Problems) -> str:
    """Read a string of which some values are known."""
    if type(value) is str:
        return value
    raise misfit(value, "a string", path)


def as_float(value: JSON, path: str, problems: Problems) -> float:
    """Read a number, in a string as well."""
    if type(value) is str and _NUMBER.fullmatch(text := value.strip()):
        value = int(text) if text.lstrip("+-").isdecimal() else float(text)
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return value
    raise misfit(value, "a number", path)


def as_int(value: JSON, path: str, problems: Problems) -> int:
    """Read an integer, in a string or written as 8.0 as well."""
    try:
        number = as_float(value, path, problems)
    except Misshapen:
        number = math.nan
    if type(number) is int or (type(number) is float and number.is_integer()):
        return int(number)
    raise misfit(value, "an integer", path)


def as_id(value: JSON, path: str, problems: Problems) -> int | str:
    """Read an integer that identifies something; a name that is no number is kept, and noted."""
    try:
        return as_int(value, path, problems)
    except Misshapen as error:
        if type(value) is not str or not value.strip():
            raise
        problems.append(error.noted())
        return value


def as_bool(value: JSON, path: str, problems: Problems) -> bool:
    """Read true or false, in a string or as 1 and 0 as well."""
    if type(value) is bool:
        return value
    meant = _BOOLEANS.get(str(value).strip().lower()) if type(value) is int or type(value) is str else None
    if meant is None:
        raise misfit(value, "true or false", path)
    return meant


def as_datetime(value: JSON, path: str, problems: Problems) -> datetime:
    """Read a timestamp; one that is a number counts seconds or milliseconds since 1970."""
    try:
        if type(value) is str and not _NUMBER.fullmatch(value.strip()):
            return datetime.fromisoformat(value.strip())
        moment = as_float(value, path, problems)
        return datetime.fromtimestamp(moment / 1000 if abs(moment) >= _MILLISECONDS else moment, UTC)
    except (Misshapen, ValueError, OverflowError, OSError):
        raise misfit(value, "a date and time", path) from None


def as_secret(value: JSON, path: str, problems: Problems) -> Secret:
    """Read a key."""
    if isinstance(value, Secret):
        return value
    return Secret(as_word(value, path, problems))


def as_dict(value: JSON, path: str, problems: Problems) -> dict[str, Any]:
    """Read an object whose keys are data; `[]` is an empty one, and a string may hold one."""
    value = _unquoted(value, "{")
    if is_object(value):
        return value
    if is_array(value) and not value:
        return {}
    raise misfit(value, "an object", path)


def as_items(value: JSON, path: str) -> list[Any]:
    """Return the items of an array; an object whose keys count them (as PHP has it) is one, and `{}` an empty one."""
    value = _unquoted(value, "[")
    if is_array(value):
        return value
    if is_object(value) and all(key.isdecimal() for key in value):
        return list(value.values())
    raise misfit(value, "an array", path)


def as_one_of(*readers: Reader[Any]) -> Reader[Any]:
    """Return what reads a value as the first kind that it can be."""

    def read(value: JSON, path: str, problems: Problems) -> Any:
        for reader in readers[:-1]:
            try:
                return reader(value, path, problems)
            except Misshapen:
                continue
        return readers[-1](value, path, problems)

    return read


def list_of(read: Reader[T]) -> Reader[list[T]]:
    """Return what reads an array: all items that can be read.

    One object that is in no array is an item by itself, and an array among the items holds more of them.
    """
    shape: Shape[Any] | None = getattr(read, "__self__", None)

    def read_list(value: JSON, path: str, problems: Problems) -> list[T]:
        try:
            items = as_items(value, path)
        except Misshapen:
            if shape is None or not shape.knows(value):
                raise
            items = [value]
        found: list[T] = []
        for index, item in enumerate(items):
            try:
                found.append(read(item, f"{path}[{index}]", problems))
            except Misshapen as error:
                problems.append(error.noted())
                if shape is not None:
                    known = filter(shape.knows, _in_arrays(item))
                    found += [read(inside, error.path, problems) for inside in known]
        return found

    return read_list


def _in_arrays(value: JSON) -> Iterator[JSON]:
    """Yield what arrays hold that lie in one another, however deep."""
    pending = deque(value if is_array(value) else ())
    while pending:
        item = pending.popleft()
        if is_array(item):
            pending.extendleft(reversed(item))
        else:
            yield item


def map_of(read: Reader[T]) -> Reader[dict[str, T]]:
    """Return what reads an object whose keys are data: all entries whose value can be read."""

    def read_map(value: JSON, path: str, problems: Problems) -> dict[str, T]:
        found: dict[str, T] = {}
        for key, item in as_dict(value, path, problems).items():
            try:
                found[key] = read(item, f"{path}.{key}", problems)
            except Misshapen as error:
                problems.append(error.noted())
        return found

    return read_map


def _unquoted(value: JSON, opening: str) -> JSON:
    """Return what a string of JSON holds; anything else as it is."""
    if type(value) is str and value.lstrip().startswith(opening):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


@frozen
class Attribute:
    """How one attribute of a class is read."""

    name: str
    wire: str
    called: str
    """What it is to be: `a string`."""
    read: Reader[Any]
    promised: bool = False
    """Whether the documents show that it is always there."""


@frozen(kw_only=True)
class Shape(Generic[M]):
    """How a class is read: by `strict` where all is as the documents show it, as far as it goes where it isn't."""

    strict: Callable[[JSON], M] = field(repr=False)
    """Raises `Odd`."""
    cls: type[M]
    attributes: tuple[Attribute, ...] = field(repr=False)
    identity: tuple[str, ...] = ()
    """The attributes of which one must be there, so that an answer says what it is about."""
    item: str = ""
    """The attribute that a bare string stands for: the `url` of an image."""

    def lenient(self, source: JSON, path: str, problems: Problems) -> M:
        """Read an object that stands at `path`, and note what is wrong in it; raises `Misshapen` where it is none."""
        try:
            return self.strict(source)
        except Odd:
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
        """Return a model that says what it is about; raises `Misshapen` for one that doesn't."""
        told = [each for each in self.attributes if (each.name in self.identity if self.identity else each.promised)]
        if not told or any(self._tells(model, each) for each in told):
            return model
        value, path = given_at(model.raw, told[0].wire), f"{path}.{told[0].wire}"
        which = " that is not empty" if value == "" else " with an item that can be read" if is_array(value) else ""
        raise misfit(value, told[0].called + which, path)

    @staticmethod
    def _tells(model: Model, attribute: Attribute) -> bool:
        """Tell whether an attribute is there; a list, none of whose items could be read, is not."""
        value = getattr(model, attribute.name)
        return value not in (None, "", []) or (value == [] and not given_at(model.raw, attribute.wire))

    def knows(self, source: JSON) -> bool:
        """Tell whether an object has any field of the class."""
        return is_object(source) and not self.cls.wire_names.isdisjoint(source)

    def resembles(self, source: JSON) -> bool:
        """Tell whether an object may be one of the class, wherever it stands: it has half of what is promised."""
        promised = [each.wire for each in self.attributes if each.promised]
        return self.knows(source) and 2 * sum(wire in source for wire in promised) >= len(promised)

    def empty(self, source: JSON) -> M:
        """Return a model without anything, for an answer in which nothing of the class is."""
        nothing: dict[str, Any] = dict.fromkeys(each.name for each in self.attributes)
        return self.cls(**nothing, raw=source)

    def unpromised(self, strict: Callable[[JSON], M]) -> "Shape[M]":
        """Return how the class is read in answers that no document shows: no field is promised there."""
        attributes = tuple(Attribute(each.name, each.wire, each.called, each.read) for each in self.attributes)
        return Shape(strict=strict, cls=self.cls, attributes=attributes, item=self.item)


def given_at(raw: JSON, wire: str) -> JSON:
    """Return a field of an object as it was received."""
    return raw.get(wire) if is_object(raw) else None


def _value(attribute: Attribute, value: JSON, path: str, problems: Problems) -> Any:
    if value is None:
        if attribute.promised:
            problems.append(misfit(None, attribute.called, path).noted())
        return None
    try:
        return attribute.read(value, path, problems)
    except Misshapen as error:
        problems.append(error.noted())
        return None
