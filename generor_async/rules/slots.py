"""Limits how many Luma jobs run at once. No header has the limit: it is configured, named by a refusal, or learned.

Slots count units: most jobs take one, some more (`rules.weights`). A job holds its slot from its submission until its
end. The server shows little: that it accepted or refused a submission, and the state of a job at each poll. Ends are
seen late, so our count is never lower than the server's, unless the server releases slots some time after the end.

- Before any refusal, submissions start slowly up to 10 units, 4 for video, and then go one at a time up to twice that.
  An account that accepts so much has a higher limit, and submissions go on unrestricted.
- A refusal that names the limit is believed, and never exceeded. If we use less, others use the rest, and a probe (one
  submission more) is sent repeatedly until they have left.
- After a refusal without a number, the limit is what we used. A probe follows soon, as a single refusal may be an
  accident, and then now and then, because no answer tells that the limit was raised.
- A refusal although there is room means that slots are released late, that the limit is lower, or that others took a
  slot. Late release is assumed for two more attempts, then the others.
- A refusal without any job of ours means that others hold all slots: submissions wait as the server asks.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from attrs import Factory, define, field, frozen

from generor_async.rules.concurrency_limit import ConcurrencyLimit
from generor_async.rules.release_lag import EARLY_PART, LAG_STEPS, ReleaseLag
from generor_async.rules.slot_usage import JobSlot, SlotHolder, SlotUsage
from generor_async.rules.state_json import (
    LARGEST_COUNT,
    StateReader,
    dump_fields,
    float_reader,
    int_reader,
    load_fields,
    read_flag,
    read_past_or_never,
    time_reader,
)
from generor_async.rules.wait import Wait
from generor_async.rules.wait_headers import LONGEST_BELIEVED_WAIT
from generor_async.rules.weights import DEFAULT_TYPE, LearnedWeights, RefusalNumbers, RequestType

__all__ = ["FIRST_UNITS", "FIRST_VIDEO_UNITS", "RETRY_AFTER", "SlotState", "Slots"]

FIRST_UNITS: Final = 10
"""Units up to which submissions start while the limit is unknown (measured: three accounts)."""
FIRST_VIDEO_UNITS: Final = 4
"""The same for jobs that make videos (measured: two accounts)."""
UNUSUAL_FACTOR: Final = 2
"""Above this multiple of the first units, an account has a higher limit, and submissions are not slowed down."""
RETRY_AFTER: Final = 60.0
"""Seconds to wait while others hold all slots, where the refusal doesn't say (documented: it always says this)."""
MOST_RUNNING_SECONDS: Final = 60.0
"""Seconds for which the most units at once are remembered."""
GROWTH: Final = 0.3
"""Increase of the submissions that may be under way, after as many were accepted."""

NO_NUMBERS: Final = RefusalNumbers()
"""A refusal without numbers."""


@frozen(kw_only=True)
class SlotState:
    """The limit and the use of slots, in units: `used` counts running jobs and submissions under way."""

    ceiling: int | None
    used: int


@define
class _SlotHistory:
    """What earlier answers have shown."""

    max_submissions: float
    """How many submissions may be under way: the configured limit; else few at first and after an odd refusal."""
    in_jobs: bool = False
    """Whether a refusal has named the limit without mentioning units."""
    blocked_until: float = -math.inf
    """Until when nothing of `blocked_units` or more is submitted, because others hold the slots."""
    blocked_units: int = 1
    """Least weight that is blocked; less may find room."""
    refused_at: float = -math.inf
    """When a submission was last refused."""
    limit_learned_at: float = -math.inf
    """When the limit was last set to the units in use."""
    limit_falling: bool = False
    """Whether the limit was lowered, and nothing was accepted since."""
    most_running: int = 0
    """The most units that ran at once recently."""
    most_running_at: float = -math.inf
    """When that was."""


