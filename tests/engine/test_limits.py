"""The queue before the wire: whose turn it is, in one event loop, in several, and in a forked child."""

import asyncio
import functools
import gc
import math
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import attrs
import pytest
from support.calls import KEY, BareLuma, operation
from support.clock import FastClock, LoopClock
from support.wire import Arrived, Peer, Step, Wire, answer

from generor_async import AsyncGeneror, DeadlineExceededError, Limits, RateLimitError, Throttled
from generor_async.engine.limit_keeper import LimitKeeper
from generor_async.engine.queue import QueueTimeoutError
from generor_async.rules.http_types import Operation
from generor_async.rules.own_usage import SLICES
from generor_async.rules.pace import Permit
from generor_async.rules.rate_headers import RateLimitReport
from generor_async.rules.vendors import GENEROR, LUMA, Vendor
from generor_async.rules.wait import Wait
from generor_async.rules.window import JITTER, MINUTE
from generor_async.testing.loop import VirtualTimeLoop, run
from generor_async.values import Clock, Event, Priority

Scene = Callable[[], Coroutine[Any, Any, None]]
TURN = MINUTE + JITTER
"""Seconds after which a place is free again."""
EPOCH = 1_775_649_600.0
"""Unix seconds when the loop's time was zero."""
BODY = 40_000_000
"""Bytes that don't fit into the buffers between two sockets."""
EARLY, LATE = 0.01, 0.05
"""How far a moment may be from where it is expected: places are counted in grains, and answers travel."""


def virtual(scene: Scene) -> Callable[[], None]:
    """Run a test in virtual time."""

    @functools.wraps(scene)
    def test() -> None:
        run(scene())

    return test


class Bare(BareLuma):
    """A client whose queue can be looked into."""

    @property
    def limits(self) -> LimitKeeper:
        return self._session.limits


@attrs.define
class Door:
    """Calls that go through the queue, and in which order they came out."""

    limits: LimitKeeper
    clock: Clock
    left: list[tuple[str, float]] = attrs.field(factory=list[tuple[str, float]])
    waits: list[Wait] = attrs.field(factory=list[Wait])

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.left]

    @property
    def queued(self) -> int:
        return self.limits.snapshot(self.clock.monotonic()).queued

    async def enter(self, *, priority: Priority = "normal", timeout: float = math.inf, again: bool = False) -> Permit:
        permit = self.limits.queue.enter_nowait(self.clock.monotonic(), priority)
        if permit is None:
            deadline = self.clock.monotonic() + timeout
            permit = await self.limits.queue.enter(priority, deadline, self.waits.append, again=again)
        return permit

    async def go(self, name: str, **how: Any) -> Permit:
        """Wait for one's turn, and leave."""
        permit = await self.enter(**how)
        now = self.clock.monotonic()
        self.limits.sent(permit, now)
        self.left.append((name, now))
        return permit

    def start(self, name: str, **how: Any) -> "asyncio.Task[Permit]":
        return asyncio.create_task(self.go(name, **how))


def door(rpm: int = 1, *, clock: Clock | None = None, share: float = 1.0) -> Door:
    clock = clock or LoopClock()
    return Door(LimitKeeper(Limits(rpm=rpm, max_share=share), LUMA, clock, scope="x"), clock)


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


# --- whose turn it is -----------------------------------------------------------------------------------------------


@virtual
async def test_within_a_class_calls_leave_in_the_order_in_which_they_came() -> None:
    queue = door(3)
    await asyncio.gather(*(queue.go(str(number)) for number in range(20)))
    assert queue.names == [str(number) for number in range(20)]
    assert queue.left[-1][1] == pytest.approx(6 * TURN + JITTER, abs=0.05), "the first of each minute leads"


@virtual
async def test_interactive_leaves_before_normal_and_normal_before_bulk() -> None:
    queue = door()
    await queue.go("first")
    tasks = [queue.start(name, priority=name) for name in ("bulk", "normal", "interactive")]
    await asyncio.gather(*tasks)
    assert queue.names == ["first", "interactive", "normal", "bulk"]


