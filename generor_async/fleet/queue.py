"""The queue of shifts: procrastinate's tables, in a schema of their own beside the ledger's.

procrastinate's statements name no schema, and its workers LISTEN. So its connections set the search path as they
begin, and must lead to the server itself: PgBouncer in transaction mode is for the ledger alone.
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import psycopg
import psycopg_pool
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Job, Status
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from generor_async.errors import InvalidRequestError
from generor_async.rules.database_urls import without_password
from generor_async.rules.shift_plan import SHIFT, QueuedJob, ShiftPlan
from generor_async.stores.connection_pool import ConnectionPool
from generor_async.values import Masked

__all__ = [
    "ALL_WORKERS",
    "ASSIGN",
    "LOST_AFTER",
    "QUEUE_VARIABLE",
    "SCHEMA",
    "QueueError",
    "apply",
    "connect",
    "defer_assignment",
    "has_job",
    "make_app",
    "open_app",
    "queued_jobs",
    "stop_shifts",
    "translated_errors",
]

SCHEMA: Final = "generor_workers"
"""The PostgreSQL schema of procrastinate's tables."""
ALL_WORKERS: Final = "all"
"""The queue that every worker takes jobs from."""
QUEUE_VARIABLE: Final = "GENEROR_QUEUE_URL"
"""The environment variable with the URL of the server itself, where the ledger's leads through a pooler."""
ASSIGN: Final = "assign"
"""The task that gives every living worker a shift of every unfinished run."""
LOST_AFTER: Final = 30.0
"""Seconds without a heartbeat after which the queue holds a worker for dead. The ledger has leases of its own."""
SETTINGS: Final = {
    "connect_timeout": 10,
    "keepalives_idle": 5,
    "keepalives_interval": 1,
    "keepalives_count": 5,
    "tcp_user_timeout": 10_000,
}
"""Settings of a connection, unless the URL gives them: one to a server that has vanished is given up in 10 s."""
POOL: Final = 4
"""Most connections of a worker's queue, beside the one that listens."""
POOL_SECONDS: Final = 5.0
"""Seconds in which a connection has to be there; a worker's end waits for two, where the database is away."""


class QueueError(ConnectionError):
    """The queue can't be used at the moment; its text names the server, and shows no password."""


class QuietConnection(psycopg.AsyncConnection[Any]):
    """A connection whose failure to connect leaves no traceback with the password behind."""

    @classmethod
    async def connect(cls, conninfo: str = "", **options: Any) -> Any:
        """Connect; raises the driver's error."""
        problem: psycopg.Error
        try:
            return await super().connect(conninfo, **options)
        except psycopg.Error as error:
            problem = type(error)(str(error))
        raise problem


def _conninfo(url: str) -> Masked:
    """Return the connection string whose search path is the queue's schema.

    Raises:
        InvalidRequestError: The URL can't be read.
    """
    try:
        known: dict[str, Any] = conninfo_to_dict(url)
    except psycopg.Error:  # whose text may show parts of the password
        known = {}
    if not known:
        raise InvalidRequestError(
            "url",
            f"{without_password(url) or 'the address of the queue'} is no URL of a PostgreSQL database",
            advice="Write it as postgresql://user@host:5432/database",
        )
    options = f"{known.pop('options', None) or ''} -c search_path={SCHEMA}".strip()
    return Masked(make_conninfo("", **(SETTINGS | known | {"options": options})))


def make_app(url: str) -> App:
    """Return procrastinate's application for a database, not opened yet."""
    pool: dict[str, Any] = {
        "conninfo": _conninfo(url),
        "connection_class": QuietConnection,
        "min_size": 1,
        "max_size": POOL,
        "timeout": POOL_SECONDS,
        "kwargs": {"application_name": "generor worker"},
    }
    return App(connector=PsycopgConnector(pool_factory=ConnectionPool, **pool))


