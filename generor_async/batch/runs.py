"""Runs in a database by their names: what they are for, and how to go on with one that was stopped."""

import math
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

from attrs import frozen

from generor_async.batch.database_place import DatabasePlace
from generor_async.batch.journal import open_journal, open_reader
from generor_async.batch.run_key import RunKey, read_key
from generor_async.engine import auth
from generor_async.engine.clock import REAL_CLOCK
from generor_async.engine.state.opened import RULES
from generor_async.errors import InvalidRequestError
from generor_async.rules import arguments
from generor_async.rules.database_urls import without_password
from generor_async.rules.stop_rules import StopReason
from generor_async.rules.vendors import GENEROR
from generor_async.stores import opening
from generor_async.stores.ledger import NO_RUN, Ledger, OlderWorkersError, UnusableLedgerError
from generor_async.stores.opening import go_on_after_failover, was_replaced
from generor_async.stores.records import LiveOwner, StoredRun
from generor_async.values import is_object

__all__ = [
    "RunInfo",
    "delete_run",
    "list_runs",
    "live_workers",
    "migrate",
    "not_deleted",
    "read_run",
    "resume_clients",
    "resume_run",
    "stop_run",
]

T = TypeVar("T")

STOPPED_NOTE: Final = "stopped"
"""Name of the note that somebody has stopped a run; it is true, or AT_ONCE."""
AT_ONCE: Final = "now"
"""The note's value where nobody is to fetch what is paid for before the run goes on."""
NOTES: Final = ("key", "ending", "began", STOPPED_NOTE)
"""Names of the notes that tell of a run."""
STOPPED: Final[frozenset[StopReason]] = frozenset({"cap", "credits", "database"})
"""Reasons for which a run stays stopped until somebody does something about it. A key is one machine's alone."""


@frozen(kw_only=True)
class RunInfo:
    """A run in a database."""

    name: str
    key: RunKey
    reason: StopReason | None
    """Why it ended last; None while it goes on, and before it begins."""
    unfinished: bool
    """Whether it has rows that a shift could work on, and isn't stopped."""
    created: float | None
    """When its first rows were submitted, in seconds since the epoch."""
    has_open_rows: bool
    """Whether any of its rows has not ended."""
    is_stopped: bool = False
    """Whether somebody has stopped it."""
    needs_fetch: bool = False
    """Whether it is stopped and has rows that are paid for, or may be, and that workers are to end nevertheless."""

    @property
    def wants_shifts(self) -> bool:
        """Whether there is anything to do for a shift."""
        return self.unfinished or self.needs_fetch

    @property
    def api(self) -> str:
        """The API, `luma` or `generor`."""
        return self.key.api

    @property
    def simulated(self) -> bool:
        """Whether a simulator is asked."""
        return self.key.is_simulated


async def read_run(url: str, name: str) -> RunInfo:
    """Return what a run is for, and how far it is; raises InvalidRequestError if there is none."""
    place = DatabasePlace.of(url, name, None)
    for run in await list_runs(url):
        if run.name == place.name:
            return run
    raise place.nothing()


async def list_runs(url: str) -> Sequence[RunInfo]:
    """Return the runs of a database, in the order in which they were begun.

    Raises:
        InvalidRequestError: The database can't be read.
    """
    url = auth.masked_texts(url)
    found = await _of_database(opening.list_runs(url, NOTES))
    return [_run_info(run) for run in found if run.notes.get("key") is not None]


def _run_info(run: StoredRun) -> RunInfo:
    key, reason, created, stopped = (run.notes.get(name) for name in NOTES)
    assert is_object(key)
    known: Any = {"reason": reason, "created": created}
    may_go_on = reason not in STOPPED and not stopped
    return RunInfo(
        name=run.name,
        key=RunKey(**key),
        unfinished=run.has_open_calls and may_go_on,
        has_open_rows=run.has_open_calls,
        is_stopped=bool(stopped),
        needs_fetch=run.has_sent_calls and bool(stopped) and stopped != AT_ONCE and reason != "database",
        **known,
    )


