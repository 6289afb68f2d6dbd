"""Workers at a queue in PostgreSQL: who gets a shift of which run, and what remains when one dies."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from attrs import define, field
from support.servers import PostgresServer

from generor_async.errors import InvalidRequestError, JournalError
from generor_async.fleet.migrations import prepare_queue
from generor_async.fleet.queue import LOST_AFTER, defer_assignment, make_app, open_app, stop_shifts
from generor_async.fleet.worker import Worker

PATIENCE = 300.0
LEFT_BEHIND = """
    SET search_path = generor_workers;
    INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 minute');
    INSERT INTO procrastinate_jobs (queue_name, task_name, status, worker_id, args) VALUES
        ('worker-dead', 'register', 'doing', 1, '{}'),
        ('worker-dead', 'shift', 'doing', 1, '{"run": "herons"}'),
        ('worker-dead', 'shift', 'todo', NULL, '{"run": "storks"}');
"""
"""What a worker that was killed leaves in the queue."""
JOBS = "SELECT task_name, status::text FROM generor_workers.procrastinate_jobs WHERE queue_name LIKE %s"
FORGET = """
    SET search_path = generor_workers;
    DELETE FROM procrastinate_workers;
    DELETE FROM procrastinate_jobs;
"""
"""What the others do to a worker that they hold for dead."""
SOON = 1.5
"""Seconds after which a worker looks whether it was held for dead."""


@define
class Site:
    """Runs that take as long as the test wants, and the workers' shifts of them."""

    url: str
    unfinished: set[str] = field(factory=set)
    at_work: list[tuple[str, str]] = field(factory=list)
    """Worker and run of each shift that goes on."""
    drained: list[str] = field(factory=list)
    looked: list[str] = field(factory=list)
    """Workers whose shifts have looked whether their run was stopped."""
    told: list[str] = field(factory=list)
    ends: asyncio.Event = field(factory=asyncio.Event)
    """Set to let all shifts end."""
    error: Exception | None = None
    """What a shift raises."""
    listing_fails: bool = False
    fetched: asyncio.Event = field(factory=asyncio.Event)
    """Set once what is paid for is stored."""
    drains: asyncio.Event = field(factory=asyncio.Event)
    """Set once what is in flight has ended."""
    lost_after: float = LOST_AFTER

    def worker(self, name: str) -> Worker:
        async def work(run: str, look: asyncio.Event) -> str:
            if self.error is not None:
                raise self.error
            self.at_work.append((name, run))
            try:
                await self._end_of(name, look)
            except asyncio.CancelledError:
                await self.drains.wait()
                self.drained.append(name)
                raise
            finally:
                self.at_work.remove((name, run))
            return "done"

        async def unfinished() -> set[str]:
            if self.listing_fails:
                raise JournalError("the ledger can't be read")
            return self.unfinished

        return Worker(
            self.url,
            work=work,
            unfinished=unfinished,
            tell=self.told.append,
            complain=self.told.append,
            assign_every=1,
            lost_after=self.lost_after,
        )

    async def _end_of(self, name: str, look: asyncio.Event) -> None:
        """Wait until shifts are to end, or until one has seen that its run is stopped, and fetched what is paid for."""

        async def seen() -> None:
            await look.wait()
            self.looked.append(name)
            await self.fetched.wait()

        ends = [asyncio.create_task(end) for end in (self.ends.wait(), seen())]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()

    async def submit(self, run: str) -> None:
        self.unfinished.add(run)
        app = make_app(self.url)
        async with open_app(app, self.url):
            await defer_assignment(app)

    @asynccontextmanager
    async def working(self, *names: str) -> AsyncGenerator[list[Worker]]:
        """Run workers until the end of the block."""
        workers = [self.worker(name) for name in names]
        tasks = [asyncio.create_task(worker.run()) for worker in workers]
        try:
            yield workers
        finally:
            self.drains.set()
            for worker in workers:
                worker.stop()
            await asyncio.gather(*tasks)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - it depends on other processes, too
            await asyncio.sleep(0.01)


