"""The base class of all models: attrs classes that keep the JSON from which they were decoded."""

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeAlias, TypeGuard, TypeVar

from attrs import define, field, frozen

from generor_async.values.response import ResponseInfo

__all__ = [
    "JSON",
    "UNSET",
    "DecodeError",
    "Model",
    "Problem",
    "Unset",
    "forget_headers",
    "is_array",
    "is_object",
    "maybe",
    "remember_response",
    "response_to",
    "type_mismatch",
]


class Unset(enum.Enum):
    """The type of `UNSET`: a parameter that was left out and is not sent, unlike None, which sends null."""

    UNSET = "UNSET"

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET

T = TypeVar("T")

JSON: TypeAlias = Any
"""A decoded JSON value."""


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Tell whether a decoded JSON value is an object."""
    return type(value) is dict


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Tell whether a decoded JSON value is an array."""
    return type(value) is list


@define(kw_only=True)
class Model:
    """Base class of all models: documented fields are attributes, and everything else is kept.

    `raw` is the JSON object as it was received; `extra` has those of its fields that the class doesn't declare.
    Decoding goes as far as it can: a field that is missing or of another type is None, and its path in the answer
    (`$.data.creations[0].text`) is in `problems`.
    """

    wire_names: ClassVar[frozenset[str]] = frozenset()

    raw: JSON = field(factory=dict, repr=False, eq=False)
    problems: tuple[str, ...] = field(default=(), repr=False, eq=False)
    _response: ResponseInfo | None = field(default=None, repr=False, eq=False)

    @property
    def extra(self) -> Mapping[str, Any]:
        """The fields of `raw` that this class does not declare, read-only."""
        raw = self.raw if is_object(self.raw) else {}
        return MappingProxyType({key: value for key, value in raw.items() if key not in self.wire_names})

    if not TYPE_CHECKING:  # type checkers are to report unknown attributes

        def __getattr__(self, name: str) -> Any:
            """Raise AttributeError, with a hint for fields of the vendor's older API."""
            kind = type(self).__name__
            hint = _OTHERWISE.get((kind, name), "")
            raise AttributeError(f"{kind!r} object has no attribute {name!r}{hint}", name=name, obj=self)


_OTHERWISE: Final = {
    ("Generation", name): f": that is a field of Dream Machine, the vendor's older API; here it is {here}"
    for name, here in {"assets": "output[0].url", "generation_type": "type", "request": "what you asked for"}.items()
}
"""Hints for fields that exist in the older API only, by model and name (measured; client)."""


def maybe(value: T) -> T | None:
    """Return a documented field, typed as optional: it is None where an answer lacked it."""
    return value


def response_to(model: Model) -> ResponseInfo | None:
    """Return the ResponseInfo of a model; None for one that no client returned."""
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


@frozen
class Problem:
    """A value of an answer that could not be decoded: its path, and what was wrong."""

    path: str
    problem: str


class DecodeError(Exception):
    """A JSON value has another type than it must have. Internal: callers get a `ResponseShapeError`."""

    def __init__(self, problem: str, path: str = "") -> None:
        super().__init__(problem, path)
        self.problem = problem
        self.path = path

    def as_problem(self) -> Problem:
        """Return the error as a Problem, for a model that is decoded without the value."""
        return Problem(self.path, self.problem)


def type_mismatch(value: object, wanted: str, path: str = "") -> DecodeError:
    """Return the error for a value at `path` that is not what was `wanted`, such as `a string`."""
    found = "nothing" if value is None else type(value).__name__
    return DecodeError(f"expected {wanted}, found {found}", path)
