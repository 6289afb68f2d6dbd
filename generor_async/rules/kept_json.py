"""Checks what a caller attaches to calls, which is written down as JSON and read again by another process."""

import json
from math import isfinite
from typing import Any, Final, cast

from generor_async.errors import InvalidRequestError
from generor_async.rules.arguments import LONGEST_BITS, is_mapping
from generor_async.values import JSON

__all__ = ["kept_json"]

LARGEST: Final = 65_536
"""Bytes of JSON. Up to here a call with it takes as long as one without; with 1 MiB it takes four times as long."""
_ADVICE: Final = "Give texts, finite numbers, True, False, None, lists, and mappings whose keys are texts"


def kept_json(value: Any, name: str) -> JSON:
    """Return a copy of a value as it will be read again: tuples are lists.

    Raises InvalidRequestError, with the place of what is wrong, for anything that would be read as something else, or
    is larger than LARGEST.
    """
    try:
        _check(value, name)
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        raise _error(name, "is nested too deeply, or holds itself") from None
    if (size := len(text.encode())) > LARGEST:
        problem = f"{name} takes {size:,} bytes as JSON, and {LARGEST:,} are kept at most"
        advice = "Keep it in a place of your own, and give what names it there"
        raise InvalidRequestError(name, problem, advice=advice)
    found: JSON = json.loads(text)
    return found


def _check(value: Any, where: str) -> None:
    match value:
        case None | bool():
            pass
        case int():
            if value.bit_length() > LONGEST_BITS:
                raise _error(where, "is a number of thousands of digits")
        case str():
            _check_text(value, where)
        case float():
            if not isfinite(value):
                raise _error(where, f"is {value}")
        case _ if is_mapping(value):
            for key, inside in value.items():
                if not isinstance(key, str):
                    raise _error(where, f"has the key {key!r:.40}, of the type {type(key).__name__}")
                _check_text(key, where)
                _check(inside, f"{where}[{key!r:.40}]")
        case list() | tuple():
            for index, inside in enumerate(cast("list[Any]", value)):
                _check(inside, f"{where}[{index}]")
        case _:
            raise _error(where, f"is of the type {type(value).__name__}")


def _check_text(text: str, where: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _error(where, "holds half of a surrogate pair") from None


def _error(where: str, what: str) -> InvalidRequestError:
    name = where.partition("[")[0]
    return InvalidRequestError(name, f"{where} {what}, which is no JSON", advice=_ADVICE)
