"""The pace against brute-force models of the server, and each of its rules alone."""

import math
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.worlds import EPOCH, Kind, Server, ServerWindow, World

from generor_async.rules.pace import GAP, KEYLESS, LEADER_SECONDS, ROOM, TIERS, UNKNOWN_LIMIT, Pace
from generor_async.rules.wait import Wait
from generor_async.rules.window import DAY, HOUR, JITTER, MINUTE, REMEMBERED, SPARE, Permit, Scope
from generor_async.values import RateLimit

kinds = st.sampled_from(["fixed", "sliding"])
seeds = st.integers(0, 2**32)
bases = st.sampled_from([0.0, 0.05, 0.4, 3.0])


def luma(limit: int | None, share: float = 1.0) -> Pace:
    return Pace.of_luma(rpm=limit, share=share)


def generor(tier: str | None = None, *, rpm: int | None = None, keyless: bool = False, share: float = 1.0) -> Pace:
    return Pace.of_generor(keyless=keyless, tier=tier, rpm=rpm, share=share)


def said(limit: int, used: int, tier: str | None = None) -> RateLimit:
    return RateLimit(limit=limit, remaining=limit - used, reset=EPOCH, tier=tier)


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


def answered(pace: Pace, now: float, used: int, limit: int = 10, took: float = 0.1) -> Permit:
    """Send one and have it answered."""
    permit = send(pace, now)
    pace.received(permit, now + took, said(limit, used), succeeded=True)
    return permit


def world(
    kind: Kind, limit: int, seed: int, *, calls: int, pace: Pace | None = None, phase: float = 0.0, **known: Any
) -> World:
    dice = Random(seed)
    server = Server([ServerWindow("minute", limit, kind, phase)])
    return World(pace or luma(limit), server, dice, calls, **known)


# --- against models of the server -----------------------------------------------------------------------------------


@given(
    kinds, st.integers(1, 40), seeds, bases, st.floats(0, 60), st.sampled_from([0.0, 0.5, 4.0]), st.floats(0.02, 150)
)
@settings(max_examples=120)
def test_alone_on_a_key_nothing_is_ever_refused_and_no_place_is_left_unused(
    kind: Kind, limit: int, seed: int, base: float, phase: float, connecting: float, service: float
) -> None:
    life = world(kind, limit, seed, calls=4 * limit + 3, base=base, phase=phase, connecting=connecting, service=service)
    life.run()
    assert not life.refused
    turn = MINUTE + JITTER + connecting
    for place, sent in enumerate(sorted(arrival.sent for arrival in life.admitted)):
        assert sent <= place // limit * turn + place % limit * GAP + connecting + 1e-6


@given(kinds, st.sampled_from([1, 5, 30]), seeds, st.floats(0.02, 150))
@settings(max_examples=40)
def test_a_limit_that_nobody_named_beforehand_is_learned_without_a_refusal(
    kind: Kind, limit: int, seed: int, service: float
) -> None:
    life = world(kind, limit, seed, calls=2 * limit + 2, pace=luma(None), service=service)
    life.run()
    late_leader = life.answered_at[0] > LEADER_SECONDS
    assert late_leader or not life.refused


@given(kinds, seeds, st.sampled_from(["free", "basic"]))
@settings(max_examples=4)
def test_three_windows_are_kept_at_once(kind: Kind, seed: int, tier: str) -> None:
    spans: tuple[Scope, ...] = ("minute", "hour", "day")
    limits = TIERS[tier]
    windows = [ServerWindow(scope, limit, kind) for scope, limit in zip(spans, limits, strict=True)]
    calls = limits[1] * 2 + 1
    life = World(generor(tier), Server(windows, tier), Random(seed), calls)
    life.run()
    assert not life.refused
    last = max(arrival.sent for arrival in life.admitted)
    assert 2 * HOUR <= last <= 2 * (HOUR + JITTER) + limits[0] * GAP + 1


@given(kinds, seeds, st.sampled_from([0.05, 0.25, 0.5]), st.floats(0.02, 60))
@settings(max_examples=40)
def test_beside_others_on_the_key_refusals_stay_few_and_everything_gets_through(
    kind: Kind, seed: int, foreign: float, service: float
) -> None:
    life = world(kind, 60, seed, calls=240, foreign=foreign, service=service)
    life.run()
    assert len(life.admitted) == 240
    assert len(life.refused) <= 8


