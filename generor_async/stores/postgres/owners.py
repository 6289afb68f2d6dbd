"""Keeps the leases of a ledger's owners, and takes over the calls of those whose lease has ended.

The time is the database's; `now` is SQL that gives it.
"""

from typing import Final

from attrs import frozen

from generor_async.errors import OutcomeUnknownError
from generor_async.rules.row_states import PAID_STATES, STATE_AFTER_CRASH
from generor_async.stores.postgres.database import Connection
from generor_async.stores.postgres.sessions import end_sessions
from generor_async.stores.postgres.tables import SCHEMA
from generor_async.stores.postgres.writer import Owner, Transaction, process_name
from generor_async.stores.records import TakenOver
from generor_async.stores.steps import dump_json

__all__ = [
    "ADD_OWNER",
    "DATABASE_TIME",
    "RENEW",
    "Taker",
    "end",
    "end_others",
    "look",
    "prune_owners",
    "renewal",
    "take_over",
]

DATABASE_TIME: Final = "extract(epoch FROM clock_timestamp())::float8"
"""The database's time, in seconds since the epoch."""
INTERRUPTED: Final = "the process ended before anybody could say what came of it"
ADD_OWNER: Final = """
    INSERT INTO generor.owners (owner, run, process, version, lease, lease_until)
    VALUES (%s, %s, %s, %s, %s, {now} + %s)
"""
RENEW: Final = """
    INSERT INTO generor.owners (owner, run, process, version, lease, lease_until)
    VALUES (%s, %s, %s, %s, %s, {now} + %s)
    ON CONFLICT (owner) DO UPDATE SET lease_until = excluded.lease_until
"""
SHORTEN: Final = """
    UPDATE generor.owners SET lease_until = {now} + lease WHERE owner IN (
        SELECT owner FROM generor.owners WHERE lease_until > {now} + lease FOR UPDATE SKIP LOCKED
    )
"""
"""A lease that ends later than any that was just renewed was begun before the clock was set back."""
FIND_ORPHANS: Final = """
    SELECT number, state, request_id FROM generor.calls
    WHERE run = %s AND (
            state = ANY(%s::text[])
            OR (state = ANY(%s::text[]) AND (%s::text IS NULL OR EXISTS (
                SELECT 1 FROM generor.inputs
                WHERE inputs.run = calls.run AND inputs.number = calls.number AND inputs.place = %s
            )))
        )
        AND owner IS DISTINCT FROM %s
        AND NOT EXISTS (SELECT 1 FROM generor.owners WHERE owners.owner = calls.owner AND lease_until > {now})
    ORDER BY number FOR UPDATE OF calls SKIP LOCKED
"""
END_ORPHANS: Final = """
    UPDATE generor.calls AS known
    SET state = given.state, owner = NULL, problem = given.problem, error = %s, code = NULL
    FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS given (number, state, problem)
    WHERE known.run = %s AND known.number = given.number
"""
PRUNE: Final = """
    WITH gone AS (
        DELETE FROM generor.owners WHERE lease_until < {before} AND owner <> %s
            AND NOT EXISTS (SELECT 1 FROM generor.calls WHERE calls.owner = owners.owner) RETURNING owner
    ) DELETE FROM generor.commits USING gone WHERE commits.owner = gone.owner
"""


def renewal(owner: Owner, now: str) -> tuple[str, tuple[object, ...]]:
    """Return the statement that renews a lease, also if it ended and its owner was deleted, and its arguments."""
    given = owner.number, owner.run, process_name(), SCHEMA, owner.lease, owner.lease
    return RENEW.format(now=now), given


async def look(connection: Connection, now: str) -> None:
    """Look at owners before their calls are taken over: end sessions that keep calls of some locked.

    A lease that was begun before the clock was set back ends within its length, unless it is renewed. Each statement is
    a transaction of its own: whoever is frozen here keeps nobody from renewing a lease.
    """
    await connection.execute(SHORTEN.format(now=now).encode())
    await end_sessions(connection, now)


async def end(transaction: Transaction, owner: int) -> None:
    """End an owner's lease."""
    await transaction.send("UPDATE generor.owners SET lease_until = 0 WHERE owner = %s", owner)


async def end_others(transaction: Transaction, owner: int) -> None:
    """End the leases of all other owners."""
    await transaction.send("UPDATE generor.owners SET lease_until = 0 WHERE owner <> %s AND lease_until > 0", owner)


@frozen(kw_only=True)
class Taker:
    """Who takes over calls."""

    run: int
    owner: int
    now: str
    """The time, which is SQL."""


async def take_over(transaction: Transaction, taker: Taker, *, resume: bool, place: str | None) -> TakenOver:
    """Take over the run's calls of owners whose lease has ended, accepted ones only to `resume` those of a place."""
    run, owner, now = taker.run, taker.owner, taker.now
    paid = list(PAID_STATES) if resume else []
    found = await transaction.fetch(FIND_ORPHANS.format(now=now), run, [*STATE_AFTER_CRASH], paid, place, place, owner)
    ended = [
        (number, STATE_AFTER_CRASH[state], _problem(sent)) for number, state, sent in found if state not in PAID_STATES
    ]
    resumed = [number for number, state, _ in found if state in PAID_STATES]
    if ended:
        numbers, after, problems = map(list, zip(*ended, strict=True))
        await transaction.send(END_ORPHANS, OutcomeUnknownError.__name__, numbers, after, problems, run)
    if resumed:
        change = "UPDATE generor.calls SET owner = %s WHERE run = %s AND number = ANY(%s::bigint[])"
        await transaction.send(change, owner, run, resumed)
    states_after = [state for _, state, _ in ended]
    return TakenOver(ready=states_after.count("ready"), unknown=states_after.count("unknown"), resumed=len(resumed))


def _problem(request_id: str | None) -> str:
    """Return the problem of an interrupted call; the vendor can find a request by its id."""
    sent = f" (its first request had the id {request_id})" if request_id else ""
    return dump_json({"message": f"{INTERRUPTED}{sent}", "error": OutcomeUnknownError.__name__})


async def prune_owners(transaction: Transaction, owner: int, before: str) -> None:
    """Delete the other owners without calls whose lease ended before a moment, which is SQL."""
    await transaction.send(PRUNE.format(before=before), owner)
