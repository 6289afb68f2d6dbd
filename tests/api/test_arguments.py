"""Every argument of every operation, given what it can't be: refused by its name, before anything is sent."""

import math
import typing
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Literal

import pytest

from generor_async.api.generor import operations as generor
from generor_async.api.luma import models as luma_models
from generor_async.api.luma import operations as luma
from generor_async.errors import InvalidRequestError
from generor_async.values import UNSET, MediaRef

BUILDERS = {**generor.BUILDERS, **luma.BUILDERS}
WRONG: tuple[Any, ...] = (
    b"bytes",
    7,
    10**400,
    2.5,
    math.nan,
    math.inf,
    True,
    None,
    "text",
    "\ud800",
    ["a list"],
    [None],
    {"a": "mapping"},
    {1: "mapping"},
    {"a set"},
    object(),
    Path("a.png"),
    MediaRef.url("https://example.com/a.png"),
    datetime(2026, 4, 8, tzinfo=UTC),
    UNSET,
    str,
)
GOOD: dict[str, Any] = {"type": "image", "content": b"bytes", "sort": "oldest", "scopes": ["read"]}


def members(value: Any) -> list[Any]:
    return list(value)


def admits(hint: Any, value: Any) -> bool:
    """Tell whether an annotation admits a value, and JSON can carry it."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if typing.is_typeddict(hint):  # other keys are sent as well
        return isinstance(value, Mapping) and all(isinstance(key, str) for key in members(value))
    if origin is Literal:
        return value in inside
    if origin in {list, tuple} or (isinstance(origin, type) and issubclass(origin, Sequence)):
        return isinstance(value, origin) and all(admits(inside[0], item) for item in members(value))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(isinstance(key, str) for key in members(value))
    if inside:
        return any(admits(each, value) for each in inside)
    if hint in {int, float}:
        return type(value) in {int, hint} and -math.inf < value < 2**63
    if hint is str and isinstance(value, str):
        return value != "\ud800"
    return isinstance(value, hint)


def cases() -> Iterator[Any]:
    for name, build in BUILDERS.items():
        hints = typing.get_type_hints(build)
        for parameter in signature(build).parameters.values():
            yield pytest.param(build, parameter, hints[parameter.name], id=f"{name}-{parameter.name}")


def good(parameter: Parameter, hint: Any) -> Any:
    return GOOD.get(parameter.name, 1 if admits(hint, 1) else "a")


@pytest.mark.parametrize(("build", "parameter", "hint"), list(cases()))
def test_what_an_argument_cannot_be_is_refused_by_its_name(build: Any, parameter: Parameter, hint: Any) -> None:
    hints = typing.get_type_hints(build)
    known = {
        each.name: good(each, hints[each.name])
        for each in signature(build).parameters.values()
        if each.default is Parameter.empty
    }
    wrong = [value for value in WRONG if not admits(hint, value)]
    assert len(wrong) > 10
    for value in wrong:
        with pytest.raises(InvalidRequestError) as refused:
            build(**{**known, parameter.name: value})
        error = refused.value
        assert parameter.name.rstrip("_") in error.field, value
        assert error.advice, f"{value!r}: nothing is said of what to write instead"
        assert len(str(error)) < 300


@pytest.mark.parametrize("value", ["é", "日本", "a" * 5_000, ""])
def test_whatever_text_is_given_is_sent(value: str) -> None:
    assert generor.creations_search(value).query == {"q": value}
    assert generor.comments_create(1, text=value).body == {"text": value}


def bytes_of(data: Any) -> MediaRef:
    return MediaRef.bytes(data, "image/png")


def file_of(path: Any, *, media_type: Any = None) -> MediaRef:
    return MediaRef.file(path, media_type=media_type)


REFUSED: list[tuple[str, str, Any]] = [
    ("source.data", r"not str. Encode it: value\.encode\(\)", {"type": "image_edit", "source": bytes_of("data")}),
    ("source.data", r"not PosixPath. Read it", {"type": "image_edit", "source": bytes_of(Path("a.png"))}),
    ("video.start_frame.data", "must be bytes, not None", {"type": "video", "video": {"start_frame": bytes_of(None)}}),
    ("image_ref[0]", "a file's path, not None. Give a string", {"image_ref": [file_of(None)]}),
    ("image_ref[0]", "a file's path, not bytes", {"image_ref": [file_of(b"a.png")]}),
    ("image_ref[0].media_type", "a string, not int", {"image_ref": [file_of("a.png", media_type=5)]}),
    ("image_ref[0].url", "must be a string, not int", {"image_ref": [MediaRef("url", 5)]}),  # type: ignore[arg-type] # on purpose
    ("image_ref[0].data", "must be a string, not bytes", {"image_ref": [{"data": b"x", "media_type": "image/png"}]}),
    ("image_ref[0].media_type", "must be a string", {"image_ref": [{"url": "https://x.example", "media_type": 5}]}),
    ("image_ref[0]", "not a URL", {"image_ref": [MediaRef.file("https://x.example/a.png")]}),
    ("image_ref[0]", "null character", {"image_ref": [MediaRef.file("a\0b")]}),
    ("source", r"not PosixPath. Write MediaRef\.file\(path\)", {"type": "image_edit", "source": Path("a.png")}),
    ("source", r"not str. Write MediaRef\.url", {"type": "image_edit", "source": "https://x.example/a.png"}),
    ("source", r"not bytes. Write MediaRef\.bytes", {"type": "image_edit", "source": b"\x89PNG"}),
    ("source", "not list. Give one, without the list", {"type": "image_edit", "source": [MediaRef.file("a.png")]}),
    ("image_ref", r"not MediaRef. Write \[MediaRef\]", {"image_ref": MediaRef.file("a.png")}),
    ("image_ref", r"a list of MediaRefs, not dict. Write \[dict\]", {"image_ref": {"url": "https://x.example"}}),
    ("image_ref[1]", r"not PosixPath. Write MediaRef\.file", {"image_ref": [MediaRef.file("a"), Path("b")]}),
    ("video", "must be VideoOptions or a mapping, not str", {"video": "5s"}),
    ("prompt", r"not bytes. Decode it: value\.decode\(\)", {"prompt": b"a heron"}),
    ("style", "not None. Leave it out", {"style": None}),
    ("web_search", "must be True or False, not str", {"web_search": "false"}),
    ("video.duration", "must be a string, not int. Write it in quotes", {"video": {"duration": 5}}),
    ("video.resolution", "must be a string, not list", {"video": {"resolution": ["720p"]}}),
    ("video.duration", "must be a string, not int", {"video": luma_models.VideoOptions(duration=5)}),  # type: ignore[arg-type] # on purpose
    ("video.start_frame", r"not str. Write MediaRef\.url", {"video": {"start_frame": "https://x.example/a.png"}}),
    ("video.keyframes", r"must be a list, not int. Write \[int\]", {"video": {"keyframes": 5}}),
    ("video.keyframes", "are of Dream Machine", {"video": {"keyframes": {"frame0": {"url": "https://x.example"}}}}),
    ("video.keyframe_indexes[1]", "must be a whole number, not str", {"video": {"keyframe_indexes": [0, "24"]}}),
    ("video.edit.controls.depth.blur", "must be a number", {"video": {"edit": {"controls": {"depth": {"blur": "a"}}}}}),
    ("video.source_position", "SourcePosition or a mapping, not list", {"video": {"source_position": [0, 0, 1, 1]}}),
    ("layering.resolution", "must be a string, not None. Leave it out", {"layering": {"resolution": None}}),
]


@pytest.mark.parametrize(("field", "words", "given"), REFUSED)
def test_a_refusal_says_what_to_write_instead(field: str, words: str, given: Any) -> None:
    known: dict[str, Any] = {"prompt": "a heron", **given}
    with pytest.raises(InvalidRequestError, match=words) as refused:
        luma.generations_create(**known)
    assert refused.value.field == field


def test_an_argument_of_an_operation_is_never_shown() -> None:
    given: Any = b"hush"
    for build in (generor.users_get, luma.generations_get):
        with pytest.raises(InvalidRequestError) as refused:
            build(given)
        assert "hush" not in f"{refused.value!s} {refused.value!r}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("filename", ""),
        ("filename", "a\r\nX-Evil: 1"),
        ("filename", "a\x00"),
        ("mime_type", ""),
        ("mime_type", "png"),
        ("mime_type", "image/png\r\nX-Evil: 1"),
        ("mime_type", "image/png; a=\x00"),
    ],
)
def test_a_part_of_a_form_is_named_as_its_headers_can(name: str, value: str) -> None:
    known: dict[str, Any] = {"filename": "a.png", "mime_type": "image/png; charset=binary"}
    luma.files_create_inline(b"x", **known)
    known[name] = value
    with pytest.raises(InvalidRequestError) as refused:
        luma.files_create_inline(b"x", **known)
    assert refused.value.field == name


@pytest.mark.parametrize("name", ["hdr", "exr_export", "loop"])
@pytest.mark.parametrize("value", ["false", "true", "", 0, 1, [], {}])
def test_what_only_counts_as_true_or_false_is_no_switch_of_a_video(name: str, value: Any) -> None:
    wrong: Any = {name: value}
    with pytest.raises(InvalidRequestError) as refused:
        luma.generations_create(prompt="a heron", type="video", video=wrong)
    assert refused.value.field == f"video.{name}"
    for right in (True, False, None):
        video: Any = {name: right}
        luma.generations_create(prompt="a heron", type="video", video=video)


def test_options_that_no_class_names_yet_are_left_to_the_server() -> None:
    video: Any = {"fps": [24], "duration": "20s"}
    body = luma.generations_create(prompt="a heron", type="video", video=video).body
    assert body == {"prompt": "a heron", "type": "video", "video": {"fps": [24], "duration": "20s"}}


@pytest.mark.parametrize("value", ["cat.png", "/tmp/cat.png", "C:\\cat.png", "file:///tmp/cat.png", "https://", ""])
def test_a_file_of_this_machine_is_no_url(value: str) -> None:
    for name in ("image_url", "ending_frame_url", "reference_audio", "video_url"):
        given: dict[str, Any] = {name: value}
        with pytest.raises(InvalidRequestError, match="takes no file of this machine") as refused:
            generor.generators_generate("video", model_id=1, **given)
        assert refused.value.field == name
    with pytest.raises(InvalidRequestError, match=r"reference_images\[1\] must be a URL"):
        generor.generators_generate("video", model_id=1, reference_images=["https://x.example/a.png", value])


@pytest.mark.parametrize("value", ["https://x.example/a b.png", "HTTP://x.example", "data:image/png;base64,iVBORw0K"])
def test_a_url_is_sent_as_it_is(value: str) -> None:
    assert generor.generators_generate("video", model_id=1, image_url=value).body == {"model_id": 1, "image_url": value}
