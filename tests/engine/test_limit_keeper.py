"""Which clients share their limits: those of one name, in a process, over a fork, and through a store."""

import copy
import gc
import math
import os
import pickle
import subprocess
import sys
import textwrap
import threading
import weakref
from pathlib import Path
from typing import Any

import attrs
import pytest
from attrs.exceptions import FrozenInstanceError
from support.calls import KEY, BareGeneror, BareLuma
from support.clock import FakeClock

from generor_async import InvalidRequestError, Limits
from generor_async.engine.client import Client
from generor_async.engine.limit_keeper import LimitKeeper
from generor_async.engine.shared_rules import SYNC_SECONDS
from generor_async.values import Clock

URL = "http://127.0.0.1:1"
CLOCK = FakeClock()


def keeper(client: Client) -> LimitKeeper:
    return client._session.limits  # pyright: ignore[reportPrivateUsage]


def send(client: Client) -> None:
    """Send a request that is answered at once, without a word of limits."""
    limits, now = keeper(client), client._clock.monotonic()  # pyright: ignore[reportPrivateUsage]
    permit = limits.queue.enter_nowait(now, "normal")
    assert permit is not None
    limits.sent(permit, now)
    limits.received(permit, now, None, succeeded=True)


def luma(key: str = KEY, url: str = URL, clock: Clock = CLOCK, **limits: Any) -> BareLuma:
    return BareLuma(key, base_url=url, clock=clock, limits=Limits(**limits) if limits else None)


# --- Limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"tier": "gold"}, "tier"),
        ({"rpm": 0}, "rpm"),
        ({"rpm": 1.5}, "rpm"),
        ({"rpm": True}, "rpm"),
        ({"max_share": 0}, "max_share"),
        ({"max_share": 1.01}, "max_share"),
        ({"max_share": math.nan}, "max_share"),
        ({"name": " "}, "name"),
        ({"name": 5}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"store": ""}, "store"),
        ({"store": ":memory:"}, "store"),
        ({"store": b"limits"}, "store"),
        ({"store": "no/such/folder/limits"}, "store"),
    ],
)
def test_limits_that_can_never_be_right_are_refused(given: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRequestError, match=named):
        Limits(**given)


def test_limits_are_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    limits = Limits(rpm=60, store="limits.sqlite")
    assert limits == Limits(rpm=60, store=tmp_path / "limits.sqlite")
    assert len({limits, Limits(rpm=60, store=tmp_path / "x" / ".." / "limits.sqlite")}) == 1
    with pytest.raises(FrozenInstanceError):
        limits.rpm = 5  # type: ignore[misc]
    monkeypatch.chdir("/")
    for same in (pickle.loads(pickle.dumps(limits)), copy.copy(limits), copy.deepcopy(limits), attrs.evolve(limits)):
        assert (same, hash(same)) == (limits, hash(limits))


# --- who shares -------------------------------------------------------------------------------------------------------


def test_clients_of_one_address_and_key_share_whatever_limits_they_are_given() -> None:
    shared = luma()
    assert keeper(luma()) is keeper(shared)
    assert keeper(luma(rpm=60)) is keeper(shared)
    assert keeper(luma(url=f"{URL.upper()}/")) is keeper(shared)
    for other in (luma("luma-api-another"), luma(url="http://127.0.0.1:2"), luma(clock=FakeClock()), luma(name="x")):
        assert keeper(other) is not keeper(shared)


def test_one_limits_without_a_name_keeps_clients_of_different_keys_apart() -> None:
    limits = Limits(rpm=60)
    one, other = (BareLuma(key, base_url=URL, limits=limits) for key in (KEY, "luma-api-another"))
    assert keeper(one) is not keeper(other)


def test_clients_of_several_keys_and_addresses_share_by_one_name() -> None:
    one, other = luma(name="studio"), luma("luma-api-another", "http://127.0.0.1:2", name="studio")
    assert keeper(one) is keeper(other)
    for apart in (luma(name="Studio"), luma(name="studio", clock=FakeClock())):
        assert keeper(apart) is not keeper(one)


