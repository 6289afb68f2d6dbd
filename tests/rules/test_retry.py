"""Whether and when a call is sent again, against the table of `retry_safety` and brute force."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import RETRY_SAFETIES

from generor_async.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    BadGatewayError,
    ConcurrentJobsError,
    InternalServerError,
    RateLimitError,
    ResponseShapeError,
    ServiceUnavailableError,
)
from generor_async.rules import retry
from generor_async.rules.retry import DELAYS, RetryBudget, may_retry, outage_delay, retry_delay, with_jitter
from generor_async.values import RetrySafety

# What an attempt came to, and by which `retry_safety` it is sent again.
NOBODY: frozenset[RetrySafety] = frozenset()
HARMLESS: frozenset[RetrySafety] = frozenset({"read", "idempotent"})
EVERYBODY: frozenset[RetrySafety] = frozenset(RETRY_SAFETIES)

TABLE: dict[str, tuple[APIError, frozenset[RetrySafety]]] = {
    "no connection": (APIConnectionError("", outcome="not_sent"), EVERYBODY),
    "no connection in time": (APITimeoutError("", outcome="not_sent"), EVERYBODY),
    "a bad certificate": (APIConnectionError("", outcome="not_sent", retryable=False), NOBODY),
    "reset after sending": (APIConnectionError("", outcome="unknown"), HARMLESS),
    "no answer in time": (APITimeoutError("", outcome="unknown"), HARMLESS),
    "an answer too large": (APIConnectionError("", outcome="unknown", retryable=False), NOBODY),
    "JSON cut off": (ResponseShapeError("", outcome="unknown", retryable=True), HARMLESS),
    "a page instead of JSON": (ResponseShapeError("", outcome="unknown", retryable=False), NOBODY),
    "JSON of another shape": (ResponseShapeError("", outcome="done"), NOBODY),
    "429": (RateLimitError("", status_code=429, outcome="refused", retryable=True), EVERYBODY),
    "429 for jobs": (ConcurrentJobsError("", status_code=429, outcome="refused", retryable=True), EVERYBODY),
    "Luma's own 502": (BadGatewayError("", status_code=502, outcome="refused", retryable=True), EVERYBODY),
    "Luma's own 503": (
        ServiceUnavailableError("", status_code=503, outcome="refused", retryable=True),
        EVERYBODY,
    ),
    "a redirect": (APIStatusError("", status_code=307, outcome="refused"), NOBODY),
    "408": (APIStatusError("", status_code=408, outcome="unknown"), HARMLESS),
    "409": (APIStatusError("", status_code=409, outcome="unknown"), HARMLESS),
    "500": (InternalServerError("", status_code=500, outcome="unknown"), HARMLESS),
    "a gateway's 502": (BadGatewayError("", status_code=502, outcome="unknown"), HARMLESS),
    "504": (InternalServerError("", status_code=504, outcome="unknown"), HARMLESS),
}
for _status in (400, 401, 402, 403, 404, 405, 413, 422):
    # Never, whether this API documents the status (refused) or doesn't (unknown).
    TABLE[f"{_status} refused"] = (APIStatusError("", status_code=_status, outcome="refused"), NOBODY)
    TABLE[f"{_status} unknown"] = (APIStatusError("", status_code=_status, outcome="unknown"), NOBODY)


@pytest.mark.parametrize(("retry_safety", "case"), list(product(RETRY_SAFETIES, TABLE)))
def test_a_call_is_repeated_only_where_the_table_allows_it(retry_safety: RetrySafety, case: str) -> None:
    error, allowed = TABLE[case]
    assert may_retry(retry_safety, error) is (retry_safety in allowed)


@pytest.mark.parametrize("retry_safety", ["plain", "bills"])
@pytest.mark.parametrize("outcome", ["done", "unknown"])
@pytest.mark.parametrize("case", TABLE)
def test_a_call_that_may_have_been_charged_is_never_sent_again(
    case: str, outcome: str, retry_safety: RetrySafety
) -> None:
    error, _ = TABLE[case]
    if error.outcome == outcome:
        assert not may_retry(retry_safety, error)


def test_the_bounds_double_from_half_a_second_to_thirty_seconds() -> None:
    assert DELAYS == (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)


draws = st.floats(0, 1, exclude_max=True)


@given(st.floats(1e-6, 31 * 86_400), st.integers(0, 50), draws, st.sampled_from([502, 503]), st.booleans())
def test_a_retry_after_is_never_shortened_and_hardly_lengthened(
    asked: float, retries: int, draw: float, status: int, own: bool
) -> None:
    error = APIStatusError("", status_code=status, retryable=own, retry_after=asked, outcome="refused")
    assert asked <= retry_delay(error, retries, draw) <= asked + min(1.0, 0.1 * asked)
    assert asked <= with_jitter(asked, draw) <= asked + min(1.0, 0.1 * asked)


@given(st.integers(0, 500), draws)
def test_backoff_is_full_jitter_below_its_bound(retries: int, draw: float) -> None:
    error = APIConnectionError("", outcome="not_sent")
    bound = min(0.5 * 2 ** min(retries, 10), 30.0)
    assert retry_delay(error, retries, draw) == pytest.approx(draw * bound)


@pytest.mark.parametrize(("status", "first"), [(502, 10.0), (503, 2.0)])
@given(retries=st.integers(0, 50), draw=draws)
def test_lumas_502_waits_five_to_ten_seconds_and_then_longer(
    status: int, first: float, retries: int, draw: float
) -> None:
    error = APIStatusError("", status_code=status, retryable=True, outcome="refused")
    bound = min(first * 2 ** min(retries, 10), 30.0)
    assert bound / 2 <= retry_delay(error, retries, draw) <= bound
    assert retry_delay(error, retries, draw) == outage_delay(status, None, retries, draw)


def test_a_quiet_client_has_ten_retries_in_ten_seconds() -> None:
    budget = RetryBudget()
    assert [budget.book(0.0, 1.0, math.inf) for _ in range(25)] == [1.0] * 10 + [11.0] * 10 + [21.0] * 5
    assert budget.book(40.0, 40.5, math.inf) == 40.5


def test_a_busy_client_may_retry_a_fifth_of_its_requests() -> None:
    budget = RetryBudget()
    for _ in range(100):
        budget.count(0.0)
    assert [budget.book(1.0, 1.0, math.inf) for _ in range(50)] == [1.0] * 20 + [11.0] * 20 + [21.0] * 10


def test_a_retry_that_would_come_too_late_leaves_in_any_case() -> None:
    budget = RetryBudget()
    for _ in range(20):
        budget.book(0.0, 1.0, math.inf)
    assert budget.book(0.0, 1.0, 15.0) == 15.0
    assert budget.book(0.0, 1.0, 0.5) == 1.0


steps = st.lists(
    st.tuples(st.sampled_from(["count", "book"]), st.floats(0, 1), st.floats(0, 30)), min_size=1, max_size=200
)


@given(steps)
def test_retries_of_any_ten_seconds_stay_within_the_budget(history: list[tuple[str, float, float]]) -> None:
    budget, now, counted = RetryBudget(), 0.0, 0
    booked: list[float] = []
    for what, later, delay in history:
        now += later
        if what == "count":
            budget.count(now)
            counted += 1
        else:
            moment = budget.book(now, now + delay, math.inf)
            assert moment >= now + delay
            booked.append(moment)
    most = max(10, 0.2 * counted)
    for moment in booked:
        assert sum(moment <= other < moment + 9.999 for other in booked) <= most


@given(steps)
def test_a_retry_leaves_when_it_wants_to_while_fewer_than_ten_are_near(
    history: list[tuple[str, float, float]],
) -> None:
    budget, now = RetryBudget(), 0.0
    booked: list[float] = []
    for what, later, delay in history:
        now += later
        if what == "count":
            budget.count(now)
            continue
        moment = budget.book(now, now + delay, math.inf)
        if sum(abs(other - now - delay) <= 10 for other in booked) < 10:
            assert moment == now + delay
        booked.append(moment)


@given(st.floats(0.1, 1e6), st.floats(0, 1, exclude_max=True))
def test_a_wait_that_all_share_is_spread_and_never_undercut(seconds: float, draw: float) -> None:
    assert seconds <= retry.with_spread(seconds, draw) <= seconds + min(10.0, 0.08 * seconds)


@given(st.sampled_from(sorted(RETRY_SAFETIES)), st.floats(0.001, 1e6))
def test_a_call_that_may_not_be_repeated_is_not_sent_at_the_last_moment(
    retry_safety: RetrySafety, timeout: float
) -> None:
    least = retry.least_seconds_left(retry_safety, timeout)
    assert (least == 0) == (retry_safety in HARMLESS)
    assert least <= 1
    assert 9 * least < timeout, "a call that has all of its time is sent"
