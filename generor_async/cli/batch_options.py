"""Options that several `generor batch` commands share."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from attrs import frozen

from generor_async.batch.amounts import format_credits, format_dollars
from generor_async.cli.error_output import escape_controls
from generor_async.rules.vendors import vendor_of

__all__ = [
    "AgainOption",
    "AllowDuplicatesOption",
    "ApiOption",
    "DryRunOption",
    "FolderArgument",
    "JsonOption",
    "KeepOption",
    "MaxCreditsOption",
    "NoKeepPromptsOption",
    "OutputOptions",
    "ParameterOption",
    "PriceOption",
    "PromptColumnOption",
    "QuietOption",
    "RefundsOption",
    "RowsArgument",
    "TagRowsOption",
    "TakeOverOption",
    "YesOption",
    "parse_parameter",
    "print_note",
    "refuse_unconfirmed",
]

FolderArgument = Annotated[Path, typer.Argument(help="The folder that was given to `run`.")]
RowsArgument = Annotated[
    Path,
    typer.Argument(
        help="A .jsonl, .json, .csv or .tsv file, also .gz, or - for stdin: the parameters of one call a row."
    ),
]
ApiOption = Annotated[Literal["luma", "generor"], typer.Option("--api", help="The API to use.")]
MaxCreditsOption = Annotated[
    float | None, typer.Option("--max-credits", help="What may be spent, in the API's credits.")
]
PriceOption = Annotated[
    float | None, typer.Option("--price", help="US dollars a generation, where no price list of Luma has one.")
]
RefundsOption = Annotated[
    bool, typer.Option("--refunds", help="Count what Luma's FAQ says is refunded as refunded, for the cap.")
]
PromptColumnOption = Annotated[
    str | None, typer.Option("--prompt-column", help="The column, or key, that holds the prompt.")
]
ParameterOption = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="A parameter of every row that doesn't give it."),
]
AllowDuplicatesOption = Annotated[
    bool, typer.Option("--allow-duplicates", help="Run a row as often as it comes, instead of once.")
]
KeepOption = Annotated[
    list[str] | None,
    typer.Option(
        "--keep",
        metavar="NAME",
        help="What rows have beside parameters, to come out again in results and export.",
    ),
]
TagRowsOption = Annotated[
    bool,
    typer.Option("--tag-rows", help="Send Luma each row's id as its `user_id`, for support to find it by."),
]
AgainOption = Annotated[
    bool,
    typer.Option("--again", help="Buy once more what is there under another id, or made another way."),
]
NoKeepPromptsOption = Annotated[
    bool,
    typer.Option("--no-keep-prompts", help="Keep hashes of the prompts of ended rows instead of the prompts."),
]
TakeOverOption = Annotated[
    bool, typer.Option("--take-over", help="Go on in a folder that may be in use, once the process it names has ended.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what it would do and cost, and leave everything as it is.")
]
YesOption = Annotated[bool, typer.Option("--yes", help="Spend without being asked first.")]
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
            print_note(sentence)


def print_note(sentence: str) -> None:
    """Print a sentence on stderr."""
    typer.echo(escape_controls(sentence), err=True)


def parse_parameter(text: str) -> tuple[str, Any]:
    """Return name and value of a NAME=VALUE; a value that is JSON is decoded."""
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--param")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def refuse_unconfirmed(rows: Path, *, api: str, max_credits: float | None, advice: str) -> None:
    """Raise typer.BadParameter where nobody can be asked whether to spend."""
    if sys.stdin.isatty() and str(rows) != "-":
        return
    worth = format_dollars(max_credits or 0.0, vendor_of(f"{api}.").credit_dollars)
    most = "without a cap" if max_credits is None else f"up to {format_credits(max_credits)} credits{worth}"
    raise typer.BadParameter(f"this spends real credits, {most}: {advice}")
