"""Outcomes by status, the errors of responses, and strict JSON."""

import contextlib
import json
import pickle
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import REQUEST_ID, context, endpoint, reply

from generor_async import errors
from generor_async.errors import APITimeoutError, ConcurrentJobsError, OutcomeUnknownError, RateLimitError
from generor_async.rules import outcome, response_body, response_errors
from generor_async.rules.holds import Hold, HoldScope
from generor_async.rules.http_types import Reply, TransportError
from generor_async.rules.outcome import CallContext
from generor_async.rules.vendors import GENEROR, LUMA, Vendor
from generor_async.values import DecodeError, Headers, Outcome, RetrySafety, Secret

NOW = 1_775_649_600.0
OWN: dict[str, Any] = {
    "generor": {"success": False, "error": {"code": "NOPE", "message": "No.", "status": 0}},
    "luma": {"detail": "Upstream service unavailable"},
}
LUMA_DOCUMENTS = {400, 401, 402, 403, 404, 413, 422, 429}
GENEROR_REFUSES = {400, 401, 402, 403, 404, 405, 413, 429}
STATUSES = [*range(300, 310), *range(400, 432), 451, *range(500, 512), 520, 524, 599]


def expected(vendor: Vendor, status: int, *, own: bool) -> Outcome:
    """The table of statuses, written out once more."""
    if status < 400:
        return "refused"
    if vendor is LUMA:
        return "refused" if status in LUMA_DOCUMENTS or (status in {502, 503} and own) else "unknown"
    return "refused" if status in GENEROR_REFUSES else "unknown"


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("vendor", [GENEROR, LUMA], ids=["generor", "luma"])
def test_a_status_means_what_the_table_says(vendor: Vendor, own: bool) -> None:
    for status in STATUSES:
        body = OWN[vendor.name] if own else "<html>"
        error = response_errors.status_error(context(vendor=vendor), reply(status), body, NOW)
        assert error.outcome == expected(vendor, status, own=own)
        assert error.status_code == status


@pytest.mark.parametrize("body", [OWN["generor"], {"message": "upstream"}, {}, [], None, "x", {"detail": []}])
@pytest.mark.parametrize("status", [502, 503])
def test_a_gateways_json_is_not_lumas_refusal(status: int, body: Any) -> None:
    error = response_errors.status_error(context("bills"), reply(status), body, NOW)
    assert (error.outcome, error.retryable) == ("unknown", False)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (
            "application/problem+json",
            {"type": "about:blank", "title": "Bad Gateway", "status": 502, "detail": "origin"},
        ),
        ("application/json", {"detail": "Bad gateway"}),
        ("application/json", {"detail": ""}),
        ("application/json", {"detail": "Upstream service unavailable", "error": {}}),
        ("text/html", {"detail": "Upstream service unavailable"}),
    ],
)
@pytest.mark.parametrize("status", [502, 503])
def test_a_detail_of_a_gateways_is_not_lumas_refusal(status: int, kind: str, body: Any) -> None:
    answer = Reply(status=status, headers=Headers([("Content-Type", kind)]), body=b"")
    error = response_errors.status_error(context("bills"), answer, body, NOW)
    assert (error.outcome, error.retryable) == ("unknown", False)


@pytest.mark.parametrize("status", [502, 503])
def test_with_the_apis_own_header_any_detail_is_lumas(status: int) -> None:
    headers = Headers([("Content-Type", "application/json"), ("X-API-Version", "2026-04-01")])
    answer = Reply(status=status, headers=headers, body=b"")
    error = response_errors.status_error(context("bills"), answer, {"detail": "source: the fetch proxy is away"}, NOW)
    assert (error.outcome, error.retryable) == ("refused", True)


CLASSES = {
    400: errors.BadRequestError,
    401: errors.AuthenticationError,
    402: errors.InsufficientCreditsError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    405: errors.MethodNotAllowedError,
    409: errors.ConflictError,
    413: errors.PayloadTooLargeError,
    422: errors.UnprocessableEntityError,
    429: errors.RateLimitError,
    500: errors.InternalServerError,
    501: errors.InternalServerError,
    502: errors.BadGatewayError,
    503: errors.ServiceUnavailableError,
    504: errors.GatewayTimeoutError,
    418: errors.APIStatusError,
    302: errors.APIStatusError,
}


