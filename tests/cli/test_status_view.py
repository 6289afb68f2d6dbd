"""The state of a batch's rows, as the command prints it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from attrs import evolve

from generor_async import AsyncLuma, run_batch
from generor_async.batch.status import Status, read_status
from generor_async.batch.unresolved import Unresolved
from generor_async.cli.batch_options import OutputOptions
from generor_async.cli.batch_places import Place
from generor_async.cli.status_view import print_status
from generor_async.simulator import Simulator
from generor_async.testing import run

NOON = datetime(2026, 2, 20, 12, tzinfo=UTC)


def status(folder: Path) -> Status:
    """Run a batch of one row, and return its status."""

    async def main() -> Status:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            async for _ in run_batch(luma, [{"prompt": "a heron"}], to=folder):
                pass
        return await read_status(folder)

    return run(main())


def test_unknown_rows_are_listed_with_reason_and_end_of_the_wait(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    under_way = "its call may still be under way"
    first = Unresolved(id="a", place="rows:1", why=under_way, until=NOON)
    second = Unresolved(id="b", place="rows:2", why=under_way, until=NOON.replace(minute=5))
    given_up = Unresolved(id="c", place="rows:3", why="nobody can tell\x1b[31m", until=None)
    print_status(evolve(status(tmp_path), doubts=(first, second, given_up)), Place(tmp_path), OutputOptions())
    told = capsys.readouterr()
    assert json.loads(told.out)["unknown"] == [
        {"id": "a", "place": "rows:1", "why": under_way, "until": "2026-02-20T12:00:00+00:00"},
        {"id": "b", "place": "rows:2", "why": under_way, "until": "2026-02-20T12:05:00+00:00"},
        {"id": "c", "place": "rows:3", "why": "nobody can tell\x1b[31m", "until": None},
    ]
    here = NOON.replace(minute=5).astimezone()
    assert told.err.splitlines() == [
        f"2 unknown: {under_way} (until {here:%Y-%m-%d %H:%M:%S %Z})",
        "1 unknown: nobody can tell\\x1b[31m",
    ]
