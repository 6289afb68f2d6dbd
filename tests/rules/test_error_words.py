"""Messages of errors in responses of any shape."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.error_words import LONGEST, error_message

SHAPES: list[tuple[Any, str]] = [
    ("", ""),
    (None, ""),
    (7, ""),
    ({}, ""),
    ([], ""),
    ({"ok": False, "trace": "abc"}, ""),
    ({"detail": "No."}, "No."),
    ({"error": {"code": "BAD", "message": "No."}}, "No."),
    ({"error": {"code": "BAD"}}, "BAD"),
    ({"error": {"type": "invalid_request_error", "param": "prompt", "message": "Too long"}}, "prompt: Too long"),
    ({"statusCode": 400, "error": "Bad Request", "message": ["a must be b", "c"]}, "Bad Request: a must be b; c"),
    ({"type": "about:blank", "title": "Bad Request", "status": 400, "detail": "No."}, "Bad Request: No."),
    ({"error": "No.", "message": "No."}, "No."),
    ({"error": "invalid_grant", "error_description": "It has expired"}, "invalid_grant: It has expired"),
    ({"errors": ["a", {"detail": "b", "source": {"pointer": "/x"}}]}, "a; b"),
    ({"errors": {"prompt": ["too long"], "seconds": "odd"}}, "prompt: too long; seconds: odd"),
    ({"detail": [{"loc": ["body", "image_ref", 0], "msg": "bad"}, {"msg": "worse"}]}, "body.image_ref.0: bad; worse"),
    (["a", "b"], "a; b"),
    ({"__type": "ThrottlingException", "Message": "Rate exceeded"}, "Rate exceeded"),
    ({"Error": {"Message": "No.", "Code": "BAD"}}, "No."),
    (
        {"fault": {"faultstring": "Quota", "detail": {"errorcode": "policies.quota"}}},
        "Quota: errorcode: policies.quota",
    ),
    ({"ok": False, "response": {"meta": {"trace": "a"}, "body": {"message": "No."}}}, "No."),
    ({"data": {"id": "abc", "list": [{"message": "of something else"}]}}, ""),
    ({"error": {"reason": {"message": {"error": "deep"}}}}, "deep"),
    ("<!DOCTYPE html><HTML><TITLE lang=en>\n 502 Bad\n Gateway </TITLE>", "502 Bad Gateway"),
    ("<html><title></title><h1>Not&nbsp;<b>here</b> &amp; there</h1>", "Not here & there"),
    ("<?xml version='1.0'?><Error><Code>x</Code><Message>Access Denied</Message></Error>", "Access Denied"),
    ("<html><body>nothing in particular", ""),
    ("upstream connect error", "upstream connect error"),
    ("a\x1b]0;owned\x07b\x9bc\u2066d\r\ne", "a ]0;owned b cd e"),
]


@pytest.mark.parametrize(("body", "words"), SHAPES)
def test_the_words_of_a_shape(body: Any, words: str) -> None:
    assert error_message(body) == words


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["error", "detail", "message", "errors", "msg", "loc", "code", "x"]), inner)
    ),
    max_leaves=15,
)


@given(values)
def test_whatever_comes_can_be_printed(body: Any) -> None:
    words = error_message(body)
    words.encode()
    assert len(words) <= LONGEST
    assert not any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in words)


def test_a_body_that_is_deep_or_large_is_no_burden() -> None:
    deep: Any = "end"
    for _ in range(5_000):
        deep = {"error": deep}
    assert error_message(deep) == ""
    assert len(error_message({"errors": [{"message": "x" * 90}] * 100_000})) <= LONGEST
    assert error_message("<" + "p" * 5_000_000) == ""
