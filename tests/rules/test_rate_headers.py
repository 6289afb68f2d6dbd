"""Rate limit headers: each works by itself, and no number does harm."""

import math
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.rate_headers import RateLimitReport, read_rate_limit_report
from generor_async.values import Headers

NOW = 1_775_649_600.0


def headers(limit: str = "", remaining: str = "", reset: str = "", tier: str = "", **more: str) -> Headers:
    named = {"Limit": limit, "Remaining": remaining, "Reset": reset, "Tier": tier}
    given_ones = [(f"X-RateLimit-{name}", text) for name, text in named.items() if text]
    return Headers([*given_ones, *more.items()])


def test_what_is_left_says_how_much_is_used() -> None:
    assert read_rate_limit_report(headers("30", "7", str(int(NOW) + 20), "basic"), NOW) == RateLimitReport(
        limit=30, used=23, resets_in=20.0, tier="basic"
    )


def test_an_answer_without_these_headers_says_nothing() -> None:
    assert read_rate_limit_report(headers(**{"Retry-After": "3"}), NOW) is None


@pytest.mark.parametrize(
    ("given_ones", "expected"),
    [
        ({"limit": "30"}, RateLimitReport(limit=30)),
        ({"remaining": "7"}, RateLimitReport()),
        ({"reset": "20"}, RateLimitReport(resets_in=20.0)),
        ({"tier": "Pro"}, RateLimitReport(tier="pro")),
        ({"limit": "soon", "remaining": "7", "tier": "free"}, RateLimitReport(tier="free")),
        ({"limit": "30", "remaining": "31"}, RateLimitReport(limit=30)),
        ({"limit": "30", "remaining": "-2147483648"}, RateLimitReport(limit=30, used=30)),
        ({"limit": "0", "remaining": "0", "tier": "free"}, RateLimitReport(tier="free")),
        ({"limit": "2147483647", "remaining": "2147483640"}, RateLimitReport(limit=2**31 - 1, used=7)),
    ],
)
def test_what_is_missing_or_odd_takes_nothing_else_with_it(
    given_ones: dict[str, str], expected: RateLimitReport
) -> None:
    assert read_rate_limit_report(headers(**given_ones), NOW) == expected


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        (str(int(NOW) + 60), 60.0),
        (f"{NOW + 1.5}", 1.5),
        (str(int((NOW + 60) * 1000)), 60.0),
        ("2", 2.0),
        ("0", None),
        ("-5", None),
        (str(int(NOW) - 1), None),
        (str(int(NOW)), None),
        ("nan", None),
        ("inf", None),
        ("1e300", None),
        ("1" * 400, None),
        ("tomorrow", None),
    ],
)
def test_a_reset_may_be_seconds_or_milliseconds_or_what_is_left(reset: str, seconds: float | None) -> None:
    said = read_rate_limit_report(headers("30", "7", reset), NOW)
    assert said is not None
    assert said.resets_in == (None if seconds is None else pytest.approx(seconds))


def test_a_reset_is_held_against_the_servers_own_date() -> None:
    skewed = headers("30", "7", str(int(NOW) + 3_600 + 20), Date=formatdate(NOW + 3_600, usegmt=True))
    said = read_rate_limit_report(skewed, NOW)
    assert said is not None
    assert said.resets_in == 20.0


texts = st.one_of(
    st.text(max_size=12),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["9" * 400, "1e300", "-0", " 7 ", "\u0667", "+5", "1_000", "0x10", "2147483647", str(10**15)]),
)


@given(texts, texts, texts, texts, texts)
def test_nothing_that_a_header_says_does_harm(limit: str, remaining: str, reset: str, tier: str, date: str) -> None:
    said = read_rate_limit_report(headers(limit, remaining, reset, tier, Date=date), NOW)
    if said is None:
        return
    assert said.limit is None or 1 <= said.limit < 10**15
    assert said.used is None or (said.limit is not None and 0 <= said.used <= said.limit)
    assert said.resets_in is None or 0 < said.resets_in <= 31 * 86_400
    assert said.resets_in is None or math.isfinite(said.resets_in)
