"""What of ours takes slots: submissions under way, submissions whose outcome nobody knows, and jobs that may run.

Whatever takes a slot lapses some time: a process may die, an answer may be lost, and the server counts no job for ever.
"""

import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from attrs import define, field

from generor_async.rules.state_json import amount, flag, maybe, moment, past, text, whole
from generor_async.rules.weights import PLAIN, RequestType, Weights

__all__ = ["COUNTED_SECONDS", "ENDED_SECONDS", "SUBMISSION_SECONDS", "UNSEEN_SECONDS", "Job", "JobSlot", "Usage"]

UNSEEN_SECONDS: Final = 900.0
"""How long a job may go unseen and hold its slot; or a submission of this process: its event loop may be gone."""
COUNTED_SECONDS: Final = 3_600.0
"""How long the server counts a job at most (page)."""
SUBMISSION_SECONDS: Final = 75.0
"""How long a submission of another process may be under way: after that the process has died."""
ENDED_SECONDS: Final = 60.0
"""How long the end of a job is remembered: a poll that was sent before may be answered after."""
LIVES: Final = 3.0
"""For how many average lives of our jobs a submission of unknown outcome holds its slot."""
LIFE_WEIGHT: Final = 0.1
"""What the newest life counts in the average."""


@define
class JobSlot:
    """The slot of one submission under way. It is known by its number, in whatever process; nothing of it changes."""

    number: int
    began: float
    kind: RequestType = PLAIN
    probe: bool = False
    """Whether it goes beyond the ceiling."""
    early: bool = False
    """Whether it counts on a slot that isn't free yet by the lag that is known."""
    prompt: bool = False
    """Whether it counts on a slot whose job has only just ended."""
    units: int = field(default=1, eq=False)
    """What it takes, by the weights that all was counted with last."""


@define
class Job:
    """A job that may run."""

    kind: RequestType
    began: float
    seen: float
    """When it was last known to run."""
    counted: bool = True
    """Whether the server still counts it."""
    units: int = 1
    """What it takes, by the weights that all was counted with last."""


