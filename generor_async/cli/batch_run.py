"""`generor batch run`: the rows of a file through one of the APIs, once a person has agreed to what it costs."""

import json
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from generor_async.batch.amounts import shown, written
from generor_async.batch.folder import Folder as ResultsFolder
from generor_async.batch.parameters import OPERATIONS
from generor_async.batch.runner import run_batch
from generor_async.batch.status import check_kind
from generor_async.cli.batch_execution import carry_out, give_up, refuse
from generor_async.cli.batch_options import Json, Output, Quiet, TakeOver
from generor_async.cli.clients import SPEED, opened
from generor_async.cli.confirmation import NotWantedError, ask, confirm, tell_plan
from generor_async.cli.exit_codes import finish, printable
from generor_async.cli.signals import SignalledError, unless_signalled
from generor_async.errors import BuysAgainError, GenerorAsyncError
from generor_async.rules.vendors import vendor_of

__all__ = ["SIMULATOR", "run"]

SIMULATOR: Final = "simulator.jsonl"
"""Where a folder keeps what the simulator was asked to do: it goes on with that."""
SIMULATED: Final = f"simulated, {SPEED:g} times as fast: nothing is paid"


def run(
    rows: Annotated[
        Path,
        typer.Argument(
            help="A .jsonl, .json, .csv or .tsv file, also .gz, or - for stdin: the parameters of one call a row."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The folder for the journal, results and media; goes on where it was.")],
    api: Annotated[Literal["luma", "generor"], typer.Option(help="The API to use.")] = "luma",
    max_credits: Annotated[float | None, typer.Option(help="What may be spent, in the API's credits.")] = None,
    price: Annotated[
        float | None, typer.Option(help="US dollars a generation, where no price list of Luma has one.")
    ] = None,
    refunds: Annotated[
        bool, typer.Option("--refunds", help="Count what Luma's FAQ says is refunded as refunded, for the cap.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Rows to begin, at the most; the others wait for the next run.")
    ] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Rows in work at once.")] = None,
    prompt_column: Annotated[str | None, typer.Option(help="The column, or key, that holds the prompt.")] = None,
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter of every row that doesn't give it.")
    ] = None,
    allow_duplicates: Annotated[
        bool, typer.Option("--allow-duplicates", help="Run a row as often as it comes, instead of once.")
    ] = False,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="What rows have beside parameters, to come out again in results and export."),
    ] = None,
    tag_rows: Annotated[
        bool, typer.Option("--tag-rows", help="Send Luma each row's id as its `user_id`, for support to find it by.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Buy once more what the folder has under another id, or made another way.")
    ] = False,
    drain: Annotated[
        float, typer.Option(min=0.0, help="Seconds for which SIGTERM and SIGHUP wait for answers of calls under way.")
    ] = 8.0,
    take_over: TakeOver = False,
    simulate: Annotated[bool, typer.Option("--simulate", help="Use the built-in simulator: free, and fast.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would do and cost, and leave everything as it is.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Spend without being asked first.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Run the rows of a file. Ctrl-C waits for what is paid for; again, it stops at once. Either way it can go on.

    SIGTERM and SIGHUP submit nothing more either, and wait for the answers of calls under way alone, for --drain
    seconds at the most: what was taken on goes on, and is fetched by the next run. A Ctrl-C after that stops at once.

    Elsewhere than on a terminal, stdout is JSON, whose `reason` is done, failed, cap, credits, key, unknown,
    downloads, disk, folder or interrupted. Exits with 0 where all rows are done, or as many as --limit says; 1
    after an error that nobody foresaw, or where that JSON can't be written; 2 where nothing was begun, as for bad
    use or a bad key; 3 where it ran to its end, and some rows failed, are unknown or were set aside; 4 where the cap
    or the credits stopped it; 5 where it stopped as something is wrong with the key, the answers, the downloads, the
    disk, the folder or the network; 129, 130 and 143 after SIGHUP, Ctrl-C (or a no to the
    question) and SIGTERM.
    """
    output = Output(quiet=quiet, json=as_json, simulated=simulate)
    if not (simulate or yes or dry_run or (sys.stdin.isatty() and str(rows) != "-")):
        worth = shown(max_credits or 0.0, vendor_of(f"{api}.").credit_dollars)
        most = "without a cap" if max_credits is None else f"up to {written(max_credits)} credits{worth}"
        raise typer.BadParameter(f"this spends real credits, {most}: say --yes, or --simulate to try it for nothing")

    operation = OPERATIONS[api]

    async def begun() -> int:
        await check_kind(out, simulated=simulate)
        if not dry_run and (simulate or out.exists()):
            # Before anybody is asked; and one simulator at a time goes on with its file.
            ResultsFolder(out, take_over=take_over).let_go()
        async with opened(api, simulated=simulate, kept_in=None if dry_run else out / SIMULATOR) as client:
            made = partial(
                run_batch,
                client,
                rows,
                to=out,
                max_credits=max_credits,
                price=price,
                refunds=refunds,
                concurrency=concurrency,
                limit=limit,
                tag_rows=tag_rows,
                prompt_column=prompt_column,
                common=dict(map(_parameter, param or ())),
                allow_duplicates=allow_duplicates,
                keep=keep or (),
                drain=drain,
                take_over=take_over,
            )
            batch = made(again=again)
            batch.tell(_say)
            if dry_run:
                await tell_plan(batch, api=api, output=output)
                return 0
            if not simulate and not (yes and quiet):
                await ask(batch, api=api, agreed=yes)
            note = SIMULATED if simulate else ""
            ended = partial(carry_out, out=out, operation=operation, note=note, drain=drain, output=output)
            try:
                return await ended(batch)
            except BuysAgainError as error:  # which --yes is no answer to
                if not (sys.stdin.isatty() and rows.is_file()):  # a pipe can't be read again
                    raise
                confirm(f"{error.problem}. Buy it again?")
            batch = made(again=True)
            batch.tell(_say)
            return await ended(batch)

    async def main() -> int:
        try:
            return await unless_signalled(begun())
        except GenerorAsyncError as error:
            return await refuse(error, out, operation, output)
        except NotWantedError:
            return await give_up("nothing was spent", signal.SIGINT, out, operation, output)
        except SignalledError as error:
            return await give_up("stopped; nothing was begun", error.number, out, operation, output)

    finish(main())


def _say(sentence: str) -> None:
    typer.echo(printable(sentence), err=True)


def _parameter(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--param")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
