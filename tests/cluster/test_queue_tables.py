"""The queue's tables: created once, changed by later versions, and refused where they can't be used."""

import asyncio
import re
import select
import shutil
import socket
import struct
import threading
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from procrastinate.schema import SchemaManager
from support.servers import PostgresServer

from generor_async.errors import InvalidRequestError
from generor_async.fleet.migrations import prepare_queue
from generor_async.fleet.queue import QueueError
from generor_async.values import Masked

WORKER = """
    SET search_path = generor_workers;
    INSERT INTO procrastinate_workers DEFAULT VALUES;
    INSERT INTO procrastinate_jobs (queue_name, task_name, status, worker_id, args) VALUES
        ('worker-old', 'register', 'doing', 1, '{"worker": "pod-7:12", "version": "3.10.0"}');
"""
"""A worker of an older version, at work."""
END_WORKER = "DELETE FROM generor_workers.procrastinate_workers"


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {
            f"{schema}.{table}"
            for schema, table in connection.execute(
                "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema !~ 'pg_|information'"
            )
        }


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """The changes of a later version: one that leaves older workers working, and one that doesn't."""
    folder = tmp_path / "changes"
    shutil.copytree(SchemaManager.get_migrations_path(), folder)
    (folder / "99.01.00_01_pre_more.sql").write_text("CREATE TABLE more (n int); INSERT INTO more VALUES (1)")
    (folder / "99.01.00_50_post_less.sql").write_text("DROP TABLE more")
    return folder


def test_tables_are_created_once_in_a_schema_of_their_own(postgres_url: str) -> None:
    async def prepare_at_once() -> None:
        await asyncio.gather(*(prepare_queue(postgres_url) for _ in range(5)))

    asyncio.run(prepare_at_once())
    assert {table.partition(".")[0] for table in tables(postgres_url)} == {"generor_workers"}
    asyncio.run(prepare_queue(postgres_url, wait=True))


def test_a_later_version_applies_its_changes_once(postgres_url: str, later: Path) -> None:
    asyncio.run(prepare_queue(postgres_url))
    before = tables(postgres_url)
    for _ in range(2):
        asyncio.run(prepare_queue(postgres_url, folder=later))
    assert tables(postgres_url) == before
    with pytest.raises(InvalidRequestError, match=r"those of a later version\. Upgrade: pip install"):
        asyncio.run(prepare_queue(postgres_url))


def test_a_change_that_would_break_a_worker_waits_for_it(postgres_url: str, later: Path) -> None:
    asyncio.run(prepare_queue(postgres_url))
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(WORKER)
        asyncio.run(prepare_queue(postgres_url, folder=later))
        assert "generor_workers.more" in tables(postgres_url)
        asyncio.run(prepare_queue(postgres_url))  # an older version goes on meanwhile

        async def wait_for_it() -> list[str]:
            told = list[str]()
            waiting = asyncio.create_task(prepare_queue(postgres_url, folder=later, wait=True, tell=told.append))
            while not told:  # noqa: ASYNC110 - of another thread's making
                await asyncio.sleep(0.01)
            await asyncio.to_thread(connection.execute, END_WORKER)
            await waiting
            return told

        assert asyncio.run(wait_for_it()) == ["waiting for workers of older versions to end: pod-7:12"]
    assert "generor_workers.more" not in tables(postgres_url)


def test_what_nothing_works_without_is_refused_while_older_workers_are_at_work(postgres_url: str, later: Path) -> None:
    asyncio.run(prepare_queue(postgres_url))
    (later / "99.02.00_01_pre_needed.sql").write_text("SELECT 1")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(WORKER)
    with pytest.raises(InvalidRequestError, match=r"while older workers are at work: pod-7:12\. End them"):
        asyncio.run(prepare_queue(postgres_url, folder=later))


def test_a_change_that_fails_leaves_everything_as_it_was(postgres_url: str, later: Path) -> None:
    asyncio.run(prepare_queue(postgres_url))
    before = tables(postgres_url)
    (later / "99.01.00_02_pre_wrong.sql").write_text("CREATE TABLE wrong (n nonsense)")
    with pytest.raises(QueueError, match='type "nonsense" does not exist'):
        asyncio.run(prepare_queue(postgres_url, folder=later))
    assert tables(postgres_url) == before


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://ann:hush@127.0.0.1:1/app", "Connection refused"),
        ("postgresql://ann:hush@{host}/nowhere", 'role "ann" does not exist|database "nowhere" does not exist'),
    ],
)
def test_a_database_that_is_not_there_is_said_in_words(postgres: PostgresServer, url: str, why: str) -> None:
    place = Masked(url.format(host=f"{postgres.host}:{postgres.port}"))
    with pytest.raises(QueueError, match=why) as caught:
        asyncio.run(prepare_queue(place))
    assert str(caught.value).startswith("postgresql://ann@127.0.0.1:")
    whole = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    shown = "".join(whole.format())
    assert "generor_async/fleet/queue.py" in shown
    assert "hush" not in shown.replace(repr(url), "")


@pytest.mark.parametrize("url", ["postgresql://ann:hu sh@/x", "postgresql://[ann:hush", "results"])
def test_what_is_no_url_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(InvalidRequestError, match="is no URL of a PostgreSQL database") as caught:
        asyncio.run(prepare_queue(url))
    assert "sh@" not in str(caught.value)
    assert "hush" not in str(caught.value)


@contextmanager
def pooler(server: PostgresServer, *, refuses: bool) -> Generator[int]:
    """Stand before a server as PgBouncer does: settings of a connection are refused, or ignored; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_relay, args=(listener, server, refuses))
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join()


def _relay(listener: socket.socket, server: PostgresServer, refuses: bool) -> None:
    with listener.accept()[0] as client, socket.create_connection((server.host, server.port)) as beyond:
        (size,) = struct.unpack("!I", client.recv(4, socket.MSG_WAITALL))
        begin = client.recv(size - 4, socket.MSG_WAITALL)
        if refuses:
            problem = b"SFATAL\0C08P01\0Munsupported startup parameter in options: search_path\0\0"
            client.sendall(b"E" + struct.pack("!I", len(problem) + 4) + problem)
            return
        begin = re.sub(rb"options\0[^\0]*\0", b"", begin)
        beyond.sendall(struct.pack("!I", len(begin) + 4) + begin)
        while True:
            readable, _, _ = select.select([client, beyond], [], [])
            for source in readable:
                if not (piece := source.recv(65536)):
                    return
                (beyond if source is client else client).sendall(piece)


@pytest.mark.parametrize("refuses", [True, False])
def test_a_pooler_is_refused_and_another_url_asked_for(postgres: PostgresServer, refuses: bool) -> None:
    with pooler(postgres, refuses=refuses) as port:
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=disable"
        with pytest.raises(InvalidRequestError, match=r"as through PgBouncer .*Set GENEROR_QUEUE_URL to the URL of"):
            asyncio.run(prepare_queue(url))
