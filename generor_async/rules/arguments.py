"""Checks the types of arguments, in one place.

Each function returns the value, or raises InvalidRequestError with the argument's name, the type of the value and what
to write instead. The value itself is not shown: it may be a key, a prompt, or a presigned URL. Whether a value of the
right type is acceptable is left to the server.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from math import isfinite
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeGuard, TypeVar, cast

from generor_async.errors import InvalidRequestError
from generor_async.rules.misspellings import refuse_misspelt
from generor_async.values import JSON, MediaRef, Unseen, is_object

if TYPE_CHECKING:
    from attrs import Attribute

__all__ = [
    "boolean",
    "data",
    "file_name",
    "is_mapping",
    "is_pathlike",
    "items",
    "mapping",
    "media",
    "media_type",
    "medium",
    "moment",
    "number",
    "number_advice",
    "path",
    "strings",
    "text",
    "text_or_whole",
    "texts",
    "type_error",
    "type_of",
    "unserializable",
    "url",
    "urls",
    "validator",
    "whole",
]

T = TypeVar("T")

LARGEST_WHOLE: Final = 2**63
"""Whole numbers from here on can be neither ids nor counts."""
VALUES_SEARCHED: Final = 100_000
"""Number of values of a body that are searched for one that can't be sent."""
LONGEST_BITS: Final = 14_000
"""Python doesn't print numbers of more than 4,300 digits."""
LONGEST_FILE_NAME: Final = 255
"""Bytes of the name of one file or folder, on Linux and on macOS."""
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):[/\\]")
"""The beginning of a URL, also as `Path` shortens it; the single letter of a drive doesn't count."""
_FINITE: Final = "Write a finite number"
_TEXTS: Final = (str, bytes, bytearray, memoryview)
"""Sequences that are not lists."""
_REFERENCE_KEYS: Final = {"url": None, "data": None, "media_type": None, "generation_id": None, "file_id": None}.keys()
"""The keys of a MediaRef as a mapping."""
_KEYS: Final = (str, int, float, bool, NoneType)
"""Types that JSON writes as the name of a member."""
_MEDIA_TYPE: Final = re.compile(r"[\w.+-]+/[\w.+-]+(\s*;[\x20-\x7e]*)?", re.ASCII)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_URL: Final = re.compile(r"https?://[^/\s]|data:[^\s,]*,", re.IGNORECASE)
"""The beginning of a URL that an API can fetch, or that contains the data."""
_ALONE: Final = {"NoneType": "None"}


def type_error(name: str, wanted: str, value: object, instead: str = "") -> InvalidRequestError:
    """Return the error for an argument of a wrong type; `instead` says what to write."""
    kind = type_of(value).__name__
    if not instead:
        instead = "Leave it out" if value is None else f"Give {wanted}"
    return InvalidRequestError(name, f"{name} must be {wanted}, not {_ALONE.get(kind, kind)}", advice=instead)


def validator(check: Callable[[Any, str], object]) -> Callable[[Any, "Attribute[Any]", Any], None]:
    """Return a validator of attrs that applies a check to an attribute, by the attribute's name."""

    def validate(_: object, attribute: "Attribute[Any]", value: object) -> None:
        check(value, attribute.name)

    return validate


def type_of(value: object) -> type[Any]:
    """Return the type of a value, or the type that an Unseen stands for."""
    return value.kind if isinstance(value, Unseen) else type(value)


def text(value: object, name: str) -> str:
    """Return a string that can be sent."""
    if not isinstance(value, str):
        raise type_error(name, "a string", value, _as_text(value))
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            problem = f"{name} holds half of a surrogate pair, which is no text"
            raise InvalidRequestError(name, problem, advice="Remove it") from None
    return value


def _as_text(value: object) -> str:
    kind = type_of(value)
    if issubclass(kind, bytes | bytearray):
        return "Decode it: value.decode()"
    if issubclass(kind, int | float):
        return "Write it in quotes"
    return "Write str(path)" if is_pathlike(kind) else ""


def whole(value: object, name: str) -> int:
    """Return a whole number."""
    if type(value) is int and -LARGEST_WHOLE < value < LARGEST_WHOLE:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        if -LARGEST_WHOLE < value < LARGEST_WHOLE:
            return int(value)
        raise InvalidRequestError(name, f"{name} is larger than any id or count", advice="Check where it comes from")
    raise type_error(name, "a whole number", value, number_advice(value, "a whole number"))


def number(value: object, name: str) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise type_error(name, "a number", value, number_advice(value, "a number"))
    if isinstance(value, float) and not isfinite(value):
        raise InvalidRequestError(name, f"{name} must be a finite number, not {value}", advice=_FINITE)
    return whole(value, name) if isinstance(value, int) else value


