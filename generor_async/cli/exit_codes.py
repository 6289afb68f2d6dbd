"""Exit codes of the commands, and error messages on stderr."""

import asyncio
import unicodedata
from collections.abc import Coroutine, Mapping
from typing import Any, Final

import typer

from generor_async.cli.std_streams import discard_stdout
from generor_async.errors import GenerorAsyncError, InvalidRequestError
from generor_async.rules.stop_rules import StopReason

__all__ = [
    "BAD_USE",
    "FAILED",
    "INTERRUPTED",
    "SIGNAL_BASE",
    "SOME_MISSING",
    "BadUseError",
    "error_text",
    "escape_controls",
    "exit_code",
    "exit_with",
    "print_error",
    "run_and_exit",
]

FAILED: Final = 1
BAD_USE: Final = 2
SOME_MISSING: Final = 3
OUT_OF_MONEY: Final = 4
PROBLEM: Final = 5
SIGNAL_BASE: Final = 128
"""The exit code of a command that a signal ended is this plus the signal's number."""
INTERRUPTED: Final = 130

BY_REASON: Final[Mapping[StopReason, int]] = {
    "done": 0,
    "failed": SOME_MISSING,
    "cap": OUT_OF_MONEY,
    "credits": OUT_OF_MONEY,
    "key": PROBLEM,
    "unknown": PROBLEM,
    "downloads": PROBLEM,
    "disk": PROBLEM,
    "folder": PROBLEM,
    "interrupted": INTERRUPTED,
}
"""The exit code for each reason why a batch ended."""

OPTION_NAMES: Final = {
    **{
        name: f"--{name.replace('_', '-')}"
        for name in (
            "max_credits", "price", "limit", "concurrency", "prompt_column", "keep", "drain", "tag_rows", "take_over",
            "id",
        )
    },
    "common": "--param",
    "rows": "",
    "to": "",
}  # fmt: skip
"""The command's option for each argument of a batch; empty for a file or folder, which the message names anyway."""

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


def exit_code(reason: StopReason, *, begun: bool, error: bool) -> int:
    """Return the exit code of a batch.

    `begun`: whether any of its calls had an effect; `error`: whether an error ended it. An error before that
    exits as bad use, unless the reason is money.
    """
    if error and not begun and BY_REASON[reason] != OUT_OF_MONEY:
        return BAD_USE
    return PROBLEM if error and reason == "failed" else BY_REASON[reason]


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
