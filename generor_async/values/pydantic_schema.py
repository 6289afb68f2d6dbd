"""Describes models to pydantic: how they are decoded, written and named in a JSON schema. Imports pydantic_core.

A model is validated as an answer is decoded, by `from_dict`, so that what pydantic has written it also reads: a field
of another shape is None and stands in `problems`. The schema of the fields is there for the JSON schema alone.
"""

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, get_type_hints

from attrs import NOTHING
from pydantic_core import core_schema

from generor_async.values.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable

    from attrs import Attribute

    from generor_async.values.model import Model

__all__ = ["core_schema_of"]

M = TypeVar("M", bound="Model")


class Handler(Protocol):
    """What is used of pydantic's GetCoreSchemaHandler."""

    def generate_schema(self, source_type: Any, /) -> core_schema.CoreSchema:
        """Return the schema of another type."""
        ...


def core_schema_of(cls: "type[M]", own_fields: "Iterable[Attribute[Any]]", handler: Handler) -> core_schema.CoreSchema:
    """Return pydantic's schema of a model whose fields these are."""
    hints = get_type_hints(cls)
    described = {
        each.name: core_schema.typed_dict_field(
            core_schema.str_schema() if hints[each.name] is Secret else handler.generate_schema(hints[each.name]),
            required=each.default is NOTHING,
        )
        for each in own_fields
    }

    def read(value: Any, _: object) -> M:
        return value if isinstance(value, cls) else cls.from_dict(value)

    return core_schema.no_info_wrap_validator_function(
        read,
        core_schema.typed_dict_schema(described, cls=cls, extra_behavior="allow"),
        ref=f"{cls.__module__}.{cls.__qualname__}:{id(cls)}",
        serialization=core_schema.plain_serializer_function_ser_schema(cls.to_dict),
    )
