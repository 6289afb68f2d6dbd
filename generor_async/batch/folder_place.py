"""A results folder as the place of a run: its journal, which one process writes at a time.

A folder is refused rather than begun anew if it has results but no usable journal, as every row would be bought again:
the journal is missing, empty or cut short, or older than calls.jsonl beside it (a restored backup, or one whose
write-ahead log is lost).
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from attrs import frozen

from generor_async.batch.call_log import CALLS, CallLog, last_call
from generor_async.batch.folder import JOURNAL, ResultsFolder, invalid_folder
from generor_async.batch.folder_lock import SystemLock, system_lock
from generor_async.batch.run_key import KEEP_PROMPTS, OperationRequests, RunKey, keeps_prompts, write_key
from generor_async.errors import InvalidRequestError
from generor_async.stores.ledger import READ_WHOLE_NOTE, RECOVER_ADVICE, Ledger, LedgerReader, UnusableLedgerError
from generor_async.stores.opening import is_cut_short, ledger_files, open_ledger
from generor_async.stores.opening import open_reader as open_ledger_reader
from generor_async.stores.records import AccountKey
from generor_async.stores.threads import run_to_completion

__all__ = ["ACCOUNT", "FolderPlace", "check_is_current"]

ACCOUNT: Final = ("run:", "")
"""The account of a folder's run."""
WITH_PROMPTS: Final = ("results.jsonl", "failed.jsonl", "rejected.jsonl", "report.html")
"""The files that are made from the journal and may hold prompts."""
RESULT_FILES: Final = ("results.jsonl", CALLS)
MEDIA: Final = "media"
"""What a batch writes after its journal: files that aren't empty, and files in this folder."""


@frozen
class FolderPlace:
    """A results folder."""

    folder: Path
    lock: SystemLock = system_lock
    lease: None = None
    """A lock keeps other processes off."""
    noun: str = "folder"
    belongs: str = "belongs to another run, whose"

    @property
    def account(self) -> AccountKey:
        """The account of the run."""
        return ACCOUNT

    def __str__(self) -> str:
        return str(self.folder)

    def title(self) -> str:
        """Return the name of the folder."""
        return self.folder.resolve().name

    def invalid(self, problem: str, advice: str) -> InvalidRequestError:
        """Return the error for a folder that can't be used."""
        return invalid_folder(problem, advice)

    def nothing(self) -> InvalidRequestError:
        """Return the error for a folder without a batch."""
        return invalid_folder(f"{self} holds no batch", "Name the folder that was given to `run`")

    async def open_journal(self, key: RunKey, *, take_over: bool, keep_prompts: bool) -> Ledger:
        """Open or create the journal, and recover from a crash."""
        opened = await run_to_completion(partial(ResultsFolder, self.folder, take_over=take_over, lock=self.lock))
        rules = OperationRequests(key.operation)
        log = CallLog(opened.path, rules)

        def close() -> None:
            log.close()
            opened.release()

        try:
            await run_to_completion(lambda: _check_journal(opened.path))
            ledger = await open_ledger(opened.journal, rules=rules, log=log, guard=opened.problem, on_close=close)
        except UnusableLedgerError as error:
            opened.release()
            raise _unusable(error, opened.path) from None
        except BaseException:
            opened.release()
            raise
        try:
            opened.note_journal()
            await check_is_current(ledger, opened.path)
            await write_key(ledger, self, key)
            await ledger.take_over(alone=True)
            if not keep_prompts or not await keeps_prompts(ledger):
                await _leave_out_prompts(ledger, log, opened.path)
            else:
                await _open_call_log(log, ledger)
        except BaseException:
            await ledger.close()
            raise
        return ledger

    async def open_reader(self) -> LedgerReader | None:
        """Open the journal for reading, in use or not; return None if there is none."""
        path = self.folder
        await run_to_completion(lambda: _check_journal(path))
        if not (path / JOURNAL).exists():
            return None
        try:
            return await open_ledger_reader(path / JOURNAL)
        except UnusableLedgerError as error:
            raise _unusable(error, path) from None

    async def check_is_current(self, reader: LedgerReader) -> None:
        """Raise InvalidRequestError for a journal that is older than the last call in calls.jsonl."""
        await check_is_current(reader, self.folder)


def _unusable(error: UnusableLedgerError, folder: Path) -> InvalidRequestError:
    return invalid_folder(
        error.problem, error.advice or (RECOVER_ADVICE if _has_results(folder) else "Give another folder")
    )


# --- checks -----------------------------------------------------------------------------------------------------------


def _check_journal(folder: Path) -> None:
    """Raise InvalidRequestError for a folder with results whose journal is missing, empty or cut short."""
    _, log, journal = ledger_files(folder / JOURNAL)
    if not _file_size(journal) and (_file_size(log) or _has_results(folder)):
        missing = "is empty" if journal.exists() else "is missing"
        raise invalid_folder(
            f"{folder} has results of a batch, and {journal.name}, which says what was paid for, {missing}",
            RECOVER_ADVICE,
        )
    if is_cut_short(journal):
        raise invalid_folder(f"{journal} is cut short", RECOVER_ADVICE)


def _has_results(folder: Path) -> bool:
    """Tell whether a run has left results; an empty media folder may be a link that the user has made."""
    return any(_file_size(folder / name) for name in RESULT_FILES) or any(_files_in(folder / MEDIA))


def _files_in(folder: Path) -> Iterator[str]:
    for _, _, names in os.walk(folder):
        yield from names


def _file_size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0


async def check_is_current(reader: LedgerReader, folder: Path) -> None:
    """Raise InvalidRequestError for a journal that is older than the last call in calls.jsonl."""
    call = last_call(folder)
    if call is not None and not await reader.has_call(*call):
        raise invalid_folder(
            f"{folder / JOURNAL} is older than {CALLS} beside it, which has calls that were paid for", RECOVER_ADVICE
        )


# --- prompts ---------------------------------------------------------------------------------------------------------


async def _leave_out_prompts(ledger: Ledger, log: CallLog, folder: Path) -> None:
    """Leave out prompts from now on, and the first time of all files that have them; open the log.

    The files that are deleted are written anew by the run.
    """
    await ledger.leave_out_parameters()
    is_first = await keeps_prompts(ledger)
    if is_first:
        await run_to_completion(log.delete_parameters)
        for name in WITH_PROMPTS:
            await run_to_completion(partial((folder / name).unlink, missing_ok=True))
    log.keeps_parameters = False
    await _open_call_log(log, ledger)
    if is_first:
        await ledger.write_note(KEEP_PROMPTS, False)


# --- calls.jsonl ------------------------------------------------------------------------------------------------------


async def _open_call_log(log: CallLog, ledger: Ledger) -> None:
    """Open the log of a journal's calls; write it from the journal if it is missing or another run's."""
    notes = {name: value for name, value in (await ledger.notes()).items() if name != READ_WHOLE_NOTE}
    if log.open(is_new=not await ledger.has_calls()):
        log.write_lines([{"notes": notes}])
        async for call in ledger.scan():
            if call.request_id is not None:
                log.write_call(call)
