"""Resumed downloads against hosts of every kind."""

from collections.abc import Mapping
from random import Random

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.byte_ranges import (
    STALE_SECONDS,
    ByteRange,
    PartialFile,
    RejectedBody,
    UsableBody,
    check_response,
    is_stale,
    parse_if_range,
    parse_range,
    range_headers,
    strong,
)

ETAG, OTHER = '"v1"', '"v2"'
MOST = 1_000_000


@define
class Host:
    """A host as RFC 9110 has it, with a file that may change; or one that knows less, or lies."""

    dice: Random
    content: bytes
    version: int = 1
    kind: str = "ranges"
    served: list[bytes] = field(factory=list[bytes])

    @property
    def etag(self) -> str:
        return f'{"W/" if self.kind == "weak" else ""}"v{self.version}"'

    def change(self) -> None:
        self.content, self.version = self.dice.randbytes(self.dice.randrange(1, 200)), self.version + 1

    def answer(self, asked: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        headers = {} if self.kind == "plain" else {"ETag": self.etag}
        whole = 200, {**headers, "Content-Length": str(len(self.content))}, self.content
        if self.kind == "plain" or "Range" not in asked:
            return whole
        if self.kind not in {"careless", "nameless"} and asked.get("If-Range") != self.etag:
            return whole
        start = int(asked["Range"].removeprefix("bytes=").removesuffix("-"))
        if start >= len(self.content):
            return 416, {"Content-Range": f"bytes */{len(self.content)}"}, b""
        rest = self.content[start:]
        if self.kind == "short" or (self.kind == "unsure" and self.dice.random() < 0.5):
            rest = rest[: self.dice.randrange(1, len(rest) + 1)]
        total = "*" if self.kind == "unsure" else str(len(self.content))
        headers["Content-Range"] = f"bytes {start}-{start + len(rest) - 1}/{total}"
        if self.kind == "nameless":
            del headers["ETag"]
        return 206, headers, rest


@given(
    st.randoms(use_true_random=False),
    st.sampled_from(["ranges", "plain", "weak", "careless", "short", "unsure", "nameless"]),
    st.binary(min_size=1, max_size=200),
)
def test_whatever_the_host_does_and_wherever_it_breaks_off_a_file_that_ends_is_one_of_the_hosts_files(
    dice: Random, kind: str, content: bytes
) -> None:
    host = Host(dice, content, kind=kind)
    had, have, total = b"", PartialFile(), -1
    versions: list[bytes] = [host.content]
    for turn in range(60):
        if dice.random() < 0.1 and turn < 30:
            host.change()
            versions.append(host.content)
        status, headers, body = host.answer(range_headers(have))
        found = check_response(status, headers, have, most=MOST)
        if isinstance(found, RejectedBody):
            assert found.why == "part", "no host here refuses anything but a part that doesn't fit"
            had, have = b"", PartialFile()
            continue
        assert found.start in {0, len(had)}
        had = had[: found.start]
        cut = dice.randrange(len(body) + 1) if turn < 30 else len(body)
        had += body[:cut]
        have, total = PartialFile(len(had), found.etag, found.total), found.total if found.total is not None else -1
        if len(had) == total:
            break
    assert len(had) == total
    assert had in versions


@pytest.mark.parametrize(
    ("have", "asked"),
    [
        (PartialFile(), {}),
        (PartialFile(0, ETAG), {}),
        (PartialFile(5), {}),
        (PartialFile(5, ETAG), {"Range": "bytes=5-", "If-Range": ETAG}),
    ],
)
def test_only_a_part_of_a_known_file_is_gone_on_with(have: PartialFile, asked: dict[str, str]) -> None:
    assert range_headers(have) == asked


@pytest.mark.parametrize(
    ("etag", "is_strong"),
    [('"a"', True), ('W/"a"', False), ("a", False), ("", False), (None, False), ('"\u00e4"', False)],
)
def test_only_a_strong_etag_stands_for_bytes(etag: str | None, is_strong: bool) -> None:
    assert strong(etag) == (etag if is_strong else None)


PART = PartialFile(5, ETAG)
OF_NINE = PartialFile(5, ETAG, 9)


def to_end(start: int, total: int | None, etag: str | None) -> UsableBody:
    """Return a body that reaches the end of its file."""
    return UsableBody(start, total, etag, total, continues=start > 0)


@pytest.mark.parametrize(
    ("status", "headers", "have", "found"),
    [
        (200, {"Content-Length": "9", "ETag": ETAG}, PartialFile(), to_end(0, 9, ETAG)),
        (200, {}, PART, to_end(0, None, None)),
        (200, {"Content-Length": "nonsense"}, PartialFile(), to_end(0, None, None)),
        (206, {"Content-Range": "bytes 5-8/9", "ETag": ETAG}, PART, to_end(5, 9, ETAG)),
        (206, {"Content-Range": "bytes 5-8/9", "ETag": ETAG}, OF_NINE, to_end(5, 9, ETAG)),
        (206, {"Content-Range": "bytes 5-8/*", "ETag": ETAG}, OF_NINE, to_end(5, 9, ETAG)),
        (200, {"ETag": ETAG}, OF_NINE, to_end(0, 9, ETAG)),
        (200, {"ETag": OTHER}, OF_NINE, to_end(0, None, OTHER)),
        (200, {"Content-Length": "7", "ETag": ETAG}, OF_NINE, to_end(0, 7, ETAG)),
        (200, {"Content-Length": "9", "Content-Encoding": "Identity"}, PartialFile(), to_end(0, 9, None)),
        (200, {"Content-Length": "9", "Content-Encoding": "aws-chunked"}, PartialFile(), to_end(0, 9, None)),
        (206, {"Content-Range": "bytes 0-8/9", "ETag": OTHER}, PartialFile(), to_end(0, 9, OTHER)),
    ],
)
def test_what_an_answer_brings(status: int, headers: dict[str, str], have: PartialFile, found: UsableBody) -> None:
    assert check_response(status, headers, have, most=MOST) == found


@pytest.mark.parametrize(
    ("status", "headers", "have", "why"),
    [
        (206, {"Content-Range": "bytes 5-8/9", "ETag": OTHER}, PART, "part"),
        (206, {"Content-Range": "bytes 4-8/9", "ETag": ETAG}, PART, "part"),
        (206, {"Content-Range": "bytes 5-7/9", "ETag": ETAG}, PART, "part"),
        (206, {"Content-Range": "bytes 5-8/9"}, PART, "part"),
        (206, {"Content-Range": "bytes 5-8/9", "ETag": 'W/"v1"'}, PART, "part"),
        (206, {"Content-Range": "bytes 5-8/9"}, PartialFile(5), "part"),
        (206, {"Content-Range": "bytes 5-8/*", "ETag": ETAG}, PART, "part"),
        (206, {"Content-Range": "bytes 5-7/*", "ETag": ETAG}, OF_NINE, "part"),
        (206, {"Content-Range": "bytes 5-11/12", "ETag": ETAG}, OF_NINE, "part"),
        (206, {"Content-Range": "bytes 0-7/*", "ETag": ETAG}, PartialFile(), "final"),
        (200, {"Content-Encoding": "gzip"}, PartialFile(), "final"),
        (200, {"Content-Encoding": "br"}, PART, "part"),
        (206, {"Content-Range": "bytes 5-8/9", "ETag": ETAG, "Content-Encoding": "gzip"}, PART, "part"),
        (206, {}, PART, "part"),
        (206, {}, PartialFile(), "final"),
        (206, {"Content-Range": "bytes 0-7/9"}, PartialFile(), "final"),
        (416, {}, PART, "part"),
        (416, {}, PartialFile(), "final"),
        (403, {}, PART, "expired"),
        (404, {}, PartialFile(), "final"),
        (204, {}, PartialFile(), "final"),
        (302, {}, PartialFile(), "final"),
        (429, {}, PART, "passing"),
        (503, {}, PART, "passing"),
        (200, {"Content-Length": str(MOST + 1)}, PartialFile(), "large"),
        (206, {"Content-Range": f"bytes 5-{MOST}/{MOST + 1}", "ETag": ETAG}, PART, "large"),
        (200, {"Content-Length": "9" * 19}, PartialFile(), "large"),
    ],
)
def test_why_an_answer_brings_nothing(status: int, headers: dict[str, str], have: PartialFile, why: str) -> None:
    found = check_response(status, headers, have, most=MOST)
    assert isinstance(found, RejectedBody)
    assert found.why == why


def test_a_url_is_stale_before_it_expires_if_anybody_knows_how_old_it_is() -> None:
    assert not is_stale(None, 1e9)
    assert not is_stale(1_000.0, 1_000.0 + STALE_SECONDS - 1)
    assert is_stale(1_000.0, 1_000.0 + STALE_SECONDS)
    assert not is_stale(2_000.0, 1_000.0), "a clock that runs behind"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bytes=0-", ByteRange(0, None)),
        ("bytes=0-1", ByteRange(0, 1)),
        (" Bytes = 5-9 ", ByteRange(5, 9)),
        ("bytes=-500", ByteRange(None, 500)),
        ("bytes=-0", ByteRange(None, 0)),
        ("bytes=9-5", None),
        ("bytes=-", None),
        ("bytes=0-1,4-5", None),
        ("seconds=1-2", None),
        ("bytes=\u0661-", None),
        ("bytes=0-\r\nX: y", None),
        (f"bytes={'9' * 20}-", None),
        ("", None),
        (None, None),
    ],
)
def test_one_range_of_bytes_is_passed_on_and_anything_else_is_ignored(
    text: str | None, found: ByteRange | None
) -> None:
    assert parse_range(text) == found