def number_advice(value: object, wanted: str) -> str:
    """Return what to write instead of a value that is not a number."""
    match value:
        case str():
            return f"Write {wanted} without quotes"
        case bool():
            return f"Write {wanted}"
        case float():
            return "Write it without a fraction: int(value)"
        case _ if hasattr(value, "__index__"):
            return "Write int(value)"
        case _ if hasattr(value, "__float__"):
            return "Write float(value)"
        case _:
            return ""


def boolean(value: object, name: str) -> bool:
    """Return a boolean; other values are refused, because the text "false" would count as true."""
    if isinstance(value, bool):
        return value
    raise type_error(name, "True or False", value, "Leave it out" if value is None else "Write True or False")


def text_or_whole(value: object, name: str) -> str | int:
    """Return a string or a whole number."""
    if isinstance(value, str):
        return text(value, name)
    if isinstance(value, int) and not isinstance(value, bool):
        return whole(value, name)
    raise type_error(name, "a string or a whole number", value)


def texts(value: object, name: str) -> Sequence[str]:
    """Return a list of strings."""
    for index, item in enumerate(items(value, name, "strings")):
        text(item, f"{name}[{index}]")
    return value  # type: ignore[return-value] # it was looked through


def url(value: object, name: str) -> str:
    """Return a URL that a server can fetch, or a data URL; a local path is refused."""
    found = text(value, name)
    if not _URL.match(found):
        advice = "The API takes no file of this machine: put it where the API can fetch it, and give that address"
        raise InvalidRequestError(name, f"{name} must be a URL that begins with https://", advice=advice)
    return found


def urls(value: object, name: str) -> Sequence[str]:
    """Return a list of URLs."""
    for index, item in enumerate(items(value, name, "URLs")):
        url(item, f"{name}[{index}]")
    return value  # type: ignore[return-value] # it was looked through


def mapping(value: object, name: str) -> Mapping[str, Any]:
    """Return a mapping whose keys are strings."""
    if not is_mapping(value):
        raise type_error(name, "a mapping", value)
    for key in value:
        if not isinstance(key, str):
            raise type_error(f"a key of {name}", "a string", key, _as_text(key))
    return value


def strings(value: object, name: str) -> Mapping[str, str]:
    """Return a mapping of strings to strings."""
    given = mapping(value, name)
    for key, item in given.items():
        text(key, f"a key of {name}")
        text(item, f"{name}[{key!r}]")
    return given


def file_name(value: object, name: str) -> str:
    """Return a file name that a multipart form can carry."""
    found = text(value, name)
    if not found or not found.isprintable():
        problem = f"{name} is empty" if not found else f"{name} holds a line break or a control character"
        raise InvalidRequestError(name, problem, advice="Give a file's name, such as cat.png")
    return found


def media_type(value: object, name: str) -> str:
    """Return a media type that a header can carry."""
    found = text(value, name)
    if not _MEDIA_TYPE.fullmatch(found):
        raise InvalidRequestError(name, f"{name} is no media type", advice="Write image/png, for example")
    return found


def medium(value: object, name: str) -> "MediaRef | Mapping[str, Any]":
    """Return a reference to an image or a video."""
    if isinstance(value, MediaRef):
        return _reference(value, name)
    if is_mapping(value):
        given = mapping(value, name)
        if not given.keys() <= _REFERENCE_KEYS:
            refuse_misspelt(given.keys(), _REFERENCE_KEYS, name)
        return given
    raise type_error(name, "a MediaRef or a mapping", value, _as_medium(value))


def _reference(value: MediaRef, name: str) -> MediaRef:
    """Check the value of a MediaRef that has one; other kinds are checked when they are sent."""
    if value.kind == "path":
        path(value.value, name, "a file")
    elif value.kind == "data":
        data(value.value, f"{name}.data")
    if value.media_type is not None:
        text(value.media_type, f"{name}.media_type")
    return value


def _as_medium(value: object) -> str:
    match value:
        case str():
            return "Write MediaRef.url(...) or MediaRef.file(...)" if value else "Leave it out"
        case bytes() | bytearray():
            return 'Write MediaRef.bytes(data, "image/png")'
        case _ if is_pathlike(value):
            return "Write MediaRef.file(path)"
        case list() | tuple():
            return "Give one, without the list"
        case _:
            return ""


def media(value: object, name: str) -> Sequence["MediaRef | Mapping[str, Any]"]:
    """Return a list of such references."""
    for index, item in enumerate(items(value, name, "MediaRefs")):
        medium(item, f"{name}[{index}]")
    return value  # type: ignore[return-value] # it was looked through


