"""Form data is split into its parts byte for byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.simulator.luma.multipart import read_parts

TYPE = "multipart/form-data; boundary=b0undary"


def form(content: bytes, head: bytes = b'Content-Disposition: form-data; name="file"') -> bytes:
    return b"--b0undary\r\n" + head + b"\r\n\r\n" + content + b"\r\n--b0undary--\r\n"


@given(st.binary().filter(lambda content: b"--b0undary" not in content))
def test_a_files_bytes_are_unchanged(content: bytes) -> None:
    assert read_parts(TYPE, form(content))["file"].content == content


def test_a_part_has_the_name_and_type_of_its_file() -> None:
    head = b'Content-Disposition: form-data; name="file"; filename="a b.png"\r\nContent-Type: image/png'
    part = read_parts(TYPE, form(b"x", head))["file"]
    assert (part.filename, part.content_type) == ("a b.png", "image/png")


def test_a_plain_field_has_no_name_and_type() -> None:
    part = read_parts(TYPE, form(b"input", b'Content-Disposition: form-data; name="purpose"'))["purpose"]
    assert (part.content, part.filename, part.content_type) == (b"input", None, None)


def test_a_quoted_boundary_is_understood() -> None:
    assert "file" in read_parts('multipart/form-data; boundary="b0undary"', form(b"x"))


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", form(b"x")),
        (TYPE, b""),
        (TYPE, form(b"x").removesuffix(b"--\r\n")),
        (TYPE, form(b"x", b"Content-Type: image/png")),
        (TYPE, b"--b0undary\r\nContent-Disposition: form-data; name=file\r\n--b0undary--\r\n"),
    ],
)
def test_a_broken_form_is_a_value_error(content_type: str, body: bytes) -> None:
    with pytest.raises(ValueError, match="multipart"):
        read_parts(content_type, body)
