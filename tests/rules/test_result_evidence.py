"""Error responses that contain a result or a charge."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import context, reply

from generor_async.errors import APIStatusError, RateLimitError
from generor_async.rules import outcome, response_errors
from generor_async.rules.result_evidence import id_in_location, shows_result
from generor_async.rules.vendors import GENEROR, LUMA, Vendor

NOW = 1_775_649_600.0
ID = "d290f1ee-6c54-4b01-90e6-d701748f0851"
JOB: dict[str, Any] = {"id": ID, "type": "image", "model": "uni-1", "state": "queued", "output": []}
MADE: dict[str, Any] = {"creations": [{"creation_id": 6147, "image_url": "/a.png"}], "credit_cost": 24}
NO: dict[str, Any] = {"success": False, "error": {"code": "VALIDATION_ERROR", "message": "No."}}

TELLING: list[tuple[Vendor, Any]] = [
    (LUMA, JOB),
    (LUMA, {"id": ID, "state": "failed"}),
    (LUMA, {"id": 12, "output": []}),
    (LUMA, {**JOB, "detail": "Concurrent generation limit reached (4)"}),
    (LUMA, {"data": JOB}),
    (LUMA, {"generation": JOB}),
    (LUMA, [JOB]),
    (LUMA, f')]}}\'\n{{"id": "{ID}", "state": "queued"}}'),
    (GENEROR, {**NO, "data": MADE}),
    (GENEROR, {**NO, **MADE}),
    (GENEROR, {**NO, "data": [MADE]}),
    (GENEROR, {**NO, "data": {"creations": {"0": {"creation_id": 6147}}}}),
    (GENEROR, {**NO, "data": {"creation_id": 6147, "status": "pending"}}),
    (GENEROR, '{"data": {"creations": [{"creation_id": 6147, "ima'),
]
ASKED: dict[str, Any] = {"prompt": "a heron", "model": "uni-1", "type": "image_edit", "source": {"generation_id": ID}}
SILENT: list[tuple[Vendor, Any]] = [
    (LUMA, None),
    (LUMA, ""),
    (LUMA, {}),
    (LUMA, {"detail": f"Generation {ID} not found"}),
    (LUMA, {"detail": "No.", "id": ID, "request_id": ID}),
    (LUMA, {"detail": "No.", "id": ID, "type": "error", "created_at": "2026-04-08T12:00:00Z"}),
    (LUMA, {"detail": "No.", **ASKED}),
    (LUMA, {"detail": "No.", "request": {**ASKED, "id": ID}}),
    (LUMA, {"detail": [{"type": "missing", "loc": ["body"], "msg": "No.", "input": ASKED, "id": ID}]}),
    (LUMA, {"detail": "Concurrent generation limit reached (4)", "running": [JOB]}),
    (LUMA, {"id": None, "state": "queued"}),
    (LUMA, {"id": " ", "state": "queued"}),
    (LUMA, {"id": True, "state": "queued"}),
    (LUMA, f'<html><script>{{"id": "{ID}", "state": {{}}}}</script>'),
    (LUMA, f"upstream error, request {ID}"),
    (GENEROR, NO),
    (GENEROR, {**NO, "data": None}),
    (GENEROR, {**NO, "data": {"creations": []}}),
    (GENEROR, {**NO, "data": {"credit_cost": 0}}),
    (GENEROR, {**NO, "data": {"credit_cost": {"total": 24}}}),
    (GENEROR, {**NO, "data": {"credits_remaining": 100}}),
    (GENEROR, {**NO, "meta": {"request_id": ID}}),
    (GENEROR, {"success": False, "error": {**NO["error"], "details": {"creation_id": 6147}}}),
    (GENEROR, "<html>creation 6147"),
]


@pytest.mark.parametrize(("vendor", "body"), TELLING)
def test_what_was_made_outweighs_any_status_and_code(vendor: Vendor, body: Any) -> None:
    for status in [200, 302, 307, 400, 402, 403, 404, 409, 413, 422, 429, 500, 502, 503]:
        error = response_errors.status_error(context("bills", vendor=vendor), reply(status), body, NOW)
        assert (error.outcome, error.retryable) == ("unknown", False)


@pytest.mark.parametrize(
    "said", [NO["error"], {"code": "RATE_LIMIT_EXCEEDED"}, {"message": "No.", "status": 429}, None]
)
def test_it_outweighs_the_code_beside_it_which_proves_no_limit_either(said: Any) -> None:
    known = context("bills", vendor=GENEROR)
    error = response_errors.status_error(known, reply(200), {"success": False, "error": said, "data": MADE}, NOW)
    assert (error.outcome, error.retryable, known.refusal) == ("unknown", False, None)


@pytest.mark.parametrize("cost", [24, 0.5, "24"])
@pytest.mark.parametrize("status", [200, 302, 400, 429, 500])
def test_a_cost_alone_tells_of_a_charge(status: int, cost: Any) -> None:
    body = {**NO, "data": {"credit_cost": cost}}
    error = response_errors.status_error(context("bills", vendor=GENEROR), reply(status), body, NOW)
    assert (error.outcome, error.retryable) == ("unknown", False)


def test_a_cost_is_what_it_would_have_been_where_the_account_cannot_pay() -> None:
    refused = {"success": False, "error": {"code": "INSUFFICIENT_CREDITS"}, "data": {"credit_cost": 24, "balance": 3}}
    for status in (200, 402):
        error = response_errors.status_error(context("bills", vendor=GENEROR), reply(status), refused, NOW)
        assert (error.outcome, error.status_code) == ("refused", 402)
    made = {**refused, "data": MADE}
    assert response_errors.status_error(context("bills", vendor=GENEROR), reply(402), made, NOW).outcome == "unknown"


@pytest.mark.parametrize(("vendor", "body"), SILENT)
def test_an_id_alone_and_what_was_asked_for_are_no_result(vendor: Vendor, body: Any) -> None:
    for status in [302, 400, 402, 403, 404, 413, 429]:
        error = response_errors.status_error(context("bills", vendor=vendor), reply(status), body, NOW)
        assert error.outcome == "refused"
        assert error.retryable is (status == 429)


@pytest.mark.parametrize(("vendor", "body"), TELLING)
def test_only_a_call_that_bills_is_in_doubt_for_it(vendor: Vendor, body: Any) -> None:
    known = context("read", vendor=vendor)
    error: APIStatusError = response_errors.status_error(known, reply(429), body, NOW)
    assert type(error) is RateLimitError
    assert (error.outcome, error.retryable) == ("refused", True)


@pytest.mark.parametrize(
    ("location", "name"),
    [
        (f"/v1/generations/{ID}", ID),
        (f"https://elsewhere.example/v1/generations/{ID}/?token=hush", ID),
        (f"/jobs/{ID.upper()}", ID.upper()),
        ("/generations/gen-12", "gen-12"),
        ("/api/v1/creations/6147", "6147"),
        (ID, ID),
        ("", None),
        ("/", None),
        ("/v1/generations", None),
        ("/v1/generations/", None),
        ("/v1/generations/new", None),
        ("/v2/things/12", None),
        (f"/login?next=/v1/generations/{ID}", None),
        (f"/login?request={ID}", None),
        ("http://[broken", None),
    ],
)
def test_a_redirect_to_a_job_or_a_creation_names_it(location: str, name: str | None) -> None:
    assert id_in_location({"Location": location}) == name
    call = context("bills")
    error = response_errors.status_error(call, reply(307, Location=location), "", NOW)
    assert error.outcome == ("refused" if name is None else "unknown")
    told = outcome.outcome_unknown_error(call, error)
    assert told.ids == (() if name is None else (name,))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "state", "data", "creations", "credit_cost", "detail"]), inner)
    ),
    max_leaves=12,
)


@given(values, st.sampled_from([GENEROR, LUMA]), st.booleans())
def test_whatever_an_answer_holds_can_be_looked_at(body: Any, vendor: Vendor, costs: bool) -> None:
    found = shows_result(vendor, body, costs_count=costs)
    if found and vendor is LUMA:
        assert "id" in str(body)
        assert "state" in str(body)
    if found and vendor is GENEROR:
        assert "creations" in str(body) or (costs and "credit_cost" in str(body))


@given(st.text(max_size=30))
def test_any_text_may_be_a_location(location: str) -> None:
    name = id_in_location({"Location": location})
    assert name is None or name in location
