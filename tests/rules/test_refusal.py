"""The limit of a 429 is one that the response proves."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import endpoint

from generor_async.rules.refusal import classify_refusal
from generor_async.rules.vendors import GENEROR, LUMA, Vendor
from generor_async.values import Headers, RetrySafety

NOW = 1_775_649_600.0
TAKEN, LEFT = {"X-RateLimit-Limit": "30", "X-RateLimit-Remaining": "0"}, {"X-RateLimit-Remaining": "21"}
SLOTS = ["Too many concurrent jobs", "Concurrent generation limit reached (10)", "limit: CONCURRENT"]
TEXT, OTHER = "Rate limit exceeded", "Slow down, please"


def decided(
    headers: dict[str, str] | None = None,
    own: str | None = None,
    *,
    vendor: Vendor = LUMA,
    retry_safety: RetrySafety = "bills",
    code: str | None = None,
    refusals: int = 0,
) -> Any:
    said = None if own is None else (own, code)
    return classify_refusal(
        endpoint(retry_safety, vendor=vendor), Headers((headers or {}).items()), said, NOW, refusals=refusals
    )


def about(*args: Any, **known: Any) -> tuple[str, bool]:
    refusal = decided(*args, **known)
    return refusal.scope, refusal.proven


@pytest.mark.parametrize(("text", "headers"), list(product(SLOTS, [{}, TAKEN, LEFT])))
def test_concurrent_in_the_text_of_a_post_is_the_ceiling_of_jobs_whatever_the_headers(
    text: str, headers: dict[str, str]
) -> None:
    assert about(headers, text) == ("jobs", True)
    assert about(headers, text, retry_safety="read")[0] != "jobs"
    assert about(headers, text, vendor=GENEROR)[0] != "jobs"


@pytest.mark.parametrize("retry_safety", ["read", "bills"])
@pytest.mark.parametrize("vendor", [LUMA, GENEROR])
@pytest.mark.parametrize("remaining", ["0", "-1", "-2147483648", "0.0"])
def test_headers_with_nothing_left_prove_the_window_whatever_the_body(
    remaining: str, vendor: Vendor, retry_safety: RetrySafety
) -> None:
    headers = {"X-RateLimit-Limit": "30", "X-RateLimit-Remaining": remaining}
    for own in (None, OTHER):
        assert about(headers, own, vendor=vendor, retry_safety=retry_safety) == ("minute", True)


@pytest.mark.parametrize("remaining", ["21", "", "many", "nan"])
def test_headers_with_something_left_need_the_text(remaining: str) -> None:
    headers = {"X-RateLimit-Limit": "30", "X-RateLimit-Remaining": remaining}
    assert about(headers, TEXT) == ("minute", True)
    assert about(headers, OTHER) == ("minute", False)
    assert about(headers) == ("minute", False)


def test_without_headers_a_read_of_luma_has_met_the_ceiling_against_abuse() -> None:
    for text in (TEXT, OTHER, *SLOTS):
        assert about({"Retry-After": "7"}, text, retry_safety="read") == ("abuse", True)


def test_without_headers_a_post_has_met_the_limit_only_if_the_text_says_so() -> None:
    assert about({"Retry-After": "7"}, TEXT) == ("abuse", True)
    assert about({"Retry-After": "7"}, OTHER) == ("unknown", False)


@pytest.mark.parametrize("retry_safety", ["read", "bills"])
def test_a_page_proves_nothing(retry_safety: RetrySafety) -> None:
    assert about({"Retry-After": "1"}, retry_safety=retry_safety) == ("unknown", False)
    assert about({"Retry-After": "1"}, vendor=GENEROR, retry_safety=retry_safety) == ("unknown", False)


def test_generors_code_proves_a_window_that_the_headers_name() -> None:
    day = {"X-RateLimit-Limit": "5000", "X-RateLimit-Tier": "Free", "X-RateLimit-Remaining": "3"}
    assert about(day, OTHER, vendor=GENEROR, code="RATE_LIMIT_EXCEEDED") == ("day", True)
    assert about({}, OTHER, vendor=GENEROR, code="RATE_LIMIT_EXCEEDED", retry_safety="read") == ("unknown", True)
    assert about({}, OTHER, vendor=GENEROR, code="SERVER_ERROR") == ("unknown", False)


@pytest.mark.parametrize(("scope", "holds"), [("jobs", "jobs"), ("abuse", "abuse"), ("minute", "minute")])
def test_the_hold_is_about_the_limit_that_refused(scope: str, holds: str) -> None:
    found = {"jobs": decided(own=SLOTS[0]), "abuse": decided(own=TEXT), "minute": decided(TAKEN)}[scope]
    assert found.hold_scope == holds
    assert found.is_window is (scope == "minute")
    assert (found.window, found.rate_limit_scope) == ("minute", scope if found.is_window else "unknown")


def test_a_window_that_is_not_named_is_the_minute() -> None:
    found = decided({}, OTHER, vendor=GENEROR, code="RATE_LIMIT_EXCEEDED")
    assert (found.window, found.hold_scope, found.rate_limit_scope) == ("minute", "minute", "unknown")


@pytest.mark.parametrize(("own", "first"), [(SLOTS[0], 60), (TEXT, 1), (OTHER, 1), (None, 1)])
def test_where_the_server_does_not_say_there_is_one_default(own: str | None, first: float) -> None:
    assert (decided({}, own).wait, decided({}, own).told) == (first, False)
    assert (decided({"Retry-After": "7"}, own).wait, decided({"Retry-After": "7"}, own).told) == (7, True)


@given(st.integers(0, 10_000))
def test_a_default_wait_doubles_up_to_half_a_minute(refusals: int) -> None:
    assert decided(refusals=refusals).wait == min(2 ** min(refusals, 20), 30)


@given(st.dictionaries(st.sampled_from(["Retry-After", *TAKEN, "X-RateLimit-Tier"]), st.text(max_size=30)), st.text())
def test_no_header_and_no_text_breaks_it(headers: dict[str, str], text: str) -> None:
    safeties: tuple[RetrySafety, ...] = ("read", "bills")
    for vendor, retry_safety in product((LUMA, GENEROR), safeties):
        assert 0 < decided(headers, text, vendor=vendor, retry_safety=retry_safety).wait <= 31 * 86_400
