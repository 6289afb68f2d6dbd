"""`MediaRef.of` takes what a caller has: paths, bytes, open files, PIL images and numpy arrays."""

import base64
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.examples import examples

from generor_async.values import MediaRef


def png(color: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (3, 2), color).save(file, "PNG")
    return file.getvalue()


def decoded(reference: MediaRef) -> Image.Image:
    assert reference.kind == "data"
    assert reference.media_type == "image/png"
    assert isinstance(reference.value, bytes)
    return Image.open(io.BytesIO(reference.value))


def test_a_path_is_read_later_and_a_url_is_left_to_the_api() -> None:
    assert MediaRef.of("a.png") == MediaRef.of(Path("a.png")) == MediaRef.file("a.png")
    assert MediaRef.of("clip", media_type="video/mp4") == MediaRef.file("clip", media_type="video/mp4")
    assert MediaRef.of("https://x/a.png") == MediaRef.url("https://x/a.png")


def test_a_path_of_another_library_is_a_path() -> None:
    assert MediaRef.of(anyio.Path("a.png")) == MediaRef.file("a.png")


def test_a_data_url_is_what_it_holds() -> None:
    encoded = base64.b64encode(png()).decode()
    for url in (f"data:image/png;base64,{encoded}", f"DATA:;base64,{encoded}", f"data:image/png;a=b;base64,{encoded}"):
        assert MediaRef.of(url) == MediaRef.bytes(png(), "image/png")
    assert MediaRef.of(f"data:image/png;base64,{encoded}", media_type="image/apng").media_type == "image/apng"
    for url in ("data:", "data:image/png,hush", "data:image/png;base64,hush-hush", "data:;base64,aHVzaA=="):
        with pytest.raises(ValueError, match=r"base64|can be told") as refused:
            MediaRef.of(url)
        assert "hush" not in str(refused.value)


def test_a_reference_stays_itself() -> None:
    reference = MediaRef.generation("g")
    assert MediaRef.of(reference) is reference


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, io.BytesIO])
def test_bytes_and_open_files_are_recognized(wrap: Any) -> None:
    assert MediaRef.of(wrap(png())) == MediaRef.bytes(png(), "image/png")


def test_a_file_is_read_from_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"head" + png())
    with (tmp_path / "a").open("rb") as file:
        file.seek(4)
        assert MediaRef.of(file) == MediaRef.bytes(png(), "image/png")


@pytest.mark.parametrize("data", [b"", b"some text", b"ID3 sound"])
def test_bytes_that_are_not_recognized_need_a_type(data: bytes) -> None:
    with pytest.raises(ValueError, match="name its type"):
        MediaRef.of(data)
    assert MediaRef.of(data, media_type="image/tiff") == MediaRef.bytes(data, "image/tiff")


class Upload:
    """A file of a web framework, whose `read` is awaited."""

    async def read(self) -> bytes:
        return b""


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (io.StringIO("text"), "open in text mode"),
        (Upload(), "is read with await"),
        (7, "a builtins.int is no media"),
        (None, "a builtins.NoneType is no media"),
        ([[1, 2]], "a builtins.list is no media"),
    ],
)
def test_other_types_are_refused(source: Any, problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        MediaRef.of(source)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_picture_is_sent_without_loss(mode: str) -> None:
    picture = Image.effect_noise((5, 4), 80).convert("L" if mode == "I;16" else mode)
    picture = Image.new("I;16", (5, 4), 40_000) if mode == "I;16" else picture
    found = decoded(MediaRef.of(picture))
    assert (found.mode, found.size) == (mode, picture.size)
    assert found.convert("RGBA").tobytes() == picture.convert("RGBA").tobytes()


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV", "LAB", "RGBX", "RGBa", "La"])
def test_a_picture_of_another_color_space_is_converted(mode: str) -> None:
    made = Image.new("RGB", (5, 4), "red").convert("LA" if mode == "La" else "RGBA" if mode == "RGBa" else "RGB")
    picture = made.convert(mode) if mode != "LAB" else Image.new("LAB", (5, 4))
    assert decoded(MediaRef.of(picture)).size == (5, 4)


@pytest.mark.parametrize("mode", ["F", "I"])
def test_a_picture_that_png_cannot_hold_is_refused(mode: str) -> None:
    with pytest.raises(ValueError, match=f"mode '{mode}' has no PNG"):
        MediaRef.of(Image.new(mode, (2, 2)))


def test_a_picture_is_turned_as_its_camera_was() -> None:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 4)).save(file, "JPEG", exif=exif)
    assert decoded(MediaRef.of(Image.open(file))).size == (4, 8)


@given(
    height=st.integers(1, 5),
    width=st.integers(1, 5),
    channels=st.sampled_from([None, 1, 3, 4]),
    seed=st.integers(0, 2**32 - 1),
    turned=st.booleans(),
)
@examples(50)
def test_an_array_is_sent_pixel_by_pixel(
    height: int, width: int, channels: int | None, seed: int, *, turned: bool
) -> None:
    shape = (height, width) if channels is None else (height, width, channels)
    array = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    array = array[::-1, ::-1] if turned else array
    before = array.copy()
    found = np.asarray(decoded(MediaRef.of(array)))
    assert np.array_equal(found, before.reshape(shape[:2]) if channels == 1 else before)
    assert np.array_equal(array, before)


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (np.zeros((2, 2, 3)), "an array of float64 is no picture"),
        (np.zeros((2, 2), dtype=np.uint16), "dtype must be uint8"),
        (np.zeros((2, 2), dtype=bool), "dtype must be uint8"),
        (np.zeros((3, 8, 9), dtype=np.uint8), "channels first"),
        (np.zeros((1, 8, 9, 3), dtype=np.uint8), "several pictures"),
        (np.zeros((8, 9, 2), dtype=np.uint8), "is no picture's"),
        (np.zeros((0, 9, 3), dtype=np.uint8), "is no picture's"),
        (np.zeros(9, dtype=np.uint8), "is no picture's"),
    ],
)
def test_other_arrays_are_refused_with_a_way_out(array: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        MediaRef.of(array)


def test_pixels_have_one_media_type() -> None:
    with pytest.raises(ValueError, match="sent as image/png"):
        MediaRef.of(np.zeros((2, 2), dtype=np.uint8), media_type="image/jpeg")


def test_neither_library_is_imported_for_bytes() -> None:
    use = f"from generor_async import MediaRef; MediaRef.of({png()!r})"
    code = f"import sys; {use}; print({{'numpy', 'PIL'}} & {{*sys.modules}})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
