"""Servers as fixtures: one of each a session, and a fresh database a test."""

from collections.abc import Iterator

import pytest
from support.servers import PostgresServer, RedisServer, postgres_server, redis_server

__all__ = ["postgres", "postgres_url", "redis", "redis_url"]


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A PostgreSQL server; a test that stops it starts it again."""
    with postgres_server(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """An empty database of the test's own."""
    with postgres.database() as url:
        yield url


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Valkey or Redis server; a test that stops it starts it again."""
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_url(redis: RedisServer) -> str:
    """A store without any keys."""
    redis.flush()
    return redis.url
