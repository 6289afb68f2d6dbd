"""The simulator that recipes ask, and the servers that the workers of some share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import Commands
from support.fleet_commands import Fleet
from support.recipes import Simulated, environment_of
from support.servers import postgres_server, redis_server

from generor_async.simulator import Simulator


@pytest.fixture
def fleet(commands: Commands, tmp_path: Path) -> Iterator[Fleet]:
    """A database, a Redis, and both APIs; no worker yet."""
    with (
        postgres_server(tmp_path) as postgres,
        postgres.database() as url,
        redis_server(tmp_path) as redis,
        Simulator(speed=10.0, luma_rpm=600, seed=7) as simulator,
    ):
        yield Fleet(commands, simulator, {"GENEROR_DATABASE_URL": url, "GENEROR_REDIS_URL": redis.url}, tmp_path)


@pytest.fixture
def simulated(tmp_path: Path) -> Iterator[Simulated]:
    """Both APIs, for recipes of one process."""
    with Simulator(speed=10.0, luma_rpm=600, seed=7) as simulator:
        yield Simulated(simulator, tmp_path, environment_of(simulator))
