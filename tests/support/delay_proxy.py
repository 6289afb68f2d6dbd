"""A link with a delay, for kernels without netem: hands on what arrives, so many seconds later, in both directions.

    python delay_proxy.py HOST PORT TARGET_HOST TARGET_PORT SECONDS

Prints a line when it listens. It stands for a link's delay once connected: connecting itself takes no longer.
"""

import asyncio
import contextlib
import sys

CHUNK = 65_536


async def hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Write what is read, later; and close, later."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(CHUNK):
            loop.call_later(seconds, writer.write, chunk)
    loop.call_later(seconds, writer.close)


async def serve(host: str, port: int, target: tuple[str, int], seconds: float) -> None:
    """Serve until killed."""

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*target)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(hand_on(reader, far_writer, seconds), hand_on(far_reader, writer, seconds))

    server = await asyncio.start_server(connect, host, port)
    print("ready", flush=True)  # noqa: T201
    await server.serve_forever()


if __name__ == "__main__":
    given_host, given_port, target_host, target_port, delay = sys.argv[1:]
    asyncio.run(serve(given_host, int(given_port), (target_host, int(target_port)), float(delay)))
