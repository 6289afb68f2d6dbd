"""A ledger in memory, which shows how every ledger behaves: it is short rather than fast.

`MemoryStore` is what several owners share, `MemoryLedger` is one owner's opening of it. Nothing in it waits, so that
each operation is atomic. What accounts hold is never kept: it is the sum of what the attempts count.
"""

import json
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from attrs import asdict, define, evolve, field

from generor_async.errors import FolderError, StaleRowError
from generor_async.rules.charges import ChargedCalls, CostSource
from generor_async.rules.file_fingerprint import CompletedRead, parse_completed_read
from generor_async.rules.row_states import (
    END_STATES,
    PAID_STATES,
    ROW_STATES,
    STATE_AFTER,
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
    is_legal,
)
from generor_async.rules.spend_attribution import UnattributedCall
from generor_async.stores.content import step_without_quotes
from generor_async.stores.ledger import (
    FOLDER_RUN,
    LEASE_SECONDS,
    NO_RUN,
    READ_WHOLE_NOTE,
    Ledger,
    LedgerLog,
    RequestRules,
)
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
    canonical_json,
)
from generor_async.values import JSON, is_array, is_object

__all__ = ["MemoryLedger", "MemoryStore"]

ROUNDING: Final = 1e-6
"""Rounding error of sums, in credits, up to which an account has room."""


def interrupted(call: CallRecord) -> JSON:
    """Return the problem of a call whose owner is gone; the vendor can find the call by the id of its request."""
    sent = "" if call.request_id is None else f" ({call.request_id})"
    return {"message": f"the process ended before anybody could say what came of it{sent}"}


def copied(value: JSON) -> JSON:
    """Return JSON as it comes back from a store."""
    loaded: JSON = json.loads(json.dumps(value))
    return loaded


def is_final(attempt: CallRecord) -> bool:
    """Tell whether the price of an attempt is final."""
    return attempt.cost is not None or attempt.state == "done"


def failed_with(attempt: CallRecord, codes: Collection[str]) -> bool:
    """Tell whether an attempt failed with one of these codes, and it isn't known what it has cost."""
    code = attempt.problem.get("code") if is_object(attempt.problem) else None
    return attempt.state in {"failed", "ready"} and attempt.cost is None and attempt.counted > 0 and code in codes


def message_of(problem: JSON) -> str:
    """Return why something failed."""
    return str(problem.get("message") or "") if is_object(problem) else ""


def files_of(result: JSON) -> list[str]:
    """Return the files of a result."""
    files = result.get("files") if is_object(result) else None
    return [str(file) for file in files] if is_array(files) else []


