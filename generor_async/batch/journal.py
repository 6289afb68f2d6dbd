"""The journal of a batch: the state of every row, so that nothing is charged twice and no paid result is lost.

It is the source of truth. Callers know the protocols `Journal` and `JournalReader` alone; `generor_async.batch.sqlite`
implements them in a folder.

A call is written down before it is made, and its outcome before anybody is told. Whatever a crash interrupts is then
known to have been charged, known not to have been, or `unknown`, which is never called again by itself.

Every step is a compare-and-set on (row, attempt, owner, state): if somebody else has moved the row meanwhile, it raises
StaleRowError. When `step` returns, the step is committed and survives a crash of the machine.
"""

import json
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from typing import Final, Protocol

from attrs import Factory, define, field, frozen

from generor_async.errors import FolderError
from generor_async.rules.charges import ChargedCalls, CostSource
from generor_async.rules.file_fingerprint import CompletedRead
from generor_async.rules.row_states import RowState, RowStep
from generor_async.rules.spend_attribution import UnattributedCall
from generor_async.values import JSON

__all__ = [
    "COST_SOURCES",
    "SIMULATED",
    "AddResult",
    "Duplicate",
    "Failure",
    "Journal",
    "JournalReader",
    "NewRow",
    "Reject",
    "Row",
    "RunKey",
    "StoredFiles",
    "canonical_json",
]

SIMULATED: Final = "simulated"
"""The address of every simulator, whose port may change with each start."""

canonical_json: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
).encode
"""Encode a row's parameters: equal ones give equal texts."""


COST_SOURCES: Final[tuple[CostSource, ...]] = ("overlapped", "alone", "listed")
"""A journal stores the index of a cost's source in this."""


@frozen(kw_only=True)
class RunKey:
    """The run that a results folder belongs to. A folder is refused to any other."""

    operation: str
    """The operation's name, such as `luma.generations.create`."""
    address: str
    """The API's base URL, or SIMULATED."""
    source: str
    """The name of the file that the rows come from; `rows` if they come from Python."""


@frozen(kw_only=True)
class NewRow:
    """A row that was read and checked, and isn't in the journal yet."""

    id: str
    parameters: Mapping[str, JSON] = field(repr=False)
    """The operation's parameters, as JSON; a file is `{"path", "sha256"}`."""
    place: str
    """Where it was read, such as `prompts.jsonl:17`."""
    text: str = field(default=Factory(lambda self: canonical_json(self.parameters), takes_self=True), repr=False)
    """The parameters as canonical JSON."""
    columns: Mapping[str, JSON] = field(factory=dict[str, JSON], repr=False)
    """The values of columns that are no parameters."""
    has_own_id: bool = True
    """Whether the input gives the id; otherwise the id is the fingerprint of the request."""


@frozen(kw_only=True)
class Duplicate:
    """A row that repeats another one, and isn't run."""

    place: str
    """Where it was read."""
    number: int
    """The number of the row that it repeats."""
    first: str
    """Where that row was read."""
    columns: Mapping[str, JSON] = field(factory=dict[str, JSON], repr=False)
    """The values of its own columns that are no parameters."""


@frozen(kw_only=True)
class Reject:
    """A line of the input that can't be run."""

    place: str
    text: str = field(repr=False)
    """The line as it was read."""
    reason: str
    """What is wrong, and how to correct it."""


@frozen(kw_only=True)
class Failure:
    """A group of rows that failed with the same error type and failure code."""

    error: str
    """The name of the error type."""
    code: str
    """The API's failure code; empty if it gave none."""
    message: str
    """The message of the first row's error."""
    rows: int


@define(eq=False)
class Row:
    """A row of the journal. Steps change it in place once they are committed."""

    number: int
    """Its position in the input, from 1."""
    id: str
    parameters: Mapping[str, JSON] = field(repr=False)
    place: str
    state: RowState
    attempt: int
    """How often it was claimed. The fields below are those of the latest attempt."""
    owner: int | None = None
    """The opening of the journal that has claimed it; None if it isn't claimed."""
    call_id: str | None = None
    submitted_at: float | None = None
    """When the intent to call was written, in seconds since the epoch."""
    longest: float = 0.0
    """Estimated upper bound of its duration, in seconds."""
    model: str | None = None
    estimated: float = 0.0
    """Estimated price, in credits."""
    counted: float = 0.0
    """What this attempt counts against the cap, in credits: the reservation, and later the cost."""
    charged_before: float = 0.0
    """What earlier attempts count against the cap, in credits."""
    unresolved_before: float = 0.0
    """The part of `charged_before` that may not have been charged."""
    cost: float | None = None
    """What it cost, in credits, by `cost_source`; None if that isn't known."""
    cost_source: CostSource = "overlapped"
    remote_ids: tuple[str, ...] = ()
    ended_at: float | None = None
    result: JSON = None
    problem: JSON = None
    columns: Mapping[str, JSON] = field(factory=dict[str, JSON], repr=False)
    """The values of columns that are no parameters."""
    text: str = field(default="", repr=False)
    """The parameters as canonical JSON."""


@frozen
class StoredFiles:
    """The output files of some rows that are done."""

    numbers: Sequence[int]
    files: Sequence[Sequence[str]]
    """The paths of each row's outputs, relative to the folder."""


@frozen(kw_only=True)
class AddResult:
    """What `add` has done with each row."""

    new: int
    known: int
    """Rows whose id an earlier reading added, with parameters of the same meaning."""
    rejects: Sequence[Reject] = ()
    """Rows whose id belongs to other parameters."""
    duplicates: Sequence[Duplicate] = ()
    """Rows that repeat one of this reading."""
    withheld: Sequence[NewRow] = ()
    """Rows that were not added: they request what an earlier reading added under another id."""


