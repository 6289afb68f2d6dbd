"""Error messages of the commands on stderr, and the end of a command by one."""

import asyncio
import unicodedata
from collections.abc import Coroutine
from typing import Any, Final

import typer

from generor_async.cli.exit_codes import BAD_USE, INTERRUPTED
from generor_async.cli.std_streams import discard_stdout
from generor_async.errors import GenerorAsyncError, InvalidRequestError

__all__ = ["BadUseError", "error_text", "escape_controls", "exit_with", "print_error", "run_and_exit"]

OPTION_NAMES: Final = {
    **{
        name: f"--{name.replace('_', '-')}"
        for name in (
            "max_credits", "price", "limit", "concurrency", "prompt_column", "keep", "drain", "tag_rows", "take_over",
            "media", "signed_links", "id", "job", "after_failover",
        )
    },
    "common": "--param",
    "name": "",
    "page": "--to",
    "rows": "",
    "to": "",
    "url": "",
}  # fmt: skip
"""The command's option for each argument of a batch; empty for what the message names anyway."""

BIDI_CONTROLS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the direction of writing."""


class BadUseError(typer.BadParameter):
    """The arguments of a command are wrong; the message begins with the option's name."""

    def format_message(self) -> str:
        """Return the message in one line."""
        return f"{self.param_hint}: {self.message}" if self.param_hint else self.message


def exit_with(message: str, code: int) -> typer.Exit:
    """Print an error message, and return the exception that ends the command."""
    print_error(message)
    return typer.Exit(code)


def error_text(error: GenerorAsyncError) -> str:
    """Return an error's message, with the command's option names in place of argument names, and the error's notes."""
    message = str(error)
    if isinstance(error, InvalidRequestError) and error.field in OPTION_NAMES and message.startswith(error.field):
        message = f"{OPTION_NAMES[error.field]}{message.removeprefix(error.field)}".removeprefix(": ")
    return " ".join([message, *getattr(error, "__notes__", ())])


def run_and_exit(main: Coroutine[Any, Any, int]) -> None:
    """Run a command's coroutine, and exit with the code that it returns."""
    try:
        code = asyncio.run(main)
    except KeyboardInterrupt:
        raise exit_with("interrupted", INTERRUPTED) from None
    except GenerorAsyncError as error:
        print_error(error_text(error))
        raise typer.Exit(BAD_USE) from None
    except BrokenPipeError:  # whoever reads stdout has enough, such as `head`
        discard_stdout()
        code = 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise exit_with(f"{where}{error.strerror or error}", BAD_USE) from None
    raise typer.Exit(code)


def print_error(message: str) -> None:
    """Print an error message on stderr."""
    typer.echo(f"generor: {escape_controls(message)}", err=True)


def escape_controls(text: str) -> str:
    """Escape characters that would control a terminal: prompts and names come from others."""
    return "".join(each.encode("unicode_escape").decode() if _needs_escape(each) else each for each in text)


def _needs_escape(character: str) -> bool:
    """Tell whether a terminal would act on a character, or reorder the text around it."""
    return (unicodedata.category(character) in {"Cc", "Cs"} and character != "\n") or character in BIDI_CONTROLS
