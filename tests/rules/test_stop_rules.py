"""When a batch begins slowly and stops by itself, and what is said then: nothing is lost, and how to go on."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async import (
    AuthenticationError,
    BudgetExhaustedError,
    DownloadError,
    InsufficientCreditsError,
    PermissionDeniedError,
)
from generor_async.api.luma.models import Generation
from generor_async.rules.stop_rules import RunRecord, resume_advice
from generor_async.rules.vendors import GENEROR, LUMA

JOB = Generation(
    id="1",
    type="image",
    state="failed",
    model="uni-1",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    output=[],
    failure_code="budget_exhausted",
)
OUT = BudgetExhaustedError("x", generation=JOB)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InsufficientCreditsError("x", status_code=402), "Add credits"),
        (AuthenticationError("x", status_code=401), "Mend the key"),
        (PermissionDeniedError("x", status_code=403), "Mend the key"),
        (OUT, "Whether those jobs are charged is not documented"),
        (OSError("the disk is full"), "When this is mended"),
    ],
)
def test_every_stop_says_that_nothing_is_lost_and_how_to_go_on(error: Exception, said: str) -> None:
    for vendor in (GENEROR, LUMA):
        told = resume_advice(error, vendor)
        assert said in told
        assert told.startswith("Nothing is lost")
        assert "into the same folder" in told


def test_lumas_jobs_are_the_keys_that_submitted_them() -> None:
    error = AuthenticationError("x", status_code=401)
    assert "keep to that key" in resume_advice(error, LUMA)
    assert "keep to that key" not in resume_advice(error, GENEROR)


def test_what_says_itself_how_to_go_on_is_left_alone() -> None:
    assert not resume_advice(DownloadError("x", url="", advice="Mend that"), LUMA)


# --- how many may be under way, and when it stops ---------------------------------------------------------------------

CALLS = st.sampled_from(["answered", "known", "unknown", "unknown"])
PROBLEMS = st.sampled_from(["the host answered 403", "the host answered 500"])
EVENTS = st.one_of(
    st.tuples(st.just("call"), CALLS),
    st.tuples(st.just("fails"), st.tuples(st.integers(1, 6), PROBLEMS)),
    st.tuples(st.just("ended"), st.integers(1, 6)),
    st.tuples(st.sampled_from(["stored", "gone", "given_up"]), st.none()),
)


def seen(events: Sequence[tuple[str, Any]], answered: int) -> RunRecord:
    record = RunRecord(answered)
    for kind, known in events:
        match kind:
            case "call":
                record.call(known)
            case "fails":
                record.fails(*known)
            case "ended":
                record.ended(known)
            case "stored":
                record.stored()
            case "gone":
                record.gone()
            case _:
                record.given_up()
    return record


def last_in_a_row(kinds: Sequence[str], kind: str, broken_by: str) -> int:
    """Count what came since something else did, going back from the end."""
    count = 0
    for each in reversed(kinds):
        if each == broken_by:
            break
        count += each == kind
    return count


def expected(events: Sequence[tuple[str, Any]], answered: int) -> tuple[int, str | None]:
    """Say the same from the whole history, each time anew."""
    calls = [known for kind, known in events if kind == "call"]
    outputs = [kind for kind, _ in events]
    failing: dict[int, str] = {}
    for kind, known in events:
        if kind == "fails":
            failing[known[0]] = known[1]
        elif kind == "ended":
            failing.pop(known, None)
        elif kind == "stored":
            failing = {}
    held = any(list(failing.values()).count(problem) >= 3 for problem in failing.values())
    most = 0 if held else max(4, answered + calls.count("answered"))
    if calls[-5:] == ["unknown"] * 5 or calls[-40:].count("unknown") >= 20:
        return most, "unknown"
    if last_in_a_row(outputs, "gone", "stored") >= 5:
        return most, "unknown"
    return most, "downloads" if last_in_a_row(outputs, "given_up", "stored") >= 3 else None


@given(events=st.lists(EVENTS, max_size=120), answered=st.integers(0, 9))
def test_how_many_may_be_under_way_and_whether_it_stops_is_as_the_whole_history_says(
    events: list[tuple[str, Any]], answered: int
) -> None:
    record = seen(events, answered)
    assert (record.most, record.stop) == expected(events, answered)
    assert bool(record.held_by) == (record.most == 0)


@given(before=st.lists(st.sampled_from(["answered", "known"]), max_size=60))
def test_a_gateway_that_loses_every_answer_costs_no_more_than_what_was_answered_well_before(before: list[str]) -> None:
    """Calls begin as soon as they may, and end one after the other."""
    record = seen([("call", came_to) for came_to in before], 0)
    most, charged, under_way = record.most, 0, 0
    while record.stop is None:
        charged += record.most - under_way
        under_way = record.most - 1
        record.call("unknown")
    assert charged <= most + 4
    assert "5 calls in a row" in record.doubt


def test_of_calls_of_which_every_other_answer_is_lost_twenty_are_enough() -> None:
    record, calls = RunRecord(), 0
    while record.stop is None:
        record.call("unknown" if calls % 2 else "answered")
        calls += 1
    assert (calls, record.doubt) == (40, "20 of the last 40 calls")
