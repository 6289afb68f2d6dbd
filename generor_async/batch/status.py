"""The status and the report of a batch, read from its journal: also while other processes run it."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from mimetypes import guess_type
from pathlib import Path
from typing import Any, Final, Literal

from attrs import evolve, frozen

from generor_async.batch.amounts import in_dollars, rounded
from generor_async.batch.costs import read_charges, row_cost
from generor_async.batch.folder import invalid_folder
from generor_async.batch.journal import RunPlace, To, open_if_begun, open_reader, place_of
from generor_async.batch.missing_files import count_rows_missing_files
from generor_async.batch.notices import MAX_REJECTS_NAMED
from generor_async.batch.report import ReportFile, ReportRow, ReportState, ReportSummary, left_out, write_report
from generor_async.batch.run_key import RunKey, keeps_prompts, read_key, simulation_mismatch
from generor_async.batch.run_times import run_spans
from generor_async.batch.runs import STOPPED_NOTE
from generor_async.batch.unresolved import Unresolved, unresolved_rows
from generor_async.errors import StorageError
from generor_async.rules import arguments, option_checks
from generor_async.rules.charges import Charges
from generor_async.rules.luma_prices import REFUNDED_CODES
from generor_async.rules.row_states import END_STATES, RowState
from generor_async.rules.stop_rules import StopReason
from generor_async.rules.vendors import vendor_of
from generor_async.storage import LONGEST_LINK
from generor_async.stores.ledger import LedgerReader
from generor_async.stores.records import CallRecord, Duplicate, Failure, Reject
from generor_async.stores.threads import run_to_completion
from generor_async.values import JSON

__all__ = ["NOTHING_PAID", "Status", "check_simulated", "read_status", "report"]

REPORT: Final = "report.html"
NOTHING_PAID: Final = "simulated: nothing was paid"
ROWS_AT_ONCE: Final = 200
REPORT_STATES: Final[Mapping[RowState, ReportState]] = {"done": "done", "failed": "failed", "unknown": "unknown"}


@frozen(kw_only=True)
class Status:
    """The status of a batch."""

    operation: str
    reason: StopReason | Literal["stopped"] | None
    """Why the last run ended; None while a run goes on, and if the last one was killed. "stopped" is what somebody has
    stopped by `generor batch stop`, and not finished yet."""
    simulated: bool
    """Whether a simulator was asked, so that nothing was paid."""
    counts: Mapping[RowState, int]
    """Rows by state."""
    rejected: int
    """Lines that can't be run."""
    set_aside: Sequence[Reject]
    """The first of these."""
    failures: Sequence[Failure] = ()
    """Why rows failed, the most frequent reason first."""
    duplicates: int = 0
    """Rows that repeat another, and are run once."""
    came_again: Sequence[Duplicate] = ()
    """The first of these."""
    spent: float
    """What was charged, in credits: for Generor as its transactions say, else as the best other sources do."""
    estimated: float
    """The estimate of what was charged, in credits."""
    doubtful: float
    """What else may have been charged, in credits: rows under way, unknown, or failed without a known cost."""
    doubts: Sequence[Unresolved]
    """The unknown rows, each with what is waited for, and until when."""
    missing: int = 0
    """Rows that are done and whose files are missing from the folder or the storage; results.jsonl has their ids."""
    storage_problem: str = ""
    """Why the storage can't be asked for files, which `missing` then leaves out."""
    refundable: float
    """How much of that the vendor's FAQ says is refunded, in credits (page); `run_batch(refunds=True)` believes it."""
    cap: float | None
    credit_dollars: float | None
    """The worth of a credit in US dollars; None if the API doesn't say."""

    @property
    def dollars(self) -> float | None:
        """`spent` in US dollars; None if the API doesn't say what a credit is worth."""
        return in_dollars(self.spent, self.credit_dollars)

    @property
    def total(self) -> int:
        """All rows."""
        return sum(self.counts.values())

    @property
    def is_complete(self) -> bool:
        """Whether every row is done, and no line was rejected."""
        return self.counts.get("done", 0) == self.total and not self.rejected


async def read_status(to: To, *, name: str | None = None, checks_storage: bool = True) -> Status:
    """Return the status of a batch; raises InvalidRequestError if there is none.

    Without `checks_storage`, files in a storage are not looked for, which takes a request for each.
    """
    place = place_of(to, name)
    reader = await open_reader(place)
    try:
        key = await _key_of(reader)
        cap: Any = await reader.read_note("cap")
        reason: Any = await reader.read_note("ending")
        counts = await reader.counts()
        if await reader.read_note(STOPPED_NOTE) and any(counts[state] for state in counts.keys() - END_STATES):
            reason = "stopped"
        vendor, charges = vendor_of(key.operation), await read_charges(reader)
        rejects, set_aside = 0, list[Reject]()
        async for reject in reader.rejects():
            rejects += 1
            if len(set_aside) < MAX_REJECTS_NAMED:
                set_aside.append(reject)
        missing, storage_problem = await _count_missing(reader, place.folder, checks_storage=checks_storage)
        duplicates, came_again = 0, list[Duplicate]()
        async for duplicate in reader.duplicates():
            duplicates += 1
            if len(came_again) < MAX_REJECTS_NAMED:
                came_again.append(duplicate)
        return Status(
            operation=key.operation,
            reason=reason,
            simulated=key.is_simulated,
            counts=counts,
            rejected=rejects,
            set_aside=set_aside,
            failures=await reader.failures(),
            duplicates=duplicates,
            came_again=came_again,
            spent=rounded(charges.spent),
            estimated=rounded(charges.estimated),
            doubtful=rounded(await reader.unresolved_credits()),
            doubts=await unresolved_rows(reader, vendor),
            missing=missing,
            storage_problem=storage_problem,
            refundable=rounded(await reader.refundable(REFUNDED_CODES)),
            cap=cap,
            credit_dollars=vendor.credit_dollars,
        )
    finally:
        await reader.close()


