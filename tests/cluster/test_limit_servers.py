"""Limits on real servers: what they cost, which clients may be given, and what happens when something is wrong."""

import os
import signal
import textwrap
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, cast

import psycopg
import pytest
import redis as driver
from redis.sentinel import Sentinel
from support.forked_programs import ended, fork
from support.leaks import leaks
from support.servers import REDIS, PostgresServer, RedisServer, free_port, redis_server

from generor_async import Limits
from generor_async.engine.clock import REAL_CLOCK
from generor_async.stores.limit_store import LimitStore, StoreError
from generor_async.stores.opening import open_limit_store
from generor_async.stores.places import RedisClient
from generor_async.stores.postgres_limits import limited
from generor_async.stores.remote_limits import KEPT_SECONDS

KEY: Final = "generor:limits:a"
PATIENCE: Final = 120.0


def opened(place: str | RedisClient) -> LimitStore:
    """Open a store as `Limits` does."""
    store = Limits(store=place).store
    assert store is not None
    return open_limit_store(store, REAL_CLOCK)


def increment(store: LimitStore) -> int:
    def decide(text: str | None, _: float) -> tuple[str, int]:
        number = int(text or "0") + 1
        return str(number), number

    return store.update("a", decide)


def failure(store: LimitStore) -> str:
    with pytest.raises(StoreError) as caught:
        increment(store)
    assert not leaks(caught.value, "secret")
    return str(caught.value)


def client_of(server: RedisServer, **options: Any) -> Any:
    return driver.Redis(host=server.host, port=server.port, decode_responses=True, **options)


