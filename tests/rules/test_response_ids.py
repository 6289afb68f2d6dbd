"""Ids in damaged responses: their order, in pieces, and which one is a creation's."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import context, reply

from generor_async.rules import outcome, response_errors
from generor_async.rules.response_ids import MOST_FOUND, IdScanner, find_creation_id, find_ids
from generor_async.rules.vendors import GENEROR

JOB = "5f0e8b1c-0000-4c57-9f60-000000000000"


def test_they_are_found_once_creations_first_and_then_in_order() -> None:
    text = '{"id": "a-1", "creation_id":42, "other": "x", "file_id" : "f_1", "id": "a-1", "key_id": "k'
    assert find_ids(text) == ("42", "a-1", "f_1", "k")


@pytest.mark.parametrize("name", ["id", "ID", "uuid", "generation_id", "generationId", "jobId", "JobID", "file_id"])
def test_a_member_may_be_written_otherwise(name: str) -> None:
    assert find_ids(json.dumps({name: JOB, "state": "queued"})) == (JOB,)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"data": {"creations": [{"creation_id": 6144, "te', 6144),
        ('{"data": {"creations": [{"creation_id": 61', None),
        ('{"data": {"creations": [{"creation_id": "6144"}]}}', 6144),
        ('{"data": [{"creation_id": 7}, {"creation_id": 8}]}', 7),
        (r'"{\"creation_id\": 6144}"', 6144),
        ('{"Creations": [{"CreationId": 6144}]}', 6144),
        ('{"model": {"id": 37}, "creation_id": null}', None),
        ("", None),
    ],
)
def test_a_creation_is_known_where_its_number_is_whole(text: str, named: int | None) -> None:
    assert find_creation_id(text) == named


MEMBERS = st.sampled_from([f'"id": "{JOB}"', '"creation_id": 6147', '"id":37', "'job_id': 'a-1'", r"\"id\": \"b_2\""])
OTHERS = st.text(st.sampled_from("\"'{}[]:, iden_x1\\"), max_size=300)


@st.composite
def in_pieces(draw: st.DrawFn) -> tuple[str, list[bytes]]:
    """Draw a text, and its bytes cut anywhere; the first piece is what was kept."""
    text = "".join(draw(st.lists(MEMBERS.map(lambda member: f"{member}, ") | OTHERS, max_size=12)))
    sent = text.encode(draw(st.sampled_from(["utf-8", "utf-16-le", "utf-32-be"])))
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(sent) - 1)), min_size=1, max_size=20)))
    return text, [sent[start:end] for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]


@given(in_pieces())
def test_what_a_text_names_is_found_however_it_is_cut(drawn: tuple[str, list[bytes]]) -> None:
    text, (kept, *pieces) = drawn
    scan = IdScanner(kept)
    found = [member for piece in [*filter(None, pieces), b""] for member in scan.ids_in(piece)]
    told = b"".join([scan.before, *found]).decode()
    assert set(find_ids(text)) == set(find_ids(told))
    assert find_creation_id(text) == find_creation_id(told)


def test_no_more_is_kept_of_a_long_text_than_some_ids() -> None:
    scan = IdScanner(b"")
    members = (scan.ids_in(b'"id": "%d", "x": "%b"' % (number, b"x" * 1_000)) for number in range(3 * MOST_FOUND))
    assert sum(map(len, members)) == MOST_FOUND


@pytest.mark.parametrize(
    ("body", "headers", "named"),
    [
        (b'{"message": "Accepted"}', {"Location": "/api/v1/creations/6147"}, 6147),
        (b'{"data": {"creations": [{"creation_id": 8}]}', {"Location": "/api/v1/creations/6147"}, 8),
        (b"", {"Location": "/v1/generations/gen-12"}, None),
        (b'{"id": 12, "messa', {}, None),
        (json.dumps({"pad": "x" * 100_000, "generator": {"id": 37}}).encode(), {}, None),
        (json.dumps({"pad": "x" * 100_000, "creation_id": 6147}).encode(), {}, 6147),
    ],
)
def test_of_other_numbers_it_is_not_known_of_what_they_are(
    body: bytes, headers: dict[str, Any], named: int | None
) -> None:
    call = context("bills", vendor=GENEROR, name="generor.generators.generate")
    error = outcome.outcome_unknown_error(
        call, response_errors.undecodable_error(call, reply(200, body, **headers), "cut off")
    )
    assert error.creation_id == named
    failed = outcome.outcome_unknown_error(
        call, response_errors.status_error(call, reply(599, body, **headers), body.decode(), 0.0)
    )
    assert failed.creation_id == named
