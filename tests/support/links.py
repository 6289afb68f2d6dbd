"""A link to a server that can be cut, and that can lose the answer of a commit."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Final, Literal

from attrs import define, field

__all__ = ["Link", "LostCommit", "link_to"]

LostCommit = Literal["arrives", "never arrives", "arrives late"]
"""What becomes of a commit whose answer is lost."""
CHUNK: Final = 65_536
COMMIT: Final = b"COMMIT\0"


@define(eq=False)
class Link:
    """Hands on what arrives, until it is told otherwise."""

    host: str
    target: int
    port: int = 0
    lost: list[LostCommit] = field(factory=list[LostCommit])
    """What becomes of the next commits."""
    late: list[tuple[asyncio.StreamWriter, bytes]] = field(factory=list[tuple[asyncio.StreamWriter, bytes]])
    """Commits that have not arrived yet."""
    _whole: asyncio.Event = field(factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(factory=set[asyncio.Task[None]])
    _writers: set[asyncio.StreamWriter] = field(factory=set[asyncio.StreamWriter])

    def cut(self) -> None:
        """Hand nothing on, in silence; new connections are not made either."""
        self._whole.clear()

    def heal(self) -> None:
        """Go on, with what was held back."""
        self._whole.set()

    def reset(self) -> None:
        """Break all connections."""
        for writer in self._writers:
            writer.transport.abort()

    async def ended(self) -> None:
        """Wait until all connections are gone."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def deliver_late(self) -> None:
        """Have commits arrive that were held back."""
        for writer, chunk in self.late:
            with contextlib.suppress(ConnectionError):
                writer.write(chunk)
                await writer.drain()
            writer.close()
        self.late.clear()

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await self._whole.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection(self.host, self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        lost = asyncio.Event()
        await asyncio.gather(self._forward(reader, far_writer, writer, lost), self._backward(far_reader, writer, lost))
        self._writers -= {writer, far_writer}
        writer.close()
        if all(late is not far_writer for late, _ in self.late):
            far_writer.close()

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        far_writer: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
        lost: asyncio.Event,
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(CHUNK):
                await self._whole.wait()
                if self.lost and COMMIT in chunk:
                    what = self.lost.pop(0)
                    if what == "arrives":
                        lost.set()
                        far_writer.write(chunk)
                        continue
                    if what == "arrives late":
                        self.late.append((far_writer, chunk))
                        writer.transport.abort()
                        return
                    far_writer.transport.abort()
                    writer.transport.abort()
                    return
                far_writer.write(chunk)
        far_writer.close()

    async def _backward(
        self, far_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await far_reader.read(CHUNK):
                await self._whole.wait()
                if lost.is_set() and COMMIT in chunk:
                    break
                writer.write(chunk)
        writer.transport.abort() if lost.is_set() else writer.close()


@contextlib.asynccontextmanager
async def link_to(host: str, port: int) -> AsyncGenerator[Link]:
    """Make a link to a server at a port of its own."""
    link = Link(host, port)
    link.heal()
    server = await asyncio.start_server(link.connect, host, 0)
    link.port = server.sockets[0].getsockname()[1]
    try:
        yield link
    finally:
        server.close()
        await link.deliver_late()
        link.heal()
        link.reset()
        await link.ended()
        await server.wait_closed()
