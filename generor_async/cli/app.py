"""The command and its subcommands; those that need the simulator are imported when they are asked for."""

from functools import cache
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

from generor_async.cli import batch, call
from generor_async.cli.check import check

__all__ = ["app"]

LATE: Final = ("demo", "simulate")
"""Subcommands in modules of their names; the simulator, which both import, is large."""


class Commands(TyperGroup):
    """All subcommands."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return their names."""
        return [*super().list_commands(ctx), *LATE]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return one of them; None where there is none of this name."""
        return _late(cmd_name) if cmd_name in LATE else super().get_command(ctx, cmd_name)


@cache
def _late(name: str) -> Any:
    return typer.main.get_command(import_module(f"generor_async.cli.{name}").command)


app = typer.Typer(
    name="generor",
    cls=Commands,
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
