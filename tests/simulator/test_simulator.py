"""The Simulator object: where it runs, what it offers, and which arguments it refuses."""

import asyncio
import json
import threading
import time
from typing import Any
from urllib.request import Request, urlopen

import pytest

from generor_async.simulator import Simulator


def fetch(url: str, key: str) -> Any:
    with urlopen(Request(url, headers={"Authorization": f"Bearer {key}"})) as reply:
        return json.load(reply)


def test_with_runs_it_in_a_thread() -> None:
    with Simulator() as simulator:
        assert fetch(f"{simulator.generor_url}/users/me", simulator.generor_key)["success"]
        assert "generor simulator" in {thread.name for thread in threading.enumerate()}
    assert "generor simulator" not in {thread.name for thread in threading.enumerate()}


def test_the_thread_ends_at_once_with_work_under_way() -> None:
    with Simulator() as simulator:
        url, key = simulator.luma_url, simulator.luma_key
        with pytest.raises(OSError, match="404"):
            fetch(f"{url}/generations/00000000-0000-0000-0000-000000000000", key)
    assert "generor simulator" not in {thread.name for thread in threading.enumerate()}


def test_entering_with_a_port_in_use_raises() -> None:
    with Simulator() as first:
        port = int(first.url.rpartition(":")[2])
        second = Simulator(port=port)
        with pytest.raises(OSError, match="in use"):
            second.__enter__()
        with pytest.raises(RuntimeError, match="isn't running"):
            _ = second.url


def test_entering_with_an_invalid_host_raises() -> None:
    with pytest.raises(UnicodeError):
        Simulator(host="." * 3).__enter__()


async def test_awaiting_with_a_port_in_use_raises() -> None:
    async with Simulator() as first:
        with pytest.raises(OSError, match="in use"):
            await Simulator(port=int(first.url.rpartition(":")[2])).__aenter__()


async def test_it_starts_within_150_milliseconds_of_its_own() -> None:
    took = list[float]()
    for _ in range(5):  # the others on a busy machine use up its caches
        before = time.process_time()
        async with Simulator():
            took.append(time.process_time() - before)
    assert min(took) < 0.15


async def test_it_can_be_entered_again_and_remembers() -> None:
    simulator = Simulator()
    for _ in range(2):
        async with simulator:
            await asyncio.to_thread(fetch, f"{simulator.generor_url}/models", simulator.generor_key)
    assert len(simulator.ledger.requests) == 2


async def test_it_can_not_be_entered_twice_at_once() -> None:
    async with Simulator() as simulator:
        with pytest.raises(RuntimeError, match="running already"):
            await simulator.__aenter__()
        with pytest.raises(RuntimeError, match="running already"):
            simulator.__enter__()


@pytest.mark.parametrize("name", ["url", "generor_url", "luma_url", "generor_options", "luma_options"])
def test_it_has_no_address_before_it_runs(name: str) -> None:
    with pytest.raises(RuntimeError, match="isn't running"):
        getattr(Simulator(), name)


async def test_the_options_are_what_a_client_needs() -> None:
    async with Simulator() as simulator:
        assert simulator.generor_options == {
            "api_key": simulator.generor_key,
            "base_url": f"{simulator.url}/api/v1",
            "clock": simulator.clock,
        }
        assert simulator.luma_options == {
            "api_key": simulator.luma_key,
            "base_url": f"{simulator.url}/v1",
            "clock": simulator.clock,
        }


async def test_an_ipv6_host_is_bracketed_in_urls() -> None:
    async with Simulator(host="::1") as simulator:
        assert simulator.url.startswith("http://[::1]:")


def test_keys_are_the_same_for_a_seed() -> None:
    one, same, other = Simulator(seed=1), Simulator(seed=1), Simulator(seed=2)
    assert (one.generor_key, one.luma_key) == (same.generor_key, same.luma_key)
    assert one.generor_key != other.generor_key
    assert one.generor_key.startswith("gnr_live_")
    assert one.luma_key.startswith("luma-api-")


def test_advancing_moves_the_clock() -> None:
    simulator = Simulator(epoch=0.0)
    simulator.advance(3600)
    assert 3600 <= simulator.clock.time() < 3601


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("speed", 0, "speed must be greater than 0 and finite, not 0"),
        ("speed", -1, "speed"),
        ("speed", float("inf"), "speed"),
        ("speed", float("nan"), "speed"),
        ("tier", "gold", "tier must be one of free, basic, pro, enterprise, not 'gold'"),
        ("luma_rpm", 0, "luma_rpm"),
        ("luma_jobs", 0, "luma_jobs"),
        ("epoch", -1.0, "epoch must be at least 0"),
        ("epoch", 1e12, "epoch"),
        ("port", 65_536, "port must be at least 0 and at most 65535, not 65536"),
        ("generor_credits", -1, "generor_credits must be at least 0, not -1"),
        ("luma_balance", -0.5, "luma_balance"),
        ("listing_lag", -1, "listing_lag"),
        ("release_lag", -1, "release_lag"),
        ("luma_job_expiry", -1, "luma_job_expiry must be at least 0, not -1"),
        ("luma_job_expiry", float("nan"), "luma_job_expiry"),
        ("luma_abuse_limit", 0, "luma_abuse_limit must be greater than 0"),
        ("luma_weights", "heavy", "luma_weights must be contract or measured, or MODEL/TYPE=UNITS, not 'heavy'"),
        ("others", ["nobody"], "'nobody' is not API=KIND"),
        ("failure_rate", 1.1, "failure_rate"),
        ("moderation_rate", float("nan"), "moderation_rate"),
        ("generor_window", "rolling", "generor_window must be one of sliding, fixed"),
    ],
)
def test_what_can_not_be_simulated_is_refused(option: str, value: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Simulator(**{option: value})  # type: ignore[arg-type]
