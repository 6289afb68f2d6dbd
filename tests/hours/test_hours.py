"""Hours of a chat bot and a website, which share keys, budgets and state, and are restarted again and again.

No call is charged twice, no paid result is lost, no budget is exceeded, and users take turns: by the server's truth.
`--hours=10` is a day of 500 users, and takes ten minutes.
"""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path
from socket import socket
from typing import Any

import cattrs
import pytest
from attrs import define, field
from hours.users import Users
from hours.world import CREDITS_AN_HOUR, DOLLARS_AN_HOUR, Configuration
from support.books import made
from support.programs import environment

from generor_async.simulator import Simulator

PACE = 60.0
"""How much faster time passes: a minute a second."""
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
SETTLING = 60.0
"""Real seconds in which the bot has to tell of all that it has bought."""
STARTING = 120.0
"""Seconds after a start in which all calls wait for the state to be opened, and begin to queue in any order."""
OVERTAKEN = 3
"""Calls that were admitted later, and sent before: their intents are written at about the same time."""
BOUNDARY = 60.0
"""Seconds that a request may be under way at the end of an hour, in which it was reserved."""


USERS = 500
ASKS_AN_HOUR = 1_500
RESTART_EVERY = 1_800.0
"""Seconds between two restarts of each program."""


@pytest.fixture
def hours(pytestconfig: pytest.Config) -> float:
    return float(str(pytestconfig.getoption("--hours")))


@define
class Programs:
    """The bot and the website, as processes."""

    simulator: Simulator
    configuration: Configuration
    running: dict[str, asyncio.subprocess.Process] = field(factory=dict[str, asyncio.subprocess.Process])
    restarts: int = 0

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
                await self.stop(name, signal.SIGTERM if self.restarts % 4 < 2 else signal.SIGKILL)
                await self.start(name)
                self.restarts += 1


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


def check_budgets(users: Users, simulator: Simulator) -> None:
    """Check what each user was charged for in each hour, by the server's truth."""
    of_prompt = {ask.prompt: ask for ask in users.asks}
    dollars, paid = defaultdict[tuple[str, int], float](float), defaultdict[tuple[str, int], float](float)
    jokes = sum(entry.charged for entry in simulator.ledger.charges if entry.api == "generor")
    price = jokes / max(1, len(simulator.generor.account.creations))
    for job in simulator.luma.generations.values():
        if job.created_at % 3600 > BOUNDARY:
            dollars[of_prompt[job.request.prompt].user, int(job.created_at // 3600)] += float(job.price)
    for creation in simulator.generor.account.creations:
        if creation.created_at % 3600 > BOUNDARY and creation.prompt in of_prompt:
            paid[of_prompt[creation.prompt].user, int(creation.created_at // 3600)] += price
    assert max(dollars.values()) <= DOLLARS_AN_HOUR + 1e-9, dict(dollars)
    assert max(paid.values()) <= CREDITS_AN_HOUR + 1e-9, dict(paid)


def check_turns(log: Path) -> list[int]:
    """Check that whoever asked for one thing waited for one call of each user that waited, and one more at most."""
    lines = map(json.loads, log.read_text().splitlines())
    turns = [line for line in lines if line["kind"] == "turn" and line["since_start"] > STARTING]
    late = [turn for turn in turns if turn["before"] > turn["ahead"] + 1 + OVERTAKEN]
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


async def test_hours(hours: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    async with Simulator(speed=PACE, **ACCOUNT) as simulator:
        for spec in FAULTS:
            simulator.faults.add_spec(spec)
        users = Users(USERS, PACE, f"http://127.0.0.1:{port}")
        async with users.listening():
            configuration = Configuration(
                state=str(tmp_path / "calls.sqlite"),
                limits=str(tmp_path / "limits.sqlite"),
                log=str(tmp_path / "log"),
                users=users.url,
                port=port,
                pace=PACE,
                epoch=simulator.clock.time() - time.monotonic() * PACE,
            )
            programs = Programs(simulator, configuration)
            await programs.start("bot")
            await programs.start("website")
            async with asyncio.TaskGroup() as tasks:
                restarting = tasks.create_task(programs.restart_all(users))
                await users.live(hours * 3600, ASKS_AN_HOUR)
                restarting.cancel()
            await settled(users, simulator)
            for name in list(programs.running):
                await programs.stop(name, signal.SIGTERM)
        figures = Counter(f"{ask.kind} {reply['kind']}" for ask in users.asks for reply in ask.replies[:1])
        check_once(users, simulator)
        check_budgets(users, simulator)
        active = check_turns(tmp_path / "log")
        with capsys.disabled():
            print(  # noqa: T201 - figures
                f"\n{hours:g} h, {len(users.asks)} asks, {len(simulator.ledger.charges)} charges, "
                f"{programs.restarts} restarts; {len(active)} turns, up to {max(active)} calls ahead; {dict(figures)}"
            )
