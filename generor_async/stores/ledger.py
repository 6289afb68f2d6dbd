"""The ledger: the state of every paid call, so that nothing is charged twice and no paid result is lost.

It is the source of truth for money. Callers know the protocols `Ledger` and `LedgerReader` alone, and open one by its
place (`stores/opening.py`); `stores/sqlite` implements them in a file.

A row of a batch is a call of the batch's run; a job is a call without one, whose run has an empty name. A call is
written down before it is made, and its outcome before anybody is told. Whatever a crash interrupts is then known to
have been charged, known not to have been, or `unknown`, which is never called again by itself.

Every step is a compare-and-set on (call, attempt, owner, state): if somebody else has moved the call meanwhile, it
raises StaleRowError. When a step returns, it is committed and survives a crash of the machine.

Money is reserved on accounts in the transaction of the intent, which is refused where it would exceed the cap of one of
them. An account holds exactly what its calls count: `reserved` for those whose price is not final, `spent` for others.

An owner is an opening of the ledger. It has a lease by the store's clock, and renews it; the calls of one whose lease
has ended are taken over by whoever is there. The former owner's steps then fail as stale.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from typing import Final, Protocol

from generor_async.errors import FolderError
from generor_async.rules.charges import ChargedCalls, CostSource
from generor_async.rules.file_fingerprint import CompletedRead
from generor_async.rules.row_states import (
    Accept,
    Defer,
    Download,
    Fail,
    Finish,
    MarkUnknown,
    Release,
    RowState,
    RowStep,
    Submit,
)
from generor_async.rules.spend_attribution import UnattributedCall
from generor_async.stores.records import (
    Account,
    AccountKey,
    AddResult,
    CallRecord,
    Duplicate,
    Failure,
    FoundCall,
    NewCall,
    NewRow,
    Reject,
    StoredFiles,
    TakenOver,
)
from generor_async.values import JSON

__all__ = [
    "DATABASE_LEASE_SECONDS",
    "FOLDER_RUN",
    "LEASE_SECONDS",
    "NO_RUN",
    "READ_WHOLE_NOTE",
    "RECOVER_ADVICE",
    "Ledger",
    "LedgerLog",
    "LedgerReader",
    "OlderWorkersError",
    "RequestRules",
    "UnusableLedgerError",
    "write_step",
]

NO_RUN: Final = ""
"""The run of calls that belong to none, such as jobs. `Ledger.prune` deletes them whole, since no input that is read
again could buy them again."""
FOLDER_RUN: Final = "batch"
"""The run of a ledger that has one alone, as in a results folder."""
LEASE_SECONDS: Final = 60.0
"""For how long an owner's lease lasts after it was renewed."""
DATABASE_LEASE_SECONDS: Final = 30.0
"""The same in a database, where the owner may say otherwise."""
READ_WHOLE_NOTE: Final = "read_whole"
"""Name of the note that a file was read whole."""
RECOVER_ADVICE: Final = (
    "Rebuild it with `generor batch recover`, or put a copy of it back that is no older than the results: another"
    " folder, or an empty one, buys every row again"
)
"""What to do about a ledger that is damaged or lost; no other problem has this advice."""


class UnusableLedgerError(Exception):
    """The store can't be opened: `problem` says what is wrong, and `advice` what to do, if there is any.

    `is_disk_error` tells whether the disk is full or fails.
    """

    def __init__(self, problem: str, advice: str | None, *, is_disk_error: bool = False) -> None:
        super().__init__(problem, advice)
        self.problem = problem
        self.advice = advice
        self.is_disk_error = is_disk_error


class OlderWorkersError(UnusableLedgerError):
    """A migration can't be made while workers of an older version hold leases.

    `workers` names them: the process, its run, and the version of its tables.
    """

    def __init__(self, name: str, workers: Sequence[tuple[str, str, int]]) -> None:
        listed = ", ".join(f"{process} (run {run!r})" for process, run, _ in workers)
        super().__init__(
            f"{name} is used by workers of an older version, which can't go on after its migration: {listed}",
            "End them, or wait for them with `migrate --wait`",
        )
        self.workers = tuple(workers)


class RequestRules(Protocol):
    """Tells which requests are the same; it is called in any thread."""

    def request_key(self, parameters: Mapping[str, JSON], /) -> int:
        """Return a signed hash of 64 bits that is equal for requests of the same content."""
        ...

    def digest(self, parameters: Mapping[str, JSON], /) -> int:
        """Return a signed hash of 64 bits that is equal for the same requests, settings included."""
        ...

    def without_quotes(self, value: JSON, parameters: Mapping[str, JSON], /) -> JSON:
        """Return a value, such as an error message, without what it quotes of the parameters' content."""
        ...


class LedgerLog(Protocol):
    """Is told of what was committed, in the thread that writes; must not raise."""

    def append(self, steps: Iterable[tuple[CallRecord, RowStep]]) -> None:
        """Append committed steps."""
        ...

    def correct_costs(self, costs: Mapping[int, float], source: CostSource) -> None:
        """Append corrected costs of calls, by number."""
        ...

    def write_note(self, name: str, value: JSON) -> None:
        """Append a note."""
        ...