@define
class MemoryStore:
    """The content of a ledger."""

    clock: Callable[[], float]
    calls: dict[int, CallRecord] = field(factory=dict[int, CallRecord])
    """The latest attempt of each call, by number."""
    runs: dict[int, str] = field(factory=dict[int, str])
    """The run of each call."""
    earlier: dict[int, list[CallRecord]] = field(factory=dict[int, list[CallRecord]])
    """The earlier attempts of each call that came to an intent."""
    caps: dict[AccountKey, float | None] = field(factory=dict[AccountKey, float | None])
    corrections: dict[AccountKey, float] = field(factory=dict[AccountKey, float])
    """What `set_spent`, and calls that were pruned, have added to the sums of what was spent."""
    pruned_reservations: dict[AccountKey, float] = field(factory=dict[AccountKey, float])
    """What calls that were pruned have reserved."""
    leases: dict[int, float] = field(factory=dict[int, float])
    skipped: dict[tuple[str, str], Reject | tuple[int, Mapping[str, JSON]]] = field(
        factory=dict[tuple[str, str], Reject | tuple[int, Mapping[str, JSON]]]
    )
    """By run and place: a reject, or the number that a duplicate repeats and its columns."""
    notes: dict[tuple[str, str], JSON] = field(factory=dict[tuple[str, str], JSON])
    numbers: int = 0
    owners: int = 0

    def attempts(self) -> Iterator[CallRecord]:
        """Yield all attempts of all runs."""
        for number, call in self.calls.items():
            yield from (*self.earlier[number], call)

    def add_accounts(self, keys: Iterable[AccountKey]) -> None:
        """Add those of these accounts that don't exist; what was counted on a deleted one of this key is forgotten."""
        for key in keys:
            if key not in self.caps:
                self.caps[key] = None
                for sums, held in ((self.corrections, "spent"), (self.pruned_reservations, "reserved")):
                    sums[key] = sums.get(key, 0.0) - getattr(self.account(key), held)

    def account(self, key: AccountKey) -> Account:
        """Return an account, from what its attempts count."""
        counting = [attempt for attempt in self.attempts() if key in attempt.accounts]
        spent = sum(attempt.counted for attempt in counting if is_final(attempt))
        return Account(
            *key,
            cap=self.caps[key],
            reserved=sum(attempt.counted for attempt in counting if not is_final(attempt))
            + self.pruned_reservations.get(key, 0.0),
            spent=spent + self.corrections.get(key, 0.0),
        )

    def open(self, *, run: str = FOLDER_RUN, rules: RequestRules, log: LedgerLog | None = None) -> "MemoryLedger":
        """Open the ledger as a new owner."""
        self.owners += 1
        self.leases[self.owners] = self.clock() + LEASE_SECONDS
        return MemoryLedger(self, run, self.owners, rules, log)


@define
class _Reading:
    """What one reading of the input has seen, as numbers of calls."""

    before: frozenset[int] = frozenset()
    """The calls of the run when it began."""
    seen: set[int] = field(factory=set[int])
    added: set[int] = field(factory=set[int])
    is_complete: bool = False
    requests: dict[int, int] | None = None
    """Keys of requests that earlier readings added, by number, as of when they were first asked for."""


