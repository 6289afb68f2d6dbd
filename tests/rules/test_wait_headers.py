"""Waits that a server asks for, in every form."""

import math
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from generor_async.rules.wait_headers import http_date, limit_wait, retry_after
from generor_async.values import Headers

NOW = 1_775_649_600.0
MONTH = 31 * 86_400


def date(moment: float) -> str:
    return format_datetime(datetime.fromtimestamp(moment, UTC), usegmt=True)


def asked(**headers: str) -> float | None:
    return limit_wait(Headers((name.replace("_", "-"), value) for name, value in headers.items()), NOW)


@given(st.integers(1, MONTH))
def test_an_integer_is_seconds(seconds: int) -> None:
    assert asked(Retry_After=str(seconds)) == seconds


@given(st.floats(1e-3, MONTH))
def test_a_decimal_is_seconds(seconds: float) -> None:
    assert asked(Retry_After=repr(seconds)) == seconds


@given(st.integers(1, MONTH), st.integers(-10_000_000, 10_000_000))
def test_a_date_counts_from_the_servers_own_date(seconds: int, skew: int) -> None:
    theirs = NOW + skew
    assert asked(Date=date(theirs), Retry_After=date(theirs + seconds)) == seconds


@given(st.integers(1, MONTH))
def test_a_date_counts_from_our_time_where_the_server_tells_none(seconds: int) -> None:
    assert asked(Retry_After=date(NOW + seconds)) == seconds
    assert asked(Retry_After=date(NOW + seconds), Date="once upon a time") == seconds


NO_WISH = [
    "",
    "0",
    "-5",
    "0.0",
    "-0",
    "nan",
    "inf",
    "-inf",
    "1e400",
    str(MONTH + 1),
    "99999999999999999999",
    "soon",
    "12 seconds",
    "1,5",
    date(NOW),
    date(NOW - 60),
    date(NOW + MONTH + 60),
    "Thu, 99 Foo 2026 25:61:61 GMT",
]


@pytest.mark.parametrize("value", NO_WISH)
def test_what_is_no_wish_falls_back_to_the_reset_of_the_window(value: str) -> None:
    known = {"Date": date(NOW - 1_000), "Retry_After": value}
    if "GMT" in value:
        known["Date"] = date(NOW)
    reset = NOW + 42 - (0 if "GMT" in value else 1_000)
    assert asked(**known, X_RateLimit_Reset=str(int(reset))) == 42


@pytest.mark.parametrize("value", NO_WISH)
def test_what_is_no_wish_is_none_where_no_reset_helps(value: str) -> None:
    for reset in ("", "0", "nan", "-1", "later", str(int(NOW - 1)), str(int(NOW + MONTH + 1))):
        assert asked(Retry_After=value, X_RateLimit_Reset=reset) is None


def test_retry_after_is_believed_over_the_reset() -> None:
    assert asked(Retry_After="12", X_RateLimit_Reset=str(NOW + 30)) == 12


@pytest.mark.parametrize("value", NO_WISH)
def test_only_a_429_falls_back_to_the_reset(value: str) -> None:
    known = {"Retry-After": value, "X-RateLimit-Reset": "42"}
    assert retry_after(Headers(known.items()), NOW) is None


@given(st.integers(1, MONTH), st.booleans())
def test_a_reset_may_be_the_seconds_that_are_left_or_milliseconds(seconds: int, relative: bool) -> None:
    reset = str(seconds) if relative else str(int(NOW + seconds) * 1_000)
    assert asked(X_RateLimit_Reset=reset) == seconds


def test_names_ignore_case_and_blanks_around_the_value() -> None:
    assert retry_after(Headers([("retry-AFTER", " 7 ")]), NOW) == 7


texts = st.one_of(st.text(max_size=40), st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ .*"))


@given(texts, texts, texts)
@example("", "", "0 JUL 0 0:3000000000")
@example("", "", "Mon, 1 Jan 0001 00:00:00 +2359")
def test_no_header_breaks_it_and_no_answer_is_absurd(value: str, reset: str, when: str) -> None:
    wait = asked(Retry_After=value, X_RateLimit_Reset=reset, Date=when)
    assert wait is None or (math.isfinite(wait) and 0 < wait <= MONTH)


@given(st.integers(0, 4_000_000_000))
def test_a_date_is_read_as_the_second_it_names(moment: int) -> None:
    assert http_date(date(moment)) == moment


def test_a_date_without_a_zone_is_taken_for_utc() -> None:
    assert http_date("Wed, 08 Apr 2026 12:00:00 -0000") == NOW


@pytest.mark.parametrize("text", ["", "yesterday", "Wed, 08 Apr 99999 12:00:00 GMT", "Wed, 08 Apr 2026"])
def test_what_is_no_date_is_none(text: str) -> None:
    assert http_date(text) is None