@pytest.mark.parametrize("status", CLASSES)
def test_each_status_has_its_class(status: int) -> None:
    error = response_errors.status_error(context(vendor=GENEROR), reply(status), OWN["generor"], NOW)
    assert type(error) is CLASSES[status]


def test_an_error_of_generor_keeps_everything_the_answer_said() -> None:
    body = {"success": False, "error": {"code": "BAD", "message": "No such model.", "status": 400}}
    answer = reply(400, X_Request_Id="theirs", X_Custom="kept")
    error = response_errors.status_error(context("bills", vendor=GENEROR), answer, body, NOW)
    assert (error.message, error.code, error.body) == ("No such model.", "BAD", body)
    assert (error.request_id, error.operation, error.attempts) == ("theirs", "generor.things.bills", 1)
    assert error.headers["x-custom"] == "kept"
    assert error.response is not None
    assert error.response.status == 400
    assert str(error) == (
        "generor.things.bills: 400 BAD: No such model. Fix the parameter that the message names. (request id theirs)"
    )


def test_an_error_of_luma_has_no_code_and_the_vendors_advice() -> None:
    body = {"detail": "Unknown model: super-model-v9"}
    error = response_errors.status_error(context("bills"), reply(400), body, NOW)
    assert (error.message, error.code) == ("Unknown model: super-model-v9", None)
    assert error.advice.startswith("Use a supported model")
    assert error.request_id == REQUEST_ID


def test_a_403_names_the_scope_that_the_call_needs() -> None:
    error = response_errors.status_error(context(vendor=GENEROR, scope="generate"), reply(403), OWN["generor"], NOW)
    assert "'generate'" in str(error)
    page = response_errors.status_error(context(vendor=GENEROR, scope="generate"), reply(403), "<html>", NOW)
    assert "'generate'" not in str(page), "a firewall's page knows nothing of scopes"


@pytest.mark.parametrize(
    ("stated", "status"), [(402, 402), (429, 429), (None, 500), ("402", 402), (True, 500), (404.0, 500)]
)
def test_a_2xx_that_reports_a_failure_has_the_outcome_of_its_own_status(stated: Any, status: int) -> None:
    body = {"success": False, "error": {"message": "No.", "status": stated}}
    error = response_errors.status_error(context("bills", vendor=GENEROR), reply(200), body, NOW)
    assert error.status_code == status
    assert type(error) is CLASSES[status]
    assert error.outcome == expected(GENEROR, status, own=True)


@pytest.mark.parametrize(
    ("vendor", "headers", "scope"),
    [
        (LUMA, {"X_RateLimit_Limit": "30"}, "minute"),
        (GENEROR, {"X_RateLimit_Limit": "30", "X_RateLimit_Tier": "free"}, "minute"),
        (GENEROR, {"X_RateLimit_Limit": "500", "X_RateLimit_Tier": "free"}, "hour"),
        (GENEROR, {"X_RateLimit_Limit": "5000", "X_RateLimit_Tier": "free"}, "day"),
        (GENEROR, {"X_RateLimit_Limit": "5000", "X_RateLimit_Tier": "pro"}, "hour"),
        (GENEROR, {"X_RateLimit_Limit": "20000", "X_RateLimit_Tier": "basic"}, "day"),
        (GENEROR, {"X_RateLimit_Limit": "15"}, "minute"),
        (GENEROR, {"X_RateLimit_Limit": "77", "X_RateLimit_Tier": "free"}, "unknown"),
        (GENEROR, {"X_RateLimit_Limit": "30", "X_RateLimit_Tier": "platinum"}, "unknown"),
        (GENEROR, {}, "unknown"),
    ],
)
def test_a_429_says_which_window_is_full(vendor: Vendor, headers: dict[str, Any], scope: str) -> None:
    error = response_errors.status_error(context(vendor=vendor), reply(429, **headers), OWN[vendor.name], NOW)
    assert type(error) is RateLimitError
    assert error.scope == scope
    assert error.retryable


