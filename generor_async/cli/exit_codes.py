"""How commands end: exit codes, and one line on stderr for everything that a person can mend."""

import asyncio
import unicodedata
from collections.abc import Coroutine, Mapping
from typing import Any, Final

import typer

from generor_async.errors import GenerorAsyncError, InvalidRequestError
from generor_async.rules.resume_advice import Reason

__all__ = [
    "BAD_USE",
    "BY_SIGNAL",
    "FAILED",
    "INTERRUPTED",
    "SOME_MISSING",
    "BadUseError",
    "exit_code",
    "finish",
    "printable",
    "say",
    "stop",
    "told",
]

FAILED: Final = 1
BAD_USE: Final = 2
SOME_MISSING: Final = 3
NO_MONEY: Final = 4
WRONG: Final = 5
BY_SIGNAL: Final = 128
"""And the number of the signal."""
INTERRUPTED: Final = 130

BY_REASON: Final[Mapping[Reason, int]] = {
    "done": 0,
    "failed": SOME_MISSING,
    "cap": NO_MONEY,
    "credits": NO_MONEY,
    "key": WRONG,
    "unknown": WRONG,
    "downloads": WRONG,
    "disk": WRONG,
    "folder": WRONG,
    "interrupted": INTERRUPTED,
}
"""How a batch exits that has come to its end, or was stopped."""

OPTIONS: Final = {
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
"""What options are called that stand for a batch's arguments; nothing for a file or folder, which is named anyway."""

TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""What turns the direction of writing."""


class BadUseError(typer.BadParameter):
    """What was asked for can't be done: said as it is, after the option that it is about."""

    def format_message(self) -> str:
        """Return it in a sentence."""
        return f"{self.param_hint}: {self.message}" if self.param_hint else self.message


def stop(message: str, code: int) -> typer.Exit:
    """Say on stderr why a command ends, and return what to raise."""
    say(message)
    return typer.Exit(code)


def exit_code(reason: Reason, *, begun: bool, error: bool) -> int:
    """Return how a batch exits; `begun` if any call of it came to anything, `error` if an error has ended it.

    What stopped it before anything was begun is bad use, but for money, which is told apart in any case.
    """
    if error and not begun and BY_REASON[reason] != NO_MONEY:
        return BAD_USE
    return WRONG if error and reason == "failed" else BY_REASON[reason]


def told(error: GenerorAsyncError) -> str:
    """Return what an error says, by the names that the command has for it, with its notes on how to go on."""
    said = str(error)
    if isinstance(error, InvalidRequestError) and error.field in OPTIONS and said.startswith(error.field):
        said = f"{OPTIONS[error.field]}{said.removeprefix(error.field)}".removeprefix(": ")
    return " ".join([said, *getattr(error, "__notes__", ())])


def finish(main: Coroutine[Any, Any, int]) -> None:
    """Run a command, and exit with what it says."""
    try:
        code = asyncio.run(main)
    except KeyboardInterrupt:
        raise stop("interrupted", INTERRUPTED) from None
    except GenerorAsyncError as error:
        say(told(error))
        raise typer.Exit(BAD_USE) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise stop(f"{where}{error.strerror or error}", BAD_USE) from None
    raise typer.Exit(code)


def say(message: str) -> None:
    """Say on stderr what went wrong."""
    typer.echo(f"generor: {printable(message)}", err=True)


def printable(text: str) -> str:
    """Return a text without what would command a terminal: prompts and names are other people's."""
    return "".join(each.encode("unicode_escape").decode() if _commands(each) else each for each in text)


def _commands(character: str) -> bool:
    """Tell whether a terminal would do something else than show it, or turn the order of what it shows."""
    return (unicodedata.category(character) in {"Cc", "Cs"} and character != "\n") or character in TURNING
