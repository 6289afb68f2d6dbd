"""Cleans text from a server before it is shown."""

import re
from typing import Final

__all__ = ["encodable", "printable"]

_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_BLANKS: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_HIDDEN: Final = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def encodable(text: str) -> str:
    """Return text with U+FFFD for lone surrogates, which can't be encoded."""
    return _SURROGATES.sub("\ufffd", text)


def printable(text: str) -> str:
    """Return text on one line, without characters that would control a terminal or can't be encoded.

    Runs of white space and control characters (such as ESC) become one blank, invisible characters and those that
    change the direction of writing are removed, and lone surrogates become U+FFFD.
    """
    return _HIDDEN.sub("", _BLANKS.sub(" ", encodable(text))).strip()
