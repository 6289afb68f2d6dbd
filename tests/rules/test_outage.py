"""Outages against a plain simulation of calls."""

import math
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.http_types import Form
from generor_async.rules.outage import (
    CALM_SECONDS,
    HEALTHY_CONCURRENCY,
    LONGEST_OUTAGE_WAIT,
    OUTAGE_FAILURES,
    SECOND_PROBE_SECONDS,
    Outage,
    OutageTicket,
    has_url_references,
)
from generor_async.rules.wait import Wait


def fail(outage: Outage, began: float, now: float, *, draw: float = 0.0) -> None:
    outage.record_failure(began, now, 502, told=None, draw=draw)


def let_go(outage: Outage, now: float) -> list[OutageTicket]:
    """Let go whoever may."""
    found: list[OutageTicket] = []
    while not outage.healthy and isinstance(ticket := outage.reserve(now), OutageTicket):
        found.append(ticket)
    return found


def test_one_call_asks_when_the_backoff_is_over() -> None:
    outage = Outage()
    fail(outage, 0.0, 0.1)
    assert not outage.healthy
    assert outage.reserve(5.0) == Wait(5.1, "outage")
    assert isinstance(outage.reserve(5.1), OutageTicket)
    assert outage.reserve(6.0) == Wait(5.1 + SECOND_PROBE_SECONDS, "outage", sooner=True)


def test_another_asks_as_well_where_the_one_that_asks_gets_no_answer() -> None:
    outage = Outage()
    fail(outage, 0.0, 0.0)
    (hangs,) = let_go(outage, 10.0)
    (other,) = let_go(outage, 10.0 + SECOND_PROBE_SECONDS)
    outage.record_success(10.0 + SECOND_PROBE_SECONDS)
    outage.give_back(other)
    assert len(let_go(outage, 11.0 + SECOND_PROBE_SECONDS)) == 1, "and after a good answer more may leave"
    outage.give_back(hangs)


def test_calls_that_were_under_way_together_are_one_failure() -> None:
    outage = Outage()
    for number in range(50):
        fail(outage, 0.0, 0.1 + number / 1_000)
    assert outage.reserve(5.0) == Wait(5.1, "outage")


def test_each_failed_probe_lengthens_the_backoff_up_to_half_a_minute() -> None:
    outage, now, gaps = Outage(), 0.0, list[float]()
    fail(outage, now, now)
    for _ in range(5):
        wait = outage.reserve(now)
        assert isinstance(wait, Wait)
        gaps.append(wait.until - now)
        now = wait.until
        ticket = outage.reserve(now)
        assert isinstance(ticket, OutageTicket)
        fail(outage, now, now)
        outage.give_back(ticket)
    assert gaps == [5, 10, 15, 15, 15]


@pytest.mark.parametrize(("told", "asked"), [(45.0, 45.0), (86_400.0, LONGEST_OUTAGE_WAIT)])
def test_a_retry_after_is_kept_for_a_minute_at_the_most(told: float, asked: float) -> None:
    outage = Outage()
    outage.record_failure(0.0, 0.0, 503, told=told, draw=0.0)
    assert outage.reserve(asked - 1) == Wait(asked, "outage")


def test_calls_leave_at_twice_the_pace_of_the_successes() -> None:
    outage = Outage()
    fail(outage, 0.0, 0.0)
    rounds: list[int] = []
    now = 10.0
    while tickets := let_go(outage, now):
        rounds.append(len(tickets))
        for ticket in tickets:
            outage.record_success(now)
            outage.give_back(ticket)
        now += 0.1
    assert rounds == [1, 2, 4, 8, 16, 32, 64]
    assert outage.healthy


def test_a_failure_among_successes_halves_concurrency_and_several_in_a_row_are_an_outage() -> None:
    outage = Outage()
    fail(outage, 0.0, 0.0)
    for now in (10.0, 10.1, 10.2):
        for ticket in let_go(outage, now):
            outage.record_success(now)
            outage.give_back(ticket)
    tickets = let_go(outage, 10.3)
    assert len(tickets) == 8
    for ticket in tickets:
        fail(outage, 10.3, 10.4)
        outage.give_back(ticket)
    assert len(let_go(outage, 10.5)) == 4, "they were under way together: one failure"
    for number in range(OUTAGE_FAILURES - 2):
        fail(outage, 11.0 + number, 11.5 + number)
    found = outage.reserve(20.0)
    assert not isinstance(found, Wait) or found.sooner, "it isn't away"
    fail(outage, 20.0, 20.1)
    assert outage.reserve(21.0) == Wait(25.1, "outage"), "the backoff begins anew"


def test_a_good_answer_to_a_call_from_before_the_outage_says_nothing() -> None:
    outage = Outage()
    fail(outage, 5.0, 5.1)
    outage.record_success(0.0)
    assert outage.reserve(6.0) == Wait(10.1, "outage")


def test_a_probe_that_is_given_back_leaves_it_to_the_next_call() -> None:
    outage = Outage()
    fail(outage, 0.0, 0.0)
    (asker,) = let_go(outage, 10.0)
    assert let_go(outage, 10.0) == []
    outage.give_back(asker)
    assert len(let_go(outage, 10.0)) == 1


def test_an_outage_of_which_nothing_was_heard_for_a_minute_is_over() -> None:
    outage = Outage()
    fail(outage, 0.0, 0.0)
    assert isinstance(outage.reserve(5.0 + CALM_SECONDS), OutageTicket)
    assert outage.healthy


@given(st.integers(1, 300), st.floats(0.5, 60), st.sampled_from([502, 503]), st.floats(0.01, 3), st.integers(0, 2**32))
def test_calls_over_an_outage_are_sent_three_times_at_most_on_the_average(
    calls: int, seconds: float, status: int, trip: float, seed: int
) -> None:
    """All calls are sent at once, and the API is away for so many seconds; an answer takes `trip`."""
    outage, random = Outage(), Random(seed)
    waiting, posts, now, asks = calls, calls, trip, 0
    under_way: list[tuple[float, OutageTicket]] = []
    for _ in range(calls):
        outage.record_failure(0.0, now, status, told=None, draw=random.random())
    done = 0
    while done < calls:
        step: OutageTicket | Wait | None = None
        while waiting and isinstance(step := outage.reserve(now), OutageTicket):
            under_way.append((now, step))
            waiting, posts = waiting - 1, posts + 1
        if isinstance(step, Wait) and not under_way:
            assert now < step.until < math.inf, "somebody must be able to go"
            now, asks = step.until, asks + 1
            continue
        began, ticket = under_way.pop(0)
        now = max(now, began + trip)
        if began < seconds:
            outage.record_failure(began, now, status, told=None, draw=random.random())
            waiting += 1
        else:
            outage.record_success(began)
            done += 1
        outage.give_back(ticket)
        assert len(under_way) <= HEALTHY_CONCURRENCY or outage.healthy
    assert posts <= 2 * calls + asks + 1
    assert asks <= 8


URL: dict[str, Any] = {"url": "https://example.com/a.png"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (None, False),
        ({"prompt": "see https://example.com"}, False),
        ({"image_ref": [{"data": "", "media_type": "image/png"}, URL]}, True),
        ({"source": URL}, True),
        ({"video": {"edit": {"keyframes": [URL]}}}, True),
        ({"image_ref": [{"url": None}, {"generation_id": "x"}]}, False),
        (Form(content=b"", filename="a", media_type="b"), False),
    ],
)
def test_a_call_that_names_media_by_url_is_known_by_its_body(body: Any, expected: bool) -> None:
    assert has_url_references(body) is expected
