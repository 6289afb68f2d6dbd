"""Decides from the outcomes of paid calls and downloads how many calls may start, and when a run stops by itself."""

from collections.abc import Callable

from generor_async.batch.outcomes import undownloaded_error, unresolved_error
from generor_async.batch.stopping import Stopping
from generor_async.errors import DownloadError
from generor_async.rules.stop_rules import CallOutcome, RunRecord

__all__ = ["RunMonitor"]


class RunMonitor:
    """Feeds a run's record of outcomes, and halts the run when the record says so."""

    def __init__(self, stopping: Stopping, on_change: Callable[[], None]) -> None:
        self._stopping = stopping
        self._on_change = on_change
        """Called when more calls may start."""
        self._unanswered = 0
        """Active rows whose paid call has no outcome yet."""
        self._undownloaded = 0
        """Rows of this run whose outputs could not be downloaded."""
        self._download_error: Exception = DownloadError("nothing was tried", url="")
        self.record = RunRecord()
        self.begun = False
        """Whether a paid call had an outcome, or a row of an earlier run was resumed."""

    @property
    def free_calls(self) -> int:
        """How many more paid calls may start."""
        return self.record.max_calls - self._unanswered

    def row_started(self, *, answered: bool) -> None:
        """Count a row that starts; `answered` if its paid call was answered in an earlier run."""
        self._unanswered += not answered
        self.begun = self.begun or answered

    def row_ended(self, number: int, *, answered: bool) -> None:
        """Count a row that is no longer active."""
        self._unanswered -= not answered
        self.record.record_end(number)

    def call_ended(self, outcome: CallOutcome, error: Exception | None = None) -> None:
        """Record the outcome of a paid call of this run."""
        self.begun = True
        self._unanswered -= 1
        self.record.record_call(outcome)
        self._on_change()
        if error is not None:
            self._stop_if_due(error)

    def download_failed(self, number: int, error: Exception) -> None:
        """Record a failed download of a row that this run paid for, and that is tried again."""
        self.record.record_failure(number, getattr(error, "message", str(error)))

    def outputs_stored(self) -> None:
        """Record that a row's outputs are stored."""
        self.record.record_stored()
        self._on_change()

    def outputs_gone(self, error: Exception) -> None:
        """Record that the outputs of a row that this run paid for no longer exist."""
        self.record.record_lost()
        self._stop_if_due(error)

    def download_given_up(self, error: Exception, *, resumed: bool) -> None:
        """Record a row whose outputs are left to the next run.

        `resumed` rows, which an earlier run paid for, don't stop this one: they would stop every run again.
        """
        self._undownloaded += 1
        self._download_error = error
        self.record.record_given_up()
        if not resumed:
            self._stop_if_due(error)

    def report_undownloaded(self) -> None:
        """Make the run end with an error if outputs could not be downloaded."""
        if self._undownloaded:
            self._stopping.halt(undownloaded_error(self._undownloaded, self._download_error))

    def _stop_if_due(self, error: Exception) -> None:
        match self.record.stop_reason:
            case "unknown":
                self._stopping.halt(unresolved_error(self.record.unknown_calls, error))
            case "downloads":
                self._stopping.halt(undownloaded_error(self._undownloaded, error))
            case None:
                pass
