"""Machines for tests: network namespaces with one address each, links that can be cut, and clocks of their own.

A router in another namespace joins them. Nothing outside reaches them, and they reach nothing outside. A namespace
lives as long as a process in it, and each process ends with the thread that started it: nothing is left over, however
the tests end. It needs root on Linux, iproute2, and libfaketime for clocks.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import define, field
from support import delay_proxy
from support.forked_programs import Program, fork, set_namespace
from support.servers import (
    POSTGRES,
    PostgresServer,
    RedisServer,
    free_port,
    postgres_server,
    postgres_standby,
    redis_server,
)

from generor_async.simulator import Simulator

__all__ = ["Machine", "Network", "network"]

SUBNET: Final = "10.77"
FAKETIME: Final = "/usr/lib/*/faketime/libfaketime.so.1"
BOUND: Final = 'test "$PPID" = "$0" && exec "$@"'
"""Runs a command unless the tests' process ended before the kernel knew that the command's is to end with it."""
HOLD: Final = ("unshare", "--net", "sh", "-c", "echo; exec sleep infinity")


@define(eq=False)
class Machine:
    """A network namespace, and the clock of its processes."""

    address: str
    ahead: float
    """Seconds by which its time of day is ahead; its monotonic clocks are right."""
    _holder: "subprocess.Popen[str]"

    @property
    def prefix(self) -> list[str]:
        """What runs a command on it."""
        return ["nsenter", f"--net={self._namespace}"]

    @property
    def environment(self) -> dict[str, str]:
        """What its processes need for its clock."""
        if not self.ahead:
            return {}
        (library,) = Path("/").glob(FAKETIME.removeprefix("/"))
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME": f"{self.ahead:+}",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # it would slow threads down by a factor of ten
        }

    def start(
        self, command: Sequence[str], *, env: Mapping[str, str] | None = None, **options: Any
    ) -> "subprocess.Popen[str]":
        """Start a program on it, which is killed when the calling thread ends; the options are Popen's."""
        return _start(
            [*self.prefix, *command], env={**(os.environ if env is None else env), **self.environment}, **options
        )

    def run(
        self,
        program: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        out: Path | None = None,
        err: Path | None = None,
    ) -> Program:
        """Run a Python program on it; the arguments are those of `fork`. A clock of its own needs an interpreter."""
        if not self.ahead:
            return fork(program, env=env, namespace=self._namespace, out=out, err=err)
        with contextlib.ExitStack() as files:
            streams = [None if path is None else files.enter_context(path.open("a")) for path in (out, err)]
            return self.start(
                [sys.executable, *program],
                env=env,
                stdin=subprocess.PIPE if out is None else subprocess.DEVNULL,
                stdout=streams[0] or subprocess.PIPE,
                stderr=streams[1],
            )

    @contextlib.contextmanager
    def entered(self) -> Generator[None]:
        """Open sockets on it, from the calling thread, and threads that stay there."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(self._namespace, os.O_RDONLY)
        try:
            set_namespace(there)
            yield
        finally:
            set_namespace(home)
            os.close(home)
            os.close(there)

    @contextlib.contextmanager
    def postgres(self, folder: Path, *, settings: Mapping[str, str] = POSTGRES) -> Generator[PostgresServer]:
        """Run a PostgreSQL server on it until the end of the block."""
        with postgres_server(folder, host=self.address, prefix=self.prefix, settings=settings) as server:
            yield server

    @contextlib.contextmanager
    def standby(self, primary: PostgresServer, folder: Path) -> Generator[PostgresServer]:
        """Run a standby of a PostgreSQL server on it until the end of the block."""
        with postgres_standby(primary, folder, host=self.address, prefix=self.prefix) as server:
            yield server

    @contextlib.contextmanager
    def redis(self, folder: Path) -> Generator[RedisServer]:
        """Run a Redis server on it until the end of the block."""
        with redis_server(folder, host=self.address, prefix=self.prefix) as server:
            yield server

    @contextlib.contextmanager
    def simulator(self, **options: Any) -> Generator[Simulator]:
        """Serve both APIs on it, from a thread of this process, until the end of the block; options as Simulator's."""
        simulator = Simulator(host=self.address, **options)
        with contextlib.ExitStack() as ends:
            with self.entered():
                ends.enter_context(simulator)  # its thread stays there
            yield simulator

    @property
    def _namespace(self) -> str:
        return f"/proc/{self._holder.pid}/ns/net"


