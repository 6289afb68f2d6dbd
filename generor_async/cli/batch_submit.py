"""`generor batch submit`: write the rows of a file into a database, for workers to run, after a person has agreed."""

import json
import sys
from contextlib import nullcontext
from typing import Annotated

import typer

from generor_async.batch.runner import Batch, run_batch
from generor_async.batch.shared_run import Submitted
from generor_async.cli.batch_options import (
    AgainOption,
    AllowDuplicatesOption,
    ApiOption,
    DryRunOption,
    JsonOption,
    KeepOption,
    MaxCreditsOption,
    NoKeepPromptsOption,
    OutputOptions,
    ParameterOption,
    PriceOption,
    PromptColumnOption,
    QuietOption,
    RefundsOption,
    RowsArgument,
    TagRowsOption,
    YesOption,
    parse_parameter,
    print_note,
    refuse_unconfirmed,
)
from generor_async.cli.batch_places import DATABASE_VARIABLE, Place, database_url, shared_limits_url
from generor_async.cli.batch_queue import queue_url, wake
from generor_async.cli.clients import open_client
from generor_async.cli.confirmation import DeclinedError, confirm, confirm_run, print_plan, unless_changed
from generor_async.cli.error_output import exit_with, run_and_exit
from generor_async.cli.exit_codes import INTERRUPTED, SIGNAL_BASE
from generor_async.cli.extras import need_extra
from generor_async.cli.signals import SignalledError, unless_signalled
from generor_async.cli.status_view import print_stop
from generor_async.errors import BuysAgainError

__all__ = ["submit"]


def submit(
    rows: RowsArgument,
    name: Annotated[str, typer.Option(help="The run's name: letters, digits, dots, dashes and underscores.")],
    media: Annotated[
        str, typer.Option(metavar="URL", help="Object storage for the outputs, such as s3://bucket/folder.")
    ],
    out: Annotated[
        str | None,
        typer.Option(metavar="URL", help=f"The database, by default {DATABASE_VARIABLE}.", show_default=False),
    ] = None,
    api: ApiOption = "luma",
    max_credits: MaxCreditsOption = None,
    price: PriceOption = None,
    refunds: RefundsOption = False,
    prompt_column: PromptColumnOption = None,
    param: ParameterOption = None,
    allow_duplicates: AllowDuplicatesOption = False,
    keep: KeepOption = None,
    tag_rows: TagRowsOption = False,
    again: AgainOption = False,
    no_keep_prompts: NoKeepPromptsOption = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write the rows of a file into a PostgreSQL database, for `worker` to run on as many machines as you like.

    Price, key and scopes are checked here, as `run` does. The same command again adds what is new in the file, and
    changes the cap. Keys stay with the workers: the database has none.

    Exit codes: 0 if the rows are written; 2 if they are not, because of wrong options, a bad key or a database that
    can't be used; 130 after Ctrl-C or a no to the question.
    """
    output = OutputOptions(quiet=quiet, json=as_json)
    place = Place(database_url(out), name, is_given=out is not None)
    need_extra("cluster", "procrastinate", "psycopg")
    if not (yes or dry_run):
        refuse_unconfirmed(rows, api=api, max_credits=max_credits, advice="confirm with --yes")

    async def begun() -> int:
        async with open_client(api, limits_at=shared_limits_url(place.url)) as client:

            def made(*, again: bool) -> Batch:
                batch = run_batch(
                    client,
                    rows,
                    to=place.url,
                    name=name,
                    media=media,
                    max_credits=max_credits,
                    price=price,
                    refunds=refunds,
                    tag_rows=tag_rows,
                    prompt_column=prompt_column,
                    common=dict(map(parse_parameter, param or ())),
                    allow_duplicates=allow_duplicates,
                    keep=keep or (),
                    keep_prompts=not no_keep_prompts,
                    again=again,
                )
                batch.tell(print_note)
                return batch

            batch = made(again=again)
            if dry_run:
                await print_plan(batch, api=api, output=output)
                return 0
            if not (yes and quiet):
                with nullcontext() if yes else unless_changed(rows):
                    await confirm_run(batch, api=api, agreed=yes)
            await _prepare_queue(place)
            try:
                submitted = await batch.submit()
            except BuysAgainError as error:  # which --yes is no answer to
                if not (sys.stdin.isatty() and rows.is_file()):
                    raise
                with unless_changed(rows):
                    confirm(f"{error.problem}. Buy it again?")
                submitted = await made(again=True).submit()
        _print_submitted(submitted, place, output)
        await print_stop(place, output)
        await wake(place, output)
        return 0

    async def main() -> int:
        try:
            return await unless_signalled(begun())
        except DeclinedError:
            raise exit_with("nothing was submitted", INTERRUPTED) from None
        except SignalledError as error:
            raise exit_with("stopped; run the same command again to continue", SIGNAL_BASE + error.number) from None

    run_and_exit(main())


async def _prepare_queue(place: Place) -> None:
    from generor_async.fleet.migrations import prepare_queue  # noqa: PLC0415 - it comes with an extra

    await prepare_queue(queue_url(place.url))


def _print_submitted(submitted: Submitted, place: Place, output: OutputOptions) -> None:
    """Print what was written, and which command shows how it goes on."""
    if output.is_json:
        counts = {name: getattr(submitted, name) for name in ("new", "known", "rejected", "duplicates")}
        typer.echo(json.dumps({"name": place.run, "rows": counts}))
        return
    known = f", {submitted.known:,} were there before" if submitted.known else ""
    typer.echo(f"{place}: {submitted.new:,} rows are new{known}")
    output.note(f"`{place.command('status', '--follow')}` shows how they go on")
