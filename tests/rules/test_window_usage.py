"""What is in a window, against plain lists of requests."""

import json
import math
from random import Random
from typing import Any

from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from generor_async.rules.foreign_usage import PARTS, ForeignUsage
from generor_async.rules.long_windows import LongWindows
from generor_async.rules.own_usage import JITTER, SLICES, OwnUsage
from generor_async.rules.permit import Permit
from generor_async.rules.window import HOUR, Window
from generor_async.values import is_array

SPAN = 60.0
grains = st.sampled_from([0.0, SPAN / SLICES, SPAN / 12])
seeds = st.integers(0, 2**32)
ENOUGH = 10**15
"""Units that no header exceeds."""


@define
class Request:
    """One request of ours."""

    permit: Permit
    sent: float
    units: int
    counted: float
    """When the server had counted it, at the latest."""


def send(usage: OwnUsage, now: float, units: int) -> Permit:
    """Send a request as the usage of a minute, or of an hour or a day, takes note of it."""
    permit = Permit(units, now, 1)
    if usage.slice_seconds:
        permit.place = usage.add(units, now)
    else:
        usage.sent(permit, now)
    return permit


@define
class PlainUsage:
    """Our own requests as a list."""

    requests: list[Request] = field(factory=list[Request])

    def end(self, now: float, grain: float) -> tuple[int, int]:
        """Return how many units the server may count, and how many there are where all leave late.

        That is by a grain, and where an answer came sooner than those of earlier requests, by the jitter.
        """
        least = sum(each.units for each in self.requests if each.counted + SPAN > now)
        return least, sum(each.units for each in self.requests if each.sent + JITTER + SPAN + grain > now)


steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "add", "answer", "remove", "pass", "reload"]),
        st.integers(0, 20),
        st.integers(1, 9),
        st.sampled_from([0.0, 0.01, 0.2, 3.0, 31.0]),
    ),
    max_size=80,
)


@given(steps, grains)
@examples(60)
def test_no_request_is_forgotten_too_soon_or_more_than_a_grain_too_late(
    history: list[tuple[str, int, int, float]], grain: float
) -> None:
    usage, plain, now = OwnUsage(SPAN, grain), PlainUsage(), 0.0
    for what, which, units, later in history:
        now += later
        usage.expire(now)
        known = plain.requests
        if what == "add":
            known.append(Request(send(usage, now, units), now, units, now + JITTER))
        elif what == "reload":
            dumped = json.loads(json.dumps(usage.dump()))
            usage = OwnUsage(SPAN, grain)
            usage.load(dumped, now)
        elif known and what == "answer":
            answered = known[which % len(known)]
            usage.answered(answered.permit, now)
            answered.counted = min(answered.counted, now)
        elif known and what == "remove":
            expired = known[which % len(known)]
            usage.remove(expired.permit.place, expired.units)
            known.remove(expired)
        usage.expire(now)
        least, most = plain.end(now, grain)
        assert least <= usage.units <= most


@given(steps)
@examples(60)
def test_what_the_server_has_counted_for_sure_is_never_overestimated(
    history: list[tuple[str, int, int, float]],
) -> None:
    """A request that is sent now finds at least so many of ours, however late each of them and it arrive."""
    usage, sent, now = OwnUsage(SPAN, 0.0), list[tuple[float, int]](), 0.0
    for what, _, units, later in history:
        now += later
        usage.expire(now)
        if what == "add":
            sure = sum(n for at, n in sent if at + JITTER <= now and at > now + JITTER - SPAN)
            permit = send(usage, now, units)
            sent.append((now, units))
            assert units <= permit.least <= sure + units
            assert permit.least <= permit.most == usage.units


@given(steps)
@examples(60)
def test_what_is_in_flight_is_what_may_still_be_refused(history: list[tuple[str, int, int, float]]) -> None:
    usage, sent, now = OwnUsage(SPAN, 0.0), list[tuple[float, int]](), 0.0
    for what, _, units, later in history:
        now += later
        usage.expire(now)
        if what == "add":
            send(usage, now, units)
            sent.append((now, units))
        assert usage.units_in_flight(now) == sum(n for at, n in sent if at + JITTER > now)


def test_an_answer_that_comes_sooner_than_the_jitter_ends_the_flight() -> None:
    usage = OwnUsage(SPAN, 0.0)
    permit = send(usage, 100.0, 3)
    assert (usage.units_in_flight(100.1), usage.settles_at()) == (3, 100.0 + JITTER)
    usage.answered(permit, 100.1)
    assert usage.units_in_flight(100.1) == 0
    assert usage.next_expiry == 100.1 + SPAN
    assert usage.settles_at() == math.inf


