"""Gives unknown rows the jobs that their calls have made, where only a log knows them: nothing is called again."""

from collections.abc import Collection, Mapping

from generor_async.batch.journal import To, open_journal, open_reader, place_of
from generor_async.batch.run_key import read_key
from generor_async.errors import InvalidRequestError
from generor_async.rules.adopted_jobs import refusal
from generor_async.rules.row_states import Accept
from generor_async.stores.ledger import Ledger
from generor_async.stores.records import CallRecord

__all__ = ["adopt_jobs"]


async def adopt_jobs(
    to: To, jobs: Mapping[str, Collection[str]], *, name: str | None = None, take_over: bool = False
) -> int:
    """Note the ids of jobs, or creations, that the calls of unknown rows have made; return how many rows were unknown.

    The next run of a folder, or the workers of a database, fetch the outputs. Rows that have these ids are left alone.

    Args:
        to: The folder, or the database.
        jobs: The ids by the row's id.
        name: The run's name in a database.
        take_over: Whether to use a folder that may be in use.

    Raises:
        InvalidRequestError: There is no such row, or it is not unknown; or these can't be the ids of its jobs, such as
            those of another row's. No row is changed.
    """
    place = place_of(to, name)
    reader = await open_reader(place)
    try:
        key = await read_key(reader)
    finally:
        await reader.close()
    assert key is not None
    journal = await open_journal(place, key=key, take_over=take_over)
    try:
        rows = await _unknown_rows(journal, jobs, api=key.api)
        for row in rows:
            await journal.accept(row, Accept(remote_ids=tuple(jobs[row.id])))
        if rows and place.lease is not None:
            await journal.write_note("ending", None)  # so that workers go on with it
        return len(rows)
    finally:
        await journal.close()


async def _unknown_rows(journal: Ledger, jobs: Mapping[str, Collection[str]], *, api: str) -> list[CallRecord]:
    """Return those of the rows that are unknown; raise InvalidRequestError for others that don't have the ids."""
    found, owners = dict[str, CallRecord](), dict[str, str]()
    wanted = {id_ for ids in jobs.values() for id_ in ids}
    async for row in journal.scan():
        if row.id in jobs:
            found[row.id] = row
        else:
            owners |= {id_: row.id for id_ in row.remote_ids if id_ in wanted}
    if missing := sorted(jobs.keys() - found.keys()):
        raise InvalidRequestError("job", f"there is no row {missing[0]!r}", advice="Give the ids that `export` shows")
    for row in found.values():
        if row.state in {"submitting", "leased"}:
            advice = "Wait until its worker's lease has ended, after which it is unknown"
            raise InvalidRequestError("job", f"{row.id!r} may be under way ({row.state})", advice=advice)
        if row.state != "unknown" and not set(jobs[row.id]) <= set(row.remote_ids):
            advice = "Leave it out: only rows whose outcome nobody knows can be given a job"
            raise InvalidRequestError("job", f"{row.id!r} is {row.state}", advice=advice)
    if (problem := refusal(jobs, api=api, owners=owners)) is not None:
        raise InvalidRequestError("job", problem, advice="Give each row the ids that its error names")
    return [row for row in found.values() if row.state == "unknown"]
