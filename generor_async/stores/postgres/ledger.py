"""Writes the calls of a run in PostgreSQL. A ledger is used in the event loop that opened it."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import psycopg
from attrs import evolve

from generor_async.errors import DatabaseChangedError, FolderError, JournalError
from generor_async.rules.charges import CostSource
from generor_async.rules.file_fingerprint import CompletedRead
from generor_async.rules.row_states import (
    Accept,
    Defer,
    Download,
    Fail,
    Finish,
    MarkUnknown,
    Release,
    RowStep,
    Submit,
    is_legal,
)
from generor_async.stores.call_rows import sort_keys
from generor_async.stores.connection_pool import ConnectionPool
from generor_async.stores.content import DELETED_STATES, step_without_quotes, without_quotes, without_text
from generor_async.stores.ledger import NO_RUN, Ledger, LedgerLog, RequestRules
from generor_async.stores.new_rows import Reading
from generor_async.stores.postgres import owners
from generor_async.stores.postgres.accounts import open_account, prune_accounts, set_spent
from generor_async.stores.postgres.charges import correct_costs, refund
from generor_async.stores.postgres.claims import ClaimBatch, lease_call
from generor_async.stores.postgres.content import leave_out_page, leave_out_rejects, prune_page
from generor_async.stores.postgres.database import Connection, Database, pipelined
from generor_async.stores.postgres.failover import mark_lost_calls
from generor_async.stores.postgres.identity import Identity
from generor_async.stores.postgres.memory import Memory
from generor_async.stores.postgres.new_calls import (
    IsRebuy,
    add_calls,
    add_rejects,
    begin_reading,
    complete_reading,
    delete_unread,
    discard_unclaimed,
)
from generor_async.stores.postgres.reader import PostgresReader
from generor_async.stores.postgres.requests import READ_REQUESTS, RequestIndex
from generor_async.stores.postgres.restoring import restore_calls
from generor_async.stores.postgres.sessions import end_sessions
from generor_async.stores.postgres.steps import StepBatch, dump_accounts
from generor_async.stores.postgres.writer import POOL_SECONDS, Owner, Patience, Transaction, Writer
from generor_async.stores.records import Account, AccountKey, AddResult, CallRecord, NewCall, NewRow, Reject, TakenOver
from generor_async.stores.steps import dump_json, step_values
from generor_async.stores.threads import finished, run_to_completion
from generor_async.values import JSON

__all__ = ["PostgresLedger"]

WRITE_NOTE: Final = """
    INSERT INTO generor.notes VALUES (%s, %s, %s) ON CONFLICT (run, name) DO UPDATE SET value = excluded.value
