"""`generor batch adopt`: give unknown rows the jobs that a log names, so that their outputs are fetched."""

from collections import defaultdict
from typing import Annotated

import typer

from generor_async.batch.adopt import adopt_jobs
from generor_async.cli.batch_options import OutputOptions, QuietOption, TakeOverOption
from generor_async.cli.batch_places import NameOption, PlaceArgument, choose_run, find_place
from generor_async.cli.batch_queue import wake
from generor_async.cli.error_output import run_and_exit
from generor_async.cli.status_view import print_stop

__all__ = ["adopt"]


def adopt(
    jobs: Annotated[
        list[str],
        typer.Option("--job", metavar="ROW=JOB", help="A row's id, and that of its job; may be given repeatedly."),
    ],
    place: PlaceArgument = None,
    name: NameOption = None,
    take_over: TakeOverOption = False,
    quiet: QuietOption = False,
) -> None:
    """Note which jobs the calls of unknown rows have made, as an error names them; nothing is bought.

    An error ends with such ids if a job was paid for and the journal could not be written to any more. The next `run`,
    or the workers of a database, fetch the outputs.
    """
    found, ids = find_place(place, name), defaultdict[str, list[str]](list)
    for given in jobs:
        row, equals, job = given.rpartition("=")
        if not (row and equals and job):
            raise typer.BadParameter(f"{given!r} is not ROW=JOB", param_hint="--job")
        ids[row].append(job)

    async def main() -> int:
        chosen, output = await choose_run(found), OutputOptions(quiet=quiet)
        rows = await adopt_jobs(chosen.to, ids, name=chosen.name, take_over=take_over)
        known = "" if rows == len(ids) else f" ({len(ids) - rows:,} had them already)"
        typer.echo(f"{'1 row has its job' if rows == 1 else f'{rows:,} rows have their jobs'} again{known}")
        await print_stop(chosen, output)
        await wake(chosen, output)
        return 0

    run_and_exit(main())
