"""Watches what a run's paid calls and its downloads come to: how many more may begin, and whether it goes on."""

from collections.abc import Callable

from generor_async.batch.outcomes import undownloaded_error, unresolved_error
from generor_async.batch.stopping import Stopping
from generor_async.errors import DownloadError
from generor_async.rules.resume_advice import CameTo, RunRecord

__all__ = ["RunMonitor"]


class RunMonitor:
    """What a run has seen so far; it stops the run where that says so."""

    def __init__(self, stopping: Stopping, on_change: Callable[[], None]) -> None:
        self._stopping = stopping
        self._on_change = on_change
        """Told when more calls may begin."""
        self._unanswered = 0
        """Rows in work whose paid call has not been answered."""
        self._undownloaded = 0
        """Rows, in all, whose outputs couldn't be had."""
        self._download_error: Exception = DownloadError("nothing was tried", url="")
        self.record = RunRecord()
        self.begun = False
        """Whether a paid call came to anything, or one of an earlier run was taken up."""

    @property
    def free_calls(self) -> int:
        """How many paid calls may begin."""
        return self.record.most - self._unanswered

    def row_started(self, *, answered: bool) -> None:
        """Note a row that is worked on; `answered` if its paid call was, in an earlier run."""
        self._unanswered += not answered
        self.begun = self.begun or answered

    def row_ended(self, number: int, *, answered: bool) -> None:
        """Note that a row is not worked on any more."""
        self._unanswered -= not answered
        self.record.ended(number)

    def call_ended(self, came_to: CameTo, error: Exception | None = None) -> None:
        """Note what a paid call of this run came to."""
        self.begun = True
        self._unanswered -= 1
        self.record.call(came_to)
        self._on_change()
        if error is not None:
            self._stop_if_due(error)

    def download_failed(self, number: int, error: Exception) -> None:
        """Note that the outputs of a row that this run has paid for can't be had, and are tried again."""
        self.record.fails(number, getattr(error, "message", str(error)))

    def outputs_stored(self) -> None:
        """Note that a row's outputs are stored."""
        self.record.stored()
        self._on_change()

    def outputs_gone(self, error: Exception) -> None:
        """Note that nobody has the outputs any more of a row that this run has paid for."""
        self.record.gone()
        self._stop_if_due(error)

    def download_given_up(self, error: Exception, *, resumed: bool) -> None:
        """Note a row whose outputs can't be had now: it is taken up again by the next run.

        Those that an earlier run has paid for (`taken_up`) don't stop this one by themselves, or they would each time.
        """
        self._undownloaded += 1
        self._download_error = error
        self.record.given_up()
        if not resumed:
            self._stop_if_due(error)

    def report_undownloaded(self) -> None:
        """Have the run raise at its end what outputs it has left behind."""
        if self._undownloaded:
            self._stopping.halt(undownloaded_error(self._undownloaded, self._download_error))

    def _stop_if_due(self, error: Exception) -> None:
        match self.record.stop:
            case "unknown":
                self._stopping.halt(unresolved_error(self.record.doubt, error))
            case "downloads":
                self._stopping.halt(undownloaded_error(self._undownloaded, error))
            case None:
                pass
