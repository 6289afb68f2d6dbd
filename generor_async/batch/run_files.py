"""What a run leaves in its folder beside its rows: notes of its start and end, and its files of results."""

from generor_async.batch.disk_reserve import DiskReserve
from generor_async.batch.journal import Journal
from generor_async.batch.outcomes import ResultsFile, write_failed, write_rejected
from generor_async.batch.run_times import record_end, record_start
from generor_async.batch.spec import BatchSpec
from generor_async.rules.budget import NO_CAP
from generor_async.rules.stop_rules import StopReason

__all__ = ["RunFiles"]


class RunFiles:
    """Writes the notes and files of one run."""

    def __init__(self, spec: BatchSpec, journal: Journal) -> None:
        self._folder = spec.folder
        self._cap = spec.cap
        self._journal = journal
        self._clock = spec.provider.clock
        self.results = ResultsFile(spec.folder, spec.provider.vendor.credit_dollars)
        self.reserve = DiskReserve(spec.folder)

    async def open(self) -> None:
        """Note the run's start, reserve disk space, and open results.jsonl."""
        await self._journal.write_note("cap", None if self._cap == NO_CAP else self._cap)
        if await self._journal.read_note("began") is None:
            await self._journal.write_note("began", self._clock.time())
        await record_start(self._journal, self._clock.time())
        await self._journal.write_note("ending", None)
        await self.reserve.acquire()
        try:
            await self.results.open(self._journal)
        except BaseException:
            self.reserve.release()
            raise

    async def write_summary(self, reason: StopReason) -> None:
        """Note the run's end, and write failed.jsonl and rejected.jsonl."""
        await self._journal.write_note("ending", reason)
        await write_failed(self._folder, self._journal)
        await write_rejected(self._folder, self._journal)
        await self._journal.write_note("ended", self._clock.time())
        await record_end(self._journal, self._clock.time())
        await self._clock.save(self._journal)

    def close(self) -> None:
        """Close results.jsonl, and release the reserved disk space."""
        self.results.close()
        self.reserve.release()
