"""Measures for how long rows stay with a worker that is gone while another one is there to take them over."""

import threading
import time
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, Final

import psycopg
from attrs import define, field
from support.fleets import Fleet, Worker

from generor_async.stores.postgres.owners import DATABASE_TIME

__all__ = ["Takeovers"]

PAUSE: Final = 0.05
UNDER_WAY: Final = f"""
    SELECT process, lease_until > {DATABASE_TIME},
        EXISTS (SELECT FROM generor.calls WHERE calls.owner = owners.owner
            AND state IN ('leased', 'submitting', 'accepted', 'downloading'))
    FROM generor.owners JOIN generor.runs USING (run) WHERE name = %s
"""


@define(eq=False)
class Takeovers:
    """How long rows stayed with workers that were gone, by what had befallen them last."""

    longest: dict[str, float] = field(factory=dict[str, float])
    """Seconds, by fault; without those in which no worker was there, or the database was away."""
    _faults: dict[int, str] = field(factory=dict[int, str])
    _away: set[int] = field(factory=set[int])
    _waited: dict[str, float] = field(factory=dict[str, float])

    @contextmanager
    def befalling(self, fault: str, workers: Iterable[Worker], *, away: bool) -> Generator[None]:
        """Note what befalls workers until the end of the block, and whether they are away meanwhile."""
        pids = {worker.process.pid for worker in workers if worker.process is not None}
        self._faults |= dict.fromkeys(pids, fault)
        self._away |= pids if away else set()
        try:
            yield
        finally:
            self._away -= pids

    @contextmanager
    def watching(self, team: Fleet) -> Generator[None]:
        """Watch the workers of a run until the end of the block."""
        ended = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            watching = pool.submit(self._watch, team, ended)
            try:
                yield
            finally:
                ended.set()
        watching.result()

    def _watch(self, team: Fleet, ended: threading.Event) -> None:
        self._waited.clear()
        with team.site.store.entered():
            while not ended.is_set():
                with suppress(psycopg.OperationalError), psycopg.connect(team.site.url, autocommit=True) as connection:
                    self._ask(connection, team, ended)
                ended.wait(PAUSE)

    def _ask(self, connection: psycopg.Connection[tuple[Any, ...]], team: Fleet, ended: threading.Event) -> None:
        asked = time.monotonic()
        while not ended.wait(PAUSE):
            owners = connection.execute(UNDER_WAY.encode(), [team.order.name]).fetchall()
            before, asked = asked, time.monotonic()
            self._add(asked - before, team, owners)

    def __str__(self) -> str:
        return ", ".join(f"{seconds:.1f} s after {fault}" for fault, seconds in sorted(self.longest.items()))

    def _add(self, seconds: float, team: Fleet, owners: Sequence[tuple[str, bool, bool]]) -> None:
        """Count some seconds in which this was so."""
        at_work = {
            worker.process.pid
            for worker in team.workers
            if worker.process is not None and worker.process.poll() is None
        } - self._away
        is_there = {name: valid and _pid(name) in at_work for name, valid, _ in owners}
        if not any(is_there.values()):
            return
        for name, _, has_rows in owners:
            if has_rows and not is_there[name]:
                self._waited[name] = waited = self._waited.get(name, 0.0) + seconds
                fault = self._faults.get(_pid(name), "none")
                self.longest[fault] = max(self.longest.get(fault, 0.0), waited)
            else:
                self._waited.pop(name, None)


def _pid(name: str) -> int:
    return int(name.rpartition(":")[2])
