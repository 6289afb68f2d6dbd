"""Users of one key take turns, and are named to Luma if that is wanted: whole clients on real sockets."""

import asyncio
import functools
import json
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from support.wire import Wire, answer

from generor_async import (
    AsyncGeneror,
    AsyncLuma,
    AttemptStarted,
    Batch,
    CallStarted,
    DeadlineExceededError,
    Event,
    InvalidRequestError,
    Limits,
    Luma,
    RowOutcome,
    run_batch,
)
from generor_async.simulator import Simulator
from generor_async.testing import run
from generor_async.values import Priority

Scene = Callable[[], Coroutine[Any, Any, None]]
KEY = "luma-api-0123456789"
JOB: dict[str, Any] = {
    "id": "d290f1ee-6c54-4b01-90e6-d701748f0851",
    "type": "image",
    "state": "queued",
    "model": "uni-1",
    "created_at": "2026-04-08T12:00:00Z",
    "output": [],
    "failure_reason": None,
    "failure_code": None,
}
FILE: dict[str, Any] = {
    "id": "5f6c9b7e-6d1c-4a5d-9f6a-0c6a3c1d2e4f",
    "created_at": "2026-04-08T12:00:00Z",
    "mime_type": "image/png",
    "purpose": "input",
    "size_bytes": 3,
    "state": "ready",
}


def virtual(scene: Scene) -> Callable[[], None]:
    """Run a test in virtual time."""

    @functools.wraps(scene)
    def test() -> None:
        run(scene())

    return test


class Submissions:
    """Submits jobs for users, and remembers whose were admitted, in order."""

    def __init__(self, luma: AsyncLuma) -> None:
        self.luma = luma
        self.order = list[str]()
        self.tasks = list[asyncio.Task[None]]()
        luma.events.subscribe(self._note)

    def _note(self, event: Event) -> None:
        if isinstance(event, AttemptStarted) and event.operation == "luma.generations.create":
            self.order.append(event.call_id.partition(" ")[0])

    async def submit(self, user: str | None, priority: Priority = "normal", **options: Any) -> None:
        """Submit one job."""
        id_ = f"{user or 'nobody'} {uuid4()}"
        view = self.luma.with_options(user=user, priority=priority, request_id=id_, **options)
        await view.generations.create(prompt=f"A heron for {user}")

    def begin(self, user: str | None, calls: int = 1, priority: Priority = "normal", **options: Any) -> None:
        """Begin to submit several at once."""
        self.tasks += [asyncio.create_task(self.submit(user, priority, **options)) for _ in range(calls)]

    async def end(self) -> None:
        """Wait for all."""
        await asyncio.gather(*self.tasks)


@virtual
async def test_two_hundred_calls_of_one_user_hold_up_another_users_one_by_two_at_most() -> None:
    limits = Limits(rpm=60, jobs=1_000)
    async with (
        Simulator(luma_rpm=60, luma_jobs=1_000) as simulator,
        AsyncLuma(**simulator.luma_options, limits=limits) as luma,
    ):
        calls = Submissions(luma)
        calls.begin("ada", 200)
        await asyncio.sleep(30.0)
        before, began = len(calls.order), asyncio.get_running_loop().time()
        assert before == 60
        calls.begin("ben")
        await calls.tasks[-1]
        assert calls.order.index("ben") - before <= 2
        assert asyncio.get_running_loop().time() - began <= 32.0, "the next place of the window"
        await calls.end()
        assert not [entry for entry in simulator.ledger.requests if entry.status == 429]
        assert Counter(calls.order) == {"ada": 200, "ben": 1}


@pytest.mark.parametrize("limits", [Limits(), Limits(rpm=60), Limits(jobs=1_000), Limits(rpm=60, jobs=1_000)])
def test_whoever_comes_new_waits_for_one_call_of_each_user(limits: Limits) -> None:
    """Whatever is known of the limits: there is one queue, for the slot and the permit at once."""

    async def scene() -> None:
        async with (
            Simulator(luma_rpm=60, luma_jobs=1_000) as simulator,
            AsyncLuma(**simulator.luma_options, limits=limits) as luma,
        ):
            calls = Submissions(luma)
            for user in ("ada", "ben", "cyd"):
                calls.begin(user, 60)
            await asyncio.sleep(75.0)
            before = len(calls.order)
            assert before < 150
            calls.begin("new")
            await calls.tasks[-1]
            assert calls.order.index("new") - before <= 4
            await calls.end()

    run(scene())


