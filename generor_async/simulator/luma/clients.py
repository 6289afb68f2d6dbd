"""API clients of the simulated Luma Agents API, their keys, and who may pass.

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
    """One of the vendor's customers: it has the limits, the balance and the good or bad standing."""

    name: str
    window: RequestWindow
    """The requests-per-minute window; its `limit` may be changed at any time."""
    abuse: RequestWindow | None
    """The window that requests of every kind are counted in, if there is one."""
    jobs: int
    """How many slots there are for unfinished generations; it may be changed at any time."""
    slots: SlotCounter
    """Those that are held."""
    balance: Decimal
    """US dollars left."""
    standing: Standing = "active"


@frozen(kw_only=True, eq=False)
class Key:
    """One API key of a client's: what its generations belong to."""

    token: str = field(repr=False)
    client: ApiClient
    revoked: bool = False
    expires_at: float | None = None
    """Unix seconds from which on the key is refused, or None."""

    def check(self, now: float, *, standing_matters: bool) -> None:
        """Refuse a key that is no longer good, and a client that may not call."""
        if self.revoked:
            raise LumaRefusal(401, "API key has been revoked")
        if self.expires_at is not None and now >= self.expires_at:
            raise LumaRefusal(401, "API key has expired")
        if standing_matters and self.client.standing != "active":
            raise LumaRefusal(403, f"API client is {self.client.standing}")


class KeyRing:
    """All keys there are, found by the Authorization header."""

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
        """Give a client one more key; without a `token` one is made, always the same for a seed."""
        token = token or f"{KEY_PREFIX}{self._random.getrandbits(160):040x}"
        self._keys[token] = Key(token=token, client=client, revoked=revoked, expires_at=expires_at)
        return self._keys[token]

    def find(self, call: IncomingCall) -> Key:
        """Find the key a request was made with, or refuse with the vendor's two wordings."""
        scheme, _, token = call.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.startswith(KEY_PREFIX):
            raise LumaRefusal(401, "Missing or invalid API key")
        key = self._keys.get(token)
        if key is None:
            raise LumaRefusal(401, "Invalid API key")
        return key

    def known(self, call: IncomingCall) -> Key | None:
        """Find the key a request was made with, or None where it has none that is known."""
        try:
            return self.find(call)
        except LumaRefusal:
            return None
