"""The runs in a database: listed, watched, and deleted whole."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from stores.ledgers import ACCEPT, FINISH, RULES, new_row, submit

from generor_async.rules.row_states import Download
from generor_async.stores.ledger import Ledger, UnusableLedgerError
from generor_async.stores.opening import (
    delete_run,
    list_runs,
    live_owners,
    migrate_tables,
    open_ledger,
    open_reader,
    write_run_note,
)
from generor_async.stores.records import StoredRun

ACCOUNT = ("run:herons", "")
TABLES = ("calls", "attempts", "inputs", "skipped_inputs", "notes", "owners", "accounts")


@asynccontextmanager
async def opened(url: str, run: str, lease: float = 30.0) -> AsyncGenerator[Ledger]:
    ledger = await open_ledger(url, run=run, rules=RULES, lease=lease)
    try:
        await ledger.begin_reading()
        yield ledger
    finally:
        await ledger.close()


async def fill(url: str, run: str, *, finished: bool) -> None:
    """Add a run with one row, which is done or ready, and a note."""
    async with opened(url, run) as ledger:
        await ledger.add([new_row("a")])
        await ledger.write_note("began", 7.0)
        await ledger.open_account(ACCOUNT, 100.0)
        if finished:
            (call,) = await ledger.claim(1)
            assert await ledger.intend(call, submit(), [ACCOUNT]) is None
            await ledger.accept(call, ACCEPT)
            await ledger.accept(call, Download())
            await ledger.settle(call, FINISH)


def counts(url: str) -> dict[str, int]:
    with psycopg.connect(url) as connection:
        found = dict[str, int]()
        for table in TABLES:
            row = connection.execute(f"SELECT count(*) FROM generor.{table}".encode()).fetchone()
            assert row is not None
            found[table] = int(row[0])
        return found


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def test_an_empty_database_has_no_runs(postgres_url: str) -> None:
    async def main() -> None:
        assert not await list_runs(postgres_url, ["began"])
        assert not await live_owners(postgres_url, "herons")
        assert await delete_run(postgres_url, "herons", [ACCOUNT], even_paid=False) is None
        await write_run_note(postgres_url, "herons", "began", 1.0)
        await migrate_tables(postgres_url, wait=0.0)
        assert not await list_runs(postgres_url, ["began"])

    run(main())


def test_runs_are_listed_with_their_notes(postgres_url: str) -> None:
    async def main() -> None:
        await fill(postgres_url, "storks", finished=True)
        await fill(postgres_url, "herons", finished=False)
        async with opened(postgres_url, ""):  # calls that belong to no run
            pass
        await write_run_note(postgres_url, "herons", "ending", "cap")
        await write_run_note(postgres_url, "herons", "ending", None)
        await write_run_note(postgres_url, "nobody", "ending", "cap")
        assert await list_runs(postgres_url, ["began", "ending"]) == [
            StoredRun("storks", has_open_calls=False, has_sent_calls=False, notes={"began": 7.0}),
            StoredRun("herons", has_open_calls=True, has_sent_calls=False, notes={"began": 7.0, "ending": None}),
        ]
        assert (await list_runs(postgres_url, []))[0].notes == {}

    run(main())


def test_owners_are_named_as_long_as_their_leases_last(postgres_url: str) -> None:
    async def main() -> None:
        async with opened(postgres_url, "herons", 20.0), opened(postgres_url, "storks"):
            (owner,) = await live_owners(postgres_url, "herons")
            assert 0.0 < owner.seconds_left <= 20.0
            assert owner.process
        assert not await live_owners(postgres_url, "herons")

    run(main())


def test_a_run_is_deleted_whole_once_nobody_is_at_work_on_it(postgres_url: str) -> None:
    async def main() -> None:
        await fill(postgres_url, "herons", finished=True)
        async with opened(postgres_url, "herons"):
            before = counts(postgres_url)
            in_use = await delete_run(postgres_url, "herons", [ACCOUNT], even_paid=True)
            assert in_use is not None
            assert [bool(owner.process) for owner in in_use.owners] == [True]
            assert counts(postgres_url) == before
        assert await delete_run(postgres_url, "herons", [ACCOUNT], even_paid=False) is None
        assert not any(counts(postgres_url).values())
        assert await open_reader(postgres_url, run="herons") is None
        await fill(postgres_url, "herons", finished=False)
        async with opened(postgres_url, "herons") as ledger:
            account = await ledger.account(ACCOUNT)
            assert account is not None
            assert account.spent == 0.0

    run(main())


def test_other_runs_stay_and_an_interrupted_deletion_is_completed(postgres_url: str) -> None:
    async def main() -> None:
        for name in ("gulls", "herons", "storks"):
            await fill(postgres_url, name, finished=True)
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute("UPDATE generor.runs SET name = 'deleted:' || run WHERE name = 'gulls'")
        assert [found.name for found in await list_runs(postgres_url, [])] == ["herons", "storks"]
        await delete_run(postgres_url, "herons", [], even_paid=False)
        assert counts(postgres_url)["calls"] == 1
        async with opened(postgres_url, "storks") as ledger:
            assert (await ledger.counts())["done"] == 1

    run(main())


def test_a_database_that_is_not_there_is_named_without_its_password() -> None:
    async def main() -> None:
        with pytest.raises(
            UnusableLedgerError, match=r"postgresql://ann@127\.0\.0\.1:1/app cannot be reached"
        ) as caught:
            await list_runs("postgresql://ann:hush@127.0.0.1:1/app", [])
        assert "hush" not in str(caught.value)

    run(main())
