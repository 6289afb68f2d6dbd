"""Watches what a run's paid calls and its downloads come to: how many more may begin, and whether it goes on."""

from collections.abc import Callable

from generor_async.batch.outcomes import unfetched, unresolved_error
from generor_async.batch.stopping import Stopping
from generor_async.errors import DownloadError
from generor_async.rules.resume_advice import CameTo, RunRecord

__all__ = ["RunMonitor"]


class RunMonitor:
    """What a run has seen so far; it stops the run where that says so."""

    def __init__(self, stopping: Stopping, changed: Callable[[], None]) -> None:
        self._stopping = stopping
        self._changed = changed
        """Told when more calls may begin."""
        self._unanswered = 0
        """Rows in work whose paid call has not been answered."""
        self._unfetched = 0
        """Rows, in all, whose outputs couldn't be had."""
        self._why_unfetched: Exception = DownloadError("nothing was tried", url="")
        self.record = RunRecord()
        self.begun = False
        """Whether a paid call came to anything, or one of an earlier run was taken up."""

    @property
    def room(self) -> int:
        """How many paid calls may begin."""
        return self.record.most - self._unanswered

    def starts(self, *, answered: bool) -> None:
        """Note a row that is worked on; `answered` if its paid call was, in an earlier run."""
        self._unanswered += not answered
        self.begun = self.begun or answered

    def ended(self, number: int, *, answered: bool) -> None:
        """Note that a row is not worked on any more."""
        self._unanswered -= not answered
        self.record.ended(number)

    def called(self, came_to: CameTo, error: Exception | None = None) -> None:
        """Note what a paid call of this run came to."""
        self.begun = True
        self._unanswered -= 1
        self.record.call(came_to)
        self._changed()
        if error is not None:
            self._stop_for(error)

    def fails(self, number: int, error: Exception) -> None:
        """Note that the outputs of a row that this run has paid for can't be had, and are tried again."""
        self.record.fails(number, getattr(error, "message", str(error)))

    def stored(self) -> None:
        """Note that a row's outputs are stored."""
        self.record.stored()
        self._changed()

    def gone(self, error: Exception) -> None:
        """Note that nobody has the outputs any more of a row that this run has paid for."""
        self.record.gone()
        self._stop_for(error)

    def left(self, error: Exception, *, taken_up: bool) -> None:
        """Note a row whose outputs can't be had now: it is taken up again by the next run.

        Those that an earlier run has paid for (`taken_up`) don't stop this one by themselves, or they would each time.
        """
        self._unfetched += 1
        self._why_unfetched = error
        self.record.given_up()
        if not taken_up:
            self._stop_for(error)

    def sum_up(self) -> None:
        """Have the run raise at its end what outputs it has left behind."""
        if self._unfetched:
            self._stopping.halt(unfetched(self._unfetched, self._why_unfetched))

    def _stop_for(self, error: Exception) -> None:
        match self.record.stop:
            case "unknown":
                self._stopping.halt(unresolved_error(self.record.doubt, error))
            case "downloads":
                self._stopping.halt(unfetched(self._unfetched, error))
            case None:
                pass
