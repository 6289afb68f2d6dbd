"""Writes the steps of many calls with few statements.

What becomes of each step is decided here, one after the other, on calls and accounts that are locked: which of them are
stale, and which intents find room.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from attrs import define, evolve, field

from generor_async.errors import FolderError, StaleRowError
from generor_async.rules.row_states import STATE_AFTER, Fail, Finish, RowState, RowStep, Submit
from generor_async.stores.call_rows import dump_keys
from generor_async.stores.ledger import LedgerLog, RequestRules
from generor_async.stores.postgres.accounts import GIVEN, IN_ORDER, decode_keys
from generor_async.stores.postgres.content import delete_parameters
from generor_async.stores.postgres.text import escaped_keys
from generor_async.stores.postgres.writer import Transaction
from generor_async.stores.records import Account, AccountKey, CallRecord
from generor_async.stores.steps import STEP_COLUMNS, UNOWNED, update_call
from generor_async.values import is_object

__all__ = ["PendingStep", "StepBatch"]

ROUNDING: Final = 1e-6
"""Rounding error of sums, in credits."""
TYPES: Final[Mapping[str, str]] = {
    "submitted_at": "float8",
    "longest": "float8",
    "estimated": "float8",
    "counted": "float8",
    "cost": "float8",
    "ended_at": "float8",
    "cost_source": "int2",
}
"""The types of columns that aren't text."""
READ_CALLS: Final = """
    SELECT number, attempt, state, owner, accounts, counted, cost FROM generor.calls
    WHERE run = %s AND number = ANY(%s::bigint[]) ORDER BY number FOR UPDATE
"""
READ_ACCOUNTS: Final = f"""
    SELECT scope, period, cap, reserved, spent FROM generor.accounts WHERE (scope, period) IN (
        {GIVEN} UNION SELECT each ->> 0, each ->> 1 FROM generor.calls, jsonb_array_elements(accounts::jsonb) AS each
        WHERE run = %s AND number = ANY(%s::bigint[])
    ) {IN_ORDER} FOR UPDATE
"""
ADD_ACCOUNTS: Final = (
    f"INSERT INTO generor.accounts (scope, period, reserved, spent) {GIVEN[:-1]}, %s::float8[], %s::float8[])"
)
"""Fails if somebody else has made the account meanwhile, perhaps with a cap: the transaction is tried again then."""
SET_ACCOUNTS: Final = """
    UPDATE generor.accounts AS known SET reserved = given.reserved, spent = given.spent
    FROM unnest(%s::text[], %s::text[], %s::float8[], %s::float8[]) AS given (scope, period, reserved, spent)
    WHERE known.scope = given.scope AND known.period = given.period
"""


@define(eq=False)
class PendingStep:
    """A step that is to be written."""

    call: CallRecord
    step: RowStep
    values: tuple[Any, ...]
    """What it writes, in the order of its columns."""
    accounts: tuple[AccountKey, ...]
    """In sorted order."""
    known: tuple[int, RowState, int | None]
    """Attempt, state and owner of the call when the step was asked for."""
    result: "asyncio.Future[Account | None]"
    refusal: Account | Exception | None = None
    """Why it was not written: an account without room, or an error."""


@define
class _Stored:
    """A call as the ledger has it."""

    attempt: int
    state: RowState
    owner: int | None
    accounts: tuple[AccountKey, ...]
    counted: float
    cost: float | None

    @property
    def money(self) -> tuple[float, float]:
        """What it has reserved and spent."""
        return (self.counted, 0.0) if self.cost is None and self.state != "done" else (0.0, self.counted)


@define(eq=False)
class StepBatch:
    """Steps that are written in one transaction."""

    run: int
    owner: int
    rules: RequestRules
    keeps_parameters: bool
    check: Callable[[Transaction], Awaitable[FolderError | None]]
    """Returns, of a transaction, an error if no intent may be written."""
    log: LedgerLog | None
    steps: list[PendingStep] = field(factory=list[PendingStep])

    def add(
        self, call: CallRecord, step: RowStep, values: tuple[Any, ...], accounts: tuple[AccountKey, ...]
    ) -> "asyncio.Future[Account | None]":
        """Add a step; the future is done when it is written, or refused."""
        result: asyncio.Future[Account | None] = asyncio.get_running_loop().create_future()
        known = call.attempt, call.state, call.owner
        self.steps.append(PendingStep(call, step, values, accounts, known, result))
        return result

    async def execute(self, transaction: Transaction) -> None:
        """Write the steps whose calls nobody else has moved, and whose accounts have room."""
        numbers = sorted({pending.call.number for pending in self.steps})
        keys = sorted({key for pending in self.steps for key in pending.accounts})
        calls = await transaction.send(READ_CALLS, self.run, numbers)
        accounts = await transaction.send(READ_ACCOUNTS, *_columns(keys), self.run, numbers)
        has_intents = any(isinstance(pending.step, Submit) for pending in self.steps)
        problem = await self.check(transaction) if has_intents else None
        stored = {
            number: _Stored(attempt, state, owner, decode_keys(held), counted, cost)
            for number, attempt, state, owner, held, counted, cost in await transaction.rows(calls)
        }
        known = {(found[0], found[1]): Account(*found) for found in await transaction.rows(accounts)}
        money = dict(known)
        for pending in self.steps:
            pending.refusal = _decide(pending, stored, money, self.owner, problem)
        await self._write(transaction)
        await _write_accounts(transaction, known, money)

    async def committed(self) -> None:
        """Bring the calls up to date, and resume those who wait."""
        if self.log is not None:
            written = [(pending.call, pending.step) for pending in self.steps if pending.refusal is None]
            await asyncio.to_thread(self.log.append, written)
        for pending in self.steps:
            if isinstance(pending.refusal, Exception):
                pending.result.set_exception(pending.refusal)
                continue
            if pending.refusal is None:
                _update(pending, self.owner)
            pending.result.set_result(pending.refusal)

    def failed(self, error: BaseException) -> None:
        """Raise an error where a step is waited for."""
        for pending in self.steps:
            pending.result.set_exception(error)

    async def _write(self, transaction: Transaction) -> None:
        """Write the steps that are not refused; those of one kind in one statement."""
        kinds = dict[tuple[type[RowStep], int], list[PendingStep]]()
        for pending in self.steps:
            if pending.refusal is None:
                kinds.setdefault((type(pending.step), len(pending.values)), []).append(pending)
        for (step_type, width), group in kinds.items():
            columns, state = STEP_COLUMNS[step_type][:width], STATE_AFTER[step_type]
            values: list[list[Any]] = [[pending.call.number for pending in group]]
            values += [_column(name, [pending.values[at] for pending in group]) for at, name in enumerate(columns)]
            if "problem" in columns:
                columns = (*columns, "error", "code")
                values += [[error_field(pending.step, name) for pending in group] for name in ("error", "code")]
            owner = None if state in UNOWNED else self.owner
            await transaction.send(_statement(columns), state, owner, *values, self.run)
        if not self.keeps_parameters:
            ended = [one for (kind, _), group in kinds.items() if kind in {Finish, Fail} for one in group]
            await delete_parameters(transaction, self.run, [pending.call.number for pending in ended], self.rules)