@virtual
async def test_who_was_refused_goes_to_the_head_of_its_class() -> None:
    queue = door()
    await queue.go("first")
    tasks = [queue.start("second"), queue.start("third")]
    await settle()
    tasks.append(queue.start("refused", again=True))
    await asyncio.gather(*tasks)
    assert queue.names == ["first", "refused", "second", "third"]


@virtual
async def test_no_class_starves_under_constant_load_of_a_more_urgent_one() -> None:
    queue = door(60)

    async def stream(priority: Priority) -> None:
        while True:
            await queue.go(priority, priority=priority)

    urgent = [asyncio.create_task(stream("interactive")) for _ in range(8)]
    others = [asyncio.create_task(stream(name)) for name in ("normal", "bulk") for _ in range(8)]
    await asyncio.sleep(20 * MINUTE)
    for task in urgent + others:
        task.cancel()
    share = Counter(queue.names)
    assert share["bulk"] >= len(queue.left) / 10 - 1
    assert share["normal"] >= len(queue.left) / 10 - 1
    assert share["interactive"] >= 0.75 * len(queue.left)


@pytest.mark.parametrize("moment", [0.5, 31.7, 59.9, 200.3, 911.0])
def test_an_interactive_call_overtakes_two_thousand_bulk_calls(moment: float) -> None:
    async def scene() -> None:
        queue = door(60)
        bulk = [queue.start("bulk", priority="bulk") for _ in range(2_000)]
        await asyncio.sleep(moment)
        await queue.go("bot", priority="interactive")
        assert asyncio.get_running_loop().time() - moment <= 1.5 * MINUTE / 60
        for task in bulk:
            task.cancel()

    run(scene())


# --- who leaves the queue -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["head", "middle", "tail"])
def test_a_cancelled_waiter_frees_its_place_at_once_wherever_it_stands(place: str) -> None:
    async def scene() -> None:
        queue = door()
        await queue.go("first")
        tasks = {name: queue.start(name) for name in ("head", "middle", "tail")}
        await settle()
        assert queue.queued == 3
        tasks[place].cancel()
        await settle()
        assert queue.queued == 2
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        assert queue.names == ["first", *(name for name in tasks if name != place)]
        assert queue.left[-1][1] == pytest.approx(2 * TURN, abs=LATE)

    run(scene())


@virtual
async def test_a_granted_permit_whose_caller_was_cancelled_goes_to_the_next() -> None:
    queue = door()
    held = await queue.enter()
    granted, following = queue.start("granted"), queue.start("following")
    await settle()
    queue.limits.give_back(held, 0.0)
    granted.cancel()
    await following
    assert granted.cancelled()
    assert queue.names == ["following"]
    assert queue.left[0][1] == pytest.approx(0.0, abs=EARLY)


@virtual
async def test_a_storm_of_ten_thousand_cancellations_leaves_nothing_behind() -> None:
    queue = door()
    await queue.go("first")
    tasks = [queue.start("storm", priority=("interactive", "normal", "bulk")[n % 3]) for n in range(10_000)]
    await settle()
    assert queue.queued == 10_000
    asyncio.get_running_loop().call_later(1, lambda: [task.cancel() for task in tasks[::2]])
    asyncio.get_running_loop().call_later(2, lambda: [task.cancel() for task in reversed(tasks)])
    await asyncio.gather(*tasks, return_exceptions=True)
    assert asyncio.get_running_loop().time() == 2
    tasks.clear()
    queue.waits.clear()
    await settle()
    assert queue.queued == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}, "no alarm is left"
    gc.collect()
    assert not [one for one in gc.get_objects() if type(one).__name__ == "QueuedCall"]
    await queue.go("afterwards")
    assert queue.left[-1][1] == pytest.approx(TURN, abs=LATE)


@virtual
async def test_a_wait_that_cannot_end_in_time_is_not_begun() -> None:
    queue = door()
    await queue.go("first")
    with pytest.raises(QueueTimeoutError) as caught:
        await queue.go("second", timeout=30.0)
    assert asyncio.get_running_loop().time() == 0
    assert (caught.value.scope, caught.value.wait) == ("minute", 30.0)
    assert queue.queued == 0


