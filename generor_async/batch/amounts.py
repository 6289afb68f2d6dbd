"""Credits in US dollars, where a credit has a known worth: Luma lists its prices in dollars, and meters in credits."""

from typing import Final

__all__ = ["DIGITS", "format_credits", "format_dollars", "in_dollars", "rounded"]

DIGITS: Final = 6
"""Of an amount: what is beyond comes from adding up and multiplying."""
CENTS_FROM: Final = 0.1
"""US dollars below which cents are too coarse."""


def in_dollars(credits_: float, credit_dollars: float | None) -> float | None:
    """Return credits in US dollars; None where nobody says what a credit is worth."""
    return None if credit_dollars is None else rounded(credits_ * credit_dollars)


def rounded(amount: float) -> float:
    """Return an amount of money without what comes from adding up and multiplying."""
    return round(amount, DIGITS)


def format_credits(credits_: float) -> str:
    """Write an amount of credits for people: whole where it is, else to the hundredth."""
    text = f"{credits_:,.2f}"
    return text.rstrip("0").rstrip(".")


def format_dollars(credits_: float, credit_dollars: float | None) -> str:
    """Write what stands behind an amount of credits, such as ` ($12.00)`; nothing where a credit has no known worth."""
    worth = in_dollars(credits_, credit_dollars)
    if worth is None:
        return ""
    in_cents = worth >= CENTS_FROM or round(worth, 2) == round(worth, 4)
    return f" (${worth:,.2f})" if in_cents else f" (${worth:.4f})"