def test_the_oldest_go_where_the_window_holds_less_than_ours() -> None:
    usage = OwnUsage(SPAN, 0.0)
    for second in range(5):
        send(usage, float(second), 2)
    usage.drop_oldest(3)
    assert (usage.units, usage.corrections.dropped, usage.expired) == (6, 4, 0)
    usage.drop_oldest(100)
    assert (usage.units, usage.corrections.dropped) == (0, 10)
    send(usage, 9.0, 1)
    usage.expire(9.0 + JITTER + SPAN)
    assert (usage.units, usage.expired) == (0, 1)


def test_a_log_holds_no_more_entries_than_grains_or_requests() -> None:
    usage = OwnUsage(SPAN, SPAN / SLICES)
    for number in range(20_000):
        usage.add(1, number / 100)
        usage.expire(number / 100)
    dumped: Any = usage.dump()
    assert max(len(each) for each in dumped if is_array(each)) <= SLICES + 8


def test_a_slice_lasts_for_its_latest_request_in_whatever_order_processes_report_them() -> None:
    usage = OwnUsage(SPAN, SPAN / SLICES)
    usage.add(1, 0.0)
    usage.add(1, 0.9)
    usage.add(1, 0.5)
    usage.expire(0.9 + JITTER + SPAN - 0.01)
    assert usage.units == 3
    usage.expire(0.9 + JITTER + SPAN)
    assert usage.units == 0


def test_no_more_of_a_slice_goes_than_the_server_has_removed() -> None:
    usage = OwnUsage(SPAN, SPAN / SLICES)
    usage.add(10, 0.0)
    usage.add(10, 2.0)
    usage.drop_oldest(4)
    assert usage.units == 16
    usage.drop_oldest(8)
    assert usage.units == 8
    usage.expire(0.0 + JITTER + SPAN)
    assert usage.units == 8, "the rest of the second slice"


def test_requests_that_are_recorded_together_last_for_the_latest_of_them() -> None:
    hour = Window("hour", 10)
    longs = LongWindows((hour,))
    for sent in (0.0, 0.9, 0.5):
        longs.sent(1, sent)
    until, scope = longs.blocked_until(1.0, 0, 8)
    assert (until, scope) == (0.9 + JITTER + HOUR, "hour")


# --- others ---------------------------------------------------------------------------------------------------------

numbers = st.one_of(st.integers(-5, 40), st.sampled_from([2**31 - 1, -(2**31), ENOUGH]))
lessons = st.lists(
    st.tuples(
        st.sampled_from(["raise", "raise", "lower", "ends", "pass", "reload"]),
        numbers,
        st.floats(0, 100),
        st.sampled_from([0.0, 0.05, 1.0, 7.0, 65.0]),
    ),
    max_size=120,
)


@given(lessons)
@examples(60)
def test_whatever_is_said_of_others_they_are_few_intervals_in_order_and_gone_after_a_span(
    history: list[tuple[str, int, float, float]],
) -> None:
    usage, now, since = ForeignUsage(SPAN), 1_000.0, -math.inf
    for what, units, away, later in history:
        now += later
        usage.expire(now)
        if what == "raise":
            before = usage.units
            usage.raise_to(units, since=since, until=now)
            assert usage.units == max(before, units)
            since = now
        elif what == "lower":
            before = usage.units
            usage.lower_to(units)
            assert usage.units == min(before, max(0, units))
        elif what == "ends":
            before = usage.units
            usage.none_expires_before(now + away, latest=now + away + later)
            assert usage.units == before
        elif what == "reload":
            dumped = json.loads(json.dumps(usage.dump()))
            usage = ForeignUsage(SPAN)
            usage.load(dumped, now)
        usage.expire(now)
        _check(usage, now)


