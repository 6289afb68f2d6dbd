"""Extracts the message of an error from a response of any shape.

Both APIs document one shape. Frameworks and gateways have others: a string, nested objects, a list of problems with
their paths, a map of fields, the title of an HTML page.
"""

import html
import re
from collections.abc import Iterator
from typing import Any, Final

from generor_async.values import JSON, is_array, is_object
from generor_async.values.text import printable

__all__ = ["error_message", "printable", "truncated"]

LONGEST: Final = 500
"""Characters of a message that are kept."""
DEEPEST: Final = 4
MOST_ITEMS: Final = 5
"""Problems of a list, or fields of a map, that are shown."""
TITLE_SEARCHED: Final = 4_096
"""Characters of a page in which its title is looked for."""

_PARTS: Final = (
    "title",
    "error",
    "message",
    "msg",
    "faultstring",
    "detail",
    "description",
    "error_description",
    "reason",
    "errors",
)
"""Names of fields with messages, from the general to the specific; in any case."""
_PLACES: Final = ("loc", "field", "param", "path", "source")
_FALLBACK_NAMES: Final = ("code", "type", "name")
"""Names of fields that are used where there is no message."""
_TITLE: Final = re.compile(r"<(title|h1|message)[^>]*>(.*?)</\1", re.IGNORECASE | re.DOTALL)
_TAG: Final = re.compile(r"<[^>]*>")


def error_message(body: JSON) -> str:
    """Return the message of an error on one line, without control characters; empty for none.

    `body` is the answer's JSON, or its text where it isn't JSON.
    """
    return truncated(printable(_page_title(body) if isinstance(body, str) else _words(body, 0)))


def truncated(text: str) -> str:
    """Return a text, cut to the longest message."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _page_title(text: str) -> str:
    """Return the title of a page, or a text without tags as it is."""
    start = text[:TITLE_SEARCHED].strip()
    if not start.startswith("<"):
        return start
    found = (html.unescape(_TAG.sub(" ", match[2])) for match in _TITLE.finditer(start))
    return next((words for words in found if words.strip()), "")


def _words(value: JSON, depth: int) -> str:
    if isinstance(value, str):
        return printable(value)
    if depth > DEEPEST:
        return ""
    if is_array(value):
        return "; ".join(_distinct(_words(item, depth + 1) for item in value[:MOST_ITEMS]))
    return _object_words(value, depth) if is_object(value) else ""


def _object_words(value: dict[str, Any], depth: int) -> str:
    words = _known_words(value, depth)
    if not depth:
        return words or next(_distinct(_nested_words(item, 1) for item in value.values()), "")
    if not words:
        words = next(_distinct(_words(value.get(name), depth + 1) for name in _FALLBACK_NAMES), "")
    if not words:
        fields = list(value.items())[:MOST_ITEMS]
        return "; ".join(_distinct(_placed(printable(name), _words(item, depth + 1)) for name, item in fields))
    place = next((place for name in _PLACES if (place := _place(value.get(name)))), "")
    return _placed(place, words)


def _known_words(value: dict[str, Any], depth: int) -> str:
    """Return the messages in fields with known names."""
    if not value.keys() & _PARTS:
        value = {name.lower(): item for name, item in value.items()}
    return ": ".join(_distinct(_words(value.get(name), depth + 1) for name in _PARTS))


def _nested_words(value: JSON, depth: int) -> str:
    """Return the messages in fields with known names of an object, or of the objects in it."""
    if not is_object(value) or depth > DEEPEST:
        return ""
    return _known_words(value, depth) or next(_distinct(_nested_words(item, depth + 1) for item in value.values()), "")


def _placed(place: str, words: str) -> str:
    return f"{place}: {words}" if place and words else words


def _place(value: JSON) -> str:
    """Return the place of a problem: a name, or a path of names and numbers."""
    if is_array(value):
        return ".".join(printable(str(part)) for part in value[:8] if isinstance(part, str | int))
    return printable(value) if isinstance(value, str) else ""


def _distinct(texts: Iterator[str]) -> Iterator[str]:
    """Yield the texts that aren't empty, without repetitions."""
    return iter(dict.fromkeys(text for text in texts if text))
