"""Strings that are masked wherever they could be shown by accident."""

import hmac
from typing import Any, Self

__all__ = ["MASK", "Masked", "Secret", "Unseen"]

MASK = "***"


class Masked(str):
    """A string whose repr and pickle are masked; everything else works as with any string.

    Tracebacks with locals show the repr of what other libraries were given: headers with a key, or the address of a
    proxy with a password.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(MASK)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> tuple[type[str], tuple[Any, ...]]:
        return str, (MASK,)


class Unseen:
    """Replaces an argument of a wrong type that may hold a key: it only has its type."""

    __slots__ = ("kind",)

    def __init__(self, value: object) -> None:
        self.kind = type(value)


class Secret:
    """A key: `repr`, `str` and pickles are masked, and `reveal()` returns it.

    A copy keeps the value, a pickle doesn't: `reveal()` of an unpickled secret raises ValueError.

    Args:
        value: The key itself.
    """

    __slots__ = ("_mask", "_value")

    def __init__(self, value: str) -> None:
        self._value: str | None = value
        self._mask = f"{value[:9]}{MASK}" if len(value) > 24 else MASK

    def reveal(self) -> str:
        """Return the key; raises ValueError for a secret that came from a pickle or from `to_dict()`."""
        if self._value is None:
            raise ValueError("this secret was pickled or dumped, and neither carries it")
        return self._value

    def mask_in(self, text: str) -> str:
        """Return a text with the key masked wherever it occurs."""
        return text.replace(self._value, self._mask) if self._value else text

    def __repr__(self) -> str:
        return f"Secret({self._mask!r})"

    def __str__(self) -> str:
        return self._mask

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        if self._value is None or other._value is None:
            return self._value is other._value
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return type(self).masked, (self._mask,)

    @classmethod
    def masked(cls, mask: str) -> Self:
        """Return a secret of which only the mask is known."""
        secret = cls("")
        secret._value, secret._mask = None, mask
        return secret