async def live_workers(url: str, name: str) -> Sequence[LiveOwner]:
    """Return the processes that are at work on a run, and for how long their leases last.

    Raises:
        InvalidRequestError: The database can't be read.
    """
    url = auth.masked_texts(url)
    return await _of_database(opening.live_owners(url, name))


async def stop_run(url: str, name: str, *, at_once: bool = False) -> None:
    """Have all shifts of a run make no new call, until `resume_run`; they fetch what is paid for, and end.

    Each reads this within a third of its lease.

    Args:
        url: The database.
        name: The run.
        at_once: Whether shifts end when calls under way are answered, and leave accepted jobs to `resume_run`.

    Raises:
        InvalidRequestError: There is no such run, or the database can't be written to.
    """
    url = auth.masked_texts(url)
    await read_run(url, name)
    await _of_database(opening.write_run_note(url, name, STOPPED_NOTE, AT_ONCE if at_once else True))


async def delete_run(url: str, name: str, *, even_paid: bool = False) -> None:
    """Delete a run with all that the database has of it; outputs stay in their storage.

    Args:
        url: The database.
        name: The run.
        even_paid: Whether to give up the outputs of rows that are paid for and have no result yet, and rows that may
            have been paid for.

    Raises:
        InvalidRequestError: There is no such run, somebody is at work on it, it has such rows, or the database can't be
            written to.
    """
    place = DatabasePlace.of(url, name, None)
    await read_run(place.url, name)
    in_use = await _of_database(opening.delete_run(place.url, name, [place.account], even_paid=even_paid))
    if in_use is None:
        return
    if in_use.owners:
        names = ", ".join(worker.process for worker in in_use.owners)
        raise InvalidRequestError(
            "name", f"{place} can't be deleted while somebody is at work on it: {names}", advice="Stop it first"
        )
    raise not_deleted(str(place), paid=in_use.paid, unknown=in_use.unknown)


def not_deleted(what: str, *, paid: int, unknown: int) -> InvalidRequestError:
    """Return the error for a run with rows that are paid for and not fetched, or that may have been paid for."""
    problems, advice = list[str](), list[str]()
    if paid:
        rows = "1 row is" if paid == 1 else f"{paid:,} rows are"
        problems.append(f"{rows} paid for, and nobody has fetched the outputs")
        advice.append("Have a worker fetch them (`generor batch stop` lets it do that and no more)")
    if unknown:
        rows = "1 row" if unknown == 1 else f"{unknown:,} rows"
        problems.append(f"{rows} may have been paid for, and nobody knows")
        advice.append("See in `generor batch status` what unknown rows wait for, and `export` what is known of them")
    advice.append("Or give them up (even_paid=True, --force)")
    return InvalidRequestError("name", f"{what} isn't deleted: {'; '.join(problems)}", advice=". ".join(advice))


async def migrate(url: str, *, wait: bool = False, tell: Callable[[str], object] = lambda _: None) -> None:
    """Create the tables of a database, or bring them to this package's version.

    Args:
        url: The database.
        wait: Whether to wait for the end of older workers where a change would break them.
        tell: Is told whom it waits for.

    Raises:
        InvalidRequestError: Older workers, which it names, are at work; or the tables can't be changed, or are newer.
    """
    url = auth.masked_texts(url)
    try:
        await _of_database(opening.migrate_tables(url, wait=0.0))
    except InvalidRequestError as error:
        if not (wait and isinstance(error.__context__, OlderWorkersError)):
            raise
        tell(f"waiting: {error.problem}")
        await _of_database(opening.migrate_tables(url, wait=math.inf))


async def _of_database(asked: Coroutine[Any, Any, T]) -> T:
    """Return what a database answers; raise InvalidRequestError where it can't be used."""
    try:
        return await asked
    except UnusableLedgerError as error:
        advice = error.advice or "Give the URL of another database"
        raise InvalidRequestError("to", error.problem, advice=advice) from None


