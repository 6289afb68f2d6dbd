"""Rounds with a store on a server: they are held in a thread, and no event loop waits for the network."""

import asyncio
import gc
import logging
import os
import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from support.remote_stores import RemoteMemory

from generor_async import AsyncLuma, Limits, Luma
from generor_async.engine import exchange, limit_keeper
from generor_async.engine.clock import REAL_CLOCK
from generor_async.engine.limit_keeper import LimitKeeper
from generor_async.engine.queue import QueueTimeoutError
from generor_async.rules.permit import Permit
from generor_async.rules.vendors import GENEROR, LUMA
from generor_async.simulator import Simulator

Scene = Callable[[], Coroutine[Any, Any, None]]
LATER = 1e9


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> RemoteMemory:
    """The store that keepers open."""
    made = RemoteMemory(REAL_CLOCK)

    def open_store(_: object, __: object) -> RemoteMemory:
        return made

    monkeypatch.setattr(limit_keeper, "_open_store", open_store)
    return made


@pytest.fixture
def keeper(store: RemoteMemory, tmp_path: Path) -> LimitKeeper:
    """The limits of a key, in the store."""
    del store
    return LimitKeeper(Limits(store=tmp_path / "x", rpm=600), GENEROR, REAL_CLOCK, scope="0123abcd")


def play(scene: Scene) -> None:
    """Run a scene in real time: what is waited for comes, or the test hangs."""
    asyncio.run(asyncio.wait_for(scene(), 300.0))


def enter(keeper: LimitKeeper, deadline: float = LATER, user: str | None = None) -> "asyncio.Task[Permit]":
    """Have a call wait for a permit."""
    until = REAL_CLOCK.monotonic() + deadline
    waiting = keeper.queue.enter("normal", until, lambda _: None, again=False, user=user)
    return asyncio.get_running_loop().create_task(waiting)


async def asked(store: RemoteMemory) -> None:
    """Wait until an update has begun."""
    while not store.asked.acquire(blocking=False):  # noqa: ASYNC110 - it is another thread's
        await asyncio.sleep(0.001)


async def send(keeper: LimitKeeper, permit: Permit) -> None:
    """Send a request that is answered at once."""
    now = REAL_CLOCK.monotonic()
    keeper.sent(permit, now)
    await asyncio.sleep(0)
    keeper.received(permit, REAL_CLOCK.monotonic(), None, succeeded=True)


def test_no_event_loop_waits_while_a_server_does_not_answer(keeper: LimitKeeper, store: RemoteMemory) -> None:
    async def scene() -> None:
        assert keeper.queue.enter_nowait(REAL_CLOCK.monotonic(), "normal") is None, "it waits for a round"
        with store.hold():
            call = enter(keeper)
            await asked(store)
            keeper.sync(REAL_CLOCK.monotonic())
            assert keeper.snapshot(REAL_CLOCK.monotonic()).queued == 0, "it was decided upon, and not written"
            await asyncio.sleep(0.05)
            assert not call.done()
        permit = await call
        await send(keeper, permit)
        await keeper.save()
        assert store.threads.isdisjoint({threading.get_ident()})
        assert '"processes"' in store.rows["0123abcd"][1]

    play(scene)


def test_calls_that_come_during_a_round_share_the_next_one(
    keeper: LimitKeeper, store: RemoteMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "RENEW_SECONDS", 60.0)  # else a slow machine renews what it holds

    async def scene() -> None:
        with store.hold():
            first = enter(keeper)
            await asked(store)
            others = [enter(keeper) for _ in range(9)]
            await asyncio.sleep(0.05)
        await send(keeper, await first)
        await asyncio.gather(*others)
        assert store.transactions <= 5, "the rest is one that leads, and the limit's own pace"

    play(scene)


