"""Notebooks show media as bytes: downloaded files and inline ones, up to a limit, and never a URL."""

import base64
import copy
import pickle
from typing import Any, ClassVar

import pytest
from attrs import define, frozen
from hypothesis import given
from hypothesis import strategies as st

from generor_async.values import Model, display_media
from generor_async.values.notebook import EMBEDDED_BYTES, inline_media, mime_bundle


@define(kw_only=True)
class Thing(Model):
    wire_names: ClassVar[frozenset[str]] = frozenset({"url"})
    url: str = ""


@frozen
class Media:
    """A file in memory; without data one that is no longer there."""

    name: str
    media_type: str
    data: bytes | None = b"bytes"

    def size(self) -> int | None:
        return None if self.data is None else len(self.data)

    def read(self) -> bytes:
        assert self.data is not None
        return self.data


def encoded(data: bytes = b"bytes") -> str:
    return base64.b64encode(data).decode()


def shown(thing: Model) -> dict[str, str]:
    return thing._repr_mimebundle_(include=None, exclude=None)  # pyright: ignore[reportPrivateUsage] # as IPython does


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg"])
def test_one_picture_is_shown_as_itself(media_type: str) -> None:
    assert mime_bundle([Media("a", media_type)]) == {media_type: encoded()}


@pytest.mark.parametrize(("media_type", "tag"), [("image/webp", "img"), ("video/mp4", "video"), ("audio/wav", "audio")])
def test_other_media_are_embedded_in_html(media_type: str, tag: str) -> None:
    html = mime_bundle([Media("a", media_type)])["text/html"]
    assert html.startswith(f'<{tag} src="data:{media_type};base64,{encoded()}"')


def test_several_are_shown_below_each_other() -> None:
    html = mime_bundle([Media("a", "image/png"), Media("b", "video/mp4")])["text/html"]
    assert [line.partition(" ")[0] for line in html.splitlines()] == ["<img", "<video"]


def test_what_is_over_the_limit_is_named_and_what_fits_is_shown() -> None:
    large = Media("large", "video/mp4", bytes(EMBEDDED_BYTES - 1))
    html = mime_bundle([Media("a", "image/png"), large, Media("b", "image/png")])["text/html"]
    assert len(html) < 1000
    assert html.count("<img") == 2
    assert "<code>large</code> has 10.0 MB, and a display embeds 10 MB at most" in html


@pytest.mark.parametrize(
    ("media", "note"),
    [
        (Media("a.png", "image/png", None), "is no longer there"),
        (Media("a.exr", "image/x-exr"), "which browsers do not show"),
        (Media("a.bin", "application/octet-stream"), "which browsers do not show"),
    ],
)
def test_what_cannot_be_shown_is_named(media: Media, note: str) -> None:
    (html,) = mime_bundle([media]).values()
    assert media.name in html
    assert note in html
    assert "base64" not in html


@pytest.mark.parametrize(
    ("media", "markup"),
    [
        (Media('"><script>', "image/webp"), "<script>"),
        (Media("a", 'image/a"onerror="x'), '"onerror'),
        (Media("<b>", "x/<i>"), "<b>"),
        (Media("<b>", "x/<i>"), "<i>"),
    ],
)
def test_nothing_is_markup_that_comes_from_elsewhere(media: Media, markup: str) -> None:
    assert markup not in mime_bundle([media])["text/html"]


def test_a_model_without_media_is_shown_as_ever_and_its_url_is_not() -> None:
    assert shown(Thing(url="https://media/1.png?signature=s")) == {}


def test_a_model_shows_what_was_downloaded_or_is_inline() -> None:
    thing = Thing(url=f"data:image/png;base64,{encoded(b'inline')}")
    assert shown(thing) == {"image/png": encoded(b"inline")}
    display_media(thing, [Media("a", "image/jpeg")])
    assert shown(thing) == {"image/jpeg": encoded()}


def test_what_is_shown_is_neither_compared_nor_copied() -> None:
    thing = Thing(url="u")
    display_media(thing, [Media("a", "image/jpeg")])
    assert thing == Thing(url="u")
    for again in (copy.copy(thing), pickle.loads(pickle.dumps(thing))):
        assert again == thing
    assert thing.to_dict() == {"url": "u"}


@given(st.text() | st.text().map("data:image/png;base64,{}".format))
def test_any_text_is_taken(text: str) -> None:
    found: list[Any] = list(inline_media({"a": [text]}))
    assert all(base64.b64encode(each.read()).decode().rstrip("=") in text for each in found)
