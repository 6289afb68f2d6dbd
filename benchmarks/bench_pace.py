"""CPU of pacing for each request: admission, sending, and learning from the answer.

The rules are measured alone, and with the queue and the lock around them, as a call meets them. Requests leave almost
as fast as the limit allows, so that a minute is full throughout; each answer says what a server would have counted.
Before a round none has left, or ten thousand have: an hour and a day hold them all, a minute no more than its limit.
Rounds are interleaved; the figures are the median round's and, in brackets, the quietest one's.

    python benchmarks/bench_pace.py [--rounds 25] [--requests 2000]
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from typing import Final, TypeAlias

from attrs import Factory, define, field

from generor_async import Limits
from generor_async.engine.clock import REAL_CLOCK
from generor_async.engine.limit_keeper import LimitKeeper
from generor_async.rules.pace import TIERS, Pace, Permit
from generor_async.rules.rate_headers import RateLimitReport
from generor_async.rules.vendors import GENEROR, LUMA
from generor_async.rules.window import MINUTE

STREAMS: Final[dict[str, tuple[int, str | None]]] = {
    "Generor, 3 windows, 300 a minute": (TIERS["enterprise"][0], "enterprise"),
    "Luma, 1 window, 300 a minute": (300, None),
    "Luma, 1 window, 10,200 a minute": (10_200, None),
}
ANSWER_SECONDS: Final = 0.1
SLACK: Final = 1.01
"""By how much longer than the limit asks for the time between two requests is."""

Request: TypeAlias = Callable[[float, RateLimitReport], None]


def under(pace: Pace) -> Request:
    """One request under the rules alone."""

    def request(now: float, said: RateLimitReport) -> None:
        permit = pace.reserve(now)
        assert isinstance(permit, Permit)
        pace.sent(permit, now)
        pace.received(permit, now + ANSWER_SECONDS, said, succeeded=True)

    return request


def through(limits: LimitKeeper) -> Request:
    """One request through the queue and the lock."""

    def request(now: float, said: RateLimitReport) -> None:
        permit = limits.queue.enter_nowait(now, "normal")
        assert permit is not None
        limits.sent(permit, now)
        limits.received(permit, now + ANSWER_SECONDS, said, succeeded=True)

    return request


@define
class Stream:
    """Requests, one after another at an even rate."""

    request: Request
    per_minute: int
    tier: str | None
    _sent: int = 0
    _answers: list[RateLimitReport] = field(
        init=False,
        default=Factory(lambda self: [self.answer(n) for n in range(self.held + 1)], takes_self=True),
    )

    @property
    def held(self) -> int:
        """How many requests the server has in a minute at most."""
        return int(self.per_minute / SLACK)

    def answer(self, counted: int) -> RateLimitReport:
        """Say that so many were counted."""
        return RateLimitReport(limit=self.per_minute, used=counted, tier=self.tier)

    def run(self, requests: int) -> float:
        """Make so many requests; return the microseconds of CPU that each cost."""
        step, request, answers, held = MINUTE / self.per_minute * SLACK, self.request, self._answers, self.held
        began = time.process_time()
        for number in range(self._sent + 1, self._sent + requests + 1):
            request(number * step, answers[min(number, held)])
        self._sent += requests
        return (time.process_time() - began) / max(1, requests) * 1e6


def begun(per_minute: int, tier: str | None, *, queue: bool) -> Stream:
    """Begin a stream: of Generor where there is a tier, else of Luma. The limits are told beforehand."""
    if queue:
        limits = Limits(tier=tier, rpm=per_minute)
        request = through(LimitKeeper(limits, GENEROR if tier else LUMA, REAL_CLOCK, scope="benchmark"))
    elif tier:
        request = under(Pace.of_generor(keyless=False, tier=tier, rpm=per_minute, share=1.0))
    else:
        request = under(Pace.of_luma(rpm=per_minute, share=1.0))
    return Stream(request, per_minute, tier)


def shown(figures: list[float]) -> str:
    """Put the rounds in a table's cell."""
    return f"{statistics.median(figures):.1f} ({min(figures):.1f})"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--requests", type=int, default=2000)
    given = parser.parse_args()
    cases = list(itertools.product((False, True), (0, 10_000)))
    names = (f"{'with queue and lock' if queue else 'rules alone'}, {entries:,} before" for queue, entries in cases)
    print(f"| CPU a request (µs) | {' | '.join(names)} |\n|---|{'---|' * len(cases)}")
    for name, (per_minute, tier) in STREAMS.items():
        found: list[list[float]] = [[] for _ in cases]
        for _ in range(given.rounds):
            for figures, (queue, entries) in zip(found, cases, strict=True):
                stream = begun(per_minute, tier, queue=queue)
                stream.run(entries)
                figures.append(stream.run(given.requests))
        print(f"| {name} | {' | '.join(map(shown, found))} |", flush=True)


if __name__ == "__main__":
    main()
