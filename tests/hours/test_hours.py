"""Hours of a chat bot and a website, which share keys, budgets and state, and are restarted again and again.

No call is charged twice, no paid result is lost, no budget is exceeded, and users take turns: by the server's truth.
`--hours=10` is a day of 500 users, and takes ten minutes. A machine that is too busy to keep up with a minute a second
takes longer, and more calls fail; `--hours-pace=20` takes half an hour.
"""

import asyncio
import json
import math
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from socket import socket
from typing import Any

import cattrs
import pytest
from attrs import define, field
from hours.users import Users
from hours.world import BUDGETS, HOUR, TEXT_BUDGETS, Configuration, message_in
from support.books import made
from support.programs import environment

from generor_async import Budget
from generor_async.simulator import Simulator
from generor_async.stores.ledger import NO_RUN
from generor_async.stores.opening import open_reader
from generor_async.stores.records import CallRecord

FAULTS = (
    "luma.generations.create=reset:after_charge:0.01",
    "luma.generations.create=truncate:keep=0.02:after_charge:0.01",
    "luma.generations.create=503:before_charge:0.02",
    "luma.generations.get=503:before_charge:0.02",
    "generor.generators.generate=reset:after_charge:0.01",
    "generor.generators.generate=503:before_charge:0.02",
)
ACCOUNT: dict[str, Any] = {
    "seed": 7,
    "tier": "enterprise",
    "generor_credits": 10_000_000,
    "luma_rpm": 40,
    "luma_jobs": 25,
    "luma_balance": 100_000.0,
    "failure_rate": 0.02,
}
SETTLING = 600.0
"""Real seconds in which the bot has to tell of all that it has bought: it does so within a few, on a quiet machine."""
USERS = 500
ASKS_AN_HOUR = 1_500
RESTART_EVERY = 1_800.0
"""Seconds between two restarts of each program."""


@pytest.fixture
def hours(pytestconfig: pytest.Config) -> float:
    return float(str(pytestconfig.getoption("--hours")))


@pytest.fixture
def pace(pytestconfig: pytest.Config) -> float:
    return float(str(pytestconfig.getoption("--hours-pace")))


@define
class Programs:
    """The bot and the website, as processes."""

    simulator: Simulator
    configuration: Configuration
    running: dict[str, asyncio.subprocess.Process] = field(factory=dict[str, asyncio.subprocess.Process])
    restarts: Counter[str] = field(factory=Counter[str])

    @asynccontextmanager
    async def started(self) -> AsyncGenerator[None]:
        """Have both; stop them in the end, or kill them after an error."""
        try:
            await self.start("bot")
            await self.start("website")
            yield
            for name in list(self.running):
                await self.stop(name, signal.SIGTERM)
        finally:
            for program in self.running.values():
                program.kill()
                await program.communicate()

    async def start(self, name: str) -> None:
        """Start a program, and wait until it works."""
        arguments = json.dumps(cattrs.unstructure(self.configuration))
        program = self.running[name] = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"hours.{name}", arguments),
            env=environment(self.simulator),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert program.stdout is not None
        assert program.stderr is not None
        line = await program.stdout.readline()
        assert line == b"ready\n", await program.stderr.read()

    async def stop(self, name: str, number: signal.Signals) -> None:
        """Stop a program, and check that it has nothing to complain of."""
        program = self.running.pop(name)
        assert program.returncode is None, (await program.communicate())[1].decode()
        program.send_signal(number)
        _, err = await program.communicate()
        assert b"Traceback" not in err, err.decode()
        assert b"never" not in err, err.decode()
        assert program.returncode in {0, -number}

    async def restart_all(self, users: Users) -> None:
        """Restart one after the other, by turns as in a deploy and by kill -9."""
        while True:
            for name in ("bot", "website"):
                await users.sleep(RESTART_EVERY / 2)
                number = signal.SIGTERM if self.restarts.total() % 4 < 2 else signal.SIGKILL
                await self.stop(name, number)
                await self.start(name)
                self.restarts[number.name] += 1


