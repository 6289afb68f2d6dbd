"""The recipes of web applications, each started as its author would, and asked as a browser would."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import anyio
from attrs import field, frozen
from support.pages import DOCS
from support.recipes import environment_of
from support.wire import closed_port

from generor_async.simulator import Simulator

__all__ = ["PATIENCE", "Answer", "Browser", "WebApp", "polls"]

PATIENCE = 120.0
"""Real seconds for what happens in another process."""
RUN = """
import asyncio, runpy, signal, sys
from support.clock import hasten
signal.signal(signal.SIGUSR1, lambda *_: print(f"tasks: {len(asyncio.all_tasks())}", flush=True))
if (pace := float(sys.argv[2])) != 1:
    hasten(pace)
runpy.run_path(sys.argv[1], run_name="__main__")
"""
"""Runs a recipe in the time of the simulator; on a signal it tells how many tasks it has."""


@frozen
class Answer:
    """What a browser got."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@frozen
class WebApp:
    """One of the applications, with its port and its state, whether it is running or not."""

    simulator: Simulator
    folder: Path
    name: str
    port: int = field(factory=closed_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log.txt").read_text()

    def start(self) -> "subprocess.Popen[str]":
        """Start it; its output is in a file."""
        root = Path(__file__).parents[1]
        environment = dict(environment_of(self.simulator))
        environment |= {"PYTHONPATH": f"{environment['PYTHONPATH']}{os.pathsep}{root}", "PORT": str(self.port)}
        command = [sys.executable, "-W", "error", "-c", RUN, str(DOCS / "recipes" / self.name)]
        with (self.folder / "log.txt").open("a") as log:
            return subprocess.Popen(
                [*command, str(self.simulator.clock.speed)],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
                text=True,
            )

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["subprocess.Popen[str]"]:
        """Have it run, and answer; it is killed at the end of the block if it still does."""
        process = self.start()
        try:
            await self.until_up(process)
            yield process
        finally:
            process.kill()
            process.wait()

    async def until_up(self, process: "subprocess.Popen[str]") -> None:
        """Wait until it answers."""
        async with Browser.opened(self) as browser:
            with anyio.fail_after(PATIENCE):
                while True:
                    assert process.poll() is None, self.log
                    try:
                        assert (await browser.get("/")).status == 200
                    except aiohttp.ClientConnectionError:
                        await asyncio.sleep(0.05)
                    else:
                        return

    async def tasks(self, process: "subprocess.Popen[str]") -> int:
        """Return how many tasks its event loop has."""
        before = len(re.findall(r"^tasks: \d+$", self.log, re.MULTILINE))
        process.send_signal(signal.SIGUSR1)
        with anyio.fail_after(PATIENCE):
            while len(told := re.findall(r"^tasks: (\d+)$", self.log, re.MULTILINE)) == before:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)
        return int(told[-1])


@frozen
class Browser:
    """Asks as a browser does, on as many connections as it likes."""

    session: aiohttp.ClientSession
    url: str
    user: str

    @classmethod
    @asynccontextmanager
    async def opened(cls, app: WebApp, user: str = "ada") -> "AsyncGenerator[Browser]":
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            yield cls(session, app.url, user)

    async def ask(self, method: str, path: str, **more: Any) -> Answer:
        headers = {"X-Forwarded-User": self.user, **more.pop("headers", {})}
        async with self.session.request(method, self.url + path, headers=headers, **more) as answer:
            return Answer(answer.status, await answer.read(), answer.headers)

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.ask("GET", path, headers=headers)

    async def order(self, key: str, prompt: str = "A heron") -> Answer:
        """Send an order."""
        return await self.ask("POST", "/jobs", headers={"Idempotency-Key": key}, json={"prompt": prompt})

    async def ordered(self, prompt: str = "A heron") -> str:
        """Send an order that must be taken; return its id."""
        key = str(uuid4())
        answer = await self.order(key, prompt)
        assert (answer.status, answer.json) == (202, {"id": key}), answer
        return key

    async def watch(self, key: str, states: list[str] | None = None) -> list[str]:
        """Return the states that the events show until their end; `states` gets each when it comes."""
        states = [] if states is None else states
        headers = {"X-Forwarded-User": self.user}
        async with self.session.get(f"{self.url}/jobs/{key}/events", headers=headers) as answer:
            assert (answer.status, answer.content_type) == (200, "text/event-stream")
            async for line in answer.content:
                if line.startswith(b"data: "):
                    states.append(json.loads(line[6:])["state"])
        return states


def polls(simulator: Simulator) -> int:
    """Return how often jobs were asked for."""
    return sum(entry.operation == "luma.generations.get" for entry in simulator.ledger.requests)
