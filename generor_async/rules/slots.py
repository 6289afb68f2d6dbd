"""How many jobs may run at once? Luma names the ceiling in no header, so it is told, or learned from refusals.

A slot is held by a job, from its submission until it has ended. What is known of the server is little: a submission
was accepted, one was refused, a job still ran or had ended when somebody looked. Ends are seen late, so what we count
as ours is never less than what the server counts, unless it frees a slot some time after the end.

- Refused with the ceiling unknown: the ceiling is what we had.
- Refused although there should be room: slots are freed late, or the ceiling is lower, or others took a slot. The
  first is believed for two more tries, the others after that.
- Refused with no job of our own: others hold the slots, and no end of ours will free one.
- That the ceiling is higher nobody says: one more is tried now and then.
"""

import math
from collections import OrderedDict, deque
from typing import Final

from attrs import Factory, define, field, frozen

from generor_async.rules.ceiling import LAG_STEPS, Ceiling, ReleaseLag
from generor_async.rules.wait import Wait

__all__ = ["ENDED_SECONDS", "RETRY_AFTER", "UNSEEN_SECONDS", "Lease", "SlotState", "Slots"]

RETRY_AFTER: Final = 60.0
"""Seconds to wait while others hold all slots, if the refusal doesn't say (it always says this: documented)."""
UNSEEN_SECONDS: Final = 900.0
"""How long a job may go unseen and hold its slot."""
ENDED_SECONDS: Final = 60.0
"""How long the end of a job is remembered: a look that was sent before may be answered after."""
LIVES: Final = 3.0
"""For how many average lives of our jobs a submission of unknown outcome holds its slot."""
LIFE_WEIGHT: Final = 0.1
"""What the newest life counts in the average."""
GROWTH: Final = 0.7
"""By how much more submissions may be under way after as many were accepted."""


@frozen(kw_only=True)
class SlotState:
    """The slots as they stand: `used` counts jobs that may run, and submissions under way."""

    ceiling: int | None
    used: int


@define(eq=False)
class Lease:
    """One slot: of a submission under way, then of its job."""

    began: float
    probe: bool = False
    """Whether it goes beyond the ceiling."""
    early: bool = False
    """Whether it counts on a slot that isn't free yet by the lag that is known."""
    prompt: bool = False
    """Whether it counts on a slot whose job has only just ended."""
    seen: float = 0.0
    """When the job was last known to run."""