def _check(usage: ForeignUsage, now: float) -> None:
    assert usage.units >= 0
    dumped: Any = usage.dump()
    intervals = dumped[1]
    assert len(intervals) <= PARTS + 2
    assert (usage.units > 0) == (usage.next_expiry < math.inf)
    assert (usage.next_expiry < math.inf) == bool(intervals)
    if intervals:
        assert usage.next_expiry > now
        ends = [usage.expected_expiry(units) for units in (1, usage.units // 2, usage.units) if units]
        assert ends == sorted(ends)
        assert usage.earliest_expiry <= ends[0]
    assert usage.expected_expiry(usage.units + 1) == math.inf


@given(seeds, st.floats(0.05, 2.0), st.floats(0, 2 * SPAN))
@examples(40)
def test_of_those_that_were_told_while_they_came_none_is_lost_too_soon(seed: int, rate: float, later: float) -> None:
    """Others come for a span, and now and then their number is told; then nobody says anything any more."""
    dice, usage, log, now, told = Random(seed), ForeignUsage(SPAN), list[float](), 0.0, 0.0
    while (now := now + dice.expovariate(rate)) < SPAN:
        log.append(now)
        if dice.random() < 0.5:
            usage.expire(now)
            usage.lower_to(len(log))
            usage.raise_to(len(log), since=told, until=now)
            told = now
            assert usage.units == len(log)
    moment = max(told, later)
    usage.expire(moment)
    assert usage.units >= sum(moment - SPAN < each <= told for each in log)
    usage.expire(told + SPAN)
    assert usage.units == 0


def test_those_that_are_new_came_since_they_were_told_last_and_leave_evenly() -> None:
    usage = ForeignUsage(SPAN)
    usage.raise_to(10, since=0.0, until=20.0)
    assert [usage.expected_expiry(units) for units in (1, 5, 10, 11)] == [62.0, 70.0, 80.0, math.inf]
    assert (usage.earliest_expiry, usage.next_expiry) == (60.0, 80.0)


def test_those_of_unknown_age_may_have_come_at_any_time() -> None:
    usage = ForeignUsage(SPAN)
    usage.raise_to(10, since=-math.inf, until=100.0)
    assert (usage.earliest_expiry, usage.expected_expiry(5), usage.next_expiry) == (100.0, 130.0, 160.0)
    usage.none_expires_before(140.0, latest=141.0)
    assert (usage.earliest_expiry, usage.expected_expiry(5), usage.next_expiry) == (140.0, 150.0, 160.0)


def test_those_that_came_later_than_was_thought_leave_when_the_oldest_does_at_the_latest() -> None:
    usage = ForeignUsage(SPAN)
    usage.raise_to(4, since=0.0, until=10.0)
    usage.raise_to(10, since=10.0, until=30.0)
    usage.none_expires_before(78.0, latest=80.0)
    assert (usage.earliest_expiry, usage.expected_expiry(2), usage.next_expiry) == (78.0, 79.0, 80.0)
    assert usage.expected_expiry(10) == 90.0


def test_they_go_in_the_order_in_which_they_came() -> None:
    usage = ForeignUsage(SPAN)
    usage.raise_to(4, since=0.0, until=10.0)
    usage.raise_to(10, since=10.0, until=30.0)
    usage.lower_to(5)
    assert usage.units == 5
    assert usage.earliest_expiry == 70.0
    usage.expire(90.0)
    assert usage.units == 0


@define
class Told:
    """A request that its process tells of some time after it was sent."""

    sent: float
    arrives: float
    answered: float
    units: int
    told: float


@st.composite
def told_late(draw: st.DrawFn) -> list[Told]:
    """Draw requests in the order in which they are told of."""
    requests: list[Told] = []
    sent = 0.0
    for _ in range(draw(st.integers(1, 30))):
        sent += draw(st.sampled_from([0.0, 0.01, 0.1, 0.5, 4.0, 31.0]))
        arrives = sent + draw(st.sampled_from([0.0, 0.02, JITTER - 0.01]))
        answered = arrives + draw(st.sampled_from([0.0, 0.05, 8.0]))
        told = max(sent, answered + draw(st.sampled_from([-8.0, 0.0, 0.05, 1.0, 5.0])))
        requests.append(Told(sent, arrives, answered, draw(st.integers(1, 3)), told))
    return sorted(requests, key=lambda each: each.told)


@given(told_late())
@examples(200)
def test_requests_that_are_told_of_late_and_in_any_order_are_counted_as_the_server_may_count_them(
    requests: list[Told],
) -> None:
    usage = OwnUsage(SPAN, 0.0)
    known: list[Told] = []
    for each in requests:
        permit = Permit(each.units, each.sent, 1)
        usage.sent(permit, each.sent)
        known.append(each)
        counted = sum(one.units for one in requests if each.arrives - SPAN < one.arrives <= each.arrives)
        untold = sum(one.units for one in requests[len(known) :])
        assert permit.least <= counted <= permit.most + usage.sent_just_after(permit, each.told) + untold
        if each.answered <= each.told:
            usage.answered(permit, each.answered)
        usage.expire(each.told)
        held = sum(one.units for one in known if one.arrives + SPAN > each.told)
        late = sum(one.units for one in known if one.sent + JITTER + SPAN > each.told)
        assert held <= usage.units <= late
        again = OwnUsage(SPAN, 0.0)
        again.load(json.loads(json.dumps(usage.dump())), each.told)
        assert (again.units, again.next_place) == (usage.units, usage.next_place)