def test_a_429_about_concurrent_jobs_has_a_class_of_its_own_and_its_decision_is_kept() -> None:
    asked = context("bills")
    body = {"detail": "Concurrent generation limit reached (10)"}
    error = response_errors.status_error(asked, reply(429, Retry_After="60", X_RateLimit_Limit="30"), body, NOW)
    assert isinstance(error, ConcurrentJobsError)
    assert error.retry_after == 60
    assert "Wait for one or more of your active generations" in str(error)
    assert asked.refusal is not None
    assert (asked.refusal.scope, asked.refusal.wait, asked.refusals) == ("jobs", 60, 1)


def test_a_429_that_does_not_say_how_long_has_no_retry_after_and_waits_longer_each_time() -> None:
    asked, waits = context("bills"), list[float]()
    for _ in range(7):
        error = response_errors.status_error(asked, reply(429), {"detail": "Rate limit exceeded"}, NOW)
        assert error.retry_after is None
        assert asked.refusal is not None
        waits.append(asked.refusal.wait)
    assert waits == [1, 2, 4, 8, 16, 30, 30]


def test_advice_after_a_gateways_429_is_not_about_the_base_url() -> None:
    error = response_errors.status_error(context("bills"), reply(429, Content_Type="text/html"), "<html>", NOW)
    assert type(error) is RateLimitError
    assert error.advice == LUMA.advice[429]


@pytest.mark.parametrize(("retry_safety", "advised"), [("bills", True), ("read", False)])
def test_only_a_call_that_sends_images_is_told_to_send_them_as_base64(retry_safety: RetrySafety, advised: bool) -> None:
    error = response_errors.status_error(
        context(retry_safety), reply(503), {"detail": "Image URL ingestion unavailable"}, NOW
    )
    assert ("base64" in str(error)) is advised
    assert error.retryable


def test_a_call_that_was_not_sent_during_an_outage_says_so() -> None:
    theirs = response_errors.status_error(context("bills"), reply(502), {"detail": "Upstream service unavailable"}, NOW)
    ours = outcome.outage_error(CallContext(endpoint("read"), "ours"), theirs)
    assert type(ours) is errors.BadGatewayError
    assert (ours.outcome, ours.attempts, ours.request_id, ours.operation) == ("not_sent", 0, "ours", "luma.things.read")
    assert (theirs.outcome, theirs.attempts, theirs.request_id) == ("refused", 1, REQUEST_ID)


@pytest.mark.parametrize(("scope", "named"), [("hour", "hour"), ("abuse", "unknown")])
def test_a_blocked_call_says_for_how_long_and_why(scope: HoldScope, named: str) -> None:
    hold = Hold(until=100.0, scope=scope, reason="Rate limit exceeded")
    error = outcome.blocked_error(CallContext(endpoint(), REQUEST_ID), hold, 90.0)
    assert (error.scope, error.retry_after, error.retryable, error.outcome) == (named, 90.0, True, "not_sent")
    assert "held for another 90 s: the API said 'Rate limit exceeded'" in str(error)


@pytest.mark.parametrize("status", [429, 502, 503])
def test_retry_after_is_read_where_it_means_something(status: int) -> None:
    assert response_errors.status_error(context(), reply(status, Retry_After="7"), "", NOW).retry_after == 7
    assert response_errors.status_error(context(), reply(500, Retry_After="7"), "", NOW).retry_after is None


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("https://login.example.com/?next=/v1&token=hush", "login.example.com"),
        ("//cdn.example.com/x", "cdn.example.com"),
        ("/v2/things", "the same host"),
        ("", "the same host"),
        ("http://[broken", "another place"),
    ],
)
@pytest.mark.parametrize("body", ["", {"detail": "Temporary Redirect"}])
def test_a_redirect_names_its_host_and_nothing_else_of_it(location: str, named: str, body: Any) -> None:
    error = response_errors.status_error(context("bills"), reply(307, Location=location), body, NOW)
    assert f"a redirect to {named}" in str(error)
    assert "hush" not in str(error)
    assert error.body == body


@pytest.mark.parametrize("status", [400, 403, 409, 413, 418, 422, 423, 499, 500, 502, 503])
@pytest.mark.parametrize("code", [*GENEROR.codes, "TEAPOT", None, "validation_error"])
def test_a_documented_code_says_more_than_a_4xx(code: str | None, status: int) -> None:
    body = {"success": False, "error": {"code": code, "message": "No."}}
    error = response_errors.status_error(context("bills", vendor=GENEROR), reply(status), body, NOW)
    if code not in GENEROR.codes or status >= 500:
        assert error.outcome == expected(GENEROR, status, own=True)
    else:
        assert error.outcome == ("unknown" if code == "SERVER_ERROR" else "refused")


