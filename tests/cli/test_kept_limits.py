"""The limits that the command stores in the user's cache folder for its next run, without the key."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import Commands

from generor_async import Generor, Limits
from generor_async.simulator import Simulator


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(tier="free") as running:
        yield running


def environment(simulator: Simulator, caches: Path) -> dict[str, str]:
    return {
        "GENEROR_API_KEY": simulator.generor_key,
        "GENEROR_BASE_URL": simulator.generor_url,
        "XDG_CACHE_HOME": str(caches),
    }


def test_a_command_counts_the_requests_of_another_and_stores_no_key(
    simulator: Simulator, commands: Commands, tmp_path: Path
) -> None:
    for _ in range(2):
        ended = commands.run("call", "generor.users.me", env=environment(simulator, tmp_path))
        assert (ended.returncode, ended.stderr) == (0, "")
    kept = tmp_path / "generor-async" / "limits.sqlite"
    assert kept.exists()
    for file in kept.parent.iterdir():
        assert simulator.generor_key.encode() not in file.read_bytes()
    limits = Limits(store=kept)
    with Generor(simulator.generor_key, base_url=simulator.generor_url, limits=limits) as generor:
        generor.users.me()
        known = {scope: (state.used, state.limit) for scope, state in generor.rate_limits.windows.items()}
    assert known == {"minute": (3, 30), "hour": (3, 500), "day": (3, 5_000)}


def test_a_simulated_command_stores_no_limits(simulator: Simulator, commands: Commands, tmp_path: Path) -> None:
    ended = commands.run("call", "generor.users.me", "--simulate", env=environment(simulator, tmp_path))
    assert ended.returncode == 0
    assert not list(tmp_path.iterdir())


def test_a_call_succeeds_although_limits_cannot_be_stored(
    simulator: Simulator, commands: Commands, tmp_path: Path
) -> None:
    caches = tmp_path / "no folder"
    caches.write_text("")
    ended = commands.run("call", "generor.users.me", env=environment(simulator, caches))
    assert ended.returncode == 0
    assert "the key's limits could not be stored for later commands" in ended.stderr
