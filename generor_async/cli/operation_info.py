"""Describes the operations of both APIs for the command line; everything is read from the generated code."""

import inspect
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final, Literal, TypeAlias

from attrs import fields, frozen, has

from generor_async import AsyncGeneror, AsyncLuma, MediaRef, Pages, Unset
from generor_async.api.generor.operations import BUILDERS as GENEROR_BUILDERS
from generor_async.api.generor.operations import ENDPOINTS as GENEROR_ENDPOINTS
from generor_async.api.luma.models import Generation
from generor_async.api.luma.operations import BUILDERS as LUMA_BUILDERS
from generor_async.api.luma.operations import ENDPOINTS as LUMA_ENDPOINTS
from generor_async.rules.http_types import Endpoint, Operation

__all__ = ["NAMES", "OperationInfo", "OperationParameter", "ValueType", "operation_info", "summary"]

ValueType: TypeAlias = Literal["text", "integer", "number", "flag", "time", "object", "media", "bytes"]

CLIENTS: Final[Mapping[str, type[AsyncGeneror | AsyncLuma]]] = {"generor": AsyncGeneror, "luma": AsyncLuma}
BUILDERS: Final = {**GENEROR_BUILDERS, **LUMA_BUILDERS}
ENDPOINTS: Final = {**GENEROR_ENDPOINTS, **LUMA_ENDPOINTS}
NAMES: Final = tuple(BUILDERS)
"""Every operation as API, resource and method: `luma.generations.create`."""
SECTIONS: Final = re.compile(r"\n\n(?=(?:Args|Returns|Raises):\n)")
ENTRY: Final = re.compile(r"^ {4}(\w+): ((?:.+\n?)(?: {8}.*\n?)*)", re.MULTILINE)
VALUE_TYPES: Final[Mapping[Any, ValueType]] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "flag",
    datetime: "time",
    bytes: "bytes",
    MediaRef: "media",
}


@frozen(kw_only=True)
class OperationParameter:
    """One parameter of an operation."""

    name: str
    doc: str
    required: bool
    nullable: bool
    is_list: bool
    """Whether the value is a list; `value_types` are those of its items."""
    value_types: frozenset[ValueType]
    choices: tuple[str, ...]
    """The documented values; others are accepted, as the API may have new ones."""
    keys: tuple[str, ...]
    """The documented keys of an object."""


@frozen(kw_only=True)
class OperationInfo:
    """One operation."""

    name: str
    endpoint: Endpoint[Any]
    build: Callable[..., Operation[Any]]
    doc: str
    parameters: tuple[OperationParameter, ...]
    paged: bool
    makes_job: bool
    """Whether the result is a job that can be waited for."""
    makes_files: bool
    """Whether the result has files to download."""

    @property
    def api(self) -> str:
        """The API's name."""
        return self.name.partition(".")[0]

    @property
    def billable(self) -> bool:
        """Whether the operation costs credits."""
        return self.endpoint.retry_safety == "bills"

    def method(self, client: AsyncGeneror | AsyncLuma) -> Callable[..., Any]:
        """Return the client method of the operation."""
        _, resource, method = self.name.split(".")
        found: Callable[..., Any] = getattr(getattr(client, resource), method)
        return found


def summary(name: str) -> str:
    """Return the first line of an operation's docstring."""
    return (BUILDERS[name].__doc__ or "").partition("\n")[0]


@cache
def operation_info(name: str) -> OperationInfo:
    """Return the description of an operation."""
    api, resource, method_name = name.split(".")
    method = getattr(typing.get_type_hints(CLIENTS[api])[resource], method_name)
    doc, *sections = SECTIONS.split(inspect.getdoc(method) or "")
    arguments = next((text for text in sections if text.startswith("Args:")), "")
    docs = {found: " ".join(text.split()) for found, text in ENTRY.findall(arguments)}
    hints = typing.get_type_hints(method)
    result = hints["return"]
    endpoint = ENDPOINTS[name]
    return OperationInfo(
        name=name,
        endpoint=endpoint,
        build=BUILDERS[name],
        doc=doc,
        parameters=tuple(
            _parameter(one, hints[one.name], docs.get(one.name, ""))
            for one in inspect.signature(BUILDERS[name]).parameters.values()
        ),
        paged=typing.get_origin(result) is Pages,
        makes_job=result is Generation,
        makes_files=endpoint.retry_safety in {"read", "bills"}
        and result in typing.get_args(typing.get_type_hints(CLIENTS[api].download)["result"]),
    )


def _parameter(one: inspect.Parameter, hint: Any, doc: str) -> OperationParameter:
    found = list(_union_members(hint))
    lists = [member for member in found if _is_list(member)]
    items = [each for member in lists for each in _union_members(typing.get_args(member)[0])] or found
    return OperationParameter(
        name=one.name,
        doc=doc,
        required=one.default is inspect.Parameter.empty,
        nullable=type(None) in found,
        is_list=bool(lists),
        value_types=_value_types(items),
        choices=tuple(
            value for member in items if typing.get_origin(member) is Literal for value in typing.get_args(member)
        ),
        keys=tuple(each.name for member in items if member is not MediaRef and has(member) for each in fields(member)),
    )


def _union_members(hint: Any) -> Sequence[Any]:
    """Return the members of a union, or the type itself; a list counts as one member."""
    if typing.get_origin(hint) in {typing.Union, type(int | str)}:
        return [member for argument in typing.get_args(hint) for member in _union_members(argument)]
    return [hint]


def _is_list(hint: Any) -> bool:
    origin = typing.get_origin(hint)
    return isinstance(origin, type) and issubclass(origin, Sequence)


def _value_types(members: Sequence[Any]) -> frozenset[ValueType]:
    """Return the value types of union members; an object beside MediaRef is the JSON form of the media."""
    kinds: set[ValueType] = {
        "text" if typing.get_origin(member) is Literal else VALUE_TYPES.get(member, "object")
        for member in members
        if member not in {Unset, type(None)}
    }
    return frozenset(kinds - {"object"} if "media" in kinds else kinds)