async def resume_run(url: str, name: str, *, after_failover: bool = False, even_unchanged: bool = False) -> int:
    """Let workers go on with a run that was stopped.

    After a failover, or from a backup, a database may lack what was paid for last, and the run stops with the reason
    `database`. With `after_failover`, it goes on: every row that isn't known to have been paid for may have been since,
    and becomes `unknown`. Generor's account shows which of them were bought: workers settle them by it within about
    twenty minutes. Luma lists nothing: `retry` makes those rows ready.

    Args:
        url: The database, such as `postgresql://host/app`.
        name: The run.
        after_failover: Whether to accept the database as it is now.
        even_unchanged: Whether to do that also where the database is the one that the run was written to, since a dump
            was loaded into it, which nobody could notice.

    Returns:
        How many rows have become unknown.

    Raises:
        InvalidRequestError: There is no such run; or nothing shows that the database is another one, and it is to be
            accepted. Nothing is changed.
        DatabaseChangedError: The database is another one, and isn't to be accepted. Nothing is changed.
        JournalError: The database can't be reached.
    """
    place = DatabasePlace.of(auth.masked_texts(url), name, None)
    arguments.boolean(after_failover, "after_failover")
    arguments.boolean(even_unchanged, "even_unchanged")
    reader = await open_reader(place)
    try:
        key = await read_key(reader)
    finally:
        await reader.close()
    assert key is not None
    journal = await open_journal(place, key=key)
    try:
        lost = 0
        if after_failover:
            now = REAL_CLOCK.time() if key.api == GENEROR.name else None  # whose account lists what was bought
            is_stopped = await journal.read_note("ending") == "database"
            lost = await _accept_database(journal, str(place), now, even_unchanged=even_unchanged or is_stopped)
        elif await was_replaced(journal) and (problem := journal.problem()) is not None:
            raise problem
        await journal.write_note("ending", None)
        await journal.write_note(STOPPED_NOTE, None)
        return lost
    finally:
        await journal.close()


async def resume_clients(url: str, *, even_unchanged: bool = False) -> int:
    """Accept a database as it is for the calls of clients that have it as their `state`, after a failover.

    Calls that it has as not made yet may have been paid for since, and become unknown. Of those that were begun in what
    was lost nobody knows: what is called again with their idempotency key is paid for again.

    Args:
        url: The database, such as `postgresql://host/app`.
        even_unchanged: As of `resume_run`.

    Returns:
        How many calls have become unknown.

    Raises:
        InvalidRequestError: No client has kept calls there, or the database is the one that they were written to.
        JournalError: The database can't be reached.
    """
    url = auth.masked_texts(url)
    what = f"the state of clients in {without_password(url)}"
    reader = await _of_database(opening.open_reader(url, run=NO_RUN))
    if reader is None:
        raise InvalidRequestError("to", f"there is no {what.removeprefix('the ')}", advice="Correct the URL")
    await reader.close()
    ledger = await _of_database(opening.open_ledger(url, run=NO_RUN, rules=RULES))
    try:
        return await _accept_database(ledger, what, REAL_CLOCK.time(), even_unchanged=even_unchanged)
    finally:
        await ledger.close()


async def _accept_database(ledger: Ledger, what: str, now: float | None, *, even_unchanged: bool) -> int:
    """Go on with the database of a ledger as it is; return how many calls are unknown, as they may have been paid for.

    Raises InvalidRequestError where nothing shows that it has changed: what is known not to be paid for stays so then.
    """
    if not even_unchanged and not await was_replaced(ledger):
        raise InvalidRequestError(
            "after_failover",
            f"{what} is in the database that it was written to, and nothing shows that anything was lost",
            advice="Leave it out; if a dump was loaded into this server, which nobody can notice, insist"
            " (even_unchanged=True, --force)",
        )
    return await go_on_after_failover(ledger, now=now)
