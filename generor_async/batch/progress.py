"""How a run stands, kept in memory while it goes on: what a display asks for, a few times a second."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

from attrs import Factory, define, field, frozen

from generor_async.batch.amounts import rounded
from generor_async.batch.budget_gate import BudgetGate
from generor_async.engine.client import Client
from generor_async.engine.limits import RateLimits
from generor_async.rules.budget import NO_CAP
from generor_async.rules.eta import Rate, seconds_for
from generor_async.rules.row_states import END_STATES, PAID_STATES, STATE_AFTER_CRASH, RowState
from generor_async.rules.throughput import Throughput
from generor_async.rules.wait_reason import NOTHING, Awaited, call_awaits, rows_awaited
from generor_async.rules.window import SPANS
from generor_async.values import Clock

__all__ = ["Phase", "Progress", "RunCounters", "known_rates"]

Phase: TypeAlias = Literal["running", "held", "settling", "stopping", "capped", "halted", "draining"]
"""`held`: no new call is made until outputs can be had again; `settling`: unknown rows are looked for in the account.

Nothing more is submitted, and what is paid for is waited for: `stopping`, as somebody wants it; `capped`, as the cap on
credits allows no more; `halted`, because of an error. `draining`: only the answers of calls that have left are.
"""
_STARTING_PHASES: Final[tuple[Phase, ...]] = "running", "settling", "held"
"""While these last, rows are begun, or will be."""

MINUTE: Final = 60.0


@frozen(kw_only=True)
class Progress:
    """How a run stands. Times are seconds of the client's clock."""

    phase: Phase
    why: str
    """What is wrong, where it is `held` or `halted`; else empty."""
    done: int
    running: int
    """Rows whose call has left, and that have not ended."""
    waiting: int
    """Rows whose call has not left."""
    later: int
    """Rows that are left to another run, as this one begins no more than its limit."""
    failed: int
    unknown: int
    rejected: int
    """Lines that this run set aside."""
    is_reading: bool
    """Whether there may be more rows than were read so far."""
    spent: float
    """What was charged, in credits: of Generor's calls what its transactions name, which are read every ten minutes,
    and until then what witnesses agree on (`generor_async.rules.charges`)."""
    doubtful: float
    """What may have been charged beside, for rows of which nobody knows the end."""
    to_come: float | None
    """What the rows to come are likely to cost; None before the first price is known."""
    cap: float | None
    credit_dollars: float | None
    """What a credit is worth in US dollars; None where the API doesn't say."""
    rate: float
    """Rows that ended in a minute, of late."""
    allowed: int | None
    """Calls that the key's limit allows in a minute; None where nobody has said."""
    jobs: int | None
    """How many of Luma's jobs may run at once; None where nobody has said, or there is no such limit."""
    elapsed: float
    seconds_left: float | None
    """How long it is likely to take yet, as rows moved of late; None where nothing moves, and where nobody can say."""
    waits_for: str = ""
    """What is waited for while nothing moves, in words, such as `the hour's limit of 500 calls`; empty while anything
    does."""
    waits_until: datetime | None = None
    """Until when, in UTC; None where nobody can say."""

    @property
    def ended(self) -> int:
        """Rows that are done, failed or unknown."""
        return self.done + self.failed + self.unknown

    @property
    def total(self) -> int:
        """All rows that were read so far."""
        return self.ended + self.running + self.waiting + self.later


def known_rates(limits: RateLimits) -> list[Rate]:
    """Return what a key's limits let through, as far as they are known."""
    return [
        Rate(max(1, int(window.limit * limits.share)), SPANS[window.scope], window.used)
        for window in limits.windows.values()
        if window.limit is not None
    ]