class JournalReader(Protocol):
    """Reads a journal, also while another process writes it."""

    async def counts(self) -> Mapping[RowState, int]:
        """Count the rows in each state."""
        ...

    def rows(self, *states: RowState) -> AsyncIterator[Row]:
        """Yield the rows in these states, or all rows, in input order; memory is bounded."""
        ...

    async def row(self, number: int) -> Row:
        """Return the row with this number, which must exist."""
        ...

    def stored_files(self) -> AsyncIterator[StoredFiles]:
        """Yield the output files of the rows that are done, in input order, some thousand rows at a time."""
        ...

    async def find(self, ids: Sequence[str]) -> Mapping[str, tuple[RowState, Mapping[str, JSON]]]:
        """Return state and parameters by id of those rows that exist. Pass at most some hundred ids."""
        ...

    async def parameter_names(self) -> tuple[int, Sequence[str]]:
        """Return the last row's number, and the names of all parameters that any row up to it has."""
        ...

    async def failures(self) -> Sequence[Failure]:
        """Count failed rows by error type and code, the most frequent first."""
        ...

    async def last_activity(self, before: float | None) -> float:
        """Return the time of the last call or end of a row, before `before` if given; 0 if there is none."""
        ...

    async def last_done(self, limit: int) -> Sequence[tuple[int, str]]:
        """Return number and id of the rows that were done last, at most `limit`, ordered by their end."""
        ...

    async def count_answered(self, limit: int) -> int:
        """Count rows whose call succeeded, up to `limit`; without those found by reconciliation."""
        ...

    def rejects(self) -> AsyncIterator[Reject]:
        """Yield the rejects in input order."""
        ...

    def duplicates(self) -> AsyncIterator[Duplicate]:
        """Yield the duplicates in input order."""
        ...

    async def column_names(self) -> Sequence[str]:
        """Return the names of all columns that are no parameters."""
        ...

    async def charges(self) -> Sequence[ChargedCalls]:
        """Sum up the charged attempts, grouped by model, estimate, cost and its source."""
        ...

    async def unresolved_credits(self) -> float:
        """Return how many credits are reserved for attempts that may have been charged."""
        ...

    async def unlisted_calls(self, limit: int) -> Sequence[UnattributedCall]:
        """Return the charged calls that no transaction names yet, of the latest rows first, at most `limit`."""
        ...

    async def refundable(self, codes: Collection[str]) -> float:
        """Return how many credits are reserved for attempts that failed with one of these codes."""
        ...

    async def read_whole(self) -> CompletedRead | None:
        """Return the file that was read to its end; None unless it has every row that may still be bought."""
        ...

    async def read_note(self, name: str) -> JSON:
        """Return the note with this name; None if there is none."""
        ...

    async def close(self) -> None:
        """Commit pending steps, and close the journal."""
        ...


class Journal(JournalReader, Protocol):
    """Writes a journal, which belongs to this process alone.

    Opening it has recovered from a crash: leased rows are ready again, submitting ones unknown, and those accepted and
    downloading belong to this owner, who resumes them by `rows(*OPEN)`.
    """

    async def add(self, rows: Iterable[NewRow], *, again: bool = True) -> AddResult:
        """Add rows as ready, in one transaction; pass some hundred at a time.

        A row whose id exists is known, and not run again. Unless `again` is set, a row is withheld if it requests what
        an earlier reading added under another id that this reading has not seen.
        """
        ...

    async def discard_unclaimed(self) -> int:
        """Delete the rows that this reading has added and nobody has claimed; return how many."""
        ...

    async def add_rejects(self, rejects: Iterable[Reject]) -> None:
        """Add rejects; one from the same place is replaced."""
        ...

    async def begin_reading(self) -> None:
        """Begin to read the input: delete all rejects and duplicates, as the input may have been corrected.

        No file counts as read whole until `end_reading`.
        """
        ...

    async def end_reading(self, file: CompletedRead) -> None:
        """Note that a file was read to its end, unless it lacks a row that may still be bought."""
        ...

    async def skip_reading(self) -> None:
        """Treat all rows as seen by this reading, since the file is unchanged."""
        ...

    async def delete_unread(self) -> tuple[int, int]:
        """Delete ready rows that this reading has not seen; return how many were deleted, and how many kept.

        Rows for which a call was made are kept.
        """
        ...

    async def claim(self, limit: int, *, seen: bool = False) -> Sequence[Row]:
        """Lease at most `limit` ready rows, in input order; return none if none is ready.

        With `seen`, lease only rows that this reading has seen.
        """
        ...

    async def step(self, row: Row, step: RowStep) -> None:
        """Write a step, and return when it is committed.

        A caller that is cancelled waits until the step is committed or has failed; `row.state` then says which.

        Raises:
            StaleRowError: Somebody else has moved the row; nothing was written.
            FolderError: The step is a Submit, and the journal was moved, deleted or replaced; nothing was written.
            JournalError: The step could not be written, as on a full disk; it may be tried again.
        """
        ...

    def problem(self) -> FolderError | None:
        """Return the error if the journal was moved, deleted or replaced: then nothing more may be bought."""
        ...

    async def refund(self, codes: Collection[str]) -> None:
        """Release what is reserved for attempts that failed with one of these codes: they cost nothing."""
        ...

    async def correct_costs(self, costs: Mapping[int, float], source: CostSource) -> None:
        """Replace the costs of charged calls, in credits by row number, by those of a better source."""
        ...

    async def write_note(self, name: str, value: JSON) -> None:
        """Store a fact about the run, such as the balance at its beginning."""
        ...
