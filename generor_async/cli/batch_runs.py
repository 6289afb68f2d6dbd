"""`generor batch stop`, `resume`, `delete` and `migrate`: runs in a database, and its tables."""

import asyncio
import sys
from collections.abc import Mapping
from typing import Annotated

import typer

from generor_async.batch.runs import (
    RunInfo,
    delete_run,
    live_workers,
    not_deleted,
    read_run,
    resume_clients,
    resume_run,
    stop_run,
)
from generor_async.batch.runs import migrate as migrate_ledger
from generor_async.batch.status import read_status
from generor_async.cli.batch_options import OutputOptions, QuietOption, print_note
from generor_async.cli.batch_places import (
    DatabaseArgument,
    NameOption,
    Place,
    choose_run,
    database_url,
)
from generor_async.cli.batch_queue import end_shifts, queue_url, wake
from generor_async.cli.confirmation import DeclinedError, confirm
from generor_async.cli.error_output import exit_with, run_and_exit
from generor_async.cli.exit_codes import INTERRUPTED, SIGNAL_BASE
from generor_async.cli.extras import need_extra
from generor_async.cli.signals import SignalledError, unless_signalled
from generor_async.rules.row_states import PAID_STATES, RowState

__all__ = ["delete", "migrate", "resume", "stop"]


