"""A server of jobs in a thread of its own that sends one answer too many after each of its answers."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from typing import Self

__all__ = ["STRAY", "ChattyServer", "job"]

STRAY = "dddddddd-1111-4111-8111-111111111111"
PATIENCE = 60.0
"""Real seconds after which a test hangs."""
"""The job in the answers that nobody asked for."""


def job(number: int) -> str:
    """Return the id of the job that a request with this number gets."""
    return f"aaaaaaaa-0000-4000-8000-{number:012}"


def answer(job_id: str, request_id: str | None) -> bytes:
    body = json.dumps(
        {
            "id": job_id,
            "type": "image",
            "state": "queued",
            "model": "uni-1",
            "created_at": "2026-04-08T12:00:00Z",
            "output": [],
            "failure_reason": None,
            "failure_code": None,
        }
    ).encode()
    echo = b"" if request_id is None else b"X-Request-Id: " + request_id.encode() + b"\r\n"
    head = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
    return head + echo + b"\r\n" + body


class ChattyServer:
    """Answers each request with the next job; `extra` makes what follows on the same connection, once `follow` lets it.

    With `hangs_up` the connection ends then.
    """

    def __init__(self, extra: Callable[[str], bytes], *, hangs_up: bool = False) -> None:
        self._extra = extra
        self._hangs_up = hangs_up
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.follow = threading.Event()
        self.followed = threading.Event()
        self.requests: list[str] = []
        """The request ids, in order of arrival."""
        self.connections = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self.follow.set()  # nobody waits for it any more

    def send_extra(self) -> None:
        """Let the answer too many be sent, and wait until it is on its way to the client's machine."""
        self.followed.clear()
        self.follow.set()
        assert self.followed.wait(PATIENCE)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
            while (request_id := self._read(lines.readline, lines.read)) is not None:
                self.requests.append(request_id)
                connection.sendall(answer(job(len(self.requests)), request_id))
                if not self.follow.wait(PATIENCE):
                    return
                self.follow.clear()
                connection.sendall(self._extra(request_id))
                if self._hangs_up:
                    connection.shutdown(socket.SHUT_RDWR)
                self.followed.set()

    @staticmethod
    def _read(readline: Callable[[], bytes], read: Callable[[int], bytes]) -> str | None:
        """Read one request; None where the connection has ended."""
        try:
            if not readline():
                return None
            headers: dict[str, str] = {}
            while line := readline().strip():
                name, _, value = line.decode("latin-1").partition(":")
                headers[name.lower()] = value.strip()
            read(int(headers.get("content-length", "0")))
        except OSError:
            return None
        return headers.get("x-request-id", "")
