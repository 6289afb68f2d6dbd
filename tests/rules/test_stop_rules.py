"""How many paid calls may be under way, and when a run stops by itself."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.stop_rules import RunRecord

CALLS = st.sampled_from(["answered", "known", "unknown", "unknown"])
PROBLEMS = st.sampled_from(["the host answered 403", "the host answered 500"])
EVENTS = st.one_of(
    st.tuples(st.just("call"), CALLS),
    st.tuples(st.just("fails"), st.tuples(st.integers(1, 6), PROBLEMS)),
    st.tuples(st.just("ended"), st.integers(1, 6)),
    st.tuples(st.sampled_from(["stored", "gone", "given_up"]), st.none()),
)


def recorded(events: Sequence[tuple[str, Any]], answered: int) -> RunRecord:
    record = RunRecord(answered)
    for kind, known in events:
        match kind:
            case "call":
                record.record_call(known)
            case "fails":
                record.record_failure(*known)
            case "ended":
                record.record_end(known)
            case "stored":
                record.record_stored()
            case "gone":
                record.record_lost()
            case _:
                record.record_given_up()
    return record


def last_in_a_row(kinds: Sequence[str], kind: str, broken_by: str) -> int:
    """Count the events of a kind since the last event that breaks the row."""
    count = 0
    for each in reversed(kinds):
        if each == broken_by:
            break
        count += each == kind
    return count


def expected(events: Sequence[tuple[str, Any]], answered: int) -> tuple[int, str | None]:
    """Work out `max_calls` and `stop_reason` from the whole history."""
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
def test_call_limit_and_stop_agree_with_the_whole_history(events: list[tuple[str, Any]], answered: int) -> None:
    record = recorded(events, answered)
    assert (record.max_calls, record.stop_reason) == expected(events, answered)
    assert bool(record.common_problem) == (record.max_calls == 0)


@given(before=st.lists(st.sampled_from(["answered", "known"]), max_size=60))
def test_a_gateway_that_loses_every_answer_is_sent_at_most_four_calls_more_than_the_limit(before: list[str]) -> None:
    """Calls are sent as soon as they may be, and end one after the other."""
    record = recorded([("call", came_to) for came_to in before], 0)
    most, charged, under_way = record.max_calls, 0, 0
    while record.stop_reason is None:
        charged += record.max_calls - under_way
        under_way = record.max_calls - 1
        record.record_call("unknown")
    assert charged <= most + 4
    assert "5 calls in a row" in record.unknown_calls


def test_a_run_stops_when_half_of_the_last_forty_outcomes_are_unknown() -> None:
    record, calls = RunRecord(), 0
    while record.stop_reason is None:
        record.record_call("unknown" if calls % 2 else "answered")
        calls += 1
    assert (calls, record.unknown_calls) == (40, "20 of the last 40 calls")
