"""How many jobs may run at once? Luma names the ceiling in no header, so it is told, or learned from refusals.

A slot is held by a job, from its submission until it has ended. What is known of the server is little: a submission
was accepted, a submission was refused, a job still ran or had ended when somebody looked. An end is seen late, so what
we count is never less than what the server counts of ours, but for a server that frees a slot some time after the end.

- Refused with the ceiling unknown: the ceiling is what we have.
- Refused below a known ceiling: a slot is freed later than its job ends, or the ceiling is lower, or others took a
  slot. The first is believed for two tries, with ever longer waits; what is learned then holds for every job that ends,
  and is tested now and then by going sooner.
- Nobody says that a ceiling has risen: while all slots are taken, one more is tried now and then, and after it another,
  until one is refused. Jobs that ended unseen before it make room for it too: these are taken off as they are seen.
"""

import math
from bisect import bisect_right
from collections import OrderedDict, deque
from typing import Final

from attrs import Factory, define, field, frozen

__all__ = ["RETRY_AFTER", "UNSEEN_SECONDS", "Full", "Lease", "SlotState", "Slots"]

RETRY_AFTER: Final = 60.0
"""Seconds to wait while others hold all slots, if the refusal doesn't say (documented as what it says)."""
UNSEEN_SECONDS: Final = 900.0
"""How long a job may go unseen and hold its slot."""
ENDED_SECONDS: Final = 60.0
"""How long the end of a job is remembered: a look that was sent before may be answered after."""
LIVES: Final = 3.0
"""How many average lives of a job a submission of unknown outcome holds its slot."""
LAG_STEPS: Final = (1.0, 3.0)
"""By how many seconds more a slot is taken to be freed late, at each refusal below the ceiling."""
LAG_MOST: Final = 15.0
"""Seconds after the end of a job beyond which its slot must be free."""
LAG_LEAST: Final = 0.5
"""A lag that is not worth waiting for."""
LAG_PART: Final = 0.75
"""The part of the learned lag that is tried when it is tested."""
GROWTH: Final = 0.5
"""By how much the submissions that may be under way grow while as many are accepted."""
PROBE_FIRST: Final = 30.0
"""Seconds from the moment the ceiling is learned until one more is tried."""
PROBE_LEAST: Final = 8.0
PROBE_MOST: Final = 960.0
"""The longest time between two tries, which doubles while they are refused."""
PROBE_SOONER: Final = 4.0
"""What the time between tries is divided by when the ceiling has changed."""
DOUBT: Final = 0.5
"""How likely a job must have ended before the first refusal, not to be counted in what we had then."""


@frozen
class Full:
    """No job may be submitted before `until`; infinity where only an event can tell."""

    until: float
    oldest: float
    """When the job that went unseen for longest was last seen; infinity where there is none."""


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
    """Whether it went beyond the ceiling."""
    early: bool = False
    """Whether it counts on a slot that, by the lag that was learned, isn't free yet."""
    seen: float = 0.0
    """When the job was last known to run."""


