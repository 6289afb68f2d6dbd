"""Ends sessions that stand still in a transaction whose owner's lease has ended, and so lets go of its locks.

Statements are sent as they come, and the server counts a session as idle only after a sync. A process that is frozen in
between keeps what its transaction has locked: its kernel goes on acknowledging what the server sends. So each
transaction holds a lock that names its owner, which is shared and which nobody waits for: an advisory one, by the
owner's number. Unlike the name of a session it ends with the transaction, whatever pooler stands between.
"""

from typing import Final

from generor_async.stores.postgres.database import Connection

__all__ = ["NAME_OWNER", "end_sessions"]

END_SECONDS: Final = 1.0
"""For how long to wait until a session has ended."""
NAME_OWNER: Final = "pg_advisory_xact_lock_shared(%s::bigint)"
"""Names an owner until the transaction's end."""
END_SESSIONS: Final = f"""
    SELECT pg_terminate_backend(session.pid, {END_SECONDS * 1000:.0f})
    FROM pg_catalog.pg_locks AS named
    JOIN generor.owners ON owners.owner = ((named.classid::bigint << 32) | named.objid::bigint)
    JOIN pg_catalog.pg_stat_activity AS session ON session.pid = named.pid
    JOIN pg_catalog.pg_roles AS held ON held.oid = session.usesysid
    WHERE named.locktype = 'advisory' AND named.objsubid = 1 AND session.datname = current_database()
        AND lease_until <= {{now}} AND session.wait_event_type = 'Client'
        AND (extract(epoch FROM clock_timestamp() - session.state_change) BETWEEN 0 AND lease) IS NOT TRUE
        AND pg_has_role(held.oid, 'USAGE') AND (NOT held.rolsuper OR current_setting('is_superuser')::boolean)
"""
"""Takes no lock that a transaction may hold. A session that works is left alone, also one that has got a statement in
its last lease, or is of a user whose sessions this one may not end."""


async def end_sessions(connection: Connection, now: str) -> None:
    """End sessions that have waited for their client for a lease, in a transaction of an owner whose lease has ended.

    Args:
        connection: It has no transaction under way.
        now: The time, which is SQL.
    """
    await connection.execute(END_SESSIONS.format(now=now).encode())
