"""The port that the simulator listens on, which can be closed for a while and opened again.

While it is closed, the port is still held, by a socket that is bound but doesn't listen: the system refuses whoever
connects, as it does where no server runs, and no other program can take the port.
"""

import asyncio
import socket
import sys
from collections.abc import Callable, Sequence

__all__ = ["Listener"]


class Listener:
    """Accepts connections on a port, and hands each to a protocol of its own."""

    def __init__(self, make_protocol: Callable[[], asyncio.Protocol]) -> None:
        self._make_protocol = make_protocol
        self._servers: list[asyncio.Server] = []
        self._held: list[socket.socket] = []
        """What holds the port while it is closed."""
        self._refusing = False
        self._opening: asyncio.Task[None] | None = None

    async def open(self, host: str, port: int) -> int:
        """Begin to listen, and give the port; OSError where that can't be."""
        self._loop = asyncio.get_running_loop()
        server = await self._loop.create_server(self._make_protocol, host, port)
        self._servers = [server]
        return int(server.sockets[0].getsockname()[1])

    def refuse(self, refusing: bool) -> None:
        """Close the port or open it, before this returns.

        Opened, it accepts at once, and serves in the loop's next turns. Closed in those very turns, it is a turn late.
        """
        self._refusing = refusing
        if self._opening is None:
            self._follow()

    async def close(self) -> None:
        """Stop listening; connections that were accepted are left alone."""
        if self._opening is not None:
            await self._opening
        for server in self._servers:
            server.close()
        for holder in self._held:
            holder.close()
        self._held = []

    async def wait_closed(self) -> None:
        """Wait until the connections that were accepted are closed too."""
        for server in self._servers:
            await server.wait_closed()

    def _follow(self) -> None:
        if self._refusing and not self._held:
            self._held = self._exchanged()
        elif self._held and not self._refusing:
            held, self._held = self._held, []
            for holder in held:
                _share_address(holder, shared=True)  # with the connections that are to come: they outlive it
                holder.listen()
            self._opening = self._loop.create_task(self._serve(held))

    def _exchanged(self) -> list[socket.socket]:
        """Close the sockets that listen, and hold their addresses with some that don't."""
        # A connection that asyncio 3.11 is accepting at this very moment gets lost: it is refused, then.
        addresses = [(each.family, each.getsockname()) for server in self._servers for each in server.sockets]
        for server in self._servers:
            server.close()
        holders = list[socket.socket]()
        for family, address in addresses:
            holder = socket.socket(family, socket.SOCK_STREAM)
            holder.setblocking(False)
            _share_address(holder, shared=True)  # with connections that are still open
            if family == socket.AF_INET6:
                holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            holder.bind(address)
            _share_address(holder, shared=False)
            holders.append(holder)
        return holders

    async def _serve(self, sockets: Sequence[socket.socket]) -> None:
        # The servers that were closed are kept: their connections may still be open.
        self._servers += [await self._loop.create_server(self._make_protocol, sock=each) for each in sockets]
        self._opening = None
        self._follow()


def _share_address(holder: socket.socket, *, shared: bool) -> None:
    """Say whether other sockets may have the same address; Windows means something else by that."""
    if sys.platform != "win32":
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, shared)
