"""How far a run of a batch has been stopped, and why."""

import asyncio
import errno
from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Any, Final, TypeVar

from generor_async.batch.folder import NO_SPACE
from generor_async.errors import (
    APIStatusError,
    BudgetExhaustedError,
    DatabaseChangedError,
    DownloadError,
    FolderError,
    InvalidRequestError,
    JournalError,
    OutcomeUnknownError,
    StaleRowError,
    StorageError,
)
from generor_async.rules.resume_advice import resume_advice
from generor_async.rules.stop_rules import StopReason
from generor_async.rules.vendors import Vendor
from generor_async.stores.ledger import UnusableLedgerError

__all__ = ["StopStage", "Stopping", "stop_reason"]

T = TypeVar("T")

_DISK_ERRORS: Final = NO_SPACE | {errno.EIO}
"""Error numbers of a disk that can't be written to."""


class StopStage(IntEnum):
    """How far a run has been stopped."""

    RUNNING = 0
    FINISHING = 1
    """No new call is made; rows that are paid for are completed and stored."""
    DRAINING = 2
    """Only answers of calls that were sent are waited for; accepted jobs are left to the next run."""
    ENDING = 3
    """Nothing is waited for."""


class Stopping:
    """The stop stage of a run and its reason; belongs to the event loop that it is made in."""

    def __init__(self, vendor: Vendor, on_change: Callable[[], None]) -> None:
        self._vendor = vendor
        self._on_change = on_change
        """Called whenever the stage may have advanced."""
        self._timer: asyncio.TimerHandle | None = None
        self._cancelled_at: dict[asyncio.Future[Any], StopStage] = {}
        """What `run_unless` awaits, and the stage that cancels it."""
        self.stage = StopStage.RUNNING
        self.reason: StopReason | None = None
        """Why the run stops; None while nothing has stopped it."""
        self.error: BaseException | None = None
        """The error to raise at the end."""
        self.is_held = False
        """Whether nothing is submitted until `go_on`."""

    def stop(self) -> None:
        """Submit nothing more, as the user asks; a second call stops at once."""
        self.reason = self.reason or "interrupted"
        self.advance_to(StopStage.ENDING if self.stage and not self.is_held else StopStage.FINISHING)
        self.is_held = False

    def hold(self) -> None:
        """Submit nothing more until `go_on`, unless it is stopping anyway."""
        if not self.stage:
            self.is_held, self.reason = True, "interrupted"
            self.advance_to(StopStage.FINISHING)

    def go_on(self) -> None:
        """Submit again what waits, after `hold`, unless something else has stopped the run meanwhile."""
        if self.is_held and self.stage is StopStage.FINISHING and self.error is None:
            self.is_held, self.reason, self.stage = False, None, StopStage.RUNNING

    def drain(self, seconds: float) -> None:
        """Wait at most so many seconds for answers of calls that were sent, as the user asks."""
        self.reason = self.reason or "interrupted"
        self.advance_to(StopStage.DRAINING)
        loop = asyncio.get_running_loop()
        if self._timer is None or loop.time() + seconds < self._timer.when():
            self.cancel_timer()
            self._timer = loop.call_later(seconds, self.advance_to, StopStage.ENDING)

    def halt(self, error: BaseException) -> None:
        """Submit nothing more, and raise this error at the end, unless an earlier one is raised."""
        if self.error is None:
            self.error = error
            if self.reason in {None, "interrupted"}:
                self.reason = stop_reason(error)
            if note := resume_advice(error, self._vendor):
                error.add_note(note)
        # Nothing can be stored in a folder that is gone; accepted jobs are resumed from wherever it is.
        self.advance_to(StopStage.DRAINING if isinstance(error, FolderError) else StopStage.FINISHING)

    def stop_at_cap(self) -> None:
        """Submit nothing more, as the cap on credits is reached."""
        self.reason = self.reason or "cap"
        self.advance_to(StopStage.FINISHING)

    def advance_to(self, stage: StopStage) -> None:
        """Advance to a stage; does nothing if the run is there or further."""
        self.stage = max(self.stage, stage)
        for work, limit in self._cancelled_at.items():
            if self.stage >= limit:
                work.cancel()
        self._on_change()

    async def run_unless(self, stage: StopStage, work: Awaitable[T]) -> T | None:
        """Await work, but cancel it and return None once the run is in a stage."""
        future = asyncio.ensure_future(work)
        self._cancelled_at[future] = stage
        if self.stage >= stage:
            future.cancel()
        await asyncio.wait([future])
        del self._cancelled_at[future]
        return None if future.cancelled() else future.result()

    def cancel_timer(self) -> None:
        """Cancel the timer that ends a drain."""
        if self._timer is not None:
            self._timer.cancel()


def stop_reason(error: BaseException) -> StopReason:
    """Return the reason of a run that an error stopped or kept from starting."""
    match error:
        case DownloadError():
            return "disk" if error.local else "downloads"
        case StorageError():
            return "storage"
        case DatabaseChangedError():
            return "database"
        case StaleRowError() | FolderError():
            return "folder"
        case JournalError():
            return "disk"
        case OutcomeUnknownError():
            return "unknown"
        case BudgetExhaustedError():
            return "credits"
        case InvalidRequestError(field="to"):
            return "disk" if _is_disk_error(error.__context__) else "folder"
        case APIStatusError(status_code=402):
            return "credits"
        case APIStatusError(status_code=401 | 403):
            return "key"
        case _:
            return "failed"


def _is_disk_error(error: BaseException | None) -> bool:
    if isinstance(error, UnusableLedgerError):
        return error.is_disk_error
    return isinstance(error, OSError) and error.errno in _DISK_ERRORS