@virtual
async def test_users_wait_for_slots_in_turn() -> None:
    async with (
        Simulator(luma_rpm=10_000, luma_jobs=3, seed=3) as simulator,
        AsyncLuma(**simulator.luma_options, limits=Limits(rpm=10_000, jobs=3)) as luma,
    ):

        async def one(user: str) -> None:
            await luma.with_options(user=user).generations.run(prompt=f"A heron for {user}")
            order.append(user)

        order = list[str]()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(20):
                tasks.create_task(one("ada"))
            await asyncio.sleep(1.0)
            for user in ("ben", "cyd", "dan"):
                tasks.create_task(one(user))
        assert {"ben", "cyd", "dan"} <= set(order[:10])


@virtual
async def test_calls_without_a_user_take_turns_like_those_of_one_more() -> None:
    async with (
        Simulator(luma_rpm=60, luma_jobs=1_000) as simulator,
        AsyncLuma(**simulator.luma_options, limits=Limits(rpm=60, jobs=1_000)) as luma,
    ):
        calls = Submissions(luma)
        calls.begin(None, 80)
        calls.begin("ada", 80)
        await calls.end()
        assert abs(Counter(calls.order[60:120])["nobody"] - 30) <= 1


@virtual
async def test_priorities_come_before_turns() -> None:
    async with (
        Simulator(luma_rpm=60, luma_jobs=1_000) as simulator,
        AsyncLuma(**simulator.luma_options, limits=Limits(rpm=60, jobs=1_000)) as luma,
    ):
        calls = Submissions(luma)
        calls.begin("ada", 90)
        await asyncio.sleep(5.0)
        calls.begin("ben", priority="bulk")
        calls.begin("cyd", 5, priority="interactive")
        await calls.end()
        waited = calls.order[60:]
        assert waited[:5] == ["cyd"] * 5
        assert waited.index("ben") > 5


@virtual
async def test_calls_that_give_up_leave_nothing_behind() -> None:
    async with (
        Simulator(luma_rpm=60, luma_jobs=1_000) as simulator,
        AsyncLuma(**simulator.luma_options, limits=Limits(rpm=60, jobs=1_000)) as luma,
    ):
        calls = Submissions(luma)
        calls.begin("ada", 65)
        await asyncio.sleep(1.0)
        for number in range(100):
            calls.begin(f"user {number}", queue_timeout=5.0)
        came = await asyncio.gather(*calls.tasks[65:], return_exceptions=True)
        assert all(isinstance(each, DeadlineExceededError) for each in came)
        assert luma.rate_limits.queued == 5
        await asyncio.gather(*calls.tasks[:65])
        assert luma.rate_limits.queued == 0


def test_the_rows_of_a_batch_take_their_users_turns(tmp_path: Path) -> None:
    run(rows_and_calls(tmp_path))


async def rows_and_calls(folder: Path) -> None:
    """Have two users submit jobs at bulk priority, one of them beside its batch."""
    async with (
        Simulator(luma_rpm=60, luma_jobs=1_000) as simulator,
        AsyncLuma(**simulator.luma_options, limits=Limits(rpm=60, jobs=1_000)) as luma,
    ):
        rows = [{"prompt": f"Row {number}"} for number in range(60)]
        calls = Submissions(luma)
        batch = asyncio.create_task(all_of(run_batch(luma.with_options(user="ada"), rows, to=folder)))
        await asyncio.sleep(25.0)
        before = len(calls.order)
        calls.begin("ben", 20, priority="bulk")
        calls.begin("ada", 20, priority="bulk")
        await asyncio.gather(*calls.tasks[:20])
        since = calls.order[before:]
        last_of_ben = len(since) - since[::-1].index("ben")
        others = last_of_ben - 20
        assert 18 <= others <= 22, "one of ada's calls for each of ben's"
        assert since[:last_of_ben].count("ada") < others, "rows are calls of its as well"
        await calls.end()
        assert [row.state for row in await batch] == ["done"] * 60


