"""A request to the simulator, and the answer to it.

Every endpoint is a plain method `(call) -> Answer | DeferredAnswer`: no await, no clock of its own. It reads
`call.now`, changes its API's state, and returns the answer. Only `server.py` waits, writes, and keeps the ledger.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field, frozen

__all__ = ["Answer", "DeferredAnswer", "IncomingCall", "Route", "uuid_of"]

encode_json = json.JSONEncoder(check_circular=False).encode


# Nobody changes it, but a frozen one takes three times as long to make, and each request makes one.
@define(kw_only=True)
class IncomingCall:
    """A request as the server read and routed it."""

    operation: str
    """The operation's dotted name, such as `luma.generations.create`, for faults and the ledger."""
    method: str
    path: str
    params: Mapping[str, str] = field(factory=dict[str, str])
    """Path parameters, percent-decoded."""
    query: Mapping[str, str] = field(factory=dict[str, str])
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    """Request headers; look-ups ignore case."""
    body: bytes = field(default=b"", repr=False)
    request_id: str
    """The caller's X-Request-Id, or a UUID that the server made."""
    now: float
    """Simulated Unix time of arrival, in seconds."""
    peer: str = "127.0.0.1"
    origin: str = ""
    """Scheme, host and port under which the simulator was reached: absolute URLs in answers start with it."""
    lag: float = 0.0
    """Additional lag of listings in this answer, in seconds."""
    limits_down: bool = False
    """Whether the API's rate limiter is down, and counts nothing."""


@define(kw_only=True)
class Answer:
    """An answer: a JSON value, or bytes with a content type; None with status 204 means no body."""

    status: int
    json: Any = None
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(factory=dict[str, str])
    charged: float = 0.0
    """Cost for the caller (Generor: credits, Luma: US dollars)."""
    caller: str | None = None
    """The caller's name in the ledger: of an account or API client, never the key."""
    by_gateway: bool = False
    """Whether it comes from a gateway before the API, without the API's headers."""

    def payload(self) -> bytes:
        """Return the body's bytes; empty where there is none."""
        if self.body is not None:
            return self.body
        return b"" if self.status == 204 else encode_json(self.json).encode()


@frozen
class DeferredAnswer:
    """An answer that takes a while: `finish(now)` is called when `seconds` of simulated time have passed."""

    seconds: float
    finish: Callable[[float], Answer]


@frozen
class Route:
    """The method and path of one operation. `{name}` in a template is one path segment."""

    operation: str
    method: str
    template: str
    handle: Callable[[IncomingCall], Answer | DeferredAnswer]


def uuid_of(digits: str) -> str:
    """Write 32 hexadecimal digits as a UUID of version 4; six bits are replaced by version and variant."""
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