class LedgerReader(Protocol):
    """Reads the calls of one run, also while another process writes them."""

    async def counts(self) -> Mapping[RowState, int]:
        """Count the calls in each state."""
        ...

    def scan(self, *states: RowState, owned: bool = False) -> AsyncIterator[CallRecord]:
        """Yield the calls in these states, or all calls, in input order; memory is bounded.

        With `owned`, yield only those of this owner.
        """
        ...

    async def get(self, numbers: Sequence[int]) -> Sequence[CallRecord]:
        """Return the calls with these numbers that exist, in input order. Pass at most some thousand numbers."""
        ...

    async def has_call(self, number: int, request_id: str) -> bool:
        """Tell whether an attempt of this call was submitted with this id."""
        ...

    async def has_calls(self) -> bool:
        """Tell whether any call was submitted."""
        ...

    async def account(self, key: AccountKey) -> Account | None:
        """Return an account; None if there is none."""
        ...

    def stored_files(self) -> AsyncIterator[StoredFiles]:
        """Yield the output files of the calls that are done, in input order, some thousand calls at a time."""
        ...

    async def find(self, ids: Sequence[str]) -> Mapping[str, FoundCall]:
        """Return, by id, the calls with these ids that exist. Pass at most some thousand ids."""
        ...

    async def parameter_names(self) -> tuple[int, Sequence[str]]:
        """Return the last call's number, and the names of all parameters that any call up to it has."""
        ...

    async def failures(self) -> Sequence[Failure]:
        """Count failed calls by error type and code, the most frequent first."""
        ...

    async def last_activity(self, before: float | None) -> float:
        """Return when a call was last submitted or ended, before `before` if given; 0 if there is none."""
        ...

    async def last_done(self, limit: int) -> Sequence[tuple[int, str]]:
        """Return number and id of the calls that were done last, at most `limit`, ordered by their end."""
        ...

    async def count_answered(self, limit: int) -> int:
        """Count calls that succeeded, up to `limit`; without those found by reconciliation."""
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

    async def unlisted_calls(self, limit: int, *, place: str | None = None) -> Sequence[UnattributedCall]:
        """Return the charged calls that no transaction names yet, of the latest calls first, at most `limit`.

        With `place`, return only the calls of this place.

        Calls that are ready to be made again are left out: a corrected cost would be that of their next attempt.
        """
        ...

    async def refundable(self, codes: Collection[str]) -> float:
        """Return how many credits are reserved for attempts that failed with one of these codes."""
        ...

    async def read_whole(self) -> CompletedRead | None:
        """Return the file that was read to its end; None unless it has every call that may still be bought."""
        ...

    async def read_note(self, name: str) -> JSON:
        """Return the note with this name; None if there is none."""
        ...

    async def notes(self) -> Mapping[str, JSON]:
        """Return all notes."""
        ...

    async def check(self) -> str | None:
        """Return what is damaged in the store; None if it is intact."""
        ...

    async def close(self) -> None:
        """Commit pending steps, end this owner's lease, and close the store."""
        ...


