"""What every answer of an API is made of: attrs classes that keep the JSON they came from."""

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeAlias, TypeGuard, TypeVar

from attrs import define, field, frozen

from generor_async.values.response import ResponseInfo

__all__ = [
    "JSON",
    "UNSET",
    "Misshapen",
    "Model",
    "Problem",
    "Unset",
    "forget_headers",
    "is_array",
    "is_object",
    "maybe",
    "misfit",
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

T = TypeVar("T")

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

    `raw` is the JSON object as it was received; `extra` is what of it the class does not declare. An answer is read as
    far as it goes: what was missing, or of another shape, is None, and its path in the answer
    (`$.data.creations[0].text`) stands in `problems`.
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

    if not TYPE_CHECKING:  # type checkers are to find what isn't there

        def __getattr__(self, name: str) -> Any:
            """Say what a field is called here that another API of the vendor's has."""
            kind = type(self).__name__
            hint = _OTHERWISE.get((kind, name), "")
            raise AttributeError(f"{kind!r} object has no attribute {name!r}{hint}", name=name, obj=self)


_OTHERWISE: Final = {
    ("Generation", name): f": that is a field of Dream Machine, the vendor's older API; here it is {here}"
    for name, here in {"assets": "output[0].url", "generation_type": "type", "request": "what you asked for"}.items()
}
"""Fields that are mistaken for others (measured, by public repositories; client), by model and name."""


def maybe(value: T) -> T | None:
    """Return a field that the documents promise, as what it is: None where an answer came without it."""
    return value


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


@frozen
class Problem:
    """What is wrong with one value of an answer, and where it stands."""

    path: str
    problem: str


class Misshapen(Exception):  # noqa: N818 - it reads as what it says, and never leaves the package
    """A JSON value has not the shape that it must have. Internal: callers see `ResponseShapeError`."""

    def __init__(self, problem: str, path: str = "") -> None:
        super().__init__(problem, path)
        self.problem = problem
        self.path = path

    def noted(self) -> Problem:
        """Return the same as a note, for an answer that goes on without the value."""
        return Problem(self.path, self.problem)


def misfit(value: object, wanted: str, path: str = "") -> Misshapen:
    """Say that `value` was found at `path` where `wanted` had to be."""
    found = "nothing" if value is None else type(value).__name__
    return Misshapen(f"expected {wanted}, found {found}", path)