@given(st.binary(max_size=30), st.integers(0, 40) | st.none(), st.integers(0, 40) | st.none())
def test_the_bounds_of_a_range_are_those_of_its_bytes(content: bytes, first: int | None, last: int | None) -> None:
    places = range(len(content))
    if first is None:
        wanted = [place for place in places if place >= len(content) - (last or 0)]
    else:
        wanted = [place for place in places if place >= first and (last is None or place <= last)]
    bounds = ByteRange(first, last).bounds(len(content))
    assert (list(range(*bounds)) if bounds else []) == wanted


WANTED = ByteRange(2, 5)
TAIL = ByteRange(None, 4)


@pytest.mark.parametrize(
    ("have", "sent"),
    [
        (PartialFile(wanted=WANTED), {"Range": "bytes=2-5"}),
        (PartialFile(wanted=TAIL, if_range=ETAG), {"Range": "bytes=-4", "If-Range": ETAG}),
        (PartialFile(3, ETAG, 9, WANTED), {"Range": "bytes=3-5", "If-Range": ETAG}),
        (PartialFile(3, None, 9, WANTED), {"Range": "bytes=2-5"}),
    ],
)
def test_the_rest_of_a_range_is_asked_for_with_its_etag(have: PartialFile, sent: dict[str, str]) -> None:
    assert range_headers(have) == sent