class Ledger(LedgerReader, Protocol):
    """Writes the calls of one run, as one owner."""

    @property
    def owner(self) -> int:
        """The number of this opening."""
        ...

    async def renew(self) -> None:
        """Renew this owner's lease; call it at least three times while it lasts."""
        ...

    async def take_over(self, *, alone: bool = False, resume: bool = True, place: str | None = None) -> TakenOver:
        """Take over the run's calls of owners whose lease has ended: resume the accepted ones by `scan(owned=True)`.

        Leased calls become ready, submitting ones unknown, and those accepted and downloading belong to this owner.

        Args:
            alone: End the lease of every other owner at once: a lock shows that none of them lives.
            resume: Whether this owner goes on with accepted and downloading calls; else they stay where they are, for
                whoever does.
            place: Where these calls have to be from; None for anywhere.
        """
        ...

    async def add(self, rows: Iterable[NewRow], *, again: bool = True) -> AddResult:
        """Add rows of an input as ready calls, in one transaction; pass some hundred at a time.

        A row whose id exists is known, and not run again. Unless `again` is set, a row is withheld if it requests what
        an earlier reading added under another id that this reading has not seen. A call without parameters, as one that
        was restored from its result alone, gets those of the row.
        """
        ...

    async def discard_unclaimed(self) -> int:
        """Delete the calls that this reading has added and nobody has claimed; return how many."""
        ...

    async def add_rejects(self, rejects: Iterable[Reject]) -> None:
        """Add rejects; one from the same place is replaced."""
        ...

    async def restore(self, calls: Iterable[CallRecord], attempts: Iterable[CallRecord] = ()) -> None:
        """Write calls as they are, and earlier attempts of calls, in one transaction; pass some thousand at a time.

        Calls replace the calls with their numbers, and keep those of others. Accounts are brought up to date, and
        created without a cap if they don't exist. Nothing is told to the log. What a call says of earlier attempts
        isn't written, as it follows from these.
        """
        ...

    async def begin_reading(self) -> None:
        """Begin to read the input: delete all rejects and duplicates, as the input may have been corrected.

        No file counts as read whole until `end_reading`.
        """
        ...

    async def end_reading(self, file: CompletedRead) -> None:
        """Note that a file was read to its end, unless it lacks a call that may still be bought."""
        ...

    async def skip_reading(self) -> None:
        """Treat all calls as seen by this reading, since the file is unchanged."""
        ...

    async def delete_unread(self) -> tuple[int, int]:
        """Delete ready calls that this reading has not seen; return how many were deleted, and how many kept.

        Those that were ever submitted are kept.
        """
        ...

    async def claim(self, limit: int, *, seen: bool = False) -> Sequence[CallRecord]:
        """Lease at most `limit` ready calls, in input order; return none if none is ready.

        With `seen`, lease only calls that this reading has seen.
        """
        ...

    async def lease(self, call: NewCall) -> tuple[CallRecord, bool]:
        """Lease a call that is no row: add it, or take the ready one with its id, in one transaction.

        Return it, and True. A call with its id that isn't ready is returned as it is, with False: another one makes it,
        or has made it.
        """
        ...

    async def intend(self, call: CallRecord, intent: Submit, accounts: Collection[AccountKey] = ()) -> Account | None:
        """Write the intent to call, and reserve its credits on these accounts, in one transaction.

        Return None once that is committed. If an account has no room, write nothing, and return the account. An account
        that doesn't exist is created without a cap.

        A caller of this and of the other steps that is cancelled waits until the step is committed or has failed;
        `call.state` then says which.

        Raises:
            StaleRowError: Somebody else has moved the call; nothing was written.
            FolderError: The store was moved, deleted or replaced; nothing was written.
            JournalError: The step could not be written, as on a full disk; it may be tried again.
        """
        ...

    async def accept(self, call: CallRecord, step: Accept | Download) -> None:
        """Write that the call was accepted, or that its outputs are being downloaded; a cost that is known is settled.

        Raises: As `intend` does, but for FolderError.
        """
        ...

    async def settle(self, call: CallRecord, step: Finish | Fail | MarkUnknown) -> None:
        """Write how the call ended; its credits are spent, released, or stay reserved if that is unknown.

        Raises: As `intend` does, but for FolderError.
        """
        ...

    async def release(self, call: CallRecord, step: Release | Defer) -> None:
        """Write that the call may be made again, by anybody or (Defer) by this owner.

        Raises: As `intend` does, but for FolderError.
        """
        ...

    async def open_account(self, key: AccountKey, cap: float | None) -> Account:
        """Create an account, or change its cap; return it."""
        ...

    async def prune_accounts(self, first: str, last: str) -> int:
        """Delete the accounts whose period is, as a text, from `first` to before `last`; return how many there were.

        Calls that count on them keep what they count.
        """
        ...

    async def set_spent(self, key: AccountKey, spent: float) -> None:
        """Replace what an account has spent, in credits, by what a better source says, such as the balance."""
        ...

    def problem(self) -> FolderError | None:
        """Return the error if the store was moved, deleted or replaced: then nothing more may be bought."""
        ...

    async def refund(self, codes: Collection[str]) -> None:
        """Release what is reserved for attempts that failed with one of these codes: they cost nothing."""
        ...

    async def correct_costs(self, costs: Mapping[int, float], source: CostSource) -> None:
        """Replace the costs of charged calls, in credits by number, by those of a better source."""
        ...

    async def leave_out_parameters(self) -> None:
        """Keep two hashes of the parameters of calls that are done or failed, from now on and of those that are.

        What results and error messages quote of the parameters is left out, and so is the text of rejects. Calls in
        other states keep their parameters: they may still have to be made, or be found by their prompt. Call it after
        each opening.
        """
        ...

    async def prune(self, older_than: float) -> int:
        """Delete what calls hold that ended more than so many seconds ago; return how many there were.

        Of a call without a run (NO_RUN) nothing stays. A call of a run must not be bought again: its parameters,
        columns, result and error message go, and its id, place, state, costs and remote ids stay, with two hashes of
        its parameters and its error's type and code. Accounts and notes stay as they are (`prune_accounts` deletes
        accounts): what a deleted call has reserved stays reserved.

        Only calls that are done or failed are pruned: others may still have to be paid for, or found. Owners without
        calls are deleted as long after the end of their lease.
        """
        ...

    async def write_note(self, name: str, value: JSON) -> None:
        """Store a fact about the run, such as the balance at its beginning."""
        ...

    async def replace_notes(self, notes: Mapping[str, JSON]) -> None:
        """Replace all notes by these, in one transaction."""
        ...


async def write_step(ledger: Ledger, call: CallRecord, step: RowStep) -> None:
    """Write a step by the method that it belongs to; an intent reserves on no account."""
    match step:
        case Submit():
            await ledger.intend(call, step)
        case Accept() | Download():
            await ledger.accept(call, step)
        case Finish() | Fail() | MarkUnknown():
            await ledger.settle(call, step)
        case Release() | Defer():
            await ledger.release(call, step)
