"""A run's progress, computed from memory: displays ask for it several times a second."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

from attrs import Factory, define, field, frozen

from generor_async.batch.amounts import rounded
from generor_async.batch.budget_gate import BudgetGate
from generor_async.engine.client import Client
from generor_async.engine.limits import RateLimits
from generor_async.rules.budget import NO_CAP
from generor_async.rules.eta import WindowRate, seconds_for
from generor_async.rules.row_states import END_STATES, PAID_STATES, STATE_AFTER_CRASH, RowState
from generor_async.rules.throughput import Throughput
from generor_async.rules.wait_reason import NO_WAIT, WaitReason, next_call_wait, running_rows_wait
from generor_async.rules.window import SPANS
from generor_async.values import Clock

__all__ = ["BatchProgress", "Phase", "RunCounters", "known_rates"]

Phase: TypeAlias = Literal["running", "held", "settling", "stopping", "capped", "halted", "draining"]
"""What the run is doing.

`running`: rows are started. `held`: no new call is made until downloads succeed again. `settling`: the account is
checked for unknown rows. The others submit nothing more and complete what is paid for: `stopping`, as the user asks;
`capped`, as the cap on credits is reached; `halted`, because of an error. `draining`: only answers of calls that were
sent are waited for.
"""
_STARTING_PHASES: Final[tuple[Phase, ...]] = "running", "settling", "held"
"""Phases in which rows are started, or will be."""

MINUTE: Final = 60.0


@frozen(kw_only=True)
class BatchProgress:
    """The progress of a run. Times are seconds of the client's clock."""

    phase: Phase
    why: str
    """What is wrong, if the phase is `held` or `halted`; else empty."""
    done: int
    running: int
    """Rows whose call was sent and that have not ended."""
    waiting: int
    """Rows whose call was not sent yet."""
    later: int
    """Rows that are left to a later run, because of this run's `limit`."""
    failed: int
    unknown: int
    rejected: int
    """Lines that this run rejected."""
    is_reading: bool
    """Whether more rows may be read."""
    spent: float
    """What was charged, in credits: for Generor as its transactions say, read every ten minutes, and until then
    as the best other sources do (`generor_async.rules.charges`)."""
    doubtful: float
    """What else may have been charged, in credits, for rows whose outcome is unknown."""
    to_come: float | None
    """What the remaining rows are likely to cost, in credits; None before the first price is known."""
    cap: float | None
    credit_dollars: float | None
    """The worth of a credit in US dollars; None if the API doesn't say."""
    rate: float
    """Rows that ended per minute, lately."""
    allowed: int | None
    """Calls per minute that the key's limit allows; None if not known."""
    jobs: int | None
    """How many of Luma's jobs may run at once; None if not known, or if there is no such limit."""
    elapsed: float
    seconds_left: float | None
    """Seconds until the run is likely to end, at its recent pace; None while nothing moves, and if not known."""
    waits_for: str = ""
    """What the run waits for while nothing moves, such as `the hour's limit of 500 calls`; else empty."""
    waits_until: datetime | None = None
    """Until when, in UTC; None if not known."""

    @property
    def ended(self) -> int:
        """Rows that are done, failed or unknown."""
        return self.done + self.failed + self.unknown

    @property
    def total(self) -> int:
        """Rows that were read so far."""
        return self.ended + self.running + self.waiting + self.later


def known_rates(limits: RateLimits) -> list[WindowRate]:
    """Return the rates that a key's limits allow, as far as they are known."""
    return [
        WindowRate(max(1, int(window.limit * limits.share)), SPANS[window.scope], window.used)
        for window in limits.windows.values()
        if window.limit is not None
    ]


@define(eq=False)
class RunCounters:
    """Counts a run's rows by state, and their throughput."""

    began: float
    """When the run began, by the monotonic clock."""
    states: Counter[RowState] = field(factory=Counter[RowState])
    """Rows that are not active, by state."""
    rejected: int = 0
    throughput: Throughput = field(init=False, default=Factory(lambda self: Throughput(self.began), takes_self=True))

    def row_ended(self, state: RowState, now: float, took: float | None = None) -> None:
        """Count a row that is no longer active; `took` is the seconds since its call."""
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
        may_start: int,
        pause: float,
        phase: Phase,
        next_check_at: float | None,
        **known: Any,
    ) -> BatchProgress:
        """Return the run's progress.

        Of the active rows, `sent` have sent their call and `unsent` have not; `may_start` more may start, none for
        `pause` seconds. `next_check_at` is when unknown rows are checked, in Unix seconds.
        """
        states, budget, limits, now = self.states, budget_gate.budget, client.rate_limits, clock.monotonic()
        to_start = min(states["ready"], may_start)
        waiting = to_start + unsent
        running = sent + sum(states[state] for state in PAID_STATES)
        to_send = waiting if phase in _STARTING_PHASES else 0
        rates = known_rates(limits)
        wait = NO_WAIT
        if phase == "held" or self.throughput.is_still(now, running=running > 0):
            wait = _wait_reason(
                phase,
                limits,
                clock.time(),
                pause,
                unsent=to_send,
                running=running,
                unknown=states["unknown"],
                next_check_at=next_check_at,
            )
        return BatchProgress(
            phase=phase,
            done=states["done"],
            running=running,
            waiting=waiting,
            later=states["ready"] - to_start,
            failed=states["failed"],
            unknown=states["unknown"],
            rejected=self.rejected,
            spent=rounded(budget_gate.spent),
            doubtful=rounded(max(0.0, budget.unresolved)),
            to_come=None
            if budget_gate.mean_cost is None
            else rounded(budget_gate.mean_cost * to_start + budget.reserved),
            cap=None if budget.cap == NO_CAP else budget.cap,
            credit_dollars=client._vendor.credit_dollars,  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here
            rate=self.throughput.rate(now)[0] * MINUTE,
            allowed=min((rate.limit for rate in rates if rate.span == MINUTE), default=None),
            jobs=None if limits.jobs is None else limits.jobs.ceiling,
            elapsed=now - self.began,
            seconds_left=None
            if wait.what
            else self.throughput.seconds_left(
                now,
                coming=to_send,
                running=running,
                leaving=_seconds_to_send(to_send, limits, rates, clock.time(), pause),
            ),
            waits_for=wait.what,
            waits_until=None if wait.until is None else datetime.fromtimestamp(wait.until, UTC),
            **known,
        )


def _seconds_to_send(rows: int, limits: RateLimits, rates: list[WindowRate], now: float, pause: float) -> float | None:
    """Return the least seconds until the last of so many calls can be sent; None if the limits are not known."""
    held = 0.0 if limits.held is None else max(0.0, limits.held.until - now)
    return max(held, pause) + seconds_for(rows, rates) if rates else None


def _wait_reason(
    phase: Phase,
    limits: RateLimits,
    now: float,
    pause: float,
    *,
    unsent: int,
    running: int,
    unknown: int,
    next_check_at: float | None,
) -> WaitReason:
    """Return what a run waits for in which nothing moves; times are Unix seconds, but for the pause."""
    if phase == "held":
        return WaitReason("downloads to succeed again")
    if phase == "settling" and not (unsent or running):
        rows = "1 unknown row" if unknown == 1 else f"{unknown:,} unknown rows"
        return WaitReason(f"the account to show what became of {rows}", next_check_at)
    wait = NO_WAIT
    if unsent:
        wait = next_call_wait(
            now,
            held=limits.held,
            paused=now + pause,
            away=limits.away,
            windows=limits.windows.values(),
            share=limits.share,
            jobs=limits.jobs,
            running=running,
        )
    return wait if wait.what else running_rows_wait(running)
