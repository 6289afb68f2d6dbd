"""The pace against brute-force models of the server, and each of its rules alone."""

import json
import math
from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.worlds import Reset, Server, ServerWindow, Style, World, soonest

from generor_async.rules.own_usage import SLICES
from generor_async.rules.pace import (
    IDLE_SECONDS,
    KEYLESS,
    OUT_OF_REACH,
    TIERS,
    UNKNOWN_LIMIT,
    Pace,
    Permit,
)
from generor_async.rules.rate_headers import RateLimitReport
from generor_async.rules.wait import Wait
from generor_async.rules.weights import RequestType
from generor_async.rules.window import (
    DAY,
    FOREIGN_REMEMBERED,
    GAP,
    HOUR,
    JITTER,
    MINUTE,
    PROBE_INTERVAL,
    QUICK_FLIGHT,
    Scope,
    Window,
    WindowState,
)

styles = st.sampled_from(["fixed", "sliding"])
resets = st.sampled_from(["oldest", "now"])
seeds = st.integers(0, 2**32)
phases = st.integers(1, 59).map(float)
bases = st.sampled_from([0.0, 0.05, 0.4, 3.0])


def luma(limit: int | None, share: float = 1.0) -> Pace:
    return Pace.of_luma(rpm=limit, share=share)


def generor(tier: str | None = None, *, rpm: int | None = None, keyless: bool = False, share: float = 1.0) -> Pace:
    return Pace.of_generor(keyless=keyless, tier=tier, rpm=rpm, share=share)


def said(limit: int, used: int, tier: str | None = None, *, resets_in: float | None = None) -> RateLimitReport:
    return RateLimitReport(limit=limit, used=used, tier=tier, resets_in=resets_in)


def used(window: Window, now: float) -> int:
    return window.state(now, 0).used


def own(window: Window, now: float) -> int:
    window.own.expire(now)
    return window.own.units


def grant(pace: Pace, now: float, *, smooth: bool = False) -> Permit:
    permit = pace.reserve(now, smooth=smooth)
    assert isinstance(permit, Permit), permit
    return permit


def wait(pace: Pace, now: float, *, smooth: bool = False) -> Wait:
    refusal = pace.reserve(now, smooth=smooth)
    assert isinstance(refusal, Wait), refusal
    return refusal


def send(pace: Pace, now: float) -> Permit:
    permit = grant(pace, now)
    pace.sent(permit, now)
    return permit


def answered(pace: Pace, now: float, used: int, limit: int = 10, took: float = 0.1, **more: Any) -> Permit:
    """Send one and have it answered."""
    permit = send(pace, now)
    pace.received(permit, now + took, said(limit, used, **more), succeeded=True)
    return permit


def world(
    style: Style,
    limit: int,
    seed: int,
    *,
    calls: int,
    pace: Pace | None = None,
    phase: float = 0.0,
    reset: Reset = "oldest",
    **known: Any,
) -> World:
    server = Server([ServerWindow("minute", limit, style, phase)], reset=reset)
    return World(pace or luma(limit), server, Random(seed), calls, **known)


# --- alone on a key -------------------------------------------------------------------------------------------------


def nobody_else_is_seen(life: World) -> None:
    """Hold what is known against a server on which nobody else is: no others, and none of ours taken away too soon."""
    server, window = life.server.windows[0], life.pace.windows[0]
    assert window.foreign.units == 0
    assert window.own.corrections.dropped == 0 or server.style == "fixed"


def spread(limit: int, connecting: float = 0.0) -> float:
    """Return the seconds that it takes at most to send what a window holds, few at once: it doesn't add up."""
    return limit * GAP + math.ceil(limit / QUICK_FLIGHT) * (JITTER + connecting)


@given(
    styles,
    st.integers(1, 60),
    seeds,
    bases,
    st.floats(0, 60),
    st.sampled_from([0.0, 0.5, 4.0]),
    st.floats(0.02, 150),
    resets,
)
@examples(40)
def test_alone_on_a_key_nothing_is_ever_refused_and_no_place_is_left_unused(
    style: Style,
    limit: int,
    seed: int,
    base: float,
    phase: float,
    connecting: float,
    service: float,
    reset: Reset,
) -> None:
    how: dict[str, Any] = {"base": base, "phase": phase, "connecting": connecting, "service": service, "reset": reset}
    life = world(style, limit, seed, calls=4 * limit + 3, watch=nobody_else_is_seen, **how).run()
    assert not life.refused
    turn = MINUTE + 2 * JITTER + connecting
    for place, sent in enumerate(sorted(arrival.sent for arrival in life.admitted)):
        assert sent <= place // limit * turn + spread(limit, connecting) + JITTER + connecting + 1e-6


@given(styles, st.integers(2, 40), seeds, st.floats(0.02, 30), st.floats(1, 50))
@examples(15)
def test_permits_that_are_given_back_cost_no_refusal_and_take_no_place(
    style: Style, limit: int, seed: int, service: float, given_up: float
) -> None:
    how: dict[str, Any] = {"connecting": 2.0, "given_up": given_up, "watch": nobody_else_is_seen}
    life = world(style, limit, seed, calls=3 * limit, service=service, **how).run()
    assert not life.refused
    assert max(arrival.sent for arrival in life.admitted) <= 3 * (MINUTE + 2 * JITTER + 4.0) + 2 * spread(limit, 2.0)


@given(styles, st.sampled_from([1, 5, 30]), seeds, st.floats(0.02, 150), resets)
@examples(15)
def test_a_limit_that_nobody_named_beforehand_is_learned_without_a_refusal(
    style: Style, limit: int, seed: int, service: float, reset: Reset
) -> None:
    life = world(style, limit, seed, calls=2 * limit + 2, pace=luma(None), service=service, reset=reset).run()
    late_leader = life.answered_at[0] > JITTER
    assert late_leader or not life.refused


@given(styles, seeds, st.sampled_from(["free", "basic"]))
@examples(4)
def test_three_windows_are_kept_at_once(style: Style, seed: int, tier: str) -> None:
    spans: tuple[Scope, ...] = ("minute", "hour", "day")
    limits = TIERS[tier]
    windows = [ServerWindow(scope, limit, style) for scope, limit in zip(spans, limits, strict=True)]
    life = World(generor(tier), Server(windows, tier), Random(seed), calls=limits[1] * 2 + 1).run()
    assert not life.refused
    last = max(arrival.sent for arrival in life.admitted)
    assert 2 * HOUR <= last <= 2 * (HOUR + JITTER + HOUR / SLICES) + spread(limits[0])


