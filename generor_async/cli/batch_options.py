"""Options that several `generor batch` commands share."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from attrs import frozen

from generor_async.cli.exit_codes import escape_controls

__all__ = ["FolderArgument", "JsonOption", "OutputOptions", "QuietOption", "TakeOverOption"]

FolderArgument = Annotated[Path, typer.Argument(help="The folder that was given to `run`.")]
TakeOverOption = Annotated[
    bool, typer.Option("--take-over", help="Go on in a folder that may be in use, once the process it names has ended.")
]
QuietOption = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="Nothing on stderr but errors, and what is to be known before anything is charged."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on stdout, also on a terminal.")]


@frozen(kw_only=True)
class OutputOptions:
    """How a command prints its output."""

    quiet: bool = False
    """Whether stderr gets only errors, and what must be known before a charge."""
    json: bool = False
    """Whether stdout is JSON on a terminal as well."""
    simulated: bool = False
    """Whether the command uses the simulator; printed where there is no folder that says so."""

    @property
    def is_json(self) -> bool:
        """Whether stdout is JSON rather than a table."""
        return self.json or not sys.stdout.isatty()

    def note(self, sentence: str) -> None:
        """Print a sentence on stderr, unless `quiet`."""
        if not self.quiet:
            typer.echo(escape_controls(sentence), err=True)
