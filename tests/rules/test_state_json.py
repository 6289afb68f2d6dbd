"""Stored state of another process: no value breaks a rule, or blocks it for long."""

import copy
import json
import math
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from generor_async.rules import state_json
from generor_async.rules.holds import Hold, Holds
from generor_async.rules.pace import Pace, Permit
from generor_async.rules.rate_headers import RateLimitReport
from generor_async.rules.slot_usage import JobSlot
from generor_async.rules.slots import Slots
from generor_async.rules.wait import Wait
from generor_async.rules.wait_headers import LONGEST_BELIEVED_WAIT
from generor_async.rules.weights import LearnedWeights, RefusalNumbers, RequestType
from generor_async.rules.window import DAY
from generor_async.values import is_array, is_object

NOW: Final = 1_775_000_000.0
"""A moment of a store's time."""
IMAGE: Final = RequestType("uni-1", "image")
EDIT: Final = RequestType("uni-1-max", "image_edit", 3)
UNREADABLE: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a state raises that is not to be believed at all: the rules begin anew then."""

absurd = st.one_of(
    st.sampled_from([1e300, -1e300, 10**400, -(10**400), math.nan, math.inf, -math.inf, 2**53, 2**63, NOW, 2 * NOW]),
    st.sampled_from([-5, -1, 0, 1, 2, 5, 1_000, 0.5, True, False, None, "x", "jobs"]),
    st.builds(list[int]),
    st.builds(dict[str, int]),
    st.integers(),
    st.floats(),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return the places of all that stands in JSON data."""
    yield path
    if is_object(value):
        for key in value:
            yield from places(value[key], (*path, key))
    elif is_array(value):
        for at, each in enumerate(value):
            yield from places(each, (*path, at))


def replaced(value: Any, path: tuple[Any, ...], other: object) -> Any:
    if not path:
        return other
    twin = copy.copy(value)
    twin[path[0]] = replaced(value[path[0]], path[1:], other)
    return twin


def mutated(data: st.DataObject, dumped: Any) -> Any:
    """Return a state in which one to three places hold something else."""
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(sorted(places(dumped), key=repr)))
        dumped = replaced(dumped, place, data.draw(absurd))
    return json.loads(json.dumps(dumped))


def answered(pace: Pace, kind: RequestType, now: float, used: int, limit: int = 30) -> None:
    permit = pace.reserve(now, request_type=kind)
    if isinstance(permit, Permit):
        pace.sent(permit, now)
        pace.received(
            permit, now + 0.1, RateLimitReport(limit=limit, used=used, tier="free", resets_in=20.0), succeeded=True
        )


def busy_pace(new: Callable[[], Pace]) -> Pace:
    """Return windows in which ours are sent, answered, refused and pending, and those of others."""
    pace, now = new(), NOW - 50.0
    for used in (2, 9, 12):
        answered(pace, IMAGE, now, used)
        now += 4.0
    refused = pace.reserve(now, request_type=EDIT)
    assert isinstance(refused, Permit)
    pace.sent(refused, now)
    pace.refused(refused, now + 0.1, 5.0, "minute", RateLimitReport(limit=30, used=30, resets_in=5.0))
    now += 6.0
    answered(pace, IMAGE, now, 14)
    assert isinstance(pace.reserve(now + 1.0, request_type=EDIT), Permit)
    return pace


def busy_slots() -> Slots:
    """Return slots with jobs that run and have ended, submissions of every outcome, and a ceiling that was named."""
    slots, now = Slots(), NOW - 100.0
    for number in range(4):
        lease = slots.reserve(now)
        assert isinstance(lease, JobSlot)
        slots.accepted(lease, f"job-{number}", now)
        now += 5.0
    lease = slots.reserve(now)
    assert isinstance(lease, JobSlot)
    slots.refused(lease, now, 60.0, RefusalNumbers(limit=6))
    slots.record_poll("job-0", now, asked=now, ended=True)
    slots.weights.believe_refusal(EDIT, 2)
    now += 60.0
    lost = slots.reserve(now)
    assert isinstance(lost, JobSlot)
    slots.keep_unresolved(lost, now)
    assert isinstance(slots.reserve(now), JobSlot)
    return slots