def free_port() -> int:
    with closing(socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def bought(simulator: Simulator) -> dict[str, list[str]]:
    """Return the ids of what was charged, by prompt: Generor's creations that fail are free, and made anew."""
    free = {str(one.creation_id) for one in simulator.generor.account.creations if one.outcome == "failed"}
    return {prompt: [id_ for id_ in ids if id_ not in free] for prompt, ids in made(simulator).items()}


def check_once(users: Users, simulator: Simulator) -> None:
    """Check that nothing was charged twice, and that all who paid have what they paid for."""
    assert not simulator.ledger.duplicates()
    everything = bought(simulator)
    now = simulator.clock.time()
    failed = {job.id for job in simulator.luma.generations.values() if job.state(now) == "failed"}
    for ask in users.asks:
        ids = everything.get(ask.prompt, [])
        assert len(ids) <= 1, f"{ask} was charged {len(ids)} times"
        shown = {reply["ids"][0] for reply in ask.replies if reply["kind"] == "shown"}
        kinds = {reply["kind"] for reply in ask.replies}
        assert shown <= set(ids), ask
        if ids:
            assert shown or "unknown" in kinds or ("failed" in kinds and ids[0] in failed), f"{ask} lost {ids}"


def charges(simulator: Simulator) -> Iterator[tuple[str, str, float, float]]:
    """Yield the API, the prompt, the time and the cost of all that was charged."""
    for job in simulator.luma.generations.values():
        yield "luma", job.request.prompt, job.created_at, float(job.price)
    account = simulator.generor.account
    paid = {each.creation_id: -each.amount for each in account.transactions if each.type == "spend"}
    for creation in account.creations:
        if creation.creation_id in paid:
            yield "generor", creation.prompt, creation.created_at, float(paid[creation.creation_id])


async def sent_at(state: str) -> dict[str, float]:
    """Return when each call's intent was written, by the key of what was asked for."""
    reader = await open_reader(Path(state), run=NO_RUN)
    assert reader is not None
    try:
        return {key_of(call): call.submitted_at async for call in reader.scan() if call.submitted_at is not None}
    finally:
        await reader.close()


def key_of(call: CallRecord) -> str:
    """Return the key of what a call was made for: the bot attaches the message, the website uses it as its own."""
    message = message_in(call.context)
    return call.id.rpartition(" ")[2] if message is None else f"chat.{message}"


def check_budgets(users: Users, simulator: Simulator, sent: Mapping[str, float]) -> dict[str, str]:
    """Check each budget by what the server has charged; return the most of each that was used, and its limit.

    A charge counts for the period in which its intent was written, which comes before the server's own time.
    """
    asks, used = {ask.prompt: ask for ask in users.asks}, defaultdict[tuple[str, int, str, int], float](float)
    budgets = {"luma": BUDGETS, "generor": TEXT_BUDGETS}
    for api, prompt, at, cost in charges(simulator):
        ask = asks[prompt]
        assert sent[ask.key] <= at + 1, ask
        for number, budget in enumerate(budgets[api]):
            if ask.user.startswith(budget.group or ""):
                whose = ask.user if budget.each_user else budget.group or "all"
                used[api, number, whose, int(sent[ask.key] // seconds_of(budget))] += cost
    figures = dict[str, str]()
    for api, number in dict.fromkeys(key[:2] for key in used):
        budget = budgets[api][number]
        limit = float(budget.dollars or budget.credits or 0)
        most = max(spent for key, spent in used.items() if key[:2] == (api, number))
        assert most <= limit + 1e-9, {key: spent for key, spent in used.items() if key[:2] == (api, number)}
        whose = "each user" if budget.each_user else budget.group or "all"
        figures[f"{api} {whose} in {seconds_of(budget) / HOUR:g} h"] = f"{most:g} of {limit:g}"
    return figures


def seconds_of(budget: Budget) -> float:
    """Return how long the periods of a budget are."""
    return HOUR if budget.every == "hour" else float(budget.every or math.inf)


def check_turns(log: Path) -> list[int]:
    """Check that whoever asked for one thing waited for one call of each user that waited, and one more at most."""
    turns = [line for line in map(json.loads, log.read_text().splitlines()) if line["kind"] == "turn"]
    late = [turn for turn in turns if turn["before"] > turn["ahead"] + 1]
    assert not late, f"{len(late)} of {len(turns)}: {late[:5]}"
    return [turn["ahead"] for turn in turns]


async def settled(users: Users, simulator: Simulator) -> None:
    """Wait until the bot has told of all that it has bought."""
    deadline = time.monotonic() + SETTLING
    while time.monotonic() < deadline:
        everything = bought(simulator)
        if all(ask.replies or not everything.get(ask.prompt) for ask in users.asks):
            return
        await asyncio.sleep(0.5)


async def test_hours(hours: float, pace: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    async with Simulator(speed=pace, **ACCOUNT) as simulator:
        for spec in FAULTS:
            simulator.faults.add_spec(spec)
        users = Users(USERS, pace, f"http://127.0.0.1:{port}")
        async with users.listening():
            configuration = Configuration(
                state=str(tmp_path / "calls.sqlite"),
                limits=str(tmp_path / "limits.sqlite"),
                log=str(tmp_path / "log"),
                users=users.url,
                port=port,
                pace=pace,
                epoch=simulator.clock.time() - time.monotonic() * pace,
            )
            programs = Programs(simulator, configuration)
            async with programs.started():
                async with asyncio.TaskGroup() as tasks:
                    restarting = tasks.create_task(programs.restart_all(users))
                    await users.live(hours * HOUR, ASKS_AN_HOUR)
                    restarting.cancel()
                await settled(users, simulator)
        check_once(users, simulator)
        budgets = check_budgets(users, simulator, await sent_at(configuration.state))
        ahead = check_turns(tmp_path / "log")
        replies = Counter(f"{ask.kind} {reply['kind']}" for ask in users.asks for reply in ask.replies[:1])
        with capsys.disabled():
            print(  # noqa: T201 - figures
                f"\n{hours:g} h, {len(users.asks)} asks, {len(simulator.ledger.charges)} charges, 0 twice, 0 lost; "
                f"restarts: {dict(programs.restarts)}; the most spent: {budgets}; "
                f"{len(ahead)} turns, up to {max(ahead)} users ahead; first replies: {dict(replies)}"
            )
