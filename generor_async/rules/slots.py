"""How much may run at once? Luma names the ceiling in no header, so it is told, named by a refusal, or learned.

Slots count units: most jobs take one, some take more (`rules.weights`). They are held by a job, from its submission
until it has ended. What is known of the server is little: a submission was accepted, one was refused, a job still ran
or had ended when somebody looked. Ends are seen late, so what we count as ours is never less than what the server
counts, unless it frees a slot some time after the end.

- Before any refusal, submissions start slowly up to 10 units, 4 for video; then one goes beyond that at a time, up to
  twice as much: where that runs, the account is one of another size.
- A refusal that names the ceiling is believed: nothing is tried beyond it. With less than that of our own, others hold
  the rest; one more is tried again and again until they have left.
- Refused with the ceiling unknown, and no number in the refusal: the ceiling is what we had. One more is tried soon,
  for a stray refusal is no ceiling; then now and then, for nobody says that it has risen.
- Refused although there should be room: slots are freed late, or the ceiling is lower, or others took a slot. The
  first is believed for two more tries, the others after that.
- Refused with no job of our own: others hold the slots, and no end of ours will free one.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from attrs import Factory, define, field, frozen

from generor_async.rules.concurrency_limit import LAG_STEPS, ConcurrencyLimit, ReleaseLag
from generor_async.rules.slot_usage import JobSlot, Usage
from generor_async.rules.state_json import (
    MOST,
    Reader,
    amount,
    dump_fields,
    flag,
    load_fields,
    moment,
    past_or_never,
    whole,
)
from generor_async.rules.wait import Wait
from generor_async.rules.wait_headers import LONGEST
from generor_async.rules.weights import PLAIN, Named, RequestType, Weights

__all__ = ["FIRST_UNITS", "FIRST_VIDEO_UNITS", "RETRY_AFTER", "SlotState", "Slots"]

FIRST_UNITS: Final = 10
"""Units up to which submissions start without being told of a ceiling (measured: three accounts)."""
FIRST_VIDEO_UNITS: Final = 4
"""The same for jobs that make videos (measured: two accounts)."""
UNUSUAL: Final = 2
"""How many times as much must run for the account to be one of another size, whose submissions go on as they began."""
RETRY_AFTER: Final = 60.0
"""Seconds to wait while others hold all slots, if the refusal doesn't say (it always says this: documented)."""
RAN_SECONDS: Final = 60.0
"""How long it is remembered how much ran at once."""
GROWTH: Final = 0.3
"""By how much more submissions may be under way after as many were accepted."""

UNNAMED: Final = Named()
"""A refusal without numbers."""


@frozen(kw_only=True)
class SlotState:
    """The slots as they stand, in units: `used` counts jobs that may run, and submissions under way."""

    ceiling: int | None
    used: int


@define
class _Marks:
    """What the slots remember of answers."""

    allowed: float
    """How many submissions may be under way: as many as are told, else few at first, and where a refusal surprised."""
    in_jobs: bool = False
    """Whether a refusal has named the ceiling without speaking of units."""
    held: float = -math.inf
    """Until when nothing is submitted that weighs so much, because others hold the slots."""
    held_units: int = 1
    """What it weighs at least; less may find room."""
    refused: float = -math.inf
    """When a submission was last refused."""
    believed: float = -math.inf
    """When what we had was last taken for the ceiling."""
    falling: bool = False
    """Whether the ceiling has fallen, and nothing was accepted since."""
    ran: int = 0
    """The most units that ran at once of late."""
    ran_at: float = -math.inf
    """When that was."""


