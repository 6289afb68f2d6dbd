"""The one cattrs converter: what people hand in becomes JSON; UNSET is left out."""

from collections.abc import Mapping
from typing import Any

import attrs
import cattrs
from cattrs.gen import make_dict_unstructure_fn, override

from generor_async.values import JSON, UNSET, MediaRef, Model

__all__ = ["converter", "to_json"]

converter = cattrs.Converter()
"""Turns input objects (`VideoOptions`, `MediaRef`, ...) into JSON values."""


@converter.register_unstructure_hook_factory(attrs.has)
def _without_unset(cls: type[Any]) -> Any:
    fields = {
        field.name: override(omit_if_default=True) for field in attrs.fields(cls) if field.default is UNSET
    }
    return make_dict_unstructure_fn(cls, converter, **fields)  # type: ignore[arg-type] # its kwargs mix two kinds


def _media(reference: MediaRef) -> Any:
    return reference.to_json()


def _model(model: Model) -> Any:
    return model.raw


converter.register_unstructure_hook(MediaRef, _media)
converter.register_unstructure_hook_func(lambda cls: isinstance(cls, type) and issubclass(cls, Model), _model)


def to_json(value: JSON) -> JSON:
    """Return a parameter as the JSON value that is sent.

    Input objects, media references, mappings and lists of them may be mixed freely; a `MediaRef.file(...)` stays
    itself, to be read just before sending.
    """
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items() if item is not UNSET}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if attrs.has(type(value)):
        return to_json_deep(converter.unstructure(value))
    return value


def to_json_deep(value: JSON) -> JSON:
    """Finish what an input object held: mappings and lists that it carried untyped."""
    return value if isinstance(value, MediaRef) else to_json(value)