@pytest.mark.parametrize(("code", "status"), GENEROR.codes.items())
def test_a_code_in_a_success_that_says_no_status_tells_it(code: str, status: int) -> None:
    error = response_errors.status_error(context("bills", vendor=GENEROR), reply(200), {"error": {"code": code}}, NOW)
    assert (error.status_code, error.code, error.message) == (status, code, code)
    assert error.outcome == ("unknown" if status >= 500 else "refused")


def test_a_code_of_a_gateways_is_not_generors() -> None:
    error = response_errors.status_error(
        context("bills", vendor=GENEROR), reply(409), {"code": "NOT_FOUND", "message": "x"}, NOW
    )
    assert (error.outcome, error.code, error.message) == ("unknown", None, "x")


ODD_SHAPES: list[tuple[Any, str]] = [
    ({"success": False, "error": "Insufficient credits"}, "Insufficient credits"),
    ({"error": "Insufficient credits"}, "Insufficient credits"),
    ({"message": "Invalid.", "errors": {"model_id": ["is required", "is odd"]}}, "model_id: is required; is odd"),
    (
        {"detail": [{"loc": ["body", "prompt"], "msg": "field required", "type": "missing"}]},
        "body.prompt: field required",
    ),
    ({"error": {"message": "Insufficient credits"}}, "Insufficient credits"),
    ("<html><head><title>402 Payment Required</title></head><body>nginx</body></html>", "402 Payment Required"),
    ("Payment, please", "Payment, please"),
]


@pytest.mark.parametrize("vendor", [GENEROR, LUMA], ids=["generor", "luma"])
@pytest.mark.parametrize(("body", "words"), ODD_SHAPES)
def test_the_servers_own_words_are_in_the_message(body: Any, words: str, vendor: Vendor) -> None:
    error = response_errors.status_error(context("bills", vendor=vendor), reply(402), body, NOW)
    assert words in error.message
    assert "dd credits" in str(error)
    assert "base_url" not in str(error)
    assert ("not the API's own" in str(error)) is isinstance(body, str)


@pytest.mark.parametrize("status", [400, 401, 404, 418])
def test_where_no_word_speaks_for_the_api_the_address_may_be_wrong(status: int) -> None:
    error = response_errors.status_error(context("bills"), reply(status), "<h1>Not here</h1>", NOW)
    assert str(error).startswith(f"luma.things.bills: {status}: Not here (not the API's own answer: ")
    assert f"Check base_url: the API is at {LUMA.base_url}" in str(error)


@pytest.mark.parametrize("vendor", [GENEROR, LUMA], ids=["generor", "luma"])
def test_a_proxys_413_is_a_refusal_by_what_was_sent(vendor: Vendor) -> None:
    page = "<html><title>413 Request Entity Too Large</title></html>"
    error = response_errors.status_error(context("bills", vendor=vendor), reply(413), page, NOW)
    assert error.outcome == "refused"
    assert "413 Request Entity Too Large" in error.message
    assert error.advice == "Send less: name images and videos by URL", "nobody said that there was an image"


@pytest.mark.parametrize(
    ("status", "detail", "advice", "never"),
    [
        (402, "Your balance is too low. Please add funds.", "funds", "base_url"),
        (403, "API client is suspended", "Contact support", "plan"),
        (413, "source: image exceeds 50 MB limit", "the image to under 50 MB", "video"),
        (413, "image_ref[2]: image exceeds 50 MB limit", "the image to under 50 MB", "video"),
        (413, "source: video exceeds 200 MB limit", "compress the video", "image"),
        (422, "hdr is not supported with loop", "Fix what the message names", "base64"),
        (422, "source: could not fetch the URL", "publicly accessible", "base64"),
        (422, "image_ref[0]: data is not base64", "base64", "URL"),
        (400, "video.duration: 10s excludes hdr", "Fix the parameter", "compress"),
        (502, "source: fetch proxy unavailable", "Retry after a brief delay", "base64"),
        (503, "Media URL ingestion unavailable", "base64", "Retry later."),
        (
            429,
            "Concurrent generation capacity reached (limit=10 weight units, needs 3)",
            "active generations",
            "gateway",
        ),
    ],
)
def test_lumas_newer_words_are_known(status: int, detail: str, advice: str, never: str) -> None:
    error = response_errors.status_error(
        context("bills"), reply(status, X_API_Version="2026-04-01"), {"detail": detail}, NOW
    )
    assert error.message == detail
    assert advice in error.advice
    assert never not in error.advice
    assert error.outcome == "refused"


