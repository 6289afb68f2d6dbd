"""Counts what uses slots: submissions under way, submissions with unknown outcome, and running jobs.

Each of them expires: a process may die, a response may be lost, and the server itself stops counting a job after an
hour. Without that, a slot could be lost for good, and with a limit of one nothing would run any more.
"""

import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from attrs import define, field, frozen

from generor_async.rules.pending import RENEW_SECONDS
from generor_async.rules.permit import Permit
from generor_async.rules.state_json import (
    float_reader,
    int_reader,
    optional_reader,
    read_flag,
    read_past,
    read_text,
    time_reader,
)
from generor_async.rules.weights import DEFAULT_TYPE, LearnedWeights, RequestType

__all__ = [
    "COUNTED_SECONDS",
    "ENDED_SECONDS",
    "SUBMISSION_SECONDS",
    "UNSEEN_SECONDS",
    "JobSlot",
    "RunningJob",
    "SlotHolder",
    "SlotUsage",
]

UNSEEN_SECONDS: Final = 900.0
"""Seconds without a poll after which a job loses its slot; the same for a submission of this process."""
COUNTED_SECONDS: Final = 3_600.0
"""Longest time that the server counts a job, in seconds (page)."""
SUBMISSION_SECONDS: Final = 20.0
"""Seconds for which a submission of another process counts after it was confirmed: then the process has ended."""
ENDED_SECONDS: Final = 60.0
"""Seconds for which ended jobs are remembered: an earlier poll may still be answered."""
UNRESOLVED_LIFETIMES: Final = 3.0
"""A submission with unknown outcome holds its slot for this multiple of the average job."""
LIFETIME_WEIGHT: Final = 0.1
"""Weight of the newest job in the average."""


@define
class JobSlot:
    """The slot of one submission under way; its number identifies it in all processes."""

    number: int
    began: float
    request_type: RequestType = DEFAULT_TYPE
    probe: bool = False
    """Whether it exceeds the limit to test it."""
    early: bool = False
    """Whether it needs a slot that isn't free yet by the confirmed lag."""
    prompt: bool = False
    """Whether it needs a slot whose job has only just ended."""
    units: int = field(default=1, eq=False)
    """Its units, by the weights of the last count."""
    confirmed: float = field(default=-math.inf, eq=False)
    """When another process confirmed it last."""
    permit: Permit | None = field(default=None, eq=False)
    """The permit of the rate limit that was given with it, where both are asked for at once."""


@define
class RunningJob:
    """A job that is running as far as is known."""

    request_type: RequestType
    began: float
    seen: float
    """When it was last seen running."""
    counted: bool = True
    """Whether the server still counts it."""
    units: int = 1
    """Its units, by the weights of the last count."""


@frozen
class SlotHolder:
    """A job, or a submission that may have become one, that holds slots."""

    request_type: RequestType
    units: int
    began: float
    seen: float
    """When it was last known to hold them."""


