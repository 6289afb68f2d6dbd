"""API clients of the simulated Luma Agents API and their keys.

`documented`: limits are per API client, generations belong to the key that made them; the texts of 401 and
403. `assumed`: files and the balance belong to the API client; the scheme's name ignores case, as HTTP has
it; a suspended or deactivated client is refused everywhere, not only where it submits (a switch).
"""

import random
from decimal import Decimal
from typing import Literal

from attrs import define, field, frozen

from generor_async.simulator.luma.answers import LumaRefusal
from generor_async.simulator.luma.slots import SlotCounter
from generor_async.simulator.messages import IncomingCall
from generor_async.simulator.request_windows import RequestWindow

__all__ = ["KEY_PREFIX", "ApiClient", "Key", "KeyRing", "Standing"]

KEY_PREFIX = "luma-api-"

Standing = Literal["active", "suspended", "deactivated"]


@define(kw_only=True, eq=False)
class ApiClient:
    """A customer of the vendor, with limits, balance and standing."""

    name: str
    window: RequestWindow
    """The requests-per-minute window; its `limit` may be changed at any time."""
    abuse: RequestWindow | None
    """The window for requests of all kinds, if there is one."""
    jobs: int
    """Number of slots for unfinished generations; may be changed at any time."""
    slots: SlotCounter
    """The occupied slots."""
    balance: Decimal
    """US dollars left."""
    standing: Standing = "active"


@frozen(kw_only=True, eq=False)
class Key:
    """An API key of a client; generations belong to the key."""

    token: str = field(repr=False)
    client: ApiClient
    revoked: bool = False
    expires_at: float | None = None
    """Unix time from which the key is refused, or None."""

    def check(self, now: float, *, standing_matters: bool) -> None:
        """Refuse an invalid key, and a client that may not call."""
        if self.revoked:
            raise LumaRefusal(401, "API key has been revoked")
        if self.expires_at is not None and now >= self.expires_at:
            raise LumaRefusal(401, "API key has expired")
        if standing_matters and self.client.standing != "active":
            raise LumaRefusal(403, f"API client is {self.client.standing}")


class KeyRing:
    """All keys, found by the Authorization header."""

    def __init__(self, *, seed: int) -> None:
        self._random = random.Random(f"luma keys {seed}")  # noqa: S311  # stable, not secret
        self._keys: dict[str, Key] = {}

    def add(
        self,
        client: ApiClient,
        *,
        token: str | None = None,
        revoked: bool = False,
        expires_at: float | None = None,
    ) -> Key:
        """Create a key for a client; without `token`, it follows from the seed."""
        token = token or f"{KEY_PREFIX}{self._random.getrandbits(160):040x}"
        self._keys[token] = Key(token=token, client=client, revoked=revoked, expires_at=expires_at)
        return self._keys[token]

    def find(self, call: IncomingCall) -> Key:
        """Return the key of a request; raises LumaRefusal with one of the vendor's two messages."""
        scheme, _, token = call.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.startswith(KEY_PREFIX):
            raise LumaRefusal(401, "Missing or invalid API key")
        key = self._keys.get(token)
        if key is None:
            raise LumaRefusal(401, "Invalid API key")
        return key

    def known(self, call: IncomingCall) -> Key | None:
        """Return the key of a request; None if it has no known one."""
        try:
            return self.find(call)
        except LumaRefusal:
            return None
