"""Dimensions of images by their bytes, against Pillow's writers."""

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from generor_async.rules.image_size import MOST_SEGMENTS, Read, image_dimensions, is_animated_gif

SIDES = st.integers(1, 300)


def written(form: str, size: tuple[int, int], mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, form, **options)
    return file.getvalue()


def reader(data: bytes) -> Read:
    return lambda offset, count: data[offset : offset + count]


@given(
    st.sampled_from(
        [
            ("PNG", "RGB", {}),
            ("PNG", "RGBA", {}),
            ("JPEG", "RGB", {}),
            ("JPEG", "L", {"progressive": True}),
            ("JPEG", "CMYK", {"icc_profile": bytes(200_000)}),
            ("WEBP", "RGB", {"quality": 10}),
            ("WEBP", "RGB", {"lossless": True}),
            ("WEBP", "RGBA", {"exif": b"Exif\0\0" + bytes(20)}),
            ("GIF", "P", {}),
        ]
    ),
    SIDES,
    SIDES,
)
def test_the_size_is_what_pillow_wrote(how: tuple[str, str, dict[str, Any]], width: int, height: int) -> None:
    form, mode, options = how
    data = written(form, (width, height), mode, **options)
    assert image_dimensions(reader(data)) == (width, height)
    assert not is_animated_gif(data)


@pytest.mark.parametrize("size", [(8_001, 1), (1, 16_000)])
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
def test_large_sides_are_read_as_well(form: str, size: tuple[int, int]) -> None:
    assert image_dimensions(reader(written(form, size))) == size


@given(
    st.binary(max_size=60),
    st.sampled_from(
        [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8 ", b"RIFF\0\0\0\0WEBPVP8X"]
    ),
)
def test_what_is_cut_off_or_no_picture_is_left_alone(data: bytes, head: bytes) -> None:
    found = image_dimensions(reader(head + data))
    assert found is None or (len(found) == 2 and min(found) >= 0)
    is_animated_gif(head + data)


def test_a_jpeg_that_never_tells_ends_the_search() -> None:
    reads = list[int]()

    def read(offset: int, count: int) -> bytes:
        reads.append(offset)
        return (b"\xff\xd8" + b"\xff" * count)[:count]

    assert image_dimensions(read) is None
    assert len(reads) <= MOST_SEGMENTS + 1


@given(st.lists(st.sampled_from([0, 5]), min_size=1, max_size=4), SIDES, SIDES)
def test_a_gif_of_several_frames_is_animated(colours: list[int], width: int, height: int) -> None:
    first, *others = [Image.new("P", (width, height), index) for index in range(len(colours))]
    file = io.BytesIO()
    first.putpalette(bytes(range(256)) * 3)
    for other in others:
        other.putpalette(bytes(range(256)) * 3)
    first.save(file, "GIF", save_all=True, append_images=others, duration=100, comment=b"a heron" * 60)
    data = file.getvalue()
    with Image.open(io.BytesIO(data)) as image:
        assert is_animated_gif(data) == getattr(image, "is_animated", False)
    for end in range(0, len(data), 37):
        is_animated_gif(data[:end])