def _decide(
    pending: PendingStep,
    stored: Mapping[int, _Stored],
    money: dict[AccountKey, Account],
    owner: int,
    problem: FolderError | None,
) -> Account | Exception | None:
    """Take a step on a call and its accounts; return why it must not be written."""
    call, step = stored.get(pending.call.number), pending.step
    if problem is not None and isinstance(step, Submit):
        return problem
    if call is None or (call.attempt, call.state, call.owner) != pending.known:
        return StaleRowError(f"row {pending.call.id} was taken by somebody else since it was claimed")
    if isinstance(step, Submit):
        for key in pending.accounts:
            account = money.get(key, Account(*key))
            if account.cap is not None and account.reserved + account.spent + step.reserved > account.cap + ROUNDING:
                return account
        call.accounts = pending.accounts
    before = call.money if not isinstance(step, Submit) else (0.0, 0.0)
    changed = dict(zip(STEP_COLUMNS[type(step)], pending.values, strict=False))
    call.state = STATE_AFTER[type(step)]
    call.owner = None if call.state in UNOWNED else owner
    call.counted, call.cost = changed.get("counted", call.counted), changed.get("cost", call.cost)
    for key in call.accounts:
        if key in money or isinstance(step, Submit):  # an account that was deleted is not made again
            account = money.get(key, Account(*key))
            money[key] = evolve(
                account,
                reserved=account.reserved + call.money[0] - before[0],
                spent=account.spent + call.money[1] - before[1],
            )
    return None


async def _write_accounts(
    transaction: Transaction, known: Mapping[AccountKey, Account], money: Mapping[AccountKey, Account]
) -> None:
    """Write the accounts that were changed or made."""
    for statement, changed in (
        (ADD_ACCOUNTS, [account for key, account in sorted(money.items()) if key not in known]),
        (SET_ACCOUNTS, [account for key, account in money.items() if key in known and account != known[key]]),
    ):
        if changed:
            amounts = [account.reserved for account in changed], [account.spent for account in changed]
            await transaction.send(statement, *_columns([account.key for account in changed]), *amounts)


def _update(pending: PendingStep, owner: int) -> None:
    """Set the fields of a call that its step has written."""
    call = pending.call
    call.state = STATE_AFTER[type(pending.step)]
    call.owner = None if call.state in UNOWNED else owner
    if isinstance(pending.step, Submit):
        call.accounts = pending.accounts
    update_call(call, pending.step)


def error_field(step: RowStep, name: str) -> str | None:
    """Return a member of a step's problem as text."""
    problem = getattr(step, "problem", None)
    found = problem.get(name) if is_object(problem) else None
    return None if found is None else str(found)


def dump_accounts(keys: tuple[AccountKey, ...]) -> str | None:
    """Return the accounts of a call as its column `accounts` has them."""
    return dump_keys(escaped_keys(keys))


def _columns(keys: Collection[AccountKey]) -> tuple[list[str], list[str]]:
    return [scope for scope, _ in keys], [period for _, period in keys]


def _column(name: str, values: list[Any]) -> list[Any]:
    """Return values that are all of the column's type."""
    if TYPES.get(name) == "float8":
        return [None if value is None else float(value) for value in values]
    return values


@lru_cache(maxsize=64)
def _statement(columns: Sequence[str]) -> str:
    """Return a statement that writes a step of many calls."""
    arrays = "".join(f", %s::{TYPES.get(name, 'text')}[]" for name in columns)
    names = "".join(f", {name}" for name in columns)
    assignments = "".join(f", {name} = given.{name}" for name in columns)
    return f"""
        UPDATE generor.calls AS known SET state = %s, owner = %s{assignments}
        FROM unnest(%s::bigint[]{arrays}) AS given (number{names})
        WHERE known.run = %s AND known.number = given.number
    """
