"""The ids that calls and their attempts are known by."""

import os

__all__ = ["random_uuid"]


def random_uuid() -> str:
    """Return a UUID of version 4, as text; the standard library takes much longer for it."""
    data = os.urandom(12)  # these 96 bits tell them apart; the others say which version it is
    return f"{data[:6].hex('-', -4)}-4000-8000-{data[6:].hex()}"