@define
class SlotUsage:
    """Counts the used units by the current weights."""

    weights: LearnedWeights
    own: dict[int, JobSlot] = field(factory=dict[int, JobSlot], init=False)
    """Submissions of this process under way, by number."""
    others: dict[int, JobSlot] = field(factory=dict[int, JobSlot], init=False)
    """Submissions of other processes."""
    jobs: OrderedDict[str, RunningJob] = field(factory=OrderedDict[str, RunningJob], init=False)
    """Running jobs, the one that was not polled for longest first."""
    _unresolved: list[tuple[float, RequestType]] = field(factory=list[tuple[float, RequestType]], init=False)
    """Submissions with unknown outcome, with the time since when, the earliest first."""
    _ended: OrderedDict[str, float] = field(factory=OrderedDict[str, float], init=False)
    taken: int = field(default=0, init=False)
    """Units of the jobs that the server counts, and of submissions; one each where the limit counts jobs."""
    running: int = field(default=0, init=False)
    """Units of the jobs alone."""
    in_jobs: bool = field(default=False, init=False)
    """Whether the limit counts jobs: it was given so, and no weight was seen yet."""
    _reported_in_jobs: bool = field(default=False, init=False)
    weights_version: int = field(default=0, init=False)
    """Version of the weights of the last count."""
    _last_number: int = field(default=0, init=False)
    """The number of the last submission."""
    _mean_lifetime: float | None = field(default=None, init=False)
    """Average seconds that our jobs run."""
    next_expiry: float = field(default=-math.inf, init=False)
    """Nothing expires before this moment."""
    _renewed: float = field(default=-math.inf, init=False)
    """When this process confirmed its submissions last."""
    _next_uncount: float = field(default=math.inf, init=False)
    """When the server next stops counting a job."""

    def refresh(self) -> None:
        """Count again if a weight has changed."""
        if self.weights_version != self.weights.changes:
            self.count_in_jobs(self._reported_in_jobs)

    def count_in_jobs(self, named: bool) -> None:
        """Count everything again; `named` tells whether the limit was given without mentioning units."""
        self._reported_in_jobs, self.weights_version = named, self.weights.changes
        self.in_jobs = named and not self.weights.seen
        jobs, submissions = self.jobs.values(), self._submissions()
        for job in jobs:
            job.units = self.units_for(job.request_type)
        for slot in submissions:
            slot.units = self.units_for(slot.request_type)
        self.running = sum(job.units for job in jobs if job.counted)
        submitting = sum(slot.units for slot in submissions) + sum(
            self.units_for(request_type) for _, request_type in self._unresolved
        )
        self.taken = self.running + submitting

    def units_before(self, moment: float) -> int:
        """Count the units of what runs or was submitted, and began before a moment."""
        jobs = sum(job.units for job in self.jobs.values() if job.counted and job.began < moment)
        return jobs + sum(slot.units for slot in self._submissions() if slot.began < moment)

    def units_for(self, request_type: RequestType) -> int:
        """Return the units of a submission or job."""
        if self.in_jobs or (request_type.weight == 1 and not self.weights.seen):
            return 1
        return self.weights.of(request_type)

    def _submissions(self) -> list[JobSlot]:
        return [*self.others.values(), *self.own.values()]

    def holders(self) -> list[SlotHolder]:
        """Return what holds slots."""
        jobs = [SlotHolder(each.request_type, each.units, each.began, each.seen) for each in self.counted_jobs()]
        begun = [SlotHolder(each.request_type, each.units, each.began, each.began) for each in self._submissions()]
        unknown = [SlotHolder(each, self.units_for(each), since, since) for since, each in self._unresolved]
        return jobs + begun + unknown

    def counted_jobs(self) -> list[RunningJob]:
        """Return the jobs that the server counts."""
        return [job for job in self.jobs.values() if job.counted]

    def begin_submission(
        self,
        now: float,
        request_type: RequestType,
        units: int,
        *,
        probe: bool = False,
        early: bool = False,
        prompt: bool = False,
    ) -> JobSlot:
        """Add a submission of this process."""
        self._last_number = number = self._last_number + 1
        self.next_expiry = min(self.next_expiry, now + UNSEEN_SECONDS)
        slot = self.own[number] = JobSlot(number, now, request_type, probe, early, prompt, units)
        self.taken += units
        return slot

    def give_back(self, slot: JobSlot) -> None:
        """Remove a submission of this process, unless it has expired."""
        self._end_submission(slot)

    def _end_submission(self, slot: JobSlot) -> JobSlot | None:
        """Remove a submission of this process and return it as it was counted; None if it had expired."""
        # A slot that was read from a store is another object; one from before the store may have the number of another.
        known = self.own.get(slot.number)
        if known is None or (known is not slot and known != slot):
            return None
        del self.own[slot.number]
        self.taken -= known.units
        return known

    def keep_unresolved(self, slot: JobSlot, now: float) -> None:
        """Count a submission with unknown outcome for as long as its job may run."""
        self.give_back(slot)
        self._unresolved.append((now, slot.request_type))
        self.next_expiry = -math.inf
        self.taken += self.units_for(slot.request_type)

    def job_accepted(self, slot: JobSlot, job_id: str, now: float) -> None:
        """Replace a submission by its job."""
        known, request_type = self._end_submission(slot), slot.request_type
        units = self.units_for(request_type) if known is None else known.units
        self._add_job(job_id, RunningJob(request_type, slot.began, now, True, units))

    def _add_job(self, job_id: str, job: RunningJob) -> None:
        """Count a job."""
        units, known = job.units, self.jobs.pop(job_id, None)
        if known is not None and known.counted:
            units -= known.units
        self.jobs[job_id] = job
        self.running += units
        self.taken += units
        self._next_uncount = min(self._next_uncount, job.began + COUNTED_SECONDS)
        self.next_expiry = min(self.next_expiry, self._next_uncount, job.seen + UNSEEN_SECONDS)

    def job_running(self, job_id: str, request_type: RequestType, asked: float) -> None:
        """Record that a job ran at a moment; add an unknown one, unless it has ended."""
        job = self.jobs.get(job_id)
        if job is not None:
            job.seen = max(job.seen, asked)
            self.jobs.move_to_end(job_id)
        elif job_id not in self._ended:
            self._add_job(job_id, RunningJob(request_type, asked, asked, True, self.units_for(request_type)))

    def job_ended(self, job_id: str, now: float) -> RunningJob | None:
        """Remove a job that has ended, and return it if it was known."""
        self._ended[job_id] = now
        if self._unresolved:
            self.next_expiry = -math.inf
        if job_id not in self.jobs:
            return None
        job = self._remove_job(job_id)
        life = now - job.began
        self._mean_lifetime = (
            life
            if self._mean_lifetime is None
            else self._mean_lifetime + LIFETIME_WEIGHT * (life - self._mean_lifetime)
        )
        return job

    def expire(self, now: float) -> None:
        """Remove whatever has expired."""
        while self.jobs and next(iter(self.jobs.values())).seen + UNSEEN_SECONDS <= now:
            self._remove_job(next(iter(self.jobs)))
        if self.others:
            for slot in list(self.others.values()):
                if slot.confirmed + SUBMISSION_SECONDS <= now:
                    del self.others[slot.number]
                    self.taken -= slot.units
        while self.own and (oldest := next(iter(self.own.values()))).began + UNSEEN_SECONDS <= now:
            self._end_submission(oldest)
        while self._unresolved and self._unresolved[0][0] + self._unresolved_seconds <= now:
            self.taken -= self.units_for(self._unresolved.pop(0)[1])
        while self._ended and next(iter(self._ended.values())) + ENDED_SECONDS <= now:
            self._ended.popitem(last=False)
        if now >= self._next_uncount:
            self._uncount_old_jobs(now)
        self.next_expiry = self._next_expiry()

    def _next_expiry(self) -> float:
        """Return when something expires next."""
        moments = [self._next_uncount]
        if self.jobs:
            moments.append(next(iter(self.jobs.values())).seen + UNSEEN_SECONDS)
        moments.extend(slot.confirmed + SUBMISSION_SECONDS for slot in self.others.values())
        if self.own:
            moments.append(next(iter(self.own.values())).began + UNSEEN_SECONDS)
        if self._unresolved:
            moments.append(self._unresolved[0][0] + self._unresolved_seconds)
        return min(moments)

    @property
    def _unresolved_seconds(self) -> float:
        """Seconds for which a submission with unknown outcome holds its slot."""
        return (
            UNSEEN_SECONDS
            if self._mean_lifetime is None
            else min(self._mean_lifetime * UNRESOLVED_LIFETIMES, UNSEEN_SECONDS)
        )

    def _remove_job(self, job_id: str) -> RunningJob:
        job = self.jobs.pop(job_id)
        if job.counted:
            self._uncount(job)
        return job

    def _uncount(self, job: RunningJob) -> None:
        self.running -= job.units
        self.taken -= job.units

    def _uncount_old_jobs(self, now: float) -> None:
        """Stop counting jobs that the server no longer counts; they are still polled."""
        counted = self.counted_jobs()
        for job in counted:
            if job.began + COUNTED_SECONDS <= now:
                job.counted = False
                self._uncount(job)
        self._next_uncount = min((job.began + COUNTED_SECONDS for job in counted if job.counted), default=math.inf)

    def renew(self, now: float) -> None:
        """Confirm this process's submissions if that is due."""
        if now >= self._renewed + RENEW_SECONDS:
            self._renewed = now

    def dump(self) -> dict[str, Any]:
        """Return the state as JSON data."""
        return {
            "numbers": self._last_number,
            "life": self._mean_lifetime,
            "recount": None if self._next_uncount == math.inf else self._next_uncount,
            "under_way": [
                [each.number, each.began, *each.request_type, each.probe, each.early, each.prompt, confirmed]
                for each, confirmed in self._confirmed()
            ],
            "unknown": [[since, *request_type] for since, request_type in self._unresolved],
            "jobs": [[key, *job.request_type, job.began, job.seen, job.counted] for key, job in self.jobs.items()],
            "ended": [[job_id, at] for job_id, at in self._ended.items()],
        }

    def _confirmed(self) -> list[tuple[JobSlot, float]]:
        """Return all submissions, and when each was confirmed last."""
        own = [(each, max(each.began, self._renewed)) for each in self.own.values()]
        return [(each, each.confirmed) for each in self.others.values()] + own

    @classmethod
    def load(cls, data: Mapping[str, Any], weights: LearnedWeights, now: float) -> "SlotUsage":
        """Restore what `dump` returned, with all submissions as those of other processes.

        Raises KeyError, TypeError or ValueError for anything else.
        """
        usage = cls(weights)
        usage._last_number, usage._mean_lifetime = _COUNT(data["numbers"], now), _LIFE(data["life"], now)
        usage._next_uncount = _RECOUNT(data["recount"], now)
        for number, began, *parts, probe, early, prompt, confirmed in data["under_way"]:
            marks = read_flag(probe, now), read_flag(early, now), read_flag(prompt, now)
            slot = JobSlot(_COUNT(number, now), read_past(began, now), RequestType.of(*parts), *marks)
            slot.confirmed = read_past(confirmed, now)
            usage.others[slot.number] = slot
        usage._unresolved = [(read_past(since, now), RequestType.of(*parts)) for since, *parts in data["unknown"]]
        request_types = dict[tuple[Any, ...], RequestType]()  # there are few, of perhaps thousands of jobs
        for job_id, *named, began, seen, counted in data["jobs"]:
            request_type = request_types.get(key := tuple(named)) or request_types.setdefault(
                key, RequestType.of(*named)
            )
            usage.jobs[read_text(job_id, now)] = RunningJob(
                request_type, read_past(began, now), read_past(seen, now), read_flag(counted, now)
            )
        usage._ended.update((read_text(job_id, now), read_past(at, now)) for job_id, at in data["ended"])
        return usage

    def adopt(self, known: "SlotUsage") -> None:
        """Move the submissions of this process, as it knows them, from the others to its own."""
        self._renewed = known._renewed
        for number, slot in known.own.items():
            if self.others.get(number) == slot:
                self.own[number] = self.others.pop(number)


_COUNT: Final = int_reader()
_LIFE: Final = optional_reader(float_reader(0.0, COUNTED_SECONDS))
_RECOUNT: Final = time_reader(COUNTED_SECONDS, never=math.inf)
