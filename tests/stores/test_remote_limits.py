"""A store on a server takes one or two round trips, in the server's own time, and says in words what it can't do."""

import copy
import pickle
import re
import socketserver
import subprocess
import sys
import textwrap
import threading
import time
from typing import Any
from urllib.parse import unquote

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from support.clock import FakeClock
from support.leaks import leaks
from support.limit_stores import MemoryServer
from support.wire import closed_port

from generor_async import AsyncLuma, Event, InvalidRequestError, Limits
from generor_async.engine.clock import REAL_CLOCK
from generor_async.simulator import Simulator
from generor_async.stores.limit_store import StoreBusyError, StoreError
from generor_async.stores.opening import open_limit_store
from generor_async.stores.places import ServerUrl
from generor_async.stores.remote_limits import EPOCH, FORMAT, LATE_SECONDS, READ_SECONDS, Kept, RemoteLimitStore

PASSWORD = "heron%20secret"


def increment(store: RemoteLimitStore) -> int:
    def decide(text: str | None, _: float) -> tuple[str, int]:
        number = int(text or "0") + 1
        return str(number), number

    return store.update("a", decide)


def time_of(store: RemoteLimitStore) -> float:
    return store.update("a", lambda _, now: ("x", now))


def processes(clock: FakeClock, count: int = 2) -> tuple[list[MemoryServer], list[RemoteLimitStore]]:
    kept: dict[str, Kept] = {}
    servers = [MemoryServer(kept, clock) for _ in range(count)]
    return servers, [RemoteLimitStore(server, clock) for server in servers]


# --- round trips ----------------------------------------------------------------------------------------------------


def test_an_update_takes_one_round_trip_and_two_where_another_process_wrote_meanwhile() -> None:
    clock = FakeClock()
    (server, _), (one, other) = processes(clock)
    increment(one)
    assert server.round_trips == 2, "nothing was known before"
    for _ in range(5):
        clock.now += 100.0
        increment(one)
    assert server.round_trips == 7
    increment(other)
    assert increment(one) == 8
    assert server.round_trips == 9


def test_an_update_that_writes_nothing_takes_one_round_trip() -> None:
    clock = FakeClock()
    (server, _), (one, other) = processes(clock)
    increment(one)
    server.round_trips = 0
    assert one.update("a", lambda text, _: (None, text)) == "1"
    assert server.round_trips == 1
    increment(other)
    assert one.update("a", lambda text, _: (None, text)) == "2"
    assert server.round_trips == 3


def test_a_process_that_always_finds_others_there_gives_up_and_has_written_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("generor_async.stores.remote_limits.UPDATE_SECONDS", 0.02)
    clock = FakeClock()
    (server, _), (one, other) = processes(clock)

    def again() -> None:
        increment(other)
        server.meanwhile = again

    server.meanwhile = again
    with pytest.raises(StoreBusyError, match="memory"):
        one.update("a", lambda _, __: ("mine", None))
    assert server.kept["a"].text != "mine"


# --- the server's time ----------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0.0, 100.0), st.floats(-4_000.0, 4_000.0)), max_size=30))
def test_the_time_never_goes_back_and_goes_on_as_the_servers_does(steps: list[tuple[int, float, float]]) -> None:
    clock = FakeClock()
    servers, stores = processes(clock, 3)
    latest = time_of(stores[0])
    for which, passed, set_by in steps:
        clock.now += passed
        found = time_of(stores[which])
        assert found >= latest
        assert found - latest == pytest.approx(passed, abs=LATE_SECONDS + 0.1)
        latest = found
        for server in servers:  # it is one server
            server.ahead += min(set_by, 0.0)
        latest = time_of(stores[which])


def test_a_servers_clock_that_was_set_forward_is_believed() -> None:
    clock = FakeClock()
    (server, _), (one, _) = processes(clock)
    before = time_of(one)
    server.ahead = 50.0
    assert time_of(one) == pytest.approx(before + 50.0)


