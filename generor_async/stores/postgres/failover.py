"""Goes on with a database that may lack what was committed: after a failover, or from a backup."""

from typing import Final

from generor_async.errors import OutcomeUnknownError
from generor_async.stores.postgres.identity import Identity
from generor_async.stores.postgres.memory import accept
from generor_async.stores.postgres.writer import Transaction
from generor_async.stores.steps import dump_json

__all__ = ["mark_lost_calls"]

PROBLEM: Final = dump_json(
    {
        "message": "the database was replaced by another server or an earlier state, which may lack what was paid for",
        "error": OutcomeUnknownError.__name__,
    }
)
SENT_LAST: Final = """
    SELECT coalesce(
        greatest((SELECT max(submitted_at) FROM generor.calls WHERE run = %s),
            (SELECT max(submitted_at) FROM generor.attempts WHERE run = %s)),
        (SELECT value::float8 FROM generor.notes WHERE run = %s AND name = 'began' AND value <> 'null')
    )
"""
"""When the last call was sent that the database knows of, or else when the run began."""
MARK_LOST: Final = """
    UPDATE generor.calls SET state = 'unknown', owner = NULL, problem = %s, error = %s, code = NULL
    WHERE run = %s AND number IN (
        SELECT number FROM generor.calls WHERE run = %s AND state IN ('ready', 'leased', 'submitting')
        ORDER BY number FOR UPDATE
    ) RETURNING number
"""
DATE_LOST: Final = """
    UPDATE generor.calls SET submitted_at = coalesce(submitted_at, %s),
        longest = longest + greatest(0, %s::float8 - coalesce(submitted_at, %s))
    WHERE run = %s AND number = ANY(%s::bigint[])
"""


async def mark_lost_calls(transaction: Transaction, *, run: int, identity: Identity, now: float | None) -> int:
    """Set calls to unknown that may have been made after the state that this database has; return how many.

    A call that was ready then may have been claimed, made and paid for since. One that was accepted is polled on, which
    costs nothing. With `now`, the calls are dated: they were made between the last one that is known here and now.
    """
    change = f"UPDATE generor.runs SET (system, timeline) = ({identity.query}) WHERE run = %s"
    await transaction.send(change, run)
    await accept(transaction, run)
    ((since,),) = await transaction.fetch(SENT_LAST, run, run, run)
    marked = await transaction.fetch(MARK_LOST, PROBLEM, OutcomeUnknownError.__name__, run, run)
    if now is not None and since is not None:
        await transaction.send(DATE_LOST, since, now, since, run, [number for (number,) in marked])
    return len(marked)
