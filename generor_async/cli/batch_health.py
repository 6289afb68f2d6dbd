"""`generor batch status --check`: whether a run is well, for probes."""

from pathlib import Path
from typing import Literal

from generor_async.batch.folder import LOCK
from generor_async.batch.folder_lock import FolderLock
from generor_async.batch.runs import RunInfo, list_runs, live_workers, read_run
from generor_async.batch.status import read_status
from generor_async.cli.batch_places import Place
from generor_async.cli.error_output import print_error
from generor_async.cli.exit_codes import PROBLEM, SOME_MISSING, exit_code
from generor_async.rules.stop_rules import StopReason

__all__ = ["check_health"]


async def check_health(place: Place) -> int:
    """Return the exit code for a run, or for the worst run of a database where none is named; say what is wrong."""
    if isinstance(place.to, Path):
        if FolderLock.is_held(place.to / LOCK):
            return 0
        status = await read_status(place.to, checks_storage=False)
        return _ended(str(place), status.reason, is_complete=status.is_complete)
    runs = await list_runs(place.url) if place.name is None else [await read_run(place.url, place.name)]
    return max([await _check_run(place, run) for run in runs], default=0)


async def _check_run(place: Place, run: RunInfo) -> int:
    if run.unfinished:
        if await live_workers(place.url, run.name):
            return 0
        print_error(f"{run.name} is unfinished, and no worker is at work on it")
        return PROBLEM
    status = await read_status(place.url, name=run.name, checks_storage=False)
    if run.is_stopped and not status.is_complete:
        print_error(f"{run.name} was stopped by `generor batch stop`, and not all rows are done")
        return SOME_MISSING
    return _ended(run.name, run.reason, is_complete=status.is_complete)


def _ended(what: str, reason: StopReason | Literal["stopped"] | None, *, is_complete: bool) -> int:
    """Return the exit code for a run that doesn't go on."""
    if is_complete:
        return 0
    if reason is None or reason == "stopped" or reason in {"done", "failed", "interrupted"}:
        print_error(f"{what} has ended, and not all rows are done")
        return SOME_MISSING
    print_error(f"{what} has stopped: {reason}")
    return exit_code(reason, begun=True, error=False)
