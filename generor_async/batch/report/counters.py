"""Adds up a run's rows in passing: for a row there stay some numbers, never its texts."""

from array import array
from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Final, get_args

from attrs import Factory, define, frozen

from generor_async.batch.report.formatting import excerpt
from generor_async.batch.report.rows import ReportRow, ReportState, ReportSummary

__all__ = ["FailureGroup", "ReportCounters", "TimeBin"]

STATES: Final[tuple[ReportState, ...]] = get_args(ReportState)


@define
class FailureGroup:
    """What went wrong in the same way, with one row's sentence as the example."""

    example: str
    rows: int = 0


@frozen
class TimeBin:
    """A piece of the run's time."""

    begin: float
    end: float
    """Seconds in which a run went on until then."""
    done: int
    failed: int
    spent: float
    """By all rows until then; what those cost that have not ended is in the last piece."""


@define
class ReportCounters:
    """The sums over all rows so far."""

    states: Counter[ReportState] = Factory(Counter[ReportState])
    makers: Counter[str] = Factory(Counter[str])
    failures: dict[tuple[ReportState, str], FailureGroup] = Factory(dict[tuple[ReportState, str], FailureGroup])
    unresolved: float = 0.0
    """What may have been charged beside what was spent."""
    ratios: Counter[float] = Factory(Counter[float])
    """Width by height of the pictures."""
    _seconds: "array[float]" = Factory(lambda: array("d"))
    _ended: "array[float]" = Factory(lambda: array("d"))
    _costs: "array[float]" = Factory(lambda: array("d"))
    _end_states: "array[int]" = Factory(lambda: array("b"))
    _open_costs: float = 0.0
    """What the rows have cost that have not ended."""

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.states.total()

    def add(self, row: ReportRow, ratios: Sequence[float]) -> None:
        """Count a row, and its pictures' ratios."""
        self.states[row.state] += 1
        self.makers[row.made_by] += 1
        self.ratios.update(ratios)
        if row.error:
            self.failures.setdefault((row.state, row.error), FailureGroup(excerpt(row.reason))).rows += 1
        self.unresolved += row.unresolved
        if row.ended is None:
            self._open_costs += row.cost or 0.0
        else:
            self._ended.append(row.ended)
            self._costs.append(row.cost or 0.0)
            self._end_states.append(STATES.index(row.state))
            if row.state == "done" and row.seconds is not None:
                self._seconds.append(row.seconds)

    def median_seconds(self) -> float | None:
        """Return how long a result took, half of them less."""
        return median(self._seconds) if self._seconds else None

    def time_bins(self, summary: ReportSummary) -> list[TimeBin]:
        """Cut the time in which runs went on into equal pieces, more of them the more rows have ended."""
        count = min(48, max(12, len(self._ended) // 5))
        is_done, is_failed = STATES.index("done"), STATES.index("failed")
        width = max(1.0, summary.active) / count
        done, failed, costs = [0] * count, [0] * count, [0.0] * count
        for ended, cost, state in zip(self._ended, self._costs, self._end_states, strict=True):
            place = min(count - 1, int(summary.active_until(ended) / width))
            done[place] += state == is_done
            failed[place] += state == is_failed
            costs[place] += cost
        costs[-1] += self._open_costs
        spent, bins = 0.0, list[TimeBin]()
        for place in range(count):
            spent += costs[place]
            bins.append(TimeBin(place * width, (place + 1) * width, done[place], failed[place], spent))
        return bins