@define
class Usage:
    """Counts what takes slots, by the weights that are known now."""

    weights: Weights
    own: dict[int, JobSlot] = field(factory=dict[int, JobSlot], init=False)
    """Submissions that this process has under way, by their numbers."""
    others: dict[int, JobSlot] = field(factory=dict[int, JobSlot], init=False)
    """Those of other processes; one that was killed holds up nobody's."""
    jobs: OrderedDict[str, Job] = field(factory=OrderedDict[str, Job], init=False)
    """Jobs that may run, the one that went unseen for longest first."""
    _unknown: list[tuple[float, RequestType]] = field(factory=list[tuple[float, RequestType]], init=False)
    """Submissions of unknown outcome, and when it became unknown, the earliest first."""
    _ended: OrderedDict[str, float] = field(factory=OrderedDict[str, float], init=False)
    taken: int = field(default=0, init=False)
    """What is taken by jobs that the server counts, and by submissions whose outcome isn't known yet.

    In units, by the weights as they were after `weighed` changes; or one each, where the ceiling counts jobs.
    """
    running: int = field(default=0, init=False)
    """What of it is taken by jobs."""
    in_jobs: bool = field(default=False, init=False)
    """Whether the ceiling counts jobs, so far as is known: told or named so, and no weight was seen yet."""
    _named_in_jobs: bool = field(default=False, init=False)
    weighed: int = field(default=0, init=False)
    """How often weights had changed when all was counted."""
    _numbers: int = field(default=0, init=False)
    """How many leases were given out."""
    _life: float | None = field(default=None, init=False)
    """What our jobs live on average, in seconds."""
    lapses: float = field(default=-math.inf, init=False)
    """Until when nothing lapses, at the least."""
    _recount: float = field(default=math.inf, init=False)
    """When the server may first drop a job from its count."""

    def refresh(self) -> None:
        """Have `taken`, `running` and `in_jobs` go by what is known of weights now."""
        if self.weighed != self.weights.changes:
            self.count_in_jobs(self._named_in_jobs)

    def count_in_jobs(self, named: bool) -> None:
        """Count everything anew; `named` tells whether the ceiling was told or named without a word of units."""
        self._named_in_jobs, self.weighed = named, self.weights.changes
        self.in_jobs = named and not self.weights.seen
        jobs, leases = self.jobs.values(), self._leases()
        for job in jobs:
            job.units = self.needed(job.kind)
        for lease in leases:
            lease.units = self.needed(lease.kind)
        self.running = sum(job.units for job in jobs if job.counted)
        submitting = sum(lease.units for lease in leases) + sum(self.needed(kind) for _, kind in self._unknown)
        self.taken = self.running + submitting

    def needed(self, kind: RequestType) -> int:
        """Return what a submission takes, or a job."""
        if self.in_jobs or (kind.weight == 1 and not self.weights.seen):
            return 1
        return self.weights.of(kind)

    def _leases(self) -> list[JobSlot]:
        return [*self.others.values(), *self.own.values()]

    def lease(
        self,
        now: float,
        kind: RequestType,
        units: int,
        *,
        probe: bool = False,
        early: bool = False,
        prompt: bool = False,
    ) -> JobSlot:
        """Begin a submission that takes so much."""
        self._numbers = number = self._numbers + 1
        self.lapses = min(self.lapses, now + UNSEEN_SECONDS)
        lease = self.own[number] = JobSlot(number, now, kind, probe, early, prompt, units)
        self.taken += units
        return lease

    def give_back(self, lease: JobSlot) -> None:
        """End a submission of this process, unless it has lapsed."""
        self._end(lease)

    def _end(self, lease: JobSlot) -> JobSlot | None:
        """Count a submission of this process no longer; return it as it was counted, None where it had lapsed."""
        # A lease that was read from a store is another object. One from a time without the store may have the number
        # of another.
        known = self.own.get(lease.number)
        if known is None or (known is not lease and known != lease):
            return None
        del self.own[lease.number]
        self.taken -= known.units
        return known

    def unknown(self, lease: JobSlot, now: float) -> None:
        """Count a submission that has ended, and may have become a job, for as long as that may live."""
        self.give_back(lease)
        self._unknown.append((now, lease.kind))
        self.lapses = -math.inf
        self.taken += self.needed(lease.kind)

    def begin(self, lease: JobSlot, job_id: str, now: float) -> None:
        """Count a job instead of its submission."""
        known, kind = self._end(lease), lease.kind
        units = self.needed(kind) if known is None else known.units
        self._hold(job_id, Job(kind, lease.began, now, True, units))

    def _hold(self, job_id: str, job: Job) -> None:
        """Count a job."""
        units, known = job.units, self.jobs.pop(job_id, None)
        if known is not None and known.counted:
            units -= known.units
        self.jobs[job_id] = job
        self.running += units
        self.taken += units
        self._recount = min(self._recount, job.began + COUNTED_SECONDS)
        self.lapses = min(self.lapses, self._recount, job.seen + UNSEEN_SECONDS)

    def see(self, job_id: str, kind: RequestType, asked: float) -> None:
        """Note that a job ran at a moment; one that isn't known is taken over, unless it has ended meanwhile."""
        job = self.jobs.get(job_id)
        if job is not None:
            job.seen = max(job.seen, asked)
            self.jobs.move_to_end(job_id)
        elif job_id not in self._ended:
            self._hold(job_id, Job(kind, asked, asked, True, self.needed(kind)))

    def end(self, job_id: str, now: float) -> Job | None:
        """Note that a job has ended; return it where it was known."""
        self._ended[job_id] = now
        if self._unknown:
            self.lapses = -math.inf
        if job_id not in self.jobs:
            return None
        job = self._drop(job_id)
        life = now - job.began
        self._life = life if self._life is None else self._life + LIFE_WEIGHT * (life - self._life)
        return job

    def forget(self, now: float) -> None:
        """Take away whatever has lapsed by now."""
        while self.jobs and next(iter(self.jobs.values())).seen + UNSEEN_SECONDS <= now:
            self._drop(next(iter(self.jobs)))
        if self.others:
            for lease in list(self.others.values()):
                if lease.began + SUBMISSION_SECONDS <= now:
                    del self.others[lease.number]
                    self.taken -= lease.units
        while self.own and (oldest := next(iter(self.own.values()))).began + UNSEEN_SECONDS <= now:
            self._end(oldest)
        while self._unknown and self._unknown[0][0] + self._patience <= now:
            self.taken -= self.needed(self._unknown.pop(0)[1])
        while self._ended and next(iter(self._ended.values())) + ENDED_SECONDS <= now:
            self._ended.popitem(last=False)
        if now >= self._recount:
            self._count_again(now)
        self.lapses = self._next_lapse()

    def _next_lapse(self) -> float:
        """Return when something lapses next."""
        moments = [self._recount]
        if self.jobs:
            moments.append(next(iter(self.jobs.values())).seen + UNSEEN_SECONDS)
        moments.extend(lease.began + SUBMISSION_SECONDS for lease in self.others.values())
        if self.own:
            moments.append(next(iter(self.own.values())).began + UNSEEN_SECONDS)
        if self._unknown:
            moments.append(self._unknown[0][0] + self._patience)
        return min(moments)

    @property
    def _patience(self) -> float:
        """How long a submission of unknown outcome holds its slot."""
        return UNSEEN_SECONDS if self._life is None else min(self._life * LIVES, UNSEEN_SECONDS)

    def _drop(self, job_id: str) -> Job:
        job = self.jobs.pop(job_id)
        if job.counted:
            self._uncount(job)
        return job

    def _uncount(self, job: Job) -> None:
        self.running -= job.units
        self.taken -= job.units

    def _count_again(self, now: float) -> None:
        """Take from the count what the server counts no more; its end is still waited for."""
        counted = [job for job in self.jobs.values() if job.counted]
        for job in counted:
            if job.began + COUNTED_SECONDS <= now:
                job.counted = False
                self._uncount(job)
        self._recount = min((job.began + COUNTED_SECONDS for job in counted if job.counted), default=math.inf)

    def dump(self) -> dict[str, Any]:
        """Return all of it as JSON data."""
        return {
            "numbers": self._numbers,
            "life": self._life,
            "recount": None if self._recount == math.inf else self._recount,
            "under_way": [
                [each.number, each.began, *each.kind, each.probe, each.early, each.prompt] for each in self._leases()
            ],
            "unknown": [[since, *kind] for since, kind in self._unknown],
            "jobs": [[key, *job.kind, job.began, job.seen, job.counted] for key, job in self.jobs.items()],
            "ended": [[job_id, at] for job_id, at in self._ended.items()],
        }

    @classmethod
    def load(cls, data: Mapping[str, Any], weights: Weights, now: float) -> "Usage":
        """Make it of what `dump` returned, as if all submissions were those of others.

        Raises KeyError, TypeError or ValueError for anything else.
        """
        usage = cls(weights)
        usage._numbers, usage._life = _COUNT(data["numbers"], now), _LIFE(data["life"], now)
        usage._recount = _RECOUNT(data["recount"], now)
        for number, began, *kind, probe, early, prompt in data["under_way"]:
            marks = flag(probe, now), flag(early, now), flag(prompt, now)
            lease = JobSlot(_COUNT(number, now), past(began, now), RequestType.of(*kind), *marks)
            usage.others[lease.number] = lease
        usage._unknown = [(past(since, now), RequestType.of(*kind)) for since, *kind in data["unknown"]]
        kinds = dict[tuple[Any, ...], RequestType]()  # there are few, of perhaps thousands of jobs
        for job_id, *named, began, seen, counted in data["jobs"]:
            kind = kinds.get(key := tuple(named)) or kinds.setdefault(key, RequestType.of(*named))
            usage.jobs[text(job_id, now)] = Job(kind, past(began, now), past(seen, now), flag(counted, now))
        usage._ended.update((text(job_id, now), past(at, now)) for job_id, at in data["ended"])
        return usage

    def take_over(self, own: Mapping[int, JobSlot]) -> None:
        """Count as this process's the submissions that it has under way, so far as they are known here."""
        for number, lease in own.items():
            if self.others.get(number) == lease:
                self.own[number] = self.others.pop(number)


_COUNT: Final = whole()
_LIFE: Final = maybe(amount(0.0, COUNTED_SECONDS))
_RECOUNT: Final = moment(COUNTED_SECONDS, never=math.inf)
