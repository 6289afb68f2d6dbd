"""Files of this machine that go into a request."""

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from generor_async.engine import media
from generor_async.errors import InvalidRequestError
from generor_async.values import MediaRef


async def test_a_file_becomes_its_bytes_wherever_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "a.dat"
    path.write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    body = {"source": MediaRef.file(path), "deep": [{"x": [MediaRef.file(path), 1]}], "same": "kept"}
    found = await media.inline_files(body, "luma.generations.create")
    form = {"data": base64.b64encode(path.read_bytes()).decode(), "media_type": "image/jpeg"}
    assert found == {"source": form, "deep": [{"x": [form, 1]}], "same": "kept"}


async def test_a_type_that_is_given_is_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    path.write_bytes(b"v/1\x01")
    found: Any = await media.inline_files(MediaRef.file(path, media_type="image/x-exr"), "o")
    assert found["media_type"] == "image/x-exr"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.png", "is not a file"),
        (".", "is a folder"),
        ("text.txt", "Name its type"),
        ("large.png", "Image exceeds 50 MB size limit. Resize it"),
        ("large.mp4", "is larger than 200 MB. Upload it with files.upload"),
        ("really-a-gif.png", "is named as image/png, but its first bytes are of image/gif"),
        ("pipe.png", "is not a file"),
        ("x" * 300, "cannot be read|is not a file"),
        ("a\0b", "cannot be read|is not a file"),
    ],
)
async def test_a_file_that_cannot_go_is_refused(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "really-a-gif.png").write_bytes(b"GIF89a")
    os.mkfifo(tmp_path / "pipe.png")
    for large, head, megabytes in (("large.png", b"", 50), ("large.mp4", b"\0\0\0\x20ftypisom", 200)):
        with (tmp_path / large).open("wb") as file:
            file.write(head)
            file.truncate(megabytes * 1024 * 1024 + 1)
    with pytest.raises(InvalidRequestError, match=words) as caught:
        await media.inline_files({"source": MediaRef.file(tmp_path / name)}, "luma.generations.create")
    assert (caught.value.field, caught.value.operation) == ("file", "luma.generations.create")
