"""What every answer of an API is made of: attrs classes that keep the JSON they came from."""

import enum
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal, TypeAlias, TypeGuard

from attrs import define, field

from generor_async.values.response import ResponseInfo

__all__ = [
    "JSON",
    "UNSET",
    "Misshapen",
    "Model",
    "Unset",
    "forget_headers",
    "is_array",
    "is_object",
    "misfit",
    "read_datetime",
    "read_datetime_or_none",
    "remember_response",
    "response_to",
]


class Unset(enum.Enum):
    """The type of `UNSET`: a parameter that was left out and is not sent, unlike None, which sends null."""

    UNSET = "UNSET"

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET

JSON: TypeAlias = Any
"""A decoded JSON value; what is in it is the server's affair."""


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Tell whether a decoded JSON value is an object."""
    return type(value) is dict


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Tell whether a decoded JSON value is an array."""
    return type(value) is list


@define(kw_only=True)
class Model:
    """Base of every answer: declared fields as attributes, everything else still there.

    `raw` is the JSON object as it was received; `extra` is what of it the class does not declare.
    """

    wire_names: ClassVar[frozenset[str]] = frozenset()

    raw: JSON = field(factory=dict, repr=False, eq=False)
    _response: ResponseInfo | None = field(default=None, init=False, repr=False, eq=False)

    @property
    def extra(self) -> Mapping[str, Any]:
        """The fields of `raw` that this class does not declare, read-only."""
        raw = self.raw if is_object(self.raw) else {}
        return MappingProxyType({key: value for key, value in raw.items() if key not in self.wire_names})


def response_to(model: Model) -> ResponseInfo | None:
    """Return the answer that a model came from; None for one that no client returned."""
    return model._response  # pyright: ignore[reportPrivateUsage] # hidden from users, not from this module


def remember_response(model: Model, info: ResponseInfo) -> None:
    """Let a model know the answer that it came from."""
    model._response = info  # pyright: ignore[reportPrivateUsage] # hidden from users, not from this module


def forget_headers(model: Model) -> None:
    """Let a model that is kept for long hold no more of its answer than status and request id."""
    info = model._response  # pyright: ignore[reportPrivateUsage] # hidden from users, not from this module
    if info is not None:
        model._response = ResponseInfo(  # pyright: ignore[reportPrivateUsage] # the same
            status=info.status, headers={}, request_id=info.request_id, attempts=info.attempts, elapsed=info.elapsed
        )


class Misshapen(Exception):  # noqa: N818 - it reads as what it says, and never leaves the package
    """A JSON value has not the shape that it must have. Internal: callers see `ResponseShapeError`."""

    def __init__(self, problem: str, path: str = "") -> None:
        super().__init__(problem, path)
        self.problem = problem
        self.path = path

    def under(self, prefix: str) -> "Misshapen":
        """Return the same complaint seen from one level further out."""
        return Misshapen(self.problem, prefix + self.path)


def misfit(value: object, wanted: str, path: str = "") -> Misshapen:
    """Say that `value` was found at `path` where `wanted` had to be."""
    found = "nothing" if value is None else type(value).__name__
    return Misshapen(f"expected {wanted}, found {found}", path)


def read_datetime(value: JSON, path: str) -> datetime:
    """Read a timestamp: aware where the wire has a zone, naive where it has none."""
    if type(value) is str:
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            raise Misshapen(f"expected a date and time, found {value[:40]!r}", path) from None
    raise misfit(value, "a date and time", path)


def read_datetime_or_none(value: JSON) -> datetime | None:
    """Read a timestamp of a field that no document promises: None where it isn't one."""
    if type(value) is str:
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return None
    return None
