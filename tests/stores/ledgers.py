"""The ledgers that the suite is run over, and what its tests share.

Another implementation is one more class and one more entry of `LEDGERS` or `SERVER_LEDGERS`.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol, TypeAlias

from attrs import asdict, define
from stores.ledger_model import MemoryStore
from support.servers import PostgresServer

from generor_async.rules.charges import ChargedCalls
from generor_async.rules.quotes import texts_in, without_quotes
from generor_async.rules.row_states import Accept, Defer, Download, Fail, Finish, MarkUnknown, Release, RowStep, Submit
from generor_async.stores.ledger import FOLDER_RUN, LEASE_SECONDS, Ledger, LedgerLog
from generor_async.stores.records import AccountKey, CallRecord, NewRow
from generor_async.stores.sqlite import open_ledger
from generor_async.values import JSON, is_object

__all__ = [
    "ACCEPT",
    "ADA",
    "ALL",
    "FAIL",
    "FINISH",
    "LEDGERS",
    "MEMORY",
    "PROBLEM",
    "RELEASE",
    "RULES",
    "SERVER_LEDGERS",
    "UNKNOWN",
    "Ledgers",
    "MemoryLedgers",
    "OpenLedger",
    "PostgresLedgers",
    "PromptRules",
    "SettableClock",
    "SqliteLedgers",
    "claimed",
    "new_row",
    "observed",
    "reserved_and_spent",
    "shown",
    "stored",
    "submit",
    "take",
]


MEMORY: Final = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""A folder in memory, for tests that commit often."""
OpenLedger: TypeAlias = Callable[..., Awaitable[Ledger]]
"""Opens the store of a test as another owner; takes `run` and `log`."""
PROBLEM: Final[JSON] = {"message": "no", "error": "GenerationFailedError", "code": "moderated"}
ACCEPT: Final = Accept(remote_ids=("job-1",))
FAIL: Final = Fail(at=20.0, problem=PROBLEM)
UNKNOWN: Final = MarkUnknown(at=20.0, problem=PROBLEM)
RELEASE: Final = Release(at=20.0, problem=PROBLEM)
FINISH: Final = Finish(at=30.0, result={"files": ["é.png"]})
ALL: Final[AccountKey] = ("all", "")
ADA: Final[AccountKey] = ("user/ada", "2026-11")


@define
class SettableClock:
    """The clock of a store."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class PromptRules:
    """Requests of one prompt show the same; a parameter that is null is missing."""

    def request_key(self, parameters: Mapping[str, JSON], /) -> int:
        return hash(parameters.get("prompt")) >> 1

    def digest(self, parameters: Mapping[str, JSON], /) -> int:
        given = {name: value for name, value in parameters.items() if value is not None}
        return hash(json.dumps(given, sort_keys=True)) >> 1

    def without_quotes(self, value: JSON, parameters: Mapping[str, JSON], /) -> JSON:
        return without_quotes(value, list(texts_in(dict(parameters))))


RULES: Final = PromptRules()


class Ledgers(Protocol):
    """One store, opened by several owners."""

    def __init__(self, folder: Path, clock: SettableClock) -> None: ...

    async def open(self, *, run: str = FOLDER_RUN, log: LedgerLog | None = None) -> Ledger:
        """Open the store as a new owner."""
        ...

    async def close(self) -> None:
        """Close what was opened, and isn't closed yet."""
        ...


class MemoryLedgers:
    """The model itself."""

    def __init__(self, folder: Path, clock: SettableClock) -> None:
        self._store = MemoryStore(clock)

    async def open(self, *, run: str = FOLDER_RUN, log: LedgerLog | None = None) -> Ledger:
        return self._store.open(run=run, rules=RULES, log=log)

    async def close(self) -> None:
        pass


class SqliteLedgers:
    """A file of SQLite, opened several times."""

    def __init__(self, folder: Path, clock: SettableClock) -> None:
        self._path = folder / "ledger.sqlite"
        self._clock = clock
        self._opened: list[Ledger] = []

    async def open(self, *, run: str = FOLDER_RUN, log: LedgerLog | None = None) -> Ledger:
        ledger = await open_ledger(self._path, run=run, rules=RULES, clock=self._clock, log=log)
        self._opened.append(ledger)
        return ledger

    async def close(self) -> None:
        for ledger in self._opened:
            await ledger.close()  # which may be closed already


class PostgresLedgers:
    """A database, opened several times, whose time is that of the test."""

    url: ClassVar[str]

    def __init__(self, folder: Path, clock: SettableClock) -> None:
        self._clock = clock
        self._opened: list[Ledger] = []
        self._is_new = True

    async def open(self, *, run: str = FOLDER_RUN, log: LedgerLog | None = None) -> Ledger:
        from generor_async.stores import postgres

        if self._is_new:
            await empty(self.url)
            self._is_new = False
        ledger = await postgres.open_ledger(
            self.url, run=run, rules=RULES, lease=LEASE_SECONDS, now=lambda: f"{self._clock()!r}::float8", log=log
        )
        self._opened.append(ledger)
        return ledger

    async def close(self) -> None:
        for ledger in self._opened:
            await ledger.close()  # which may be closed already