"""


class PostgresLedger(PostgresReader, Ledger):
    """The calls of a run in a database; used in the event loop that opened it."""

    def __init__(
        self,
        database: Database,
        pool: ConnectionPool[Connection],
        name: str,
        owner: Owner,
        identity: Identity,
        *,
        rules: RequestRules,
        now: Callable[[], str],
        log: LedgerLog | None,
        guard: Callable[[], FolderError | None] | None,
        on_close: Callable[[], object] | None,
    ) -> None:
        super().__init__(database, pool, owner.run, owner.number)
        self._name = name
        self._owner = owner
        self._writer = Writer(database, pool, owner, 0, self._end_sessions)
        self._step_writer = Writer(database, pool, owner, 1, self._end_sessions)
        """Steps don't wait for what takes longer."""
        self._identity = identity
        writers = self._writer, self._step_writer
        self._memory = Memory(
            identity.position, owner.run, owner.number, lambda: [writer.committed for writer in writers]
        )
        self._rules = rules
        self._now = now
        self._log = log
        self._guard = guard
        self._on_close = on_close
        self._changed: FolderError | None = None
        self._reading = Reading(rules)
        self._added = 0
        self._analyzed_at = 1_000
        self._requests: RequestIndex | None = None
        self._keeps_parameters = True
        self._claimed: list[CallRecord] = []
        """Calls that were leased for a caller who was cancelled; the next claim returns them."""
        self._is_closed = False

    @property
    def owner(self) -> int:
        """The number of this opening."""
        return self._owner.number

    # --- owners -------------------------------------------------------------------------------------------------------

    async def renew(self) -> None:
        """Renew this owner's lease, whatever is being written."""
        statement, arguments = owners.renewal(self._owner, self._now())

        async def renew(connection: Connection) -> None:
            async with pipelined(connection) as pipeline:
                transaction = await Transaction.begin(connection, pipeline, self._owner)
                await transaction.send(statement, *arguments)
                end = await transaction.send("COMMIT")
            assert end.statusmessage == "COMMIT", end.statusmessage

        await self._apart(renew)

    async def _apart(self, work: Callable[[Connection], Awaitable[None]]) -> None:
        """Do some work beside the writers, by a connection of its own; it is tried again, and may be done twice."""
        patience = Patience("written to", self._database, self._end_sessions)
        while True:
            try:
                async with self._pool.connection(POOL_SECONDS) as connection:
                    await work(connection)
            except psycopg.Error as error:
                await patience.wait(error)
            else:
                return

    async def _end_sessions(self) -> None:
        """End sessions that stand still in a transaction and whose owner's lease has ended."""
        async with self._pool.connection(POOL_SECONDS) as connection:
            await end_sessions(connection, self._now())

    async def take_over(self, *, alone: bool = False, resume: bool = True, place: str | None = None) -> TakenOver:
        """Take over the run's calls of owners whose lease has ended, or of all others if this one is alone."""

        async def take_over(transaction: Transaction) -> TakenOver:
            if alone:
                await owners.end_others(transaction, self.owner)
            taker = owners.Taker(run=self._run, owner=self.owner, now=self._now())
            return await owners.take_over(transaction, taker, resume=resume, place=place)

        await self._apart(partial(owners.look, now=self._now()))
        return await self._writer.run(take_over)

    async def after_failover(self, now: float | None = None) -> int:
        """Go on with the database as it is now; return how many calls became unknown.

        Those that it has as ready, leased or submitting may have been made after the state that it has, and paid for.
        With `now`, they are dated by when they can have been made, so that an account that lists calls settles them.
        """
        return await self._writer.run(partial(mark_lost_calls, run=self._run, identity=self._identity, now=now))

    async def was_replaced(self) -> bool:
        """Tell whether the database shows that it may lack what was committed: then no intent is written."""
        return isinstance(await self._writer.run(self._check), DatabaseChangedError)

    # --- the input ----------------------------------------------------------------------------------------------------

    async def add(self, rows: Iterable[NewRow], *, again: bool = True) -> AddResult:
        """Add rows of an input as ready calls, in one transaction; pass some hundred at a time."""
        given, reading = list(rows), self._reading
        is_rebuy = None if again or not reading.last_before else await self._index_requests(reading)
        add = partial(add_calls, rows=given, run=self._run, reading=reading, is_rebuy=is_rebuy)
        result = (await self._writer.run(add, reading.note)).result
        self._added += result.new
        if self._added >= self._analyzed_at:
            self._analyzed_at *= 10
            await self._analyze()
        return result

    async def _analyze(self) -> None:
        """Have the server look at its tables, which are filled faster than it does so itself: it plans queries by it.

        A user who doesn't own them can't, and then it comes within a minute.
        """
        with suppress(psycopg.Error):
            async with self._pool.connection(POOL_SECONDS) as connection:
                await connection.execute("ANALYZE generor.calls, generor.inputs")

    async def _index_requests(self, reading: Reading) -> IsRebuy:
        """Index the requests of earlier readings; return what tells whether a row buys one of them again."""
        if self._requests is None:
            self._requests, last = RequestIndex(self._rules), 0
            while page := await self._fetch(READ_REQUESTS, self._run, last, reading.last_before):
                await run_to_completion(partial(self._requests.add, page))
                last = page[-1][0]
        index = self._requests

        def is_rebuy(row: NewRow, arriving: frozenset[int]) -> bool:
            numbers = index.find(self._rules.request_key(row.parameters))
            return any(number not in reading.seen and number not in arriving for number in numbers)

        return is_rebuy

    async def discard_unclaimed(self) -> int:
        """Delete the calls that this reading has added and nobody has claimed; return how many."""
        return await self._writer.run(partial(discard_unclaimed, run=self._run, reading=self._reading))

    async def add_rejects(self, rejects: Iterable[Reject]) -> None:
        """Add rejects; one from the same place is replaced."""
        if not self._keeps_parameters:
            rejects = [evolve(reject, text="", reason=without_text(self._rules, reject)) for reject in rejects]
        await self._writer.run(partial(add_rejects, run=self._run, rejects=list(rejects)))

    async def restore(self, calls: Iterable[CallRecord], attempts: Iterable[CallRecord] = ()) -> None:
        """Write calls as they are, and earlier attempts of calls, in one transaction; pass some thousand at a time."""
        await self._writer.run(partial(restore_calls, run=self._run, calls=list(calls), attempts=list(attempts)))

    async def begin_reading(self) -> None:
        """Begin to read the input: delete all rejects and duplicates, as the input may have been corrected."""
        await self._writer.run(partial(begin_reading, run=self._run, rules=self._rules), self._begin)

    def _begin(self, reading: Reading) -> None:
        self._reading = reading
        reading.keeps_parameters = self._keeps_parameters
        if self._requests is not None:
            self._requests.close()
            self._requests = None

    async def end_reading(self, file: CompletedRead) -> None:
        """Note that a file was read to its end, unless it lacks a call that may still be bought."""
        reading, note = self._reading, dump_json(file.as_json())

        def end(is_complete: bool) -> None:
            reading.is_complete = is_complete

        await self._writer.run(partial(complete_reading, run=self._run, reading=reading, note=note), end)

    async def skip_reading(self) -> None:
        """Treat all calls as seen by this reading, since the file is unchanged."""
        self._reading.is_complete = True

    async def delete_unread(self) -> tuple[int, int]:
        """Delete ready calls that this reading has not seen; return how many were deleted, and how many kept."""
        return await self._writer.run(partial(delete_unread, run=self._run, reading=self._reading))

    # --- steps --------------------------------------------------------------------------------------------------------

    async def claim(self, limit: int, *, seen: bool = False) -> Sequence[CallRecord]:
        """Lease at most `limit` ready calls, in input order; return none if none is ready."""
        if len(self._claimed) < limit:
            numbers = self._reading.seen if seen and not self._reading.is_complete else None
            parts, lacking = self._writer.next_parts(), limit
            batch = parts.get((ClaimBatch, numbers is None))
            if not isinstance(batch, ClaimBatch):  # the first one
                batch = parts[ClaimBatch, numbers is None] = ClaimBatch(
                    self._run, self.owner, numbers, self.get, self._claimed
                )
                lacking -= len(self._claimed)
            batch.most += lacking
            await finished(batch.result)
        calls, self._claimed[:] = self._claimed[:limit], self._claimed[limit:]
        return calls

    async def lease(self, call: NewCall) -> tuple[CallRecord, bool]:
        """Lease a call that is no row: add it, or take the ready one with its id."""
        return await self._writer.run(partial(lease_call, run=self._run, owner=self.owner, call=call))

    async def intend(self, call: CallRecord, intent: Submit, accounts: Collection[AccountKey] = ()) -> Account | None:
        """Write the intent to call, and reserve its credits; return an account without room, and then write nothing.

        Raises DatabaseChangedError if the server may lack what was committed; nothing was written then.
        """
        keys = sort_keys(tuple(accounts))
        return await self._step(call, intent, (*step_values(intent), dump_accounts(keys)), keys)

    async def accept(self, call: CallRecord, step: Accept | Download) -> None:
        """Write that the call was accepted, or that its outputs are being downloaded."""
        await self._step(call, step, step_values(step))

    async def settle(self, call: CallRecord, step: Finish | Fail | MarkUnknown) -> None:
        """Write how the call ended; its credits are spent, released, or stay reserved if that is unknown."""
        if not self._keeps_parameters:
            step = step_without_quotes(self._rules, call, step)
        await self._step(call, step, step_values(step))

    async def release(self, call: CallRecord, step: Release | Defer) -> None:
        """Write that the call may be made again, by anybody or (Defer) by this owner."""
        if not self._keeps_parameters and isinstance(step, Release):
            step = evolve(step, problem=without_quotes(self._rules, step.problem, call.parameters))
        await self._step(call, step, step_values(step))

    async def _step(
        self, call: CallRecord, step: RowStep, values: tuple[Any, ...], accounts: tuple[AccountKey, ...] = ()
    ) -> Account | None:
        """Write a step together with others; return the account that has no room for it."""
        assert is_legal(call.state, step), f"{call.state} does not lead to {step}"
        parts = self._step_writer.next_parts()
        batch = parts.get(StepBatch)
        if not isinstance(batch, StepBatch):  # the first one
            batch = parts[StepBatch] = StepBatch(
                self._run, self.owner, self._rules, self._keeps_parameters, self._check, self._log
            )
        return await finished(batch.add(call, step, values, accounts))

    async def _check(self, transaction: Transaction) -> FolderError | None:
        """Return an error if no intent may be written."""
        looked = await self._memory.look(transaction)
        changed = await self._identity.check(transaction, self._run)
        changed = changed or await self._memory.judge(transaction, looked)
        self._changed = None if changed is None else self._changed_error(changed)
        return self.problem()

    def _changed_error(self, how: str) -> DatabaseChangedError:
        whose = "" if self._name != NO_RUN else " --clients"
        return DatabaseChangedError(
            f"{self._database.name} {how}",
            advice=f"It may lack what was paid for: go on with `generor batch resume{whose} --after-failover`",
        )

    def give_up(self) -> None:
        """Wait no more for a database that is away: operations fail as soon as they can't reach it."""
        self._database.is_given_up = True

    def problem(self) -> FolderError | None:
        """Return the error if the server may lack what was committed, as the latest intent has found."""
        if self._changed is not None:
            return self._changed
        return None if self._guard is None else self._guard()

    # --- money --------------------------------------------------------------------------------------------------------

    async def open_account(self, key: AccountKey, cap: float | None) -> Account:
        """Create an account, or change its cap; return it."""
        return await self._writer.run(partial(open_account, key=key, cap=cap))

    async def prune_accounts(self, first: str, last: str) -> int:
        """Delete the accounts of these periods; return how many there were."""
        return await self._writer.run(partial(prune_accounts, first=first, last=last))

    async def set_spent(self, key: AccountKey, spent: float) -> None:
        """Replace what an account has spent, in credits."""
        await self._writer.run(partial(set_spent, key=key, spent=spent))

    async def refund(self, codes: Collection[str]) -> None:
        """Release what is reserved for attempts that failed with one of these codes: they cost nothing."""
        await self._writer.run(partial(refund, run=self._run, codes=codes))

    async def correct_costs(self, costs: Mapping[int, float], source: CostSource) -> None:
        """Replace the costs of charged calls, in credits by number, by those of a better source."""
        await self._writer.run(partial(correct_costs, run=self._run, costs=costs, source=source))
        if self._log is not None:
            self._log.correct_costs(costs, source)

    # --- what is deleted ----------------------------------------------------------------------------------------------

    async def leave_out_parameters(self) -> None:
        """Keep hashes in the place of parameters of ended calls; the first time also of those that ended before."""
        self._keeps_parameters = self._reading.keeps_parameters = False
        last: int | None = 0
        while last is not None:
            last = await self._writer.run(partial(leave_out_page, run=self._run, rules=self._rules, after=last))
        await self._writer.run(partial(leave_out_rejects, run=self._run))

    async def prune(self, older_than: float) -> int:
        """Delete what calls hold that ended more than so many seconds ago, in many short transactions."""
        before, pruned = f"{self._now()} - '{float(older_than)!r}'::float8", 0
        for state in DELETED_STATES:
            last: int | None = 0
            while last is not None:
                page = partial(prune_page, name=self._name, rules=self._rules, state=state, after=last, before=before)
                count, last = await self._writer.run(partial(page, run=self._run))
                pruned += count
        await self._writer.run(partial(owners.prune_owners, owner=self.owner, before=before))
        return pruned

    # --- notes --------------------------------------------------------------------------------------------------------

    async def write_note(self, name: str, value: JSON) -> None:
        """Store a fact about the run, such as the balance at its beginning."""
        text = dump_json(value)

        async def write(transaction: Transaction) -> None:
            await transaction.send(WRITE_NOTE, self._run, name, text)

        await self._writer.run(write)
        if self._log is not None:
            self._log.write_note(name, value)

    async def replace_notes(self, notes: Mapping[str, JSON]) -> None:
        """Replace all notes by these, in one transaction."""
        given = [(self._run, name, dump_json(value)) for name, value in notes.items()]

        async def replace(transaction: Transaction) -> None:
            await transaction.send("DELETE FROM generor.notes WHERE run = %s", self._run)
            for values in given:
                await transaction.send(WRITE_NOTE, *values)

        await self._writer.run(replace)

    async def close(self) -> None:
        """Commit pending steps, end this owner's lease, and close the connections."""
        if self._is_closed:
            return
        self._is_closed = True
        await finished(asyncio.ensure_future(self._close()))

    async def _close(self) -> None:
        await self._step_writer.close()
        with suppress(JournalError):  # it ends by itself
            await self._writer.run(partial(owners.end, owner=self.owner))
        await self._writer.close()
        await self._pool.close()
        if self._requests is not None:
            self._requests.close()
        if self._on_close is not None:
            await run_to_completion(self._on_close)
