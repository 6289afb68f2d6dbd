"""Checks the objects inside of a request against their classes.

Misspelt keys are refused (`rules.misspellings`). Which other keys, and which values of the right type, are accepted is
left to the server.
"""

import typing
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import NoneType
from typing import Any, Literal, TypeVar

import attrs

from generor_async.errors import InvalidRequestError
from generor_async.rules import arguments
from generor_async.rules.misspellings import refuse_misspelt
from generor_async.rules.older_api import advice_on_field
from generor_async.values import UNSET, MediaRef

__all__ = ["instance"]

T = TypeVar("T")

_hints: Callable[[Any], Mapping[str, Any]] = cache(typing.get_type_hints)
"""Returns the types of a class's attributes, by name."""


def instance(value: object, name: str, cls: type[T]) -> T | Mapping[str, Any]:
    """Check an object of a class, or a mapping of the same keys, and return it; raises InvalidRequestError."""
    if isinstance(value, cls):
        given: Mapping[str, Any] = {member: getattr(value, member) for member in _hints(cls)}
    elif arguments.is_mapping(value):
        given = arguments.mapping(value, name)
        if not given.keys() <= _hints(cls).keys():
            refuse_misspelt(given.keys(), _hints(cls), name)
    else:
        raise arguments.type_error(name, f"{cls.__name__} or a mapping", value, f"Write {cls.__name__}(...)")
    for member, hint in _hints(cls).items():
        if (item := given.get(member, UNSET)) is not UNSET:
            _check(item, f"{name}.{member}", hint)
    return typing.cast("T | Mapping[str, Any]", value)


def _check(value: object, name: str, hint: Any) -> None:
    """Raise InvalidRequestError for a value that isn't of an annotated type."""
    members = _members(hint)
    if value is None and NoneType in members:
        return
    if MediaRef in members:
        arguments.medium(value, name)
        return
    for kind in members:
        if typing.get_origin(kind) is Sequence:
            _check_items(value, name, typing.get_args(kind)[0])
            return
        if attrs.has(kind):
            instance(value, name, kind)
            return
    _check_scalar(value, name, members)


def _check_items(value: object, name: str, hint: Any) -> None:
    if arguments.is_mapping(value) and "frame0" in value:
        raise InvalidRequestError(name, f"{name} must be a list", advice=advice_on_field("keyframes"))
    for index, item in enumerate(arguments.items(value, name)):
        _check(item, f"{name}[{index}]", hint)


def _check_scalar(value: object, name: str, members: Sequence[Any]) -> None:
    if bool in members:
        arguments.boolean(value, name)
    elif float in members:
        arguments.number(value, name)
    elif int in members:
        arguments.whole(value, name)
    else:
        arguments.text(value, name)


def _members(hint: Any) -> Sequence[Any]:
    """Return the members of a union; a Literal of texts is `str`."""
    if typing.get_origin(hint) is Literal:
        return (str,)
    if typing.get_origin(hint) in {Sequence, Mapping} or not (inside := typing.get_args(hint)):
        return (hint,)
    return [member for each in inside for member in _members(each)]
