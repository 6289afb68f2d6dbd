"""The slots that unfinished jobs of an API client occupy.

`documented`: a job occupies its slot until it has ended. `page`: for at most an hour. `assumed`: a job occupies as many
slots as its weight; with switches: the slot is free at the end, without a delay and without a poll.
"""

import heapq
from typing import Literal

from attrs import define, field, frozen

__all__ = ["ReleaseAt", "SlotCounter", "SlotRules"]

ReleaseAt = Literal["end", "poll"]


@frozen(kw_only=True)
class SlotRules:
    """Rules for when a job's slot is free again."""

    release_at: ReleaseAt = "end"
    """At the job's end, or when it is polled for the first time after that."""
    release_lag: float = 0.0
    """Additional seconds for which the slot is occupied."""
    expiry: float = 3_600.0
    """Seconds after submission from which a job occupies no slot in any case."""


@define
class SlotCounter:
    """Counts the occupied slots; `now` must not run backwards."""

    rules: SlotRules
    held_by_others: int = 0
    """Slots that other users of the client hold."""
    _held: dict[str, tuple[float, int]] = field(factory=dict[str, tuple[float, int]], init=False)
    """When each job's slots are free, and how many they are, by its id."""
    _ends: list[tuple[float, str]] = field(factory=list[tuple[float, str]], init=False)
    """The same times as a heap; one that a job no longer has is passed over."""
    _used: int = field(default=0, init=False)

    def used(self, now: float) -> int:
        """Return the number of slots that own jobs occupy."""
        while self._ends and self._ends[0][0] <= now:
            free_at, job_id = heapq.heappop(self._ends)
            if self._held.get(job_id, (None, 0))[0] == free_at:
                self._used -= self._held.pop(job_id)[1]
        return self._used

    def peek(self, now: float) -> int:
        """Return the same without forgetting anything: for an earlier time, or from another thread."""
        return sum(weight for free_at, weight in tuple(self._held.values()) if free_at > now)

    def occupy(self, job_id: str, weight: int, *, created_at: float, ends_at: float) -> None:
        """Occupy slots for an accepted job."""
        expires_at = created_at + self.rules.expiry
        at_end = self.rules.release_at == "end"
        self._used += weight
        self._hold(job_id, weight, min(ends_at + self.rules.release_lag, expires_at) if at_end else expires_at)

    def note_poll(self, job_id: str, now: float) -> None:
        """Note that a poll has seen the end of a job."""
        free_at, weight = self._held.get(job_id, (0.0, 0))
        if weight and self.rules.release_at == "poll" and now + self.rules.release_lag < free_at:
            self._hold(job_id, weight, now + self.rules.release_lag)

    def _hold(self, job_id: str, weight: int, free_at: float) -> None:
        self._held[job_id] = (free_at, weight)
        heapq.heappush(self._ends, (free_at, job_id))