def luma_pace() -> Pace:
    return Pace.of_luma(rpm=30, share=1.0)


def generor_pace() -> Pace:
    return Pace.of_generor(keyless=False, tier=None, rpm=None, share=1.0)


def goes_on(ask: Callable[[float], object], now: float, patience: float) -> None:
    """Check that one who asks whenever he is told to is let go within so many seconds."""
    until = now + patience
    for _ in range(3_000):
        if not isinstance(found := ask(now), Wait):
            return
        assert now < found.until < math.inf
        now = found.until
        assert now <= until
    raise AssertionError("it is asked again and again")


@given(st.data(), st.sampled_from([luma_pace, generor_pace]))
@examples(100)
def test_no_number_of_a_state_breaks_the_windows_or_stops_them_for_longer_than_an_api_can(
    data: st.DataObject, new: Callable[[], Pace]
) -> None:
    pace, under_way = new(), None
    found = pace.reserve(NOW - 1.0)
    assert isinstance(found, Permit)
    under_way = found
    pace.sent(under_way, NOW - 1.0)
    dumped = json.loads(json.dumps(busy_pace(new).dump(), allow_nan=False))
    try:
        pace.load(mutated(data, dumped), NOW)
    except UNREADABLE:
        return
    pace.received(under_way, NOW, RateLimitReport(limit=30, used=12, resets_in=20.0), succeeded=True)
    states = pace.states(NOW)
    assert all(each.used >= 0 and (each.resets_at is None or each.resets_at >= NOW) for each in states.values())
    json.dumps(pace.dump(), allow_nan=False)
    permits: list[Permit] = []

    def ask(now: float) -> object:
        got = pace.reserve(now, request_type=data.draw(st.sampled_from([IMAGE, EDIT])), smooth=data.draw(st.booleans()))
        if isinstance(got, Permit):
            permits.append(got)
        return got

    goes_on(ask, NOW, LONGEST_BELIEVED_WAIT + 2 * DAY)
    pace.sent(permits[0], NOW)
    pace.refused(permits[0], NOW + 0.2, 7.0, "minute", RateLimitReport(limit=30, used=30))
    pace.states(NOW + 1.0)


@given(st.data())
@examples(100)
def test_no_number_of_a_state_breaks_the_slots_or_stops_them_for_longer_than_an_api_can(data: st.DataObject) -> None:
    dumped = json.loads(json.dumps(busy_slots().dump(), allow_nan=False))
    weights = json.loads(json.dumps(busy_slots().weights.dump(), allow_nan=False))
    slots = Slots()
    try:
        slots.weights.load(mutated(data, weights) if data.draw(st.booleans()) else weights)
        slots.load(mutated(data, dumped), NOW)
    except UNREADABLE:
        return
    assert slots.state(NOW).used >= 0
    assert all(isinstance(job, str) for job in slots.stale_jobs(NOW, 10.0))
    json.dumps(slots.dump(), allow_nan=False)
    leases: list[JobSlot] = []

    def ask(now: float) -> object:
        got = slots.reserve(now, data.draw(st.sampled_from([IMAGE, EDIT])))
        if isinstance(got, JobSlot):
            leases.append(got)
        return got

    goes_on(ask, NOW, LONGEST_BELIEVED_WAIT + DAY)
    now = NOW + LONGEST_BELIEVED_WAIT + DAY
    match data.draw(st.sampled_from(["accepted", "refused", "unknown", "lost"])):
        case "accepted":
            slots.accepted(leases[0], "job-9", now)
        case "refused":
            slots.refused(
                leases[0],
                now,
                60.0,
                data.draw(st.sampled_from([RefusalNumbers(), RefusalNumbers(limit=5), RefusalNumbers(needs=3)])),
            )
        case "unknown":
            slots.keep_unresolved(leases[0], now)
        case _:
            slots.release(leases[0])
    slots.record_poll("job-1", now, asked=now - 1.0, ended=True)
    slots.state(now)


