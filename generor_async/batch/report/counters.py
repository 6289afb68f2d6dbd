"""Sums up the rows of a report: of each row some numbers are kept, never its texts."""

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
    """Rows with the same state and error, and the message of one of them."""

    example: str
    rows: int = 0


@frozen
class TimeBin:
    """An interval of the run's time, in seconds in which a run was active."""

    begin: float
    end: float
    done: int
    failed: int
    spent: float
    """Spent by all rows until `end`; the last bin includes rows that have not ended."""


@define
class ReportCounters:
    """Sums over all rows so far."""

    states: Counter[ReportState] = Factory(Counter[ReportState])
    makers: Counter[str] = Factory(Counter[str])
    failures: dict[tuple[ReportState, str], FailureGroup] = Factory(dict[tuple[ReportState, str], FailureGroup])
    unresolved: float = 0.0
    """What may have been charged in addition to what was spent."""
    ratios: Counter[float] = Factory(Counter[float])
    """Ratios of width to height of the pictures."""
    _seconds: "array[float]" = Factory(lambda: array("d"))
    _ended: "array[float]" = Factory(lambda: array("d"))
    _costs: "array[float]" = Factory(lambda: array("d"))
    _end_states: "array[int]" = Factory(lambda: array("b"))
    _open_costs: float = 0.0
    """The cost of rows that have not ended."""

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.states.total()

    def add(self, row: ReportRow, ratios: Sequence[float]) -> None:
        """Count a row, and the ratios of its pictures."""
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
        """Return the median duration of rows that are done."""
        return median(self._seconds) if self._seconds else None

    def time_bins(self, summary: ReportSummary) -> list[TimeBin]:
        """Divide the active time into equal bins: the more rows have ended, the more bins."""
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
