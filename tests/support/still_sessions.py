"""A link to PostgreSQL that hands a transaction on up to a statement, and then nothing more of its connection.

To the server, and to everybody else, its client is a process that is frozen between two sends: the connection lives.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Final

from attrs import define, field

__all__ = ["StillLink", "still_link_to"]

CHUNK: Final = 65_536
PARSE, EXECUTE = b"P", b"E"
STARTUP: Final = range(196_608, 196_624)
"""The codes of a startup message, by version 3.x of the protocol; after others another message without a type comes."""


@define(eq=False)
class StillLink:
    """Hands on what arrives, until a statement that it waits for was executed."""

    host: str
    target: int
    port: int = 0
    statement: bytes = b""
    """Part of the statement after which to stand still; nothing where it is empty."""
    on_still: Callable[[], object] = lambda: None
    """Called then."""
    is_still: asyncio.Event = field(factory=asyncio.Event)
    """Set while a connection stands still."""
    _awake: asyncio.Event = field(factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(factory=set[asyncio.Task[None]])
    _writers: set[asyncio.StreamWriter] = field(factory=set[asyncio.StreamWriter])

    def stand_still_after(self, statement: str, on_still: Callable[[], object] = lambda: None) -> None:
        """Stand still after the next execution of a statement with this text."""
        self.statement, self.on_still = statement.encode(), on_still

    def wake(self) -> None:
        """Hand on what was held back."""
        self._awake.set()

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        far_reader, far_writer = await asyncio.open_connection(self.host, self.target)
        self._writers |= {writer, far_writer}
        moves = asyncio.Event()
        moves.set()
        await asyncio.gather(self._forward(reader, far_writer, moves), self._backward(far_reader, writer, moves))
        self._writers -= {writer, far_writer}

    async def _forward(
        self, reader: asyncio.StreamReader, far_writer: asyncio.StreamWriter, moves: asyncio.Event
    ) -> None:
        """Hand on message by message."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            is_begun, found = False, False
            while True:
                kind = await reader.readexactly(1) if is_begun else b""
                size = await reader.readexactly(4)
                content = await reader.readexactly(int.from_bytes(size) - 4)
                far_writer.write(kind + size + content)
                is_begun = is_begun or int.from_bytes(content[:4]) in STARTUP
                found = found or bool(kind == PARSE and self.statement and self.statement in content)
                if found and kind == EXECUTE and self.statement:
                    self.statement = b""
                    moves.clear()
                    self.on_still()
                    self.is_still.set()
                    await self._awake.wait()
                    moves.set()
        far_writer.close()

    async def _backward(
        self, far_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, moves: asyncio.Event
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await far_reader.read(CHUNK):
                await moves.wait()
                writer.write(chunk)
        await moves.wait()
        writer.close()

    async def end(self) -> None:
        """Break all connections, and wait until they are gone."""
        self.wake()
        for writer in self._writers:
            writer.transport.abort()
        while self._tasks:
            await asyncio.wait(self._tasks)


@contextlib.asynccontextmanager
async def still_link_to(host: str, port: int) -> AsyncGenerator[StillLink]:
    """Make a link to a server at a port of its own."""
    link = StillLink(host, port)
    server = await asyncio.start_server(link.connect, host, 0)
    link.port = server.sockets[0].getsockname()[1]
    try:
        yield link
    finally:
        server.close()
        await link.end()
        await server.wait_closed()