def test_the_time_goes_on_although_everything_was_lost() -> None:
    clock = FakeClock()
    (server, _), (one, _) = processes(clock)
    before = time_of(one)
    server.ahead = -3_600.0
    server.kept.clear()
    assert time_of(one) == pytest.approx(before)
    clock.now += 5.0
    assert time_of(one) == pytest.approx(before + 5.0)


def test_the_time_passes_as_fast_as_that_of_the_client() -> None:
    clock = FakeClock(speed=60.0)
    server = MemoryServer({}, FakeClock())
    store = RemoteLimitStore(server, clock)
    before = time_of(store)
    clock.now += 60.0
    server.ahead = 1.0
    assert time_of(store) == pytest.approx(before + 60.0)
    assert time_of(RemoteLimitStore(server, FakeClock(speed=60.0))) == pytest.approx(before + 60.0)
    assert abs(EPOCH - 1_775_649_600.0) < 400 * 86_400.0


# --- what others left -----------------------------------------------------------------------------------------------


def test_what_a_newer_version_wrote_is_left_alone_and_named() -> None:
    (server, _), (one, _) = processes(FakeClock())
    increment(one)
    newer = server.kept["a"] = evolve(server.kept["a"], version="other", format=FORMAT + 1)
    for _ in range(2):
        with pytest.raises(StoreError, match="newer version of this package"):
            increment(one)
    assert server.kept["a"] == newer


def test_what_an_older_version_wrote_is_replaced() -> None:
    (server, _), (one, _) = processes(FakeClock())
    increment(one)
    server.kept["a"] = evolve(server.kept["a"], version="other", format=FORMAT - 1)
    assert increment(one) == 1


# --- servers in trouble ---------------------------------------------------------------------------------------------


class _Saying(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Saying)
        while line := self.rfile.readline():
            if line.startswith(b"*"):  # an argument has two lines
                arguments = [self.rfile.readline() and self.rfile.readline() for _ in range(int(line[1:]))]
                wrong = arguments[0].upper().startswith(self.server.command)
                self.wfile.write(self.server.answer.encode() if wrong else b"+OK\r\n")


class Saying(socketserver.ThreadingTCPServer):
    """A server of Redis that says one thing to one command."""

    daemon_threads = True

    def __init__(self, answer: str, command: bytes = b"EVAL") -> None:
        super().__init__(("127.0.0.1", 0), _Saying)
        self.answer, self.command = answer, command
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    @property
    def url(self) -> str:
        return f"redis://ada:{PASSWORD}@127.0.0.1:{self.server_address[1]}/0"


def failure(url: str) -> StoreError:
    """Return the error of an update at a URL."""
    store = open_limit_store(ServerUrl(url), REAL_CLOCK)
    with pytest.raises(StoreError) as caught:
        store.update("a", lambda _, __: ("x", None))
    store.close()
    assert not leaks(caught.value, PASSWORD)
    assert not leaks(caught.value, unquote(PASSWORD))
    return caught.value


@pytest.mark.parametrize(
    ("answer", "problem", "busy"),
    [
        ("-LOADING Redis is loading the dataset in memory", "it is starting, and loads its data", True),
        ("-BUSY Redis is busy running a script.", "it is busy with a script", False),
        ("-READONLY You can't write against a read only replica.", "it is a replica, which can't be written to", False),
        ("-OOM command not allowed when used memory > 'maxmemory'.", "it has no memory left", False),
        ("-MISCONF Redis is configured to save RDB snapshots", "it can't save to disk", False),
        ("-NOAUTH Authentication required.", "it refuses user or password", False),
        ("-NOPERM User ada has no permissions to run the 'eval' command", "may not run EVALSHA and EVAL", False),
        ("-CLUSTERDOWN The cluster is down", "its cluster is down", False),
        ("-WRONGTYPE Operation against a key holding the wrong kind of value", "its key is of another type", False),
        (f"-ERR unknown command 'EVALSHA', with args beginning with: '{PASSWORD}'", r"\(ResponseError\)", False),
    ],
)
def test_what_is_wrong_with_a_server_of_redis_is_said_in_our_words(answer: str, problem: str, busy: bool) -> None:
    with Saying(f"{answer}\r\n") as server:
        error = failure(server.url)
        assert str(error).startswith(f"{ServerUrl(server.url).name} can't be used (")
        assert re.search(problem, str(error))
        assert isinstance(error, StoreBusyError) == busy


