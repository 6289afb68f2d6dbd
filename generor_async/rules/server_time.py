"""Estimates the difference between the server's clock and ours, by a vote of the Date headers near a moment.

The Date of one response may be wrong, and that of one endpoint always. Without any Date the difference is zero.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from attrs import define, field, frozen

from generor_async.values import JSON

__all__ = ["ServerTime"]

AGREE_SECONDS: Final = 5.0
"""Seconds within which differences count as equal: dates are whole seconds, and responses take time."""
AGREEING: Final = 2
"""Votes that settle a dispute."""
DATES_COUNTED: Final = 15
"""Number of dates nearest to a moment that vote."""
SPANS_KEPT: Final = 200
"""Spans of each run that are kept."""
RUNS_KEPT: Final = 50


@frozen
class _OffsetSpan:
    """Consecutive dates with the same difference."""

    first: float
    last: float
    ahead: float
    count: int

    def away(self, moment: float) -> float:
        """Return the distance from a moment in seconds."""
        return max(self.first - moment, moment - self.last, 0.0)


@define
class _ClockRun:
    """The spans of one run of a batch, whose clock is monotonic."""

    began: float
    stretches: list[_OffsetSpan] = field(factory=list[_OffsetSpan])


@define
class ServerTime:
    """Converts our time into the server's, over the runs of a batch; our clock may be set between two runs."""

    _runs: list[_ClockRun] = field(factory=list[_ClockRun])

    @classmethod
    def from_json(cls, runs: JSON) -> "ServerTime":
        """Restore what `to_json` returned."""
        noted: Any = runs or []
        told: list[tuple[float, list[tuple[float, float, float, int]]]] = noted
        return cls([_ClockRun(began, [_OffsetSpan(*each) for each in stretches]) for began, stretches in told])

    def to_json(self) -> JSON:
        """Return the spans as JSON."""
        return [
            [run.began, [[one.first, one.last, one.ahead, one.count] for one in run.stretches]] for run in self._runs
        ]

    def begin(self, now: float) -> None:
        """Begin a run."""
        self._runs = [*self._runs[1 - RUNS_KEPT :], _ClockRun(now)]

    def learn(self, now: float, date: float) -> None:
        """Record the Date of a response that arrived at `now`, by our clock."""
        stretches, ahead = self._runs[-1].stretches, date - now
        if stretches and abs(stretches[-1].ahead - ahead) <= AGREE_SECONDS:
            last = stretches.pop()
            stretches.append(_OffsetSpan(last.first, now, last.ahead, last.count + 1))
        else:
            stretches.append(_OffsetSpan(now, now, ahead, 1))
            del stretches[:-SPANS_KEPT]

    def at(self, moment: float) -> float:
        """Return the server's time at a moment of our clock, both in Unix seconds."""
        run = next((run for run in reversed(self._runs) if run.began <= moment), None)
        return moment + (_ahead(_votes(run.stretches, moment)) if run is not None else 0.0)

    def is_disputed(self, moment: float) -> bool:
        """Tell whether no two of the dates near a moment, and of our own clock, agree: another date would help."""
        votes = _votes(self._runs[-1].stretches, moment)
        return len(votes) > 1 and _agreeing(votes, _ahead(votes)) < AGREEING


def _ahead(votes: Sequence[tuple[float, int]]) -> float:
    """Return the difference that most votes agree on, and of equals the smallest."""
    return max(votes, key=lambda vote: (_agreeing(votes, vote[0]), -abs(vote[0])))[0]


def _votes(stretches: Sequence[_OffsetSpan], moment: float) -> list[tuple[float, int]]:
    """Return the differences of the nearest dates, and how many have each; a difference of zero has one vote, too."""
    votes: list[tuple[float, int]] = [(0.0, 1)]
    missing = DATES_COUNTED
    for one in sorted(stretches, key=lambda one: one.away(moment)):
        if missing > 0:
            votes.append((one.ahead, min(one.count, missing)))
            missing -= one.count
    return votes


def _agreeing(votes: Iterable[tuple[float, int]], ahead: float) -> int:
    return sum(count for other, count in votes if abs(other - ahead) <= AGREE_SECONDS)