def test_a_success_without_a_result_is_shown_in_its_own_words() -> None:
    error = response_errors.shape_error(
        context("bills"), reply(200), {"error": "Maintenance \x1btonight"}, DecodeError("no id", "$.id")
    )
    assert "no id; it says: Maintenance tonight" in str(error)
    plain = response_errors.shape_error(context("bills"), reply(200), {"state": "queued"}, DecodeError("no id", "$.id"))
    assert plain.message == "no id"


def test_a_page_with_a_success_says_its_title() -> None:
    answer = reply(200, b"<title>Log in</title>", Content_Type="text/html")
    error = response_errors.undecodable_error(context(), answer, "it is no JSON")
    assert error.message == "expected JSON, found text/html of 21 bytes: Log in"


def test_what_a_server_says_is_shown_and_not_obeyed() -> None:
    detail = "\x1b[31mred\x07 \u202edetrevni\n\nhalf \ud83d \ufeffend"
    error = response_errors.status_error(
        context("bills"), reply(400, X_Request_Id="a\udcffb\x1b"), {"detail": detail}, NOW
    )
    assert error.message == "[31mred detrevni half \ufffd end"
    for text in (str(error), repr(error), str(pickle.loads(pickle.dumps(error)))):
        text.encode()
        assert not any(unicodedata.category(letter) in {"Cc", "Cf", "Cs"} for letter in text)


bodies = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "detail", "message", "code", "status", "errors", "loc"]), inner)
    ),
    max_leaves=10,
)


@given(bodies, st.sampled_from([101, 200, 302, *CLASSES]), st.text(max_size=9), st.sampled_from([GENEROR, LUMA]))
def test_whatever_a_server_says_can_be_printed(body: Any, status: int, name: str, vendor: Vendor) -> None:
    error = response_errors.status_error(
        context("bills", vendor=vendor), reply(status, X_Request_Id=name, Location=name), body, NOW
    )
    for text in (str(error), repr(error), error.message):
        text.encode()
        assert not any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in text)


def test_a_very_long_message_is_cut() -> None:
    error = response_errors.status_error(context("bills"), reply(400), {"detail": "x" * 9_000}, NOW)
    assert (len(error.message), error.body) == (500, {"detail": "x" * 9_000})


def test_a_page_instead_of_an_error_is_told_from_the_apis_own() -> None:
    answer = reply(404, b"<html>nothing here", Content_Type="text/html; charset=utf-8")
    error = response_errors.status_error(context(), answer, "<html>nothing here", NOW)
    assert "not the API's own (text/html, 18 bytes)" in str(error)
    assert f"Check base_url: the API is at {LUMA.base_url}" in str(error)
    assert error.body == "<html>nothing here"


@pytest.mark.parametrize("nested", [True, False])
def test_keys_in_an_answer_are_masked_wherever_they_are(nested: bool) -> None:
    key = "gnr_live_0123456789abcdef0123456789"
    answer: Any = {"api_key": key, "n": [1, {"api_key": 2}]}
    error = response_errors.status_error(
        context("plain", vendor=GENEROR, secrets=("api_key",)),
        reply(500),
        {"data": [answer]} if nested else answer,
        NOW,
    )
    kept = error.body["data"][0] if nested else error.body
    assert isinstance(kept["api_key"], Secret)
    assert kept["api_key"].reveal() == key
    assert kept["n"] == [1, {"api_key": 2}]
    assert key not in repr(error.__dict__)


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("permanent", [True, False])
def test_an_attempt_that_broke_is_unknown_once_it_was_sent(sent: bool, permanent: bool) -> None:
    error = outcome.connection_error(context(), TransportError("reset", sent=sent, permanent=permanent), 1.0)
    assert error.outcome == ("unknown" if sent else "not_sent")
    assert error.retryable is not permanent
    assert error.request_id == REQUEST_ID
    assert ("Nothing was sent" in str(error)) is not sent


