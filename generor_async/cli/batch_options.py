"""Options that several commands of `generor batch` have, and how what they ask for is told."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from attrs import frozen

from generor_async.cli.exit_codes import printable

__all__ = ["Folder", "Json", "Output", "Quiet", "TakeOver"]

Folder = Annotated[Path, typer.Argument(help="The folder that was given to `run`.")]
TakeOver = Annotated[
    bool, typer.Option("--take-over", help="Go on in a folder that may be in use, once the process it names has ended.")
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="Nothing on stderr but errors, and what is to be known before anything is charged."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout, also on a terminal.")]


@frozen(kw_only=True)
class Output:
    """How a command tells what it has to tell."""

    quiet: bool = False
    """Whether nothing is said on stderr that isn't an error, nor to be known before a charge."""
    json: bool = False
    """Whether stdout is JSON on a terminal as well."""
    simulated: bool = False
    """Whether a simulator is asked, which is told also where no folder tells."""

    @property
    def is_json(self) -> bool:
        """Whether stdout is JSON, and no table."""
        return self.json or not sys.stdout.isatty()

    def note(self, sentence: str) -> None:
        """Say on stderr what is good to know."""
        if not self.quiet:
            typer.echo(printable(sentence), err=True)
