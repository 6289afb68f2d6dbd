"""The intermediate representation of types and classes, which the templates and the operations use."""

from typing import Literal, TypeAlias

from attrs import frozen

__all__ = [
    "HAND_WRITTEN",
    "Alias",
    "ClassRef",
    "Field",
    "ListOf",
    "MapOf",
    "OneOf",
    "OpenEnum",
    "Scalar",
    "Schema",
    "SpecError",
    "Type",
    "classes_of",
]


HAND_WRITTEN = frozenset({"MediaRef"})
"""Schemas whose class is hand-written, in `values`."""


class SpecError(Exception):
    """The spec has something for which the generator has no rule; the message names the place."""


@frozen
class Scalar:
    """A single value; `any` is any JSON value."""

    kind: Literal["str", "int", "float", "bool", "datetime", "secret", "bytes", "any"]


@frozen
class OpenEnum:
    """A string with known values that may get new ones; `alias` names the set."""

    alias: str


@frozen
class ClassRef:
    """An object with its own class."""

    schema: str


@frozen
class ListOf:
    """An array."""

    item: "Type"


@frozen
class MapOf:
    """An object whose keys are data."""

    value: "Type"


@frozen
class OneOf:
    """A scalar of one of several kinds."""

    members: tuple[Scalar | OpenEnum, ...]


Type: TypeAlias = Scalar | OpenEnum | ClassRef | ListOf | MapOf | OneOf


def classes_of(kind: Type) -> set[str]:
    """Return the names of the classes in a type."""
    match kind:
        case ClassRef(name):
            return {name}
        case ListOf(inside) | MapOf(inside):
            return classes_of(inside)
        case _:
            return set()


@frozen(kw_only=True)
class Alias:
    """A named set of known values."""

    name: str
    values: tuple[str, ...]
    doc: str


@frozen(kw_only=True)
class Field:
    """One attribute of a class."""

    name: str
    local: str
    """The name of the decoder's local variable: `name`, unless that is taken."""
    wire: str
    type: Type
    nullable: bool
    required: bool
    promised: bool
    """Whether it is documented as always present."""
    identity: bool
    """Whether it is the only field that identifies the answer."""
    computed: bool
    """Whether hand-written code computes it, so that it isn't on the wire."""
    presigned: bool
    """Whether it is a credential by itself, and kept out of the repr."""
    doc: str

    @property
    def identifies(self) -> bool:
        """Whether it is an id, which is kept even if it isn't a number."""
        return self.type == Scalar("int") and (self.wire == "id" or self.wire.endswith("_id"))


@frozen(kw_only=True)
class Schema:
    """One class: an answer with its decoders, or an input, which is taken as a mapping as well."""

    name: str
    doc: str
    fields: tuple[Field, ...]
    kind: Literal["answer", "input", "mapping"]
    """A `mapping` is an input whose class is hand-written."""
    identity: tuple[str, ...] = ()
    """The attributes of which an answer must have at least one."""
    item: str = ""
    """The attribute that a bare string stands for."""
    truth: str = ""
    """The attribute that `bool()` of the object returns; empty if the object is always true."""
    partial: bool = False
    """Whether undocumented answers have it as well, so that it also needs a decoder without required fields."""

    @property
    def wire_fields(self) -> tuple[Field, ...]:
        """The fields that are on the wire."""
        return tuple(each for each in self.fields if not each.computed)

    @property
    def mapping(self) -> str:
        """The name of the TypedDict of an input; empty for an answer."""
        return "" if self.kind == "answer" else f"{self.name}Dict"

    @property
    def secrets(self) -> tuple[Field, ...]:
        """The fields whose values are keys."""
        return tuple(each for each in self.fields if each.type == Scalar("secret"))

    @property
    def words(self) -> str:
        """Its name as part of other names: `presigned_upload`."""
        return "".join(f"_{char.lower()}" if char.isupper() else char for char in self.name).lstrip("_")

    @property
    def decoder(self) -> str:
        """The name of its decoder: `decode_presigned_upload`."""
        return f"decode_{self.words}"

    @property
    def shape(self) -> str:
        """The name of its shape: `PRESIGNED_UPLOAD`."""
        return self.words.upper()

    @property
    def partial_decoder(self) -> str:
        """The name of the decoder without required fields."""
        return f"decode_partial_{self.words}"

    @property
    def partial_shape(self) -> str:
        """The name of its shape in undocumented answers."""
        return f"PARTIAL_{self.shape}"
