"""Compares what a server made with what a batch's folder says."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from generor_async.batch.journal import open_reader
from generor_async.simulator import Simulator
from generor_async.stores.records import CallRecord

__all__ = ["check", "made", "rows_of"]


def made(simulator: Simulator) -> dict[str, list[str]]:
    """Return the ids of what either API made, by prompt."""
    found = defaultdict[str, list[str]](list)
    for job in simulator.luma.generations.values():
        found[job.request.prompt].append(job.id)
    for creation in simulator.generor.account.creations:
        found[creation.prompt].append(str(creation.creation_id))
    return found


def rows_of(folder: Path) -> list[CallRecord]:
    """Return all rows of a folder's journal."""

    async def look() -> list[CallRecord]:
        reader = await open_reader(folder)
        try:
            return [row async for row in reader.scan()]
        finally:
            await reader.close()

    return asyncio.run(look())


def check(folder: Path, count: int, everything: Mapping[str, Sequence[str]]) -> list[CallRecord]:
    """Check an ended batch against what the server made, and return its rows."""
    rows = rows_of(folder)
    assert len(rows) == count
    told = {line["id"]: line for line in map(json.loads, (folder / "results.jsonl").read_text().splitlines())}
    for row in rows:
        prompt = str(row.parameters["prompt"])
        ids = everything.get(prompt, [])
        assert len(ids) <= 1, f"{prompt} was charged {len(ids)} times"
        if row.state == "done":
            assert list(row.remote_ids) == list(ids) == told[row.id]["remote_ids"]
            assert told[row.id]["files"]
            assert all((folder / name).stat().st_size for name in told[row.id]["files"])
        elif row.state == "failed":
            assert "[[moderate]]" in prompt
        else:
            problem: Any = row.problem
            assert (row.state, problem["error"]) == ("unknown", "OutcomeUnknownError")
            assert problem["message"]
    assert len(told) == sum(row.state == "done" for row in rows)
    return rows
