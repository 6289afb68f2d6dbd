"""The result of checking a key."""

from typing import Literal

from attrs import frozen

from generor_async.values.response import RateLimit

__all__ = ["KeyCheck"]


@frozen(kw_only=True)
class KeyCheck:
    """What the API said of a key that it accepted."""

    api: Literal["generor", "luma"]
    base_url: str
    """The API's address."""
    account: str | None = None
    """The username of the key's account (Generor only)."""
    credits: float | None = None
    """The balance of the account, in credits (Generor only)."""
    may_read: bool = True
    """Whether the key has the scope `read`; a key of Generor that may only generate is accepted as well."""
    api_version: str | None = None
    """The API's version (Luma only, documented)."""
    rate_limit: RateLimit | None = None
    """The X-RateLimit-* headers; Luma sends none with an answer like this (documented)."""