def moment(value: object, name: str) -> datetime:
    """Return a date and time."""
    if isinstance(value, datetime):
        return value
    raise type_error(name, "a datetime", value)


def data(value: object, name: str) -> bytes:
    """Return bytes."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(cast("bytearray", value))
    instead = "Read it: path.read_bytes()" if is_pathlike(value) else "Encode it: value.encode()"
    raise type_error(name, "bytes", value, instead if is_pathlike(value) or isinstance(value, str) else "")


def items(value: object, name: str, of: str = "") -> Sequence[object]:
    """Return a list of any items."""
    if _is_sequence(value):
        return value
    raise type_error(name, f"a list of {of}" if of else "a list", value, _as_items(value))


def _as_items(value: object) -> str:
    if value is None:
        return "Leave it out"
    shown = "..." if isinstance(value, str | bytes) else type(value).__name__
    if isinstance(value, _TEXTS) or is_mapping(value) or not hasattr(value, "__iter__"):
        return f"Write [{shown}], with brackets around it"
    return "Write list(...)"


def unserializable(body: JSON) -> InvalidRequestError:
    """Return the error for a body that can't be written as JSON; it names the first value that can't."""
    pending: list[tuple[str, JSON]] = [("", body)]
    looked_at = 0
    while pending and looked_at < VALUES_SEARCHED:
        where, item = pending.pop()
        looked_at += 1
        if is_object(item):
            for key in cast("Iterable[Any]", item):
                if not isinstance(key, _KEYS):
                    return type_error(f"a key of {where or 'the body'}", "a string", key)
            pending += [(f"{where}.{key}".lstrip("."), inside) for key, inside in item.items()]
        elif _is_sequence(item) and isinstance(item, list | tuple):
            pending += [(f"{where}[{index}]", inside) for index, inside in enumerate(item)]
        elif wrong := _no_json(item):
            return InvalidRequestError(
                where or "body",
                f"{where or 'the body'} cannot be sent as JSON: it is {wrong}",
                advice="Hand in text, finite numbers, True, False, None, lists and mappings",
            )
    return InvalidRequestError("body", "the body cannot be sent as JSON: it is nested too deeply, or holds itself")


def _no_json(value: JSON) -> str:
    """Return what is wrong with a single value that JSON can't express; an empty text for any other."""
    match value:
        case None | bool():
            return ""
        case str():
            return "" if value.isascii() or not _SURROGATE.search(value) else "half of a surrogate pair"
        case int():
            return "" if value.bit_length() < LONGEST_BITS else "a number of thousands of digits"
        case float():
            return "" if isfinite(value) else str(value)
        case _:
            return f"of the type {type(value).__name__}"


def path(
    value: object,
    name: str,
    what: str = "a folder",
    *,
    advice: str = 'This folder is spelled "."',
    url_advice: str = "Give a path; files can be copied from there afterwards",
) -> str:
    """Return a path as a string; a URL and a text that no file system accepts are refused.

    `advice` is what to give instead of an empty text, `url_advice` instead of a URL.
    """
    found: object = value
    if is_pathlike(value):
        found = value.__fspath__()
    if not isinstance(found, str):
        raise type_error(name, f"{what}'s path", found, "Give a string or a Path")
    if not found.strip():
        raise InvalidRequestError(name, f"{name} is {'blank' if found else 'empty'}", advice=advice)
    if (scheme := _SCHEME.match(found)) is not None:
        # The rest of it is not shown: there may be a password in it.
        problem = f"{name} must be {what} of this machine, not a URL ({scheme[1]}:)"
        raise InvalidRequestError(name, problem, advice=url_advice)
    if "\0" in found:
        raise InvalidRequestError(name, f"{name} holds a null character, which no path does", advice="Remove it")
    try:
        longest = max(map(len, found.encode("utf-8", "surrogateescape").split(b"/")))
    except UnicodeEncodeError:
        raise InvalidRequestError(name, f"{name} is no text", advice="Remove the half of a surrogate pair") from None
    if longest > LONGEST_FILE_NAME:
        problem = f"{name} has a name of {longest:,} bytes, and file systems take {LONGEST_FILE_NAME}"
        raise InvalidRequestError(name, problem, advice="Give a shorter one")
    return found


def _is_sequence(value: object) -> TypeGuard[Sequence[Any]]:
    """Tell whether a value is a sequence, and not text or bytes."""
    return isinstance(value, Sequence) and not isinstance(value, _TEXTS)


class _PathLike(Protocol):
    def __fspath__(self) -> object: ...


def is_pathlike(value: object) -> TypeGuard[_PathLike]:
    """Tell whether a value is path-like, such as a `Path`."""
    return hasattr(value, "__fspath__")


def is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    """Tell whether a value is a mapping."""
    return isinstance(value, Mapping)
