"""A simulator with faults, and what is to be seen of them on a bare socket."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from attrs import frozen

from generor_async.simulator import Entry, Simulator

__all__ = ["CREATE", "GENERATE", "LIST", "Seen", "ask", "leave", "only", "request", "simulated"]

CREATE, LIST, GENERATE = "luma.generations.create", "luma.files.list", "generor.generators.generate"
SPEED = 60.0
"""Simulated seconds in a real one: an attempt's 30 seconds are long enough for a machine that has other work."""


@asynccontextmanager
async def simulated(*specs: str, **options: Any) -> AsyncGenerator[Simulator]:
    """Run a simulator with faults that are written as on the command line."""
    chosen: dict[str, Any] = {"speed": SPEED, "tier": "enterprise", "luma_rpm": 1_000} | options
    async with Simulator(**chosen) as simulator:
        for spec in specs:
            simulator.faults.add_spec(spec)
        yield simulator


@frozen
class Seen:
    """What came over a connection, and how it ended."""

    data: bytes
    reset: bool
    """Whether it ended with an RST, and not with a FIN."""

    @property
    def head(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]

    @property
    def status(self) -> int:
        return int(self.data.split(None, 2)[1])

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers by lower-case name."""
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request(simulator: Simulator, operation: str) -> bytes:
    """Write a request for an operation as it goes over the wire."""
    method, path, body = {
        CREATE: ("POST", "/v1/generations", {"prompt": "A glass of iced coffee"}),
        LIST: ("GET", "/v1/files", None),
        GENERATE: ("POST", "/api/v1/generators/joke/generate", {"prompt": "A joke", "model_id": 37}),
        "generor.models.list": ("GET", "/api/v1/models", None),
        "storage.get": ("GET", "/storage/nothing", None),
    }[operation]
    key = simulator.luma_key if path.startswith("/v1") else simulator.generor_key
    authorization = f"Authorization: Bearer {key}\r\n" if operation != "storage.get" else ""
    content = b"" if body is None else json.dumps(body).encode()
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{authorization}X-Request-Id: my-request\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + content


async def ask(simulator: Simulator, operation: str) -> Seen:
    """Make a request on a connection of its own, and read until that ends."""
    reader, writer = await asyncio.open_connection(simulator.host, int(simulator.url.rpartition(":")[2]))
    writer.write(request(simulator, operation))
    data, reset = b"", False
    try:
        while piece := await reader.read(2**20):
            data += piece
    except ConnectionResetError:
        reset = True
    finally:
        await leave(writer)
    return Seen(data, reset)


async def leave(writer: asyncio.StreamWriter) -> None:
    """Close a connection at once, however it is."""
    writer.transport.abort()
    with suppress(ConnectionResetError):
        await writer.wait_closed()


def only(simulator: Simulator) -> Entry:
    """Give the one request that the ledger has."""
    (entry,) = simulator.ledger.requests
    return entry
