"""How commands end: exit codes, and one line on stderr for everything that a person can mend."""

import unicodedata
from typing import Final

import typer

__all__ = ["BAD_USE", "FAILED", "INTERRUPTED", "SOME_MISSING", "BadUseError", "printable", "say", "stop"]

FAILED: Final = 1
BAD_USE: Final = 2
SOME_MISSING: Final = 3
INTERRUPTED: Final = 130

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


def say(message: str) -> None:
    """Say on stderr what went wrong."""
    typer.echo(f"generor: {printable(message)}", err=True)


def printable(text: str) -> str:
    """Return a text without what would command a terminal: prompts and names are other people's."""
    return "".join(each.encode("unicode_escape").decode() if _commands(each) else each for each in text)


def _commands(character: str) -> bool:
    """Tell whether a terminal would do something else than show it, or turn the order of what it shows."""
    return (unicodedata.category(character) in {"Cc", "Cs"} and character != "\n") or character in TURNING
