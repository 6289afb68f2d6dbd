"""Bodies of damaged responses, in any encoding and cut anywhere."""

import contextlib
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.partial_responses import MOST_INFLATED, decompress, partial_success


def body_of(raw: bytes) -> bytes:
    body, _ = partial_success(raw)
    return body


BODIES = st.text(st.characters(codec="ascii"), max_size=300).map(lambda text: b'{"id": "' + text.encode() + b'"}')
WBITS = {"gzip": 31, "deflate": 15, "deflate without a header": -15}


def squeezed(body: bytes, coding: str) -> bytes:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, WBITS[coding])
    return squeeze.compress(body) + squeeze.flush()


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x;x=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, bytes, int]:
    """Draw a body, a success that carries it, and where its head ends."""
    body = draw(BODIES)
    coding, size = draw(st.sampled_from([None, *WBITS])), draw(st.none() | st.integers(1, 400))
    head = draw(
        st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early\r\nLink: </x>\r\n\r\n" * 3])
    )
    head += b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n"
    if coding is not None:
        head += b"Content-Encoding: " + coding.split()[0].encode() + b"\r\n"
    sent = body if coding is None else squeezed(body, coding)
    if size is not None:
        sent = chunked(sent, size)
        head += b"Transfer-Encoding: Chunked\r\n"
    head = (head + b"\r\n").replace(b"\r\n", draw(st.sampled_from([b"\r\n", b"\n"])))
    return body, head + sent, len(head)


@given(answers())
def test_the_body_is_read_whole_where_all_of_it_came(drawn: tuple[bytes, bytes, int]) -> None:
    body, raw, _ = drawn
    assert body_of(raw) == body


@given(answers(), st.data())
def test_what_is_read_of_one_that_broke_off_is_how_it_began(
    drawn: tuple[bytes, bytes, int], data: st.DataObject
) -> None:
    body, raw, _ = drawn
    assert body.startswith(body_of(raw[: data.draw(st.integers(0, len(raw)))]))


@given(answers(), st.binary(max_size=40))
def test_what_follows_the_chunks_or_the_checksum_is_nobodys(drawn: tuple[bytes, bytes, int], extra: bytes) -> None:
    body, raw, start = drawn
    if raw[start:] != body:
        assert body_of(raw + extra) == body


@given(st.binary(max_size=200))
def test_whatever_comes_it_can_be_asked(raw: bytes) -> None:
    assert isinstance(body_of(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + raw), bytes)
    assert isinstance(body_of(b"HTTP/1.1 200 OK\r\n\r\n\x1f\x8b" + raw), bytes)
    assert body_of(b"!" + raw) == b""


@pytest.mark.parametrize("status", [100, 101, 199, 300, 304, 404, 429, 500])
def test_nothing_but_a_success_is_read(status: int) -> None:
    assert body_of(b"HTTP/1.1 %d X\r\n\r\n{}" % status) == b""


def test_a_wrong_checksum_costs_nothing() -> None:
    body = b'{"id": "x"}'
    assert body_of(b"HTTP/1.1 201 C\r\n\r\n" + squeezed(body, "gzip")[:-8] + b"12345678") == body


def test_a_bomb_is_not_read_to_its_end() -> None:
    raw = b"HTTP/1.1 201 C\r\n\r\n" + squeezed(bytes(8 * MOST_INFLATED), "gzip")
    assert len(body_of(raw)) == MOST_INFLATED


@given(st.binary(min_size=1, max_size=80_000), st.data())
def test_of_what_was_compressed_all_is_read_before_what_is_wrong(body: bytes, data: st.DataObject) -> None:
    packed = squeezed(body, "gzip")
    wrong = data.draw(st.integers(10, len(packed) - 1))
    stream, before = zlib.decompressobj(31), b""
    garbled = packed[:wrong] + bytes([packed[wrong] ^ 0x55]) + packed[wrong + 1 :]
    with contextlib.suppress(zlib.error):
        for at in range(len(garbled)):
            before += stream.decompress(garbled[at : at + 1])
    assert decompress(garbled) == before


@pytest.mark.parametrize("size", [0, 1, 16 * 1024, 16 * 1024 + 1, 3_000_000])
def test_a_body_of_any_size_is_inflated(size: int) -> None:
    body = random.Random(size).randbytes(size)
    assert decompress(squeezed(body, "gzip")) == body


@pytest.mark.parametrize(
    ("field", "location"),
    [
        ("Location: /v1/generations/a-1", "/v1/generations/a-1"),
        ("LOCATION:/a \t", "/a"),
        ("Content-Location: /a", ""),
        ("Location: a b", ""),
        ("Location: ", ""),
    ],
)
def test_the_location_of_a_success_is_read_from_its_head(field: str, location: str) -> None:
    for status, found in [(201, location), (302, ""), (404, "")]:
        for around in ("{0}", "X-A: b\r\n{0}\r\nX-B: c"):
            raw = f"HTTP/1.1 {status} X\r\n{around.format(field)}\r\n\r\n"
            assert partial_success(raw.encode()) == (b"", found)