@define
class Slots:
    """The slots of one API client: `reserve` gives one away, or says until when there is none."""

    told: int | None = None
    """The ceiling, where the caller knows it."""
    share: float = 1.0
    """The part of a told ceiling that is ours."""
    ceiling: int | None = field(init=False, default=Factory(lambda self: self.most, takes_self=True))
    """How many jobs we may have, so far as is known; None before the first refusal."""
    _under_way: int = field(default=0, init=False)
    _jobs: OrderedDict[str, Lease] = field(factory=OrderedDict[str, Lease], init=False)
    """Jobs that may run, the one that went unseen for longest first."""
    _unknown: deque[float] = field(factory=deque[float], init=False)
    """When the submissions were begun whose outcome is unknown."""
    _ended: OrderedDict[str, float] = field(factory=OrderedDict[str, float], init=False)
    _releases: list[float] = field(factory=list[float], init=False)
    """When jobs were seen to have ended."""
    _life: float = field(default=UNSEEN_SECONDS / LIVES, init=False)
    """What a job lives on average, in seconds."""
    _allowed: float = field(init=False, default=Factory(lambda self: self.most or 1, takes_self=True))
    """How many submissions may be under way."""
    _held: float = field(default=-math.inf, init=False)
    _refused_at: float = field(default=-math.inf, init=False)
    _believed_at: float = field(default=-math.inf, init=False)
    """When what we had was last taken for the ceiling."""
    _falling: bool = field(default=False, init=False)
    """Whether the ceiling was lowered by a refusal, and nothing was accepted since."""
    # the lag of releases
    _lag: float = field(default=0.0, init=False)
    """Seconds for which the slot of a job that ended is taken to be held still."""
    _lag_known: float = field(default=0.0, init=False)
    """The lag that has worked: `_lag` is more while refusals say so, and less while it is tested."""
    _doubts: int = field(default=0, init=False)
    _test_in: int = field(default=0, init=False)
    _test_every: int = field(default=1, init=False)
    # probes
    _gap: float = field(default=PROBE_FIRST, init=False)
    _probe_at: float = field(default=math.inf, init=False)
    _base: int = field(default=0, init=False)
    """The ceiling that was known before it rose; no doubt takes it lower."""
    _climbing: bool = field(default=False, init=False)
    """Whether the last try was accepted, so that another is due at once."""
    _settling: bool = field(default=False, init=False)
    """Whether it is still to be seen if the ceiling has risen, or jobs had ended."""
    _doubt_part: float = field(default=DOUBT, init=False)
    _tried: float = field(default=-math.inf, init=False)
    """When something was last learned of how many may run, from an answer to a submission."""

    @property
    def most(self) -> int | None:
        """The ceiling that is never exceeded: our share of the told one."""
        return None if self.told is None else max(1, math.floor(self.told * self.share))

    @property
    def used(self) -> int:
        """Count the slots that are ours: jobs that may run, and submissions under way."""
        return self._under_way + len(self._jobs) + len(self._unknown)

    def reserve(self, now: float) -> Lease | Full:
        """Give a slot away, or say until when there is none."""
        self._forget(now)
        if now < self._held:
            return self._full(self._held)
        if self._under_way >= max(1, math.floor(self._allowed)):
            return self._full(math.inf)
        probe = self.ceiling is not None and self.used + self._cooling(now, self._lag) >= self.ceiling
        if probe and (self._under_way or not self._probe_due(now)):
            return self._full(self._next_free(now))
        known = self._lag < self._lag_known and self.ceiling is not None
        early = known and self.used + self._cooling(now, self._lag_known) >= (self.ceiling or 0)
        self._under_way += 1
        return Lease(now, probe=probe, early=early and not probe)

    def accepted(self, lease: Lease, job_id: str, now: float) -> None:
        """Note that a submission has become a job."""
        self._forget(now)
        self._under_way -= 1
        lease.seen = now
        self._jobs[job_id] = lease
        self._allowed += GROWTH / self._allowed
        self._falling = False
        self._learn_lag(lease)
        if self.ceiling is not None and self.used > self.ceiling:
            self._rise(now)

    def refused(self, lease: Lease, now: float, retry_after: float = RETRY_AFTER) -> None:
        """Note that a submission was refused because too many jobs run."""
        self._forget(now)
        self._under_way -= 1
        same = lease.began < self._refused_at
        self._refused_at = now
        if not self.used:
            self._held = now + retry_after
        elif self.ceiling is None:
            self._believe(now)
        elif lease.probe:
            self._stop(now)
        elif self.used >= self.ceiling:
            pass
        elif lease.began < self._believed_at:
            self.ceiling = self.used
            self._base = min(self._base, self.used)
        elif same:
            pass
        else:
            self._doubt(lease, now)
        self._allowed = 1.0

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
                self._release(lease, now)
        elif job_id not in self._ended:
            lease = self._jobs.setdefault(job_id, Lease(asked))
            lease.seen = asked
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

    # --- what becomes free ------------------------------------------------------------------------------------------

    def _forget(self, now: float) -> None:
        while self._jobs and next(iter(self._jobs.values())).seen + UNSEEN_SECONDS <= now:
            self._jobs.popitem(last=False)
        while self._unknown and self._unknown[0] + self._lease_of_unknown <= now:
            self._unknown.popleft()
        while self._ended and next(iter(self._ended.values())) + ENDED_SECONDS <= now:
            self._ended.popitem(last=False)

    @property
    def _lease_of_unknown(self) -> float:
        return min(self._life * LIVES, UNSEEN_SECONDS)

    def _release(self, lease: Lease, now: float) -> None:
        """Note the end of a job of ours; one that ended before a try was accepted made room for it."""
        self._releases.append(now)
        if len(self._releases) > 4_096:
            del self._releases[:2_048]
        self._held = -math.inf
        life = now - lease.began
        self._life = life if self._life == UNSEEN_SECONDS / LIVES else self._life + 0.1 * (life - self._life)
        before = self._tried - lease.seen
        if self.ceiling is not None and self.ceiling > self._base and before > self._doubt_part * (now - lease.seen):
            self.ceiling -= 1

    def _cooling(self, now: float, lag: float) -> int:
        """Count slots of jobs that ended, which the server may still hold."""
        return len(self._releases) - bisect_right(self._releases, now, key=lag.__add__) if lag else 0

    def _next_free(self, now: float) -> float:
        """Return when time alone frees a slot, or lets one more be tried."""
        moments = [math.inf if self._under_way else self._probe_at]
        cooling = self._cooling(now, self._lag)
        if cooling and self.ceiling is not None and self.used < self.ceiling:
            moments.append(self._releases[-cooling] + self._lag)
        if self._jobs:
            moments.append(next(iter(self._jobs.values())).seen + UNSEEN_SECONDS)
        if self._unknown:
            moments.append(self._unknown[0] + self._lease_of_unknown)
        return min(moments)

    def _full(self, until: float) -> Full:
        return Full(until, next(iter(self._jobs.values())).seen if self._jobs else math.inf)

    # --- what a refusal means ---------------------------------------------------------------------------------------

    def _believe(self, now: float) -> None:
        """Take what we have for the ceiling."""
        assert self.used
        if self.ceiling is None:
            self._base = 1
        else:
            self._falling = True
            self._base = self.used
            self._gap = min(max(PROBE_LEAST, self._gap / PROBE_SOONER), PROBE_FIRST)
        self.ceiling = self.used
        self._believed_at = self._tried = now
        self._climbing = self._settling = False
        self._probe_at = now + self._gap
        self._lag, self._doubts = self._lag_known, 0

    def _doubt(self, lease: Lease, now: float) -> None:
        """Take a slot to be freed late, for two tries; then take the ceiling to be lower."""
        assert self.ceiling is not None
        if lease.early:
            self._lag = self._lag_known
            self._test_every *= 2
            self._test_in = self._test_every
            return
        free = self.ceiling - self.used
        held = lease.began - self._releases[-free] if len(self._releases) >= free else math.inf
        if self._falling or held > LAG_MOST or self._doubts == len(LAG_STEPS):
            self._believe(now)
        else:
            self._lag = max(self._lag, held) + LAG_STEPS[self._doubts]
            self._doubts += 1

    def _learn_lag(self, lease: Lease) -> None:
        """Take over the lag that let a submission through; now and then try a shorter one."""
        if self._doubts:
            if not self._lag_known:
                self._test_every = 1
            self._lag_known, self._doubts = self._lag, 0
            self._test_in = self._test_every
        elif lease.early:
            self._lag_known = self._lag
            self._test_in = self._test_every
        elif self._lag and self._lag == self._lag_known:
            self._test_in -= 1
            if self._test_in <= 0:
                shorter = self._lag_known * LAG_PART
                self._lag = 0.0 if self._test_every == 1 or shorter < LAG_LEAST else shorter

    # --- one more than the ceiling ----------------------------------------------------------------------------------

    def _probe_due(self, now: float) -> bool:
        if now >= self._probe_at and self._settling:
            self._settling = False
            assert self.ceiling is not None
            self._space(risen=self.ceiling > self._base)
            self._base = self.ceiling
            self._probe_at = self._tried + self._gap
        return now >= self._probe_at

    def _rise(self, now: float) -> None:
        """Note that one more was accepted, and let another be tried at once."""
        assert self.ceiling is not None
        if not self._climbing:
            self._base = self.ceiling
        self.ceiling = self.used if self.most is None else min(self.used, self.most)
        self._climbing, self._tried, self._doubt_part = True, now, 0.0
        self._probe_at = math.inf if self.ceiling == self.most else now

    def _stop(self, now: float) -> None:
        """Note that one more was refused; whether the ceiling has risen shows when all jobs were looked at."""
        assert self.ceiling is not None
        if self._climbing:
            self._tried, self._settling, self._climbing = now, True, False
            self._probe_at = now + min(self._gap, PROBE_LEAST)
        else:
            self._base = self.ceiling
            self._space(risen=False)
            self._probe_at = now + self._gap

    def _space(self, *, risen: bool) -> None:
        """Let tries come sooner while the ceiling changes, and ever later while it doesn't."""
        if risen:
            self._gap = min(max(PROBE_LEAST, self._gap / PROBE_SOONER), PROBE_FIRST)
        else:
            self._gap = min(self._gap * 2, PROBE_MOST)