async def jobs(url: str, queue: str = "%") -> list[tuple[str, str]]:
    """Return task and status of all jobs of queues with such a name."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        cursor = await connection.execute(JOBS, [queue])
        return [(str(task), str(status)) for task, status in await cursor.fetchall()]


def run_site(url: str, main: Callable[[Site], Coroutine[Any, Any, None]]) -> None:
    async def prepared() -> None:
        await prepare_queue(url)
        await main(Site(url))

    asyncio.run(prepared())


def test_every_worker_takes_a_shift_of_every_run(postgres_url: str) -> None:
    async def main(site: Site) -> None:
        await site.submit("herons")
        async with site.working("ann", "bob"):
            await until(lambda: sorted(site.at_work) == [("ann", "herons"), ("bob", "herons")])
            await site.submit("storks")
            await until(lambda: len(site.at_work) == 4)
            async with site.working("eve"):
                await until(lambda: len(site.at_work) == 6)
            assert len(site.at_work) == 4
            site.unfinished.clear()
            site.ends.set()
            async with asyncio.timeout(PATIENCE):  # also of shifts that were just being assigned when the runs ended
                while any(task == "shift" for task, _ in await jobs(postgres_url)):  # noqa: ASYNC110 - they are rows
                    await asyncio.sleep(0.1)
            assert not site.at_work
        assert {task for task, _ in await jobs(postgres_url)} <= {"assign"}, "one may be due"

    run_site(postgres_url, main)


def test_a_run_that_is_unfinished_gets_another_shift_by_itself(postgres_url: str) -> None:
    async def main(site: Site) -> None:
        async with site.working("ann"):
            await site.submit("herons")
            await until(lambda: len(site.at_work) == 1)
            site.ends.set()
            await until(lambda: not site.at_work)
            site.ends.clear()  # and nobody tells the worker
            await until(lambda: len(site.at_work) == 1)

    run_site(postgres_url, main)


def test_stopping_waits_for_what_is_in_flight_and_begins_nothing(postgres_url: str) -> None:
    async def main(site: Site) -> None:
        async with site.working("ann") as (ann,):
            await site.submit("herons")
            await until(lambda: len(site.at_work) == 1)
            ann.stop()
            await site.submit("storks")
            await asyncio.sleep(0.3)
            assert site.at_work == [("ann", "herons")]
            assert not site.drained
            site.drains.set()
            await until(lambda: site.drained == ["ann"])
        assert not site.at_work
        assert ("register", "doing") not in await jobs(postgres_url)

    run_site(postgres_url, main)


def test_shifts_of_one_run_end_when_it_is_stopped_and_what_is_paid_for_is_stored(postgres_url: str) -> None:
    async def main(site: Site) -> None:
        async with site.working("ann", "bob"):
            await site.submit("herons")
            await site.submit("storks")
            await until(lambda: len(site.at_work) == 4)
            site.unfinished.remove("herons")
            app = make_app(postgres_url)
            async with open_app(app, postgres_url):
                await stop_shifts(app, "herons")
                await until(lambda: len(site.looked) == 2)
            assert len(site.at_work) == 4, "they fetch what is paid for"
            site.fetched.set()
            await until(lambda: sorted(site.at_work) == [("ann", "storks"), ("bob", "storks")])
            assert not site.drained, "none was cancelled"

    run_site(postgres_url, main)


def test_what_a_dead_worker_leaves_behind_is_dropped(postgres_url: str) -> None:
    async def main(site: Site) -> None:
        async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as connection:
            await connection.execute(LEFT_BEHIND)
        async with site.working("ann"):
            await site.submit("herons")
            await until(lambda: site.at_work == [("ann", "herons")])
            await site.submit("storks")
            await until(lambda: len(site.at_work) == 2)
            assert not await jobs(postgres_url, "worker-dead")

    run_site(postgres_url, main)


def test_a_worker_that_was_held_for_dead_registers_again(postgres_url: str) -> None:
    async def main(site: Site) -> None:
        site.lost_after = SOON
        async with site.working("ann"):
            await site.submit("herons")
            await until(lambda: len(site.at_work) == 1)
            async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as connection:
                await connection.execute(FORGET)
            site.unfinished.add("storks")
            await until(lambda: len(site.at_work) == 2)
            assert not site.drained, "its shift went on"
            assert site.told.count("herons: a shift begins") == 1

    run_site(postgres_url, main)


def test_a_run_that_fails_here_is_not_tried_again_at_once(postgres_url: str) -> None:
    async def main(site: Site) -> None:
        site.error = InvalidRequestError("GENEROR_API_KEY", "is missing", advice="Set it")
        async with site.working("ann"):
            await site.submit("herons")
            await until(lambda: any("is missing" in said for said in site.told))
            begun = site.told.count("herons: a shift begins")
            for _ in range(5):
                await site.submit("herons")
                await asyncio.sleep(0.1)
            assert site.told.count("herons: a shift begins") == begun == 1

    run_site(postgres_url, main)


def test_runs_that_cannot_be_listed_are_said_once(postgres_url: str) -> None:
    async def main(site: Site) -> None:
        site.listing_fails = True
        async with site.working("ann"):
            for _ in range(3):
                await site.submit("herons")
                await asyncio.sleep(0.1)
            assert site.told == ["the ledger can't be read."]
            site.listing_fails = False
            await until(lambda: site.at_work == [("ann", "herons")])

    run_site(postgres_url, main)


def test_a_shift_outlives_a_restart_of_the_database(postgres: PostgresServer, postgres_url: str) -> None:
    async def main(site: Site) -> None:
        async with site.working("ann", "bob"):
            await site.submit("herons")
            await until(lambda: len(site.at_work) == 2)
            await asyncio.to_thread(postgres.restart, immediate=True)
            site.unfinished.add("storks")
            await until(lambda: len(site.at_work) == 4)
            assert not site.drained, "no shift was stopped"
            assert site.told.count("herons: a shift begins") == 2

    run_site(postgres_url, main)


def test_a_database_that_is_gone_is_said_once_and_waited_for(postgres: PostgresServer, postgres_url: str) -> None:
    async def main(site: Site) -> None:
        await asyncio.to_thread(postgres.stop)
        try:
            async with site.working("ann") as (ann,):
                await until(lambda: any("trying again" in said for said in site.told))
                await asyncio.sleep(0.1)
                ann.stop()
            assert len(site.told) == 1, site.told
            assert postgres_url in site.told[0]
        finally:
            await asyncio.to_thread(postgres.start)

    run_site(postgres_url, main)
