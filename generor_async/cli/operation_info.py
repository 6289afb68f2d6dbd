"""The operations of both APIs as a command line sees them, read from the generated code: what each is for and takes."""

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

__all__ = ["NAMES", "Described", "Kind", "Parameter", "described", "summary"]

Kind: TypeAlias = Literal["text", "integer", "number", "flag", "time", "object", "media", "bytes"]

CLIENTS: Final[Mapping[str, type[AsyncGeneror | AsyncLuma]]] = {"generor": AsyncGeneror, "luma": AsyncLuma}
BUILDERS: Final = {**GENEROR_BUILDERS, **LUMA_BUILDERS}
ENDPOINTS: Final = {**GENEROR_ENDPOINTS, **LUMA_ENDPOINTS}
NAMES: Final = tuple(BUILDERS)
"""Every operation, such as `luma.generations.create`: API, resource and method."""
SECTIONS: Final = re.compile(r"\n\n(?=(?:Args|Returns|Raises):\n)")
ENTRY: Final = re.compile(r"^ {4}(\w+): ((?:.+\n?)(?: {8}.*\n?)*)", re.MULTILINE)
KINDS: Final[Mapping[Any, Kind]] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "flag",
    datetime: "time",
    bytes: "bytes",
    MediaRef: "media",
}


@frozen(kw_only=True)
class Parameter:
    """One parameter of an operation, its type opened as far as a command line needs."""

    name: str
    doc: str
    required: bool
    nullable: bool
    many: bool
    """Whether it is a list, of what `kinds` says."""
    kinds: frozenset[Kind]
    choices: tuple[str, ...]
    """The values that are documented; others pass, as the API may know more."""
    keys: tuple[str, ...]
    """The keys of an object, where they are documented."""


@frozen(kw_only=True)
class Described:
    """One operation."""

    name: str
    endpoint: Endpoint[Any]
    build: Callable[..., Operation[Any]]
    doc: str
    parameters: tuple[Parameter, ...]
    paged: bool
    makes_job: bool
    """Whether the answer is a job that can be waited for."""
    makes_files: bool
    """Whether what is answered can be downloaded."""

    @property
    def api(self) -> str:
        """The API's name."""
        return self.name.partition(".")[0]

    @property
    def charged(self) -> bool:
        """Whether it costs credits."""
        return self.endpoint.retry_safety == "bills"

    def method(self, client: AsyncGeneror | AsyncLuma) -> Callable[..., Any]:
        """Return the method of a client that sends it."""
        _, resource, method = self.name.split(".")
        found: Callable[..., Any] = getattr(getattr(client, resource), method)
        return found


def summary(name: str) -> str:
    """Return in a sentence what an operation is for."""
    return (BUILDERS[name].__doc__ or "").partition("\n")[0]


@cache
def described(name: str) -> Described:
    """Return what there is to know of an operation."""
    api, resource, method_name = name.split(".")
    method = getattr(typing.get_type_hints(CLIENTS[api])[resource], method_name)
    doc, *sections = SECTIONS.split(inspect.getdoc(method) or "")
    arguments = next((text for text in sections if text.startswith("Args:")), "")
    docs = {found: " ".join(text.split()) for found, text in ENTRY.findall(arguments)}
    hints = typing.get_type_hints(method)
    result = hints["return"]
    endpoint = ENDPOINTS[name]
    return Described(
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


def _parameter(one: inspect.Parameter, hint: Any, doc: str) -> Parameter:
    found = list(_members(hint))
    lists = [member for member in found if _is_list(member)]
    items = [each for member in lists for each in _members(typing.get_args(member)[0])] or found
    return Parameter(
        name=one.name,
        doc=doc,
        required=one.default is inspect.Parameter.empty,
        nullable=type(None) in found,
        many=bool(lists),
        kinds=_kinds(items),
        choices=tuple(
            value for member in items if typing.get_origin(member) is Literal for value in typing.get_args(member)
        ),
        keys=tuple(each.name for member in items if member is not MediaRef and has(member) for each in fields(member)),
    )


def _members(hint: Any) -> Sequence[Any]:
    """Return what a type may be; a list counts as one."""
    if typing.get_origin(hint) in {typing.Union, type(int | str)}:
        return [member for argument in typing.get_args(hint) for member in _members(argument)]
    return [hint]


def _is_list(hint: Any) -> bool:
    origin = typing.get_origin(hint)
    return isinstance(origin, type) and issubclass(origin, Sequence)


def _kinds(members: Sequence[Any]) -> frozenset[Kind]:
    """Return what values there may be; an object beside media is the media's own form."""
    kinds: set[Kind] = {
        "text" if typing.get_origin(member) is Literal else KINDS.get(member, "object")
        for member in members
        if member not in {Unset, type(None)}
    }
    return frozenset(kinds - {"object"} if "media" in kinds else kinds)
