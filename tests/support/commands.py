"""The command `generor`, many times: each run is a process of its own, forked from one that has imported it already."""

import gc
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile
from typing import TextIO

from attrs import frozen

import generor_async

__all__ = ["Commands", "Running", "commands", "hastened"]

PATIENCE = 300.0
"""Seconds after which a run hangs."""
LONGEST = 1 << 20
"""Bytes of an order."""
CLOCK = "GENEROR_ASYNC_TESTS_CLOCK"
PACE = 10.0


def hastened() -> dict[str, str]:
    """Return what makes a run's time pass ten times as fast, if added to its environment: it polls jobs in a second."""
    return {CLOCK: f"{PACE} {time.time() - time.monotonic() * PACE}"}


@frozen
class Commands:
    """Where runs are forked from."""

    orders: socket.socket

    def run(
        self, *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        """Run to the end."""
        with TemporaryFile("w+") as given, TemporaryFile("w+") as out, TemporaryFile("w+") as err:
            given.write(stdin)
            given.seek(0)
            streams = given.fileno(), out.fileno(), err.fileno()
            code = self.wait(self.start(*arguments, cwd=cwd, env=env, streams=streams))
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(arguments, code, out.read(), err.read())

    def begin(self, *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> "Running":
        """Run beside what the test does, with what it prints at hand as it comes."""
        (told, out), (complained, err) = os.pipe(), os.pipe()
        nothing = os.open(os.devnull, os.O_RDONLY)
        pid = self.start(*arguments, cwd=cwd, env=env, streams=(nothing, out, err))
        for ours in (nothing, out, err):
            os.close(ours)
        return Running(self, pid, os.fdopen(told), os.fdopen(complained))

    def start(
        self,
        *arguments: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        streams: tuple[int, int, int],
    ) -> int:
        """Start a run with these streams, and return its process's id. A terminal becomes its own, keys and all."""
        order = {"arguments": arguments, "cwd": str(cwd or Path.cwd()), "env": dict(os.environ if env is None else env)}
        socket.send_fds(self.orders, [json.dumps(order).encode()], streams)
        return int(self.orders.recv(LONGEST))

    def wait(self, pid: int) -> int:
        """Wait until a run has ended, and return how."""
        self.orders.send(json.dumps(pid).encode())
        try:
            return int(self.orders.recv(LONGEST))
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            self.orders.recv(LONGEST)
            raise AssertionError("it hangs") from None


@frozen
class Running:
    """A run that goes on."""

    commands: Commands
    pid: int
    stdout: TextIO
    stderr: TextIO

    def interrupt(self) -> None:
        """Send what Ctrl-C sends."""
        self.send(signal.SIGINT)

    def send(self, number: int) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def end(self) -> tuple[int, str, str]:
        """Wait for the end; return the exit code, and what was not read yet of either stream."""
        code = self.commands.wait(self.pid)
        with self.stdout, self.stderr:
            return code, self.stdout.read(), self.stderr.read()


@contextmanager
def commands() -> Generator[Commands]:
    """Have commands run; those that still do at the end are killed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(PATIENCE)
    places = Path(generor_async.__file__).parents[1], Path(__file__).parents[1]
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "support.commands", str(theirs.fileno())],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))},
            pass_fds=[theirs.fileno()],
        )
    with process, ours:
        yield Commands(ours)


def _serve(orders: socket.socket) -> None:
    from support.pictures import noise

    from generor_async.cli.app import SUBCOMMANDS, app
    from generor_async.simulator import outputs

    outputs.image = noise
    import_module("support.clock")  # before there are runs that need it
    for name in SUBCOMMANDS:
        import_module(f"generor_async.cli.{name}")
    for name in ("generor_async.stores.postgres", "generor_async.fleet.worker", "redis"):
        with suppress(ModuleNotFoundError):  # they come with extras
            import_module(name)
    with redirect_stdout(io.StringIO()):
        app(["call"], standalone_mode=False)  # imports the rest of what a run does
    gc.freeze()  # or each run looks through all of it, and has a copy of its own
    running = set[int]()
    while True:
        order, streams, _, _ = socket.recv_fds(orders, LONGEST, 3)
        if not order:
            break
        asked = json.loads(order)
        if isinstance(asked, int):
            _, status = os.waitpid(asked, 0)
            running.remove(asked)
            orders.send(str(os.waitstatus_to_exitcode(status)).encode())
            continue
        child = os.fork()
        if not child:
            orders.close()
            _become(**asked, streams=streams)
        for stream in streams:
            os.close(stream)
        running.add(child)
        orders.send(str(child).encode())
    for child in running:
        os.kill(child, signal.SIGKILL)


def _become(arguments: list[str], cwd: str, env: dict[str, str], streams: list[int]) -> None:
    """Run the command, and end as it does."""
    import fcntl
    import termios

    from support.clock import hasten

    from generor_async.cli import main

    if CLOCK in env:
        hasten(*map(float, env.pop(CLOCK).split()))
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # Those of before remember of what they were whether it can be sought.
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.setsid()
    if os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    sys.argv = ["generor", *arguments]
    sys.modules["__main__"].__package__ = None  # or click would call it `python -m support.commands`
    main()
    sys.exit()


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as theirs:
        _serve(theirs)