async def all_of(batch: Batch) -> list[RowOutcome]:
    """Return the outcomes of a batch."""
    return [outcome async for outcome in batch]


@pytest.mark.simulator(speed=20, luma_rpm=20, luma_jobs=1_000)
def test_threads_of_the_blocking_client_take_their_users_turns(simulator: Simulator) -> None:
    order, before = list[str](), list[int]()

    def note(event: Event) -> None:
        if isinstance(event, CallStarted) and event.call_id.startswith("ben"):
            before.append(len(order))
        elif isinstance(event, AttemptStarted):
            order.append(event.call_id.partition(" ")[0])

    def submit(user: str) -> None:
        luma.with_options(user=user, request_id=f"{user} {uuid4()}").generations.create(prompt="A heron")

    limits = Limits(rpm=20, jobs=1_000)
    with Luma(**simulator.luma_options, limits=limits, on_event=note) as luma, ThreadPoolExecutor(32) as threads:
        calls = [threads.submit(submit, "ada") for _ in range(30)]
        while len(order) < 20:
            time.sleep(0.01)
        calls.append(threads.submit(submit, "ben"))
        for call in calls:
            call.result()
    assert order.index("ben") - before[0] <= 2


# --- the user's name ----------------------------------------------------------------------------------------------


def bodies(wire: Wire) -> list[Any]:
    """Return the JSON bodies that came."""
    return [json.loads(request.body) if request.body else None for request in wire.requests]


def client(wire: Wire, **options: Any) -> AsyncLuma:
    return AsyncLuma(KEY, base_url=wire.url, **options)


async def test_a_user_is_sent_along_only_if_that_is_wanted() -> None:
    async with Wire(answer(201, JOB)) as wire:
        async with client(wire) as luma:
            await luma.with_options(user="ada").generations.create(prompt="a heron")
        async with client(wire, send_user=True) as luma:
            ada = luma.with_options(user="ada")
            await luma.generations.create(prompt="a heron")
            await ada.generations.create(prompt="a heron")
            await ada.generations.create(prompt="a heron", user_id="another")
            await ada.generations.create(prompt="a heron", user_id=None)
            await ada.with_options(extra_body={"user_id": "extra"}).generations.create(prompt="a heron")
            await ada.generations.get(JOB["id"])
    assert [body and body.get("user_id", "-") for body in bodies(wire)] == [
        *("-", "-", "ada", "another", None, "extra"),
        None,
    ]


async def test_a_users_files_are_sent_with_its_name() -> None:
    created = answer(201, {**FILE, "file": FILE, "upload": None})
    async with Wire(created) as wire, client(wire, send_user=True) as luma:
        await luma.with_options(user="ada").files.create_inline(b"png", filename="a.png", mime_type="image/png")
    (request,) = wire.requests
    assert b'name="user_id"' in request.body
    assert b"\r\n\r\nada\r\n" in request.body


def test_generor_has_no_field_for_a_user() -> None:
    with pytest.raises(InvalidRequestError, match="no field for a user") as caught:
        AsyncGeneror("gnr_live_x", send_user=True)
    assert caught.value.field == "send_user"


async def test_an_idempotency_key_does_not_compare_users(tmp_path: Path) -> None:
    async with Simulator(luma_rpm=1_000) as simulator:
        ids = set[str]()
        for sends, user in ((False, "ada"), (True, "ada"), (True, "ben")):
            async with AsyncLuma(**simulator.luma_options, state=tmp_path / "calls.sqlite", send_user=sends) as luma:
                view = luma.with_options(user=user, idempotency_key="order 7")
                ids.add((await view.generations.create(prompt="a heron")).id)
        assert len(ids) == 1
        assert len(simulator.ledger.charges) == 1
