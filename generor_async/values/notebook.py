"""Shows the media of a model in notebooks, as bytes within the notebook.

A URL is never shown: a presigned one works for an hour, and would be kept in the notebook. Nothing is fetched for it
either, as displaying a value must not wait for a network. So what is shown are files that were downloaded, which are
read when they are displayed, and `data:` URLs of the answer itself.
"""

import base64
from collections.abc import Iterable, Iterator
from contextlib import suppress
from html import escape
from typing import Any, Final, Protocol

from attrs import frozen

__all__ = ["EMBEDDED_BYTES", "DisplayedMedia", "inline_media", "mime_bundle"]

EMBEDDED_BYTES: Final = 10 * 1024**2
"""The most that one display embeds, in bytes before base64: notebooks are text, and are kept under version control."""
_NATIVE: Final = frozenset({"image/png", "image/jpeg"})
"""Types that every viewer of notebooks shows by themselves."""
_TAGS: Final = {
    "image": '<img src="{}" alt="{}" style="max-width: 100%">',
    "video": '<video src="{}" title="{}" controls style="max-width: 100%"></video>',
    "audio": '<audio src="{}" title="{}" controls></audio>',
}
_NOT_IN_BROWSERS: Final = frozenset({"image/x-exr", "image/tiff", "image/heic", "audio/midi", "video/x-msvideo"})


class DisplayedMedia(Protocol):
    """A picture, a video or a sound that can be displayed."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def media_type(self) -> str:
        """Its media type."""
        ...

    def size(self) -> int | None:
        """Return the size in bytes; None where it is no longer there."""
        ...

    def read(self) -> bytes:
        """Return its bytes."""
        ...


@frozen
class _InlineMedia:
    """The content of a `data:` URL."""

    name: str
    media_type: str
    data: bytes

    def size(self) -> int:
        return len(self.data)

    def read(self) -> bytes:
        return self.data


def inline_media(value: Any) -> Iterator[DisplayedMedia]:
    """Yield the pictures, videos and sounds that stand in JSON as base64 `data:` URLs."""
    fields: dict[str, Any] = value
    items: list[Any] = value
    if type(value) is dict:
        items = list(fields.values())
    elif type(value) is not list:
        items = []
    for each in items:
        if isinstance(each, str):
            yield from _inline(each)
        else:
            yield from inline_media(each)


def _inline(url: str) -> Iterator[DisplayedMedia]:
    head, _, data = url.partition(";base64,")
    media_type = head.removeprefix("data:")
    if data and media_type != head and media_type.partition("/")[0] in _TAGS:
        with suppress(ValueError):
            yield _InlineMedia("inline", media_type.partition(";")[0], base64.b64decode(data, validate=True))


def mime_bundle(media: Iterable[DisplayedMedia]) -> dict[str, str]:
    """Return what a notebook shows, by MIME type: one PNG or JPEG as itself, anything else as HTML.

    What is over the limit, or no longer there, is named instead.
    """
    shown = list(media)
    left, parts = EMBEDDED_BYTES, list[str]()
    for each in shown:
        size = each.size()
        if size is None:
            parts.append(_note(each, "is no longer there: download it again"))
        elif each.media_type.partition("/")[0] not in _TAGS or each.media_type in _NOT_IN_BROWSERS:
            parts.append(_note(each, f"is {each.media_type}, which browsers do not show"))
        elif size > left:
            parts.append(
                _note(each, f"has {size / 1024**2:.1f} MB, and a display embeds {EMBEDDED_BYTES // 1024**2} MB at most")
            )
        else:
            try:
                encoded = base64.b64encode(each.read()).decode()
            except OSError as error:
                parts.append(_note(each, f"cannot be read: {error.strerror or error}"))
                continue
            left -= size
            if len(shown) == 1 and each.media_type in _NATIVE:
                return {each.media_type: encoded}
            tag = _TAGS[each.media_type.partition("/")[0]]
            parts.append(tag.format(f"data:{escape(each.media_type)};base64,{encoded}", escape(each.name)))
    return {"text/html": "\n".join(parts)} if parts else {}


def _note(media: DisplayedMedia, text: str) -> str:
    return f"<p><code>{escape(media.name)}</code> {escape(text)}</p>"