@given(kinds, st.integers(2, 40), st.integers(1, 40), seeds, st.floats(1, 150))
@settings(max_examples=50)
def test_a_changed_limit_holds_from_the_first_answer_that_names_it(
    kind: Kind, before: int, after: int, seed: int, when: float
) -> None:
    life = world(kind, before, seed, calls=2 * max(before, after) + 1, service=5.0)
    heard: list[float] = []

    def change() -> None:
        life.server.windows[0].limit = after

    learn = life.pace.windows[0]
    life.at(when, change)
    check = life.at

    def watch() -> None:
        newer = life.pace._told > when  # pyright: ignore[reportPrivateUsage] # answers may overtake one another
        if learn.limit == after and newer:
            heard.append(life.now)
        elif not heard:
            check(life.now + 0.1, watch)

    if before != after:
        check(when, watch)
    life.run()
    if before == after:
        assert not life.refused
    for refusal in life.refused:
        assert not heard or refusal.sent <= heard[0], "sent after the limit was known"


@given(seeds, st.floats(0.02, 150))
@settings(max_examples=20)
def test_two_shares_of_half_a_limit_never_meet_a_refusal(seed: int, service: float) -> None:
    server = Server([ServerWindow("minute", 31, "sliding")])
    both = [World(luma(31, 0.5), server, Random(seed + n), 60, service=service) for n in range(2)]
    for one in both:
        one.begin()
    while any(len(one.answered_at) < one.calls for one in both):
        min(both, key=lambda one: one.next_at).step()
    assert not both[0].refused
    assert not both[1].refused


# --- the count of our own against a naive list ----------------------------------------------------------------------


class NaiveWindow:
    """What is in a window, as plain lists: those that have not left, and when each that was sent may, or must, go."""

    def __init__(self) -> None:
        self.unsent: set[int] = set()
        self.ends: dict[int, tuple[float, float]] = {}

    def send(self, key: int, now: float) -> None:
        if key in self.unsent:
            self.unsent.remove(key)
            latest = now + JITTER + MINUTE
            self.ends[key] = latest, latest

    def answer(self, key: int, now: float) -> None:
        self.send(key, now)
        soonest, latest = self.ends[key]
        self.ends[key] = min(soonest, now + MINUTE), latest

    def forget(self, key: int) -> None:
        self.unsent.discard(key)
        self.ends.pop(key, None)

    def least(self, now: float) -> int:
        return len(self.unsent) + sum(soonest > now for soonest, _ in self.ends.values())

    def most(self, now: float) -> int:
        return len(self.unsent) + sum(latest > now for _, latest in self.ends.values())


steps = st.lists(
    st.tuples(
        st.sampled_from(["grant", "grant", "send", "answer", "answer", "refuse", "drop", "pass"]),
        st.integers(0, 9),
        st.sampled_from([0.0, 0.2, 5.0, 61.0]),
    ),
    max_size=80,
)


@given(steps, st.booleans())
@settings(max_examples=300)
def test_however_permits_end_nothing_is_forgotten_too_soon_or_more_than_the_jitter_too_late(
    history: list[tuple[str, int, float]], thrifty: bool
) -> None:
    pace, naive, now = luma(1_000), NaiveWindow(), 0.0
    permits: list[tuple[int, Permit]] = []
    for number, (what, which, later) in enumerate(history):
        now += GAP + later
        if thrifty:
            pace._room = 0  # pyright: ignore[reportPrivateUsage] # the log is shortened each time
        if what == "grant":
            permit = pace.reserve(now)
            if isinstance(permit, Permit):
                permits.append((number, permit))
                naive.unsent.add(number)
        elif permits and what != "pass":
            key, permit = permits[which % len(permits)]
            match what:
                case "send":
                    naive.send(key, now)
                    pace.sent(permit, now)
                case "answer":
                    pace.received(permit, now, None, succeeded=True)
                    naive.answer(key, now)
                case "refuse":
                    pace.refused(permit, now, 0.001, "minute", None)
                    naive.forget(key)
                    pace.windows[0].full(now, now)
                    pace.windows[0]._phantoms.clear()  # pyright: ignore[reportPrivateUsage] # our own alone
                    pace.windows[0]._neighbours = (-math.inf, 0)  # pyright: ignore[reportPrivateUsage]
                case _:
                    if permit.sent is None:
                        naive.forget(key)
                    pace.dropped(permit)
            if what != "send":
                permits.remove((key, permit))
        assert naive.least(now) <= pace.windows[0].own(now) <= naive.most(now)


