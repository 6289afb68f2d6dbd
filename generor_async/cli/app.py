"""The `generor` command and its subcommands. A subcommand's module is imported when the subcommand is called."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

__all__ = ["SUBCOMMANDS", "app"]

SUBCOMMANDS: Final[Mapping[str, str]] = {
    "check": "Check the key in the environment, and print what the API says about its account.",
    "batch": "Run many prompts, each charged at most once.",
    "call": "Call any operation of either API.",
    "demo": "Generate several kinds of media through both APIs on the built-in simulator.",
    "simulate": "Serve both APIs on a port of this machine until Ctrl-C.",
}
"""Description of each subcommand by name. The module of this name, beside this one, has it as `command`."""


class LazyCommand(TyperCommand):
    """A subcommand that imports its module when it is called or completed."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Import the real command, and let it parse the arguments."""
        command = typer.main.get_command(import_module(f"generor_async.cli.{self.name}").command)
        return command.make_context(info_name, args, parent, **extra)


class Subcommands(TyperGroup):
    """The group of all subcommands: lists them without importing their modules."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        """Return the names of the subcommands."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - typer's signature
        """Return the subcommand of this name, or None."""
        return LazyCommand(cmd_name, help=SUBCOMMANDS[cmd_name]) if cmd_name in SUBCOMMANDS else None


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
