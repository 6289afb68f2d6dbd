"""The data of a report: the batch as a whole, and its rows."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

from attrs import Factory, field, frozen

__all__ = ["ReportFile", "ReportRow", "ReportState", "ReportSummary", "Unit", "left_out"]

MAX_CARDS: Final = 100_000
"""Rows on one page, at most: browsers don't open larger ones."""

ReportState: TypeAlias = Literal["done", "failed", "unknown", "other"]
"""`unknown`: may have been charged, and its outcome isn't known. `other`: has not ended yet."""
Unit: TypeAlias = Literal["credits", "dollars"]


@frozen(kw_only=True)
class ReportFile:
    """A stored output."""

    path: str
    """Relative to the results folder, with forward slashes."""
    media_type: str


@frozen(kw_only=True)
class ReportRow:
    """A row of the report. Like messages of errors, its texts have no keys and no presigned URLs."""

    id: str
    state: ReportState
    prompt: str
    type: str
    """The slug of a generator, or a type of generation."""
    model: str = ""
    cost: float | None = None
    """What was charged, in the report's unit; None if no call was made."""
    unresolved: float = 0.0
    """What may have been charged in addition to `cost`, in the report's unit."""
    started: float | None = None
    ended: float | None = None
    """Unix seconds."""
    files: tuple[ReportFile, ...] = ()
    error: str = ""
    """The name of the error type."""
    reason: str = ""
    """The error's message."""
    remote_id: str = ""
    attempts: int = 1

    @property
    def made_by(self) -> str:
        """Type and model, as shown and filtered by."""
        return " · ".join(filter(None, (self.type, self.model)))

    @property
    def seconds(self) -> float | None:
        """Its duration in seconds."""
        return None if self.started is None or self.ended is None else max(0.0, self.ended - self.started)


@frozen(kw_only=True)
class ReportSummary:
    """The batch as a whole."""

    title: str
    api: str
    unit: Unit
    rows: int
    """The number of rows; approximate while a run goes on."""
    left_out: Mapping[ReportState, int] = Factory(dict[ReportState, int])
    """How many rows of each state, the first ones, are counted but not shown."""
    spent: float
    """The cost of all rows."""
    cap: float | None = None
    credit_dollars: float | None = None
    """The value of a credit in US dollars, if known."""
    runs: Sequence[tuple[float, float]]
    """Begin and end of each run in Unix seconds, in order; at least one."""
    _activity_changes: Sequence[tuple[float, float, int]] = field(
        init=False, eq=False, repr=False, default=Factory(lambda self: _activity_changes(self.runs), takes_self=True)
    )

    @property
    def active(self) -> float:
        """Seconds in which a run was active."""
        return sum(max(0.0, ended - began) for began, ended in self.runs)

    def active_until(self, moment: float) -> float:
        """Return the active seconds until a moment in Unix seconds.

        A moment outside every run, as after a clock was set back, counts at the edge of the nearest.
        """
        at = bisect_right(self._activity_changes, moment, key=lambda bend: bend[0]) - 1
        if at < 0:
            return 0.0
        since, active, runs = self._activity_changes[at]
        return active + runs * (moment - since)


def _activity_changes(runs: Sequence[tuple[float, float]]) -> list[tuple[float, float, int]]:
    """Return when runs began or ended: the moment, the active seconds until then, and the runs active after it."""
    steps = Counter[float]()
    for began, ended in runs:
        if ended > began:
            steps[began] += 1
            steps[ended] -= 1
    bends, since, active, going = list[tuple[float, float, int]](), 0.0, 0.0, 0
    for moment, step in sorted(steps.items()):
        active += going * (moment - since)
        since, going = moment, going + step
        bends.append((moment, active, going))
    return bends


def left_out(counts: Mapping[ReportState, int], most: int = MAX_CARDS) -> dict[ReportState, int]:
    """Return how many rows of each state to leave out so that `most` are shown: first those that have not ended."""
    found, over = dict[ReportState, int](), sum(counts.values()) - most
    for state in ("other", "done", "failed", "unknown"):
        if (some := min(over, counts.get(state, 0))) > 0:
            found[state] = some
            over -= some
    return found
