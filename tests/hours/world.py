"""What the programs share: where everything is, how fast time passes, and what users may spend."""

import json
import sys
from pathlib import Path

import cattrs
from attrs import frozen
from support.clock import FastClock, hasten

from generor_async import Budget
from generor_async.values import JSON
from generor_async.values.model import is_object

__all__ = ["BUDGETS", "HOUR", "TEXT_BUDGETS", "Configuration", "Log", "hours_later", "message_in"]

HOUR = 3_600.0
BUDGETS = [
    Budget(dollars=0.25, every="hour", each_user=True),  # six pictures
    Budget(dollars=1, every="hour", group="vip/"),
    Budget(dollars=70, every=3 * HOUR),
]
"""Each of them is used up, again and again."""
TEXT_BUDGETS = [Budget(credits=20, every="hour", each_user=True), Budget(credits=900, every=3 * HOUR)]


@frozen(kw_only=True)
class Configuration:
    """Where a program finds everything; the APIs and keys are in the environment."""

    state: str
    limits: str
    log: str
    users: str
    """The URL of those who use the programs."""
    port: int
    """Where the website listens."""
    pace: float
    """How many seconds pass in a real one."""
    epoch: float
    """Unix seconds when the machine's monotonic clock was zero."""

    @classmethod
    def read(cls) -> "Configuration":
        """Return that of the command line."""
        return cattrs.structure(json.loads(sys.argv[1]), cls)


def hours_later(configuration: Configuration) -> FastClock:
    """Have time pass faster in this process; return its clock."""
    hasten(configuration.pace, configuration.epoch)
    return FastClock(configuration.pace, configuration.epoch)


class Log:
    """A file of JSON lines, which survives that its process is killed."""

    def __init__(self, path: str) -> None:
        self._file = Path(path).open("a", buffering=1)  # noqa: SIM115 - it is open as long as the process lives

    def write(self, kind: str, **what: object) -> None:
        """Add a line."""
        self._file.write(json.dumps({"kind": kind, **what}) + "\n")


def message_in(context: JSON) -> int | None:
    """Return the message that a call was made for; None for one that isn't the bot's."""
    message = context.get("message") if is_object(context) else None
    return message if isinstance(message, int) else None