@pytest.mark.parametrize("style", ["fixed", "sliding"])
@pytest.mark.parametrize("tier", ["free", None])
def test_what_was_sent_before_a_pause_leaves_the_hour_before_what_was_sent_after_it(
    style: Style, tier: str | None
) -> None:
    """500 an hour have left after 17 minutes; an hour after the start, 30 of the 100 others leave a minute."""
    windows = [ServerWindow("minute", 30, style), ServerWindow("hour", 500, style)]
    life = World(generor(tier), Server(windows, "free"), Random(1), calls=600, looks=False).run()
    assert not life.refused
    assert life.last <= HOUR + 3 * (MINUTE + 2 * JITTER) + HOUR / SLICES + spread(30)


@given(seeds, st.floats(0.02, 150), styles)
@examples(20)
def test_two_shares_of_half_a_limit_never_meet_a_refusal(seed: int, service: float, style: Style) -> None:
    server = Server([ServerWindow("minute", 31, style)])
    both = [World(luma(31, 0.5), server, Random(seed + n), 60, service=service) for n in range(2)]
    for one in both:
        one.begin()
    while any(len(one.answered_at) < one.calls for one in both):
        min(both, key=lambda one: one.next_at).step()
    assert not both[0].refused
    assert not both[1].refused


@given(styles, st.integers(2, 40), st.integers(1, 40), seeds, st.floats(1, 150))
@examples(20)
def test_a_changed_limit_holds_from_the_first_answer_that_names_it(
    style: Style, before: int, after: int, seed: int, when: float
) -> None:
    life = world(style, before, seed, calls=2 * max(before, after) + 1, service=5.0)
    heard: list[float] = []

    def change() -> None:
        life.server.windows[0].limit = after

    def note(life: World) -> None:
        newer = life.pace._limits_sent > when  # pyright: ignore[reportPrivateUsage] # answers may overtake one another
        if not heard and newer and life.pace.windows[0].limit == after:
            heard.append(life.now)

    life.at(when, change)
    life.watch = note
    life.run()
    if before == after:
        assert not life.refused
    for refusal in life.refused:
        assert not heard or refusal.sent <= heard[0] or refusal.sent in life.asked


# --- beside others --------------------------------------------------------------------------------------------------


@given(styles, seeds, st.sampled_from([0.05, 0.25, 0.5]), st.floats(0.02, 60), resets)
@examples(15)
def test_beside_others_on_the_key_refusals_stay_few_and_everything_gets_through(
    style: Style, seed: int, foreign: float, service: float, reset: Reset
) -> None:
    life = world(style, 60, seed, calls=240, foreign=foreign, service=service, reset=reset).run()
    assert len(life.admitted) == 240
    assert len(life.refused) <= 12
    assert life.last <= 4 * MINUTE + 10.0, "others are there, and do not insist"