async def _key_of(reader: LedgerReader) -> RunKey:
    key = await read_key(reader)
    assert key is not None
    return key


async def _count_missing(reader: LedgerReader, folder: Path | None, *, checks_storage: bool) -> tuple[int, str]:
    """Count the rows that lack a file, or say why the storage can't tell."""
    try:
        return await count_rows_missing_files(reader, folder, checks_storage=checks_storage), ""
    except StorageError as error:
        return await count_rows_missing_files(reader, folder, checks_storage=False), str(error)


async def check_simulated(to: To, *, name: str | None = None, simulated: bool) -> None:
    """Raise InvalidRequestError for a simulated run in the place of a real one, or the reverse."""
    place = place_of(to, name)
    reader = await open_if_begun(place)
    if reader is None:
        return
    try:
        key = await _key_of(reader)
        if key.is_simulated is not simulated and any((await reader.counts()).values()):
            raise simulation_mismatch(place, simulated=simulated)
    finally:
        await reader.close()


async def report(
    to: To,
    *,
    name: str | None = None,
    page: str | os.PathLike[str] | None = None,
    new_thumbnails: int | None = None,
    signed_links: float | None = None,
) -> Path:
    """Write the report of a batch as a page, and return its path.

    By default it is report.html in the batch's folder or, of a run in a database, <name>.html here.
    If the report's thumbnails are files, at most `new_thumbnails` are made that are missing. `signed_links` is for how
    many seconds links to outputs in a storage are signed; None for their URLs.
    """
    place = place_of(to, name)
    if signed_links is not None:
        signed_links = option_checks.at_least(signed_links, "signed_links", 1, at_most=LONGEST_LINK)
    path = _page_of(place) if page is None else Path(arguments.path(page, "page", "a file"))
    folder = path.parent if place.folder is None else place.folder
    title = await run_to_completion(place.title)
    reader = await open_reader(place)
    try:
        charges = await read_charges(reader)
        summary = await _summary(reader, title, charges)
        loop = asyncio.get_running_loop()
        shows_prompts = await keeps_prompts(reader)
        pages, no_rows = _pages(reader, charges, shows_prompts=shows_prompts), list[ReportRow]()

        def rows() -> Iterator[ReportRow]:
            while page := asyncio.run_coroutine_threadsafe(anext(pages, no_rows), loop).result():
                yield from page

        await run_to_completion(
            lambda: write_report(
                path,
                summary,
                rows(),
                folder=folder,
                new_thumbnails=new_thumbnails,
                signed_links=signed_links,
            )
        )
    except OSError as error:
        advice = "Free some space or mend the disk, and write it again with `report`"
        raise invalid_folder(f"{path} cannot be written to ({error.strerror})", advice) from None
    finally:
        await reader.close()
    return path


def _page_of(place: RunPlace) -> Path:
    return Path(f"{place.title()}.html") if place.folder is None else place.folder / REPORT


async def _summary(reader: LedgerReader, title: str, charges: Charges) -> ReportSummary:
    key = await _key_of(reader)
    cap: Any = await reader.read_note("cap")
    counts = Counter[ReportState]()
    for state, rows in (await reader.counts()).items():
        report_state: ReportState = REPORT_STATES.get(state, "other")
        counts[report_state] += rows
    return ReportSummary(
        title=title,
        api=key.api.capitalize() + (f", {NOTHING_PAID}" if key.is_simulated else ""),
        unit="credits",
        credit_dollars=vendor_of(key.operation).credit_dollars,
        rows=counts.total(),
        left_out=left_out(counts),
        spent=rounded(charges.spent),
        cap=cap,
        runs=await run_spans(reader),
    )


async def _pages(reader: LedgerReader, charges: Charges, *, shows_prompts: bool) -> AsyncIterator[list[ReportRow]]:
    page: list[ReportRow] = []
    async for row in reader.scan():
        shown = _report_row(row, charges)
        page.append(shown if shows_prompts else evolve(shown, prompt=""))
        if len(page) == ROWS_AT_ONCE:
            yield page
            page = []
    if page:
        yield page


def _report_row(row: CallRecord, charges: Charges) -> ReportRow:
    result: Any = row.result or {"files": []}
    problem: Any = {} if row.state == "done" else row.problem or {}  # a row that was unknown, and was found, went well
    parameters: Mapping[str, Any] = row.parameters
    cost = row_cost(row, charges)
    return ReportRow(
        id=row.id,
        state=REPORT_STATES.get(row.state, "other"),
        prompt=_as_text(parameters.get("prompt")),
        type=_as_text(parameters.get("slug") or parameters.get("type") or "image"),
        model=_as_text(parameters.get("model_id") or parameters.get("model") or row.model or "uni-1"),
        cost=None if cost is None else rounded(cost.spent),
        unresolved=0.0 if cost is None else rounded(cost.doubtful),
        started=row.submitted_at,
        ended=row.ended_at if row.state in REPORT_STATES else None,
        files=tuple(
            ReportFile(path=name, media_type=guess_type(name)[0] or "application/octet-stream")
            for name in result["files"]
        ),
        error=problem.get("error", ""),
        reason=problem.get("message", ""),
        remote_id=", ".join(row.remote_ids),
        attempts=row.attempt,
    )


def _as_text(value: JSON) -> str:
    """Return a parameter as text, of any type: an earlier version may have accepted what this one rejects."""
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
