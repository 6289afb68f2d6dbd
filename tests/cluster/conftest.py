"""Servers for the tests of this folder, and workers at them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import Commands
from support.fleet_commands import Fleet
from support.moto import Moto, running_moto
from support.server_fixtures import postgres, postgres_url, redis, redis_url

from generor_async.simulator import Simulator

__all__ = ["fleet", "postgres", "postgres_url", "redis", "redis_url"]


@pytest.fixture(scope="session")
def moto(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    """A server of S3, without the buckets of a test."""
    command = str(pytestconfig.getoption("--s3"))
    with running_moto(command, tmp_path_factory.mktemp("s3") / "log") as server:
        yield server


@pytest.fixture
def fleet(commands: Commands, postgres_url: str, redis_url: str, tmp_path: Path) -> Iterator[Fleet]:
    """A database, a Redis, and both APIs; its workers are processes, of which none is there yet."""
    with Simulator(speed=10.0, luma_rpm=600, seed=7) as simulator:
        urls = {"GENEROR_DATABASE_URL": postgres_url, "GENEROR_REDIS_URL": redis_url}
        made = Fleet(commands, simulator, urls, tmp_path)
        try:
            yield made
        finally:
            made.end_all()