def test_an_attempt_without_an_answer_in_time_says_how_long_it_waited() -> None:
    error = outcome.connection_error(context(), TransportError("", sent=True, timed_out=True), 30.04)
    assert isinstance(error, APITimeoutError)
    assert isinstance(error, TimeoutError)
    assert "no answer within 30 s" in str(error)


def test_a_success_that_is_not_json_is_unknown_and_keeps_its_text() -> None:
    answer = reply(200, b"<html>welcome", Content_Type="text/html")
    error = response_errors.undecodable_error(context("bills"), answer, "Expecting value")
    assert (error.outcome, error.body, error.retryable) == ("unknown", "<html>welcome", False)
    assert response_errors.undecodable_error(context(), reply(200, b'{"a'), "cut off").retryable


def test_the_text_of_a_broken_answer_with_a_key_in_it_is_masked() -> None:
    key = "gnr_live_0123456789abcdef0123456789"
    broken = b'{"data": {"api_key": "' + key.encode()
    asked = context("plain", vendor=GENEROR, secrets=("api_key",))
    error = response_errors.undecodable_error(asked, reply(200, broken), "cut off")
    assert key not in repr(error.__dict__)
    assert key not in repr(outcome.outcome_unknown_error(asked, error).__dict__)


def test_json_of_another_shape_took_effect_and_says_where_it_differs() -> None:
    body = {"data": {"id": 7}}
    error = response_errors.shape_error(
        context("bills"), reply(200), body, DecodeError("expected a string", "$.data.id")
    )
    assert (error.outcome, error.path, error.body) == ("done", "$.data.id", body)
    assert not error.retryable
    assert "$.data.id: expected a string" in str(error)


def test_an_unknown_outcome_keeps_the_body_and_the_ids_in_it() -> None:
    call = context("bills", name="luma.generations.create")
    cause = response_errors.undecodable_error(call, reply(200, b'{"id": "gen-42", "state": "que'), "cut off")
    error = outcome.outcome_unknown_error(call, cause)
    assert isinstance(error, OutcomeUnknownError)
    assert (error.outcome, error.ids, error.body) == ("unknown", ("gen-42",), cause.body)
    assert "may or may not have taken effect" in str(error)
    assert "Luma lists no jobs" in str(error)


def test_what_to_do_after_an_unknown_key_creation_is_to_revoke_it_by_prefix() -> None:
    asked = context("plain", vendor=GENEROR, name="generor.api_keys.create")
    cause = outcome.connection_error(asked, TransportError("reset", sent=True), 1.0)
    assert "revoke it by its prefix" in str(outcome.outcome_unknown_error(asked, cause))


# Strict JSON.

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(values, st.booleans())
def test_every_json_value_is_read_without_loss(value: Any, ascii_only: bool) -> None:
    assert response_body.read_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary())
def test_bytes_that_are_no_json_are_a_value_error_and_nothing_else(body: bytes) -> None:
    with contextlib.suppress(ValueError):
        response_body.read_json(body)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", '{"a": [NaN]}', "", "{", "\x00", "{} {}"])
def test_what_only_python_takes_for_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        response_body.read_json(text.encode())


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"a":' * 200_000])
def test_deep_nesting_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match="too deeply"):
        response_body.read_json(body)


def test_a_number_with_a_million_digits_is_a_value_error() -> None:
    with pytest.raises(ValueError):
        response_body.read_json(b"9" * 1_000_000)


def test_large_integers_stay_exact() -> None:
    assert response_body.read_json(b"18446744073709551617") == 2**64 + 1


def test_a_byte_order_mark_before_json_is_passed_over() -> None:
    assert response_body.read_json(b'\xef\xbb\xbf{"id": 7}') == {"id": 7}
    with pytest.raises(ValueError, match="Expecting value"):
        response_body.read_json(b"\xef\xbb\xbf")


def test_the_text_kept_of_an_answer_is_bounded_and_always_text() -> None:
    assert len(response_body.body_text(b"\xff" * 10_000_000)) == response_body.LONGEST_BODY_TEXT
