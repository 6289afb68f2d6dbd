"""Converts parameters to JSON, with cattrs; UNSET is left out.

Answers of the APIs are decoded without cattrs: `values.decoding` says why.
"""

from collections.abc import Callable
from typing import Any, Final

import attrs
import cattrs
from cattrs.gen import make_dict_unstructure_fn, override

from generor_async.values import JSON, UNSET, MediaRef, Model

__all__ = ["to_json"]

_converter: Final = cattrs.Converter()


@_converter.register_unstructure_hook_factory(attrs.has)
def _without_unset(cls: type[Any]) -> Callable[[Any], dict[str, Any]]:
    left_out = {field.name: override(omit_if_default=field.default is UNSET) for field in attrs.fields(cls)}
    return make_dict_unstructure_fn(cls, _converter, **left_out)  # type: ignore[arg-type] # its options share **kwargs


def _as_received(model: Model) -> JSON:
    return model.raw


def _is_model(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, Model)


_converter.register_unstructure_hook_func(_is_model, _as_received)
_converter.register_unstructure_hook(MediaRef, MediaRef.to_json)


def to_json(value: JSON) -> JSON:
    """Return a parameter as a JSON value.

    Input objects, media references, mappings and lists may be nested. A `MediaRef.file(...)` is kept, and read just
    before sending.
    """
    return _converter.unstructure(value)