@define
class Slots:
    """The slots of one API client: `reserve` gives one away, or says until when there is none.

    Every lease ends in one of four ways: `accepted`, `refused`, `lost`, `unknown`. Once accepted, its job is told of
    by its id. Jobs of an earlier process are taken over when they are seen.

    All times are those of one clock. The whole state is plain data: `dump` and `load` hand it from process to process.
    """

    told: int | None = None
    """The ceiling, where the caller knows it: in jobs until the server has shown a weight, then in units."""
    share: float = 1.0
    """The part of a ceiling that is ours, where one is told or named."""
    weights: Weights = field(factory=Weights)
    _ceiling: ConcurrencyLimit = field(
        init=False,
        default=Factory(
            lambda self: ConcurrencyLimit(None if self.told is None else self._part(self.told), self.share < 1),
            takes_self=True,
        ),
    )
    _lag: ReleaseLag = field(factory=ReleaseLag, init=False)
    _usage: Usage = field(init=False, default=Factory(lambda self: Usage(self.weights), takes_self=True))
    _marks: _Marks = field(init=False, default=Factory(lambda self: _Marks(self.ceiling or 1), takes_self=True))
    _full: Wait = field(init=False, eq=False, repr=False, default=Wait(math.inf, "jobs", sooner=True))
    """What is answered while there is no slot."""
    _full_for: RequestType | None = field(default=None, init=False, eq=False, repr=False)
    """For whom there is none until then, unless something happens: it is asked for after every slot that is given."""

    def __attrs_post_init__(self) -> None:
        self._usage.count_in_jobs(self.told is not None)

    @property
    def ceiling(self) -> int | None:
        """How many units of ours may be taken, so far as is known."""
        return self._ceiling.value

    @property
    def used(self) -> int:
        """Count the units that are ours: of jobs that may run, and of submissions under way."""
        self._usage.refresh()
        return self._usage.taken

    def restrict(self, told: int | None, share: float) -> None:
        """Keep to what one more caller gives as well: of two numbers the smaller holds."""
        marks, ceiling = self._marks, self._ceiling
        if told is not None:
            if self.told is None and marks.refused == -math.inf:
                marks.allowed = max(marks.allowed, self._part(told))
            self.told = told if self.told is None else min(self.told, told)
        part, self.share = min(1.0, share / self.share), min(self.share, share)
        ceiling.restrict(None if self.told is None else self._part(self.told), part)
        self._usage.count_in_jobs(self._counts_jobs(marks))
        self._full_for = None

    def reserve(self, now: float, kind: RequestType = PLAIN) -> JobSlot | Wait:
        """Give a slot away, or say until when there is none."""
        usage, marks, ceiling = self._usage, self._marks, self._ceiling.value
        if usage.weighed != self.weights.changes:
            usage.refresh()
            self._full_for = None
        elif kind is self._full_for and now < self._full.until:
            return self._full
        if now >= usage.lapses:
            usage.forget(now)
        under_way, needed = len(usage.own), usage.needed(kind)
        units = needed if ceiling is None or needed < ceiling else ceiling
        if now < marks.held and units >= marks.held_units:
            return Wait(marks.held, "jobs")
        # Where only an answer can say if it counts as one job or by its weight, it goes alone.
        if under_way + 1 > marks.allowed or (under_way and usage.in_jobs and self.weights.of(kind) != 1):
            return self._wait(now, kind)
        taken = usage.taken + units
        if ceiling is not None:
            return self._within(ceiling, taken, now, kind, needed)
        first = FIRST_VIDEO_UNITS if kind.is_video else FIRST_UNITS
        if under_way and first < taken <= first * UNUSUAL:
            return self._wait(now, kind)
        lease = usage.lease(now, kind, needed)
        if under_way + 2 > marks.allowed or first < taken + units <= first * UNUSUAL:
            self._wait(now, kind)  # whoever asks next is told so at once
        return lease

    def _within(self, ceiling: int, taken: int, now: float, kind: RequestType, needed: int) -> JobSlot | Wait:
        """Give a slot away within a ceiling; `taken` counts it among those that are taken."""
        lag, room = self._lag, ceiling - taken
        probe = lag.held(now, lag.seconds) > room
        if probe and (self._usage.own or not self._ceiling.may_probe(now) or taken > self._ceiling.most):
            return self._wait(now, kind)
        early = not probe and lag.held(now, lag.known) > room
        prompt = not probe and lag.held(now, LAG_STEPS[0]) > room
        return self._usage.lease(now, kind, needed, probe=probe, early=early, prompt=prompt)

    def accepted(self, lease: JobSlot, job_id: str, now: float) -> None:
        """Note that a submission has become a job."""
        usage, marks, lag = self._usage, self._marks, self._lag
        self._full_for = None
        usage.begin(lease, job_id, now)
        if usage.weighed != self.weights.changes:
            usage.refresh()
        ran = usage.running
        marks.allowed += GROWTH / marks.allowed
        marks.falling = False
        if ran >= marks.ran or now >= marks.ran_at + RAN_SECONDS:
            marks.ran, marks.ran_at = ran, now
        if lag.seconds or lease.early or lease.prompt:
            lag.worked(early=lease.early, prompt=lease.prompt)
        ceiling = self._ceiling
        if ceiling.value is not None and (used := self.used) > ceiling.value:
            if ceiling.confirming and used > FIRST_UNITS * UNUSUAL:
                ceiling.refute()
            else:
                ceiling.rise(used, now)

    def refused(self, lease: JobSlot, now: float, retry_after: float = RETRY_AFTER, named: Named = UNNAMED) -> None:
        """Note that a submission was refused because too much runs, and what numbers the refusal named."""
        self._full_for = None
        self._usage.forget(now)
        self._usage.give_back(lease)
        marks, ceiling = self._marks, self._ceiling
        last, marks.refused = marks.refused, now
        if self._is_all_ours(lease.kind, named, now):
            marks.believed = now
            ceiling.reach(now)
            return
        if self.ceiling is None and marks.ran > self.used and now < marks.ran_at + RAN_SECONDS:
            ceiling.believe(marks.ran, now, confirm=False)
        if self.ceiling is None:
            self._believe(lease, now, retry_after, confirm=True)
        elif lease.probe:
            ceiling.stop(now)
        elif self.used < self.ceiling:
            if lease.began < marks.believed:
                ceiling.lower(self.used) if self.used else self._hold(now + retry_after, lease.kind)
            elif lease.began >= last:
                self._doubt(lease, now, retry_after)

    def lost(self, lease: JobSlot) -> None:
        """Note that no job came of a submission: it never left, or was refused for something else."""
        self._full_for = None
        self._usage.give_back(lease)

    def unknown(self, lease: JobSlot, now: float) -> None:
        """Note that a job may have come of a submission, or not: it holds its slot for as long as jobs may live."""
        self._full_for = None
        self._usage.unknown(lease, now)

    def seen(self, job_id: str, now: float, *, asked: float, ended: bool, kind: RequestType = PLAIN) -> None:
        """Note what a poll of a job has shown that was sent at `asked`; one that we don't know is taken over."""
        self._full_for = None
        self._usage.forget(now)
        if not ended:
            self._usage.see(job_id, kind, asked)
        elif (job := self._usage.end(job_id, now)) is not None:
            self._marks.held = -math.inf
            if job.counted:
                units = self.weights.of(job.kind)
                self._lag.ended(now, units)
                self._ceiling.ended(units, job.seen, now)

    def stale_jobs(self, now: float, older_than: float) -> list[str]:
        """Return the jobs to poll so that slots become free: those not seen for so many seconds, longest first."""
        self._usage.forget(now)
        found: list[str] = []
        for job_id, job in self._usage.jobs.items():
            if job.seen + older_than > now:
                break
            found.append(job_id)
        return found

    def state(self, now: float) -> SlotState:
        """Return the slots as they stand."""
        self._usage.forget(now)
        return SlotState(ceiling=self.ceiling, used=self.used)

    def _part(self, ceiling: int) -> int:
        """Return our part of a ceiling: one in any case."""
        return max(1, math.floor(ceiling * self.share))

    def _counts_jobs(self, marks: _Marks) -> bool:
        """Tell whether the ceiling was told or named without a word of units."""
        return self.told is not None or marks.in_jobs

    def _needed(self, kind: RequestType) -> int:
        """Return how many units must be free for a submission."""
        units, ceiling = self._usage.needed(kind), self._ceiling.value
        return units if ceiling is None else min(units, ceiling)

    def _wait(self, now: float, kind: RequestType) -> Wait:
        """Say until when time alone frees no slot, and lets none be tried; a job that ends may free one before."""
        until, ceiling = self._usage.lapses, self._ceiling
        if ceiling.value is not None:
            if not self._usage.own and now < ceiling.next_probe < until:
                until = ceiling.next_probe
            if self.used < ceiling.value and now < (free := self._lag.next_free(now)) < until:
                until = free
        if self._full.until != until:
            self._full = Wait(until, "jobs", sooner=True)
        self._full_for = kind
        return self._full

    def _is_all_ours(self, kind: RequestType, named: Named, now: float) -> bool:
        """Believe the numbers of a refusal; tell whether we had so much that one more went beyond the ceiling."""
        if named.needs is not None:
            self.weights.needs(kind, named.needs)
        if named.limit is None:
            return False
        self._marks.in_jobs = not named.in_units
        self._usage.count_in_jobs(self._counts_jobs(self._marks))
        self._ceiling.name(self._part(named.limit), now)
        return self.used + self._needed(kind) > self._ceiling.most

    def _doubt(self, lease: JobSlot, now: float, retry_after: float) -> None:
        """Take slots to be freed late, or what we have for the ceiling."""
        marks, lag = self._marks, self._lag
        assert self.ceiling is not None
        single = not (marks.falling or lag.doubting)
        marks.allowed = 1.0
        if marks.falling or not lag.explains(lease.began, self.ceiling - self.used, early=lease.early):
            marks.falling = True
            self._believe(lease, now, retry_after, confirm=single)

    def _believe(self, lease: JobSlot, now: float, retry_after: float, *, confirm: bool) -> None:
        """Take what we have for the ceiling; if that is nothing, wait for others as the server says."""
        if self.used:
            self._ceiling.believe(self.used, now, confirm=confirm)
            self._marks.believed = now
        else:
            self._hold(now + retry_after, lease.kind)

    def _hold(self, until: float, kind: RequestType) -> None:
        self._marks.allowed, self._marks.held, self._marks.held_units = 1.0, until, self._needed(kind)

    def dump(self) -> dict[str, Any]:
        """Return the state as JSON data; the weights have a `dump` of their own."""
        return {
            "ceiling": self._ceiling.dump(),
            "lag": self._lag.dump(),
            "usage": self._usage.dump(),
            "marks": dump_fields(self._marks, _OF_MARKS),
        }

    def load(self, data: Mapping[str, Any], now: float) -> None:
        """Take over what `dump` returned, here or in another process; what was told here holds in any case.

        Raises ValueError for anything else, and changes nothing then.
        """
        ceiling, lag, marks = ConcurrencyLimit(self._ceiling.told, self._ceiling.is_part), ReleaseLag(), _Marks(1.0)
        try:
            ceiling.load(data["ceiling"], now)
            lag.load(data["lag"], now)
            load_fields(marks, data["marks"], _OF_MARKS, now)
            usage = Usage.load(data["usage"], self.weights, now)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not the data of slots: {error!r}") from None
        usage.take_over(self._usage.own)
        usage.count_in_jobs(self._counts_jobs(marks))
        self._ceiling, self._lag, self._marks, self._usage, self._full_for = ceiling, lag, marks, usage, None


_OF_MARKS: Final[dict[str, Reader]] = {
    "allowed": amount(1.0, MOST),
    "in_jobs": flag,
    "held": moment(LONGEST, never=-math.inf),
    "held_units": whole(1),
    "refused": past_or_never,
    "believed": past_or_never,
    "falling": flag,
    "ran": whole(),
    "ran_at": past_or_never,
}