# --- each rule alone ------------------------------------------------------------------------------------------------


def test_a_place_is_free_again_when_the_server_must_have_forgotten_the_request() -> None:
    pace = luma(1)
    send(pace, 100.0)
    until = wait(pace, 101.0).until
    assert until == 100 + JITTER + MINUTE
    grant(pace, until)


def test_an_answer_that_comes_sooner_than_the_jitter_frees_the_place_sooner() -> None:
    pace = luma(1)
    answered(pace, 100.0, used=1, limit=1, took=0.05)
    assert wait(pace, 101.0).until == 100.05 + MINUTE


def test_an_entry_is_never_dated_by_an_answer_that_comes_late() -> None:
    pace = luma(1)
    answered(pace, 100.0, used=1, limit=1, took=55.0)
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
    pace.dropped(permit)
    assert pace.windows[0].own(100.0) == 0
    grant(pace, 101.0)


def test_a_request_that_was_sent_is_spent_whatever_came_of_it() -> None:
    pace = luma(1)
    pace.dropped(send(pace, 100.0))
    assert pace.windows[0].own(100.0) == 1


def test_requests_leave_a_moment_apart_so_that_one_refusal_stops_the_rest() -> None:
    pace = luma(10)
    send(pace, 100.0)
    assert wait(pace, 100.0) == Wait(100.0 + GAP, "minute")
    grant(pace, 100.0 + GAP)


def test_the_window_that_is_full_is_named() -> None:
    pace = generor("free")
    pace.windows[2].limit = 1
    send(pace, 0.0)
    refusal = wait(pace, 100.0)
    assert refusal.scope == "day"
    assert refusal.until == DAY + JITTER


def test_of_two_that_left_together_neither_place_is_free_before_that_of_the_first() -> None:
    pace = luma(2)
    send(pace, 100.0)
    answered(pace, 100.2, used=2, limit=2, took=0.05)
    assert wait(pace, 101.0).until == 100.0 + JITTER + MINUTE
    assert pace.windows[0].own(100.0 + JITTER + MINUTE) == 0


def test_a_log_holds_no_more_than_twice_what_counts() -> None:
    pace = luma(1_000)
    for turn in range(20_000):
        send(pace, turn / 10)
        assert len(pace.windows[0].log.bases) <= ROOM + 2 * pace.windows[0].own(turn / 10)


def test_what_is_refused_is_forgotten_wherever_it_stands_in_the_log() -> None:
    pace = generor("basic", rpm=3)
    permits = [send(pace, number * 1.0) for number in range(3)]
    pace.refused(permits[0], 2.5, 1.0, "minute", None)
    assert [window.own(3.0) for window in pace.windows] == [2, 2, 2]
    assert pace.windows[1].next_end(3.0) == 1.0 + JITTER + HOUR
    pace.refused(permits[2], 2.6, 1.0, "minute", None)
    assert [window.own(2.0 + MINUTE) for window in pace.windows] == [0, 1, 1]
    pace.refused(permits[1], 2.0 + MINUTE, 1.0, "minute", None)
    assert [window.own(2.0 + MINUTE) for window in pace.windows] == [0, 0, 0]
    assert pace.windows[2].state(3.0 + MINUTE).resets_at is None


# what others use


def test_what_the_server_counted_beyond_our_own_takes_places() -> None:
    pace = luma(10)
    answered(pace, 0.0, used=4)
    assert pace.windows[0].used(1.0) == 4
    assert pace.windows[0].own(1.0) == 1


def test_others_leave_the_window_after_a_span_at_the_latest() -> None:
    pace = luma(10)
    answered(pace, 0.0, used=4)
    assert pace.windows[0].used(MINUTE) == 4
    assert pace.windows[0].used(MINUTE + 0.11) == 0


def test_a_newer_answer_corrects_how_many_others_there_are() -> None:
    pace = luma(10)
    answered(pace, 0.0, used=6)
    answered(pace, 1.0, used=4)
    assert pace.windows[0].used(2.0) == 4
    answered(pace, 3.0, used=8)
    assert pace.windows[0].used(4.0) == 8


def test_a_late_answer_never_changes_what_a_newer_one_said() -> None:
    pace = luma(10)
    slow = send(pace, 0.0)
    answered(pace, 1.0, used=7)
    pace.received(slow, 50.0, said(10, 1), succeeded=True)
    assert pace.windows[0].used(50.0) == 7
    slower = send(pace, 50.0)
    answered(pace, 51.0, used=4)
    pace.received(slower, 55.0, said(10, 10), succeeded=True)
    assert pace.windows[0].used(55.0) == 4


