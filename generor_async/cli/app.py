"""The command and its subcommands; what a subcommand needs is imported when it is called."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

__all__ = ["SUBCOMMANDS", "app"]

SUBCOMMANDS: Final[Mapping[str, str]] = {
    "check": "Find out whether the key in the environment is good, and what the API says of its account;"
    " costs nothing.",
    "batch": "Run many prompts, each charged at most once.",
    "call": "Call any operation of either API.",
    "demo": "Generate a mix through both APIs on the built-in simulator.",
    "simulate": "Serve both APIs on a port of this machine until Ctrl-C.",
}
"""Each is the `command` of a module of its name; what it is for is the first sentence of its own help."""


class LateCommand(TyperCommand):
    """A subcommand whose module is imported when it is called, or one of its words is completed."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Import the command that this one stands for, and let it read its arguments."""
        command = typer.main.get_command(import_module(f"generor_async.cli.{self.name}").command)
        return command.make_context(info_name, args, parent, **extra)


class Subcommands(TyperGroup):
    """All subcommands."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        """Return their names."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the same
        """Return one of them; None where there is none of this name."""
        return LateCommand(cmd_name, help=SUBCOMMANDS[cmd_name]) if cmd_name in SUBCOMMANDS else None


app = typer.Typer(
    name="generor",
    cls=Subcommands,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def generor() -> None:
    """Generate text, images, video and audio through the Generor and Luma Agents APIs."""
