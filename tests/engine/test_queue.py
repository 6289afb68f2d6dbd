"""The queue before a limit whose requests weigh differently: who may pass whom, and how often."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import attrs
from support.clock import LoopClock

from generor_async.engine.queue import Queue
from generor_async.rules.priority_order import MAX_PASSED_BY
from generor_async.rules.wait import Wait
from generor_async.rules.weights import DEFAULT_TYPE, RequestType
from generor_async.testing import run
from generor_async.values import Priority

HEAVY, LIGHT = RequestType("heavy", "t", 3), RequestType("light", "t")


@attrs.define
class Units:
    """A rule of nothing but units: as many as are free."""

    free: int = 0

    def reserve(self, now: float, *, smooth: bool = False, request_type: RequestType = DEFAULT_TYPE) -> int | Wait:
        if request_type.weight > self.free:
            return Wait(now + 1_000, "jobs", sooner=True)
        self.free -= request_type.weight
        return request_type.weight

    def give_back(self, permit: int) -> None:
        self.free += permit


@attrs.define
class Scene:
    """Calls that wait for units, and the order in which they get them."""

    rule: Units = attrs.field(factory=Units)
    went: list[str] = attrs.field(factory=list[str])
    tasks: list["asyncio.Task[None]"] = attrs.field(factory=list["asyncio.Task[None]"])
    queue: Queue[int] = attrs.field(
        default=attrs.Factory(lambda self: Queue(self.rule, LoopClock(), threading.RLock()), takes_self=True)
    )

    async def come(
        self,
        name: str,
        request_type: RequestType,
        priority: Priority = "normal",
        *,
        again: bool = False,
        user: str | None = None,
        deadline: float = 100.0,
    ) -> None:
        async def wait() -> None:
            await self.queue.enter(
                priority, deadline, lambda _: None, again=again, request_type=request_type, user=user
            )
            self.went.append(name)

        self.tasks.append(asyncio.create_task(wait()))
        await asyncio.sleep(0.01)

    async def free(self, units: int) -> None:
        self.rule.free += units
        self.queue.pump(asyncio.get_running_loop().time())
        await asyncio.sleep(0.01)

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        assert len(self.queue) == 0


def virtual(scene: Callable[[Scene], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    async def play() -> None:
        stage = Scene()
        await scene(stage)
        await stage.close()

    def test() -> None:
        run(play())

    test.__name__ = scene.__name__
    return test


@virtual
async def test_a_light_call_passes_a_heavy_one_for_which_there_are_too_few_units(scene: Scene) -> None:
    await scene.come("heavy", HEAVY)
    await scene.come("light", LIGHT)
    await scene.free(2)
    assert scene.went == ["light"]
    await scene.free(2)
    assert scene.went == ["light", "heavy"]


@virtual
async def test_calls_are_admitted_in_order_where_there_are_enough_units(scene: Scene) -> None:
    for number in range(3):
        await scene.come(f"heavy {number}", HEAVY)
        await scene.come(f"light {number}", LIGHT)
    await scene.free(12)
    assert scene.went == [f"{request_type} {number}" for number in range(3) for request_type in ("heavy", "light")]


@virtual
async def test_a_heavy_call_is_passed_only_so_often(scene: Scene) -> None:
    await scene.come("heavy", HEAVY)
    for number in range(MAX_PASSED_BY + 5):
        await scene.come(f"light {number}", LIGHT)
    for _ in range(MAX_PASSED_BY + 2):
        await scene.free(1)
    assert scene.went == [f"light {number}" for number in range(MAX_PASSED_BY)]
    await scene.free(1)
    assert scene.went[MAX_PASSED_BY:] == ["heavy"]
    await scene.free(2)
    assert scene.went[MAX_PASSED_BY + 1 :] == [f"light {MAX_PASSED_BY}", f"light {MAX_PASSED_BY + 1}"]


@virtual
async def test_a_less_urgent_heavy_call_does_not_starve(scene: Scene) -> None:
    await scene.come("heavy", HEAVY, "bulk")
    for number in range(4 * MAX_PASSED_BY):
        await scene.come(f"light {number}", LIGHT)
    for _ in range(3 * MAX_PASSED_BY):
        await scene.free(1)
    assert "heavy" in scene.went


@virtual
async def test_a_refused_call_goes_to_the_head_whatever_it_weighs(scene: Scene) -> None:
    await scene.come("light", LIGHT)
    await scene.come("heavy", HEAVY, again=True)
    await scene.come("light again", LIGHT, again=True)
    await scene.free(5)
    assert scene.went == ["light again", "heavy", "light"]


@virtual
async def test_a_heavy_call_that_is_cancelled_lets_the_others_be_admitted(scene: Scene) -> None:
    await scene.come("heavy", HEAVY)
    for number in range(MAX_PASSED_BY + 1):
        await scene.come(f"light {number}", LIGHT)
        await scene.free(1)
    assert len(scene.went) == MAX_PASSED_BY
    scene.tasks[0].cancel()
    await asyncio.sleep(0.01)
    assert len(scene.went) == MAX_PASSED_BY + 1


@virtual
async def test_users_take_turns_within_a_priority(scene: Scene) -> None:
    for number in range(5):
        await scene.come(f"ada {number}", LIGHT, user="ada")
        await scene.come(f"nobody {number}", LIGHT)
    await scene.come("ben", LIGHT, user="ben")
    await scene.come("urgent", LIGHT, "interactive", user="ada")
    await scene.free(1)
    assert scene.went == ["urgent"]
    await scene.free(4)
    assert scene.went == ["urgent", "ada 0", "nobody 0", "ben", "ada 1"]


@virtual
async def test_a_call_that_leaves_leaves_its_users_turn_to_the_next_one_of_it(scene: Scene) -> None:
    for number in range(3):
        await scene.come(f"ada {number}", LIGHT, user="ada")
    await scene.come("ben", LIGHT, user="ben", deadline=1.0)
    await scene.come("cyd", LIGHT, user="cyd")
    scene.tasks[0].cancel()
    await asyncio.sleep(2.0)
    await scene.free(3)
    assert scene.went == ["ada 1", "cyd", "ada 2"]


@virtual
async def test_a_users_heavy_call_without_room_holds_up_nobodys_light_one(scene: Scene) -> None:
    for number in range(2):
        await scene.come(f"ada {number}", HEAVY, user="ada")
    for number in range(3):
        await scene.come(f"ben {number}", LIGHT, user="ben")
    await scene.free(2)
    assert scene.went == ["ben 0", "ben 1"]
    await scene.free(4)
    assert scene.went[2:] == ["ada 0", "ben 2"], "ada's second waits until it has paid for the first"


@virtual
async def test_the_order_and_the_calls_ahead_are_known(scene: Scene) -> None:
    priorities: list[Priority] = ["normal", "bulk", "interactive"]
    for number in range(40):
        await scene.come("", LIGHT, priorities[number % 7 % 3], user=f"user {number % 5}", again=number % 11 == 5)
    await scene.free(3)
    ahead = scene.queue.ahead_of("bulk", "user 2")
    await scene.come("new", LIGHT, "bulk", user="user 2")
    order = list(scene.queue.order())
    assert len(order) == len(scene.queue) == 38
    assert [call.user for call in order].index("user 2", ahead) == ahead
    waiting = [call for call in order if not call.future.done()]
    for call in waiting:
        await scene.free(1)
        assert call.future.done()
    assert scene.went.index("new") == 3 + ahead


@virtual
async def test_a_wait_that_an_event_may_end_begins_even_if_time_alone_ends_it_too_late(scene: Scene) -> None:
    await scene.come("light", LIGHT)
    assert not scene.tasks[0].done()
    await scene.free(1)
    assert scene.went == ["light"]