@given(st.data())
@examples(50)
def test_no_number_of_a_state_holds_calls_for_longer_than_an_api_can(data: st.DataObject) -> None:
    holds, known = Holds(), Holds()
    holds.add(Hold(until=700.0, scope="abuse", reason="too many"), 100.0)
    holds.add(Hold(until=130.0, scope="minute", reason="the minute"), 100.0)
    try:
        known.load(mutated(data, holds.dump(100.0, NOW)), 100.0, NOW)
    except UNREADABLE:
        return
    assert all(-math.inf <= each.until <= 100.0 + LONGEST_BELIEVED_WAIT for each in known.by_scope.values())


def test_holds_of_another_process_are_converted_to_the_own_clock_and_reported_once() -> None:
    holds, known = Holds(), Holds()
    holds.add(Hold(until=700.0, scope="abuse", reason="too many"), 100.0)
    dumped = json.loads(json.dumps(holds.dump(100.0, 1_000.0)))
    (news,) = known.load(dumped, 200.0, 900.0)
    assert (news.until, news.scope, news.reason) == (800.0, "abuse", "too many")
    assert known.load(dumped, 201.0, 900.0) == []
    assert known.dump(201.0, 900.0) == dumped


@pytest.mark.parametrize(
    ("read", "value", "found"),
    [
        (state_json.read_past_or_never, None, -math.inf),
        (state_json.read_past_or_never, 7.0, 7.0),
        (state_json.read_past, -7.0, -7.0),
        (state_json.read_past, 3, 3.0),
        (state_json.read_past, 1e300, 100.0),
        (state_json.time_reader(60.0), 1e300, 100.0),
        (state_json.time_reader(60.0), 161.0, 100.0),
        (state_json.time_reader(60.0), 130.0, 130.0),
        (state_json.time_reader(60.0, never=math.inf), None, math.inf),
        (state_json.float_reader(0.0, 1.0), 7, 1.0),
        (state_json.float_reader(0.0, 1.0), -7, 0.0),
        (state_json.int_reader(), 0, 0),
        (state_json.optional_reader(state_json.int_reader()), None, None),
        (state_json.choice_reader(["a", "b"]), "b", "b"),
        (state_json.read_text, "", ""),
        (state_json.read_flag, False, False),
    ],
)
def test_possible_values_are_believed_and_no_moment_is_too_late(
    read: state_json.StateReader, value: object, found: object
) -> None:
    assert read(value, 100.0) == found


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (state_json.read_past, math.nan),
        (state_json.read_past, -math.inf),
        (state_json.read_past, 10**400),
        (state_json.read_past, True),
        (state_json.read_past, "3"),
        (state_json.read_past, None),
        (state_json.time_reader(1.0), None),
        (state_json.time_reader(1.0), math.inf),
        (state_json.float_reader(0.0, 1.0), None),
        (state_json.float_reader(0.0, 1.0), math.nan),
        (state_json.int_reader(), -1),
        (state_json.int_reader(), True),
        (state_json.int_reader(), 1.0),
        (state_json.int_reader(), 10**400),
        (state_json.int_reader(1, 5), 6),
        (state_json.choice_reader(["a"]), "b"),
        (state_json.choice_reader(["a"]), None),
        (state_json.read_text, 5),
        (state_json.read_flag, 0),
    ],
)
def test_impossible_values_are_errors(read: state_json.StateReader, value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        read(value, 100.0)


def test_weights_of_another_process_are_those_that_a_request_can_have() -> None:
    with pytest.raises(ValueError):
        LearnedWeights().load({"shown": [["uni-1", "image", 1, 10**9]], "falls": []})
    with pytest.raises(ValueError):
        LearnedWeights().load({"shown": [["uni-1", 7, 1, 2]], "falls": []})
