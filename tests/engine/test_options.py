"""What `with_options` takes, and what it refuses."""

import math
from typing import Any

import pytest

from generor_async.engine.options import Options
from generor_async.errors import InvalidRequestError


def test_options_change_one_by_one() -> None:
    options = Options().changed(timeout=5).changed(max_retries=0, attempt_timeout=math.inf)
    assert (options.timeout, options.max_retries, options.attempt_timeout) == (5, 0, math.inf)
    assert options.changed() == options


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"timeout": None}, "timeout"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": True}, "timeout"),
        ({"attempt_timeout": math.nan}, "attempt_timeout"),
        ({"attempt_timeout": "5"}, "attempt_timeout"),
        ({"max_retries": -1}, "max_retries"),
        ({"max_retries": True}, "max_retries"),
        ({"max_retries": 2.0}, "max_retries"),
        ({"max_retries": None}, "max_retries"),
        ({"extra_headers": {"X-A": "a\r\nX-B: b"}}, "extra_headers"),
        ({"extra_headers": {"X-A\n": "a"}}, "extra_headers"),
        ({"extra_headers": {"": "a"}}, "extra_headers"),
        ({"extra_headers": {"X-A": 7}}, "extra_headers"),
        ({"extra_headers": {"x-request-ID": "a"}}, "extra_headers"),
        ({"on_progress": 5}, "on_progress"),
        ({"request_id": "a\nb"}, "request_id"),
        ({"request_id": None}, "request_id"),
    ],
)
def test_what_can_never_be_right_is_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        Options().changed(**changes)
    assert caught.value.field == field
    assert "\n" not in str(caught.value)


def test_headers_query_and_body_are_not_shown() -> None:
    options = Options().changed(
        extra_headers={"Authorization": "hush"}, extra_query={"token": "hush"}, extra_body={"prompt": "hush"}
    )
    assert "hush" not in repr(options)
