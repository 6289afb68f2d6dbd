"""Complete responses become results or errors."""

import json
from typing import Any

import pytest
from support.calls import KEY, THING, Thing, context, endpoint, reply
from support.leaks import leaks

from generor_async.errors import (
    APIError,
    InsufficientCreditsError,
    NotFoundError,
    ResponseShapeError,
)
from generor_async.rules import outcome, response_parsing
from generor_async.rules.body_decoders import Decoder, PageData, as_it_is, enveloped, enveloped_map, nothing, page_of
from generor_async.rules.http_types import Endpoint, Reply
from generor_async.rules.outcome import CallContext
from generor_async.rules.vendors import GENEROR
from generor_async.values import DecodeError, response_to
from generor_async.values.decoding import UnexpectedShape


def read(target: Endpoint[Any], came: Reply, asked: CallContext | None = None, *, path: str = "/things") -> Any:
    known = asked or CallContext(target, "ours")
    return response_parsing.parse_response(target, known, came, path=path, now=0.0, elapsed=1.5)


def came(value: Any, status: int = 200, **headers: str) -> Reply:
    return reply(status, json.dumps(value).encode(), **headers)


def test_a_model_knows_the_answer_it_came_from() -> None:
    asked = context(decode=enveloped(THING))
    asked.attempts = 3
    thing = read(asked.endpoint, came({"data": {"id": "a"}}, X_Request_Id="theirs"), asked)
    info = response_to(thing)
    assert info is not None
    assert (info.status, info.request_id, info.attempts, info.elapsed) == (200, "theirs", 3, 1.5)


def test_a_page_and_each_item_of_it_know_their_answer() -> None:
    page: PageData[Thing] = read(endpoint(decode=page_of(THING)), came({"data": [{"id": "a"}]}))
    assert page.response is not None
    assert page.response.request_id == "ours"
    assert response_to(page.items[0]) is page.response


@pytest.mark.parametrize("status", [200, 201, 202, 204, 205])
def test_a_paid_call_with_an_empty_response_has_an_unknown_outcome(status: int) -> None:
    asked = context("bills", decode=enveloped(THING))
    with pytest.raises(ResponseShapeError, match=f"found nothing, with status {status}") as caught:
        read(asked.endpoint, reply(status, b""), asked)
    assert caught.value.outcome == "unknown"


def test_models_in_a_map_of_lists_know_their_answer() -> None:
    things = read(endpoint(decode=enveloped_map(THING)), came({"data": {"image": [{"id": "a"}]}}))
    assert response_to(things["image"][0]) is not None


def test_a_success_that_says_no_is_an_error() -> None:
    body = {"success": False, "error": {"message": "No credits.", "status": 402}}
    with pytest.raises(InsufficientCreditsError):
        read(endpoint("bills", vendor=GENEROR), came(body))


@pytest.mark.parametrize("body", [b"<html>", b'{"id": 1', b"NaN", b"\xff\xfe", b"[" * 100_000, b""])
def test_a_success_that_is_not_json_is_unknown(body: bytes) -> None:
    with pytest.raises(ResponseShapeError) as caught:
        read(endpoint("bills", method="POST"), reply(200, body))
    assert caught.value.outcome == "unknown"


def test_an_error_that_is_not_json_keeps_its_text() -> None:
    with pytest.raises(APIError) as caught:
        read(endpoint(), reply(500, b"<html>oops"))
    assert getattr(caught.value, "body", None) == "<html>oops"


def test_json_without_an_identity_is_done_and_kept_in_the_error() -> None:
    body = {"data": {"size": 3, "jobs": [{"id": "a1"}]}}
    with pytest.raises(ResponseShapeError) as caught:
        read(endpoint("bills", decode=enveloped(THING)), came(body))
    assert (caught.value.outcome, caught.value.path) == ("done", "$.data.id")
    assert caught.value.body == body
    assert caught.value.ids == ("a1",)
    assert "the ids a1 are in it" in str(caught.value)


def test_a_response_with_odd_fields_is_decoded_and_its_problems_are_named() -> None:
    asked = context("bills", decode=enveloped(THING))
    thing: Thing = read(asked.endpoint, came({"data": {"id": "a", "size": "three", "names": ["x", None]}}), asked)
    assert (thing.id, thing.size, thing.names) == ("a", None, ["x"])
    assert thing.problems == ("$.data.size", "$.data.names[1]")
    assert response_to(thing) is not None
    assert asked.problems is not None
    assert [problem.problem for problem in asked.problems] == [
        "expected an integer, found str",
        "expected a string, found nothing",
    ]


def test_a_documented_response_has_no_problems() -> None:
    asked = context(decode=enveloped(THING))
    assert read(asked.endpoint, came({"data": {"id": "a"}}), asked).problems == ()
    assert asked.problems is None


@pytest.mark.parametrize("status", [200, 204])
def test_an_empty_answer_is_right_for_a_deletion(status: int) -> None:
    assert read(endpoint("idempotent", method="DELETE", decode=nothing), reply(status, b"")) is None


def test_a_404_after_a_deletion_of_unknown_outcome_is_a_success() -> None:
    asked = context("idempotent", method="DELETE", decode=nothing)
    gone = came({"detail": "File not found"}, 404)
    with pytest.raises(NotFoundError):
        read(asked.endpoint, gone, asked)
    asked.lost = True
    assert read(asked.endpoint, gone, asked) is None


def test_another_call_that_finds_nothing_after_a_loss_has_failed() -> None:
    asked = context("read")
    asked.lost = True
    with pytest.raises(NotFoundError):
        read(asked.endpoint, came({"detail": "Generation not found"}, 404), asked)


def test_a_key_in_an_unreadable_answer_is_not_in_the_traceback() -> None:
    asked = context("plain", vendor=GENEROR, secrets=("api_key",), decode=enveloped(THING), method="POST")
    with pytest.raises(ResponseShapeError) as caught:
        read(asked.endpoint, came({"data": {"id": None, "api_key": KEY}}), asked)
    assert not leaks(caught.value, KEY)
    assert caught.value.body["data"]["api_key"].reveal() == KEY


@pytest.mark.parametrize("status", [200, 404, 500])
@pytest.mark.parametrize("secrets", [(), ("api_key",)])
def test_however_deep_an_answer_is_nested_it_ends_in_an_error_of_ours(status: int, secrets: tuple[str, ...]) -> None:
    def odd(_: Any) -> Any:
        raise UnexpectedShape

    def refuse(_: Any, __: Any) -> Any:
        raise DecodeError("expected an object", "$")

    asked = context("plain", vendor=GENEROR, secrets=secrets, decode=Decoder(odd, refuse))
    for depth in (*range(100, 1_000, 50), *range(850, 1_000)):
        for opening, closing in ((b"[", b"]"), (b'{"a":[', b"]}")):
            body = opening * depth + b"1" + closing * depth
            with pytest.raises(APIError) as caught:
                read(asked.endpoint, reply(status, body), asked)
            outcome.outcome_unknown_error(asked, caught.value)


def test_a_value_without_a_model_is_handed_out_as_it_is() -> None:
    assert read(endpoint(decode=as_it_is), came([1, {"a": None}])) == [1, {"a": None}]


@pytest.mark.parametrize("body", [{"id": "a"}, {"a": [1, {"b": [2]}], "c": "xyz", "d": {"e": []}}, [[1]], "x", None, 0])
def test_json_of_an_endpoint_that_the_spec_does_not_know_may_be_anything(body: Any) -> None:
    assert read(endpoint("bills"), came(body)) == body
