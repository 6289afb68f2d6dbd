"""The base class of all models: attrs classes that keep the JSON from which they were decoded."""

import enum
import json
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self, TypeAlias, TypeGuard, TypeVar, cast

from attrs import define, field, fields, frozen

from generor_async.values.response import ResponseInfo
from generor_async.values.secret import Secret
from generor_async.values.text import encodable

if TYPE_CHECKING:
    from attrs import Attribute

    from generor_async.values.notebook import DisplayedMedia
    from generor_async.values.pydantic_schema import Handler

__all__ = [
    "JSON",
    "UNSET",
    "DecodeError",
    "Model",
    "Problem",
    "Unset",
    "display_media",
    "forget_headers",
    "is_array",
    "is_object",
    "maybe",
    "remember_response",
    "remember_whole",
    "response_to",
    "set_decoder",
    "type_mismatch",
    "whole_of",
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


DEEPEST: Final = 100
"""Levels of nested JSON in `to_dict()`: writers of JSON give up at some depth, which readers may have reached."""


class _Displayed:
    """The slots that no decoder fills: for the files that a notebook shows, and for what an output is a part of."""

    __slots__ = ("_media", "_whole")

    if TYPE_CHECKING:  # typing.get_type_hints is to find the fields alone
        _media: tuple[DisplayedMedia, ...]
        _whole: tuple[str, int]


@define(kw_only=True)
class Model(_Displayed):
    """Base class of all models: documented fields are attributes, and everything else is kept.

    `raw` is the JSON object as it was received; `extra` has those of its fields that the class doesn't declare.
    Decoding goes as far as it can: a field that is missing or of another type is None, and its path in the answer
    (`$.data.creations[0].text`) is in `problems`.
    """

    wire_names: ClassVar[frozenset[str]] = frozenset()
    _decode: ClassVar[Callable[[JSON], "Model"] | None] = None

    raw: JSON = field(factory=dict, repr=False, eq=False)
    problems: tuple[str, ...] = field(default=(), repr=False, eq=False)
    _response: ResponseInfo | None = field(default=None, repr=False, eq=False)

    @property
    def extra(self) -> Mapping[str, Any]:
        """The fields of `raw` that this class does not declare, read-only."""
        raw = self.raw if is_object(self.raw) else {}
        return MappingProxyType({key: value for key, value in raw.items() if key not in self.wire_names})

    def to_dict(self) -> dict[str, Any]:
        """Return the model as JSON values: every attribute, None included, and what the class does not declare.

        Datetimes are text as the API wrote it. Keys are masked. Presigned URLs are in it, and work for an hour. What no
        writer of JSON takes is replaced: halves of characters by U+FFFD, infinite numbers and what is nested deeper
        than 100 levels by None; `raw` has them.
        """
        raw = self.raw if is_object(self.raw) else {}
        values: dict[str, Any] = {each.name: getattr(self, each.name) for each in _own_fields(type(self))}
        whole = {**self.extra, **{name: _timestamp(value, raw.get(name)) for name, value in values.items()}}
        keys = [value for value in values.values() if isinstance(value, Secret)]
        return {_plain(name, keys): _plain(value, keys) for name, value in whole.items()}

    def to_json(self) -> str:
        """Return `to_dict()` as JSON text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_dict(cls, source: Mapping[str, Any]) -> Self:
        """Return the model that `to_dict()` was called on, decoded as an answer is.

        A key is masked in it: its `reveal()` raises ValueError.

        Args:
            source: What `to_dict()` returned, or the API's own JSON object.

        Raises:
            ValueError: Nothing in it identifies such an object, or it is no object at all.
        """
        if cls._decode is None:
            raise TypeError(f"{cls.__name__} has no decoder: use a model of one of the APIs")
        whole = dict(source) if isinstance(source, Mapping) else source  # pyright: ignore[reportUnnecessaryIsInstance] # pydantic passes anything
        computed = [each.name for each in _own_fields(cls) if each.name not in cls.wire_names]
        values = {name: whole.pop(name) for name in computed if name in whole}
        model = cast("Self", cls._decode(whole))
        for name, value in values.items():
            setattr(model, name, value)
        return model

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Show the pictures, videos and sounds in a notebook that were downloaded, or stand in the answer itself."""
        from generor_async.values.notebook import inline_media, mime_bundle  # noqa: PLC0415 - not needed to start

        return mime_bundle(getattr(self, "_media", None) or inline_media(self.to_dict()))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: "Handler") -> Any:
        """Let pydantic, and FastAPI with it, take the model as the type of a field, an argument or a response."""
        from generor_async.values.pydantic_schema import core_schema_of  # noqa: PLC0415 - imports pydantic_core

        return core_schema_of(cls, _own_fields(cls), handler)

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


