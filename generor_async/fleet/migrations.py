"""Creates the queue's tables, and brings them up to date with the installed procrastinate."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

import psycopg
from procrastinate.schema import SchemaManager
from psycopg.sql import SQL, Identifier, Literal

from generor_async.errors import InvalidRequestError
from generor_async.fleet.queue import LOST_AFTER, SCHEMA, connect, translated_errors
from generor_async.rules.database_urls import without_password
from generor_async.rules.queue_migrations import MigrationPlan, Version, is_newer, parse_version, plan_migrations
from generor_async.rules.shift_plan import REGISTER

__all__ = ["prepare_queue"]

LOCK: Final = 7_166_307_295_107
"""The advisory lock under which the tables are changed, by one process at a time."""
MIGRATIONS: Final = Path(SchemaManager.get_migrations_path())
WAIT_SECONDS: Final = 2.0
"""Seconds between two looks whether older workers have ended."""


async def prepare_queue(
    url: str,
    *,
    wait: bool = False,
    tell: Callable[[str], object] = lambda _: None,
    folder: Path = MIGRATIONS,
) -> None:
    """Create the queue's tables, or change them as far as the workers that are at work allow.

    Args:
        url: The database's URL.
        wait: Whether to wait until workers of older versions have ended, where a change would break them.
        tell: Is told whom it waits for.
        folder: The installed version's changes.

    Raises:
        QueueError: The database can't be reached.
        InvalidRequestError: The tables are those of a later version, or nothing works before older workers have ended.
    """
    said, changes = "", _read_changes(folder)
    while True:
        async with translated_errors(url), await connect(url) as connection, connection.transaction():
            plan, workers = await _prepare(connection, url, changes)
        if not plan.waiting or (plan.is_usable and not wait):
            return
        older = ", ".join(sorted(workers))
        if not wait:
            raise InvalidRequestError(
                "url",
                f"the tables of the queue at {without_password(url)} can't be changed while older workers are at work:"
                f" {older}",
                advice="End them, or wait for them with `generor batch migrate --wait`",
            )
        if said != older:
            tell(f"waiting for workers of older versions to end: {older}")
            said = older
        await asyncio.sleep(WAIT_SECONDS)


def _read_changes(folder: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.sql")}


async def _prepare(
    connection: psycopg.AsyncConnection[Any], url: str, changes: Mapping[str, bytes]
) -> tuple[MigrationPlan, Collection[str]]:
    """Change the tables as far as possible; return the plan, and the workers of older versions."""
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    applied = await _applied(connection)
    if applied is None:
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        await connection.execute(SchemaManager.get_schema().encode())
        await _note(connection, max(changes))
        return MigrationPlan((), ()), ()
    if is_newer(changes, applied):
        raise InvalidRequestError(
            "url",
            f"the tables of the queue at {without_password(url)} are those of a later version",
            advice="Upgrade: pip install --upgrade 'generor-async[cluster]'",
        )
    workers = await _workers(connection)
    plan = plan_migrations(changes, applied, list(workers.values()))
    for name in plan.apply:
        await connection.execute(changes[name])
        await _note(connection, name)
    blocking = parse_version(plan.waiting[0]) if plan.waiting else ()
    return plan, [worker for worker, version in workers.items() if version < blocking]


async def _applied(connection: psycopg.AsyncConnection[Any]) -> str | None:
    """Return the last change that was applied; None if there are no tables."""
    cursor = await connection.execute(
        "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace"
        " WHERE nspname = %s AND to_regclass('procrastinate_jobs') IS NOT NULL",
        [SCHEMA],
    )
    row = await cursor.fetchone()
    return None if row is None else str(row[0])


async def _note(connection: psycopg.AsyncConnection[Any], name: str) -> None:
    """Note the last change in the schema's comment, which backups keep."""
    await connection.execute(SQL("COMMENT ON SCHEMA {} IS {}").format(Identifier(SCHEMA), Literal(name)))


async def _workers(connection: psycopg.AsyncConnection[Any]) -> Mapping[str, Version]:
    """Return the versions of procrastinate of the workers that are at work, by the worker's name."""
    cursor = await connection.execute(
        "SELECT args->>'worker', args->>'version' FROM procrastinate_jobs AS job"
        " JOIN procrastinate_workers AS worker ON worker.id = job.worker_id"
        " WHERE status = 'doing' AND task_name = %s AND last_heartbeat > now() - make_interval(secs => %s)",
        [REGISTER, LOST_AFTER],
    )
    return {str(worker): parse_version(str(version)) for worker, version in await cursor.fetchall()}
