"""One request as it arrived at the simulator, and the answer to it.

Every endpoint is a plain method `(call) -> Answer | Later`: no await, no clock of its own. It reads `call.now`,
changes its API's state, and returns what to say. `server.py` alone waits, writes and keeps the ledger.
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
    """A request as the server read it: already routed, not yet judged."""

    operation: str
    """The operation's dotted name, such as `luma.generations.create`; faults and the ledger go by it."""
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
    """Seconds by which listings lag in this answer, besides the lag that they always have."""
    limits_down: bool = False
    """Whether what counts requests against the limits is down."""


@define(kw_only=True)
class Answer:
    """What to say: a JSON value, or bytes with a content type; None with status 204 means no body."""

    status: int
    json: Any = None
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(factory=dict[str, str])
    charged: float = 0.0
    """What this answer cost the caller, in the API's own unit (Generor: credits; Luma: US dollars)."""
    caller: str | None = None
    """Who asked, as the ledger shows it (an account's or API client's name), never the key."""
    by_gateway: bool = False
    """Whether a gateway before the API says it, and so nothing that the API's own headers would."""

    def payload(self) -> bytes:
        """Give the body as it goes over the wire; empty where there is none."""
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
    """Where one operation lives. A template's `{name}` is one path segment."""

    operation: str
    method: str
    template: str
    handle: Callable[[IncomingCall], Answer | DeferredAnswer]


def uuid_of(digits: str) -> str:
    """Write 32 hexadecimal digits as a random UUID (version 4); six bits are lost to its version and variant."""
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
