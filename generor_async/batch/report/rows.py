"""What a report is made of: the run as a whole, and its rows."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from attrs import frozen

__all__ = ["ReportFile", "ReportRow", "State", "Summary", "Unit"]

State: TypeAlias = Literal["done", "failed", "unknown", "other"]
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
    state: State
    prompt: str
    type: str
    """What makes it: a generator's slug, or a type of generation."""
    model: str = ""
    cost: float | None = None
    """In the run's unit: what was charged; None where no call was made."""
    doubtful: float = 0.0
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
    def kind(self) -> str:
        """What made it, in words that tell it from others."""
        return " · ".join(filter(None, (self.type, self.model)))

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return None if self.started is None or self.ended is None else max(0.0, self.ended - self.started)


@frozen(kw_only=True)
class Summary:
    """What the rows don't tell of a batch."""

    title: str
    api: str
    unit: Unit
    rows: int
    """How many there are, about."""
    spent: float
    """What the rows have cost."""
    cap: float | None = None
    credit_dollars: float | None = None
    """What a credit is worth in US dollars, where that is known."""
    runs: Sequence[tuple[float, float]]
    """When each run began and ended, in Unix seconds and in order; one at least."""

    @property
    def active(self) -> float:
        """Seconds in which a run went on."""
        return sum(max(0.0, ended - began) for began, ended in self.runs)

    def active_until(self, moment: float) -> float:
        """Return for how many seconds a run had gone on at a moment, in Unix seconds.

        Clocks are set back: what is out of every run counts at the edge of one.
        """
        return sum(max(0.0, min(moment, ended) - began) for began, ended in self.runs)
