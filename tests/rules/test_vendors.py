"""Differences between the two APIs."""

from typing import Any

import pytest

from generor_async.rules.vendors import GENEROR, LUMA

GENERORS = {"error": {"code": "NOT_FOUND", "message": "Nothing here.", "status": 404}}
LUMAS = {"detail": "Nothing here."}


def test_each_api_reads_its_own_errors_and_not_the_others() -> None:
    assert GENEROR.failure(GENERORS) == ("Nothing here.", "NOT_FOUND", 404)
    assert LUMA.failure(LUMAS) == ("Nothing here.", None, None)
    assert GENEROR.failure(LUMAS) is None
    assert LUMA.failure(GENERORS) is None


@pytest.mark.parametrize(
    "body", [None, [], "x", 7, {}, {"error": "x"}, {"error": {}}, {"error": {"message": 7}}, {"detail": [1]}]
)
def test_anything_else_is_nobodys_error(body: Any) -> None:
    assert GENEROR.failure(body) is None
    assert LUMA.failure(body) is None


def test_odd_codes_and_statuses_of_an_error_are_left_out() -> None:
    assert GENEROR.failure({"error": {"message": "m", "code": 7, "status": "4o4"}}) == ("m", None, None)
    assert GENEROR.failure({"error": {"message": "m", "status": True}}) == ("m", None, None)


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("image_ref[0]: failed to fetch URL (HTTP 404)", "Confirm that the URL answers 200"),
        ("image_ref[0]: failed to fetch URL", "Verify that the URL is publicly accessible"),
        ("image_ref[2]: invalid base64 data", "Ensure that the data is properly base64-encoded"),
        ("source is required for type 'image_edit'", "Add a source"),
        ("Something nobody documented", "Fix the parameter"),
    ],
)
def test_advice_is_looked_up_by_the_message_first(message: str, advice: str) -> None:
    assert LUMA.advise(400, message).startswith(advice)


def test_a_status_nobody_documents_has_no_advice() -> None:
    assert LUMA.advise(418, "I'm a teapot") == ""