@pytest.mark.parametrize("words", ["WRONGPASS invalid username-password pair or user is disabled.", "ERR not 'AUTH'"])
def test_a_server_that_quotes_the_password_is_not_quoted(words: str) -> None:
    with Saying(f"-{words} {unquote(PASSWORD)}\r\n", b"AUTH") as server:
        assert unquote(PASSWORD) not in str(failure(server.url))


async def test_calls_go_on_without_a_server_and_nothing_of_them_shows_its_password(
    caplog: pytest.LogCaptureFixture,
) -> None:
    events: list[Event] = []
    with Saying(f"-WRONGPASS {unquote(PASSWORD)}\r\n", b"AUTH") as server:
        limits = Limits(store=server.url)
        async with (
            Simulator() as simulator,
            AsyncLuma(**simulator.luma_options, limits=limits, on_event=events.append) as luma,
        ):
            await luma.generations.create(prompt="heron")
            shown = f"{luma!r}{luma.rate_limits!r}{events!r}{caplog.text}{limits!r}"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "refuses user or password" in caplog.text
    assert PASSWORD not in shown
    assert unquote(PASSWORD) not in shown


@pytest.mark.parametrize("scheme", ["redis", "postgresql"])
def test_a_server_that_is_not_there_is_named(scheme: str) -> None:
    port = closed_port()
    error = failure(f"{scheme}://ada:{PASSWORD}@127.0.0.1:{port}/0")
    assert str(error) == f"{scheme}://127.0.0.1:{port}/0 can't be used (Connection refused)"


def test_a_server_that_does_not_answer_is_left_after_a_second() -> None:
    with Saying("") as server:
        began = time.monotonic()
        assert "timed out" in str(failure(server.url))
        assert time.monotonic() - began >= READ_SECONDS


def test_an_answer_that_is_no_text_counts_as_none() -> None:
    with Saying("*7\r\n$1\r\n1\r\n$1\r\n0\r\n$1\r\nv\r\n$3\r\nnan\r\n$1\r\nx\r\n$-1\r\n$1\r\n\xff\r\n") as server:
        store = open_limit_store(ServerUrl(server.url), REAL_CLOCK)
        found: list[str | None] = []

        def decide(text: str | None, _: float) -> tuple[None, None]:
            found.append(text)
            raise LookupError

        with pytest.raises(LookupError):
            store.update("a", decide)
        store.close()
        assert found == [None]


# --- places ---------------------------------------------------------------------------------------------------------

URLS = [
    f"redis://ada:{PASSWORD}@cache/0",
    f"rediss://:{PASSWORD}@cache:6380",
    f"unix:///run/cache.sock?password={PASSWORD}",
    f"valkey://ada:{PASSWORD}@cache/0",
    f"VALKEYS://ada:{PASSWORD}@cache/0",
    f"postgresql://ada:{PASSWORD}@db,other/app?connect_timeout=3",
    f"postgres://db/app?password={PASSWORD}",
]


@pytest.mark.parametrize("url", URLS)
def test_a_url_is_a_place_whose_password_shows_nowhere(url: str) -> None:
    limits = Limits(store=url)
    assert limits.store == url
    assert limits == Limits(store=url)
    assert limits == copy.deepcopy(limits)
    assert limits != Limits(store=f"{url}1")
    assert PASSWORD not in f"{limits!r}{limits.store!r}"
    assert PASSWORD.encode() not in pickle.dumps(limits)
    assert f"{url.partition('://')[0]}://" in repr(limits)
    with pytest.raises(InvalidRequestError) as caught:
        Limits(store=url, tier="heavenly")
    assert not leaks(caught.value, PASSWORD)