def test_a_call_that_leaves_during_a_round_leaves_its_permit_to_others(
    keeper: LimitKeeper, store: RemoteMemory
) -> None:
    async def scene() -> None:
        with store.hold():
            gone = enter(keeper)
            await asked(store)
            gone.cancel()
            await asyncio.wait([gone])
            other = enter(keeper)
        await other
        assert keeper.snapshot(REAL_CLOCK.monotonic()).windows["minute"].used <= 2
        while keeper.snapshot(REAL_CLOCK.monotonic()).windows["minute"].used != 1:  # noqa: ASYNC110 - a thread's round
            await asyncio.sleep(0.01)
        assert keeper.snapshot(REAL_CLOCK.monotonic()).queued == 0

    play(scene)


def test_users_take_turns_whatever_was_decided_in_vain(keeper: LimitKeeper, store: RemoteMemory) -> None:
    """The store decides each round twice, and a call leaves in between."""
    order = list[str]()

    async def one(user: str) -> None:
        permit = await enter(keeper, user=user)
        order.append(user)
        await send(keeper, permit)

    async def scene() -> None:
        await send(keeper, await enter(keeper))
        with store.hold():
            first = asyncio.create_task(one("first"))
            await asked(store)
            calls = [asyncio.create_task(one(user)) for user in [*["ada"] * 12, *["ben"] * 12]]
            gone = asyncio.create_task(one("gone"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            cyd = asyncio.create_task(one("cyd"))
            await asyncio.sleep(0)
            gone.cancel()
        await asyncio.gather(first, *calls, cyd)
        assert order[:4] == ["first", "ada", "ben", "cyd"]
        assert order[4:] == ["ada", "ben"] * 11
        assert len(keeper.queue) == 0

    play(scene)


def test_a_deadline_passes_although_the_server_does_not_answer(keeper: LimitKeeper, store: RemoteMemory) -> None:
    async def scene() -> None:
        with store.hold():
            call = enter(keeper, 0.1)
            with pytest.raises(QueueTimeoutError):
                await call
        assert len(keeper.queue) == 0

    play(scene)


def test_a_server_that_never_answers_is_given_up_and_found_again(
    keeper: LimitKeeper, store: RemoteMemory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(exchange, "ROUND_LIMIT", 0.1)
    monkeypatch.setattr("generor_async.engine.shared_rules.RETRY_SECONDS", 0.2)
    monkeypatch.setattr(exchange, "RENEW_SECONDS", 0.2)

    async def scene() -> None:
        with caplog.at_level(logging.WARNING), store.hold():
            permits = [await enter(keeper)]
            assert "it does not answer" in keeper.snapshot(REAL_CLOCK.monotonic()).store
            monkeypatch.setattr(exchange, "ROUND_LIMIT", 60.0)  # else a slow machine gives up again
            await send(keeper, permits[0])
            permits.append(await enter(keeper))
        while keeper.snapshot(REAL_CLOCK.monotonic()).store:  # noqa: ASYNC110 - the thread looks for it
            await asyncio.sleep(0.1)
        assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
        assert "the store of limits answers again" in caplog.messages[1]
        await send(keeper, permits[1])
        await keeper.save()
        assert keeper.snapshot(REAL_CLOCK.monotonic()).windows["minute"].used == 2

    play(scene)


def test_without_a_server_calls_go_on_at_once(
    keeper: LimitKeeper, store: RemoteMemory, caplog: pytest.LogCaptureFixture
) -> None:
    store.away = True

    async def scene() -> None:
        first = await enter(keeper)
        assert keeper.snapshot(REAL_CLOCK.monotonic()).store.startswith("unavailable since 2")
        await send(keeper, first)
        permit = keeper.queue.enter_nowait(REAL_CLOCK.monotonic(), "normal")
        assert permit is not None, "nobody is asked"
        await asyncio.sleep(0.3)
        assert store.transactions == 0
        await keeper.save()

    play(scene)
    assert len(caplog.records) == 1


def test_what_needs_no_permit_does_not_wait_for_a_round(store: RemoteMemory, tmp_path: Path) -> None:
    async def scene() -> None:
        async with Simulator() as simulator:
            options = dict(simulator.luma_options)
            async with AsyncLuma(**options, limits=Limits(store=tmp_path / "x")) as luma:
                with store.hold():
                    creating = asyncio.ensure_future(luma.generations.create(prompt="a heron"))
                    await asked(store)
                    await luma.files.list()
                    assert not creating.done()
                await creating

    play(scene)


def test_a_client_that_is_closed_waits_for_the_last_round_but_not_for_ever(
    keeper: LimitKeeper, store: RemoteMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        permit = await enter(keeper)
        await send(keeper, permit)
        await keeper.save()
        assert keeper.snapshot(REAL_CLOCK.monotonic()).windows["minute"].used == 1
        monkeypatch.setattr(exchange, "SAVE_SECONDS", 0.05)
        await send(keeper, await enter(keeper))
        with store.hold():
            await keeper.save()

    play(scene)


@pytest.mark.simulator(luma_rpm=6_000, luma_jobs=100)
def test_several_loops_and_a_blocking_client_share_one_thread(
    store: RemoteMemory, tmp_path: Path, simulator: Simulator
) -> None:
    limits = Limits(store=tmp_path / "x", rpm=6_000)
    began = threading.Barrier(4)
    client = AsyncLuma(**simulator.luma_options, limits=limits)

    async def calls() -> None:
        await asyncio.gather(*(client.generations.create(prompt="a heron") for _ in range(5)))

    def run() -> None:
        began.wait()
        asyncio.run(calls())

    def block() -> None:
        began.wait()
        with Luma(**simulator.luma_options, limits=limits) as luma:
            for _ in range(5):
                luma.generations.create(prompt="a heron")

    threads = [threading.Thread(target=run) for _ in range(3)] + [threading.Thread(target=block)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300.0)
    paid = [entry for entry in simulator.ledger.requests if entry.method == "POST"]  # jobs that take long are polled
    assert [entry.status for entry in paid] == [201] * 20
    assert len(store.threads) == 1


def limit_threads() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name == "generor_async limits"}


def test_the_thread_ends_with_the_limits_it_is_for(store: RemoteMemory, tmp_path: Path) -> None:
    before, keepers, begun = limit_threads(), list[weakref.ref[LimitKeeper]](), list[threading.Thread]()

    async def scene() -> None:
        keeper = LimitKeeper(Limits(store=tmp_path / "x", rpm=600), LUMA, REAL_CLOCK, scope="0123abcd")
        assert limit_threads() <= before, "it begins with the first round"
        await enter(keeper)
        begun.extend(limit_threads() - before)
        keepers.append(weakref.ref(keeper))

    play(scene)
    assert len(begun) == 1
    assert store.transactions
    for _ in range(3_000):
        gc.collect()
        begun[0].join(0.1)
        if not begun[0].is_alive():
            break
    assert keepers[0]() is None
    assert not begun[0].is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is nothing to fork here")
def test_a_forked_child_has_a_thread_of_its_own() -> None:
    program = f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent.parent)!r})
        import asyncio, os, tempfile
        from pathlib import Path
        from support.remote_stores import RemoteMemory
        from generor_async import Limits
        from generor_async.engine import limit_keeper
        from generor_async.engine.clock import REAL_CLOCK
        from generor_async.rules.vendors import LUMA

        limit_keeper._open_store = lambda place, clock: RemoteMemory(clock)
        keeper = limit_keeper.keeper_of(
            Limits(store=Path(tempfile.mkdtemp()) / "x", rpm=600), LUMA, "", None, REAL_CLOCK
        )

        async def call():
            await keeper.queue.enter("normal", REAL_CLOCK.monotonic() + 999.0, lambda _: None, again=False)
            await asyncio.sleep(0.4)

        asyncio.run(call())
        child = os.fork()
        asyncio.run(call())
        if child:
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
