"""The journal of a batch: what every row came to, kept so that nothing is charged twice and nothing paid for is lost.

It is the source of truth. Nothing above it knows where it is kept: `open_journal` in `generor_async.batch.sqlite` keeps
it in a folder.
Every step is a compare-and-set on (row, attempt, owner, state): a row that somebody else has moved since raises
StaleRowError. A step has been committed, and survives the machine, when the call that takes it returns.
"""

import json
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from typing import Final, Protocol

from attrs import Factory, define, field, frozen

from generor_async.errors import FolderError
from generor_async.rules.charges import ChargedCalls, CostSource
from generor_async.rules.file_fingerprint import CompletedRead
from generor_async.rules.row_states import RowState, Step
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
"""The address of every simulator: its port may be another each time."""

canonical_json: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
).encode
"""Writes a row's parameters so that equal ones are equal texts."""


COST_SOURCES: Final[tuple[CostSource, ...]] = ("overlapped", "alone", "listed")
"""Who may have told a cost; a journal keeps the place in this."""


@frozen(kw_only=True)
class RunKey:
    """What a results folder is for: rows of one operation, at one address, from one source."""

    operation: str
    """Its name, such as `luma.generations.create`."""
    address: str
    """The API's base URL, or SIMULATED."""
    source: str
    """Where the rows come from: a file's name, or `rows` where Python hands them in."""


@frozen(kw_only=True)
class NewRow:
    """A row that was read, checked and not yet written down."""

    id: str
    parameters: Mapping[str, JSON] = field(repr=False)
    """The operation's parameters, as JSON; a file is `{"path", "sha256"}`."""
    place: str
    """Where it was read, such as `prompts.jsonl:17`."""
    text: str = field(default=Factory(lambda self: canonical_json(self.parameters), takes_self=True), repr=False)
    """The parameters, as they are kept."""
    columns: Mapping[str, JSON] = field(factory=dict[str, JSON], repr=False)
    """What its row has beside them, by column."""
    has_own_id: bool = True
    """Whether its id was given; else it is the fingerprint of what is asked for."""


@frozen(kw_only=True)
class Duplicate:
    """A row that came again, and is run once."""

    place: str
    """Where it was read."""
    number: int
    """The number of the row that it is."""
    first: str
    """Where that one was read first."""
    columns: Mapping[str, JSON] = field(factory=dict[str, JSON], repr=False)
    """What this one has beside the parameters."""


@frozen(kw_only=True)
class Reject:
    """A line that can't be run, kept with its reason."""

    place: str
    text: str = field(repr=False)
    """The line as it was read."""
    reason: str
    """What is wrong, and what to do about it."""


@frozen(kw_only=True)
class Failure:
    """Rows that failed in the same way."""

    error: str
    """The type of their errors."""
    code: str
    """The failure code that the API gave; empty where it gave none."""
    message: str
    """What the first of them says."""
    rows: int


@define(eq=False)
class Row:
    """A row as it stands. Steps that the journal takes for its holder change it in place, once they are committed."""

    number: int
    """Its place in the order of reading."""
    id: str
    parameters: Mapping[str, JSON] = field(repr=False)
    place: str
    state: RowState
    attempt: int
    """How often it was claimed; what follows is of the latest attempt."""
    owner: int | None = None
    """Which opening of the journal holds it; None where nobody does."""
    call_id: str | None = None
    submitted_at: float | None = None
    """When the intent was written down, in seconds since the epoch."""
    longest: float = 0.0
    """Seconds that it may take at the most, as estimated."""
    model: str | None = None
    estimated: float = 0.0
    """Its price as estimated, in credits."""
    counted: float = 0.0
    """What counts against the cap for this attempt, in credits: what is set aside, and later what it cost."""
    charged_before: float = 0.0
    """What its earlier attempts still count, in credits."""
    unresolved_before: float = 0.0
    """How much of that may not have been charged."""
    cost: float | None = None
    """What it cost, in credits, as `witness` has it; None where nobody has said."""
    cost_source: CostSource = "overlapped"
    remote_ids: tuple[str, ...] = ()
    ended_at: float | None = None
    result: JSON = None
    problem: JSON = None
    columns: Mapping[str, JSON] = field(factory=dict[str, JSON], repr=False)
    """What it has beside its parameters, by column."""
    text: str = field(default="", repr=False)
    """Its parameters as they are kept."""


@frozen
class StoredFiles:
    """Some rows that are done."""

    numbers: Sequence[int]
    files: Sequence[Sequence[str]]
    """The outputs of each, relative to the folder."""


@frozen(kw_only=True)
class AddResult:
    """What became of rows that were handed in."""

    new: int
    known: int
    """The same id, with parameters that mean the same, was there from an earlier reading."""
    rejects: Sequence[Reject] = ()
    """The same id was there with parameters that mean something else."""
    duplicates: Sequence[Duplicate] = ()
    """The same row was there from this reading."""
    withheld: Sequence[NewRow] = ()
    """What these ask for was there from an earlier reading, as other rows: they were not written down."""