@pytest.fixture
def sql(postgres_url: str) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    """Runs a statement in the test's database."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:

        def run(statement: str) -> list[tuple[Any, ...]]:
            cursor = connection.execute(statement.encode())
            return [] if cursor.description is None else cursor.fetchall()

        yield run


@pytest.fixture(params=["redis", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty store."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


# --- what it costs --------------------------------------------------------------------------------------------------


def test_an_update_is_one_command_by_the_servers_own_count(redis: RedisServer, redis_url: str) -> None:
    store, client = opened(redis_url), client_of(redis)
    increment(store)
    client.config_resetstat()
    for number in range(20):
        assert increment(store) == number + 2
    counts = {name: found["calls"] for name, found in client.info("commandstats").items() if "eval" in name}
    assert counts == {"cmdstat_evalsha": 20}


def test_an_update_is_one_transaction_by_the_servers_own_count(
    postgres: PostgresServer, postgres_url: str, sql: Callable[[str], list[tuple[Any, ...]]]
) -> None:
    def commits() -> int:
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute("SELECT pg_stat_clear_snapshot()")
            query = "SELECT xact_commit FROM pg_stat_database WHERE datname = %s"
            found = connection.execute(query, (postgres_url.rpartition("/")[2],)).fetchone()
        assert found is not None
        return int(found[0])

    store = opened(postgres_url)
    increment(store)
    store.close()  # a session tells the statistics of what it did when it ends
    until = time.monotonic() + PATIENCE
    while (before := commits()) < 3 and time.monotonic() < until:
        pass
    for number in range(20):
        assert increment(store) == number + 2
    store.close()
    while (found := commits()) < before + 20 and time.monotonic() < until:
        pass
    assert found - before <= 22, "beside them are those of the connections"


def test_what_nobody_uses_any_more_is_deleted(
    redis: RedisServer, redis_url: str, postgres_url: str, sql: Callable[[str], list[tuple[Any, ...]]]
) -> None:
    increment(opened(redis_url))
    assert 0 <= KEPT_SECONDS - client_of(redis).ttl(KEY) < 60
    store = opened(postgres_url)
    increment(store)
    sql(
        "INSERT INTO generor.limits SELECT 'old', version, at, ahead, format, state, now() - interval '2 days'"
        " FROM generor.limits"
    )
    increment(store)
    store.update("another", lambda _, __: ("x", None))
    assert sql("SELECT scope FROM generor.limits ORDER BY scope") == [("a",), ("another",)]


# --- clients --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"decode_responses": True}, {"protocol": 3}, {"encoding": "latin-1"}])
def test_a_client_with_any_options_is_used_as_it_is(redis: RedisServer, redis_url: str, options: Any) -> None:
    client: Any
    with driver.Redis(host=redis.host, port=redis.port, **options) as client:
        store = opened(client)
        store.update("a", lambda _, __: ("Fischreiher über dem Fluß", None))
        assert opened(redis_url).update("a", lambda text, _: (None, text)) == "Fischreiher über dem Fluß"
        store.close()
        assert client.ping()


def test_a_client_of_a_cluster_keeps_each_scope_on_one_of_its_nodes(tmp_path: Path) -> None:
    with ExitStack() as exits:
        nodes: list[RedisServer] = []
        for number in range(2):
            (folder := tmp_path / str(number)).mkdir()
            settings = {**REDIS, "cluster-enabled": "yes", "cluster-port": str(free_port())}
            nodes.append(exits.enter_context(redis_server(folder, settings=settings)))
            half = 8_192 * number
            client_of(nodes[-1]).execute_command("CLUSTER ADDSLOTSRANGE", half, half + 8_191)
            client_of(nodes[-1]).execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        bus = client_of(nodes[0]).config_get("cluster-port")["cluster-port"]
        client_of(nodes[1]).execute_command("CLUSTER MEET", nodes[0].host, nodes[0].port, bus)
        until = time.monotonic() + PATIENCE
        while any(client_of(node).cluster("INFO")["cluster_state"] != "ok" for node in nodes):
            assert time.monotonic() < until
        with driver.RedisCluster(host=nodes[0].host, port=nodes[0].port) as client:
            store = opened(client)
            for scope in "abcdefgh":
                for _ in range(2):
                    store.update(scope, lambda text, _: (f"{text or ''}x", None))
            assert [store.update(scope, lambda text, _: (None, text)) for scope in "abcdefgh"] == ["xx"] * 8
            assert all(client_of(node).dbsize() for node in nodes)


def test_the_client_of_a_sentinel_finds_the_master_after_a_failover(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with redis_server(tmp_path / "one") as first, redis_server(tmp_path / "two") as second:
        masters, make = [first], cast("Any", Sentinel)
        sentinel = make([])
        sentinel.discover_master = lambda service_name: (masters[-1].host, masters[-1].port)  # pyright: ignore[reportUnknownLambdaType] # it has no types
        store = opened(sentinel.master_for("herons", socket_timeout=PATIENCE))
        assert increment(store) == 1
        client_of(first).replicaof(second.host, second.port)
        masters.append(second)
        assert "the connection was lost" in failure(store)
        assert increment(store) in {1, 2}, "what was replicated may be there"


# --- something is wrong ---------------------------------------------------------------------------------------------


def test_a_script_that_was_flushed_is_sent_again(redis: RedisServer, redis_url: str) -> None:
    store = opened(redis_url)
    increment(store)
    client_of(redis).script_flush()
    assert increment(store) == 2


def test_a_server_that_lost_everything_begins_anew(redis: RedisServer, redis_url: str) -> None:
    store = opened(redis_url)
    for lose in (redis.flush, redis.restart, lambda: redis.restart(immediate=True)):
        increment(store)
        lose()
        assert increment(store) == 1


@pytest.mark.parametrize("immediate", [True, False])
def test_a_database_that_was_restarted_is_connected_to_again(
    postgres: PostgresServer, postgres_url: str, immediate: bool
) -> None:
    store = opened(postgres_url)
    increment(store)
    postgres.restart(immediate=immediate)
    assert increment(store) == (1 if immediate else 2), "a crash loses a table that isn't logged"


def test_a_database_whose_table_was_dropped_gets_another(
    postgres_url: str, sql: Callable[[str], list[tuple[Any, ...]]]
) -> None:
    store = opened(postgres_url)
    increment(store)
    sql("DROP SCHEMA generor CASCADE")
    assert increment(store) == 1


def test_a_key_of_another_type_is_left_alone(redis: RedisServer, redis_url: str) -> None:
    client_of(redis).set(KEY, "something else")
    assert "its key is of another type" in failure(opened(redis_url))
    assert client_of(redis).get(KEY) == "something else"


def test_a_table_of_something_else_is_left_alone(
    postgres_url: str, sql: Callable[[str], list[tuple[Any, ...]]]
) -> None:
    sql("CREATE SCHEMA generor")
    sql("CREATE TABLE generor.limits (speed integer)")
    assert "its table generor.limits is something else's" in failure(opened(postgres_url))


def test_a_replica_is_named(redis: RedisServer, redis_url: str) -> None:
    client = client_of(redis)
    client.replicaof("127.0.0.1", 1)
    try:
        assert "it is a replica" in failure(opened(redis_url))
    finally:
        client.replicaof("NO", "ONE")
    assert increment(opened(redis_url)) == 1


def test_a_server_without_memory_is_named(redis: RedisServer, redis_url: str) -> None:
    client = client_of(redis)
    client.config_set("maxmemory", 1)
    try:
        assert "it has no memory left" in failure(opened(redis_url))
    finally:
        client.config_set("maxmemory", 0)


@pytest.mark.parametrize("given", ["", "ada:wrong-secret@", "nobody:secret@"])
def test_a_wrong_password_is_named_and_not_shown(tmp_path: Path, given: str) -> None:
    with redis_server(tmp_path, settings={**REDIS, "requirepass": "herons"}) as server:
        client_of(server, password="herons").acl_setuser(
            "ada", enabled=True, passwords=["+secret"], keys=["*"], categories=["+@all"]
        )
        assert "it refuses user or password" in failure(opened(server.url.replace("//", f"//{given}")))
        assert increment(opened(server.url.replace("//", "//ada:secret@"))) == 1


def test_a_user_who_may_not_run_scripts_is_told_so(redis: RedisServer, redis_url: str) -> None:
    client = client_of(redis)
    client.acl_setuser("ada", enabled=True, passwords=["+secret"], keys=["*"], commands=["+get"])
    try:
        assert "may not run EVALSHA and EVAL" in failure(opened(redis_url.replace("//", "//ada:secret@")))
    finally:
        client.acl_deluser("ada")


def test_a_database_that_refuses_is_named_without_its_password(
    postgres: PostgresServer, postgres_url: str, sql: Callable[[str], list[tuple[Any, ...]]]
) -> None:
    access = postgres.folder / "data" / "pg_hba.conf"
    before = access.read_text()
    sql("CREATE ROLE ada LOGIN PASSWORD 'secret'")
    try:
        access.write_text(f"host all ada all scram-sha-256\n{before}")
        sql("SELECT pg_reload_conf()")
        asking = postgres_url.replace("postgres@", "ada:wrong-secret@")
        until = time.monotonic() + PATIENCE
        while "user or password" not in (said := failure(opened(asking))) and time.monotonic() < until:
            pass
        assert "it refuses user or password" in said
        asking = postgres_url.replace("postgres@", "ada:secret@")
        assert "its user may not create the schema generor" in failure(opened(asking))
        increment(opened(postgres_url))
        assert "or not use its table limits" in failure(opened(asking))
        sql("GRANT USAGE ON SCHEMA generor TO ada")
        sql("GRANT SELECT, INSERT, UPDATE, DELETE ON generor.limits TO ada")
        assert increment(opened(asking)) == 2
        sql("DROP OWNED BY ada")
    finally:
        access.write_text(before)
        sql("SELECT pg_reload_conf()")
        sql("DROP ROLE ada")


def test_a_database_that_does_not_exist_is_named(postgres: PostgresServer) -> None:
    assert "its database or user does not exist" in failure(opened(f"{postgres.url}_elsewhere"))


def test_a_database_that_is_read_only_is_named(postgres_url: str, sql: Callable[[str], list[tuple[Any, ...]]]) -> None:
    increment(opened(postgres_url))
    database = postgres_url.rpartition("/")[2]
    sql(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    assert "it is read-only" in failure(opened(f"{postgres_url}?application_name=another"))


@pytest.mark.parametrize("which", ["redis", "postgres"])
def test_a_server_that_hangs_is_left_and_used_again_later(which: str, request: pytest.FixtureRequest) -> None:
    server: RedisServer | PostgresServer = request.getfixturevalue(which)
    store = opened(request.getfixturevalue(f"{which}_url"))
    increment(store)
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    stopped = [server.pid, *map(int, children)]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert "timed out" in failure(store)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    assert increment(store) in {2, 3}, "what was sent may be done or not"


def test_an_answer_that_has_come_is_taken_however_late_this_process_looks() -> None:
    def steps() -> Generator[str, int, int]:
        return (yield "to read")

    for ready in (0, 1):
        waiting = limited(steps(), time.monotonic() - 1.0)
        assert next(waiting) == "to read"
        with pytest.raises(StopIteration if ready else TimeoutError):
            waiting.send(ready)


def test_processes_that_start_at_once_at_an_empty_database_create_its_table_once(
    postgres_url: str, sql: Callable[[str], list[tuple[Any, ...]]]
) -> None:
    program = """
        import sys
        from generor_async.engine.clock import REAL_CLOCK
        from generor_async.stores.opening import open_limit_store
        from generor_async.stores.places import ServerUrl
        sys.stdin.readline()
        for number in range(20):
            open_limit_store(ServerUrl(sys.argv[1]), REAL_CLOCK).update(sys.argv[2], lambda text, _: ("x", None))
            print(flush=True)
            sys.stdin.readline()
    """
    command = ["-c", textwrap.dedent(program), postgres_url]
    with ExitStack() as ends:
        starting = [ends.enter_context(ended(fork([*command, str(number)]))) for number in range(4)]
        for _ in range(20):
            for process in starting:
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()
            for process in starting:
                assert process.stdout is not None
                assert process.stdout.readline() == "\n"
            assert sql("SELECT count(*) FROM generor.limits") == [(4,)]
            sql("DROP SCHEMA generor CASCADE")
        for process in starting:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.wait(PATIENCE) == 0
