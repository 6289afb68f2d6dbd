"""What is known of an answer besides its body."""

import copy
import pickle

import pytest
from attrs import evolve

from generor_async.values import Headers, RateLimit, ResponseInfo


def info(**headers: str) -> ResponseInfo:
    named = Headers((name.replace("_", "-"), value) for name, value in headers.items())
    return ResponseInfo(status=200, headers=named, request_id="r-1", attempts=2, elapsed=1.5)


def test_headers_ignore_case_and_keep_their_spelling() -> None:
    headers = Headers([("X-Request-Id", "a"), ("x-request-id", "b"), ("Date", "now")])
    assert headers["X-REQUEST-ID"] == headers["x-request-id"] == "a"
    assert list(headers) == ["X-Request-Id", "Date"]
    assert len(headers) == 2
    assert "date" in headers
    assert headers.get("nothing") is None
    assert repr(headers) == "Headers({'X-Request-Id': 'a', 'Date': 'now'})"


def test_the_rate_limit_is_read() -> None:
    limits = info(X_RateLimit_Limit="30", X_RateLimit_Remaining="7", X_RateLimit_Reset="1712592012")
    assert limits.rate_limit == RateLimit(limit=30, remaining=7, reset=1712592012)
    tiered = info(X_RateLimit_Limit="60", X_RateLimit_Remaining="0", X_RateLimit_Reset="1.5", X_RateLimit_Tier="basic")
    assert tiered.rate_limit == RateLimit(limit=60, remaining=0, reset=1.5, tier="basic")


@pytest.mark.parametrize("missing", ["X_RateLimit_Limit", "X_RateLimit_Remaining", "X_RateLimit_Reset"])
def test_what_a_rate_limit_leaves_out_or_says_oddly_takes_nothing_else_with_it(missing: str) -> None:
    known = {"X_RateLimit_Limit": "30", "X_RateLimit_Remaining": "7", "X_RateLimit_Reset": "1712592012"}
    whole = RateLimit(limit=30, remaining=7, reset=1712592012.0)
    expected = evolve(whole, **{missing.rpartition("_")[2].lower(): None})
    assert info(**{**known, missing: "soon"}).rate_limit == expected
    del known[missing]
    assert info(**known).rate_limit == expected


@pytest.mark.parametrize(
    ("header", "text", "value"),
    [
        ("X_RateLimit_Limit", " 30 ", 30),
        ("X_RateLimit_Limit", "0", None),
        ("X_RateLimit_Limit", "-1", None),
        ("X_RateLimit_Limit", "30.0", None),
        ("X_RateLimit_Limit", "9" * 15, 10**15 - 1),
        ("X_RateLimit_Limit", "9" * 400, None),
        ("X_RateLimit_Limit", "\u0663", None),
        ("X_RateLimit_Remaining", "0", 0),
        ("X_RateLimit_Remaining", "-2147483648", 0),
        ("X_RateLimit_Reset", "1.5", 1.5),
        ("X_RateLimit_Reset", "0", None),
        ("X_RateLimit_Reset", "-3", None),
        ("X_RateLimit_Reset", "nan", None),
        ("X_RateLimit_Reset", "inf", None),
        ("X_RateLimit_Reset", "1e300", 1e300),
        ("X_RateLimit_Tier", " Pro ", "pro"),
        ("X_RateLimit_Tier", " ", None),
    ],
)
def test_a_number_that_cannot_be_meant_is_absent(header: str, text: str, value: object) -> None:
    others = {"X_RateLimit_Tier": "free"} if header != "X_RateLimit_Tier" else {"X_RateLimit_Limit": "5"}
    found = info(**{**others, header: text}).rate_limit
    assert found is not None
    assert getattr(found, header.rpartition("_")[2].lower()) == value
    assert found.tier == "free" or found.limit == 5


def test_an_answer_of_which_nothing_can_be_read_has_no_rate_limit() -> None:
    assert info().rate_limit is None
    assert info(X_RateLimit_Limit="many", X_RateLimit_Reset="soon").rate_limit is None


def test_the_version_and_the_status_under_its_other_name() -> None:
    assert info(X_API_Version="2026-04-01").api_version == "2026-04-01"
    assert info().api_version is None
    assert info().status_code == 200


def test_it_survives_copy_and_pickle() -> None:
    known = info(X_Custom="kept")
    for twin in (copy.copy(known), copy.deepcopy(known), pickle.loads(pickle.dumps(known))):
        assert (twin.status, twin.request_id, twin.attempts, twin.elapsed) == (200, "r-1", 2, 1.5)
        assert twin.headers["x-custom"] == "kept"


def test_its_repr_shows_no_headers() -> None:
    assert repr(info(Set_Cookie="hush")) == "ResponseInfo(status=200, request_id='r-1', attempts=2)"
