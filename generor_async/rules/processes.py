"""The processes that share the limits of a key, and how much each of them has told.

Each process numbers its updates of the state, and the state says which was the last of each. A state that has fewer of
them than a process has made has lost some: the store was emptied, began again with an older state, or never got the
answer. The process then tells them once more.

Those that have written within `COUNTED_SECONDS`, the length of a minute's window, share the limits among them: they
have sent requests, or have calls that wait. An idle process writes nothing, and isn't counted.
"""

from typing import Any, Final

from attrs import define, field

from generor_async.rules.state_json import int_reader, read_past, read_text
from generor_async.values import JSON

__all__ = ["FORGOTTEN_SECONDS", "Processes"]

COUNTED_SECONDS: Final = 60.0
"""Seconds for which a process counts after it has written."""
FORGOTTEN_SECONDS: Final = 300.0
"""Seconds after which a process is forgotten."""

_COUNT: Final = int_reader()


@define
class Processes:
    """The last update of each process."""

    _last: dict[str, tuple[int, float]] = field(factory=dict[str, tuple[int, float]], init=False)
    """Its number, and when it was made."""

    def told(self, process: str, number: int, at: float, now: float) -> int:
        """Return the number of a process's last update in this state; 0 where there is none.

        Args:
            process: Which process.
            number: The number of the last update that it has made.
            at: When that was.
            now: The time. Where the process is forgotten by now, its last update counts as known.
        """
        found = self._last.get(process)
        if found is not None:
            return found[0]
        return number if at + FORGOTTEN_SECONDS <= now else 0

    def record(self, process: str, number: int, now: float) -> None:
        """Record an update of a process."""
        for each in [each for each, (_, at) in self._last.items() if at + FORGOTTEN_SECONDS <= now]:
            del self._last[each]
        self._last[process] = number, now

    def count(self, process: str, now: float) -> int:
        """Count the processes that share the limits, with this one."""
        return 1 + sum(each != process and at + COUNTED_SECONDS > now for each, (_, at) in self._last.items())

    def dump(self) -> JSON:
        """Return the state as JSON data."""
        return [[process, number, at] for process, (number, at) in self._last.items()]

    def load(self, dumped: Any, now: float) -> None:
        """Restore a state from `dump`; raises ValueError or TypeError."""
        self._last = {
            read_text(process, now): (_COUNT(number, now), read_past(at, now)) for process, number, at in dumped
        }
