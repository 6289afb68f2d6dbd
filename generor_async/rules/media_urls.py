"""Finds the URLs of a creation's files: in its own fields, in lists, and in the generator's nested data.

The documents show `image_url`, and `images` with a `url` each. Everything else is assumed: a field is recognized by its
name (`video_url`, `image_urls`, `audio`), and a URL in any other field by its suffix.
"""

import json
import re
from collections.abc import Iterator
from typing import Final

from generor_async.rules import media_types
from generor_async.values import JSON, is_array, is_object

__all__ = ["generated_text", "media_urls"]

_KINDS: Final = {
    "image": "image",
    "images": "image",
    "img": "image",
    "picture": "image",
    "pictures": "image",
    "photo": "image",
    "photos": "image",
    "video": "video",
    "videos": "video",
    "audio": "audio",
    "audios": "audio",
    "sound": "audio",
    "sounds": "audio",
    "music": "audio",
    "speech": "audio",
    "narration": "audio",
}
"""Kinds of files by a word in a field's name."""
_INPUT_WORDS: Final = frozenset(
    {
        "avatar",
        "ending",
        "icon",
        "input",
        "logo",
        "parameters",
        "poster",
        "preview",
        "prompt",
        "reference",
        "similar",
        "source",
        "thumb",
        "thumbnail",
        "thumbnails",
        "user",
        "website",
    }
)
"""Words in the names of fields whose files are inputs, or smaller copies of outputs."""
_OF_ADDRESSES: Final = frozenset(
    {"url", "urls", "uri", "uris", "src", "href", "link", "links", "path", "file", "files"}
)
"""Names of fields that hold a URL, within an object whose name tells the kind."""
_WORD: Final = re.compile(r"[^A-Za-z]+|(?<=[a-z])(?=[A-Z])")
_ADDRESS: Final = re.compile(r"(?:https?:/)?/\S", re.IGNORECASE)


def media_urls(creation: JSON) -> dict[str, str]:
    """Return the URLs of a creation's files with their kinds, each URL once and as it was received.

    The kind is `image`, `video` or `audio`, and empty where it is unknown.
    """
    found: dict[str, str] = {}
    for address, kind in _walk(creation):
        found.setdefault(address, kind)
    return found


def generated_text(creation: JSON) -> str:
    """Return the text of a text generator's creation; an empty text where there is none."""
    for fields in (creation, _parse_nested_json(creation.get("generator_data")) if is_object(creation) else None):
        if is_object(fields) and isinstance(text := fields.get("text"), str) and text:
            return text
    return ""


def _walk(creation: JSON) -> Iterator[tuple[str, str]]:
    """Yield each URL in the order of the fields, at any depth, without recursion."""
    pending: list[tuple[JSON, str, bool]] = [(creation, "", False)]
    while pending:
        value, kind, named = pending.pop()
        value = _parse_nested_json(value)
        if is_object(value):
            pending += reversed(
                [(each, *_kind_by_field(name, kind)) for name, each in value.items() if _may_be_output(name)]
            )
        elif is_array(value):
            pending += reversed([(each, kind, named) for each in value])
        elif isinstance(value, str) and (address := value.strip()) and "\n" not in address:
            told = media_types.kind_by_name(address.partition("?")[0].partition("#")[0])
            if (_ADDRESS.match(address) and (named or told)) or (named and told):
                yield address, kind or told


def _kind_by_field(name: str, kind: str) -> tuple[str, bool]:
    """Return the kind of the files in a field, and whether it holds any; `kind` is that of the object around it."""
    words = _words(name)
    own = next((_KINDS[word] for word in words if word in _KINDS), "")
    # The keys of an object that stands for a list, or names sizes, say nothing.
    return own or kind, bool(own) or bool(kind and (not words or not _OF_ADDRESSES.isdisjoint(words)))


def _may_be_output(name: str) -> bool:
    return _INPUT_WORDS.isdisjoint(_words(name))


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.split(name) if word]


def _parse_nested_json(value: JSON) -> JSON:
    """Parse a string that holds JSON; return any other value as it is."""
    if isinstance(value, str) and value[:1] in {"{", "["}:
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value
