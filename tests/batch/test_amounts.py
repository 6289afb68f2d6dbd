"""Amounts of credits in US dollars."""

import pytest

from generor_async.batch.amounts import format_dollars, in_dollars
from generor_async.rules.vendors import GENEROR, LUMA, vendor_of

A_CREDIT = LUMA.credit_dollars


@pytest.mark.parametrize(
    ("credits_", "text"),
    [
        (0.0, " ($0.00)"),
        (0.0404 / 0.003, " ($0.0404)"),
        (20.0, " ($0.06)"),
        (67.33, " ($0.20)"),
        (1_000_000.0, " ($3,000.00)"),
    ],
)
def test_small_sums_have_more_than_two_decimals(credits_: float, text: str) -> None:
    assert format_dollars(credits_, A_CREDIT) == text


def test_generor_credits_have_no_known_worth() -> None:
    assert vendor_of("generor.generators.generate") is GENEROR
    assert vendor_of("luma.generations.create") is LUMA
    assert in_dollars(7.0, GENEROR.credit_dollars) is None
    assert format_dollars(7.0, GENEROR.credit_dollars) == ""
