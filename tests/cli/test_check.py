"""`generor check`: whether a key is valid."""

import json
from collections.abc import Iterator

import pytest
from support.commands import Commands

from generor_async.simulator import Simulator


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


def environment(simulator: Simulator, **keys: str) -> dict[str, str]:
    return {
        "LUMA_AGENTS_API_KEY": simulator.luma_key,
        "LUMA_BASE_URL": simulator.luma_url,
        "GENEROR_API_KEY": simulator.generor_key,
        "GENEROR_BASE_URL": simulator.generor_url,
        **keys,
    }


def test_a_valid_key_is_reported_as_json(simulator: Simulator, commands: Commands) -> None:
    luma = commands.run("check", env=environment(simulator))
    assert (luma.returncode, luma.stderr) == (0, "")
    assert json.loads(luma.stdout) == {
        "api": "luma",
        "base_url": simulator.luma_url,
        "may_read": True,
        "api_version": "2026-04-01",
    }
    generor = commands.run("check", "--api", "generor", env=environment(simulator))
    assert generor.returncode == 0
    told = json.loads(generor.stdout)
    assert {"account", "credits", "rate_limit"} <= set(told)
    assert not simulator.ledger.charges


def test_an_invalid_key_is_reported_in_one_line(simulator: Simulator, commands: Commands) -> None:
    key = simulator.luma.keys["revoked"]
    ended = commands.run("check", env=environment(simulator, LUMA_AGENTS_API_KEY=key))
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert "API key has been revoked" in ended.stderr
    assert key not in ended.stderr


def test_the_older_apis_address_is_recognized(simulator: Simulator, commands: Commands) -> None:
    address = "https://api.lumalabs.ai/dream-machine/v1"
    ended = commands.run("check", "--base-url", address, env=environment(simulator))
    assert ended.returncode == 1
    assert "Dream Machine, the vendor's older API" in ended.stderr
