"""The lease of this process on the rows that it works on, where several processes work on a run together.

Others take its rows over when its lease has ended. So a process that was frozen, suspended, or cut off from the
database for longer must not send what it was about to send: the age of the lease is looked at when a paid call has a
connection and its intent is committed, right before the first byte.

A gap remains: a process that is frozen between this look and the system call that sends may send after its lease has
ended. By then its row is unknown, and no other process makes the call again.
"""

import math
import sys
import time
from collections.abc import Callable
from typing import Final

from generor_async.stores.ledger import Ledger

__all__ = ["CLOCK", "Lease", "seconds_since_boot"]

CLOCK: Final = "CLOCK_BOOTTIME" if sys.platform == "linux" else "monotonic"
"""The clock that leases are measured by. The one of Linux also counts the time in which the machine is suspended."""
USED_PART: Final = 0.9
"""The part of a lease in which calls are sent; the rest is for clocks of different pace."""
RENEWALS: Final = 3
"""How often a lease is renewed while it lasts."""


def seconds_since_boot() -> float:
    """Return seconds since the machine was started; of the monotonic clock on systems other than Linux."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic()


class Lease:
    """A lease of so many seconds, which begins when it is first renewed."""

    def __init__(self, journal: Ledger, seconds: float, now: Callable[[], float] = seconds_since_boot) -> None:
        self._journal = journal
        self._seconds = seconds
        self._now = now
        self._begun = -math.inf

    @property
    def pause(self) -> float:
        """Seconds from one renewal to the next."""
        return self._seconds / RENEWALS

    @property
    def is_valid(self) -> bool:
        """Whether nobody can have taken over what this process works on."""
        return self._now() - self._begun < USED_PART * self._seconds

    async def renew(self) -> None:
        """Renew it; it lasts from before the database was asked.

        Raises:
            JournalError: The database can't be reached.
        """
        begun = self._now()
        await self._journal.renew()
        self._begun = begun
