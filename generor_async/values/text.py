"""Text of a server's as it may be shown to people."""

import re
from typing import Final

__all__ = ["shown"]

_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_BLANKS: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_HIDDEN: Final = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def shown(text: str) -> str:
    """Return text on one line that no terminal obeys and that every file takes.

    Control characters (ESC, BEL and their like) and runs of white space become one blank, what turns the direction of
    writing or can't be seen goes, and half a surrogate becomes a replacement character.
    """
    return _HIDDEN.sub("", _BLANKS.sub(" ", _SURROGATES.sub("\ufffd", text))).strip()