@define
class Slots:
    """The slots of one API client: `reserve` gives one away, or says until when there is none.

    Every lease ends in one of four ways: `accepted`, `refused`, `lost`, `unknown`. Once accepted, its job is told of
    by its id. Jobs of an earlier process are taken over when they are seen.
    """

    told: int | None = None
    """The ceiling, where the caller knows it."""
    share: float = 1.0
    """The part of a told ceiling that is ours."""
    _ceiling: Ceiling = field(
        init=False,
        default=Factory(
            lambda self: Ceiling(None if self.told is None else max(1, math.floor(self.told * self.share))),
            takes_self=True,
        ),
    )
    _lag: ReleaseLag = field(factory=ReleaseLag, init=False)
    _under_way: int = field(default=0, init=False)
    _allowed: float = field(init=False, default=Factory(lambda self: self.ceiling or 1, takes_self=True))
    """How many submissions may be under way: as many as are told, else few at first, and where a refusal surprised."""
    _jobs: OrderedDict[str, Lease] = field(factory=OrderedDict[str, Lease], init=False)
    """Jobs that may run, the one that went unseen for longest first."""
    _unknown: deque[float] = field(factory=deque[float], init=False)
    """When the outcome of submissions became unknown."""
    _ended: OrderedDict[str, float] = field(factory=OrderedDict[str, float], init=False)
    _life: float | None = field(default=None, init=False)
    """What our jobs live on average, in seconds."""
    _held: float = field(default=-math.inf, init=False)
    _refused: float = field(default=-math.inf, init=False)
    """When a submission was last refused."""
    _believed: float = field(default=-math.inf, init=False)
    """When what we had was last taken for the ceiling."""
    _falling: bool = field(default=False, init=False)
    """Whether the ceiling has fallen, and nothing was accepted since."""

    @property
    def ceiling(self) -> int | None:
        """How many jobs of ours may run, so far as is known."""
        return self._ceiling.value

    @property
    def used(self) -> int:
        """Count the slots that are ours: jobs that may run, and submissions under way."""
        return self._under_way + len(self._jobs) + len(self._unknown)

    def reserve(self, now: float) -> Lease | Wait:
        """Give a slot away, or say until when there is none."""
        self._forget(now)
        if now < self._held:
            return Wait(self._held, "jobs")
        if self._under_way + 1 > self._allowed:
            return Wait(math.inf, "jobs")
        if self.ceiling is None:
            self._under_way += 1
            return Lease(now)
        free, lag = self.ceiling - self.used, self._lag
        probe = lag.held(now, lag.seconds) >= free
        if probe and (self._under_way or not self._ceiling.may_probe(now)):
            return Wait(self._next_room(now), "jobs")
        early = not probe and lag.held(now, lag.known) >= free
        prompt = not probe and lag.held(now, LAG_STEPS[0]) >= free
        self._under_way += 1
        return Lease(now, probe=probe, early=early, prompt=prompt)

    def accepted(self, lease: Lease, job_id: str, now: float) -> None:
        """Note that a submission has become a job."""
        self._under_way -= 1
        lease.seen = now
        self._jobs[job_id] = lease
        self._allowed += GROWTH / self._allowed
        self._falling = False
        self._lag.worked(early=lease.early, prompt=lease.prompt)
        if self.ceiling is not None and self.used > self.ceiling:
            self._ceiling.rise(self.used, now)

    def refused(self, lease: Lease, now: float, retry_after: float = RETRY_AFTER) -> None:
        """Note that a submission was refused because too many jobs run."""
        self._forget(now)
        self._under_way -= 1
        last, self._refused = self._refused, now
        if self.ceiling is None:
            self._believe(now, retry_after)
        elif lease.probe:
            self._ceiling.stop(now)
        elif self.used < self.ceiling:
            if lease.began < self._believed:
                self._believe(now, retry_after, again=True)
            elif lease.began >= last:
                self._doubt(lease, now, retry_after)

    def lost(self) -> None:
        """Note that no job came of a submission: it never left, or was refused for something else."""
        self._under_way -= 1

    def unknown(self, now: float) -> None:
        """Note that a job may have come of a submission, or not: it holds its slot for as long as jobs may live."""
        self._under_way -= 1
        self._unknown.append(now)

    def seen(self, job_id: str, now: float, *, asked: float, ended: bool) -> None:
        """Note what a look at a job has shown that was sent at `asked`; one that we don't know is taken over."""
        self._forget(now)
        if ended:
            self._ended[job_id] = now
            lease = self._jobs.pop(job_id, None)
            if lease is not None:
                self._free(lease, now)
        elif job_id not in self._ended:
            lease = self._jobs.setdefault(job_id, Lease(asked))
            lease.seen = max(lease.seen, asked)
            self._jobs.move_to_end(job_id)

    def unwatched(self, now: float, older_than: float) -> list[str]:
        """Return the jobs to look at so that slots become free: those not seen for so many seconds, longest first."""
        self._forget(now)
        if self.ceiling is None or self.used < self.ceiling:
            return []
        found: list[str] = []
        for job_id, lease in self._jobs.items():
            if lease.seen + older_than > now:
                break
            found.append(job_id)
        return found

    def state(self, now: float) -> SlotState:
        """Return the slots as they stand."""
        self._forget(now)
        return SlotState(ceiling=self.ceiling, used=self.used)

    def _next_room(self, now: float) -> float:
        """Return when time alone frees a slot, or lets one more be tried."""
        moments = [math.inf if self._under_way else self._ceiling.next_probe]
        if self.ceiling is not None and self.used < self.ceiling:
            moments.append(self._lag.next_free(now))
        if self._jobs:
            moments.append(self._oldest + UNSEEN_SECONDS)
        if self._unknown:
            moments.append(self._unknown[0] + self._patience)
        return min(moments)

    @property
    def _oldest(self) -> float:
        return next(iter(self._jobs.values())).seen if self._jobs else math.inf

    @property
    def _patience(self) -> float:
        """How long a submission of unknown outcome holds its slot."""
        return UNSEEN_SECONDS if self._life is None else min(self._life * LIVES, UNSEEN_SECONDS)

    def _forget(self, now: float) -> None:
        while self._oldest + UNSEEN_SECONDS <= now:
            self._jobs.popitem(last=False)
        while self._unknown and self._unknown[0] + self._patience <= now:
            self._unknown.popleft()
        while self._ended and next(iter(self._ended.values())) + ENDED_SECONDS <= now:
            self._ended.popitem(last=False)

    def _free(self, lease: Lease, now: float) -> None:
        """Note that a job of ours has ended, and what it tells."""
        self._held = -math.inf
        self._lag.ended(now)
        self._ceiling.ended(lease.seen, now)
        life = now - lease.began
        self._life = life if self._life is None else self._life + LIFE_WEIGHT * (life - self._life)

    def _doubt(self, lease: Lease, now: float, retry_after: float) -> None:
        """Take slots to be freed late, or what we have for the ceiling."""
        self._allowed = 1.0
        assert self.ceiling is not None
        if self._falling or not self._lag.explains(lease.began, self.ceiling - self.used, early=lease.early):
            self._falling = True
            self._believe(now, retry_after)

    def _believe(self, now: float, retry_after: float, *, again: bool = False) -> None:
        """Take what we have for the ceiling; if that is nothing, wait for others as the server says."""
        if not self.used:
            self._allowed, self._held = 1.0, now + retry_after
        elif again:
            self._ceiling.lower(self.used)
        else:
            self._ceiling.believe(self.used, now)
            self._believed = now