def test_a_url_without_a_password_survives_a_pickle() -> None:
    limits = Limits(store="redis://cache/0", rpm=5)
    assert pickle.loads(pickle.dumps(limits)) == limits


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (f"redis://ada:{PASSWORD}/x@cache/0", "its password may need to be encoded"),
        (f"redis://:12?{PASSWORD}@cache/0", "its password may need to be encoded"),
        (f"redis://ada:12#{PASSWORD}@cache/0", "its password may need to be encoded"),
        (f"postgresql://ada:x@{PASSWORD}/x@db/app", "its password may need to be encoded"),
        (f"redis://ada:{PASSWORD}@cache:port/0", "its password may need to be encoded"),
        (f"redis://ada:{PASSWORD}@cache/0?colour=grey", "an option that it doesn't know"),
        (f"redis://cache/0?password={PASSWORD}&socket_timeout=long", "no URL that the package redis understands"),
        (f"postgresql://ada:{PASSWORD} x@db:port/app", "its password may need to be encoded"),
        (f"postgresql://db/app?colour={PASSWORD}", "no URL that PostgreSQL's own library understands"),
        (f"mysql://ada:{PASSWORD}@db/app", r"not a URL \(mysql:\)"),
    ],
)
def test_a_url_that_can_never_be_right_is_refused_without_its_password(url: str, problem: str) -> None:
    with pytest.raises(InvalidRequestError, match=problem) as caught:
        Limits(store=url)
    assert not leaks(caught.value, PASSWORD)


def test_an_at_sign_in_an_option_is_no_password() -> None:
    for url in ("redis://:6379/0?client_name=ada@herons", "redis://:6379/0", "postgresql:///app?user=ada@herons"):
        assert Limits(store=url).store == url


def test_the_name_of_a_url_is_where_it_is() -> None:
    assert ServerUrl(f"redis://ada:{PASSWORD}@cache:6379/0?x=y").name == "redis://cache:6379/0"
    assert ServerUrl("redis://token@cache").name == "redis://cache"


def test_asyncio_clients_and_pipelines_are_refused_in_words() -> None:
    import redis.asyncio

    asynchronous: Any = redis.asyncio.Redis(host="cache", password=PASSWORD)
    with pytest.raises(InvalidRequestError, match="asyncio client, which belongs to one event loop") as caught:
        Limits(store=asynchronous)
    assert "redis.Redis" in (caught.value.advice or "")
    client: Any = redis.Redis(host="cache", password=PASSWORD)
    with pytest.raises(InvalidRequestError, match="not Pipeline"):
        Limits(store=client.pipeline())
    wrong: Any
    for wrong in (5, b"limits", ["limits"], {"host": "cache"}):
        with pytest.raises(InvalidRequestError, match="store must be"):
            Limits(store=wrong)


def test_a_client_is_a_place_by_itself() -> None:
    import redis

    one, other = (redis.Redis(host="cache", password=PASSWORD) for _ in range(2))
    assert Limits(store=one) == Limits(store=one) != Limits(store=other)
    assert PASSWORD not in repr(Limits(store=one))


@pytest.mark.parametrize(
    ("url", "package", "extra"), [("redis://cache", "redis", "redis"), ("postgresql://db/app", "psycopg", "postgres")]
)
def test_a_package_that_is_missing_is_named_with_the_command_that_installs_it(
    url: str, package: str, extra: str
) -> None:
    program = f"""
        import sys
        sys.modules[{package!r}] = None
        from generor_async import AsyncLuma, Event, InvalidRequestError, Limits
        for _ in range(2):
            try:
                Limits(store={url!r})
            except InvalidRequestError as error:
                print(error.advice)
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)], check=True, capture_output=True, text=True
    )
    assert done.stdout == f"Install it: pip install 'generor-async[{extra}]'\n" * 2


def test_a_store_in_a_file_imports_no_driver() -> None:
    program = """
        import sys, tempfile
        import generor_async.generor, generor_async.luma, generor_async.batch
        from generor_async import Limits
        with tempfile.TemporaryDirectory() as folder:
            Limits(store=f"{folder}/limits")
        print({"redis", "psycopg", "procrastinate", "obstore"} & set(sys.modules))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"
