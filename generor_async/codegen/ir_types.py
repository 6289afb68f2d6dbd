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
"""Schemas whose class stands in `values`."""


class SpecError(Exception):
    """The spec says something that the generator has no rule for; the message names the place."""


@frozen
class Scalar:
    """A value that is one thing; `any` is whatever the server sends."""

    kind: Literal["str", "int", "float", "bool", "datetime", "secret", "bytes", "any"]


@frozen
class OpenEnum:
    """A string with known values, open for new ones, by the name of its alias."""

    alias: str


@frozen
class ClassRef:
    """An object that has a class of its own."""

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
    """The name of the decoder's local variable: `name`, unless something in scope is called so."""
    wire: str
    type: Type
    nullable: bool
    required: bool
    promised: bool
    """Whether the documents show that it is always there."""
    identity: bool
    """Whether it alone identifies the answer, which is odd without it."""
    computed: bool
    """Whether it isn't on the wire: worked out by hand-written code."""
    presigned: bool
    """Whether it lets anybody in who has it: kept out of the repr."""
    doc: str

    @property
    def identifies(self) -> bool:
        """Whether it is an id, which is kept even where it isn't the number that it should be."""
        return self.type == Scalar("int") and (self.wire == "id" or self.wire.endswith("_id"))


@frozen(kw_only=True)
class Schema:
    """One class: an answer with its decoders, or an input."""

    name: str
    doc: str
    fields: tuple[Field, ...]
    kind: Literal["answer", "input"]
    identity: tuple[str, ...] = ()
    """The attributes of which an answer must have one."""
    item: str = ""
    """The attribute that a bare string stands for."""
    truth: str = ""
    """The attribute that it is as true as, used as a condition; empty where it is true whatever it holds."""
    partial: bool = False
    """Whether it comes in answers as well that no document shows, so that there is a decoder that needs no field."""

    @property
    def wire_fields(self) -> tuple[Field, ...]:
        """The fields that are on the wire."""
        return tuple(each for each in self.fields if not each.computed)

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
        """The name of the decoder that needs no field."""
        return f"decode_partial_{self.words}"

    @property
    def partial_shape(self) -> str:
        """The name of its shape in answers that no document shows."""
        return f"PARTIAL_{self.shape}"
