"""Exit codes of the commands."""

from collections.abc import Mapping
from typing import Final

from generor_async.rules.stop_rules import StopReason

__all__ = ["BAD_USE", "FAILED", "INTERRUPTED", "SIGNAL_BASE", "SOME_MISSING", "exit_code"]

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
    "storage": PROBLEM,
    "disk": PROBLEM,
    "folder": PROBLEM,
    "database": PROBLEM,
    "interrupted": INTERRUPTED,
}
"""The exit code for each reason why a batch ended."""


def exit_code(reason: StopReason, *, begun: bool, error: bool) -> int:
    """Return the exit code of a batch.

    `begun`: whether any of its calls had an effect; `error`: whether an error ended it. An error before that
    exits as bad use, unless the reason is money.
    """
    if error and not begun and BY_REASON[reason] != OUT_OF_MONEY:
        return BAD_USE
    return PROBLEM if error and reason == "failed" else BY_REASON[reason]
