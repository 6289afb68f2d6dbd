"""What a report is made of: the run as a whole, and its rows."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

from attrs import Factory, field, frozen

__all__ = ["ReportFile", "ReportRow", "ReportState", "ReportSummary", "Unit", "left_out"]

MAX_CARDS: Final = 100_000
"""How many rows one page shows, at the most: what has more a browser doesn't open."""

ReportState: TypeAlias = Literal["done", "failed", "unknown", "other"]
"""`unknown` may have been charged, and its outcome can't be learned; `other` has not ended yet."""
Unit: TypeAlias = Literal["credits", "dollars"]


@frozen(kw_only=True)
class ReportFile:
    """An output that was stored."""

    path: str
    """Relative to the run's folder, with forward slashes."""
    media_type: str


@frozen(kw_only=True)
class ReportRow:
    """A row as it stands: in its texts no key and no presigned URL, as in those of our errors."""

    id: str
    state: ReportState
    prompt: str
    type: str
    """What makes it: a generator's slug, or a type of generation."""
    model: str = ""
    cost: float | None = None
    """In the run's unit: what was charged; None where no call was made."""
    unresolved: float = 0.0
    """In the run's unit: what may have been charged beside."""
    started: float | None = None
    ended: float | None = None
    """Unix seconds."""
    files: tuple[ReportFile, ...] = ()
    error: str = ""
    """The error's class."""
    reason: str = ""
    """The error's own sentence."""
    remote_id: str = ""
    attempts: int = 1

    @property
    def made_by(self) -> str:
        """What made it, in words that tell it from others."""
        return " · ".join(filter(None, (self.type, self.model)))

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return None if self.started is None or self.ended is None else max(0.0, self.ended - self.started)


@frozen(kw_only=True)
class ReportSummary:
    """What the rows don't tell of a batch."""

    title: str
    api: str
    unit: Unit
    rows: int
    """How many there are, about."""
    left_out: Mapping[ReportState, int] = Factory(dict[ReportState, int])
    """How many of them, the first of each state, are counted and not shown."""
    spent: float
    """What the rows have cost."""
    cap: float | None = None
    credit_dollars: float | None = None
    """What a credit is worth in US dollars, where that is known."""
    runs: Sequence[tuple[float, float]]
    """When each run began and ended, in Unix seconds and in order; one at least."""
    _activity_changes: Sequence[tuple[float, float, int]] = field(
        init=False, eq=False, repr=False, default=Factory(lambda self: _activity_changes(self.runs), takes_self=True)
    )

    @property
    def active(self) -> float:
        """Seconds in which a run went on."""
        return sum(max(0.0, ended - began) for began, ended in self.runs)

    def active_until(self, moment: float) -> float:
        """Return for how many seconds a run had gone on at a moment, in Unix seconds.

        Clocks are set back: what is out of every run counts at the edge of one.
        """
        at = bisect_right(self._activity_changes, moment, key=lambda bend: bend[0]) - 1
        if at < 0:
            return 0.0
        since, active, runs = self._activity_changes[at]
        return active + runs * (moment - since)


def _activity_changes(runs: Sequence[tuple[float, float]]) -> list[tuple[float, float, int]]:
    """Return where a run began or ended: when, the seconds in which runs had gone on until then, and how many go on."""
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
    """Return how many rows of each state a page leaves out that shows so many: first those that have not ended."""
    found, over = dict[ReportState, int](), sum(counts.values()) - most
    for state in ("other", "done", "failed", "unknown"):
        if (some := min(over, counts.get(state, 0))) > 0:
            found[state] = some
            over -= some
    return found