@asynccontextmanager
async def open_app(app: App, url: str) -> AsyncGenerator[App]:
    """Open the application.

    Raises:
        QueueError: The database can't be reached, or an operation within has failed.
        InvalidRequestError: The connection can't be used for a queue.
    """
    async with translated_errors(url):
        async with await connect(url):  # fails at once, and says why, where the pool would try again and again
            pass
        async with app.open_async():
            yield app


async def connect(url: str) -> psycopg.AsyncConnection[Any]:
    """Connect with the queue's search path, in autocommit mode.

    Raises:
        psycopg.Error: The database can't be reached.
        InvalidRequestError: The connection leads through a pooler.
    """
    try:
        connection: psycopg.AsyncConnection[Any] = await QuietConnection.connect(_conninfo(url), autocommit=True)
    except psycopg.OperationalError as error:
        if "unsupported startup parameter" not in str(error):
            raise
        problem = _words(error)
    else:
        path = await (await connection.execute("SHOW search_path")).fetchone()
        if path == (SCHEMA,):
            return connection
        await connection.close()
        problem = "the settings of a connection have no effect"
    raise InvalidRequestError(
        "url",
        f"workers can't wait at {without_password(url)}, as through PgBouncer ({problem})",
        advice=f"Set {QUEUE_VARIABLE} to the URL of the server itself; the rows may go on through the pooler",
    )


@asynccontextmanager
async def translated_errors(url: str) -> AsyncGenerator[None]:
    """Raise QueueError for what goes wrong with the database."""
    problem = ""
    try:
        yield
    except (ConnectorException, psycopg.Error, psycopg_pool.PoolTimeout) as error:
        problem = _words(error)
    if problem:
        raise QueueError(f"{without_password(url)}: {problem}")


def _words(error: BaseException) -> str:
    """Return what an error says, in its first line."""
    known = error.__cause__ if isinstance(error, ConnectorException) and error.__cause__ is not None else error
    first = next(iter(str(known).splitlines()), "") or type(known).__name__
    return first.removeprefix("connection failed: ")


async def defer_assignment(app: App) -> None:
    """Have a worker look at once which shifts are to begin."""
    deferrer = app.configure_task(ASSIGN, queue=ALL_WORKERS, queueing_lock=ASSIGN, priority=1)
    with suppress(AlreadyEnqueued):
        await deferrer.defer_async()


async def queued_jobs(app: App, *, lost_after: float) -> Iterable[QueuedJob]:
    """Return all jobs that have not ended; those are lost whose worker has not been heard of for so many seconds."""
    lost = {job.id for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=lost_after)}
    return [
        QueuedJob(
            id=job.id or 0,
            task=job.task_name,
            queue=job.queue,
            run=str(job.task_kwargs.get("run", "")),
            is_begun=job.status == Status.DOING.value,
            is_lost=job.id in lost,
        )
        for job in await app.job_manager.list_jobs_async()
        if job.status in {Status.TODO.value, Status.DOING.value}
    ]


async def has_job(app: App, job: Job) -> bool:
    """Tell whether the queue still has a job that goes on."""
    return bool(
        [found for found in await app.job_manager.list_jobs_async(id=job.id) if found.status == Status.DOING.value]
    )


async def apply(app: App, plan: ShiftPlan) -> None:
    """Defer the shifts of a plan, and drop its jobs."""
    for job in plan.drop:
        with suppress(ConnectorException):  # another worker was faster, or it has ended after all
            await app.job_manager.finish_job_by_id_async(job.id, Status.FAILED, delete_job=True)
    for queue, run in plan.begin:
        with suppress(AlreadyEnqueued):
            await app.configure_task(SHIFT, queue=queue, queueing_lock=f"{queue}/{run}").defer_async(run=run)


async def stop_shifts(app: App, run: str) -> None:
    """Have all shifts of a run look whether it was stopped, and drop those that wait to begin."""
    jobs: Iterable[Job] = await app.job_manager.list_jobs_async(task=SHIFT)
    for job in jobs:
        if job.id is not None and job.task_kwargs.get("run") == run:
            await app.job_manager.cancel_job_by_id_async(job.id, abort=True, delete_job=True)