@define(eq=False)
class RunCounters:
    """Counts the rows of a run as they come and go."""

    began: float
    """When the run began, by the monotonic clock."""
    states: Counter[RowState] = field(factory=Counter[RowState])
    """Rows that are not in work, by state."""
    rejected: int = 0
    throughput: Throughput = field(init=False, default=Factory(lambda self: Throughput(self.began), takes_self=True))

    def row_ended(self, state: RowState, now: float, took: float | None = None) -> None:
        """Note that a row is not in work any more, and how long after its call."""
        self.states[STATE_AFTER_CRASH.get(state, state)] += 1  # where the journal failed, the next run does that
        if state in END_STATES:
            self.throughput.ended(now, took)

    def progress(
        self,
        clock: Clock,
        *,
        client: Client,
        budget_gate: BudgetGate,
        sent: int,
        unsent: int,
        may_begin: int,
        pause: float,
        phase: Phase,
        next_check_at: float | None,
        **known: Any,
    ) -> Progress:
        """Return how it stands.

        There are so many rows in work whose call has left, and has not, and so many more may begin; none does for
        `pause` seconds. Unknown rows are looked for again when the clock's time is `settles_at`.
        """
        states, budget, limits, now = self.states, budget_gate.budget, client.rate_limits, clock.monotonic()
        to_begin = min(states["ready"], may_begin)
        waiting = to_begin + unsent
        running = sent + sum(states[state] for state in PAID_STATES)
        coming = waiting if phase in _STARTING_PHASES else 0
        rates = known_rates(limits)
        awaited = NOTHING
        if phase == "held" or self.throughput.is_still(now, running=running > 0):
            awaited = _wait_reason(
                phase,
                limits,
                clock.time(),
                pause,
                coming=coming,
                running=running,
                unknown=states["unknown"],
                next_check_at=next_check_at,
            )
        return Progress(
            phase=phase,
            done=states["done"],
            running=running,
            waiting=waiting,
            later=states["ready"] - to_begin,
            failed=states["failed"],
            unknown=states["unknown"],
            rejected=self.rejected,
            spent=rounded(budget_gate.spent),
            doubtful=rounded(max(0.0, budget.unresolved)),
            to_come=None
            if budget_gate.mean_cost is None
            else rounded(budget_gate.mean_cost * to_begin + budget.reserved),
            cap=None if budget.cap == NO_CAP else budget.cap,
            credit_dollars=client._vendor.credit_dollars,  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here
            rate=self.throughput.rate(now)[0] * MINUTE,
            allowed=min((rate.limit for rate in rates if rate.span == MINUTE), default=None),
            jobs=None if limits.jobs is None else limits.jobs.ceiling,
            elapsed=now - self.began,
            seconds_left=None
            if awaited.what
            else self.throughput.seconds_left(
                now,
                coming=coming,
                running=running,
                leaving=_seconds_to_send(coming, limits, rates, clock.time(), pause),
            ),
            waits_for=awaited.what,
            waits_until=None if awaited.until is None else datetime.fromtimestamp(awaited.until, UTC),
            **known,
        )


def _seconds_to_send(rows: int, limits: RateLimits, rates: list[Rate], now: float, pause: float) -> float | None:
    """Return how long it takes at the least until the last of so many calls may leave; None where nobody knows."""
    held = 0.0 if limits.held is None else max(0.0, limits.held.until - now)
    return max(held, pause) + seconds_for(rows, rates) if rates else None


def _wait_reason(
    phase: Phase,
    limits: RateLimits,
    now: float,
    pause: float,
    *,
    coming: int,
    running: int,
    unknown: int,
    next_check_at: float | None,
) -> Awaited:
    """Return what is waited for where nothing moves; times are Unix seconds, but for the pause."""
    if phase == "held":
        return Awaited("outputs to be had again")
    if phase == "settling" and not (coming or running):
        rows = "1 unknown row" if unknown == 1 else f"{unknown:,} unknown rows"
        return Awaited(f"the account to show what became of {rows}", next_check_at)
    keeps = NOTHING
    if coming:
        keeps = call_awaits(
            now,
            held=limits.held,
            paused=now + pause,
            away=limits.away,
            windows=limits.windows.values(),
            share=limits.share,
            jobs=limits.jobs,
            running=running,
        )
    return keeps if keeps.what else rows_awaited(running)