def stop(
    url: DatabaseArgument = None,
    name: NameOption = None,
    now: Annotated[
        bool,
        typer.Option("--now", help="Don't wait for jobs that the API has accepted either: `resume` fetches them."),
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Have all workers stop a run; `resume` goes on with it.

    They make no new call. What is paid for they fetch: they wait for jobs that the API has accepted, store the outputs,
    and leave the run then. With --now they wait for answers to calls under way alone, at most their --drain seconds.
    """
    place = Place(database_url(url), name, is_given=url is not None)

    async def main() -> int:
        chosen, output = await choose_run(place), OutputOptions(quiet=quiet)
        run = await read_run(chosen.url, chosen.run)
        if not run.has_open_rows:
            typer.echo(f"{chosen} {await _end_of(chosen)}: there is nothing to stop")
            return 0
        await _stop(chosen, output, at_once=now)
        typer.echo(f"{chosen} is stopped: `{chosen.command('resume')}` goes on with it")
        if paid := _paid(await _counts(chosen)):
            fetched = "`resume` fetches the outputs" if now else "workers fetch the outputs before they leave the run"
            output.note(f"{paid:,} paid {'row is' if paid == 1 else 'rows are'} under way: {fetched}")
        return 0

    run_and_exit(main())


def resume(
    url: DatabaseArgument = None,
    name: NameOption = None,
    after_failover: Annotated[
        bool,
        typer.Option(
            "--after-failover",
            help="Accept that the database is another one than before, after a failover or from a backup: rows that"
            " may have been bought in what was lost become unknown.",
        ),
    ] = False,
    clients: Annotated[
        bool,
        typer.Option(
            "--clients",
            help="With --after-failover: not for a run, but for the calls of clients whose `state` is this database.",
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="With --after-failover: also where nothing shows that the database has changed, as nothing does if a"
            " dump was loaded into the same server.",
        ),
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Go on with a run that stopped: by `stop`, at the cap, for lack of credits, or by another problem."""
    place = Place(database_url(url), name, is_given=url is not None)
    if (clients or force) and not after_failover:
        raise typer.BadParameter(f"{'--clients' if clients else '--force'} goes with --after-failover alone")
    if clients and name is not None:
        raise typer.BadParameter("--clients is for calls that belong to no run: leave out --name")

    async def main() -> int:
        if clients:
            lost = await resume_clients(place.url, even_unchanged=force)
            calls = "1 call may have been lost, and is" if lost == 1 else f"{lost:,} calls may have been lost, and are"
            typer.echo(f"clients go on with {place}" + (f"; {calls} unknown" if lost else ""))
            return 0
        chosen = await choose_run(place)
        lost = await resume_run(chosen.url, chosen.run, after_failover=after_failover, even_unchanged=force)
        run = await read_run(chosen.url, chosen.run)
        goes_on = "goes on" if run.has_open_rows else f"{await _end_of(chosen)}: no row is left to run"
        rows = "1 row may have been lost, and is" if lost == 1 else f"{lost:,} rows may have been lost, and are"
        typer.echo(f"{chosen} {goes_on}" + (f"; {rows} unknown" if lost else ""))
        await wake(chosen, OutputOptions(quiet=quiet))
        return 0

    run_and_exit(main())


def delete(
    name: Annotated[str, typer.Option(help="The run's name.")],
    url: DatabaseArgument = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete it without being asked first.")] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Give up rows that are paid for and not fetched yet, or that may have been paid for."
        ),
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Delete a run, with all that the database has of it; the outputs stay in their storage.

    A run that is unfinished is stopped first, and its workers fetch what is paid for. If rows are paid for and nobody
    is there to fetch their outputs, or if rows are unknown, nothing is deleted without --force. What the run has bought
    would be bought again by a run of the same rows.
    """
    place = Place(database_url(url), name, is_given=url is not None)

    async def main() -> int:
        run, output = await read_run(place.url, place.run), OutputOptions(quiet=quiet)
        if not force:
            await _check_deletable(place)
        if not (yes or sys.stdin.isatty()):
            raise typer.BadParameter("this deletes what was paid for from the journal: confirm with --yes")
        if not yes:
            try:
                confirm(f"Delete {place}{', which is unfinished' if run.unfinished else ''}?")
            except DeclinedError:
                raise exit_with("nothing was deleted", INTERRUPTED) from None
        try:
            await unless_signalled(_end_work(run, place, output, even_paid=force))
        except SignalledError as error:
            ended = f"nothing was deleted; `{place.command('status')}` shows how the run is"
            raise exit_with(ended, SIGNAL_BASE + error.number) from None
        counts = await _counts(place)
        await delete_run(place.url, place.run, even_paid=force)
        if paid := _paid(counts):
            rows = "1 row that is" if paid == 1 else f"{paid:,} rows that are"
            print_note(f"the outputs of {rows} paid for are given up")
        if unknown := _in_doubt(counts):
            rows = "1 row" if unknown == 1 else f"{unknown:,} rows"
            print_note(f"given up: {rows} that may have been paid for")
        typer.echo(f"{place} is deleted")
        return 0

    run_and_exit(main())


def migrate(
    url: DatabaseArgument = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until workers of older versions have ended, where it would break them.")
    ] = False,
) -> None:
    """Create the tables in a database, or bring them up to this version; run it before the workers of a new version.

    Most changes leave older workers working. One that would not is refused while they are at work, and names them.
    """
    ledger = database_url(url)
    need_extra("cluster", "procrastinate", "psycopg")

    async def main() -> int:
        from generor_async.fleet.migrations import prepare_queue  # noqa: PLC0415 - it comes with an extra

        await migrate_ledger(ledger, wait=wait, tell=print_note)
        await prepare_queue(queue_url(ledger), wait=wait, tell=print_note)
        typer.echo("the tables are up to date")
        return 0

    run_and_exit(main())


async def _stop(place: Place, output: OutputOptions, *, at_once: bool) -> None:
    """Note that a run is stopped, and tell the workers."""
    await stop_run(place.url, place.run, at_once=at_once)
    await end_shifts(place, output)


async def _end_work(run: RunInfo, place: Place, output: OutputOptions, *, even_paid: bool) -> None:
    """Stop a run, and wait until no worker is at work on it."""
    if run.has_open_rows:
        await _stop(place, output, at_once=even_paid)
    what, said = "to end" if even_paid else "to fetch what is paid for, and end", ""
    while workers := await live_workers(place.url, place.run):
        names = ", ".join(worker.process for worker in workers)
        if names != said:
            output.note(f"waiting for workers {what}: {names}")
            said = names
        await asyncio.sleep(1.0)


async def _check_deletable(place: Place) -> None:
    """Raise InvalidRequestError for a run with rows that nobody is there to fetch, or that may have been paid for."""
    counts = await _counts(place)
    if await live_workers(place.url, place.run):
        if counts.get("unknown"):
            raise not_deleted(str(place), paid=0, unknown=counts["unknown"])
    elif (paid := _paid(counts)) + (unknown := _in_doubt(counts)):
        raise not_deleted(str(place), paid=paid, unknown=unknown)


async def _counts(place: Place) -> Mapping[RowState, int]:
    return (await read_status(place.url, name=place.run, checks_storage=False)).counts


def _paid(counts: Mapping[RowState, int]) -> int:
    """Return how many rows are paid for and have no result yet."""
    return sum(counts.get(state, 0) for state in PAID_STATES)


def _in_doubt(counts: Mapping[RowState, int]) -> int:
    """Return how many rows may have been paid for, where no worker is left that could tell."""
    return counts.get("submitting", 0) + counts.get("unknown", 0)


async def _end_of(place: Place) -> str:
    """Return how a run has ended that has no row left to run."""
    status = await read_status(place.url, name=place.run, checks_storage=False)
    return "is complete" if status.is_complete else "has ended"
