"""`generor batch worker`: work for the runs in a database, on as many machines as there are workers."""

import asyncio
import logging
from typing import Annotated, Final

import typer

from generor_async.batch.database_place import LEASE
from generor_async.batch.runs import list_runs, read_run
from generor_async.batch.shift import work_shift
from generor_async.cli.batch_options import OutputOptions, QuietOption
from generor_async.cli.batch_places import DatabaseArgument, database_url, shared_limits_url
from generor_async.cli.batch_queue import queue_url
from generor_async.cli.clients import open_client
from generor_async.cli.error_output import print_error, run_and_exit
from generor_async.cli.exit_codes import SIGNAL_BASE
from generor_async.cli.extras import need_extra
from generor_async.cli.signals import handle_signals
from generor_async.rules.database_urls import without_password

__all__ = ["worker"]

DRAIN_SECONDS: Final = 25.0
"""Seconds for which calls under way are waited for; Kubernetes kills after 30."""


def worker(
    url: DatabaseArgument = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Rows in work at once, of each run.", show_default="as the limits allow")
    ] = None,
    drain: Annotated[
        float, typer.Option(min=0.0, help="Seconds for which a signal waits for answers of calls under way.")
    ] = DRAIN_SECONDS,
    lease: Annotated[
        float,
        typer.Option(min=1.0, help="Seconds for which it may be cut off before others take its rows over."),
    ] = LEASE,
    quiet: QuietOption = False,
) -> None:
    """Work for all runs in a database, with the other workers, until SIGTERM or Ctrl-C.

    A signal ends the worker with exit code 0 once the calls under way are answered, at most --drain seconds; other
    workers go on with jobs that the API has accepted. A second signal ends it at once. A worker that is killed leaves
    its rows to the others, who take them over when its lease ends.

    The keys of the APIs are this machine's: LUMA_AGENTS_API_KEY, GENEROR_API_KEY. Workers of one key share its limits
    in Redis, if GENEROR_REDIS_URL says where, or else in the database.
    """
    ledger = database_url(url)
    limits = shared_limits_url(ledger)
    need_extra("cluster", "procrastinate", "psycopg")

    async def work(run: str, look: asyncio.Event) -> str:
        known = await read_run(ledger, run)
        async with open_client(known.api, limits_at=limits) as client:
            end = await work_shift(
                client, ledger, run, concurrency=concurrency, drain=drain, on_row=None, lease=lease, look=look
            )
        return f"{end.reason}; {end.done:,} done, {end.failed:,} failed, {end.unknown:,} unknown here"

    async def unfinished() -> list[str]:
        return [run.name for run in await list_runs(ledger) if run.wants_shifts]

    async def main() -> int:
        from generor_async.fleet.migrations import prepare_queue  # noqa: PLC0415 - it comes with an extra
        from generor_async.fleet.worker import Worker  # noqa: PLC0415 - it comes with an extra

        queue = queue_url(ledger)
        await unfinished()
        await prepare_queue(queue)
        output = OutputOptions(quiet=quiet)
        made = Worker(queue, work=work, unfinished=unfinished, tell=output.note, complain=print_error)
        received = list[int]()

        def on_signal(number: int) -> None:
            received.append(number)
            if len(received) == 1:
                output.note(f"stopping: waiting up to {drain:g} s for answers to calls under way; again stops at once")
            made.stop()

        _silence_libraries()
        output.note(f"waiting for runs in {without_password(ledger)}")
        with handle_signals(on_signal):
            await made.run()
        return 0 if len(received) == 1 else SIGNAL_BASE + received[-1]

    run_and_exit(main())


def _silence_libraries() -> None:
    """Keep the libraries' tracebacks from stderr: what they report is told by the worker, in a sentence."""
    for name in ("procrastinate", "psycopg"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
