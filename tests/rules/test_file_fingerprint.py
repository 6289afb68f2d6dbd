"""Files are known by their content and the options of the reader alone."""

import json

from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.file_fingerprint import CompletedRead, FileFingerprint, parse_completed_read
from generor_async.values import JSON

CONTENTS = st.builds(FileFingerprint, size=st.sampled_from([0, 9]), digest=st.sampled_from(["aa", "bb"]))
TERMS = st.sampled_from(["{}", '{"keep":["No"]}'])
NOTES: st.SearchStrategy[JSON] = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["content", "terms", "said", "size", "digest"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(CONTENTS, TERMS, st.none() | CONTENTS, TERMS)
def test_a_file_is_known_by_what_is_in_it_and_how_it_is_read(
    content: FileFingerprint, terms: str, content_now: FileFingerprint | None, terms_now: str
) -> None:
    same = (content, terms) == (content_now, terms_now)
    assert CompletedRead(content=content, terms=terms).is_known(terms_now, content_now) is same


@given(CONTENTS, TERMS, st.lists(st.text()).map(tuple), st.none() | st.integers(0))
def test_what_is_noted_is_what_was_read(
    content: FileFingerprint, terms: str, said: tuple[str, ...], rows: int | None
) -> None:
    whole = CompletedRead(content=content, terms=terms, said=said, rows=rows)
    assert parse_completed_read(json.loads(json.dumps(whole.as_json()))) == whole


@given(NOTES)
def test_a_note_that_says_anything_else_is_none(note: JSON) -> None:
    whole = parse_completed_read(note)
    assert whole is None or whole.as_json() == note


def test_there_may_be_no_note() -> None:
    assert parse_completed_read(None) is None
