"""The event loop with virtual time, which jumps only when nothing is ready."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from attrs import define

from generor_async import AsyncLuma
from generor_async.simulator import Simulator
from generor_async.testing import VirtualTimeLoop, loop, run

DAY = 86_400.0


def now() -> float:
    return asyncio.get_running_loop().time()


def virtual() -> VirtualTimeLoop:
    running = asyncio.get_running_loop()
    assert isinstance(running, VirtualTimeLoop)
    return running


@asynccontextmanager
async def echoing() -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection over loopback to a server in this loop that sends back what it gets."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        yield reader, writer
        writer.close()
        await writer.wait_closed()


def test_a_month_passes_in_no_time() -> None:
    async def main() -> float:
        await asyncio.sleep(30 * DAY)
        return now()

    before = time.monotonic()
    assert run(main()) == 30 * DAY
    assert time.monotonic() - before < 60


def test_time_begins_at_start_and_stands_still_between_timers() -> None:
    async def main() -> tuple[float, float]:
        began = now()
        for _ in range(1_000):
            await asyncio.sleep(0)
        return began, now()

    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(start=1e9)) as runner:
        assert runner.run(main()) == (1e9, 1e9)


def test_timers_go_off_in_order_and_each_at_its_time() -> None:
    async def main() -> list[tuple[str, float]]:
        seen: list[tuple[str, float]] = []

        async def sleeper(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            seen.append((name, now()))

        asyncio.get_running_loop().call_at(2.5, lambda: seen.append(("timer", now())))
        with suppress(TimeoutError):
            async with asyncio.timeout(3.25):
                await asyncio.gather(sleeper("late", 3), sleeper("soon", 0.125), sleeper("never", DAY))
        seen.append(("timeout", now()))
        return seen

    assert run(main()) == [("soon", 0.125), ("timer", 2.5), ("late", 3.0), ("timeout", 3.25)]


def test_time_does_not_jump_while_bytes_are_on_their_way() -> None:
    async def main() -> float:
        async with echoing() as (reader, writer):
            for number in range(2_000):
                message = b"%d" % number
                async with asyncio.timeout(1e-3):
                    writer.write(message)
                    assert await reader.readexactly(len(message)) == message
            return now()

    assert run(main()) == 0


def test_time_does_not_jump_while_a_connection_is_made() -> None:
    async def main() -> float:
        for _ in range(100):
            async with asyncio.timeout(1e-3), echoing() as (reader, writer):
                writer.write(b"hello")
                assert await reader.readexactly(5) == b"hello"
        return now()

    assert run(main()) == 0


def test_time_does_not_jump_while_buffers_are_full() -> None:
    size = 20_000_000

    async def main() -> float:
        async with echoing() as (reader, writer), asyncio.timeout(1):
            writer.write(bytes(size))
            assert len(await reader.readexactly(size)) == size
            return now()

    assert run(main()) == 0


def test_a_reader_that_never_reads_stops_time_for_a_moment_only() -> None:
    async def main() -> float:
        async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(DAY)
            writer.transport.abort()

        async with await asyncio.start_server(ignore, "127.0.0.1", 0) as server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(bytes(20_000_000))
            for _ in range(100):
                await asyncio.sleep(60)
            reached = now()
            writer.transport.abort()
            await asyncio.sleep(DAY)
        return reached

    before = time.monotonic()
    assert run(main()) == 6_000
    assert loop.BLOCKED_SECONDS < time.monotonic() - before < 100 * loop.BLOCKED_SECONDS


def test_time_stands_still_while_a_thread_works() -> None:
    async def main() -> float:
        async with asyncio.timeout(1e-3):
            await asyncio.gather(asyncio.to_thread(time.sleep, 0.03), asyncio.to_thread(time.sleep, 0.05))
        return now()

    assert run(main()) == 0


def test_a_name_is_looked_up_without_a_timeout() -> None:
    async def main() -> float:
        async with asyncio.timeout(1e-3):
            await asyncio.get_running_loop().getaddrinfo("localhost", 80)
        return now()

    assert run(main()) == 0


def test_a_thread_that_the_loop_does_not_know_of_wakes_it() -> None:
    async def main() -> float:
        future = asyncio.get_running_loop().create_future()
        threading.Timer(0.03, asyncio.get_running_loop().call_soon_threadsafe, (future.set_result, None)).start()
        await future
        return now()

    assert run(main()) == 0


def test_hold_stops_time() -> None:
    async def main() -> tuple[float, float]:
        future = asyncio.get_running_loop().create_future()
        threading.Timer(0.03, asyncio.get_running_loop().call_soon_threadsafe, (future.set_result, None)).start()
        with virtual().hold():
            async with asyncio.timeout(1e-3):
                await future
        held = now()
        await asyncio.sleep(1)
        return held, now()

    assert run(main()) == (0, 1)


def test_a_thread_that_waits_for_virtual_time_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "HOLD_SECONDS", 0.05)
    event = threading.Event()

    async def main() -> None:
        asyncio.get_running_loop().call_later(1, event.set)
        await asyncio.to_thread(event.wait, 0.5)

    with pytest.raises(RuntimeError, match=r"time has stood still for 0\.05 s, for threads to end: .*") as caught:
        run(main())
    assert "Event.wait" in str(caught.value.__context__)


def test_threads_end_with_the_loop_in_real_time() -> None:
    ended = threading.Event()

    def work() -> None:
        time.sleep(0.05)
        ended.set()

    async def main() -> None:
        asyncio.get_running_loop().run_in_executor(None, work).cancel()

    run(main())
    assert ended.is_set()


@define
class Order:
    """The order in which six tasks and three callbacks run that are ready at the same time."""

    seen: list[str]

    @classmethod
    def under(cls, seed: int | None) -> "Order":
        seen: list[str] = []

        async def task(name: str) -> None:
            seen.append(name)

        async def main() -> None:
            running = asyncio.get_running_loop()
            tasks: list[asyncio.Task[None]] = []
            for number in range(6):
                tasks.append(asyncio.ensure_future(task(f"task {number}")))
                if number % 2:
                    running.call_soon(seen.append, f"callback {number}")
            await asyncio.gather(*tasks)

        run(main(), shuffle_seed=seed)
        return cls(seen)

    def of(self, kind: str) -> list[str]:
        return [name for name in self.seen if name.startswith(kind)]


CALLBACKS = ["callback 1", "callback 3", "callback 5"]
TASKS = [f"task {number}" for number in range(6)]


def test_without_a_seed_everything_runs_in_order() -> None:
    order = Order.under(None)
    assert order.seen[:3] == ["task 0", "task 1", "callback 1"]
    assert order.of("task") == TASKS


@pytest.mark.parametrize("seed", range(20))
def test_shuffled_tasks_come_after_callbacks_which_keep_their_order(seed: int) -> None:
    order = Order.under(seed)
    assert order.seen[:3] == CALLBACKS
    assert sorted(order.seen[3:]) == TASKS


def test_the_order_of_tasks_follows_the_seed() -> None:
    orders = [Order.under(seed).seen for seed in range(20)]
    assert orders == [Order.under(seed).seen for seed in range(20)]
    assert len({tuple(order) for order in orders}) > 10


def test_a_task_cancelled_before_its_turn_is_cancelled() -> None:
    async def main() -> bool:
        task = asyncio.ensure_future(asyncio.sleep(1))
        await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return task.cancelled()

    assert run(main(), shuffle_seed=1)


@pytest.mark.parametrize("seed", [None, *range(5)])
def test_client_and_simulator_talk_in_it(seed: int | None) -> None:
    async def main() -> tuple[int, float]:
        async with Simulator(luma_rpm=5, luma_jobs=3) as simulator, AsyncLuma(**simulator.luma_options) as luma:
            jobs = (luma.generations.run(prompt=f"job {number}") for number in range(8))
            await asyncio.gather(*jobs)
            return len(simulator.ledger.charges), now()

    charges, seconds = run(main(), shuffle_seed=seed)
    assert charges == 8
    assert 60 < seconds < 600


def test_the_simulators_clock_follows_the_loop() -> None:
    async def main(speed: float) -> list[float]:
        seen: list[float] = []
        async with Simulator(speed=speed, epoch=1e9) as simulator:
            for wait in (asyncio.sleep, simulator.clock.sleep):
                await wait(60)
                seen.append(simulator.clock.time() - 1e9)
            simulator.advance(DAY)
            seen.append(simulator.clock.time() - 1e9)
            return seen

    def close(*expected: float) -> Callable[[list[float]], bool]:
        return lambda seen: seen == pytest.approx(expected, abs=0.1)

    assert close(60, 120, DAY + 120)(run(main(1)))
    assert close(600, 660, DAY + 660)(run(main(10)))