@define
class Slots:
    """The slots of one API client: `reserve` grants one, or returns until when there is none.

    Each granted slot ends in one of four calls: `accepted`, `refused`, `release` or `keep_unresolved`. The jobs of
    accepted ones are reported with `record_poll`, which also adds jobs of earlier processes.

    All times are those of one clock. `dump` and `load` hand the state from process to process.
    """

    configured_limit: int | None = None
    """The limit that the caller gave: in jobs until the server has shown a weight, then in units."""
    share: float = 1.0
    """The part of a configured or named limit that we may use."""
    weights: LearnedWeights = field(factory=LearnedWeights)
    _limit: ConcurrencyLimit = field(
        init=False,
        default=Factory(
            lambda self: ConcurrencyLimit(
                None if self.configured_limit is None else self._own_share(self.configured_limit), self.share
            ),
            takes_self=True,
        ),
    )
    _lag: ReleaseLag = field(factory=ReleaseLag, init=False)
    _usage: SlotUsage = field(init=False, default=Factory(lambda self: SlotUsage(self.weights), takes_self=True))
    _history: _SlotHistory = field(
        init=False, default=Factory(lambda self: _SlotHistory(float(self.ceiling or 1)), takes_self=True)
    )
    parts: int = field(default=1, init=False)
    """Into how many parts the limit is divided, of which one is ours: the other processes can't be heard of."""
    _divided_at: float = field(default=math.inf, init=False)
    """When the limit was divided."""
    _cached_wait: Wait = field(init=False, eq=False, repr=False, default=Wait(math.inf, "jobs", sooner=True))
    """The last answer while there is no slot."""
    _cached_wait_type: RequestType | None = field(default=None, init=False, eq=False, repr=False)
    """The request type that `_cached_wait` holds for until the next event."""

    def __attrs_post_init__(self) -> None:
        self._usage.count_in_jobs(self.configured_limit is not None)

    @property
    def ceiling(self) -> int | None:
        """How many units we may use, as far as is known."""
        return self._limit.value

    @property
    def used(self) -> int:
        """The units that we use: of running jobs and of submissions under way."""
        self._usage.refresh()
        return self._usage.taken

    def restrict(self, configured: int | None, share: float) -> None:
        """Apply the limit and share of one more caller: the smaller values hold."""
        history, limit = self._history, self._limit
        if configured is not None:
            if self.configured_limit is None and history.refused_at == -math.inf:
                history.max_submissions = max(history.max_submissions, float(self._own_share(configured)))
            known = self.configured_limit
            self.configured_limit = configured if known is None else min(known, configured)
        self.share = min(self.share, share)
        limit.restrict(None if self.configured_limit is None else self._own_share(self.configured_limit), self.share)
        self._usage.count_in_jobs(self._counts_jobs(history))
        self._cached_wait_type = None

    def reserve(self, now: float, request_type: RequestType = DEFAULT_TYPE) -> JobSlot | Wait:
        """Grant a slot, or return until when there is none."""
        usage, history, ceiling = self._usage, self._history, self._limit.value
        if usage.weights_version != self.weights.changes:
            usage.refresh()
            self._cached_wait_type = None
        elif request_type is self._cached_wait_type and now < self._cached_wait.until:
            return self._cached_wait
        if now >= usage.next_expiry:
            usage.expire(now)
        under_way, needed = len(usage.own), usage.units_for(request_type)
        units = needed if ceiling is None or needed < ceiling else ceiling
        if now < history.blocked_until and units >= history.blocked_units:
            return Wait(history.blocked_until, "jobs")
        # Only its answer can tell whether it counts as one job or by its weight, so it is sent alone.
        if under_way + 1 > history.max_submissions or (
            under_way and usage.in_jobs and self.weights.of(request_type) != 1
        ):
            return self._wait(now, request_type)
        taken = usage.taken + units
        if ceiling is not None:
            return self._reserve_within(ceiling, taken, now, request_type, needed)
        first = FIRST_VIDEO_UNITS if request_type.is_video else FIRST_UNITS
        if under_way and first < taken <= first * UNUSUAL_FACTOR:
            return self._wait(now, request_type)
        slot = usage.begin_submission(now, request_type, needed)
        if under_way + 2 > history.max_submissions or first < taken + units <= first * UNUSUAL_FACTOR:
            self._wait(now, request_type)  # cached for the next request
        return slot

    def _reserve_within(
        self, ceiling: int, taken: int, now: float, request_type: RequestType, needed: int
    ) -> JobSlot | Wait:
        """Grant a slot within a limit; `taken` includes it."""
        lag, room = self._lag, ceiling - taken
        if self.parts > 1 and self._exceeds_part(ceiling, taken):
            return self._wait(now, request_type)
        probe = lag.units_held(now, lag.seconds) > room
        if probe and (self._usage.own or not self._limit.may_probe(now) or taken > self._limit.upper_bound):
            return self._wait(now, request_type)
        early = not probe and lag.units_held(now, lag.confirmed * EARLY_PART) > room
        prompt = not probe and lag.units_held(now, LAG_STEPS[0]) > room
        return self._usage.begin_submission(now, request_type, needed, probe=probe, early=early, prompt=prompt)

    def divide(self, parts: int, now: float) -> None:
        """Keep to one of so many parts of what the limit leaves free beside what runs now."""
        self.parts, self._cached_wait_type = parts, None
        self._divided_at = min(self._divided_at, now)

    def reunite(self) -> None:
        """Keep to the whole limit again."""
        self.parts, self._divided_at, self._cached_wait_type = 1, math.inf, None

    def _exceeds_part(self, ceiling: int, taken: int) -> bool:
        """Tell whether so many units, with what runs, are more than our part and what ran before."""
        before = self._usage.units_before(self._divided_at)
        part = (ceiling - before) // self.parts
        return taken - before > (part if before else max(part, 1))

    def accepted(self, slot: JobSlot, job_id: str, now: float) -> None:
        """Record that a submission was accepted as a job."""
        usage, history, lag = self._usage, self._history, self._lag
        self._cached_wait_type = None
        usage.job_accepted(slot, job_id, now)
        if usage.weights_version != self.weights.changes:
            usage.refresh()
        ran = usage.running
        history.max_submissions += GROWTH / history.max_submissions
        history.limit_falling = False
        if ran >= history.most_running or now >= history.most_running_at + MOST_RUNNING_SECONDS:
            history.most_running, history.most_running_at = ran, now
        if lag.seconds or slot.early or slot.prompt:
            lag.submission_accepted(early=slot.early, prompt=slot.prompt)
        ceiling = self._limit
        if ceiling.value is not None and (used := self.used) > ceiling.value:
            if ceiling.confirming and used > FIRST_UNITS * UNUSUAL_FACTOR:
                ceiling.discard()
            else:
                ceiling.raise_to(used, now)

    def refused(
        self, slot: JobSlot, now: float, retry_after: float = RETRY_AFTER, numbers: RefusalNumbers = NO_NUMBERS
    ) -> None:
        """Record that a submission was refused because of the limit, with the numbers in the refusal."""
        self._cached_wait_type = None
        self._usage.expire(now)
        self._usage.give_back(slot)
        history, ceiling = self._history, self._limit
        last, history.refused_at = history.refused_at, now
        if self._apply_numbers(slot.request_type, numbers, now):
            history.limit_learned_at = now
            ceiling.reach_upper_bound(now)
            return
        if (
            self.ceiling is None
            and history.most_running > self.used
            and now < history.most_running_at + MOST_RUNNING_SECONDS
        ):
            ceiling.learn(history.most_running, now, confirm=False)
        if self.ceiling is None:
            self._learn_limit(slot, now, retry_after, confirm=True)
        elif slot.probe:
            ceiling.probe_refused(now)
        elif self.used < self.ceiling:
            if slot.began < history.limit_learned_at:
                ceiling.lower_to(self.used) if self.used else self._block_submissions(
                    now + retry_after, slot.request_type
                )
            elif slot.began >= last:
                self._explain_refusal(slot, now, retry_after)

    def release(self, slot: JobSlot) -> None:
        """Return the slot of a submission without a job: it was not sent, or refused for another reason."""
        self._cached_wait_type = None
        self._usage.give_back(slot)

    def keep_unresolved(self, slot: JobSlot, now: float) -> None:
        """Keep the slot of a submission whose outcome is unknown, for as long as jobs usually run."""
        self._cached_wait_type = None
        self._usage.keep_unresolved(slot, now)

    def record_poll(
        self, job_id: str, now: float, *, asked: float, ended: bool, request_type: RequestType = DEFAULT_TYPE
    ) -> None:
        """Record the result of a poll that was sent at `asked`; an unknown job is added."""
        self._cached_wait_type = None
        self._usage.expire(now)
        if not ended:
            self._usage.job_running(job_id, request_type, asked)
        elif (job := self._usage.job_ended(job_id, now)) is not None:
            self._history.blocked_until = -math.inf
            if job.counted:
                units = self.weights.of(job.request_type)
                self._lag.job_ended(now, units)
                self._limit.job_ended(units, job.seen, now)

    def stale_jobs(self, now: float, older_than: float) -> list[str]:
        """Return the jobs that were not polled for `older_than` seconds, oldest first: their slots may be free."""
        self._usage.expire(now)
        found: list[str] = []
        for job_id, job in self._usage.jobs.items():
            if job.seen + older_than > now:
                break
            found.append(job_id)
        return found

    def state(self, now: float) -> SlotState:
        """Return the limit and the use of slots."""
        self._usage.expire(now)
        return SlotState(ceiling=self.ceiling, used=self.used)

    def holders(self, now: float) -> list[SlotHolder]:
        """Return what holds slots."""
        self._usage.expire(now)
        self._usage.refresh()
        return self._usage.holders()

    def units_of(self, request_type: RequestType) -> int:
        """Return the units of a submission."""
        return self._usage.units_for(request_type)

    @property
    def own_ceiling(self) -> int | None:
        """How many units we may use, of a divided limit our part."""
        return None if self.ceiling is None else max(self.ceiling // self.parts, 1)

    @property
    def release_lag(self) -> float:
        """Seconds for which a slot is taken to be held after the end of its job."""
        return self._lag.seconds

    @property
    def blocked_until(self) -> float:
        """Until when nothing is submitted, because others hold all slots."""
        return self._history.blocked_until

    def _own_share(self, ceiling: int) -> int:
        """Return our part of a limit, at least 1."""
        return max(1, min(math.floor(ceiling * self.share), LARGEST_COUNT))

    def _counts_jobs(self, history: _SlotHistory) -> bool:
        """Tell whether the limit was configured or named without mentioning units."""
        return self.configured_limit is not None or history.in_jobs

    def units_for(self, request_type: RequestType) -> int:
        """Return how many units must be free for a submission."""
        units, ceiling = self._usage.units_for(request_type), self._limit.value
        return units if ceiling is None else min(units, ceiling)

    def _wait(self, now: float, request_type: RequestType) -> Wait:
        """Return the wait until a slot may be free or probed by time alone; the end of a job may free one sooner."""
        until, ceiling = self._usage.next_expiry, self._limit
        if ceiling.value is not None:
            if not self._usage.own and now < ceiling.next_probe < until:
                until = ceiling.next_probe
            if self.used < ceiling.value and now < (free := self._lag.next_free(now)) < until:
                until = free
        if self._cached_wait.until != until:
            self._cached_wait = Wait(until, "jobs", sooner=True)
        self._cached_wait_type = request_type
        return self._cached_wait

    def _apply_numbers(self, request_type: RequestType, named: RefusalNumbers, now: float) -> bool:
        """Believe the numbers of a refusal; tell whether our own use explains it."""
        if named.needs is not None:
            self.weights.believe_refusal(request_type, named.needs)
        if named.limit is None:
            return False
        self._history.in_jobs = not named.in_units
        self._usage.count_in_jobs(self._counts_jobs(self._history))
        self._limit.report(named.limit, now)
        return self.used + self.units_for(request_type) > self._limit.upper_bound

    def _explain_refusal(self, slot: JobSlot, now: float, retry_after: float) -> None:
        """Explain a refusal although there was room: by late release, else by a lower limit."""
        history, lag = self._history, self._lag
        assert self.ceiling is not None
        single = not (history.limit_falling or lag.is_suspected)
        history.max_submissions = 1.0
        if history.limit_falling or not lag.may_explain(slot.began, self.ceiling - self.used, early=slot.early):
            history.limit_falling = True
            self._learn_limit(slot, now, retry_after, confirm=single)

    def _learn_limit(self, slot: JobSlot, now: float, retry_after: float, *, confirm: bool) -> None:
        """Set the limit to what we use; if that is nothing, wait for others as the server asks."""
        if self.used:
            self._limit.learn(self.used, now, confirm=confirm)
            self._history.limit_learned_at = now
        else:
            self._block_submissions(now + retry_after, slot.request_type)

    def _block_submissions(self, until: float, request_type: RequestType) -> None:
        self._history.max_submissions, self._history.blocked_until, self._history.blocked_units = (
            1.0,
            until,
            self.units_for(request_type),
        )

    def renew(self, now: float) -> None:
        """Confirm this process's submissions if that is due: other processes forget what isn't confirmed."""
        self._usage.renew(now)

    def own_submissions(self) -> dict[int, JobSlot]:
        """Return the submissions of this process, for `set_own_submissions`."""
        return dict(self._usage.own)

    def restore_own_submissions(self, own: dict[int, JobSlot]) -> None:
        """Add submissions of this process that a state lacks, because it has lost them."""
        self._usage.own = own | self._usage.own
        self._usage.count_in_jobs(self._counts_jobs(self._history))

    def set_own_submissions(self, own: dict[int, JobSlot]) -> None:
        """Say which submissions of the next state to `load` are this process's own."""
        self._usage.own = dict(own)

    def dump(self) -> dict[str, Any]:
        """Return the state as JSON data; the weights have a `dump` of their own."""
        return {
            "ceiling": self._limit.dump(),
            "lag": self._lag.dump(),
            "usage": self._usage.dump(),
            "marks": dump_fields(self._history, _HISTORY_FIELDS),
        }

    def load(self, data: Mapping[str, Any], now: float) -> None:
        """Restore what `dump` returned, here or in another process; the configured limit stays in force.

        Raises ValueError for anything else, and changes nothing then.
        """
        ceiling, lag, history = (
            ConcurrencyLimit(self._limit.configured, self._limit.share),
            ReleaseLag(),
            _SlotHistory(1.0),
        )
        try:
            ceiling.load(data["ceiling"], now)
            lag.load(data["lag"], now)
            load_fields(history, data["marks"], _HISTORY_FIELDS, now)
            usage = SlotUsage.load(data["usage"], self.weights, now)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not the data of slots: {error!r}") from None
        usage.adopt(self._usage)
        usage.count_in_jobs(self._counts_jobs(history))
        self._limit, self._lag, self._history, self._usage, self._cached_wait_type = ceiling, lag, history, usage, None


_HISTORY_FIELDS: Final[dict[str, StateReader]] = {
    "max_submissions": float_reader(1.0, LARGEST_COUNT),
    "in_jobs": read_flag,
    "blocked_until": time_reader(LONGEST_BELIEVED_WAIT, never=-math.inf),
    "blocked_units": int_reader(1),
    "refused_at": read_past_or_never,
    "limit_learned_at": read_past_or_never,
    "limit_falling": read_flag,
    "most_running": int_reader(),
    "most_running_at": read_past_or_never,
}
