"""Finds a file of rows that an earlier run has read whole, and that is unchanged: it needn't be read again."""

from generor_async.batch.spec import BatchSpec
from generor_async.rules.file_fingerprint import CompletedRead
from generor_async.stores.ledger import LedgerReader

__all__ = ["find_unchanged", "repeat_notices"]


async def find_unchanged(spec: BatchSpec, journal: LedgerReader) -> CompletedRead | None:
    """Return what the journal knows of the file's last reading, if another one would give the same; else None."""
    whole = await journal.read_whole()
    if whole is None or spec.source is None:
        return None
    content = await spec.source.read_content(whole.content.size)
    return whole if whole.is_known(spec.reading_options, content) else None


async def repeat_notices(spec: BatchSpec, journal: LedgerReader, whole: CompletedRead) -> int:
    """Repeat the notices and rejects of that reading; return how many rejects there are."""
    for sentence in whole.said:
        spec.notices.add(sentence)
    spec.first_rejects.clear()
    rejected = 0
    async for reject in journal.rejects():
        spec.note_rejects([reject])
        rejected += 1
    return rejected
