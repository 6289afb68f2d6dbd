"""Rebuilds a lost journal from calls.jsonl, results.jsonl and the media beside them."""

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

from attrs import asdict, frozen

from generor_async.batch.call_log import CALLS, read_call_lines, read_lines
from generor_async.batch.folder import JOURNAL, ResultsFolder, invalid_folder
from generor_async.batch.folder_place import ACCOUNT, check_is_current
from generor_async.batch.journal import open_if_begun
from generor_async.batch.outcomes import RESULTS
from generor_async.batch.parameters import OPERATIONS
from generor_async.batch.replay import CallReplay, is_result, replay_result
from generor_async.batch.run_key import SIMULATED, OperationRequests, RunKey
from generor_async.batch.stray_files import count_stray_files
from generor_async.engine.auth import resolve_base_url
from generor_async.errors import InvalidRequestError, JournalError
from generor_async.rules.row_states import RowState
from generor_async.rules.vendors import GENEROR, LUMA
from generor_async.stores.ledger import RECOVER_ADVICE, Ledger, UnusableLedgerError
from generor_async.stores.opening import ledger_files, open_ledger
from generor_async.stores.threads import run_to_completion

__all__ = ["Recovered", "recover"]

T = TypeVar("T")

REBUILT: Final = f"{JOURNAL}.new"
BROKEN: Final = f"{JOURNAL}.broken"
PAGE: Final = 1_000
"""Lines that are replayed in one transaction."""


@frozen(kw_only=True)
class Recovered:
    """The contents of a rebuilt journal."""

    counts: Mapping[RowState, int]
    """Rows by state, without those that were never called: they are in the input alone."""
    strays: int
    """Files in media/ that belong to no known row."""
    knows_calls: bool
    """Whether calls.jsonl was there: without it, rows that were under way are missing."""


async def recover(folder: str | os.PathLike[str], *, take_over: bool = False) -> Recovered:
    """Rebuild the journal of a batch; the old one is kept as journal.sqlite.broken.

    Raises:
        InvalidRequestError: The folder is in use, its journal is intact, of a newer version or locked by another
            program, or nothing is left to rebuild one from.
    """
    path = Path(folder)
    opened = await run_to_completion(lambda: _open_folder(path, take_over=take_over))
    try:
        await _check_is_lost(path)
        recovered = await _recover(path)
        await run_to_completion(lambda: _replace_journal(path))
    finally:
        opened.release()
    return recovered


def _open_folder(path: Path, *, take_over: bool) -> ResultsFolder:
    if not path.is_dir():
        raise invalid_folder(f"{path} is no folder", "Name the folder that was given to `run`")
    return ResultsFolder(path, take_over=take_over)


async def _check_is_lost(path: Path) -> None:
    """Raise an error for a journal that is intact and has the last call, of a newer version, or locked."""
    try:
        reader = await open_if_begun(path)
        if reader is None:
            return
        try:
            await check_is_current(reader, path)
            problem = await reader.check()
        finally:
            await reader.close()
    except (InvalidRequestError, JournalError) as error:
        if error.advice != RECOVER_ADVICE:  # it isn't lost
            raise
        return
    if problem is None:
        raise invalid_folder(f"{path / JOURNAL} is whole: there is nothing to rebuild", "Run the batch again to go on")


async def _recover(path: Path) -> Recovered:
    """Rebuild the journal beside the old one."""
    head = await run_to_completion(lambda: next(read_call_lines(path), None))
    notes: Mapping[str, Any] = {} if head is None else head.get("notes", {})
    knows_calls = "key" in notes
    key = RunKey(**notes["key"]) if knows_calls else await run_to_completion(lambda: _guess_key(path))
    ledger = await _create_ledger(path, key)
    try:
        await ledger.replace_notes({"key": asdict(key), "fingerprint": 1})
        last = await _replay_calls(ledger, path)
        await _replay_results(ledger, path, last)
        strays = await count_stray_files(ledger, path)
        counts: dict[RowState, int] = {state: count for state, count in (await ledger.counts()).items() if count}
    finally:
        await ledger.close()
    return Recovered(counts=counts, strays=strays, knows_calls=knows_calls)


async def _create_ledger(path: Path, key: RunKey) -> Ledger:
    rebuilt = path / REBUILT
    for file in ledger_files(rebuilt):  # of a recovery that was interrupted
        file.unlink(missing_ok=True)
    try:
        return await open_ledger(rebuilt, rules=OperationRequests(key.operation))
    except UnusableLedgerError as error:
        raise invalid_folder(error.problem, error.advice or "Let the folder be written to, and try again") from None


def _replace_journal(path: Path) -> None:
    """Put the rebuilt journal in the place of the old one, which is kept."""
    journal = path / JOURNAL
    for old, kept in reversed(list(zip(ledger_files(journal), ledger_files(path / BROKEN), strict=True))):
        with suppress(FileNotFoundError):
            old.replace(kept)
    for rebuilt, file in zip(ledger_files(path / REBUILT), ledger_files(journal), strict=True):
        with suppress(FileNotFoundError):  # once it is closed, it is one file
            rebuilt.replace(file)


async def _replay_calls(ledger: Ledger, path: Path) -> int:
    """Restore the calls of calls.jsonl; return the greatest number of a call."""
    last = 0
    async for page in _pages(read_call_lines(path)):
        numbers = {line["number"] for line in page if "number" in line}
        known = await ledger.get([number for number in numbers if number <= last])
        replay = CallReplay(ACCOUNT, {call.number: call for call in known})
        for line in page:
            if "number" in line:
                replay.replay(line)
            for name, value in line.get("notes", {}).items():
                await ledger.write_note(name, value)
        await ledger.restore(replay.calls.values(), replay.attempts)
        last = max([last, *replay.calls])
    return last


async def _replay_results(ledger: Ledger, path: Path, last: int) -> None:
    """Restore the calls of results.jsonl; `last` is the greatest number of a call."""
    async for page in _pages(read_lines(path / RESULTS)):
        results = [line for line in page if is_result(line)]
        found = await ledger.find([line["id"] for line in results])
        calls = {call.id: call for call in await ledger.get([call.number for call in found.values()])}
        for line in results:
            call = calls.get(line["id"])
            last += call is None
            calls[line["id"]] = replay_result(line, call, number=last, account=ACCOUNT)
        await ledger.restore(calls.values())


async def _pages(lines: Iterator[T]) -> AsyncIterator[list[T]]:
    """Yield lines, some at a time."""
    while page := await run_to_completion(lambda: list(islice(lines, PAGE))):
        yield page


def _guess_key(path: Path) -> RunKey:
    """Return the run that a folder belongs to, guessed by its results."""
    first = next((line for line in read_lines(path / RESULTS) if line.get("remote_ids")), None)
    if first is None:
        raise invalid_folder(
            f"{path} has neither {CALLS} nor results, from which a journal could be rebuilt",
            "Look into the account: only if none of its rows was bought may they be run into an empty folder",
        )
    vendor = GENEROR if str(first["remote_ids"][0]).isdecimal() else LUMA
    simulated = (path / "simulator.jsonl").exists()
    return RunKey(
        operation=OPERATIONS[vendor.name],
        address=SIMULATED if simulated else resolve_base_url(vendor, None, allow_insecure=True),
        source=str(first["place"]).rpartition(":")[0],
    )