def set_decoder(model: type[Model], decode: Callable[[JSON], Model]) -> None:
    """Let `from_dict` of a model decode with this function, unless it has a decoder."""
    if model._decode is None:  # pyright: ignore[reportPrivateUsage] # hidden from users, not from this module
        model._decode = decode  # pyright: ignore[reportPrivateUsage] # the same


def _own_fields(model: type[Model]) -> "tuple[Attribute[Any], ...]":
    """Return the fields that a class adds to `Model`; they are named as on the wire."""
    own: tuple[Attribute[Any], ...] = fields(model)[len(fields(Model)) :]
    return own


def _timestamp(value: Any, given: object) -> Any:
    """Return a datetime as text, as `given` in the answer unless it was changed; any other value as it is."""
    if not isinstance(value, datetime):
        return value
    if type(given) is str:
        try:
            if (parsed := datetime.fromisoformat(given)) == value and parsed.tzinfo == value.tzinfo:
                return given
        except ValueError:
            pass
    return value.isoformat().replace("+00:00", "Z")


def _plain(value: Any, keys: list[Secret], level: int = 1) -> Any:
    """Return a copy of JSON with models as objects and with all keys masked."""
    if isinstance(value, Model):
        return value.to_dict()
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, str):
        for key in keys:
            value = key.mask_in(value)
        return encodable(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        named = cast("Mapping[str, Any]", value).items()
        inside = level + 1
        return {_plain(name, keys): _plain(each, keys, inside) for name, each in named} if level < DEEPEST else None
    if isinstance(value, list | tuple):
        items = cast("list[Any]", value)
        return [_plain(each, keys, level + 1) for each in items] if level < DEEPEST else None
    return value


def maybe(value: T) -> T | None:
    """Return a documented field, typed as optional: it is None where an answer lacked it."""
    return value


def response_to(model: Model) -> ResponseInfo | None:
    """Return the ResponseInfo of a model; None for one that no client returned."""
    return model._response  # pyright: ignore[reportPrivateUsage] # hidden from users, not from this module


def remember_response(model: Model, info: ResponseInfo) -> None:
    """Let a model know the answer that it came from."""
    model._response = info  # pyright: ignore[reportPrivateUsage] # hidden from users, not from this module


def display_media(model: Model, media: "Iterable[DisplayedMedia]") -> None:
    """Let notebooks show these with a model."""
    displayed: _Displayed = model
    displayed._media = tuple(media)  # pyright: ignore[reportPrivateUsage] # hidden from users, not from this module


def remember_whole(part: Model, whole_id: str, index: int) -> None:
    """Let a part of a result know the id of the result, and its place in it."""
    displayed: _Displayed = part
    displayed._whole = whole_id, index  # pyright: ignore[reportPrivateUsage] # hidden from users, not from this module


def whole_of(part: Model) -> tuple[str, int] | None:
    """Return the id of the result that a model is a part of, and its place in it; None where that is unknown."""
    found: tuple[str, int] | None = getattr(part, "_whole", None)
    return found


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
