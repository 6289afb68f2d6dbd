"""Idempotency keys and users have names that can be kept."""

from typing import Any

import pytest

from generor_async import InvalidRequestError
from generor_async.rules import kept_names


@pytest.mark.parametrize("check", [kept_names.idempotency_key, kept_names.user])
def test_a_name_has_1_to_255_characters(check: Any) -> None:
    for name in ("a", "ä" * 255):
        assert check(name, "what") == name
    for name in ("", "a" * 256):
        with pytest.raises(InvalidRequestError, match="what must have 1 to 255 characters"):
            check(name, "what")
    with pytest.raises(InvalidRequestError, match="what must be a string"):
        check(7, "what")
