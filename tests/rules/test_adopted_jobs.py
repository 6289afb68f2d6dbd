"""Only what can be the job of a row's call is given to it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.adopted_jobs import refusal

IDS = st.text("abc123", min_size=1, max_size=3)


@pytest.mark.parametrize("api", ["luma", "generor"])
@pytest.mark.parametrize("id_", ["", " ", "a b", "../x", "7\n", "x?y", "\u0667/"])
def test_what_is_no_id_is_refused(api: str, id_: str) -> None:
    assert f"{id_!r} is no id of a " in str(refusal({"a": [id_]}, api=api, owners={}))


def test_creations_have_numbers() -> None:
    assert refusal({"a": ["7", "8"]}, api="generor", owners={}) is None
    assert refusal({"a": ["\u0667"]}, api="generor", owners={}) == "'\u0667' is no id of a creation, which is a number"


def test_a_call_of_luma_makes_one_job() -> None:
    assert refusal({"a": ["x", "x"], "b": ["y"]}, api="luma", owners={}) is None
    assert refusal({"a": ["x", "y"]}, api="luma", owners={}) == "a call makes one job, and 'a' is given 2"


@given(st.dictionaries(IDS, st.lists(IDS, min_size=1, max_size=1), max_size=4), st.dictionaries(IDS, IDS, max_size=4))
def test_a_job_belongs_to_one_row(jobs: dict[str, Any], owners: dict[str, str]) -> None:
    owners = {id_: row for id_, row in owners.items() if row not in jobs}
    given = [id_ for (id_,) in jobs.values()]
    shared = len(set(given)) < len(given) or any(id_ in owners for id_ in given)
    assert (refusal(jobs, api="luma", owners=owners) is not None) == shared