@given(styles, st.integers(1, 60), seeds, phases, st.floats(0, 1), st.floats(0, 59), resets, st.booleans())
@examples(50)
def test_after_a_restart_refusals_are_few_and_the_last_is_admitted_soon_after_it_could_be(
    style: Style, limit: int, seed: int, phase: float, share: float, ago: float, reset: Reset, told: bool
) -> None:
    """Others, or an earlier process, used a part of the window some time ago, all at once, and nobody knows of it."""
    life = world(style, limit, seed, calls=5 * limit // 2, pace=luma(limit if told else None), phase=phase, reset=reset)
    life.jitter, life.service = 0.03, 0.05
    window = life.server.windows[0]
    window.log = [(-ago, 1)] * round(share * limit)
    possible = soonest(window, life.calls)
    life.run()
    assert len(life.refused) <= 3
    assert life.last <= 1.10 * possible + (4.0 if style == "sliding" else MINUTE + 4.0)


@given(st.integers(1, 60), seeds, st.lists(st.floats(0, 59), max_size=60), resets, styles)
@examples(40)
def test_whenever_those_before_came_it_is_a_minute_late_at_most_and_asks_once_a_minute(
    limit: int, seed: int, before: list[float], reset: Reset, style: Style
) -> None:
    life = world(style, limit, seed, calls=2 * limit + 1, pace=luma(None), reset=reset)
    life.jitter, life.service = 0.03, 0.05
    window = life.server.windows[0]
    window.log = sorted((-ago, 1) for ago in before[:limit])
    possible = soonest(window, life.calls)
    life.run()
    assert life.last <= possible + MINUTE + 4.0
    _asks_once_a_minute(life)


@given(styles, seeds, st.sampled_from([10, 30, 60]), st.sampled_from([0.2, 1.0, 4.0]), st.floats(0.02, 10), resets)
@examples(15)
def test_one_question_is_refused_a_minute_at_most_however_many_others_there_are(
    style: Style, seed: int, limit: int, foreign: float, service: float, reset: Reset
) -> None:
    life = world(style, limit, seed, calls=limit, foreign=foreign, service=service, reset=reset)
    life.begin()
    while life.now < 10 * MINUTE and len(life.answered_at) < life.calls:
        life.step()
    _asks_once_a_minute(life)


def _asks_once_a_minute(life: World) -> None:
    refused = life.guesses_refused
    assert all(later - sooner >= PROBE_INTERVAL for sooner, later in pairwise(refused))


# --- headers of any kind, and any end of a request ------------------------------------------------------------------

numbers = st.one_of(st.integers(-10, 100), st.sampled_from([2**31 - 1, -(2**31), 10**15, 1, 0, 30, 500, 5_000]))
tellings = st.builds(
    RateLimitReport,
    limit=st.one_of(st.none(), numbers.filter(lambda number: number > 0)),
    used=st.one_of(st.none(), numbers.map(abs)),
    resets_in=st.one_of(st.none(), st.floats(0.001, 31 * DAY)),
    tier=st.sampled_from([None, "free", "pro", "gold", ""]),
)
histories = st.lists(
    st.tuples(
        st.sampled_from(["grant", "grant", "send", "answer", "answer", "refuse", "drop", "told", "pass"]),
        st.integers(0, 9),
        st.sampled_from([0.0, 0.02, 0.2, 5.0, 61.0]),
        st.one_of(st.none(), tellings),
    ),
    max_size=60,
)
History = list[tuple[str, int, float, RateLimitReport | None]]


class Life:
    """One pace, and the permits of it that are on their way."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.permits: list[Permit] = []

    def step(self, what: str, which: int, said: RateLimitReport | None, now: float) -> object:
        """Do something, and return what came of it, to compare."""
        pace, permits = self.pace, self.permits
        if what == "grant":
            got = pace.reserve(now, smooth=which > 7)
            if isinstance(got, Wait):
                return got
            permits.append(got)
            return got.number, got.units, got.probe
        if what == "told" and said is not None:
            pace.learn_limits(said)
        elif what not in {"pass", "told"} and permits:
            self._end(what, permits[which % len(permits)], said, now)
        return None

    def _end(self, what: str, permit: Permit, said: RateLimitReport | None, now: float) -> None:
        if what == "send":
            self.pace.sent(permit, now)
            return
        self.permits.remove(permit)
        match what:
            case "answer":
                self.pace.received(permit, now, said, succeeded=True)
            case "refuse":
                self.pace.refused(permit, now, 7.0, "minute", said)
            case _:
                self.pace.give_back(permit)


def paces() -> list[Pace]:
    return [luma(None), luma(5), generor("free"), generor()]


@given(histories, st.integers(0, 3))
@examples(60)
def test_no_number_of_a_header_makes_anything_grow_or_a_wait_that_has_no_end(history: History, which: int) -> None:
    life, now = Life(paces()[which]), 1_000.0
    for what, choice, later, said in history:
        now += later
        got = life.step(what, choice, said, now)
        if isinstance(got, Wait):
            assert got.until > now
        for state in life.pace.states(now).values():
            assert state.used >= 0
            assert state.remaining is None or state.remaining >= 0
            assert state.resets_at is None or state.resets_at >= now
        assert len(json.dumps(life.pace.dump())) < 2_000 + 400 * len(history)
    for permit in life.permits:
        life.pace.give_back(permit)
    assert next_leaves(life.pace, now) <= now + DAY + DAY / SLICES + MINUTE


def rounded(found: object) -> object:
    """Return a wait without what a float loses when a moment is written in milliseconds."""
    return evolve(found, until=round(found.until, 6)) if isinstance(found, Wait) else found


def shown(pace: Pace, now: float) -> dict[Scope, WindowState]:
    return {
        scope: state if state.resets_at is None else evolve(state, resets_at=round(state.resets_at, 6))
        for scope, state in pace.states(now).items()
    }


@given(histories, st.integers(0, 3), st.data())
@examples(60)
def test_a_state_that_was_written_down_at_any_moment_decides_as_the_one_that_was_not(
    history: History, which: int, data: st.DataObject
) -> None:
    whole, torn, now = Life(paces()[which]), Life(paces()[which]), 1_000.0
    for what, choice, later, said in history:
        now += later
        if data.draw(st.booleans()):  # another process goes on with it, and it comes back
            other = paces()[which]
            other.load(json.loads(json.dumps(torn.pace.dump(), allow_nan=False)), now)
            torn.pace.load(json.loads(json.dumps(other.dump(), allow_nan=False)), now)
        assert rounded(torn.step(what, choice, said, now)) == rounded(whole.step(what, choice, said, now))
        assert shown(torn.pace, now) == shown(whole.pace, now)
        assert torn.pace.tier == whole.pace.tier
        assert torn.pace.unbound == whole.pace.unbound


@pytest.mark.parametrize("limit", [2**31 - 1, 10**15 - 1])
@pytest.mark.parametrize("count", [0, 1, 2**31 - 1])
def test_a_limit_that_nobody_reaches_is_none(limit: int, count: int) -> None:
    pace = luma(None)
    answered(pace, 0.0, count, limit)
    assert pace.unbound
    assert luma(OUT_OF_REACH).unbound
    assert not luma(OUT_OF_REACH - 1).unbound


# --- weights --------------------------------------------------------------------------------------------------------

EDIT = RequestType("uni-1-max", "image_edit", 3)
IMAGE = RequestType("uni-1", "image", 1)


@given(styles, st.sampled_from([EDIT, IMAGE]), st.integers(1, 5), st.integers(20, 60), seeds, st.floats(0, 0.1))
@examples(30)
def test_a_table_that_is_wrong_is_corrected_within_three_answers_either_way(
    style: Style, kind: RequestType, weight: int, limit: int, seed: int, service: float
) -> None:
    """Nobody else is on the key, and requests leave one after another."""
    life = world(style, limit, seed, calls=3, pace=luma(limit), weights=[(kind, weight)])
    life.base, life.jitter, life.service, life.in_turn = 0.05, 0.03, 0.02 + service, True
    life.run()
    assert life.pace.weights.of(kind) == weight
    assert not life.refused


@given(styles, st.integers(10, 60), seeds, st.integers(1, 4), st.integers(1, 4), bases, st.floats(0.02, 20))
@examples(30)
def test_weights_that_are_known_are_never_unlearned_alone_and_units_fill_the_window(
    style: Style, limit: int, seed: int, one: int, other: int, base: float, service: float
) -> None:
    kinds = [(RequestType("a", "b", one), one), (RequestType("c", "d", other), other)]
    how: dict[str, Any] = {"base": base, "service": service, "weights": kinds, "watch": nobody_else_is_seen}
    calls = 3 * limit
    life = world(style, limit, seed, calls=calls, **how).run()
    assert not life.refused
    assert [life.pace.weights.of(kind) for kind, _ in kinds] == [one, other]
    turns = math.ceil(calls * (one + other) / 2 / (limit - max(one, other) + 1))
    assert life.last <= turns * (MINUTE + 2 * JITTER) + spread(limit) + base + JITTER


@given(seeds, st.integers(0, 3), st.floats(0.02, 2.0))
@examples(15)
def test_what_others_use_makes_no_request_heavier_for_long(seed: int, before: int, service: float) -> None:
    life = world("sliding", 60, seed, calls=120, pace=luma(60), foreign=0.3, weights=[(IMAGE, 1)])
    life.base, life.jitter, life.service = 0.05, 0.03, service
    life.server.windows[0].log = [(-10.0, 1)] * before
    life.run()
    assert life.pace.weights.of(IMAGE) == 1


def test_a_request_that_is_heavier_than_what_is_left_waits_and_a_lighter_one_goes() -> None:
    pace = luma(5)
    permit = pace.reserve(0.0, request_type=EDIT)
    assert isinstance(permit, Permit)
    assert permit.units == 3
    pace.sent(permit, 0.0)
    assert isinstance(pace.reserve(1.0, request_type=EDIT), Wait)
    assert isinstance(pace.reserve(1.0, request_type=IMAGE), Permit)


def test_a_request_that_is_heavier_than_the_limit_goes_alone() -> None:
    pace = luma(2)
    permit = pace.reserve(0.0, request_type=EDIT)
    assert isinstance(permit, Permit)
    pace.sent(permit, 0.0)
    assert isinstance(pace.reserve(1.0, request_type=EDIT), Wait)
    assert isinstance(pace.reserve(MINUTE + 1, request_type=EDIT), Permit)


# --- each rule alone ------------------------------------------------------------------------------------------------


def test_a_place_is_free_again_when_the_server_must_have_forgotten_the_request() -> None:
    pace = luma(1)
    send(pace, 100.0)
    until = wait(pace, 101.0).until
    assert until == 100 + JITTER + MINUTE
    grant(pace, until)


def test_an_answer_that_comes_sooner_than_the_jitter_frees_the_place_sooner() -> None:
    pace = luma(1)
    answered(pace, 100.0, 1, 1, took=0.05)
    assert wait(pace, 101.0).until == 100.05 + MINUTE


def test_an_entry_is_never_dated_by_an_answer_that_comes_late() -> None:
    pace = luma(1)
    answered(pace, 100.0, 1, 1, took=55.0)
    assert wait(pace, 156.0).until == 100 + JITTER + MINUTE


def test_waiting_for_a_connection_is_not_the_servers_time() -> None:
    pace = luma(1)
    permit = grant(pace, 100.0)
    assert wait(pace, 170.0).until == math.inf, "it holds its place until it is sent"
    pace.sent(permit, 180.0)
    assert wait(pace, 181.0).until >= 180 + MINUTE


def test_the_first_stamp_counts() -> None:
    pace = luma(1)
    permit = send(pace, 100.0)
    pace.sent(permit, 130.0)
    assert permit.sent == 100.0


def test_a_permit_that_was_never_sent_is_given_back() -> None:
    pace = luma(1)
    permit = grant(pace, 100.0)
    pace.give_back(permit)
    assert used(pace.windows[0], 100.0) == 0
    grant(pace, 100.0)


def test_a_request_that_was_sent_is_spent_whatever_came_of_it() -> None:
    pace = luma(1)
    pace.give_back(send(pace, 100.0))
    assert own(pace.windows[0], 100.0) == 1


def test_the_window_that_lets_wait_longest_is_named() -> None:
    pace = generor("free")
    pace.windows[2].limit = 1
    send(pace, 0.0)
    for now in (0.1, 100.0):
        assert wait(pace, now) == Wait(DAY + JITTER, "day")


def test_what_is_refused_is_forgotten_wherever_it_stands_in_the_log() -> None:
    pace = generor("basic", rpm=3)
    permits = [send(pace, number * 1.0) for number in range(3)]
    pace.refused(permits[0], 2.5, 1.0, "minute", None)
    assert [own(window, 3.0) for window in pace.windows] == [2, 2, 2]
    pace.refused(permits[2], 2.6, 1.0, "minute", None)
    assert [own(window, 2.0 + MINUTE) for window in pace.windows] == [0, 1, 1]
    pace.refused(permits[1], 2.0 + MINUTE, 1.0, "minute", None)
    assert [own(window, 2.0 + MINUTE) for window in pace.windows] == [0, 0, 0]


# after a silence


def test_after_a_silence_one_request_leads_and_its_answer_lets_the_rest_go() -> None:
    pace = luma(10)
    leader = send(pace, 100.0)
    assert wait(pace, 100.01) == Wait(100.0 + JITTER, "minute")
    pace.received(leader, 100.05, said(10, 1), succeeded=True)
    grant(pace, 100.06)


def test_without_an_answer_the_rest_goes_when_it_was_not_refused_for_as_long_as_the_jitter() -> None:
    pace = luma(10)
    send(pace, 100.0)
    until = wait(pace, 100.1).until
    send(pace, until)
    send(pace, until + GAP)


def test_whoever_was_to_lead_and_never_left_hands_over_to_the_next() -> None:
    pace = luma(10)
    pace.give_back(grant(pace, 100.0))
    send(pace, 100.01)
    assert wait(pace, 100.02).until == 100.01 + JITTER


def test_a_request_that_is_sent_within_a_second_of_the_last_needs_no_leader() -> None:
    pace = luma(30)
    now = 100.0
    send(pace, now)
    for _ in range(10):
        now += IDLE_SECONDS - 0.01
        send(pace, now)
        pace.reserve(now + GAP)


def test_a_leader_that_was_refused_has_the_rest_wait_with_it() -> None:
    pace = luma(10)
    pace.refused(send(pace, 100.0), 100.05, 12.0, "minute", said(10, 10))
    assert wait(pace, 100.5) == Wait(112.05, "minute")


def test_where_answers_take_long_requests_leave_a_moment_apart() -> None:
    pace = luma(10)
    answered(pace, 100.0, 1, took=5.0)
    now = 105.0
    send(pace, now)
    now += JITTER
    send(pace, now)
    assert wait(pace, now).until == now + GAP


def test_few_are_under_way_at_the_end_of_the_window_where_answers_come_soon() -> None:
    pace = luma(40)
    now = 100.0
    for number in range(1, 31):
        answered(pace, now, number, 40, took=0.01)
        now += 0.02
    for _ in range(QUICK_FLIGHT):
        send(pace, now)
    assert now < wait(pace, now).until <= now + JITTER


# what others use


def test_what_the_server_counted_beyond_our_own_takes_places() -> None:
    pace = luma(10)
    answered(pace, 0.0, 4)
    assert used(pace.windows[0], 1.0) == 4
    assert own(pace.windows[0], 1.0) == 1


def test_others_leave_the_window_a_span_after_they_were_seen_at_the_latest() -> None:
    pace = luma(10)
    answered(pace, 0.0, 4)
    assert used(pace.windows[0], MINUTE) == 4
    assert used(pace.windows[0], MINUTE + 0.11) == 0


def test_a_newer_answer_corrects_how_many_others_there_are() -> None:
    pace = luma(10)
    answered(pace, 0.0, 6)
    answered(pace, 1.0, 4)
    assert used(pace.windows[0], 2.0) == 4
    answered(pace, 3.0, 8)
    assert used(pace.windows[0], 4.0) == 8


def test_a_late_answer_never_changes_what_a_newer_one_said() -> None:
    pace = luma(10)
    slow = send(pace, 0.0)
    answered(pace, 1.0, 7)
    pace.received(slow, 50.0, said(10, 1), succeeded=True)
    assert used(pace.windows[0], 50.0) == 7


def test_our_own_requests_that_overtook_one_another_are_not_taken_for_others() -> None:
    pace = luma(10)
    answered(pace, 0.0, 1, took=0.02)
    first, second = send(pace, 0.1), send(pace, 0.2)
    pace.received(first, 0.5, said(10, 3), succeeded=True)
    pace.received(second, 0.6, said(10, 2), succeeded=True)
    assert used(pace.windows[0], 0.6) == 3


def test_an_answer_after_a_long_way_is_not_taken_for_others_who_were_sent_later() -> None:
    pace = luma(10)
    answered(pace, 0.0, 1, took=0.02)
    first = send(pace, 0.1)
    for later in (0.2, 0.3, 0.4):
        send(pace, later)
    pace.received(first, 3.0, said(10, 5), succeeded=True)
    assert pace.windows[0].foreign.units == 0


def test_a_request_that_was_never_stamped_teaches_nothing_of_others() -> None:
    pace = luma(10)
    slow = grant(pace, 0.0)
    for turn in range(1, 8):
        answered(pace, float(turn), turn)
    now = 2 * MINUTE
    pace.received(slow, now, said(10, 8), succeeded=True)
    assert used(pace.windows[0], now) == 1, "its numbers are two minutes old"


def test_an_answer_that_shows_less_than_ours_takes_the_oldest_away() -> None:
    pace = luma(10)
    for second in range(8):
        answered(pace, float(second), second + 1)
    answered(pace, 9.0, 1)
    assert own(pace.windows[0], 9.2) == 1


def test_what_left_in_its_time_is_not_taken_away_a_second_time() -> None:
    pace = luma(10)
    for second in range(8):
        answered(pace, float(second), second + 1)
    slow = send(pace, 58.0)
    for second in range(61, 65):
        answered(pace, float(second), 9)
    pace.received(slow, 65.0, said(10, 9), succeeded=True)
    assert own(pace.windows[0], 65.0) == 9 - 5 + 4


def test_where_strangers_fill_the_window_one_request_asks_and_after_the_second_refusal_none_for_a_minute() -> None:
    pace = luma(10)
    answered(pace, 0.0, 10)
    until = wait(pace, 1.0).until
    assert 1.0 < until <= MINUTE
    asked = send(pace, until)
    assert asked.probe == "guess"
    assert isinstance(pace.reserve(until), Wait)
    pace.refused(asked, until + 0.1, 1.0, "minute", said(10, 10))
    again = send(pace, until + 1.1)
    assert again.probe == "due", "the server has named this moment"
    pace.refused(again, until + 1.2, 1.0, "minute", said(10, 10))
    assert next_leaves(pace, until + 1.2) == 0.1 + MINUTE, "the last of them must have left"
    others = send(pace, 70.0)
    pace.refused(others, 70.1, 1.0, "minute", said(10, 10))
    assert next_leaves(pace, 71.1) == 70.1 + MINUTE


def next_leaves(pace: Pace, now: float) -> float:
    """Return when the next request may leave."""
    while isinstance(got := pace.reserve(now), Wait):
        now = got.until
    return now


def test_whoever_still_holds_a_place_at_one_answer_is_expected_to_leave_after_it() -> None:
    pace = luma(10)
    answered(pace, 0.0, 10)
    until = wait(pace, 1.0).until
    asked = send(pace, until)
    assert asked.probe == "guess"
    pace.received(asked, until + 0.1, said(10, 10), succeeded=True)
    assert next_leaves(pace, until + 0.1) > until + 5.0, "eight of them share what is left of their minute"


def test_a_question_that_was_not_refused_tells_that_there_is_room() -> None:
    pace = luma(10)
    answered(pace, 0.0, 10)
    until = wait(pace, 1.0).until
    asked = send(pace, until)
    pace.received(asked, until + 0.1, said(10, 4), succeeded=True)
    for number in range(5):
        send(pace, until + 0.2 + number * 0.5)


def test_at_a_reset_one_request_leaves_and_its_answer_tells_the_rest() -> None:
    pace = luma(10)
    answered(pace, 0.0, 10, resets_in=20.0)
    assert wait(pace, 1.0).until == 20.1
    asked = send(pace, 20.1)
    assert asked.probe == "due"
    wait(pace, 20.11)
    pace.received(asked, 20.2, said(10, 1, resets_in=59.9), succeeded=True)
    for number in range(9):
        send(pace, 20.3 + number * 0.4)


def test_a_reset_that_is_no_more_than_the_arrival_and_a_span_promises_no_place() -> None:
    pace = luma(10)
    permit = send(pace, 0.0)
    pace.received(permit, 20.0, said(10, 10, resets_in=39.5), succeeded=True)
    assert pace.states(20.0)["minute"].resets_at == JITTER + MINUTE


def test_others_are_remembered_for_five_minutes_and_few_requests_are_under_way_until_then() -> None:
    pace = luma(60)
    answered(pace, 0.0, 4, 60, took=5.0)
    window = pace.windows[0]
    assert window.foreign.seen < 5.0 + FOREIGN_REMEMBERED
    assert used(window, 5.0) == 4
    assert used(window, 5.0 + MINUTE) == 0


@pytest.mark.parametrize("steady", [True, False])
def test_the_last_place_is_left_to_others_who_send_steadily_beside_us_and_to_nobody_else(steady: bool) -> None:
    pace = luma(10)
    for moment in (0.0, 50.0):
        answered(pace, moment, 1 + (moment > 0) + 2 * steady)
    for number in range(5):
        answered(pace, 101.0 + number * 0.5, 4 + number)
    pace.refused(send(pace, 103.5), 103.6, 1.0, "minute", said(10, 10))
    assert own(pace.windows[0], 110.5) == 5  # one has left, and others have four places
    if steady:
        assert wait(pace, 110.5).until > 111.0
    else:
        grant(pace, 110.5)


@pytest.mark.parametrize(("limit", "kept"), [(60, 1), (300, 3)])
def test_where_more_come_in_a_moment_more_places_are_left_to_them(limit: int, kept: int) -> None:
    pace, theirs = luma(limit), limit // 4
    for moment in (0.0, 50.0):
        answered(pace, moment, 1 + theirs, limit)
    mine = limit - theirs
    for number in range(mine - 10):
        answered(pace, 101.0 + number * 0.05, theirs + number + 1, limit, took=0.02)
    now = 101.0 + mine * 0.05
    pace.refused(send(pace, now), now + 0.1, 1.0, "minute", said(limit, limit))
    now += 2.0
    while not isinstance(got := pace.reserve(now), Wait):
        pace.sent(got, now)
        now += JITTER
        pace.received(got, now, said(limit, theirs + own(pace.windows[0], now)), succeeded=True)
    window = pace.windows[0]
    assert limit - own(window, now) - window.foreign.units == kept


def test_the_wait_grows_from_one_refusal_to_the_next_and_is_no_shorter_than_the_server_says() -> None:
    pace, now, waits = luma(60), 60.2, list[float]()
    for moment in range(40):
        answered(pace, moment, moment + 21, 60)  # our places become free one by one, and others take them
    for retry_after in (1.0, 1.0, 1.0, 1.0, 1.0, 30.0):
        while isinstance(permit := pace.reserve(now), Wait):
            now = permit.until
        pace.sent(permit, now)
        pace.refused(permit, now, retry_after, "minute", said(60, 60))
        waits.append(round(wait(pace, now).until - now, 6))
    assert waits == [1.0, 2.0, 4.0, 8.0, 8.0, 30.0]


# the first answer


def test_before_the_first_answer_one_request_leads_and_the_rest_wait_for_it() -> None:
    pace = luma(None)
    leader = send(pace, 0.0)
    assert wait(pace, 0.1) == Wait(JITTER, "minute", sooner=True)
    pace.received(leader, 0.4, said(10, 1), succeeded=True)
    assert pace.windows[0].limit == 10
    grant(pace, 0.5)


def test_while_its_answer_is_late_twice_as_many_may_leave_with_each_moment_without_a_refusal() -> None:
    pace, now, sent = luma(None), 100.0, list[float]()
    leader = send(pace, now)
    while pace.windows[0].limit is None:
        if isinstance(got := pace.reserve(now), Wait):
            assert now < got.until <= now + JITTER
            now = got.until
        else:
            pace.sent(got, now)
            sent.append(now)
    assert pace.windows[0].limit == UNKNOWN_LIMIT
    for doublings in range(5):
        until = 100.0 + (doublings + 1) * JITTER
        assert 1 + sum(moment < until - 1e-6 for moment in sent) == 2**doublings
    assert all(later - sooner >= GAP - 1e-9 for sooner, later in pairwise(sent))
    pace.received(leader, 140.0, said(120, 1), succeeded=True)
    assert pace.windows[0].limit == 120


@pytest.mark.parametrize("end", ["dropped", "refused", "failed"])
def test_a_leader_that_learns_nothing_hands_over_to_the_next(end: str) -> None:
    pace = luma(None)
    leader = grant(pace, 0.0)
    if end == "dropped":
        pace.give_back(leader)
    else:
        pace.sent(leader, 0.0)
        if end == "refused":
            pace.refused(leader, 0.5, 2.0, "minute", None)
        else:
            pace.received(leader, 0.5, None, succeeded=False)
    grant(pace, 3.0)
    wait(pace, 3.1)


def test_a_server_that_names_no_limit_is_not_paced() -> None:
    pace = luma(None)
    leader = send(pace, 0.0)
    pace.received(leader, 0.1, None, succeeded=True)
    assert pace.unbound
    for _ in range(500):
        send(pace, 0.2)


@pytest.mark.parametrize("silent", [None, RateLimitReport(resets_in=20.0)])
def test_a_server_that_names_no_limit_is_not_paced_however_late_its_first_answer_comes(
    silent: RateLimitReport | None,
) -> None:
    pace, other = luma(None), luma(None)
    leader = send(pace, 0.0)
    for number in range(UNKNOWN_LIMIT - 1):
        send(pace, 5.0 + number)
    other.load(json.loads(json.dumps(pace.dump())), 40.0)
    assert isinstance(pace.reserve(40.0), Wait)
    pace.received(leader, 40.0, silent, succeeded=True)
    other.load(json.loads(json.dumps(pace.dump())), 40.0)
    assert pace.unbound
    assert other.unbound


@pytest.mark.parametrize("limit", [UNKNOWN_LIMIT, 60])
def test_a_limit_that_a_late_answer_names_stays_whatever_the_next_one_leaves_out(limit: int) -> None:
    pace = luma(None)
    leader = send(pace, 0.0)
    later = send(pace, 5.0)
    pace.received(leader, 8.0, said(limit, 2), succeeded=True)
    pace.received(later, 13.0, None, succeeded=True)
    assert pace.windows[0].limit == limit
    assert not pace.unbound


def test_an_answer_without_limits_changes_nothing_of_what_is_known() -> None:
    pace = luma(None)
    answered(pace, 0.0, 4, resets_in=20.0)
    before = pace.states(1.5)["minute"]
    permit = send(pace, 1.2)
    pace.received(permit, 1.3, None, succeeded=True)
    after = pace.states(1.5)["minute"]
    assert (after.limit, after.used) == (before.limit, before.used + 1)
    assert not pace.unbound


# limits and tiers


@pytest.mark.parametrize("tier", TIERS)
def test_a_tier_names_all_three_windows(tier: str) -> None:
    pace = generor()
    permit = send(pace, 0.0)
    pace.received(permit, 0.1, said(TIERS[tier][0], 1, tier), succeeded=True)
    assert tuple(window.limit for window in pace.windows) == TIERS[tier]
    assert pace.tier == tier


def test_a_tier_alone_names_them_as_well() -> None:
    pace = generor()
    pace.received(send(pace, 0.0), 0.1, RateLimitReport(tier="pro"), succeeded=True)
    assert tuple(window.limit for window in pace.windows) == TIERS["pro"]


def test_a_changed_tier_changes_all_three_windows() -> None:
    pace = generor("free")
    permit = send(pace, 0.0)
    pace.received(permit, 0.1, said(120, 1, "pro"), succeeded=True)
    assert tuple(window.limit for window in pace.windows) == TIERS["pro"]


def test_headers_about_the_hour_teach_the_hour() -> None:
    pace = generor("free")
    permit = send(pace, 0.0)
    pace.received(permit, 0.1, said(500, 200, "free"), succeeded=True)
    minute, hour, _ = pace.windows
    assert (minute.limit, used(minute, 1.0)) == (30, 1)
    assert (hour.limit, used(hour, 1.0)) == (500, 200)


def test_an_unknown_tier_leaves_the_hour_and_the_day_as_they_were() -> None:
    pace = generor("free")
    permit = send(pace, 0.0)
    pace.received(permit, 0.1, said(77, 1, "platinum"), succeeded=True)
    assert [window.limit for window in pace.windows] == [77, 500, 5_000]


def test_a_limit_that_an_answer_leaves_out_stays() -> None:
    pace = generor("free")
    pace.received(send(pace, 0.0), 0.1, RateLimitReport(resets_in=5.0), succeeded=True)
    assert [window.limit for window in pace.windows] == [30, 500, 5_000]
    pace.restrict(tier=None, rpm=12, share=1.0)
    assert [window.limit for window in pace.windows] == [12, 500, 5_000]


def test_what_the_caller_says_of_the_minute_goes_before_the_tier() -> None:
    assert [window.limit for window in generor("basic", rpm=12).windows] == [12, 2_000, 20_000]


def load(pace: Pace, other: Pace, now: float) -> None:
    """Load the state that another process has saved."""
    pace.load(json.loads(json.dumps(other.dump())), now)


def limits(pace: Pace) -> list[int | None]:
    return [window.limit for window in pace.windows]


def test_a_given_limit_holds_beside_processes_that_were_given_none_or_another_one() -> None:
    pace = luma(12)
    for other in (luma(None), luma(30), luma(5)):
        load(pace, other, 0.0)
        assert limits(pace) == [12]


def test_a_limit_that_another_process_was_given_ends_with_it() -> None:
    pace = generor()
    load(pace, generor("pro", rpm=7), 0.0)
    assert (limits(pace), pace.tier) == ([None, None, None], None)


def test_a_given_limit_gives_way_to_one_that_an_answer_to_another_process_named() -> None:
    pace, other = luma(12), luma(30)
    answered(other, 0.0, 1, limit=30)
    load(pace, other, 1.0)
    assert limits(pace) == [30]
    pace.restrict(tier=None, rpm=5, share=1.0)
    assert limits(pace) == [30]


def test_a_given_tier_gives_way_to_one_that_an_answer_to_another_process_named() -> None:
    pace, other = generor("free"), generor("pro")
    load(pace, other, 0.0)
    assert (limits(pace), pace.tier) == ([*TIERS["free"]], "free")
    answered(other, 0.0, 1, limit=120, tier="pro")
    load(pace, other, 1.0)
    assert (limits(pace), pace.tier) == ([*TIERS["pro"]], "pro")


def test_a_given_limit_holds_beside_a_process_that_assumes_one() -> None:
    pace, other = luma(100), luma(None)
    grant(other, 0.0)
    for moment in range(1, 20):
        other.reserve(JITTER * moment)
    assert limits(other) == [UNKNOWN_LIMIT]
    load(pace, other, 20 * JITTER)
    assert limits(pace) == [100]


def test_a_given_limit_is_used_while_another_process_finds_it_out() -> None:
    pace, other = luma(100), luma(None)
    grant(other, 0.0)
    load(pace, other, 2.0)
    assert [isinstance(pace.reserve(2.0 + JITTER * moment), Permit) for moment in range(40)] == [True] * 40
    assert limits(pace) == [100]


@pytest.mark.parametrize("make", [lambda: luma(100), lambda: generor("pro", keyless=True)])
def test_only_a_key_of_generor_has_a_tier(make: Callable[[], Pace]) -> None:
    pace = make()
    before = limits(pace)
    pace.restrict(tier="free", rpm=None, share=1.0)
    assert (limits(pace), pace.tier) == (before, None)


def test_without_a_key_only_the_minute_counts() -> None:
    pace = generor(keyless=True)
    assert [(window.scope, window.limit) for window in pace.windows] == [("minute", KEYLESS)]


def test_a_lower_limit_blocks_and_drops_no_entry() -> None:
    pace = luma(10)
    permits = [send(pace, turn / 2) for turn in range(8)]
    pace.received(permits[-1], 4.0, said(4, 4), succeeded=True)
    assert own(pace.windows[0], 4.0) >= 4
    assert pace.windows[0].state(4.0, 0).remaining == 0
    wait(pace, 4.1)


def test_a_late_answer_never_brings_an_old_limit_back() -> None:
    pace = luma(10)
    slow = send(pace, 0.0)
    answered(pace, 1.0, 2, 5)
    pace.received(slow, 3.0, said(10, 1), succeeded=True)
    assert pace.windows[0].limit == 5


def test_a_higher_limit_applies_at_once() -> None:
    pace = luma(1)
    permit = send(pace, 0.0)
    wait(pace, 0.1)
    pace.received(permit, 0.5, said(2, 1), succeeded=True)
    grant(pace, 0.6)


def test_a_share_leaves_the_rest_to_others() -> None:
    pace = luma(10, share=0.35)
    for turn in range(3):
        send(pace, float(turn))
    assert wait(pace, 4.0).until == JITTER + MINUTE


def test_a_share_that_is_used_up_asks_nothing_of_the_rest() -> None:
    pace = luma(10, share=0.5)
    for turn in range(5):
        answered(pace, float(turn), turn + 6, resets_in=10.0)
    assert wait(pace, 5.0).until == MINUTE + 0.1


def test_however_small_the_share_one_request_may_go() -> None:
    grant(luma(3, share=0.01), 0.0)


# refusals


def test_a_refusal_holds_every_request_until_its_wait_is_over() -> None:
    pace = luma(10)
    permit = send(pace, 0.0)
    pace.refused(permit, 0.2, 12.0, "minute", said(10, 10))
    assert wait(pace, 1.0) == Wait(12.2, "minute")
    assert own(pace.windows[0], 1.0) == 0, "the server did not count it"
    grant(pace, 12.2)


def test_after_a_refusal_the_queue_is_let_go_in_order_and_not_as_a_herd() -> None:
    pace = luma(10)
    pace.refused(send(pace, 0.0), 0.2, 12.0, "minute", said(10, 10))
    send(pace, 12.2)
    assert wait(pace, 12.2).until > 12.2


def test_a_shorter_wait_never_ends_a_longer_one() -> None:
    pace = luma(10)
    first = answered(pace, 0.0, 1)
    first, second = send(pace, 0.2), send(pace, 0.3)
    pace.refused(first, 0.4, 40.0, "minute", None)
    pace.refused(second, 0.5, 1.0, "minute", None)
    assert wait(pace, 5.0).until == 40.4


def test_a_refusal_by_the_hour_names_the_hour() -> None:
    pace = generor("free")
    pace.refused(send(pace, 0.0), 0.2, 1_200.0, "hour", said(500, 500, "free"))
    assert wait(pace, 100.0) == Wait(1_200.2, "hour")


def test_a_refusal_tells_of_others() -> None:
    pace = luma(3)
    send(pace, 0.0)
    pace.refused(send(pace, 1.0), 1.2, 5.0, "minute", said(3, 3))
    assert used(pace.windows[0], 1.3) == 3


def test_a_refusal_names_the_limit_as_well() -> None:
    pace = luma(10)
    permit = send(pace, 0.0)
    pace.refused(permit, 0.2, 1.0, "minute", said(5, 5))
    assert pace.windows[0].limit == 5


def test_a_hold_is_kept_to_whoever_asked_for_it() -> None:
    pace = luma(10)
    pace.hold(40.0, "hour")
    pace.hold(20.0, "minute")
    assert wait(pace, 1.0) == Wait(40.0, "hour")


# evenness


def test_bulk_is_spread_evenly_over_the_minute() -> None:
    life = world("sliding", 30, 1, calls=90, smooth=True).run()
    sends = sorted(arrival.sent for arrival in life.admitted)
    assert not life.refused
    for first in sends:
        assert sum(first <= sent < first + 10 for sent in sends) <= 5 + 2
    assert 88 * 2.0 <= sends[-1] <= 89 * (MINUTE + 2 * JITTER) / 29, "one place is left to others"


def test_an_even_stream_leaves_a_place_to_whoever_is_in_a_hurry() -> None:
    pace = luma(30)
    now = 0.0
    while now < 200:
        refusal = pace.reserve(now, smooth=True)
        if isinstance(refusal, Permit):
            pace.sent(refusal, now)
        else:
            now = refusal.until
    send(pace, now + JITTER)


def test_the_place_that_an_even_stream_leaves_free_is_not_taken_for_a_request_under_way() -> None:
    pace = luma(30)
    answered(pace, 0, used=20, limit=30)  # others are seen, and little room is left: one goes at a time
    for now in (10.0, 20.0):
        permit = grant(pace, now, smooth=True)
        pace.sent(permit, now)
        pace.received(permit, now + 0.1, None, succeeded=True)


@pytest.mark.parametrize("limit", [1, 2, 14])
def test_where_places_are_few_an_even_stream_uses_all_of_them(limit: int) -> None:
    life = world("sliding", limit, 1, calls=4 * limit, smooth=True).run()
    assert max(arrival.sent for arrival in life.admitted) <= 4 * (MINUTE + 2 * JITTER)


def test_the_interval_is_that_of_our_share_of_the_minute() -> None:
    assert luma(30).interval() == 2.0
    assert luma(30, share=0.5).interval() == 4.0
    assert luma(None).interval() == 0.0


# what is shown


def test_a_window_shows_how_it_stands() -> None:
    pace = luma(10)
    answered(pace, 0.0, 4)
    state = pace.states(1.0)["minute"]
    assert (state.scope, state.limit, state.used, state.remaining) == ("minute", 10, 4, 6)
    assert state.resets_at == 0.1 + MINUTE
    assert state.later(5.0).resets_at == 5.1 + MINUTE
    empty = luma(None).states(0.0)["minute"]
    assert (empty.limit, empty.used, empty.remaining, empty.resets_at) == (None, 0, None, None)


def test_what_is_let_go_and_not_sent_yet_is_used() -> None:
    pace = luma(10)
    grant(pace, 0.0)
    assert pace.states(0.0)["minute"].used == 1


def test_limits_that_an_answer_without_a_permit_names_are_taken_over() -> None:
    pace = luma(None)
    pace.received(send(pace, 0.0), 0.1, None, succeeded=True)
    pace.learn_limits(said(10, 4))
    assert not pace.unbound
    assert pace.windows[0].limit == 10


# --- clients that are given different numbers -------------------------------------------------------------------------

shares = st.sampled_from([0.25, 0.5, 1.0])
givens = st.fixed_dictionaries(
    {"tier": st.none() | st.sampled_from(list(TIERS)), "rpm": st.none() | st.integers(1, 500), "share": shares}
)


def least(values: list[int | None]) -> int | None:
    return min((value for value in values if value is not None), default=None)


@given(st.lists(givens, min_size=1, max_size=4))
def test_of_the_numbers_that_several_are_given_the_smallest_hold_in_whatever_order(many: list[dict[str, Any]]) -> None:
    pace = generor(**many[0])
    for each in many[1:]:
        pace.restrict(**each)
    for at, window in enumerate(pace.windows):
        limits = [TIERS[each["tier"]][at] if each["tier"] else None for each in many]
        if at == 0:
            limits = [each["rpm"] or limit for each, limit in zip(many, limits, strict=True)]
        assert window.limit == least(limits)
        assert window.share == min(each["share"] for each in many)
    tiers = [each["tier"] for each in many if each["tier"]]
    assert pace.tier == min(tiers, key=TIERS.__getitem__, default=None)


def test_what_an_answer_has_named_no_number_that_is_given_later_changes() -> None:
    pace = luma(None)
    answered(pace, 0.0, 1, limit=100)
    pace.restrict(tier=None, rpm=5, share=0.5)
    assert (pace.windows[0].limit, pace.windows[0].share) == (100, 0.5)
