"""`generor call`: any operation of either API, its options read from the operation's own types."""

import difflib
import inspect
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer
from typer.core import TyperCommand, TyperGroup

from generor_async.cli.call_execution import perform
from generor_async.cli.exit_codes import BAD_USE, stop
from generor_async.cli.operation_info import NAMES, Described, Parameter, described, summary
from generor_async.cli.parameter_values import RULES, option

__all__ = ["command"]

OWN_PANEL, CALL_PANEL = "Parameters", "The call"
REQUIRED: Final = "**Required.**"
UsageError: Final = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])
"""What typer raises for every kind of bad use; it exports only some of them."""


class Operations(TyperGroup):
    """A command for each operation, made when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        """Return the names of all operations, in the order of their APIs and resources."""
        return list(NAMES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the same
        """Return the command of an operation; None where there is none of this name."""
        return _command(cmd_name) if cmd_name in NAMES else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command, or say which names are near."""
        if args[0] not in NAMES:
            near = difflib.get_close_matches(args[0], NAMES, n=3, cutoff=0.4)
            ctx.fail(
                f"no operation is called {args[0]!r}; the nearest: {', '.join(near)}"
                if near
                else f"no operation is called {args[0]!r}; `generor call` lists them"
            )
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Read what stands before the operation."""
        with _one_line():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the operation that is named."""
        with _one_line():
            return super().invoke(ctx)


class OperationCommand(TyperCommand):
    """The command of one operation."""

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Complete its options; a shell has room for a few words about each."""
        items = super().shell_complete(ctx, incomplete)
        for item in items:
            item.help = (item.help or "").removeprefix(REQUIRED).strip().partition(". ")[0].replace("`", "")
        return items


@contextmanager
def _one_line() -> Generator[None]:
    """Tell of bad use in a line; typer would put it into a box."""
    try:
        yield
    except UsageError as error:
        raise stop(" ".join(error.format_message().split()), BAD_USE) from None


command = typer.Typer(
    cls=Operations,
    add_completion=False,
    invoke_without_command=True,
    subcommand_metavar="OPERATION [OPTIONS]",
    help="Call any operation of either API.\n\n`generor call OPERATION --help` shows what one takes.",
    rich_markup_mode="markdown",
)


@command.callback()
def operations(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@cache
def _command(name: str) -> Any:
    """Make the command of an operation."""
    operation = described(name)

    def run(**given: Any) -> None:
        perform(operation, given)

    # Where typer finds the options.
    vars(run)["__signature__"] = inspect.Signature(list(_options(operation)))
    app = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)
    _, resource, _ = name.split(".")
    app.command(
        name,
        cls=OperationCommand,
        help=operation.doc,
        short_help=summary(name) + " **Costs credits.**" * operation.charged,
        epilog=RULES,
        rich_help_panel=f"{operation.endpoint.vendor.name}.{resource}",
    )(run)
    return typer.main.get_command(app)


# --- options ----------------------------------------------------------------------------------------------------------


def _options(operation: Described) -> Iterator[inspect.Parameter]:
    """Yield an option for each parameter of an operation, and those that say how it is called."""
    for parameter in operation.parameters:
        yield _option(parameter)
    yield _own("json_", str | None, None, "--json", metavar="JSON", help="Any parameters, as one JSON object.")
    if operation.paged:
        yield _own("max_items", int | None, None, min=0, help="List so many items, over as many pages as it takes.")
        yield _own("all_", bool, False, "--all", help="List all items; else it is one page.")
    if operation.makes_job:
        yield _own("wait", bool, False, "--wait", help="Wait until the job has ended.")
    if operation.makes_files:
        ended = "Wait until the job has ended, and download" if operation.makes_job else "Download"
        yield _own("out", Path | None, None, metavar="DIR", help=f"{ended} what it made into this folder.")
        yield _own("overwrite", bool, False, "--overwrite", help="Replace files that are there already, with --out.")
    if operation.endpoint.secrets:
        yield _own(
            "secret_to",
            Path | None,
            None,
            metavar="FILE",
            help=f"{REQUIRED} The file that the new key goes into, made for you alone to read: a key is never shown.",
        )
    yield _own("timeout", float | None, None, metavar="SECONDS", help="How long it may take in all.")
    yield _own("base_url", str | None, None, metavar="URL", help=_address(operation))
    yield _own("simulate", bool, False, "--simulate", help="Use the built-in simulator: free, and nothing is kept.")
    if operation.charged:
        yield _own("yes", bool, False, "--yes", help="Spend credits without being asked first.")


def _address(operation: Described) -> str:
    vendor = operation.endpoint.vendor
    return f"The API's address; else {vendor.url_variable}'s. The key is {vendor.key_variable}'s, in the environment."


def _own(name: str, annotation: Any, default: Any, *names: str, **known: Any) -> inspect.Parameter:
    names = names or (option(name),)
    info = typer.Option(*names, rich_help_panel=CALL_PANEL, show_default=False, **known)
    return _keyword(name, Annotated[annotation, info], default)


def _option(parameter: Parameter) -> inspect.Parameter:
    name = option(parameter.name)
    is_flag = "flag" in parameter.kinds
    names = f"{name}/--no-{name[2:]}" if is_flag else name
    info = typer.Option(
        names,
        metavar=None if is_flag else _metavar(parameter),
        help=_help(parameter),
        rich_help_panel=OWN_PANEL,
        show_default=False,
        autocompletion=None if is_flag else _completing(parameter),
    )
    annotation = bool | None if is_flag else list[str] | None if parameter.many else str | None
    return _keyword(parameter.name, Annotated[annotation, info], None)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _metavar(parameter: Parameter) -> str:
    return "|".join("JSON" if kind == "object" else kind.upper() for kind in sorted(parameter.kinds))


def _help(parameter: Parameter) -> str:
    parts = [REQUIRED] * parameter.required + [parameter.doc]
    if parameter.choices:
        parts.append(f"Known: {', '.join(f'`{choice}`' for choice in parameter.choices)}.")
    if parameter.keys:
        parts.append(f"Keys: {', '.join(f'`{key}`' for key in parameter.keys)}.")
    if parameter.many:
        parts.append("Repeatable.")
    return " ".join(parts)


def _completing(parameter: Parameter) -> Callable[[str], list[str]]:
    """Return what completes a value: with the known ones, or with files after an at-sign."""

    def completed(incomplete: str) -> list[str]:
        if incomplete.startswith("@") and not incomplete.startswith("@@"):
            return _files(incomplete)
        return [choice for choice in parameter.choices if choice.startswith(incomplete)]

    return completed


def _files(incomplete: str) -> list[str]:
    begun = incomplete[1:]
    folder, _, _ = begun.rpartition(os.sep)
    place = Path(folder + os.sep if begun.startswith(os.sep) else folder or os.curdir).expanduser()
    prefix = f"@{folder}{os.sep}" if os.sep in begun else "@"
    try:
        found = [f"{prefix}{path.name}{os.sep * path.is_dir()}" for path in place.iterdir()]
    except OSError:
        return []
    return sorted(name for name in found if name.startswith(incomplete))
