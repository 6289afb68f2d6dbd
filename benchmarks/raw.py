"""A server of Luma's jobs as a raw protocol, which takes little CPU, so that the client is measured."""

import asyncio
import json
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeAlias

__all__ = ["KEY", "Answer", "generation", "message", "serve", "start"]

KEY = "luma-api-benchmark"
Answer: TypeAlias = Callable[[bytes, str], bytes]
"""Answers a request by its head, and by the server's own address."""

REQUEST_ID = "550e8400-e29b-41d4-a716-446655440000"
HEAD = (
    "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nX-API-Version: 2026-04-01\r\n"
    "X-Request-Id: " + REQUEST_ID + "\r\nX-RateLimit-Limit: 1000000000\r\n"
    "X-RateLimit-Remaining: 999999999\r\nX-RateLimit-Reset: 1775649660\r\nContent-Length: {length}\r\n{more}\r\n"
)


def generation(job_id: str, state: str, *outputs: str) -> dict[str, object]:
    """Make the body of an answer that shows a job, with the addresses of its outputs."""
    return {
        "id": job_id,
        "type": "image",
        "state": state,
        "model": "uni-1",
        "created_at": "2026-04-08T12:00:00Z",
        "output": [{"type": "image", "url": url} for url in outputs],
        "failure_reason": None,
        "failure_code": None,
    }


def message(status: str, body: dict[str, object], more: str = "") -> bytes:
    """Make an answer, with more headers if they are given."""
    data = json.dumps(body).encode()
    return HEAD.format(status=status, length=len(data), more=more).encode() + data


class _Answering(asyncio.Protocol):
    """Answers each request, once it has arrived whole."""

    transport: asyncio.Transport

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.address = "http://{}:{}".format(*transport.get_extra_info("sockname"))

    def data_received(self, data: bytes) -> None:
        self.pending += data
        while (end := self.pending.find(b"\r\n\r\n")) >= 0:
            head = self.pending[:end]
            at = head.lower().find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.pending) < end + 4 + length:
                return
            self.pending = self.pending[end + 4 + length :]
            self.transport.write(_echoing(head, self.answer(head, self.address)))


def _echoing(head: bytes, answer: bytes) -> bytes:
    """Return an answer with the id in it that the request carried, if it did (documented)."""
    at = head.lower().find(b"x-request-id:")
    return answer if at < 0 else answer.replace(REQUEST_ID.encode(), head[at + 13 :].split(b"\r\n", 1)[0].strip(), 1)


async def start(answer: Answer) -> tuple[asyncio.Server, str]:
    """Serve on a free port; return the server, and the base URL for a client."""
    server = await asyncio.get_running_loop().create_server(lambda: _Answering(answer), "127.0.0.1", 0, backlog=1024)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


def serve(pipe: Connection, answer: Answer) -> None:
    """Serve until the process is ended; send the base URL when that has begun."""

    async def main() -> None:
        server, url = await start(answer)
        pipe.send(url)
        await server.serve_forever()

    asyncio.run(main())