def test_our_own_requests_that_overtook_one_another_are_not_taken_for_others() -> None:
    pace = luma(10)
    first, second = send(pace, 0.0), send(pace, 0.2)
    pace.received(first, 0.5, said(10, 2), succeeded=True)
    pace.received(second, 0.6, said(10, 1), succeeded=True)
    assert pace.windows[0].used(0.6) == 2


def test_a_long_post_that_was_never_stamped_teaches_nothing_of_others() -> None:
    pace = luma(10)
    slow = grant(pace, 0.0)
    for turn in range(1, 8):
        answered(pace, float(turn), used=turn + 1)
    now = 2 * MINUTE
    pace.received(slow, now, said(10, 8), succeeded=True)
    assert pace.windows[0].used(now) == 1, "its numbers are two minutes old"


def test_places_that_others_had_are_left_to_them_for_a_while() -> None:
    pace = luma(10)
    answered(pace, 0.0, used=4)
    now = 2 * MINUTE
    for turn in range(10 - 3 - SPARE):
        send(pace, now + turn)
    assert wait(pace, now + 10).until <= now + MINUTE + JITTER + 1
    late = now + REMEMBERED
    for turn in range(10):
        send(pace, late + turn)


def test_others_who_fill_the_whole_window_still_leave_us_one_place() -> None:
    pace = luma(3)
    answered(pace, 0.0, used=3, limit=3)
    wait(pace, 1.0)
    grant(pace, MINUTE + 1)


# the first answer


def test_before_the_first_answer_one_request_leads_and_the_rest_wait_for_it() -> None:
    pace = luma(None)
    leader = send(pace, 0.0)
    assert wait(pace, 0.1) == Wait(LEADER_SECONDS, "minute")
    pace.received(leader, 0.4, said(10, 1), succeeded=True)
    assert pace.windows[0].limit == 10
    grant(pace, 0.5)


def test_a_leader_whose_answer_is_late_is_waited_for_five_seconds() -> None:
    pace = luma(None)
    leader = send(pace, 0.0)
    for _ in range(UNKNOWN_LIMIT - 1):
        grant(pace, LEADER_SECONDS + _)
    assert pace.windows[0].limit == UNKNOWN_LIMIT
    pace.received(leader, 40.0, said(120, 1), succeeded=True)
    assert pace.windows[0].limit == 120


@pytest.mark.parametrize("end", ["dropped", "refused", "failed"])
def test_a_leader_that_learns_nothing_hands_over_to_the_next(end: str) -> None:
    pace = luma(None)
    leader = grant(pace, 0.0)
    if end == "dropped":
        pace.dropped(leader)
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
    for _ in range(500):
        send(pace, 0.2)


def test_a_tier_that_is_known_beforehand_needs_no_leader() -> None:
    pace = generor("basic")
    send(pace, 0.0)
    grant(pace, GAP)


# limits and tiers


@pytest.mark.parametrize("tier", TIERS)
def test_a_tier_names_all_three_windows(tier: str) -> None:
    pace = generor()
    permit = send(pace, 0.0)
    pace.received(permit, 0.1, said(TIERS[tier][0], 1, tier), succeeded=True)
    assert tuple(window.limit for window in pace.windows) == TIERS[tier]
    assert pace.tier == tier


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
    assert (minute.limit, minute.used(1.0)) == (30, 1)
    assert (hour.limit, hour.used(1.0)) == (500, 200)


def test_an_unknown_tier_leaves_the_hour_and_the_day_as_they_were() -> None:
    pace = generor("free")
    permit = send(pace, 0.0)
    pace.received(permit, 0.1, said(77, 1, "platinum"), succeeded=True)
    assert [window.limit for window in pace.windows] == [77, 500, 5_000]


def test_what_the_caller_says_of_the_minute_goes_before_the_tier() -> None:
    assert [window.limit for window in generor("basic", rpm=12).windows] == [12, 2_000, 20_000]


def test_without_a_key_only_the_minute_counts() -> None:
    pace = generor(keyless=True)
    assert [(window.scope, window.limit) for window in pace.windows] == [("minute", KEYLESS)]


