"""A pool of connections to PostgreSQL."""

import asyncio
from typing import Any, TypeVar

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

__all__ = ["ConnectionPool"]

AnyConnection = TypeVar("AnyConnection", bound=AsyncConnection[Any])


class ConnectionPool(AsyncConnectionPool[AnyConnection]):
    """A pool of connections, in which a caller that is cancelled while it waits for one stays cancelled.

    The pool waits by `asyncio.wait_for`. In Python 3.11 that returns the result, and the cancellation is lost, if both
    come at the same moment. Here they do: who gives a connection back is often who cancels the others.
    """

    async def getconn(self, timeout: float | None = None) -> AnyConnection:
        """Return a connection; raise CancelledError if the caller was cancelled meanwhile."""
        task = asyncio.current_task()
        assert task is not None
        cancelled = task.cancelling()
        connection = await super().getconn(timeout)
        if task.cancelling() > cancelled:
            await self.putconn(connection)
            raise asyncio.CancelledError
        return connection
