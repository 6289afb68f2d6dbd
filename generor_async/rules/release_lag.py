"""Learns how long the server holds the slot of a job that has ended.

A refusal although there is room is first taken for lag, twice in a row, but not where slots used to be free at once. A
learned lag applies to every job, and is tested now and then by an earlier submission.
"""

import math
from bisect import bisect_right
from typing import Any, Final

from attrs import define, field

from generor_async.rules.state_json import (
    LARGEST_COUNT,
    StateReader,
    dump_fields,
    float_reader,
    int_reader,
    load_fields,
    read_flag,
    read_past,
)
from generor_async.values import JSON

__all__ = ["EARLY_PART", "ENOUGH_PROMPT", "LAG_STEPS", "ReleaseLag"]

LAG_STEPS: Final = (1.0, 3.0)
"""Seconds by which the assumed lag grows at each refusal in a row."""
LAG_MOST: Final = 15.0
"""Longest lag that is believed, in seconds."""
LAG_LEAST: Final = 0.5
"""Shorter lags, in seconds, are ignored."""
LAG_PART: Final = 0.75
"""Part of a learned lag that is waited for in a test."""
EARLY_PART: Final = 0.9
"""A slot is early, and so tests a shorter lag, if less than this part of the confirmed one has passed."""
ENOUGH_PROMPT: Final = 5
"""Number of slots that were free at once, from which on no lag is assumed."""
ENDS_KEPT: Final = 30.0
"""Seconds for which ends of jobs are remembered: longer than any believed lag."""


@define
class ReleaseLag:
    """How long the server holds the slot of a job that has ended, in seconds."""

    seconds: float = 0.0
    """The lag in use: longer than `confirmed` after a refusal, shorter in a test."""
    confirmed: float = 0.0
    """The lag after which submissions were accepted."""
    _ends: list[float] = field(factory=list[float], init=False)
    _suspicions: int = field(default=0, init=False)
    _prompt_releases: int = field(default=0, init=False)
    """How many slots in a row were free at once."""
    _test_in: int = field(default=0, init=False)
    _test_every: int = field(default=0, init=False)
    _untested: bool = field(default=False, init=False)
    """Whether there may be no lag at all, so that the first test waits for none."""

    def job_ended(self, now: float, units: int = 1) -> None:
        """Record the end of a job of so many units."""
        self._ends += [now] * units
        if self._ends[0] < now - 2 * ENDS_KEPT:
            del self._ends[: bisect_right(self._ends, now - ENDS_KEPT)]

    def units_held(self, now: float, seconds: float) -> int:
        """Return the units of jobs that ended less than `seconds` ago."""
        return len(self._ends) - bisect_right(self._ends, now, key=seconds.__add__)

    def next_free(self, now: float) -> float:
        """Return when the next of these units becomes free."""
        held = self.units_held(now, self.seconds)
        return self._ends[-held] + self.seconds if held else math.inf

    @property
    def is_suspected(self) -> bool:
        """Whether the latest refusals are taken for lag."""
        return self._suspicions > 0

    def may_explain(self, began: float, room: int, *, early: bool) -> bool:
        """Tell whether lag may be the reason for a refusal; if so, assume a longer one.

        `began` is when the submission was granted, `room` the units that should be free, and `early` whether one
        of them counts as free only because the lag is being tested.
        """
        if early:
            self.seconds = self.confirmed
            self._test_every *= 2
            self._test_in = self._test_every
            return True
        longest = began - self._ends[-room] if room <= len(self._ends) else math.inf
        if longest > LAG_MOST or self._suspicions == len(LAG_STEPS) or self._prompt_releases >= ENOUGH_PROMPT:
            self.seconds, self._suspicions, self._prompt_releases = self.confirmed, 0, 0
            return False
        self.seconds = longest + LAG_STEPS[self._suspicions]
        self._suspicions += 1
        return True

    def submission_accepted(self, *, early: bool, prompt: bool) -> None:
        """Record that a submission was accepted."""
        self._prompt_releases += prompt
        if self._suspicions:
            if not self.confirmed:
                self._untested, self._test_every = True, max(1, 2 * self._test_every)
            self._confirm()
        elif early:
            if not self.seconds:
                self._test_every //= 2
            self._confirm()
        elif self.seconds and self.seconds == self.confirmed:
            self._test_in -= 1
            if self._test_in <= 0:
                shorter = 0.0 if self._untested else self.confirmed * LAG_PART
                self.seconds = shorter if shorter > LAG_LEAST else 0.0
                self._untested = False

    def _confirm(self) -> None:
        if self._suspicions:
            self._suspicions = self._prompt_releases = 0
        self.confirmed = self.seconds
        self._test_in = self._test_every

    def dump(self) -> JSON:
        """Return the state as JSON data."""
        return [list(self._ends), *dump_fields(self, _LAG_FIELDS)]

    def load(self, data: Any, now: float) -> None:
        """Restore what `dump` returned."""
        ends, *kept = data
        load_fields(self, kept, _LAG_FIELDS, now)
        self._ends = sorted(read_past(end, now) for end in ends)


_SECONDS: Final = float_reader(0.0, LAG_MOST + LAG_STEPS[-1])
_LAG_FIELDS: Final[dict[str, StateReader]] = {
    "seconds": _SECONDS,
    "confirmed": _SECONDS,
    "_suspicions": int_reader(0, len(LAG_STEPS)),
    "_prompt_releases": int_reader(),
    "_test_in": int_reader(-LARGEST_COUNT),
    "_test_every": int_reader(),
    "_untested": read_flag,
}
