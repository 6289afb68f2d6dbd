"""Parameter values on the command line, and the values that the operation gets."""

import contextlib
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from generor_async import InvalidRequestError, MediaRef
from generor_async.cli.error_output import BadUseError
from generor_async.cli.operation_info import NAMES, operation_info
from generor_async.cli.parameter_values import ParameterReader

CREATE = "luma.generations.create"
INLINE = "luma.files.create_inline"
GENERATE = "generor.generators.generate"
KEYS = ["url", "data", "media_type", "file_id", "path", "keyframes", "edit", "start_frame", "x"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=8,
)


def read(name: str, body: str | None = None, **written: Any) -> dict[str, Any]:
    return ParameterReader(operation_info(name)).read(written, body)


def create(**written: Any) -> dict[str, Any]:
    return read(CREATE, prompt="x", **written)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder, which is empty."""
    monkeypatch.chdir(tmp_path)


@given(st.text())
def test_any_text_can_be_given(text: str) -> None:
    written = f"@{text}" if text.startswith("@") else text
    assert read(CREATE, prompt=written) == {"prompt": text}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("held", "text"),
    [(b"a heron", "a heron"), (b"two\nlines\n", "two\nlines"), (b"\xef\xbb\xbfmarked\r\n", "marked"), (b"\n\n", "\n")],
)
def test_a_file_stands_for_its_text(held: bytes, text: str) -> None:
    Path("prompt.txt").write_bytes(held)
    assert read(CREATE, prompt="@prompt.txt") == {"prompt": text}


def test_standard_input_is_read_for_one_value(monkeypatch: pytest.MonkeyPatch) -> None:
    piped = b'{"prompt": "a heron"}\n'
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(piped)))
    assert read(CREATE, "@-") == {"prompt": "a heron"}
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(piped)))
    with pytest.raises(BadUseError, match="only one value can be read from standard input"):
        read(CREATE, "@-", prompt="@-")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("https://example.com/a.png", MediaRef.url("https://example.com/a.png")),
        ("@cat.png", MediaRef.file("cat.png")),
        ('{"file_id": "f"}', {"file_id": "f"}),
        ('{"path": "cat.png"}', MediaRef.file("cat.png")),
        ('{"path": "cat.png", "media_type": "image/png"}', MediaRef.file("cat.png", media_type="image/png")),
    ],
)
def test_media_are_a_url_a_file_or_an_object(written: str, value: Any) -> None:
    Path("cat.png").touch()
    assert create(source=written)["source"] == value
    assert create(image_ref=[written, written])["image_ref"] == [value, value]


@pytest.mark.usefixtures("here")
def test_media_may_be_named_inside_an_object() -> None:
    Path("cat.png").touch()
    video = '{"duration": "5s", "start_frame": {"path": "cat.png"}, "edit": {"keyframes": [{"path": "cat.png"}]}}'
    cat = MediaRef.file("cat.png")
    expected = {"duration": "5s", "start_frame": cat, "edit": {"keyframes": [cat]}}
    assert create(video=video)["video"] == expected
    assert read(CREATE, f'{{"prompt": "x", "video": {video}}}')["video"] == expected


def test_a_path_key_is_plain_data_for_operations_without_media() -> None:
    told = read(GENERATE, slug="joke", model_id="37", parameters='{"path": "cat.png"}')
    assert told["parameters"] == {"path": "cat.png"}


@pytest.mark.usefixtures("here")
def test_bytes_come_from_a_file() -> None:
    Path("cat.png").write_bytes(b"\x89PNG\xff")
    known = {"filename": "cat.png", "mime_type": "image/png"}
    assert read(INLINE, content="@cat.png", **known)["content"] == b"\x89PNG\xff"
    assert read(INLINE, json.dumps({"content": "@cat.png", **known}))["content"] == b"\x89PNG\xff"


@pytest.mark.parametrize("written", ["2026-04-08T12:00:00Z", "2026-04-08T12:00:00+00:00"])
def test_times_are_read(written: str) -> None:
    moment = datetime(2026, 4, 8, 12, tzinfo=UTC)
    known = {"mime_type": "image/png", "size_bytes": "1"}
    assert read("luma.files.create", expires_at=written, **known)["expires_at"] == moment
    assert read("luma.files.create", json.dumps({"expires_at": written}), **known)["expires_at"] == moment


@pytest.mark.parametrize(
    ("name", "written", "value"),
    [
        ("count", "3", 3),
        ("temperature", "0.5", 0.5),
        ("temperature", "1", 1),
        ("aspect_ratio", "16:9", "16:9"),
        ("aspect_ratio", "1", 1),
        ("generate_audio", False, False),
        ("reference_images", ["a", "b"], ["a", "b"]),
    ],
)
def test_each_parameter_has_its_type(name: str, written: Any, value: Any) -> None:
    found = read(GENERATE, slug="joke", model_id="37", **{name: written})[name]
    assert (type(found), found) == (type(value), value)


def test_json_null_is_accepted_where_the_api_takes_it() -> None:
    assert read(CREATE, '{"prompt": "x", "aspect_ratio": null}')["aspect_ratio"] is None
    with pytest.raises(BadUseError, match="model must be text"):
        read(CREATE, '{"prompt": "x", "model": null}')


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            {"source": "cat.png"},
            "'cat.png' is neither a URL, @FILE nor a JSON object; for a local file, write @c",
        ),
        ({"source": "@nowhere.png"}, "there is no file nowhere.png"),
        ({"source": "@."}, r"\. is a folder"),
        ({"model": "@heron " + "x" * 10_000}, "there is no file heron x"),
        ({"video": "[1]"}, r"'\[1\]' is not a JSON object"),
        ({"video": "{"}, r"'{' is not JSON \(Expecting"),
        ({"video": '{"hdr": NaN}'}, r"is not JSON \(it has NaN\)"),
        ({"video": "[" * 100_000}, "is not JSON"),
        ({"video": '{"start_frame": {"path": "nowhere.png"}}'}, "there is no file nowhere.png"),
        ({"model": "@bytes"}, "bytes is not text in UTF-8"),
    ],
)
def test_unreadable_values_are_refused(written: dict[str, str], said: str) -> None:
    Path("bytes").write_bytes(b"\xff")
    with pytest.raises(BadUseError, match=said):
        create(**written)


@pytest.mark.parametrize(
    ("name", "written", "said"),
    [
        ("count", "three", "'three' is not a whole number"),
        ("count", "1.5", "'1.5' is not a whole number"),
        ("temperature", "warm", "'warm' is not a number"),
        ("temperature", "inf", "'inf' is not a number"),
    ],
)
def test_invalid_numbers_are_refused(name: str, written: str, said: str) -> None:
    with pytest.raises(BadUseError, match=said):
        read(GENERATE, slug="joke", model_id="37", **{name: written})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"count": "3"}, "count must be a whole number"),
        ({"count": True}, "count must be a whole number"),
        ({"generate_audio": 1}, "generate_audio must be true or false"),
        ({"aspect_ratio": 1.5}, "aspect_ratio must be a whole number or text"),
        ({"reference_images": "a"}, "reference_images must be a list, each item text"),
        ({"reference_images": [1]}, "reference_images must be a list, each item text"),
        ({"parameters": []}, "parameters must be an object"),
        ({"promt": "x"}, "'promt' is no parameter of generor.generators.generate; those are: slug, model_id, prompt,"),
    ],
)
def test_json_of_the_wrong_type_is_refused(value: dict[str, Any], said: str) -> None:
    with pytest.raises(BadUseError, match=said):
        read(GENERATE, json.dumps(value), slug="joke", model_id="37")


@given(st.data())
def test_any_json_is_built_or_refused(data: st.DataObject) -> None:
    operation = operation_info(data.draw(st.sampled_from(NAMES)))
    body: dict[str, Any] = data.draw(
        st.fixed_dictionaries({}, optional={each.name: JSON for each in operation.parameters})
    )
    with contextlib.suppress(BadUseError, InvalidRequestError):
        values = ParameterReader(operation).read({}, json.dumps(body))
        operation.build(**values)


@given(
    st.sampled_from(["image_edit", "video"]),
    st.fixed_dictionaries({}, optional=dict.fromkeys(("source", "video", "layering", "image_ref"), JSON)),
)
@example("video", {"video": {"keyframes": 5}})
def test_any_objects_are_built_or_refused(kind: str, body: dict[str, Any]) -> None:
    operation = operation_info(CREATE)
    with contextlib.suppress(BadUseError, InvalidRequestError):
        operation.build(**ParameterReader(operation).read({"prompt": "x", "type": kind}, json.dumps(body)))
