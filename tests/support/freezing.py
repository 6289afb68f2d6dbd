"""Freezes a worker at a moment when it has no transaction under way.

A worker that is frozen between two sends of one transaction keeps its locks, and the others wait until it goes on or
its connection ends: its kernel still acknowledges what the server sends.
"""

import signal
import time
from collections.abc import Callable

__all__ = ["freeze"]

LOOK = 0.3
"""Seconds after which a transaction that began before the signal is seen to stand still."""
TRIES = 100
OPEN = f"""
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
        AND xact_start < clock_timestamp() - interval '{LOOK - 0.05} s'
"""


def freeze(send: Callable[[int], object], count: Callable[[str], int]) -> None:
    """Send a process SIGSTOP; if it has a transaction under way, let it go on and try again.

    Args:
        send: Sends it a signal.
        count: Returns the number that a query counts.
    """
    for _ in range(TRIES):
        send(signal.SIGSTOP)
        time.sleep(LOOK)
        if not count(OPEN):
            return
        send(signal.SIGCONT)
        time.sleep(0.02)
    raise AssertionError("it always has a transaction under way")
