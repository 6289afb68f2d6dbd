"""Failed polls, against a model that keeps all answers."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import context, reply

from generor_async.errors import (
    APIError,
    ClientClosedError,
    DeadlineExceededError,
    InvalidRequestError,
    MissingAPIKeyError,
)
from generor_async.rules import response_errors
from generor_async.rules.http_types import TransportError
from generor_async.rules.outcome import connection_error
from generor_async.rules.poll_failures import ODD_POLLS, ODD_SECONDS, OddPolls, PollFailure, classify_poll_failure
from generor_async.rules.response_body import read_json
from generor_async.rules.response_errors import status_error, undecodable_error
from generor_async.rules.vendors import GENEROR, LUMA
from generor_async.values import DecodeError


def said(status: int, body: Any = "<html>") -> APIError:
    """Make the error of an answer; text is a page, anything else is JSON."""
    return status_error(context(), reply(status), body, now=0.0)


OWN = {"detail": "Forbidden"}
FAILURES: dict[str, tuple[BaseException, PollFailure]] = {
    "a timeout": (
        connection_error(context(), TransportError("timed out", sent=True, timed_out=True), 1.0),
        "says_nothing",
    ),
    "a reset": (connection_error(context(), TransportError("reset", sent=True), 1.0), "says_nothing"),
    "429": (said(429, {"detail": "Rate limit exceeded"}), "says_nothing"),
    "500": (said(500, {"detail": "oops"}), "says_nothing"),
    "a gateway's 502": (said(502), "says_nothing"),
    "a documented 503": (said(503, {"detail": "Upstream service unavailable"}), "says_nothing"),
    "no time for a turn": (DeadlineExceededError("late", waited_for="pace"), "says_nothing"),
    "a documented 401": (said(401, {"detail": "Invalid API key"}), "final"),
    "a documented 403": (said(403, OWN), "final"),
    "a client that is closed": (ClientClosedError("closed", retryable=False, outcome="not_sent"), "final"),
    "refused here": (InvalidRequestError("generation_id", "must not be '..'"), "final"),
    "no key": (MissingAPIKeyError("no key"), "final"),
    "an error of nobody's": (RuntimeError("a bug"), "final"),
    "404": (said(404, {"detail": "Generation not found"}), "absent"),
    "404 by a page": (said(404), "absent"),
    "a bad certificate": (
        connection_error(context(), TransportError("bad", sent=False, permanent=True), 1.0),
        "absent",
    ),
    "a page's 401": (said(401), "odd"),
    "a page's 403": (said(403), "odd"),
    "302": (said(302, ""), "odd"),
    "400": (said(400, {"detail": "Bad request"}), "odd"),
    "402": (said(402, {"detail": "Insufficient credits"}), "odd"),
    "408": (said(408), "odd"),
    "410": (said(410), "odd"),
    "megabytes": (connection_error(context(), TransportError("too large", sent=True, permanent=True), 1.0), "odd"),
    "a page": (undecodable_error(context(), reply(200, b"<html>", Content_Type="text/html"), "it isn't JSON"), "odd"),
    "half of it": (undecodable_error(context(), reply(200, b'{"id"'), "it is cut"), "odd"),
    "another shape": (
        response_errors.shape_error(context(), reply(200), read_json(b"[]"), DecodeError("no object")),
        "odd",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_each_failed_poll_means_what_the_table_says(name: str) -> None:
    error, means = FAILURES[name]
    assert classify_poll_failure(error, LUMA) == means


def test_a_403_is_documented_where_it_is_in_that_apis_own_shape() -> None:
    error = said(403, {"detail": "Forbidden"})
    assert (classify_poll_failure(error, LUMA), classify_poll_failure(error, GENEROR)) == ("final", "odd")


KINDS: list[PollFailure | None] = ["says_nothing", "final", "absent", "odd", None]
HISTORIES = st.lists(st.tuples(st.sampled_from(KINDS), st.floats(0.5, 15.0)), max_size=12)


def ends_at(history: list[tuple[PollFailure | None, float]], *, seen: bool) -> int | None:
    """Return which answer ends the wait, by looking back from each; None is an answer with a state."""
    times = [sum(pause for _, pause in history[: number + 1]) for number in range(len(history))]
    for number, (kind, _) in enumerate(history):
        known = seen or any(earlier is None for earlier, _ in history[:number])
        if kind == "final" or (kind == "absent" and not known):
            return number
        odd: list[float] = []
        for at in range(number, -1, -1):
            if history[at][0] is None:
                break
            if history[at][0] != "says_nothing":
                odd.append(times[at])
        if kind in {"absent", "odd"} and len(odd) >= ODD_POLLS and odd[0] - odd[-1] >= ODD_SECONDS:
            return number
    return None


@given(history=HISTORIES, seen=st.booleans())
def test_a_wait_ends_after_a_final_or_a_repeated_odd_answer(
    history: list[tuple[PollFailure | None, float]], seen: bool
) -> None:
    expected = ends_at(history, seen=seen)
    odd, now, known, ended = OddPolls(), 0.0, seen, None
    for number, (kind, pause) in enumerate(history):
        now += pause
        if kind is None:
            known = True
            odd.clear()
        elif odd.end_with(kind, now, seen=known):
            ended = number
            break
    assert ended == expected


@given(pauses=st.lists(st.floats(1.0, 15.0), min_size=12, max_size=12))
def test_one_odd_answer_never_ends_a_wait_and_many_do(pauses: list[float]) -> None:
    odd, now, count = OddPolls(), 0.0, 0
    for pause in pauses:
        now += pause
        count += 1
        if odd.end_with("odd", now, seen=True):
            break
    assert count >= ODD_POLLS
    assert now - pauses[0] >= ODD_SECONDS
    assert count == ODD_POLLS or now - pauses[0] - pauses[count - 1] < ODD_SECONDS, "and at the first that may"
