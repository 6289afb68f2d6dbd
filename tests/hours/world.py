"""What the programs share: where everything is, how fast time passes, and what users may spend."""

import json
import sys
from pathlib import Path

import cattrs
from attrs import frozen
from support.clock import FastClock, hasten

from generor_async import Budget

__all__ = ["BUDGETS", "CREDITS_AN_HOUR", "DOLLARS_AN_HOUR", "TEXT_BUDGETS", "Configuration", "Log", "hours_later"]

DOLLARS_AN_HOUR = 0.25
"""What each user may spend on pictures: six."""
CREDITS_AN_HOUR = 20
"""What each user may spend on texts."""
BUDGETS = [
    Budget(dollars=DOLLARS_AN_HOUR, every="hour", each_user=True),
    Budget(dollars=6, every="hour", group="vip/"),
    Budget(dollars=400, every="day"),
]
TEXT_BUDGETS = [Budget(credits=CREDITS_AN_HOUR, every="hour", each_user=True), Budget(credits=20_000, every="day")]


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