def test_one_name_is_another_for_each_api_and_for_calls_without_a_key() -> None:
    limits = Limits(name="studio")
    clients = [
        BareLuma(KEY, base_url=URL, limits=limits),
        BareGeneror("gnr_live_x", base_url=URL, limits=limits),
        BareGeneror(base_url=URL, limits=limits),
        BareGeneror("gnr_live_x", base_url=URL, limits=Limits(name="studio\nwithout a key")),
    ]
    assert len({id(keeper(client)) for client in clients}) == 4


def test_no_name_is_taken_for_an_address_and_key() -> None:
    assert keeper(luma()) is not keeper(luma(name=f"{URL}\n{KEY}"))


def test_clients_of_one_name_and_different_stores_do_not_share(tmp_path: Path) -> None:
    one, same, other = (luma(store=tmp_path / file) for file in ("a", "a", "b"))
    assert keeper(one) is keeper(same)
    assert keeper(one) is not keeper(other)


def test_threads_that_make_clients_at_once_get_one_keeper() -> None:
    found: list[LimitKeeper] = []
    clients = [luma(name="threads") for _ in range(20)]

    def join(client: Client) -> None:
        found.append(keeper(client))

    threads = [threading.Thread(target=join, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20
    assert len({id(each) for each in found}) == 1


def test_a_keeper_lives_as_long_as_a_client_that_uses_it() -> None:
    one, two = luma(name="lives"), luma(name="lives")
    known = weakref.ref(keeper(one))
    assert known() is keeper(two)
    del one
    gc.collect()
    assert known() is keeper(two)
    del two
    gc.collect()
    assert known() is None


def test_keys_of_one_name_share_a_row_of_the_store_in_whatever_order_they_come(tmp_path: Path) -> None:
    shared: dict[str, Any] = {"store": tmp_path / "limits", "name": "studio", "rpm": 9}
    for used, key in enumerate(("key-one", "key-two", "key-one"), start=1):
        client = luma(key, clock=FakeClock(now=1_000.0 + used), **shared)
        send(client)
        assert client.rate_limits.windows["minute"].used == used


def test_a_client_that_sends_nothing_sees_what_other_processes_sent(tmp_path: Path) -> None:
    store, clock = tmp_path / "limits", FakeClock()
    idle, busy = luma(store=store, rpm=60, clock=clock), luma(store=store, rpm=60, clock=FakeClock())
    assert idle.rate_limits.windows["minute"].used == 0
    send(busy)
    clock.now += SYNC_SECONDS
    assert idle.rate_limits.windows["minute"].used == 1


# --- clients of one name that are given different numbers -------------------------------------------------------------


def known(client: Client) -> tuple[int | None, int | None, float]:
    limits = client.rate_limits
    assert limits.jobs is not None
    return limits.windows["minute"].limit, limits.jobs.ceiling, limits.share


@pytest.mark.parametrize("stored", [False, True])
def test_the_smaller_of_two_numbers_holds_for_all_clients_of_a_name(tmp_path: Path, stored: bool) -> None:
    options: dict[str, Any] = {"store": tmp_path / "limits"} if stored else {"name": "different"}
    one = luma(rpm=100, **options)
    assert known(one) == (100, None, 1.0)
    two = luma(rpm=200, jobs=10, **options)
    assert known(two) == known(one) == (100, 10, 1.0)
    three = luma(rpm=60, jobs=20, max_share=0.5, **options)
    assert known(three) == known(one) == (60, 5, 0.5)


def test_the_numbers_of_an_earlier_process_end_with_it(tmp_path: Path) -> None:
    given: list[dict[str, Any]] = [{"rpm": 60, "jobs": 5}, {"rpm": 200, "jobs": 20}, {}]
    for number, numbers in enumerate(given):
        client = luma(store=tmp_path / "limits", clock=FakeClock(now=1_000.0 + 2 * number), **numbers)
        assert known(client) == (numbers.get("rpm"), numbers.get("jobs"), 1.0)
        send(client)


def test_numbers_that_mean_no_limit_are_shared_through_a_store(tmp_path: Path) -> None:
    for number in range(2):
        clock = FakeClock(now=1_000.0 + 2 * number)
        client = luma(store=tmp_path / "limits", clock=clock, rpm=sys.maxsize, jobs=sys.maxsize)
        slots = keeper(client).slots
        assert slots is not None
        slot = slots.queue.enter_nowait(clock.now, "normal")
        assert slot is not None
        assert slot.permit is not None
        keeper(client).sent(slot.permit, clock.now)
        keeper(client).received(slot.permit, clock.now, None, succeeded=True)
        slots.accepted(slot, f"job-{number}", clock.now)
        limits = client.rate_limits
        assert limits.jobs is not None
        assert (limits.jobs.used, limits.windows["minute"].used) == (number + 1, number + 1)


def test_processes_side_by_side_keep_each_to_its_own_numbers(tmp_path: Path) -> None:
    clocks = FakeClock(), FakeClock()
    one, other = (
        luma(store=tmp_path / "limits", clock=clock, rpm=rpm) for clock, rpm in zip(clocks, (100, 60), strict=True)
    )
    for used in range(1, 4):
        send(one)
        for clock in clocks:
            clock.now += SYNC_SECONDS
        for client, rpm in ((one, 100), (other, 60)):
            minute = client.rate_limits.windows["minute"]
            assert (minute.limit, minute.used) == (rpm, used)


def test_a_number_that_is_given_later_lets_calls_go_that_waited_for_an_answer_to_name_it() -> None:
    one = luma(name="late")
    first = keeper(one).queue.enter_nowait(CLOCK.monotonic(), "normal")
    assert first is not None
    assert keeper(one).queue.enter_nowait(CLOCK.monotonic(), "normal") is None
    assert keeper(luma(name="late", rpm=60)) is keeper(one)
    CLOCK.now += 1.0
    assert keeper(one).queue.enter_nowait(CLOCK.monotonic(), "normal") is not None


# --- forks ------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is nothing to fork here")
def test_a_forked_child_begins_anew_and_its_clients_share() -> None:
    script = """
        import asyncio, os
        from generor_async import Limits
        from generor_async.engine import limit_keeper
        from generor_async.engine.clock import REAL_CLOCK
        from generor_async.rules.vendors import LUMA

        def keeper(rpm=1):
            return limit_keeper.keeper_of(Limits(rpm=rpm, name="forked"), LUMA, "", None, REAL_CLOCK)

        own = keeper()

        async def parent():
            now = REAL_CLOCK.monotonic()
            own.sent(own.queue.enter_nowait(now, "normal"), now)
            waits = [asyncio.create_task(own.queue.enter("normal", now + 999.0, print, again=False)) for _ in range(3)]
            for _ in range(5):
                await asyncio.sleep(0)
            child = os.fork()
            if not child:
                known = own.snapshot(now)
                print(known.queued, known.windows["minute"].used, known.windows["minute"].limit)
                print(own.queue.enter_nowait(now, "normal") is not None)
                print(keeper(rpm=5) is own, flush=True)
                os._exit(0)
            os.waitpid(child, 0)
            known = own.snapshot(now)
            print(known.queued, known.windows["minute"].used)
            for wait in waits:
                wait.cancel()

        asyncio.run(parent())
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stderr == ""
    lines = [line for line in done.stdout.splitlines() if not line.startswith("Wait(")]
    assert lines == ["0 0 1", "True", "True", "3 1"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is nothing to fork here")
def test_a_fork_waits_for_the_end_of_another_threads_transaction(tmp_path: Path) -> None:
    script = f"""
        import os, threading, time
        from generor_async import AsyncLuma, Limits

        client = AsyncLuma("luma-api-x", limits=Limits(store={str(tmp_path / "limits")!r}))
        keeper = client._session.limits
        inside, ended = threading.Event(), threading.Event()

        def use():
            with keeper._lock:
                inside.set()
                time.sleep(0.5)
                ended.set()

        threading.Thread(target=use).start()
        inside.wait()
        if not (child := os.fork()):
            os._exit(0 if ended.is_set() else 1)
        assert os.waitpid(child, 0)[1] == 0
        with keeper._lock:
            pass
    """
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
