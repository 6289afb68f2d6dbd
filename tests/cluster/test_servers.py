"""The servers that tests run are real ones, keep or lose what they must, and never outlive the tests."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psycopg
import pytest
from redis import Redis
from support.servers import PostgresServer, RedisServer

import generor_async

ROOT = Path(generor_async.__file__).parents[1]


def rows(url: str) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT count(*) FROM herons").fetchone()
    assert found is not None
    return int(found[0])


@pytest.mark.parametrize("how", ["restart", "immediate", "kill"])
def test_postgres_keeps_what_was_committed(how: str, postgres: PostgresServer, postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE herons (name text)")
        connection.execute("INSERT INTO herons VALUES ('ada')")
    if how == "kill":
        postgres.kill()
        postgres.start()
    else:
        postgres.restart(immediate=how == "immediate")
    assert rows(postgres_url) == 1


def test_redis_loses_what_it_held(redis: RedisServer, redis_url: str) -> None:
    with Redis(host=redis.host, port=redis.port) as client:
        client.set("heron", "ada")
        redis.restart(immediate=True)
        assert client.get("heron") is None
        client.set("heron", "bob")
        redis.flush()
        assert client.get("heron") is None


PROGRAM = """
import sys, time
from pathlib import Path
from support.servers import postgres_server, redis_server

with postgres_server(Path(sys.argv[1])) as postgres, redis_server(Path(sys.argv[1])) as redis:
    print(postgres.pid, redis.pid, postgres.folder, redis.folder, flush=True)
    time.sleep(600)
"""


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_servers_end_with_the_tests_that_are_killed(number: signal.Signals, tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{Path(__file__).parents[1]}"}
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path)]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as tests:
        assert tests.stdout is not None
        *pids, data, other = tests.stdout.readline().split()
        tests.send_signal(number)
    until = time.monotonic() + 60
    while any(is_running(int(pid)) for pid in pids) or Path(data).exists() or Path(other).exists():
        assert time.monotonic() < until
        time.sleep(0.05)