@pytest.mark.parametrize(
    ("status", "headers", "have", "found"),
    [
        (206, {"Content-Range": "bytes 2-5/9"}, PartialFile(wanted=WANTED), UsableBody(2, 9, None, 6)),
        (206, {"Content-Range": "bytes 2-3/4"}, PartialFile(wanted=WANTED), UsableBody(2, 4, None, 4)),
        (206, {"Content-Range": "bytes 2-5/*"}, PartialFile(wanted=WANTED), UsableBody(2, None, None, 6)),
        (206, {"Content-Range": "bytes 5-8/9", "ETag": ETAG}, PartialFile(wanted=TAIL), UsableBody(5, 9, ETAG, 9)),
        (200, {"Content-Length": "9"}, PartialFile(wanted=WANTED), UsableBody(0, 9, None, 9)),
        (
            206,
            {"Content-Range": "bytes 3-5/9", "ETag": ETAG},
            PartialFile(3, ETAG, 9, WANTED),
            UsableBody(3, 9, ETAG, 6, continues=True),
        ),
        (206, {"Content-Range": "bytes 2-6/9"}, PartialFile(wanted=WANTED), "final"),
        (206, {"Content-Range": "bytes 0-5/9"}, PartialFile(wanted=WANTED), "final"),
        (206, {"Content-Range": "bytes 4-8/*"}, PartialFile(wanted=TAIL), "final"),
        (206, {"Content-Range": "bytes 3-8/9", "ETag": ETAG}, PartialFile(3, ETAG, 9, WANTED), "part"),
        (206, {"Content-Range": "bytes 3-5/9", "ETag": OTHER}, PartialFile(3, ETAG, 9, WANTED), "part"),
        (416, {"Content-Range": "bytes */9"}, PartialFile(wanted=WANTED), RejectedBody("range", "", 9)),
        (416, {}, PartialFile(wanted=WANTED), RejectedBody("range", "", None)),
        (416, {}, PartialFile(3, ETAG, 9, WANTED), "part"),
    ],
)
def test_what_an_answer_brings_of_a_range(
    status: int, headers: dict[str, str], have: PartialFile, found: UsableBody | RejectedBody | str
) -> None:
    answer = check_response(status, headers, have, most=MOST)
    if isinstance(found, UsableBody):
        assert answer == found
    else:
        assert isinstance(answer, RejectedBody)
        assert (answer.why, answer.total) == ((found, None) if isinstance(found, str) else (found.why, found.total))


def test_a_condition_that_cannot_be_passed_on_takes_the_range_with_it() -> None:
    assert parse_if_range(None) is None
    assert parse_if_range(ETAG) == ETAG
    for text in ("", "\r\nX: y", '"\u00e9"', "x" * 2_000):
        with pytest.raises(ValueError, match="ETag"):
            parse_if_range(text)
