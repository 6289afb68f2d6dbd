"""Amounts of credits, and their worth in US dollars if it is known: Luma prices in dollars and meters in credits."""

from typing import Final

__all__ = ["DIGITS", "format_credits", "format_dollars", "in_dollars", "rounded"]

DIGITS: Final = 6
"""Decimal places of an amount; what is beyond is rounding error."""
CENTS_FROM: Final = 0.1
"""From so many US dollars on, cents are exact enough."""


def in_dollars(credits_: float, credit_dollars: float | None) -> float | None:
    """Return credits in US dollars; None if the worth of a credit is not known."""
    return None if credit_dollars is None else rounded(credits_ * credit_dollars)


def rounded(amount: float) -> float:
    """Return an amount without the rounding error of sums and products."""
    return round(amount, DIGITS)


def format_credits(credits_: float) -> str:
    """Format credits for people: with two decimal places at most."""
    text = f"{credits_:,.2f}"
    return text.rstrip("0").rstrip(".")


def format_dollars(credits_: float, credit_dollars: float | None) -> str:
    """Format the dollars to print after credits, such as ` ($12.00)`; empty if the worth of a credit is not known."""
    worth = in_dollars(credits_, credit_dollars)
    if worth is None:
        return ""
    in_cents = worth >= CENTS_FROM or round(worth, 2) == round(worth, 4)
    return f" (${worth:,.2f})" if in_cents else f" (${worth:.4f})"
