"""Keeps the leases of a ledger's owners, and takes over the calls of those whose lease has ended."""

import json
import os
import socket
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

from generor_async.errors import OutcomeUnknownError
from generor_async.rules.row_states import PAID_STATES, STATE_AFTER_CRASH
from generor_async.stores.ledger import LEASE_SECONDS
from generor_async.stores.records import TakenOver
from generor_async.stores.sqlite.owner_locks import has_died, is_held

__all__ = [
    "Taker",
    "Watch",
    "add_owner",
    "end",
    "end_dead",
    "end_others",
    "has_others",
    "prune_owners",
    "renew",
    "take_over",
]

INTERRUPTED_PROBLEM: Final = json.dumps(
    {
        "message": "the process ended before anybody could say what came of it<sent>",
        "error": OutcomeUnknownError.__name__,
    }
)
"""The problem of a call that its owner's end has interrupted."""
REQUEST_ID_NOTE: Final = " (its first request had the id "
"""Goes in the place of `<sent>` if a request may have been sent: the vendor can find it by this id."""
IS_ORPHAN: Final = """
    run = ? AND state = ? AND (owner IS NULL OR owner NOT IN (SELECT owner FROM owners WHERE lease_until > ?))
    AND owner IS NOT ? AND ifnull(owner NOT IN (SELECT value FROM json_each(?)), TRUE)
"""
IS_OF_PLACE: Final = "(? IS NULL OR EXISTS (SELECT 1 FROM inputs WHERE number = calls.number AND place = ?))"


def add_owner(connection: sqlite3.Connection, now: float, lock: str = "") -> int:
    """Add an owner with a lease from now on, and with the description of its lock; return its number."""
    (owner,) = connection.execute(
        "INSERT INTO owners (process, lease_until) VALUES (?, ?) RETURNING owner",
        (_process() + lock, now + LEASE_SECONDS),
    ).fetchone()
    return int(owner)


def renew(connection: sqlite3.Connection, owner: int, now: float, lock: str) -> None:
    """Renew an owner's lease, also if it ended and the owner was deleted since."""
    connection.execute(
        "INSERT INTO owners VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET lease_until = excluded.lease_until",
        (owner, _process() + lock, now + LEASE_SECONDS),
    )


def end(connection: sqlite3.Connection, owner: int) -> None:
    """End an owner's lease."""
    connection.execute("UPDATE owners SET lease_until = 0 WHERE owner = ?", (owner,))


def end_others(connection: sqlite3.Connection, owner: int) -> bool:
    """End the leases of all other owners; return whether one of them has not ended its own."""
    return (
        connection.execute("UPDATE owners SET lease_until = 0 WHERE owner <> ? AND lease_until > 0", (owner,)).rowcount
        > 0
    )


def end_dead(connection: sqlite3.Connection, path: Path, owner: int, now: float) -> None:
    """End the leases of those other owners whose locks show that they have died."""
    valid = connection.execute("SELECT owner, process FROM owners WHERE owner <> ? AND lease_until > ?", (owner, now))
    for other, process in valid.fetchall():
        if has_died(path, process):
            end(connection, other)


class Watch:
    """Tells, by its own clock alone, which owners renew leases that have ended by that clock: theirs is another."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[float, float]] = {}
        """Until when the lease of each lasts by its own clock, and since when by ours it has lasted so long."""

    def living(self, connection: sqlite3.Connection, path: Path, owner: int, now: float) -> list[int]:
        """Return the other owners whose lease has ended, and who hold their lock and may have renewed it since."""
        query = (
            "SELECT owner, process, lease_until FROM owners WHERE owner <> ? AND lease_until > 0 AND lease_until <= ?"
        )
        ended = connection.execute(query, (owner, now)).fetchall()
        held = {other: until for other, process, until in ended if is_held(path, process)}
        before = self._seen
        self._seen = {
            other: before[other] if other in before and before[other][0] == until else (until, now)
            for other, until in held.items()
        }
        return [other for other, (_, since) in self._seen.items() if now - since < LEASE_SECONDS]


@frozen(kw_only=True)
class Taker:
    """Who takes over calls."""

    run: str
    owner: int
    now: float
    spared: Sequence[int] = ()
    """Owners whose calls are left to them, though their lease has ended."""


def take_over(connection: sqlite3.Connection, taker: Taker, *, resume: bool, place: str | None) -> TakenOver:
    """Take over the run's calls of owners whose lease has ended, accepted ones only to `resume` those of a place.

    A lease that ends later than any that was just renewed was begun before the clock was set back: it ends within
    LEASE_SECONDS, unless it is renewed.
    """
    run, owner, now, spared = taker.run, taker.owner, taker.now, json.dumps(list(taker.spared))
    latest = now + LEASE_SECONDS
    connection.execute("UPDATE owners SET lease_until = ? WHERE lease_until > ?", (latest, latest))
    taken = dict[str, int]()
    for state, becomes in STATE_AFTER_CRASH.items():
        taken[becomes] = connection.execute(
            "UPDATE calls SET state = ?, owner = NULL,"
            f" problem = replace(?, '<sent>', ifnull(? || request_id || ')', '')) WHERE {IS_ORPHAN}",
            (becomes, INTERRUPTED_PROBLEM, REQUEST_ID_NOTE, run, state, now, owner, spared),
        ).rowcount
    resumed = 0
    for state in PAID_STATES if resume else ():
        resumed += connection.execute(
            f"UPDATE calls SET owner = ? WHERE {IS_ORPHAN} AND {IS_OF_PLACE}",
            (owner, run, state, now, owner, spared, place, place),
        ).rowcount
    return TakenOver(ready=taken["ready"], unknown=taken["unknown"], resumed=resumed)


def prune_owners(connection: sqlite3.Connection, owner: int, before: float) -> None:
    """Delete the other owners without calls whose lease ended before a moment."""
    connection.execute(
        "DELETE FROM owners WHERE lease_until < ? AND owner <> ?"
        " AND owner NOT IN (SELECT owner FROM calls WHERE owner IS NOT NULL)",
        (before, owner),
    )


def has_others(connection: sqlite3.Connection, owner: int, now: float) -> bool:
    """Tell whether any other owner's lease is valid."""
    query = "SELECT EXISTS (SELECT 1 FROM owners WHERE owner <> ? AND lease_until > ?)"
    ((found,),) = connection.execute(query, (owner, now))
    return bool(found)


def _process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
