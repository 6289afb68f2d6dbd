"""Finds ids in the text of a damaged response: they may name a paid result."""

import codecs
import re
from typing import Final

__all__ = ["IdScanner", "find_creation_id", "find_ids"]

_NAMES: Final = "(?:id|uuid|(?:creation|generation|job|key|file)_?id)"
"""Names of members with ids, in any case."""
_VALUE: Final = r"""\\?["']\s*:\s*(?!null\b|None\b)\\?["']?([\w-]{1,64})"""
"""The rest of a member, in JSON, in JSON within a string, and in a Python literal."""
_ID: Final = re.compile(rf"""["']{_NAMES}{_VALUE}""", re.IGNORECASE)
_CREATION: Final = re.compile(rf"""["']creation_?id{_VALUE}""", re.IGNORECASE)
_WHOLE_CREATION: Final = re.compile(r"""["']creation_?id\\?["']\s*:\s*\\?["']?(\d{1,18})[\\"'\s,}]""", re.IGNORECASE)
_MEMBER: Final = re.compile(_ID.pattern.encode(), re.IGNORECASE)
OVERLAP: Final = 256
"""Bytes of a piece that are searched again with the next one: more than a member with an id has."""
MOST_FOUND: Final = 1_000
"""Ids of one answer that are kept."""


def find_ids(text: str) -> tuple[str, ...]:
    """Return what looks like an id in a text, each once: creations first, then in order."""
    return tuple(dict.fromkeys([*_CREATION.findall(text), *_ID.findall(text)]))


def find_creation_id(text: str) -> int | None:
    """Return the first complete creation id of Generor in a text; None for none."""
    found = _WHOLE_CREATION.search(text)
    return None if found is None else int(found[1])


class IdScanner:
    """Finds the members with ids in a text that comes in pieces, and is too long to be kept.

    In UTF-16 and UTF-32, too: the zeros between their letters are passed over.
    """

    def __init__(self, before: bytes) -> None:
        text = _narrow(before).lstrip(codecs.BOM_UTF16)
        self._tail = text[-OVERLAP:]
        """What stands before the next piece, in which a member may have begun."""
        cut = (found.start() for found in _MEMBER.finditer(self._tail) if found.end() == len(self._tail))
        self.before = text[: len(text) - len(self._tail) + next(cut, len(self._tail))]
        """What came before, in one byte a letter; without a member at its end whose value may go on."""
        self._found = set[bytes]()

    def ids_in(self, piece: bytes) -> list[bytes]:
        """Return the members that the next piece has or ends, as they stand there; an empty one is the end."""
        text = self._tail + _narrow(piece)
        self._tail = text[-OVERLAP:]
        ended = (found.span() for found in _MEMBER.finditer(text) if not piece or found.end() < len(text))
        # With the character behind it: by that one sees that its value is whole.
        return [member for start, end in ended if self._is_new(member := b", " + text[start : end + 1])]

    def _is_new(self, member: bytes) -> bool:
        if member in self._found or len(self._found) >= MOST_FOUND:
            return False
        self._found.add(member)
        return True


def _narrow(piece: bytes) -> bytes:
    return piece.replace(b"\0", b"")
