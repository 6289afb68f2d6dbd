"""A state whose disk is full: nothing is bought that can't be written down, and no paid id is lost."""

import logging
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from support.small_disk import full, run_on_small_disk

from generor_async import AsyncLuma, AttemptEnded, JournalError
from generor_async.simulator import Simulator


async def nothing_is_sent(disk: Path) -> None:
    async with Simulator(luma_rpm=10_000) as simulator:
        async with AsyncLuma(**simulator.luma_options, state=disk / "calls.sqlite") as luma:
            await luma.generations.create(prompt="a heron")
            with full(disk), pytest.raises(JournalError):
                await luma.generations.create(prompt="a heron")
            assert len(simulator.ledger.charges) == 1
            await luma.generations.create(prompt="a heron")
        assert len(simulator.ledger.charges) == 2


async def the_id_is_written_later(disk: Path) -> None:
    logged = list[str]()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logged.append(record.getMessage())

    logging.getLogger("generor_async").addHandler(Listener())
    async with Simulator(luma_rpm=10_000) as simulator:
        with ExitStack() as stack:

            def fill(event: Any) -> None:
                if isinstance(event, AttemptEnded):
                    stack.enter_context(full(disk))

            async with AsyncLuma(**simulator.luma_options, state=disk / "calls.sqlite", on_event=fill) as luma:
                made = await luma.generations.create(prompt="a heron")
                assert any(made.id in line for line in logged), "whoever reads the log can write it down"
                stack.close()
        with closing(sqlite3.connect(disk / "calls.sqlite")) as connection:
            found = list(connection.execute("SELECT state, remote_ids FROM calls"))
        assert found == [("accepted", f'["{made.id}"]')]


@pytest.mark.parametrize("program", [nothing_is_sent, the_id_is_written_later])
def test_on_a_full_disk(program: Any) -> None:
    run_on_small_disk(program, kilobytes=1_000)
