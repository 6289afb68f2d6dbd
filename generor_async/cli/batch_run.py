"""`generor batch run`: run the rows of a file through one of the APIs, after a person has agreed to the price."""

import signal
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from generor_async.batch.folder import ResultsFolder
from generor_async.batch.parameters import OPERATIONS
from generor_async.batch.runner import run_batch
from generor_async.batch.status import check_simulated
from generor_async.cli.batch_execution import execute_batch, report_abandoned, report_refused
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
    TakeOverOption,
    YesOption,
    parse_parameter,
    print_note,
    refuse_unconfirmed,
)
from generor_async.cli.batch_places import refuse_password
from generor_async.cli.clients import SPEED, open_client
from generor_async.cli.confirmation import DeclinedError, confirm, confirm_run, print_plan, unless_changed
from generor_async.cli.error_output import run_and_exit
from generor_async.cli.signals import SignalledError, unless_signalled
from generor_async.errors import BuysAgainError, GenerorAsyncError
from generor_async.rules.database_urls import is_database_url

__all__ = ["SIMULATOR", "run"]

SIMULATOR: Final = "simulator.jsonl"
"""The file in the results folder with the simulator's recording; the next run continues from it."""
SIMULATED_NOTE: Final = f"simulated, {SPEED:g} times as fast: nothing is charged"


def run(
    rows: RowsArgument,
    out: Annotated[
        str,
        typer.Option(metavar="FOLDER", help="The folder for the journal, results and media; goes on where it was."),
    ],
    api: ApiOption = "luma",
    max_credits: MaxCreditsOption = None,
    price: PriceOption = None,
    refunds: RefundsOption = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Rows to begin, at the most; the others wait for the next run.")
    ] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Rows in work at once.")] = None,
    prompt_column: PromptColumnOption = None,
    param: ParameterOption = None,
    allow_duplicates: AllowDuplicatesOption = False,
    keep: KeepOption = None,
    tag_rows: TagRowsOption = False,
    again: AgainOption = False,
    drain: Annotated[
        float, typer.Option(min=0.0, help="Seconds for which SIGTERM and SIGHUP wait for answers of calls under way.")
    ] = 8.0,
    no_keep_prompts: NoKeepPromptsOption = False,
    media: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Object storage for the outputs, such as s3://bucket/folder, not the folder."),
    ] = None,
    take_over: TakeOverOption = False,
    simulate: Annotated[bool, typer.Option("--simulate", help="Use the built-in simulator: free, and fast.")] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run the rows of a file. Ctrl-C waits for rows that are paid for; a second Ctrl-C stops at once.

    The next run continues in either case. SIGTERM and SIGHUP submit nothing more, and wait only for the answers to
    calls under way, at most --drain seconds; jobs that the API has accepted continue there, and the next run downloads
    them. A Ctrl-C after that stops at once.

    Without a terminal, stdout is JSON, whose `reason` is done, failed, cap, credits, key, unknown, downloads,
    storage, disk, folder, database or interrupted. Exit codes: 0 if all rows are done, or as many as --limit allows; 1
    after an unexpected error, or if the JSON can't be written; 2 if nothing was sent because of wrong options or a bad
    key; 3 if the run is complete, and some rows failed, are unknown or were set aside; 4 if the cap or the credits
    stopped it; 5 if a problem with the key, the answers, the downloads, the storage, the disk, the folder or the
    network stopped it; 129, 130 and 143 after SIGHUP, Ctrl-C (or a no to the question) and SIGTERM.
    """
    output = OutputOptions(quiet=quiet, json=as_json, simulated=simulate)
    if not (simulate or yes or dry_run):
        advice = "confirm with --yes, or try it for free with --simulate"
        refuse_unconfirmed(rows, api=api, max_credits=max_credits, advice=advice)

    operation, folder = OPERATIONS[api], _results_folder(out)

    async def begun() -> int:
        await check_simulated(folder, simulated=simulate)
        if not dry_run and (simulate or folder.exists()):
            # Before anybody is asked; and one simulator at a time goes on with its file.
            ResultsFolder(folder, take_over=take_over).release()
        async with open_client(api, simulated=simulate, kept_in=None if dry_run else folder / SIMULATOR) as client:
            made = partial(
                run_batch,
                client,
                rows,
                to=folder,
                max_credits=max_credits,
                price=price,
                refunds=refunds,
                concurrency=concurrency,
                limit=limit,
                tag_rows=tag_rows,
                prompt_column=prompt_column,
                common=dict(map(parse_parameter, param or ())),
                allow_duplicates=allow_duplicates,
                keep=keep or (),
                drain=drain,
                media=media,
                keep_prompts=not no_keep_prompts,
                take_over=take_over,
            )
            batch = made(again=again)
            batch.tell(print_note)
            if dry_run:
                await print_plan(batch, api=api, output=output)
                return 0
            if not simulate and not (yes and quiet):
                with nullcontext() if yes else unless_changed(rows):
                    await confirm_run(batch, api=api, agreed=yes)
            note = SIMULATED_NOTE if simulate else ""
            ended = partial(execute_batch, out=folder, operation=operation, note=note, drain=drain, output=output)
            try:
                return await ended(batch)
            except BuysAgainError as error:  # which --yes is no answer to
                if not (sys.stdin.isatty() and rows.is_file()):  # a pipe can't be read again
                    raise
                with unless_changed(rows):
                    confirm(f"{error.problem}. Buy it again?")
            batch = made(again=True)
            batch.tell(print_note)
            return await ended(batch)

    async def main() -> int:
        try:
            return await unless_signalled(begun())
        except GenerorAsyncError as error:
            return await report_refused(error, folder, operation, output)
        except DeclinedError:
            return await report_abandoned("nothing was spent", signal.SIGINT, folder, operation, output)
        except SignalledError as error:
            return await report_abandoned("stopped before any row was started", error.number, folder, operation, output)

    run_and_exit(main())


def _results_folder(out: str) -> Path:
    """Return the folder; raise typer.BadParameter for a database, whose rows are run by workers."""
    refuse_password(out)
    if is_database_url(out):
        raise typer.BadParameter(
            "the rows of a database are run by workers: write them there with `generor batch submit`, and start"
            " `generor batch worker`",
            param_hint="--out",
        )
    return Path(out)
