"""How far a server's clock is ahead of our own, told from the Date of its answers: by most of those near a moment.

One answer's date may be wrong, as one endpoint's may be each time. Where nothing else tells, both clocks are right.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from attrs import define, field, frozen

from generor_async.values import JSON

__all__ = ["ServerTime"]

AGREE_SECONDS: Final = 5.0
"""Seconds by which dates that agree may differ: they are whole seconds, and some time under way."""
DATES_COUNTED: Final = 15
"""How many dates, of those nearest to a moment, tell how far ahead the server was then."""
SPANS_KEPT: Final = 200
"""Stretches of dates that agree, of each run."""
RUNS_KEPT: Final = 50


@frozen
class _OffsetSpan:
    """Dates in a row that agree."""

    first: float
    last: float
    ahead: float
    count: int

    def away(self, moment: float) -> float:
        """Return how many seconds it is from a moment."""
        return max(self.first - moment, moment - self.last, 0.0)


@define
class _ClockRun:
    """What was learned since our clock was looked at, and carried on by what nobody can set."""

    began: float
    stretches: list[_OffsetSpan] = field(factory=list[_OffsetSpan])


@define
class ServerTime:
    """The server's time by our own, over the runs of a batch: between two of them our clock may have been set."""

    _runs: list[_ClockRun] = field(factory=list[_ClockRun])

    @classmethod
    def from_json(cls, runs: JSON) -> "ServerTime":
        """Go on with what `to_json` wrote."""
        noted: Any = runs or []
        told: list[tuple[float, list[tuple[float, float, float, int]]]] = noted
        return cls([_ClockRun(began, [_OffsetSpan(*each) for each in stretches]) for began, stretches in told])

    def to_json(self) -> JSON:
        """Write down what is known."""
        return [
            [run.began, [[one.first, one.last, one.ahead, one.count] for one in run.stretches]] for run in self._runs
        ]

    def begin(self, now: float) -> None:
        """Begin a run, whose clock may be another one."""
        self._runs = [*self._runs[1 - RUNS_KEPT :], _ClockRun(now)]

    def learn(self, now: float, date: float) -> None:
        """Take note of an answer's date; `now` is when it came, by our clock."""
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
        return moment + (_ahead(run.stretches, moment) if run is not None else 0.0)


def _ahead(stretches: Sequence[_OffsetSpan], moment: float) -> float:
    """Return what most of the nearest dates say, our own clock among them."""
    votes: list[tuple[float, int]] = [(0.0, 1)]
    missing = DATES_COUNTED
    for one in sorted(stretches, key=lambda one: one.away(moment)):
        if missing > 0:
            votes.append((one.ahead, min(one.count, missing)))
            missing -= one.count
    return max(votes, key=lambda vote: (_agreeing(votes, vote[0]), -abs(vote[0])))[0]


def _agreeing(votes: Iterable[tuple[float, int]], ahead: float) -> int:
    return sum(count for other, count in votes if abs(other - ahead) <= AGREE_SECONDS)
