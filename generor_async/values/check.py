"""What is known of a key that was tried."""

from typing import Literal

from attrs import frozen

from generor_async.values.response import RateLimit

__all__ = ["KeyCheck"]


@frozen(kw_only=True)
class KeyCheck:
    """A key that the API took, and what its answer said beside that."""

    api: Literal["generor", "luma"]
    base_url: str
    """Where it was tried."""
    account: str | None = None
    """Whose it is: Generor's username; Luma doesn't say."""
    credits: float | None = None
    """What the account has, in credits; Luma doesn't say."""
    may_read: bool = True
    """Whether the key's scopes let it read: one of Generor's that may only generate is good, too."""
    api_version: str | None = None
    """The API's version (Luma only, documented)."""
    rate_limit: RateLimit | None = None
    """The X-RateLimit-* headers; Luma sends none with an answer like this (documented)."""