class MemoryLedger(Ledger):
    """One owner's view of one run."""

    def __init__(self, store: MemoryStore, run: str, owner: int, rules: RequestRules, log: LedgerLog | None) -> None:
        self._store = store
        self._run = run
        self._owner = owner
        self._rules = rules
        self._log = log
        self._reading = _Reading()
        self._keeps_parameters = True

    @property
    def owner(self) -> int:
        return self._owner

    # --- what is deleted ----------------------------------------------------------------------------------------------

    async def leave_out_parameters(self) -> None:
        self._keeps_parameters = False
        for call in self._calls():
            self._leave_out(call)

    def _leave_out(self, call: CallRecord) -> None:
        if call.state not in {"done", "failed"} or call.digest is not None:
            return
        for attempt in (*self._store.earlier[call.number], call):
            attempt.result = self._without_quotes(attempt.result, call)
            attempt.problem = self._without_quotes(attempt.problem, call)
        call.digest = self._rules.digest(call.parameters)
        call.request_key = self._rules.request_key(call.parameters)
        call.parameters, call.text = {}, ""

    def _without_quotes(self, value: JSON, call: CallRecord) -> JSON:
        return self._rules.without_quotes(value, call.parameters)

    async def prune(self, older_than: float) -> int:
        before, pruned = self._store.clock() - older_than, 0
        for call in self._calls():
            if call.state not in {"done", "failed"} or not (call.ended_at or 0.0) < before:
                continue
            if self._run == NO_RUN:
                self._keep_money(call)
                self._delete([call.number])
                pruned += 1
            elif call.text or call.columns or call.result is not None or message_of(call.problem):
                self._delete_content(call)
                pruned += 1
        return pruned

    def _keep_money(self, call: CallRecord) -> None:
        for attempt in (*self._store.earlier[call.number], call):
            sums = self._store.corrections if is_final(attempt) else self._store.pruned_reservations
            for key in attempt.accounts:
                sums[key] = sums.get(key, 0.0) + attempt.counted

    def _delete_content(self, call: CallRecord) -> None:
        if call.digest is None:
            call.digest, call.request_key = (
                self._rules.digest(call.parameters),
                self._rules.request_key(call.parameters),
            )
        call.parameters, call.text, call.columns = {}, "", {}
        for attempt in (*self._store.earlier[call.number], call):
            attempt.result = None
            if is_object(attempt.problem):
                codes = {name: value for name, value in attempt.problem.items() if name in {"error", "code"}}
                attempt.problem = {"message": "", **codes}

    # --- owners -------------------------------------------------------------------------------------------------------

    async def renew(self) -> None:
        self._store.leases[self._owner] = self._store.clock() + LEASE_SECONDS

    async def take_over(self, *, alone: bool = False, resume: bool = True, place: str | None = None) -> TakenOver:
        now, leases = self._store.clock(), self._store.leases
        for owner, until in leases.items():
            leases[owner] = min(until, now + LEASE_SECONDS)
            if alone and owner != self._owner:
                leases[owner] = 0.0
        ready = unknown = resumed = 0
        for call in self._calls():
            if call.owner is None or call.owner == self._owner or leases[call.owner] > now:
                continue
            if call.state == "leased":
                call.state, call.owner, call.problem = "ready", None, interrupted(call)
                ready += 1
            elif call.state == "submitting":
                call.state, call.owner, call.problem = "unknown", None, interrupted(call)
                unknown += 1
            elif resume and place in {None, call.place}:
                call.owner = self._owner
                resumed += 1
        return TakenOver(ready, unknown, resumed)

    # --- reading the input --------------------------------------------------------------------------------------------

    async def add(self, rows: Iterable[NewRow], *, again: bool = True) -> AddResult:
        rows, reading, ids = list(rows), self._reading, self._numbers()
        withheld = [] if again else [row for row in rows if row.id not in ids and self._buys_again(row, rows)]
        new = known = 0
        rejects, duplicates = list[Reject](), list[Duplicate]()
        for row in rows:
            if row in withheld:
                continue
            number = ids.get(row.id)
            if number is None:
                number = ids[row.id] = self._insert(row)
                new += 1
            else:
                call, is_seen = self._store.calls[number], number in reading.seen
                if call.text == "{}":
                    call.parameters, call.text = row.parameters, row.text
                digest = self._rules.digest(call.parameters) if call.digest is None else call.digest
                is_same = digest == self._rules.digest(row.parameters)
                if not is_same and (is_seen or call.state != "ready"):
                    reason = f"the id {row.id!r} belongs to {call.place}"
                    rejects.append(Reject(place=row.place, text=row.text, reason=reason))
                    continue
                if not is_same:
                    call.place = row.place
                if not is_same or (call.digest is not None and call.state not in {"done", "failed"}):
                    call.parameters, call.text, call.digest, call.request_key = row.parameters, row.text, None, None
                if is_seen:
                    duplicate = Duplicate(place=row.place, number=number, first=call.place, columns=row.columns)
                    duplicates.append(duplicate)
                    self._skip(row.place, (number, row.columns))
                    continue
                known += 1
                call.columns = row.columns or call.columns
            reading.seen.add(number)
        return AddResult(
            new=new, known=known, rejects=tuple(rejects), duplicates=tuple(duplicates), withheld=tuple(withheld)
        )

    def _insert(self, row: NewRow) -> int:
        self._store.numbers += 1
        number = self._store.numbers
        self._store.calls[number] = CallRecord(
            number, row.id, row.parameters, row.place, "ready", 0, columns=row.columns, text=row.text
        )
        self._store.runs[number] = self._run
        self._store.earlier[number] = []
        self._reading.added.add(number)
        return number

    def _buys_again(self, row: NewRow, arriving: Sequence[NewRow]) -> bool:
        reading = self._reading
        if reading.requests is None:
            reading.requests = {
                call.number: self._rules.request_key(call.parameters) if call.request_key is None else call.request_key
                for call in self._calls()
                if call.number in reading.before and call.state != "failed" and not self._is_never_called(call)
            }
        key, ids, numbers = self._rules.request_key(row.parameters), {each.id for each in arriving}, self._numbers()
        return any(
            key == other and number not in reading.seen
            for number, other in reading.requests.items()
            if number not in {numbers.get(id_) for id_ in ids}
        )

    async def restore(self, calls: Iterable[CallRecord], attempts: Iterable[CallRecord] = ()) -> None:
        store = self._store
        for call in calls:
            store.add_accounts(call.accounts)
            store.calls[call.number] = evolve(call, text=call.text or canonical_json(call.parameters))
            store.runs[call.number] = self._run
            store.earlier.setdefault(call.number, [])
            store.numbers = max(store.numbers, call.number)
        for attempt in attempts:
            store.add_accounts(attempt.accounts)
            store.earlier[attempt.number].append(evolve(attempt))

    async def discard_unclaimed(self) -> int:
        calls = self._store.calls
        chosen = [
            number
            for number in self._reading.added & calls.keys()
            if calls[number].state == "ready" and not calls[number].attempt
        ]
        return self._delete(chosen)

    async def delete_unread(self) -> tuple[int, int]:
        reading = self._reading
        unread = [
            call
            for call in self._calls()
            if call.number in reading.before - reading.seen and call.state == "ready" and not reading.is_complete
        ]
        deleted = self._delete([call.number for call in unread if self._is_never_called(call)])
        return deleted, len(unread) - deleted

    def _is_never_called(self, call: CallRecord) -> bool:
        return call.state == "ready" and call.request_id is None and not self._store.earlier[call.number]

    def _delete(self, numbers: Sequence[int]) -> int:
        store = self._store
        for number in numbers:
            del store.calls[number], store.runs[number], store.earlier[number]
        for place, skipped in list(store.skipped.items()):
            if not isinstance(skipped, Reject) and skipped[0] in numbers:
                del store.skipped[place]
        return len(numbers)

    async def add_rejects(self, rejects: Iterable[Reject]) -> None:
        for reject in rejects:
            self._skip(reject.place, reject)

    def _skip(self, place: str, skipped: Reject | tuple[int, Mapping[str, JSON]]) -> None:
        self._store.skipped.pop((self._run, place), None)
        self._store.skipped[self._run, place] = skipped

    async def begin_reading(self) -> None:
        store = self._store
        store.notes.pop((self._run, READ_WHOLE_NOTE), None)
        for run, place in list(store.skipped):
            if run == self._run:
                del store.skipped[run, place]
        self._reading = _Reading(frozenset(call.number for call in self._calls()))

    async def end_reading(self, file: CompletedRead) -> None:
        reading = self._reading
        lacking = [
            call for call in self._calls() if call.number in reading.before - reading.seen and call.state != "done"
        ]
        reading.is_complete = not lacking
        if not lacking:
            self._store.notes[self._run, READ_WHOLE_NOTE] = copied(file.as_json())

    async def skip_reading(self) -> None:
        self._reading.is_complete = True

    # --- steps --------------------------------------------------------------------------------------------------------

    async def claim(self, limit: int, *, seen: bool = False) -> Sequence[CallRecord]:
        reading, claimed = self._reading, list[CallRecord]()
        for call in self._calls():
            if (
                call.state != "ready"
                or call.digest is not None
                or (seen and not reading.is_complete and call.number not in reading.seen)
            ):
                continue
            if len(claimed) == limit:
                break
            if call.request_id is not None:
                self._store.earlier[call.number].append(call)
            leased = CallRecord(
                call.number,
                call.id,
                call.parameters,
                call.place,
                "leased",
                call.attempt + 1,
                self._owner,
                columns=call.columns,
                text=call.text,
                operation=call.operation,
                user=call.user,
                context=call.context,
            )
            self._store.calls[call.number] = leased
            claimed.append(self._shown(leased))
        return claimed

    async def lease(self, call: NewCall) -> tuple[CallRecord, bool]:
        number = self._numbers().get(call.id)
        found = None if number is None else self._store.calls[number]
        if found is not None and found.state != "ready":
            return self._shown(found), False
        if found is None:
            self._store.numbers += 1
            number = self._store.numbers
            self._store.runs[number], self._store.earlier[number] = self._run, []
        elif found.request_id is not None:
            self._store.earlier[found.number].append(found)
        assert number is not None
        leased = self._store.calls[number] = CallRecord(
            number,
            call.id,
            call.parameters,
            call.place,
            "leased",
            1 if found is None else found.attempt + 1,
            self._owner,
            text=canonical_json(call.parameters),
            operation=call.operation,
            user=call.user,
            context=copied(call.context),
        )
        return self._shown(leased), True

    async def intend(self, call: CallRecord, intent: Submit, accounts: Collection[AccountKey] = ()) -> Account | None:
        self._check(call, intent)
        keys = tuple(sorted(set(accounts)))
        for key in keys:
            account = self._store.account(key) if key in self._store.caps else Account(*key)
            if account.cap is not None and account.reserved + account.spent + intent.reserved > account.cap + ROUNDING:
                return account
        for key in keys:
            self._store.add_accounts([key])
        for record in (self._store.calls[call.number], call):
            record.accounts = keys
        self._take(call, intent)
        return None

    async def accept(self, call: CallRecord, step: Accept | Download) -> None:
        self._take(call, step)

    async def settle(self, call: CallRecord, step: Finish | Fail | MarkUnknown) -> None:
        if not self._keeps_parameters:
            step = step_without_quotes(self._rules, call, step)
        self._take(call, step)
        if not self._keeps_parameters:
            self._leave_out(self._store.calls[call.number])

    async def release(self, call: CallRecord, step: Release | Defer) -> None:
        self._take(call, step)

    def _check(self, call: CallRecord, step: RowStep) -> None:
        assert is_legal(call.state, step), f"{call.state} does not lead to {step}"
        stored = self._store.calls.get(call.number)
        if stored is None or (stored.attempt, stored.owner, stored.state) != (call.attempt, call.owner, call.state):
            raise StaleRowError(f"row {call.id} was taken by somebody else since it was claimed")

    def _take(self, call: CallRecord, step: RowStep) -> None:
        self._check(call, step)
        for record in (self._store.calls[call.number], call):
            record.state = STATE_AFTER[type(step)]
            record.owner = None if record.state in {*END_STATES, "ready"} else self._owner
            write(record, step)
        if self._log is not None:
            self._log.append([(call, step)])

    # --- money --------------------------------------------------------------------------------------------------------

    async def open_account(self, key: AccountKey, cap: float | None) -> Account:
        self._store.add_accounts([key])
        self._store.caps[key] = cap
        return self._store.account(key)

    async def prune_accounts(self, first: str, last: str) -> int:
        old = [key for key in self._store.caps if first <= key[1] < last]
        for key in old:
            del self._store.caps[key]
        return len(old)

    async def set_spent(self, key: AccountKey, spent: float) -> None:
        if key in self._store.caps:
            self._store.corrections[key] = (
                self._store.corrections.get(key, 0.0) + spent - self._store.account(key).spent
            )

    async def refund(self, codes: Collection[str]) -> None:
        for attempt in self._attempts():
            if failed_with(attempt, codes):
                attempt.cost = attempt.counted = 0.0

    async def correct_costs(self, costs: Mapping[int, float], source: CostSource) -> None:
        for call in self._calls():
            if call.number in costs:
                call.cost = call.counted = costs[call.number]
                call.cost_source = source
        if self._log is not None:
            self._log.correct_costs(costs, source)

    async def account(self, key: AccountKey) -> Account | None:
        return self._store.account(key) if key in self._store.caps else None

    async def charges(self) -> Sequence[ChargedCalls]:
        counted = dict[tuple[str, float, float | None, CostSource], int]()
        for call in self._calls():
            for attempt in (*self._store.earlier[call.number], call):
                is_free = attempt.state in {"ready", "failed"} and attempt.cost == 0
                if attempt.model is not None and is_final(attempt) and not is_free:
                    key = attempt.model, attempt.estimated, attempt.cost, attempt.cost_source
                    counted[key] = counted.get(key, 0) + 1
        return [
            ChargedCalls(model=model, estimated=estimated, cost=cost, source=source, calls=calls)
            for (model, estimated, cost, source), calls in counted.items()
        ]

    async def unresolved_credits(self) -> float:
        return sum(attempt.counted for attempt in self._attempts() if not is_final(attempt))

    async def unlisted_calls(self, limit: int, *, place: str | None = None) -> Sequence[UnattributedCall]:
        unlisted = [
            UnattributedCall(
                number=call.number,
                remote_ids=call.remote_ids,
                settled=ChargedCalls(
                    model=call.model or "", estimated=call.estimated, cost=call.cost, source=call.cost_source
                ),
            )
            for call in self._calls()
            if is_final(call) and call.state != "ready" and call.remote_ids and call.cost_source != "listed"
            if place in {None, call.place}
        ]
        return unlisted[-limit:]

    async def refundable(self, codes: Collection[str]) -> float:
        return sum(attempt.counted for attempt in self._attempts() if failed_with(attempt, codes))

    # --- what readers see ---------------------------------------------------------------------------------------------

    async def counts(self) -> Mapping[RowState, int]:
        states = [call.state for call in self._calls()]
        return {state: states.count(state) for state in ROW_STATES}

    async def scan(self, *states: RowState, owned: bool = False) -> AsyncIterator[CallRecord]:
        for call in self._calls():
            if (not states or call.state in states) and (not owned or call.owner == self._owner):
                yield self._shown(call)

    async def get(self, numbers: Sequence[int]) -> Sequence[CallRecord]:
        return [self._shown(call) for call in self._calls() if call.number in numbers]

    async def has_call(self, number: int, request_id: str) -> bool:
        attempts = (*self._store.earlier[number], self._store.calls[number])
        return any(attempt.request_id == request_id for attempt in attempts)

    async def has_calls(self) -> bool:
        return any(attempt.request_id is not None for attempt in self._attempts())

    async def stored_files(self) -> AsyncIterator[StoredFiles]:
        done = [call for call in self._calls() if call.state == "done"]
        if done:
            yield StoredFiles([call.number for call in done], [files_of(call.result) for call in done])

    async def find(self, ids: Sequence[str]) -> Mapping[str, FoundCall]:
        return {
            call.id: FoundCall(call.number, call.state, call.parameters, call.digest)
            for call in self._calls()
            if call.id in ids
        }

    async def parameter_names(self) -> tuple[int, Sequence[str]]:
        calls = self._calls()
        return max([call.number for call in calls], default=0), sorted(
            {name for call in calls for name in call.parameters}
        )

    async def failures(self) -> Sequence[Failure]:
        groups = dict[tuple[str, str], list[str]]()
        for call in self._calls():
            if call.state == "failed":
                assert is_object(call.problem)
                error, code, message = (str(call.problem.get(name) or "") for name in ("error", "code", "message"))
                groups.setdefault((error, code), []).append(message)
        found = [
            Failure(error=error, code=code, message=messages[0], rows=len(messages))
            for (error, code), messages in groups.items()
        ]
        return sorted(found, key=lambda failure: -failure.rows)

    async def last_activity(self, before: float | None) -> float:
        moments = [moment or 0.0 for call in self._calls() for moment in (call.submitted_at, call.ended_at)]
        return max([moment for moment in moments if before is None or moment < before], default=0.0)

    async def last_done(self, limit: int) -> Sequence[tuple[int, str]]:
        done = [call for call in self._calls() if call.state == "done"]
        latest = sorted(done, key=lambda call: call.ended_at or 0.0, reverse=True)[:limit]
        return [(call.number, call.id) for call in reversed(latest)]

    async def count_answered(self, limit: int) -> int:
        answered = [call for call in self._calls() if call.state in {*PAID_STATES, "done"} and call.problem is None]
        return min(limit, len(answered))

    async def rejects(self) -> AsyncIterator[Reject]:
        for (run, _), skipped in list(self._store.skipped.items()):
            if run == self._run and isinstance(skipped, Reject):
                yield skipped

    async def duplicates(self) -> AsyncIterator[Duplicate]:
        for (run, place), skipped in list(self._store.skipped.items()):
            if run == self._run and not isinstance(skipped, Reject):
                number, columns = skipped
                yield Duplicate(place=place, number=number, first=self._store.calls[number].place, columns=columns)

    async def column_names(self) -> Sequence[str]:
        names = {name for call in self._calls() for name in call.columns}
        async for duplicate in self.duplicates():
            names.update(duplicate.columns)
        return sorted(names)

    async def read_whole(self) -> CompletedRead | None:
        if any(call.state in {"ready", "unknown"} and call.digest is not None for call in self._calls()):
            return None
        return parse_completed_read(await self.read_note(READ_WHOLE_NOTE))

    async def read_note(self, name: str) -> JSON:
        return self._store.notes.get((self._run, name))

    async def write_note(self, name: str, value: JSON) -> None:
        self._store.notes[self._run, name] = copied(value)
        if self._log is not None:
            self._log.write_note(name, value)

    async def notes(self) -> Mapping[str, JSON]:
        return {name: value for (run, name), value in self._store.notes.items() if run == self._run}

    async def replace_notes(self, notes: Mapping[str, JSON]) -> None:
        for name in await self.notes():
            del self._store.notes[self._run, name]
        self._store.notes.update({(self._run, name): copied(value) for name, value in notes.items()})

    def problem(self) -> FolderError | None:
        return None

    async def check(self) -> str | None:
        return None

    async def close(self) -> None:
        self._store.leases[self._owner] = 0.0

    def _calls(self) -> list[CallRecord]:
        return [call for number, call in sorted(self._store.calls.items()) if self._store.runs[number] == self._run]

    def _attempts(self) -> list[CallRecord]:
        return [attempt for call in self._calls() for attempt in (*self._store.earlier[call.number], call)]

    def _numbers(self) -> dict[str, int]:
        return {call.id: call.number for call in self._calls()}

    def _shown(self, call: CallRecord) -> CallRecord:
        """Return a copy for a caller, with what the earlier attempts count."""
        earlier = self._store.earlier[call.number]
        return evolve(
            call,
            charged_before=sum(attempt.counted for attempt in earlier),
            unresolved_before=sum(attempt.counted for attempt in earlier if not is_final(attempt)),
        )


def write(record: CallRecord, step: RowStep) -> None:
    """Write what a step says of its attempt, beside state and owner."""
    match step:
        case Submit():
            record.request_id, record.submitted_at, record.longest = step.request_id, step.at, step.longest
            record.model, record.estimated, record.counted = step.model, step.estimated, step.reserved
        case Defer():
            record.counted = 0.0
        case Accept():
            record.remote_ids, record.cost_source = step.remote_ids, "alone" if step.alone else "overlapped"
            if step.cost is not None:
                record.cost, record.counted = step.cost, step.cost if step.likely is None else step.likely
        case Download():
            pass
        case Finish():
            record.ended_at, record.result = step.at, step.result
        case MarkUnknown():
            record.ended_at, record.problem = step.at, step.problem
        case Fail() | Release():
            record.ended_at, record.problem = step.at, step.problem
            if step.cost is not None:
                record.cost = record.counted = step.cost


def shown(record: CallRecord) -> dict[str, object]:
    """Return all fields of a call, to compare them."""
    return asdict(record)
