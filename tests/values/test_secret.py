"""A secret is never seen by accident."""

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.values import Secret

KEY = "gnr_live_0123456789abcdefghij"


def test_a_secret_gives_its_value_only_when_asked() -> None:
    assert Secret(KEY).reveal() == KEY


@given(st.text(min_size=1))
def test_no_way_of_showing_it_shows_it(value: str) -> None:
    secret = Secret(value)
    hidden = value[9:] if len(value) > 24 else value
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret!r:>50}", repr([secret])):
        assert value not in shown or value in f"{' ' * 50}[Secret('***')]"
        assert len(hidden) < 12 or hidden not in shown
    assert not hasattr(secret, "__dict__")


def test_a_long_one_is_told_by_its_prefix_alone() -> None:
    assert str(Secret(KEY)) == "gnr_live_***"
    assert str(Secret("short")) == "***"


@given(st.text(), st.text())
def test_secrets_are_equal_as_their_values_are(first: str, second: str) -> None:
    assert (Secret(first) == Secret(second)) is (first == second)
    assert first != second or hash(Secret(first)) == hash(Secret(second))


def test_a_secret_equals_no_string() -> None:
    assert Secret(KEY) != KEY


def test_copies_keep_the_value() -> None:
    secret = Secret(KEY)
    assert copy.copy(secret).reveal() == copy.deepcopy([secret])[0].reveal() == KEY


def test_a_pickle_carries_the_mask_and_nothing_else() -> None:
    data = pickle.dumps(Secret(KEY))
    assert KEY.encode() not in data
    again = pickle.loads(data)
    assert str(again) == "gnr_live_***"
    with pytest.raises(ValueError, match="pickled"):
        again.reveal()
    assert again != Secret(KEY)
    assert again != Secret("")
    assert pickle.loads(pickle.dumps(again)) == again
