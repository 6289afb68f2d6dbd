"""Users of one key: a thousand of them, of whom few ask for most, by turns and first come, first served.

At the start, users ask for as many pictures as Zipf's law says, all at once; while these are made, others come for one
each, at random. Time is virtual; sockets, client and simulator are real. Luma's minute is what limits them. In the
second world every third user asks for edits that take three units of it.

Jain's index is over the units of the users that have waiting calls from the start to the end. A newcomer's wait is the
number of calls that were admitted between its question and its own admission, less the number of users with waiting
calls at that time.

    python benchmarks/bench_fairness.py [--users 1000] [--calls 12000] [--newcomers 300] [--rpm 600] [--minutes 10]
"""

import argparse
import asyncio
from collections import Counter
from random import Random
from typing import Any, Final

from attrs import define, field, frozen

from generor_async import AsyncLuma, AttemptStarted, CallStarted, Event, GenerorAsyncError, Limits
from generor_async.simulator import Simulator
from generor_async.testing import run

SEED: Final = 7
EXPONENT: Final = 1.0
"""Of Zipf's law: the n-th user asks for 1/n of what the first one asks for."""
CREATE: Final = "luma.generations.create"
HEAVY: Final = 3
ACCOUNT: Final[dict[str, Any]] = {"luma_jobs": 1_000_000, "luma_balance": 1e9, "luma_weights": "measured"}
PICTURE: Final = "https://example.com/heron.png"


@frozen(kw_only=True)
class Load:
    """Who asks for how much."""

    users: int
    calls: int
    newcomers: int
    rpm: int
    minutes: float
    heavy: bool = False
    """Whether every third user's calls take three units."""

    def shares(self) -> list[int]:
        """Return how many calls each user asks for at the start."""
        whole = sum(1 / number**EXPONENT for number in range(1, self.users + 1))
        return [max(1, round(self.calls / whole / number**EXPONENT)) for number in range(1, self.users + 1)]


@define
class Watch:
    """What was asked for and admitted, in order."""

    units: Counter[str] = field(factory=Counter[str])
    """Admitted, by user."""
    waiting: Counter[str] = field(factory=Counter[str])
    """Calls, by user."""
    admitted: int = 0
    excess: list[int] = field(factory=list[int])
    """Of each newcomer: calls admitted before its own, less the users that were there."""
    _asked: dict[str, tuple[int, int]] = field(factory=dict[str, tuple[int, int]])

    def note(self, event: Event) -> None:
        """Note a call that begins or is admitted."""
        if isinstance(event, CallStarted | AttemptStarted) and event.operation == CREATE:
            user, weight = event.call_id.split(" ")[:2]
            if isinstance(event, CallStarted):
                if not self.waiting[user]:
                    self._asked[event.call_id] = self.admitted, len(+self.waiting)
                self.waiting[user] += 1
            else:
                self._admit(event.call_id, user, int(weight))

    def _admit(self, call_id: str, user: str, weight: int) -> None:
        if (asked := self._asked.pop(call_id, None)) is not None:
            before, active = asked
            self.excess.append(self.admitted - before - active)
        self.admitted += 1
        self.units[user] += weight
        self.waiting[user] -= 1


@frozen
class Result:
    """What a run came to."""

    jain: float
    backlogged: int
    """Users with waiting calls from the start to the end."""
    least: int
    most: int
    """Units of these users."""
    excess: int
    """The largest of a newcomer."""
    units: int
    refusals: int


async def scene(load: Load, *, by_turns: bool) -> Result:
    """Have the users ask for as long as there is time."""
    dice, watch, made = Random(SEED), Watch(), 0
    limits = Limits(rpm=load.rpm)
    async with (
        Simulator(seed=SEED, **ACCOUNT, luma_rpm=load.rpm) as simulator,
        AsyncLuma(**simulator.luma_options, limits=limits, on_event=watch.note) as luma,
    ):

        async def ask(user: int) -> None:
            nonlocal made
            made += 1
            is_heavy = load.heavy and user % 3 == 0
            view = luma.with_options(
                user=f"user-{user}" if by_turns else None,
                request_id=f"user-{user} {HEAVY if is_heavy else 1} {made}",
            )
            try:
                if is_heavy:
                    await view.generations.create(
                        prompt="A heron", model="uni-1-max", type="image_edit", source={"url": PICTURE}
                    )
                else:
                    await view.generations.create(prompt="A heron")
            except GenerorAsyncError:
                if asyncio.get_running_loop().time() < load.minutes * 60:
                    raise

        async def come(user: int, after: float) -> None:
            await asyncio.sleep(after)
            await ask(user)

        questions = [number for number, calls in enumerate(load.shares()) for _ in range(calls)]
        dice.shuffle(questions)
        tasks = [asyncio.create_task(ask(user)) for user in questions]
        for number in range(load.newcomers):
            moment = dice.uniform(0.0, load.minutes * 60)
            tasks.append(asyncio.create_task(come(load.users + number, moment)))
        await asyncio.sleep(load.minutes * 60)
        result = _result(load, watch, [entry.status for entry in simulator.ledger.requests])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return result


def _result(load: Load, watch: Watch, statuses: list[int | None]) -> Result:
    backlogged = [watch.units[user] for user in +watch.waiting if int(user.removeprefix("user-")) < load.users]
    assert set(statuses) <= {200, 201, 429, None}, Counter(statuses)
    return Result(
        jain=sum(backlogged) ** 2 / (len(backlogged) * sum(each**2 for each in backlogged)),
        backlogged=len(backlogged),
        least=min(backlogged),
        most=max(backlogged),
        excess=max(watch.excess),
        units=watch.units.total(),
        refusals=statuses.count(429),
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1_000)
    parser.add_argument("--calls", type=int, default=12_000)
    parser.add_argument("--newcomers", type=int, default=300)
    parser.add_argument("--rpm", type=int, default=600)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = vars(parser.parse_args())
    print("| | | users waiting all the time | Jain's index | units of each | a newcomer waits for | units | 429s |")
    print("|---|---|---|---|---|---|---|---|")
    for heavy in (False, True):
        world = "units differ" if heavy else "one unit each"
        load = Load(**options, heavy=heavy)
        for name, by_turns in (("first come, first served", False), ("**turns**", True)):
            one = run(scene(load, by_turns=by_turns))
            print(
                f"| {world} | {name} | {one.backlogged} | {one.jain:.3f} | {one.least} to {one.most} "
                f"| active users {one.excess:+d} | {one.units:,} | {one.refusals} |"
            )


if __name__ == "__main__":
    main()
