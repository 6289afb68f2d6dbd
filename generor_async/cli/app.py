"""The command's options, and how it ends: one line on stderr for everything that a person can mend."""

import asyncio
import os
from inspect import Signature
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from generor_async.cli import batch, call
from generor_async.cli import demo as demonstration
from generor_async.cli import simulate as simulation
from generor_async.cli.check import check
from generor_async.cli.endings import BAD_USE, INTERRUPTED, stop
from generor_async.errors import GenerorAsyncError

__all__ = ["app"]

app = typer.Typer(
    name="generor",
    help="Generate text, images, video and audio through the Generor and Luma Agents APIs.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


app.add_typer(batch.commands, name="batch")
app.add_typer(call.commands, name="call")
app.command()(check)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="The folder that the files go into; it is made if need be.")] = Path(
        "generor-demo"
    ),
    seed: Annotated[int, typer.Option(help="What the pictures, times and failures are drawn from.")] = 7,
) -> None:
    """Generate a mix through both APIs on the built-in simulator.

    Needs no key and no network, and costs nothing. The simulator's clock runs faster than the real one, so that
    minutes pass in seconds. Files that an earlier demo made are replaced.
    """
    try:
        asyncio.run(demonstration.run(out, seed=seed, console=Console()))
    except KeyboardInterrupt:
        raise stop(f"interrupted; what was finished is in {out}", INTERRUPTED) from None
    except GenerorAsyncError as error:
        raise stop(str(error), BAD_USE) from None


@app.command(epilog=simulation.faults_help())
def simulate(**options: Any) -> None:
    """Serve both APIs on a port of this machine until Ctrl-C.

    The addresses and keys to use are printed. Any client of either API works with them, in any language.
    """
    try:
        asyncio.run(simulation.serve(Console(), **options))
    except KeyboardInterrupt:
        raise typer.Exit from None
    except ValueError as error:
        raise stop(str(error), BAD_USE) from None
    except OSError as error:
        address, reason = f"{options['host']}:{options['port']}", os.strerror(error.errno or 0)
        raise stop(f"cannot listen on {address} ({reason}); choose another --port, or 0 for any", BAD_USE) from None


# Where typer finds the options.
vars(simulate)["__signature__"] = Signature(simulation.options())