@virtual
async def test_a_turn_that_does_not_come_in_time_ends_the_wait() -> None:
    queue = door()
    await queue.go("first")
    second = queue.start("second")
    await settle()
    with pytest.raises(QueueTimeoutError):
        await queue.go("third", timeout=100.0)
    assert asyncio.get_running_loop().time() == 100.0
    assert second.done()
    assert queue.queued == 0


@virtual
async def test_a_call_that_waits_for_a_connection_of_another_is_let_go_when_that_one_is_sent() -> None:
    queue = door()
    slow = await queue.enter()
    second = queue.start("second")
    await asyncio.sleep(100.0)
    queue.limits.sent(slow, 100.0)
    await second
    assert queue.left[0][1] == pytest.approx(100 + TURN, abs=LATE)


@virtual
async def test_an_answer_that_raises_the_limit_lets_the_queue_go_at_once() -> None:
    queue = door()
    first = await queue.go("first")
    second = queue.start("second")
    await asyncio.sleep(5.0)
    queue.limits.received(first, 5.0, RateLimitReport(limit=10, used=1), succeeded=True)
    await second
    assert queue.left[-1][1] == 5.0


# --- threads, loops, processes --------------------------------------------------------------------------------------


def test_event_loops_in_two_threads_share_one_queue_and_each_wakes_its_own() -> None:
    queue = door(40, clock=FastClock())
    woken: list[bool] = []

    async def stream() -> None:
        loop = asyncio.get_running_loop()

        async def one() -> None:
            await queue.go(threading.current_thread().name)
            woken.append(asyncio.get_running_loop() is loop)

        await asyncio.gather(*(one() for _ in range(60)))

    threads = [threading.Thread(target=lambda: asyncio.run(stream())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert not any(thread.is_alive() for thread in threads)
    assert woken == [True] * 180
    moments = sorted(moment for _, moment in queue.left)
    for first, beyond in zip(moments, moments[40:], strict=False):
        assert beyond - first >= MINUTE
    assert queue.queued == 0


def test_a_loop_that_was_closed_with_calls_in_the_queue_holds_up_nobody() -> None:
    clock = FastClock()
    queue = door(clock=clock)
    dead = asyncio.new_event_loop()
    tasks = [dead.create_task(queue.go("first")), *(dead.create_task(queue.go("dead")) for _ in range(3))]
    dead.run_until_complete(tasks[0])
    dead.run_until_complete(settle())
    assert queue.queued == 3
    close_at_once(dead)

    async def alive() -> None:
        async with asyncio.timeout(300):
            await asyncio.gather(queue.go("second"), queue.go("third"))

    asyncio.run(alive())
    assert queue.names == ["first", "second", "third"]
    assert queue.queued == 0
    forget(tasks)


def test_an_alarm_that_died_with_its_loop_is_set_again_in_another() -> None:
    clock = FastClock()
    queue = door(clock=clock)
    dead = asyncio.new_event_loop()
    tasks = [dead.create_task(queue.go("first")), dead.create_task(queue.go("dead"))]
    dead.run_until_complete(tasks[0])
    dead.run_until_complete(settle())
    ready = threading.Event()

    async def alive() -> None:
        second = queue.start("second")
        await settle()
        ready.set()
        async with asyncio.timeout(300):
            await second

    thread = threading.Thread(target=lambda: asyncio.run(alive()))
    thread.start()
    assert ready.wait(300)
    close_at_once(dead)
    thread.join(300)
    assert queue.names == ["first", "second"]
    forget(tasks)


def close_at_once(loop: asyncio.AbstractEventLoop) -> None:
    """Close a loop with tasks under way, the queue's own among them, and have asyncio not complain of it."""
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.close()


def forget(tasks: "list[asyncio.Task[Permit]]") -> None:
    """Have the collector end tasks now whose loop was closed."""
    tasks.clear()
    gc.collect()


def test_calls_of_a_closed_loop_that_are_collected_disturb_nobody() -> None:
    clock = FastClock()
    queue = door(clock=clock)
    dead = asyncio.new_event_loop()
    tasks = [dead.create_task(queue.go("first")), dead.create_task(queue.go("dead"))]
    dead.run_until_complete(tasks[0])
    dead.run_until_complete(settle())
    close_at_once(dead)
    with queue.limits._lock:  # pyright: ignore[reportPrivateUsage] # the collector strikes at any time
        forget(tasks)
    assert queue.queued <= 1


# --- through the client ---------------------------------------------------------------------------------------------


def metered(size: int = 10, vendor: Vendor = LUMA) -> Operation[Any]:
    """A call that draws on the limit a minute, with a body of about so many bytes."""
    plain = operation("plain", vendor=vendor)
    endpoint = attrs.evolve(plain.endpoint, quota=("minute",), timeout=600.0, attempt_timeout=600.0)
    return Operation(endpoint, "/things", body={"prompt": "x" * size})


@attrs.define
class Site:
    """A server with times: it answers after `takes` seconds and says what `headers` says."""

    takes: float = 0.1
    headers: dict[str, str] = attrs.field(factory=dict[str, str])
    refuse: int = 0
    """How many of the first requests are refused."""
    moments: list[float] = attrs.field(factory=list[float])

    async def step(self, peer: Peer, request: Arrived) -> None:
        loop = asyncio.get_running_loop()
        self.moments.append(loop.time())
        step: Step = answer(200, {}, headers=self.headers)
        if len(self.moments) <= self.refuse:
            limited = {"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "0"}
            step = answer(429, {"detail": "slow down"}, headers={**limited, "Retry-After": "20"})
        else:
            await asyncio.sleep(self.takes)
        await step(peer, request)


@virtual
async def test_a_wait_for_the_limit_that_cannot_end_in_time_says_what_was_waited_for() -> None:
    site = Site()
    async with (
        Wire(site.step) as wire,
        Bare(KEY, base_url=wire.url, clock=LoopClock(), limits=Limits(rpm=1)) as client,
    ):
        await client.send(metered())
        began = asyncio.get_running_loop().time()
        views = (
            client.with_options(queue_timeout=20.0),
            client.with_options(timeout=20.0),
            client.with_options(timeout=20.0, queue_timeout=500.0),
        )
        for view in views:
            with pytest.raises(DeadlineExceededError, match="its turn did not come within 20 s") as caught:
                await view.send(metered())
            assert caught.value.waited_for == "pace"
            assert caught.value.request_id
        assert asyncio.get_running_loop().time() == began
    assert len(site.moments) == 1


@virtual
async def test_without_a_timeout_the_deadline_begins_when_the_call_is_let_go() -> None:
    site = Site()
    async with (
        Wire(site.step) as wire,
        Bare(KEY, base_url=wire.url, clock=LoopClock(), limits=Limits(rpm=1)) as client,
    ):
        await asyncio.gather(*(client.send(metered()) for _ in range(30)))
    assert site.moments[-1] > 29 * MINUTE


@virtual
async def test_a_generates_nine_hundred_seconds_do_not_cover_the_queue() -> None:
    result = {"credit_cost": 1, "credit_cost_estimated": 1, "credits_remaining": 1, "time_taken_seconds": 1}
    names: dict[str, Any] = {
        "generator": "joke",
        "model_id": 37,
        "model_type": "text",
        "model_name": "x",
        "creations": [],
    }
    limits = Limits(rpm=1)
    async with (
        Wire(answer(201, {"success": True, "data": {**names, **result}})) as wire,
        AsyncGeneror("gnr_live_x", base_url=wire.url, clock=LoopClock(), limits=limits) as client,
    ):
        await asyncio.gather(*(client.generators.generate("joke", prompt="x", model_id=37) for _ in range(20)))
    assert asyncio.get_running_loop().time() > 1_000


@virtual
async def test_a_429_holds_the_window_once_and_the_queue_is_let_go_in_order() -> None:
    site = Site(refuse=1)
    async with (
        Wire(site.step) as wire,
        Bare(KEY, base_url=wire.url, clock=LoopClock(), limits=Limits(rpm=10)) as client,
    ):
        views = [client.with_options(request_id=f"call-{number}") for number in range(6)]
        await asyncio.gather(*(view.send(metered()) for view in views))
    names = [request.headers["X-Request-Id"] for request in wire.requests]
    assert names[0] == "call-0"
    assert sorted(names) == sorted(["call-0", *(f"call-{number}" for number in range(6))])
    again = names.index("call-0", 1)
    assert site.moments[again] == pytest.approx(20.0, abs=0.1)
    assert names[again + 1 :] == sorted(names[again + 1 :])
    assert len(site.moments) == 7
    held = [moment for moment in site.moments if 0.1 < moment < 20]
    assert not held, "nothing leaves while the window is held"


@virtual
async def test_waiting_for_a_limit_is_no_attempt_that_failed() -> None:
    site = Site(refuse=10)
    async with (
        Wire(site.step) as wire,
        Bare(KEY, base_url=wire.url, clock=LoopClock(), limits=Limits(rpm=10), max_retries=2) as client,
    ):
        await client.send(metered())
    assert site.moments == pytest.approx([0, 20, *(80 + MINUTE * number for number in range(9))], abs=0.1)


@virtual
async def test_without_retries_the_first_refusal_is_raised_with_its_scope() -> None:
    site = Site(refuse=100)
    async with (
        Wire(site.step) as wire,
        Bare(KEY, base_url=wire.url, clock=LoopClock(), limits=Limits(rpm=10), max_retries=0) as client,
    ):
        with pytest.raises(RateLimitError) as caught:
            await client.send(metered())
    assert (caught.value.scope, caught.value.attempts) == ("minute", 1)
    assert site.moments == pytest.approx([0], abs=0.1)


@virtual
async def test_a_permit_is_stamped_when_the_connection_is_in_hand() -> None:
    site = Site(takes=30.0)
    async with (
        Wire(site.step) as wire,
        Bare(KEY, base_url=wire.url, clock=LoopClock(), limits=Limits(rpm=2), max_connections=1) as client,
    ):
        await asyncio.gather(*(client.send(metered()) for _ in range(3)))
    assert site.moments == pytest.approx([0, 30, TURN], abs=0.1)


@virtual
async def test_a_large_body_is_stamped_when_its_last_piece_has_left() -> None:
    pieces = 40

    async def read_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        left = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        for _ in range(pieces):
            await asyncio.sleep(1)
            left -= len(await reader.readexactly(min(left, BODY // pieces)))
        await reader.readexactly(left)
        await asyncio.sleep(20)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(read_slowly, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, Bare(KEY, base_url=url, clock=LoopClock(), limits=Limits(rpm=1)) as client:
        await client.send(metered(BODY))
        window = client.rate_limits.windows["minute"]
        assert window.resets_at is not None
        assert 10 < window.resets_at - EPOCH - TURN < pieces + 1, (
            "after the body has gone, long before the answer has come"
        )


@virtual
async def test_a_call_cancelled_before_it_was_sent_leaves_its_place_to_the_next() -> None:
    site = Site(takes=30.0)
    async with (
        Wire(site.step) as wire,
        Bare(KEY, base_url=wire.url, clock=LoopClock(), limits=Limits(rpm=2), max_connections=1) as client,
    ):
        tasks = [asyncio.create_task(client.send(metered())) for _ in range(3)]
        await asyncio.sleep(10)
        tasks[1].cancel()
        await asyncio.gather(tasks[0], tasks[2])
    assert site.moments == pytest.approx([0, 30], abs=0.1)


@virtual
async def test_a_call_cancelled_after_it_was_sent_keeps_its_place() -> None:
    site = Site(takes=30.0)
    async with (
        Wire(site.step) as wire,
        Bare(KEY, base_url=wire.url, clock=LoopClock(), limits=Limits(rpm=1)) as client,
    ):
        task = asyncio.create_task(client.send(metered()))
        await asyncio.sleep(10)
        task.cancel()
        await client.send(metered())
    assert site.moments == pytest.approx([0, TURN], abs=0.1)


@virtual
async def test_the_first_call_leads_and_the_others_follow_at_its_answer_or_as_none_is_refused() -> None:
    headers = {"X-RateLimit-Limit": "5", "X-RateLimit-Remaining": "4", "X-RateLimit-Reset": "0"}
    late = [0, JITTER, 2 * JITTER, 2 * JITTER, 3 * JITTER]
    for takes, follow in ((0.2, [0, 0.2, 0.2, 0.2, 0.4]), (2.0, late)):
        site = Site(takes=takes, headers=headers)
        async with Wire(site.step) as wire, Bare(KEY, base_url=wire.url, clock=LoopClock()) as client:
            began = asyncio.get_running_loop().time()
            await asyncio.gather(*(client.send(metered()) for _ in range(5)))
        moments = [moment - began for moment in site.moments]
        assert moments == pytest.approx(follow, abs=0.1)


@virtual
async def test_a_client_shows_what_it_knows_of_its_limits() -> None:
    names = ("Limit", "Remaining", "Reset", "Tier")
    headers = {f"X-RateLimit-{name}": value for name, value in zip(names, ("60", "52", "0", "basic"), strict=True)}
    site = Site(takes=1.0, headers=headers)
    async with (
        Wire(site.step) as wire,
        AsyncGeneror("gnr_live_x", base_url=wire.url, clock=LoopClock(), limits=Limits(tier="basic", rpm=1)) as client,
    ):
        before = client.rate_limits
        assert (before.tier, before.queued, list(before.windows)) == ("basic", 0, ["minute", "hour", "day"])
        tasks = [asyncio.create_task(client.send(metered(vendor=GENEROR))) for _ in range(3)]
        await asyncio.sleep(0.5)
        assert client.rate_limits.queued == 2
        await asyncio.gather(*tasks)
        known = client.rate_limits
        assert known.queued == 0
        assert known.tier == "basic"
        minute, hour = known.windows["minute"], known.windows["hour"]
        assert (minute.limit, minute.used, minute.remaining) == (60, 8, 52)
        assert (hour.limit, hour.used) == (2_000, 3)
        assert minute.resets_at == pytest.approx(EPOCH + TURN, abs=LATE)


@virtual
async def test_a_call_that_has_to_wait_says_so() -> None:
    events: list[Event] = []
    site = Site()
    async with (
        Wire(site.step) as wire,
        Bare(KEY, base_url=wire.url, clock=LoopClock(), limits=Limits(rpm=1), on_event=events.append) as client,
    ):
        await client.send(metered())
        await client.with_options(request_id="second").send(metered())
    told = [event for event in events if isinstance(event, Throttled)]
    assert [(event.request_id, event.scope) for event in told] == [("second", "minute")]
    assert told[0].delay == pytest.approx(MINUTE, abs=0.1)


@virtual
async def test_what_draws_on_no_limit_never_waits() -> None:
    site = Site()
    async with (
        Wire(site.step) as wire,
        Bare(KEY, base_url=wire.url, clock=LoopClock(), limits=Limits(rpm=1)) as client,
    ):
        await asyncio.gather(*(client.send(operation("read")) for _ in range(20)))
    assert site.moments == pytest.approx([0.0] * 20, abs=0.5)


def test_two_clients_with_half_a_share_each_stay_within_it_over_one_loop() -> None:
    async def scene() -> None:
        doors = [door(10, share=0.5) for _ in range(2)]
        await asyncio.gather(*(each.go("x") for each in doors for _ in range(20)))
        for each in doors:
            moments = [moment for _, moment in each.left]
            for first, beyond in zip(moments, moments[5:], strict=False):
                assert beyond - first >= MINUTE

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(scene())


def test_a_generor_key_keeps_to_three_windows_at_once() -> None:
    async def scene() -> None:
        clock = LoopClock()
        queue = Door(LimitKeeper(Limits(tier="free"), GENEROR, clock, scope="x"), clock)
        await asyncio.gather(*(queue.go("x") for _ in range(501)))
        assert queue.left[29][1] < 1
        assert queue.left[30][1] == pytest.approx(TURN, abs=1)
        assert queue.left[499][1] < 17 * MINUTE
        assert 3_600 <= queue.left[500][1] <= 3_600 + 3_600 / SLICES + 1

    run(scene())