FILLED: Final = "SELECT tablename FROM pg_tables WHERE schemaname = 'generor' AND tablename <> 'meta'"


async def empty(url: str) -> None:
    """Delete what is in the tables of a database; to make them anew takes three times as long."""
    import psycopg

    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute(FILLED)
        for (table,) in await cursor.fetchall():
            await connection.execute(f"DELETE FROM generor.{table}".encode())


def on_postgres(server: PostgresServer) -> type[Ledgers]:
    """Return the ledgers of a server."""
    return type("LedgersOfServer", (PostgresLedgers,), {"url": server.url})


LEDGERS: Final[Mapping[str, type[Ledgers]]] = {"memory": MemoryLedgers, "sqlite": SqliteLedgers}
SERVER_LEDGERS: Final[Mapping[str, Callable[[Any], type[Ledgers]]]] = {"postgres": on_postgres}
"""Ledgers by the fixtures of their servers."""


def new_row(id_: str, place: str = "", *, columns: Mapping[str, JSON] | None = None, **parameters: Any) -> NewRow:
    """Return a row whose prompt is its id unless it is given."""
    return NewRow(
        id=id_, parameters={"prompt": id_, **parameters}, place=place or f"rows:{id_}", columns=dict(columns or {})
    )


def submit(request_id: str = "r-1", reserved: float = 7.0, *, at: float = 10.0, estimated: float = 6.0) -> Submit:
    """Return an intent."""
    return Submit(at=at, request_id=request_id, model="uni-1", estimated=estimated, reserved=reserved, longest=60.0)


async def observed(ledger: Ledger) -> dict[str, Any]:
    """Return everything that a reader can tell of a run, without the numbers of its calls, which stores may choose."""
    calls = [call async for call in ledger.scan()]
    ids = {call.number: call.id for call in calls}
    last, names = await ledger.parameter_names()
    return {
        "calls": {call.id: shown(call) for call in calls},
        "order": [call.id for call in calls],
        "get": [shown(call) for call in await ledger.get([*reversed(ids)])] == [shown(call) for call in calls],
        "counts": dict(await ledger.counts()),
        "find": {
            id_: (ids[call.number], call.state, dict(call.parameters))
            for id_, call in (await ledger.find(list(ids.values()))).items()
        },
        "parameter_names": (ids.get(last), list(names)),
        "failures": list(await ledger.failures()),
        "last_activity": [await ledger.last_activity(before) for before in (None, 5.0, 20.0)],
        "last_done": [(ids[number], id_) for number, id_ in await ledger.last_done(3)],
        "answered": [await ledger.count_answered(limit) for limit in (1, 100)],
        "files": [
            (ids[number], list(found))
            async for page in ledger.stored_files()
            for number, found in zip(page.numbers, page.files, strict=True)
        ],
        "rejects": [(reject.place, reject.text) async for reject in ledger.rejects()],
        "duplicates": [
            (ids[found.number], found.place, found.first, dict(found.columns)) async for found in ledger.duplicates()
        ],
        "columns": list(await ledger.column_names()),
        "charges": sorted(await ledger.charges(), key=charge_key),
        "unresolved": await ledger.unresolved_credits(),
        "unlisted": [(ids[call.number], call.remote_ids, call.settled) for call in await ledger.unlisted_calls(1_000)],
        "refundable": [await ledger.refundable([code]) for code in ("moderated", "timeout", "")],
        "read_whole": await ledger.read_whole(),
    }


def shown(call: CallRecord) -> dict[str, Any]:
    """Return the fields of a call, without its number; who was interrupted is said in a store's own words."""
    fields = asdict(call)
    del fields["number"]
    problem = call.problem
    if is_object(problem) and str(problem.get("message")).startswith("the process ended"):
        fields["problem"] = "interrupted"
    return fields


def charge_key(charge: ChargedCalls) -> tuple[str, float, str, float]:
    """Return what charges are sorted by."""
    return charge.model, charge.estimated, charge.source, -1.0 if charge.cost is None else charge.cost


async def reserved_and_spent(ledger: Ledger, scope: str) -> tuple[float, float]:
    """Return what an account holds."""
    account = await ledger.account((scope, ""))
    assert account is not None
    return account.reserved, account.spent


async def stored(ledger: Ledger) -> list[CallRecord]:
    """Return all calls of a run."""
    return [call async for call in ledger.scan()]


async def take(
    ledger: Ledger, call: CallRecord, *steps: RowStep, accounts: Iterable[AccountKey] = (ALL,)
) -> CallRecord:
    """Take steps, which all must be written."""
    for step in steps:
        match step:
            case Submit():
                assert await ledger.intend(call, step, list(accounts)) is None
            case Accept() | Download():
                await ledger.accept(call, step)
            case Finish() | Fail() | MarkUnknown():
                await ledger.settle(call, step)
            case Release() | Defer():
                await ledger.release(call, step)
    return call


async def claimed(
    ledger: Ledger, *steps: RowStep, id_: str = "a", accounts: Iterable[AccountKey] = (ALL,)
) -> CallRecord:
    """Add a call, claim it, and take steps."""
    await ledger.add([new_row(id_)])
    (call,) = await ledger.claim(1)
    return await take(ledger, call, *steps, accounts=accounts)
