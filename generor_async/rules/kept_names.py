"""Checks the names by which a client's state keeps calls: idempotency keys, and users."""

from typing import Final

from generor_async.errors import InvalidRequestError
from generor_async.rules import arguments

__all__ = ["idempotency_key", "user"]

LONGEST: Final = 255


def idempotency_key(value: object, name: str) -> str:
    """Return an idempotency key."""
    return _name(value, name, "Give what names the call in your own records, such as an order's number")


def user(value: object, name: str) -> str:
    """Return the name of a user."""
    return _name(value, name, "Give a name of the user in your own records; None for nobody")


def _name(value: object, name: str, advice: str) -> str:
    text = arguments.text(value, name)
    if not 0 < len(text) <= LONGEST:
        raise InvalidRequestError(name, f"{name} must have 1 to {LONGEST} characters", advice=advice)
    return text