@define(eq=False)
class Network:
    """Machines, each at a router by a link of its own."""

    _router: Machine
    _ends: contextlib.ExitStack
    _machines: int = field(default=0, init=False)

    def machine(self, *, ahead: float = 0.0) -> Machine:
        """Add a machine whose clock is so many seconds ahead."""
        self._machines += 1
        network = f"{SUBNET}.{self._machines}"
        machine = Machine(f"{network}.2", ahead, self._ends.enter_context(_namespace()))
        port, peer = f"port{self._machines}", machine._holder.pid  # pyright: ignore[reportPrivateUsage]
        self._on(self._router, f"link add {port} type veth peer name eth0 netns {peer}")
        self._on(self._router, f"addr add {network}.1/24 dev {port}", f"link set {port} up")
        self._on(machine, "link set lo up", f"addr add {machine.address}/24 dev eth0", "link set eth0 up")
        self._on(machine, f"route add default via {network}.1")
        return machine

    def cut(self, one: Machine, other: Machine) -> None:
        """Let no packet pass between two machines; their connections hang."""
        self.cut_answers(one, other)
        self.cut_answers(other, one)

    def cut_answers(self, asking: Machine, answering: Machine) -> None:
        """Let packets pass to a machine, but none come back."""
        self._on(self._router, f"rule add {_between(answering, asking)}")

    def mend(self, one: Machine, other: Machine) -> None:
        """Let all packets pass between two machines again."""
        for ends in (_between(one, other), _between(other, one)):
            with contextlib.suppress(subprocess.CalledProcessError):  # only the answers were cut
                self._on(self._router, f"rule del {ends}")

    def delayed(self, machine: Machine, port: int, seconds: float) -> tuple[str, int]:
        """Return an address that leads to a machine's port by a link that takes so many seconds each way."""
        host, own = machine.address.removesuffix("2") + "1", free_port()
        given = [host, str(own), machine.address, str(port), str(seconds)]
        proxy = self._router.start([sys.executable, "-I", delay_proxy.__file__, *given], stdout=subprocess.PIPE)
        self._ends.enter_context(_ended(proxy))
        assert proxy.stdout is not None
        assert proxy.stdout.readline() == "ready\n"
        return host, own

    @staticmethod
    def _on(machine: Machine, *commands: str) -> None:
        """Run commands of `ip`."""
        lines = "".join(f"{command}\n" for command in commands)
        subprocess.run([*machine.prefix, "ip", "-batch", "-"], input=lines, check=True, capture_output=True, text=True)


@contextlib.contextmanager
def network() -> Generator[Network]:
    """Join machines by a network until the end of the block."""
    with contextlib.ExitStack() as ends:
        router = Machine("", 0.0, ends.enter_context(_namespace()))
        router_forwards = [*router.prefix, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward; ip link set lo up"]
        subprocess.run(router_forwards, check=True)
        yield Network(router, ends)


def _between(source: Machine, target: Machine) -> str:
    return f"from {source.address} to {target.address} blackhole pref 100"


def _start(command: Sequence[str], **options: Any) -> "subprocess.Popen[str]":
    guarded = ["setpriv", "--pdeathsig", "KILL", "sh", "-c", BOUND, str(os.getpid()), *command]
    return subprocess.Popen(guarded, text=True, start_new_session=True, **options)


@contextlib.contextmanager
def _namespace() -> "Generator[subprocess.Popen[str]]":
    """Have a process in a network namespace of its own."""
    holder = _start(HOLD, stdout=subprocess.PIPE)
    with _ended(holder):
        assert holder.stdout is not None
        holder.stdout.readline()
        yield holder


@contextlib.contextmanager
def _ended(process: "subprocess.Popen[str]") -> Generator[None]:
    """Kill a process at the end of the block."""
    try:
        yield
    finally:
        process.kill()
        process.communicate()