def test_a_lower_limit_blocks_and_drops_no_entry() -> None:
    pace = luma(10)
    permits = [send(pace, turn / 10) for turn in range(8)]
    pace.received(permits[-1], 1.0, said(4, 4), succeeded=True)
    assert pace.windows[0].own(1.0) == 8
    assert pace.windows[0].left(1.0) < 0
    assert pace.windows[0].state(1.0).remaining == 0


def test_a_late_answer_never_brings_an_old_limit_back() -> None:
    pace = luma(10)
    slow = send(pace, 0.0)
    answered(pace, 1.0, used=1, limit=5)
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
    wait(pace, 4.0)


def test_however_small_the_share_one_request_may_go() -> None:
    grant(luma(3, share=0.01), 0.0)


# refusals


def test_a_refusal_holds_every_request_until_its_wait_is_over() -> None:
    pace = luma(10)
    permit = send(pace, 0.0)
    pace.refused(permit, 0.2, 12.0, "minute", said(10, 10))
    assert wait(pace, 1.0) == Wait(12.2, "minute")
    assert pace.windows[0].own(1.0) == 0, "the server did not count it"
    grant(pace, 12.2)


def test_after_a_refusal_the_queue_is_let_go_in_order_and_not_as_a_herd() -> None:
    pace = luma(10)
    pace.refused(send(pace, 0.0), 0.2, 12.0, "minute", said(10, 10))
    send(pace, 12.2)
    assert wait(pace, 12.2).until > 12.2


def test_a_shorter_wait_never_ends_a_longer_one() -> None:
    pace = luma(10)
    first, second = send(pace, 0.0), send(pace, 0.1)
    pace.refused(first, 0.2, 40.0, "minute", None)
    pace.refused(second, 0.3, 1.0, "minute", None)
    assert wait(pace, 5.0).until == 40.2


def test_a_refusal_by_the_hour_names_the_hour() -> None:
    pace = generor("free")
    pace.refused(send(pace, 0.0), 0.2, 1_200.0, "hour", said(500, 500, "free"))
    assert wait(pace, 100.0) == Wait(1_200.2, "hour")


def test_a_refusal_tells_of_others() -> None:
    pace = luma(3)
    send(pace, 0.0)
    pace.refused(send(pace, 1.0), 1.2, 5.0, "minute", said(3, 3))
    assert pace.windows[0].used(1.3) == 3


def test_a_refusal_that_is_stale_takes_its_limit_from_a_newer_answer() -> None:
    pace = luma(10)
    permit = send(pace, 0.0)
    pace.refused(permit, 0.2, 1.0, "minute", said(5, 5))
    assert pace.windows[0].limit == 5


# evenness


def test_bulk_is_spread_evenly_over_the_minute() -> None:
    life = world("sliding", 30, 1, calls=90, smooth=True)
    life.run()
    sends = sorted(arrival.sent for arrival in life.admitted)
    assert not life.refused
    for first in sends:
        assert sum(first <= sent < first + 10 for sent in sends) <= 5 + 2
    assert 88 * 2.0 <= sends[-1] <= 89 * (MINUTE + JITTER) / 29, "one place is left to others"


def test_an_even_stream_leaves_a_place_to_whoever_is_in_a_hurry() -> None:
    pace = luma(30)
    now = 0.0
    while now < 200:
        refusal = pace.reserve(now, smooth=True)
        if isinstance(refusal, Permit):
            pace.sent(refusal, now)
        else:
            now = refusal.until
    send(pace, now + GAP)


@pytest.mark.parametrize("limit", [1, 2, 14])
def test_where_places_are_few_an_even_stream_uses_all_of_them(limit: int) -> None:
    life = world("sliding", limit, 1, calls=4 * limit, smooth=True)
    life.run()
    assert max(arrival.sent for arrival in life.admitted) <= 4 * (MINUTE + 2 * JITTER)


def test_the_interval_is_that_of_our_share_of_the_minute() -> None:
    assert luma(30).interval() == 2.0
    assert luma(30, share=0.5).interval() == 4.0
    assert luma(None).interval() == 0.0


# what is shown


def test_a_window_shows_how_it_stands() -> None:
    pace = luma(10)
    answered(pace, 0.0, used=4)
    state = pace.windows[0].state(1.0)
    assert (state.scope, state.limit, state.used, state.remaining) == ("minute", 10, 4, 6)
    assert state.resets_at == 0.1 + MINUTE
    empty = luma(None).windows[0].state(0.0)
    assert (empty.limit, empty.used, empty.remaining, empty.resets_at) == (None, 0, None, None)
