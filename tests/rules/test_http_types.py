"""Path segments, and the repr of operations."""

import re
from urllib.parse import unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.calls import KEY, operation
from yarl import URL

from generor_async.errors import InvalidRequestError
from generor_async.rules.http_types import Form, Reply, Request, TransportError, path_segment
from generor_async.values import Secret


@given(st.text(min_size=1))
def test_a_segment_says_what_was_put_in_and_stays_one(text: str) -> None:
    assume(text not in {".", ".."})
    encoded = path_segment(text, "username")
    assert unquote(encoded) == text
    assert re.fullmatch(r"[A-Za-z0-9._~%-]+", encoded)


@given(st.text(min_size=1), st.text(min_size=1))
def test_the_url_of_a_segment_has_the_path_that_was_meant(first: str, second: str) -> None:
    assume(not {first, second} & {".", ".."})
    url = URL(f"http://127.0.0.1/v1/{path_segment(first, 'a')}/{path_segment(second, 'b')}", encoded=True)
    assert url.raw_path.count("/") == 3
    assert url.host == "127.0.0.1"
    assert not url.query_string


@pytest.mark.parametrize("text", ["", ".", ".."])
def test_a_segment_that_would_lead_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError, match="username") as caught:
        path_segment(text, "username")
    assert caught.value.field == "username"
    assert caught.value.outcome == "not_sent"


def test_a_way_out_stays_inside_its_segment() -> None:
    assert path_segment("../credits", "username") == "..%2Fcredits"


def test_a_secret_is_a_segment_too() -> None:
    assert path_segment(Secret("invite/1"), "invite_code") == "invite%2F1"


def test_neither_prompts_nor_keys_nor_bodies_are_shown() -> None:
    hidden = f"{KEY} a heron"
    shown = [
        repr(operation("bills")),
        repr(Request(method="POST", url="/", headers={"A": hidden}, body=hidden.encode(), reusable=False)),
        repr(Reply(status=200, headers={"A": hidden}, body=hidden.encode())),
        repr(Form(content=hidden.encode(), filename="a.png", media_type="image/png")),
    ]
    assert not [text for text in shown if "heron" in text or KEY in text]


def test_a_transport_error_says_only_what_it_was_told() -> None:
    error = TransportError("reset", sent=True)
    assert (str(error), error.sent, error.timed_out, error.permanent) == ("reset", True, False, False)
