"""Waits while the database of a run can't be reached: nothing is bought meanwhile, and nothing is lost.

What was paid for meanwhile, such as the id of a job, is kept in memory and written when the database is back. If this
process is killed before that, the row is unknown: a job of Luma's goes on without anybody who knows its id, and
Generor's creations are found in the account.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from generor_async.batch.stopping import Stopping, StopStage
from generor_async.errors import FolderError, JournalError, StaleRowError
from generor_async.values import Clock

__all__ = ["DatabaseOutage", "is_outage"]

T = TypeVar("T")
logger = logging.getLogger("generor_async")

PAUSE: Final = 1.0
"""Seconds between two tries."""


def is_outage(error: Exception) -> bool:
    """Tell whether an error says that the database can't be reached now."""
    return isinstance(error, JournalError) and not isinstance(error, FolderError | StaleRowError)


class DatabaseOutage:
    """Knows whether the database is away."""

    def __init__(self, clock: Clock, stopping: Stopping) -> None:
        self._clock = clock
        self._stopping = stopping
        self.problem = ""
        """Why the database can't be reached; empty while it can."""
        self.has_ended = False
        """Whether it was away and is back: what was asked of it meanwhile may have been done, unseen."""

    def note(self, error: Exception) -> None:
        """Note an error that says that the database is away."""
        if not self.problem:
            logger.warning("the database of a run is away, and the run waits for it: %s", error)
        self.problem = str(error)

    def note_answer(self) -> None:
        """Note that the database has answered."""
        if self.problem:
            self.problem, self.has_ended = "", True
            logger.warning("the database of a run is back")

    async def until_back(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do some work, again and again while the database is away; raises its error once the run ends at once."""
        while True:
            try:
                found = await work()
            except JournalError as error:
                if not is_outage(error) or self._stopping.stage is StopStage.ENDING:
                    raise
                self.note(error)
                await self._stopping.run_unless(StopStage.ENDING, self._clock.sleep(PAUSE))
            else:
                self.note_answer()
                return found
