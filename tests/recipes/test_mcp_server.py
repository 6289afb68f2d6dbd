"""The MCP server, as a client of the official SDK sees it over stdin and stdout."""

import asyncio
import json
import math
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult, ImageContent, TextContent
from support.generor_service import until
from support.pages import DOCS
from support.recipes import environment_of

from generor_async import AsyncLuma
from generor_async.simulator import Simulator

SERVER = DOCS / "recipes/mcp_server.py"
CREATE = "luma.generations.create"
IMAGE = 0.0404
"""The listed price of a picture in US dollars."""


@frozen
class Host:
    """What starts the server, and keeps its pictures in a folder."""

    simulator: Simulator
    folder: Path
    progress: list[tuple[float, float | None, str | None]] = field(factory=list)

    def client(self, pictures: float = 100.0) -> Client:
        """Return a client with a server of its own, and a budget for so many pictures."""
        settings = {"PICTURES": str(self.folder / "pictures"), "PICTURES_DOLLARS": str(pictures * IMAGE)}
        environment = {**environment_of(self.simulator), **settings}
        return Client(StdioServerParameters(command=sys.executable, args=[str(SERVER)], env=environment))

    async def submit(self, client: Client, prompt: str = "a heron") -> dict[str, Any]:
        """Have a picture submitted; return what the tool says."""
        result = await client.call_tool("submit_picture", {"prompt": prompt})
        assert not result.is_error, result.content
        told: dict[str, Any] = result.structured_content or {}
        return told

    async def cut_off(self, client: Client, prompt: str) -> None:
        """Have a submission cancelled that was paid for."""
        made = len(self.simulator.luma.generations)
        submitting = asyncio.create_task(self.submit(client, prompt))
        await until(lambda: len(self.simulator.luma.generations) > made)
        submitting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await submitting

    async def has_open(self, client: Client, *, unknown: list[str], paid: list[str]) -> list[str]:
        """Check which pictures the server lists as open; return the ids of the unknown calls."""
        result = await client.call_tool("list_open_pictures", {})
        assert not result.is_error, result.content
        told: dict[str, Any] = result.structured_content or {}
        found: list[dict[str, Any]] = told["result"]
        assert sorted(one["prompt"] for one in found if one["job_id"]) == paid
        calls = [one for one in found if one["call_id"]]
        assert [one["prompt"] for one in calls] == unknown
        assert all(one["reason"] and one["request_id"] for one in calls)
        return [one["call_id"] for one in calls]

    async def wait(self, client: Client, job_id: str, **more: float) -> CallToolResult:
        """Wait for a picture, and note the progress."""

        async def note(progress: float, total: float | None, message: str | None) -> None:
            self.progress.append((progress, total, message))

        return await client.call_tool("wait_for_picture", {"job_id": job_id, **more}, progress_callback=note)


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    async with Simulator(speed=10.0, luma_rpm=600, seed=7) as simulator:
        yield Host(simulator, tmp_path)


def text_of(result: CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))


def check_shown(result: CallToolResult) -> None:
    """Check that a result has a picture, and says where it is."""
    assert not result.is_error, text_of(result)
    (picture,) = (part for part in result.content if isinstance(part, ImageContent))
    assert picture.mime_type == "image/png"
    assert Path(text_of(result).removeprefix("It is in ")).stat().st_size


async def test_a_picture_is_submitted_and_waited_for_within_the_budget(host: Host) -> None:
    async with host.client(pictures=2.5) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert tools == {"submit_picture", "wait_for_picture", "list_open_pictures", "settle_picture"}
        first = await host.submit(client)
        assert first["credits_left"] == round(1.5 * IMAGE / 0.003, 2)
        job = host.simulator.luma.generations[first["job_id"]]
        job.ends_at = math.inf  # however slow the machine is, it isn't done yet
        early = await host.wait(client, first["job_id"], seconds=1)
        assert text_of(early) == f"Not done yet. It is paid for, and goes on: wait again for {first['job_id']}."
        waiting = asyncio.create_task(host.wait(client, first["job_id"], seconds=600))
        await until(lambda: host.progress)
        job.ends_at = job.starts_at
        check_shown(await waiting)
        assert all(total is None or 0 < done <= total for done, total, _ in host.progress)
        assert [done for done, *_ in host.progress] == sorted(done for done, *_ in host.progress)
        second = await host.submit(client)
        refused = await client.call_tool("submit_picture", {"prompt": "a crane"})
        assert refused.is_error
        assert "has $0.0202 of $0.101 left, and the call needs $0.0404" in text_of(refused)
        unknown = await host.wait(client, "5")
        assert unknown.is_error
        assert "Generation not found" in text_of(unknown)
    async with host.client(pictures=1) as client:  # a session of its own, with a budget of its own
        failing = await host.submit(client, "a heron [[moderate]]")
        check_shown(await host.wait(client, second["job_id"]))
        failed = await host.wait(client, failing["job_id"])
        assert failed.is_error
        assert "content_moderated" in text_of(failed)
    assert len(host.simulator.ledger.charges) == 3


