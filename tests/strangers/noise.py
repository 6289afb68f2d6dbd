"""Connections that carry more than the answers to what was asked."""

import asyncio
import json
from collections.abc import Callable
from typing import Literal, TypeAlias

import attrs

from strangers.records import Arrival

__all__ = ["EVIL", "UPGRADE", "Early", "Noise", "follow"]

EVIL = "eeeeeeee-1111-4111-8111-111111111111"
"""The job in answers that nobody asked for; its number at Generor is 666."""
UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"

Noise: TypeAlias = Literal["", "one too many", "the same again", "a refusal", "408 when idle", "half of one", "early"]


def _response(status: str, body: object, request_id: str = "", *, ends: bool = False) -> bytes:
    content = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(content)}"]
    lines += [f"X-Request-Id: {request_id}"] * bool(request_id) + ["Connection: close"] * ends
    return "\r\n".join([*lines, "", ""]).encode() + content


CREATION = {"generator": "joke", "creations": [{"creation_id": 666, "text": "EVIL"}], "credit_cost": 1}
JOB = {"id": EVIL, "state": "completed", "type": "image", "output": list[str]()}


def evil(seen: Arrival | None) -> bytes:
    """Return a good answer to somebody else: about a job of Luma's, a creation of Generor's, or both in one.

    Luma's names a request by its id, as all its answers do (documented).
    """
    if seen is not None and seen.api == "generor":
        return _response("201 Created", {"success": True, "data": CREATION})
    return _response("201 Created", JOB | ({} if seen else {"success": True, "data": CREATION}), EVIL)


def _again(seen: Arrival, content: bytes) -> bytes:
    return _response("201 Created", json.loads(content), seen.request_id)


def _no(status: str, seen: Arrival, *, ends: bool = False) -> bytes:
    return _response(status, {"detail": "EVIL"}, EVIL if seen.api == "luma" else "", ends=ends)


@attrs.frozen
class Extra:
    """What comes after an answer, how many seconds later, and whether the connection ends then."""

    make: Callable[[Arrival, bytes], bytes]
    delay: float = 0.02
    ends: bool = False


EXTRAS: dict[str, Extra] = {
    "one too many": Extra(lambda seen, _: evil(seen)),
    "the same again": Extra(_again),
    "a refusal": Extra(lambda seen, _: _no("400 Bad Request", seen)),
    "408 when idle": Extra(lambda seen, _: _no("408 Request Timeout", seen, ends=True), delay=5.0, ends=True),
    "half of one": Extra(lambda seen, _: evil(seen)[:60]),
}


async def follow(transport: asyncio.WriteTransport, noise: str, seen: Arrival, content: bytes) -> None:
    """Send what comes after an answer."""
    extra = EXTRAS[noise]
    await asyncio.sleep(extra.delay)
    if not transport.is_closing():
        transport.write(extra.make(seen, content))
        if extra.ends:
            transport.close()


class Early(asyncio.Protocol):
    """Says something on a new connection before anything was asked, and hands it over then."""

    def __init__(self, served: asyncio.Protocol) -> None:
        self._served = served

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Write first, then serve."""
        if isinstance(transport, asyncio.Transport):
            transport.write(evil(None))
            transport.set_protocol(self._served)
        self._served.connection_made(transport)
