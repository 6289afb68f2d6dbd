"""Which database a ledger in PostgreSQL is in, what it shows of its password, and how its tables are migrated."""

import asyncio
import logging
import shutil
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection
from stores.ledgers import (
    ACCEPT,
    ALL,
    FAIL,
    RULES,
    UNKNOWN,
    claimed,
    new_row,
    reserved_and_spent,
    stored,
    submit,
    take,
)
from support.servers import PostgresServer, postgres_server

from generor_async.batch.lease import Lease
from generor_async.errors import DatabaseChangedError
from generor_async.stores import postgres
from generor_async.stores.ledger import OlderWorkersError, UnusableLedgerError
from generor_async.stores.opening import open_ledger, open_reader
from generor_async.stores.postgres import PostgresLedger, schema, writer

SECRET = "s3cr3t-hush"


@pytest.fixture
async def ledger(postgres_url: str) -> AsyncIterator[PostgresLedger]:
    ledger = await postgres.open_ledger(postgres_url, run="herons", rules=RULES)
    yield ledger
    await ledger.close()


async def execute(url: str, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
    """Run a statement as somebody else."""
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute(query.encode(), arguments)
        return await cursor.fetchall() if cursor.description else []


# --- failover ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["system", "timeline"])
async def test_a_database_that_may_lack_what_was_paid_for_buys_nothing_until_somebody_says_so(
    postgres_url: str, ledger: PostgresLedger, column: str
) -> None:
    held = {
        id_: await claimed(ledger, *steps, id_=id_)
        for id_, steps in {
            "leased": (),
            "submitting": (submit(),),
            "accepted": (submit(), ACCEPT),
            "failed": (submit(), FAIL),
            "unknown": (submit(), UNKNOWN),
        }.items()
    }
    await ledger.add([new_row("ready")])
    owls = await postgres.open_ledger(postgres_url, run="owls", rules=RULES)
    other = await claimed(owls)
    await execute(postgres_url, f"UPDATE generor.runs SET {column} = 'another' WHERE name = 'herons'")
    assert ledger.problem() is None
    with pytest.raises(DatabaseChangedError) as caught:
        await ledger.intend(held["leased"], submit(), [ALL])
    assert "--after-failover" in f"{caught.value}"
    assert held["leased"].state == "leased"
    assert isinstance(ledger.problem(), DatabaseChangedError)
    await take(ledger, held["accepted"], FAIL)  # what was paid for is kept
    await take(owls, other, submit())
    assert await reserved_and_spent(ledger, "all") == (35.0, 0.0)

    assert await ledger.after_failover() == 3
    assert {call.id: call.state for call in await stored(ledger)} == {
        "leased": "unknown",
        "submitting": "unknown",
        "accepted": "failed",
        "failed": "failed",
        "unknown": "unknown",
        "ready": "unknown",
    }
    await take(ledger, await claimed(ledger, id_="new"), submit())
    assert ledger.problem() is None
    await owls.close()


async def test_a_worker_goes_on_when_another_process_has_said_so(postgres_url: str, ledger: PostgresLedger) -> None:
    call = await claimed(ledger, id_="a")
    await execute(postgres_url, "UPDATE generor.runs SET timeline = '00000000'")
    with pytest.raises(DatabaseChangedError):
        await ledger.intend(call, submit())
    resumed = await postgres.open_ledger(postgres_url, run="herons", rules=RULES)
    assert await resumed.after_failover() == 1
    await take(ledger, await claimed(ledger, id_="b"), submit())
    await resumed.close()


async def test_a_database_that_lacks_what_this_process_has_written_buys_nothing(
    postgres_url: str, ledger: PostgresLedger
) -> None:
    """As one whose dump was restored beside it, so that the server is the same."""
    await take(ledger, await claimed(ledger, id_="a"), submit())
    call = await claimed(ledger, id_="b")
    await execute(postgres_url, "UPDATE generor.commits SET last = last - 2")
    with pytest.raises(DatabaseChangedError, match="lacks what was written to it"):
        await ledger.intend(call, submit())
    resumed = await postgres.open_ledger(postgres_url, run="herons", rules=RULES)
    assert await resumed.after_failover() == 2
    for id_ in "cd":
        await take(ledger, await claimed(ledger, id_=id_), submit())
    await resumed.close()


async def test_a_restored_backup_with_the_same_timeline_is_noticed_by_who_has_seen_more(tmp_path: Path) -> None:
    backup = tmp_path / "backup"

    def copy(server: PostgresServer, source: Path, target: Path) -> None:
        server.stop()
        shutil.rmtree(target, ignore_errors=True)
        subprocess.run(["cp", "-a", source, target], check=True)
        server.start()

    with postgres_server(tmp_path) as server:
        data = server.folder / "data"
        first = await postgres_ledger(server.url)
        await first.add([new_row(id_) for id_ in "abcd"])
        await first.close()
        await asyncio.to_thread(copy, server, data, backup)
        ledger = await postgres_ledger(server.url)
        a, b, c = await ledger.claim(3)
        for call in (a, b):
            await take(ledger, call, submit())
        await asyncio.to_thread(copy, server, backup, data)
        with pytest.raises(DatabaseChangedError, match="earlier state, as from a backup"):
            await ledger.intend(c, submit())
        await ledger.close()
        later = await postgres_ledger(server.url)
        (again,) = await later.claim(1)
        with pytest.raises(DatabaseChangedError, match="earlier state, as from a backup"):  # which it was told of
            await later.intend(again, submit())
        assert await later.after_failover() == 4
        await take(later, await claimed(later, id_="new"), submit())
        await later.close()


async def test_a_user_without_rights_to_look_compares_what_it_may(postgres: PostgresServer, postgres_url: str) -> None:
    name = f"user_{postgres_url.rpartition('/')[2]}"
    await execute(postgres_url, f"CREATE ROLE {name} LOGIN")
    await execute(postgres_url, f"GRANT CREATE ON DATABASE {postgres_url.rpartition('/')[2]} TO {name}")
    await execute(postgres_url, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public")
    try:
        url = postgres_url.replace("postgres@", f"{name}@")
        ledger = await postgres_ledger(url)
        call = await claimed(ledger)
        await take(ledger, call, submit())
        ((system, timeline),) = await execute(url, "SELECT system, timeline FROM generor.runs")
        assert (system, timeline) == (None, "00000001")
        await ledger.close()
    finally:
        await execute(postgres_url, f"DROP OWNED BY {name}")
        await execute(postgres_url, f"DROP ROLE {name}")


async def postgres_ledger(url: str, **options: Any) -> PostgresLedger:
    return await postgres.open_ledger(url, run="herons", rules=RULES, **options)


async def test_a_transaction_that_arrives_after_it_was_given_up_fails(
    postgres_url: str, ledger: PostgresLedger
) -> None:
    for lane, number in ((0, 5), (1, 2)):
        await execute(postgres_url, writer.MARK, ledger.owner, lane, 7)
        with pytest.raises(psycopg.errors.NotNullViolation):
            await execute(postgres_url, writer.MARK, ledger.owner, lane, number)


# --- leases -----------------------------------------------------------------------------------------------------------


async def test_nobody_is_taken_over_who_believes_to_hold_a_lease(postgres_url: str) -> None:
    ledger = await postgres_ledger(postgres_url, lease=0.5)
    other = await postgres_ledger(postgres_url, lease=0.5)
    lease = Lease(ledger, 0.5)
    valid = [lease.is_valid]
    await claimed(ledger)
    while not lease.is_valid:  # on a busy machine the answer may take longer than the lease
        await lease.renew()
    valid.append(True)
    while (await other.take_over()).ready == 0:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.01)
    assert [*valid, lease.is_valid] == [False, True, False]
    await ledger.close()
    await other.close()


# --- passwords --------------------------------------------------------------------------------------------------------


async def test_a_password_is_in_no_error_log_repr_or_traceback(
    postgres: PostgresServer, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    good = postgres_url.replace("postgres@", f"postgres:{SECRET}@")
    texts = list[str]()
    for url in (
        good.replace(f":{postgres.port}/", ":1/"),
        good.replace("/herons", "/nowhere"),
        good.replace(SECRET, f"{SECRET}@{SECRET}"),
        f"{good}?port={SECRET}",
        good.replace(f":{postgres.port}/", f":{SECRET}/"),
        f"{good}?nonsense={SECRET}",
    ):
        for opening in (open_ledger(url, run="herons", rules=RULES), open_reader(url)):
            try:
                await opening
            except UnusableLedgerError as error:
                shown = traceback.TracebackException.from_exception(error, capture_locals=True)
                texts += [f"{error!r}{error}", *(line for line in shown.format() if "test_ledger_database" not in line)]
            else:
                raise AssertionError(url)
    ledger = await open_ledger(good, run="herons", rules=RULES)
    await execute(
        postgres_url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'generor'"
    )
    await ledger.counts()
    texts += [f"{ledger!r}", *map(repr, vars(ledger).values()), caplog.text]
    await ledger.close()
    assert not [text for text in texts if SECRET in text]
    assert SECRET not in str(sys.argv)


async def test_a_database_that_is_not_there_is_named_without_its_password(postgres_url: str) -> None:
    url = postgres_url.replace("postgres@", f"ada:{SECRET}@")
    with pytest.raises(UnusableLedgerError) as caught:
        await open_reader(url.replace("/herons", "/nowhere"))
    assert caught.value.problem.startswith("postgresql://ada@127.0.0.1:")
    assert "cannot be reached" in caught.value.problem


# --- migrations -------------------------------------------------------------------------------------------------------


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A package whose tables have one more column."""
    monkeypatch.setattr(schema, "SCHEMA", 2)
    monkeypatch.setattr(schema, "MIGRATIONS", ("ALTER TABLE generor.calls ADD COLUMN shelf text",))
    return monkeypatch


async def test_a_migration_that_adds_leaves_older_workers_working(
    postgres_url: str, ledger: PostgresLedger, newer: pytest.MonkeyPatch
) -> None:
    call = await claimed(ledger)
    later = await postgres_ledger(postgres_url)
    assert await execute(postgres_url, "SELECT version, compatible FROM generor.meta") == [(2, 1)]
    await take(ledger, call, submit(), ACCEPT)
    await later.close()
    newer.undo()
    older = await postgres_ledger(postgres_url)
    assert [found.state for found in await stored(older)] == ["accepted"]
    await older.close()


async def test_a_migration_that_breaks_waits_for_older_workers_and_names_them(
    postgres_url: str, ledger: PostgresLedger, newer: pytest.MonkeyPatch
) -> None:
    newer.setattr(schema, "COMPATIBLE", 2)
    newer.setattr(schema, "POLL_SECONDS", 0.05)
    await ledger.renew()
    with pytest.raises(UnusableLedgerError, match="migrate"):
        await postgres_ledger(postgres_url)
    with pytest.raises(OlderWorkersError) as caught:
        await postgres.migrate_tables(postgres_url)
    assert [run for _, run, _ in caught.value.workers] == ["herons"]
    assert writer.process_name() in f"{caught.value}"
    migrating = asyncio.ensure_future(postgres.migrate_tables(postgres_url, wait=60.0))
    await asyncio.sleep(0.1)
    assert not migrating.done()
    await ledger.close()
    assert await migrating == 2
    newer.undo()
    with pytest.raises(UnusableLedgerError, match="made by a newer version"):
        await postgres_ledger(postgres_url)


async def test_many_that_make_the_tables_at_the_same_time_all_open_them(postgres_url: str) -> None:
    opened = await asyncio.gather(*(postgres_ledger(postgres_url) for _ in range(8)))
    assert len({ledger.owner for ledger in opened}) == 8
    for ledger in opened:
        await ledger.close()


async def test_a_run_that_nobody_has_begun_has_no_reader(postgres_url: str) -> None:
    assert await open_reader(postgres_url, run="herons") is None
    await (await postgres_ledger(postgres_url)).close()
    assert await open_reader(postgres_url, run="owls") is None
    reader = await open_reader(postgres_url, run="herons")
    assert reader is not None
    await reader.close()
