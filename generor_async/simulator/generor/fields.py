"""Reads the fields of a JSON body; a refusal names the wrong field."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import cast
from urllib.parse import urlsplit

from generor_async.simulator.generor.envelope import GenerorRefusal

__all__ = ["Fields"]


def _wrong(name: str, problem: str) -> GenerorRefusal:
    return GenerorRefusal("VALIDATION_ERROR", f"{name} {problem}")


def _no_constant(text: str) -> object:
    raise ValueError(f"{text} is not JSON")


class Fields:
    """A JSON object whose fields are read one by one; null counts as absent (assumed)."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    @classmethod
    def of_body(cls, body: bytes) -> "Fields":
        """Read a request body, which must be a JSON object."""
        try:
            values = cast("object", json.loads(body, parse_constant=_no_constant))
        except (ValueError, RecursionError):
            raise GenerorRefusal("VALIDATION_ERROR", "Request body must be valid JSON") from None
        if not isinstance(values, dict):
            raise GenerorRefusal("VALIDATION_ERROR", "Request body must be a JSON object")
        return cls(cast("dict[str, object]", values))

    def given(self, name: str) -> bool:
        """Tell whether the body has a field, even as null."""
        return name in self._values

    def text(self, name: str, *, max_length: int | None = None) -> str | None:
        """Read a string."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise _wrong(name, "must be a string")
        if max_length is not None and len(value) > max_length:
            raise _wrong(name, f"must be at most {max_length:,} characters")
        return value

    def required_text(self, name: str, *, max_length: int | None = None) -> str:
        """Read a string that must be there and not be blank."""
        value = self.text(name, max_length=max_length)
        if value is None or not value.strip():
            raise _wrong(name, "is required")
        return value

    def integer(self, name: str, *, least: int | None = None, most: int | None = None) -> int | None:
        """Read a whole number."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            raise _wrong(name, "must be an integer")
        if (least is not None and value < least) or (most is not None and value > most):
            raise _wrong(name, _bounds(least, most))
        return value

    def number(self, name: str, *, least: float, most: float) -> float | None:
        """Read a number."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise _wrong(name, "must be a number")
        if not least <= value <= most:
            raise _wrong(name, _bounds(least, most))
        return value

    def boolean(self, name: str) -> bool | None:
        """Read true or false."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, bool):
            raise _wrong(name, "must be true or false")
        return value

    def text_or_integer(self, name: str) -> str | int | None:
        """Read a field that takes either a string or a whole number."""
        value = self._values.get(name)
        if value is not None and (not isinstance(value, str | int) or isinstance(value, bool)):
            raise _wrong(name, "must be a string or an integer")
        return value

    def choice(self, name: str, options: Sequence[str]) -> str | None:
        """Read a string that is one of a few."""
        value = self.text(name)
        if value is not None and value not in options:
            raise _wrong(name, f"must be one of: {', '.join(options)}")
        return value

    def url(self, name: str) -> str | None:
        """Read an http or https URL."""
        value = self.text(name)
        if value is not None and not _is_url(value):
            raise _wrong(name, "must be an http or https URL")
        return value

    def urls(self, name: str, *, most: int) -> tuple[str, ...]:
        """Read a list of http or https URLs."""
        values = self.items(name)
        if len(values) > most:
            raise _wrong(name, f"accepts at most {most} URLs")
        for value in values:
            if not isinstance(value, str) or not _is_url(value):
                raise _wrong(name, "must be a list of http or https URLs")
        return cast("tuple[str, ...]", values)

    def items(self, name: str) -> tuple[object, ...]:
        """Read a list of anything; absent is empty."""
        value = self._values.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise _wrong(name, "must be a list")
        return tuple(cast("list[object]", value))

    def mapping(self, name: str) -> Mapping[str, object]:
        """Read an object; absent is empty."""
        value = self._values.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise _wrong(name, "must be an object")
        return cast("dict[str, object]", value)


def _bounds(least: float | None, most: float | None) -> str:
    if least is None or most is None:
        return f"must be at least {least}" if most is None else f"must be at most {most}"
    return f"must be between {least} and {most}"


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:  # such as brackets that do not close
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc)
