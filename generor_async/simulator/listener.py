"""The simulator's listening port, which can be closed for a while and opened again.

While closed, a socket stays bound to the port without listening: the system refuses connections as if no server ran,
and no other program can take the port.
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
        """Sockets that are bound to the port while it is closed."""
        self._refusing = False
        self._opening: asyncio.Task[None] | None = None

    async def open(self, host: str, port: int) -> int:
        """Start to listen, and return the port; raises OSError."""
        self._loop = asyncio.get_running_loop()
        server = await self._loop.create_server(self._make_protocol, host, port)
        self._servers = [server]
        return int(server.sockets[0].getsockname()[1])

    def refuse(self, refusing: bool) -> None:
        """Close the port or open it, before this returns.

        After opening, connections are accepted at once, and served in the next turns of the loop. Closing within those
        turns takes one turn more.
        """
        self._refusing = refusing
        if self._opening is None:
            self._follow()

    async def close(self) -> None:
        """Stop listening; accepted connections stay open."""
        if self._opening is not None:
            await self._opening
        for server in self._servers:
            server.close()
        for holder in self._held:
            holder.close()
        self._held = []

    async def wait_closed(self) -> None:
        """Wait until all accepted connections are closed."""
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
        """Replace the listening sockets by others on the same addresses that don't listen."""
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
    """Set whether other sockets may bind the same address; not on Windows, where the option means something else."""
    if sys.platform != "win32":
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, shared)