async def test_a_wait_that_is_cancelled_or_whose_client_vanishes_loses_nothing(host: Host) -> None:
    async with host.client() as client:
        job_id = (await host.submit(client))["job_id"]
        job = host.simulator.luma.generations[job_id]
        job.ends_at = math.inf
        waiting = asyncio.create_task(host.wait(client, job_id))
        await until(lambda: host.progress)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        host.progress.clear()
        again = asyncio.create_task(host.wait(client, job_id))
        await until(lambda: host.progress)
        again.cancel()  # the block ends, which closes the server's stdin in the midst of a wait
    job.ends_at = job.starts_at
    async with host.client() as client:
        check_shown(await host.wait(client, job_id))
    assert len(host.simulator.ledger.charges) == 1


async def test_a_submission_that_is_cancelled_in_the_queue_costs_nothing(host: Host) -> None:
    host.simulator.faults.add_spec(f"{CREATE}=429:1x:retry_after=600")
    async with host.client() as client:
        submitting = asyncio.create_task(host.submit(client))
        await until(lambda: host.simulator.ledger.requests)
        submitting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await submitting
        assert (await host.wait(client, "5")).is_error, "the server goes on"
    assert not host.simulator.ledger.charges
    async with AsyncLuma(**host.simulator.luma_options, state=host.folder / "pictures/calls.sqlite") as luma:
        assert [call async for call in luma.jobs.unknown()] == []


async def test_a_lost_answer_is_a_clear_error_and_counts(host: Host) -> None:
    host.simulator.faults.add_spec(f"{CREATE}=reset:after_charge:1x")
    async with host.client(pictures=1.5) as client:
        lost = await client.call_tool("submit_picture", {"prompt": "a heron"})
        assert lost.is_error
        assert "it may or may not have taken effect" in text_of(lost)
        refused = await client.call_tool("submit_picture", {"prompt": "a heron"})
        assert refused.is_error
        assert "and the call needs $0.0404" in text_of(refused)
    assert len(host.simulator.ledger.charges) == 1


async def test_a_submission_that_was_cut_off_is_listed_until_it_is_settled(host: Host) -> None:
    host.simulator.faults.add_spec(f"{CREATE}=stall:after_charge:2x")
    async with host.client() as client:
        await host.cut_off(client, "a heron")
        await host.cut_off(client, "a crane")
        assert (await host.submit(client, "an owl"))["job_id"] in host.simulator.luma.generations
        await host.has_open(client, unknown=["a heron", "a crane"], paid=["an owl"])
    async with host.client() as client:  # another session, whose user is asked to look at Luma's dashboard
        heron, crane = await host.has_open(client, unknown=["a heron", "a crane"], paid=["an owl"])
        (made,) = (job.id for job in host.simulator.luma.generations.values() if job.request.prompt == "a heron")
        found = await client.call_tool("settle_picture", {"call_id": heron, "job_id": made})
        assert text_of(found) == f"It is paid for: wait for {made}."
        assert text_of(await client.call_tool("settle_picture", {"call_id": crane})) == "It was not paid for."
        assert (await client.call_tool("settle_picture", {"call_id": crane})).is_error, "it is settled"
        await host.has_open(client, unknown=[], paid=["a heron", "an owl"])
        check_shown(await host.wait(client, made))
        await host.has_open(client, unknown=[], paid=["an owl"])
    assert len(host.simulator.ledger.charges) == 3


async def test_on_sigterm_a_submission_that_was_sent_is_kept(host: Host) -> None:
    host.simulator.faults.add_spec(f"{CREATE}=drip:after_charge:1x:pause=4")
    settings = {"PICTURES": str(host.folder / "pictures")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, SERVER, env={**environment_of(host.simulator), **settings}, stdin=PIPE, stdout=PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "host", "version": "1"}}
    call = {"name": "submit_picture", "arguments": {"prompt": "a heron"}}
    messages: list[dict[str, Any]] = [
        {"id": 1, "method": "initialize", "params": client},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": call},
    ]
    for message in messages:
        process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
    await until(lambda: host.simulator.ledger.charges)
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == -signal.SIGTERM
    async with AsyncLuma(**host.simulator.luma_options, state=host.folder / "pictures/calls.sqlite") as luma:
        assert [job.id async for job in luma.jobs.unfinished()] == list(host.simulator.luma.generations)