class JournalReader(Protocol):
    """What may be asked of a journal, also of one that another process is writing."""

    async def counts(self) -> Mapping[RowState, int]:
        """Count the rows in each state."""
        ...

    def rows(self, *states: RowState) -> AsyncIterator[Row]:
        """Yield the rows in these states, all if none is given, in the order of reading; memory is bounded."""
        ...

    async def row(self, number: int) -> Row:
        """Return the row of this number, which must be there."""
        ...

    def stored_files(self) -> AsyncIterator[StoredFiles]:
        """Yield the rows that are done with what was stored of them, in the order of reading, by thousands."""
        ...

    async def find(self, ids: Sequence[str]) -> Mapping[str, tuple[RowState, Mapping[str, JSON]]]:
        """Return the state and the parameters of those of these rows that are there, by id; some hundred at a time."""
        ...

    async def parameter_names(self) -> tuple[int, Sequence[str]]:
        """Return the last row's number, and the names of the parameters that any row up to it has."""
        ...

    async def failures(self) -> Sequence[Failure]:
        """Return why rows failed, the most frequent first."""
        ...

    async def last_activity(self, before: float | None) -> float:
        """Return when a row was sent or ended last, before a moment if one is given; 0 if none was."""
        ...

    async def last_done(self, limit: int) -> Sequence[tuple[int, str]]:
        """Return the numbers and ids of the rows that are done and ended last, so many, in the order of their end."""
        ...

    async def count_answered(self, limit: int) -> int:
        """Count the rows whose call was answered well, up to so many: those found by other means are none."""
        ...

    def rejects(self) -> AsyncIterator[Reject]:
        """Yield the lines that were set aside, in the order of reading."""
        ...

    def duplicates(self) -> AsyncIterator[Duplicate]:
        """Yield the rows that came again, in the order of reading."""
        ...

    async def column_names(self) -> Sequence[str]:
        """Return the names of the columns that any row has beside its parameters."""
        ...

    async def charges(self) -> Sequence[ChargedCalls]:
        """Sum up the attempts that were charged, those that are alike together."""
        ...

    async def unresolved_credits(self) -> float:
        """Return what is kept, in credits, for attempts that may have been charged."""
        ...

    async def unlisted_calls(self, limit: int) -> Sequence[UnattributedCall]:
        """Return the charged calls of which no transaction has told, so many of the latest rows."""
        ...

    async def refundable(self, codes: Collection[str]) -> float:
        """Return what is kept, in credits, for attempts that failed with one of these failure codes."""
        ...

    async def read_whole(self) -> CompletedRead | None:
        """Return the file that was read whole, and of which every row that may yet be bought is one; None if none."""
        ...

    async def read_note(self, name: str) -> JSON:
        """Return what was remembered under a name; None where nothing was."""
        ...

    async def close(self) -> None:
        """Close it; what is under way is committed first."""
        ...


class Journal(JournalReader, Protocol):
    """A journal of one's own: nobody else writes to it.

    Opening one has done what a restart does: leased rows are ready again, submitting ones are unknown, and those
    accepted, running and downloading are this owner's, for `rows(*OPEN)` to show.
    """

    async def add(self, rows: Iterable[NewRow], *, again: bool = True) -> AddResult:
        """Write down rows, as ready; one transaction, so hand them in by hundreds.

        A row whose id is there is known, and not run again. Unless rows may be bought `again`, a row is held back that
        asks for what is there under another id, where this reading has not met that one.
        """
        ...

    async def discard_unclaimed(self) -> int:
        """Forget the rows that this reading has written down and nobody has claimed; return how many."""
        ...

    async def add_rejects(self, rejects: Iterable[Reject]) -> None:
        """Write down lines that can't be run; one that is there is replaced."""
        ...

    async def begin_reading(self) -> None:
        """Forget the lines that can't be run, and what came again: all is read again, and may have been mended.

        No file counts as read whole any more, until `end_reading` says so.
        """
        ...

    async def end_reading(self, whole: CompletedRead) -> None:
        """Note the file that this reading has read whole, unless a row may yet be bought that is not in it."""
        ...

    async def skip_reading(self) -> None:
        """Take all rows for met: the file is as it was when it was read whole."""
        ...

    async def delete_unread(self) -> tuple[int, int]:
        """Forget the ready rows that the whole reading hasn't met; return how many, and how many stay.

        Those stay for which a call was made.
        """
        ...

    async def claim(self, limit: int, *, met: bool = False) -> Sequence[Row]:
        """Lease up to so many ready rows, in the order of reading; none where none is ready.

        `met` takes those alone that this reading has met.
        """
        ...

    async def step(self, row: Row, step: Step) -> None:
        """Take a step, and return when it is committed.

        Whoever cancels this waits until the step is committed or has failed; `row.state` then says which.

        Raises:
            StaleRowError: Somebody else has moved the row; nothing was written.
            FolderError: A call was to be made, and what keeps the journal was moved, deleted or replaced; likewise.
            JournalError: It could not be written, as on a full disk; the step may be taken again.
        """
        ...

    def problem(self) -> FolderError | None:
        """Return what is wrong if what keeps it was moved, deleted or replaced; then nothing more may be bought."""
        ...

    async def refund(self, codes: Collection[str]) -> None:
        """Let go of what is kept for attempts that failed with one of these failure codes: they cost nothing."""
        ...

    async def correct_costs(self, costs: Mapping[int, float], source: CostSource) -> None:
        """Write down what a better witness says that charged calls cost, in credits, by the number of their row."""
        ...

    async def write_note(self, name: str, value: JSON) -> None:
        """Write down a fact about the run, such as the balance it began with."""
        ...
