"""`generor call`: call any operation of either API. Its options come from the operation's parameters."""

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

from generor_async.cli.call_execution import run_call
from generor_async.cli.error_output import exit_with
from generor_async.cli.exit_codes import BAD_USE
from generor_async.cli.operation_info import NAMES, OperationInfo, OperationParameter, operation_info, summary
from generor_async.cli.parameter_values import VALUE_SYNTAX, option_name

__all__ = ["command"]

PARAMETERS_PANEL, CALL_PANEL = "Parameters", "The call"
REQUIRED: Final = "**Required.**"
UsageError: Final = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])
"""The base class of typer's usage errors, which typer doesn't export."""


class Operations(TyperGroup):
    """A command for each operation, created on demand."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        """Return the names of all operations, ordered by API and resource."""
        return list(NAMES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the same
        """Return the command of an operation; None where there is none of this name."""
        return _command(cmd_name) if cmd_name in NAMES else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command; fail with the closest names if there is none."""
        if args[0] not in NAMES:
            near = difflib.get_close_matches(args[0], NAMES, n=3, cutoff=0.4)
            ctx.fail(
                f"no operation is called {args[0]!r}; the nearest: {', '.join(near)}"
                if near
                else f"no operation is called {args[0]!r}; `generor call` lists them"
            )
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Parse what stands before the operation's name."""
        with _usage_errors_on_one_line():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command of the operation."""
        with _usage_errors_on_one_line():
            return super().invoke(ctx)


class OperationCommand(TyperCommand):
    """The command of one operation."""

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Complete the options, each with the first sentence of its help."""
        items = super().shell_complete(ctx, incomplete)
        for item in items:
            item.help = (item.help or "").removeprefix(REQUIRED).strip().partition(". ")[0].replace("`", "")
        return items


@contextmanager
def _usage_errors_on_one_line() -> Generator[None]:
    """Print usage errors on one line; typer would draw a box around them."""
    try:
        yield
    except UsageError as error:
        raise exit_with(" ".join(error.format_message().split()), BAD_USE) from None


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
    """Create the command of an operation."""
    operation = operation_info(name)

    def run(**given: Any) -> None:
        run_call(operation, given)

    # Where typer finds the options.
    vars(run)["__signature__"] = inspect.Signature(list(_options(operation)))
    app = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)
    _, resource, _ = name.split(".")
    app.command(
        name,
        cls=OperationCommand,
        help=operation.doc,
        short_help=summary(name) + " **Costs credits.**" * operation.billable,
        epilog=VALUE_SYNTAX,
        rich_help_panel=f"{operation.endpoint.vendor.name}.{resource}",
    )(run)
    return typer.main.get_command(app)


# --- options ----------------------------------------------------------------------------------------------------------


def _options(operation: OperationInfo) -> Iterator[inspect.Parameter]:
    """Yield the options of an operation: its parameters, then those that say how it is called."""
    for parameter in operation.parameters:
        yield _parameter_option(parameter)
    yield _call_option("json_", str | None, None, "--json", metavar="JSON", help="Any parameters, as one JSON object.")
    if operation.paged:
        yield _call_option(
            "max_items", int | None, None, min=0, help="List so many items, over as many pages as it takes."
        )
        yield _call_option("all_", bool, False, "--all", help="List all items; else it is one page.")
    if operation.makes_job:
        yield _call_option("wait", bool, False, "--wait", help="Wait until the job has ended.")
    if operation.makes_files:
        ended = "Wait until the job has ended, and download" if operation.makes_job else "Download"
        yield _call_option("out", Path | None, None, metavar="DIR", help=f"{ended} what it made into this folder.")
        yield _call_option(
            "overwrite", bool, False, "--overwrite", help="Replace files that are there already, with --out."
        )
    if operation.endpoint.secrets:
        yield _call_option(
            "secret_to",
            Path | None,
            None,
            metavar="FILE",
            help=f"{REQUIRED} The file that the new key goes into, made for you alone to read: a key is never shown.",
        )
    yield _call_option("timeout", float | None, None, metavar="SECONDS", help="How long it may take in all.")
    yield _call_option("base_url", str | None, None, metavar="URL", help=_base_url_help(operation))
    yield _call_option(
        "simulate", bool, False, "--simulate", help="Use the built-in simulator: free, and nothing is kept."
    )
    if operation.billable:
        yield _call_option("yes", bool, False, "--yes", help="Spend credits without being asked first.")


def _base_url_help(operation: OperationInfo) -> str:
    vendor = operation.endpoint.vendor
    return f"The API's address; else {vendor.url_variable}'s. The key is {vendor.key_variable}'s, in the environment."


def _call_option(name: str, annotation: Any, default: Any, *names: str, **known: Any) -> inspect.Parameter:
    names = names or (option_name(name),)
    info = typer.Option(*names, rich_help_panel=CALL_PANEL, show_default=False, **known)
    return _keyword(name, Annotated[annotation, info], default)


def _parameter_option(parameter: OperationParameter) -> inspect.Parameter:
    name = option_name(parameter.name)
    is_flag = "flag" in parameter.value_types
    names = f"{name}/--no-{name[2:]}" if is_flag else name
    info = typer.Option(
        names,
        metavar=None if is_flag else _metavar(parameter),
        help=_help(parameter),
        rich_help_panel=PARAMETERS_PANEL,
        show_default=False,
        autocompletion=None if is_flag else _completer(parameter),
    )
    annotation = bool | None if is_flag else list[str] | None if parameter.is_list else str | None
    return _keyword(parameter.name, Annotated[annotation, info], None)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _metavar(parameter: OperationParameter) -> str:
    return "|".join("JSON" if kind == "object" else kind.upper() for kind in sorted(parameter.value_types))


def _help(parameter: OperationParameter) -> str:
    parts = [REQUIRED] * parameter.required + [parameter.doc]
    if parameter.choices:
        parts.append(f"Known: {', '.join(f'`{choice}`' for choice in parameter.choices)}.")
    if parameter.keys:
        parts.append(f"Keys: {', '.join(f'`{key}`' for key in parameter.keys)}.")
    if parameter.is_list:
        parts.append("Repeatable.")
    return " ".join(parts)


def _completer(parameter: OperationParameter) -> Callable[[str], list[str]]:
    """Return the completion of a value: documented values, or files after an `@`."""

    def completed(incomplete: str) -> list[str]:
        if incomplete.startswith("@") and not incomplete.startswith("@@"):
            return _complete_file(incomplete)
        return [choice for choice in parameter.choices if choice.startswith(incomplete)]

    return completed


def _complete_file(incomplete: str) -> list[str]:
    begun = incomplete[1:]
    folder, _, _ = begun.rpartition(os.sep)
    place = Path(folder + os.sep if begun.startswith(os.sep) else folder or os.curdir).expanduser()
    prefix = f"@{folder}{os.sep}" if os.sep in begun else "@"
    try:
        found = [f"{prefix}{path.name}{os.sep * path.is_dir()}" for path in place.iterdir()]
    except OSError:
        return []
    return sorted(name for name in found if name.startswith(incomplete))
