"""The server thread, for programs without an event loop."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future

__all__ = ["ServerThread"]


class ServerThread(threading.Thread):
    """Runs a server in its own event loop until `stop`."""

    def __init__(self, start_server: Callable[[], Awaitable[None]], stop_server: Callable[[], Awaitable[None]]) -> None:
        super().__init__(name="generor simulator", daemon=True)
        self._start_server, self._stop_server = start_server, stop_server
        self.ready: Future[None] = Future()
        """Done when the server listens, or has failed to."""

    def run(self) -> None:
        """Serve until the end; called by `start`."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        try:
            await self._start_server()
        except BaseException as error:  # noqa: BLE001  # whatever it is, who waits must hear of it
            self.ready.set_exception(error)
            return
        self.ready.set_result(None)
        await self._stopping.wait()
        await self._stop_server()

    def stop(self) -> None:
        """Stop the server, and wait until it has."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self.join()
