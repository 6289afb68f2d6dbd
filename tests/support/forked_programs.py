"""Programs of the tests that start at once: each is forked from a process that has imported what it needs.

To start an interpreter takes longer than what most of them do.
"""

import ctypes
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO, Any, Final, Protocol

from attrs import field, frozen

__all__ = ["FORKS", "Program", "ended", "fork", "set_namespace"]

PR_SET_PDEATHSIG: Final = 1
CLONE_NEWNET: Final = 0x40000000
FORKS: Final[Any] = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
if sys.platform == "linux":
    FORKS.set_forkserver_preload(
        [
            *("generor_async.batch.shift", "generor_async.stores.postgres", "generor_async.stores.objects"),
            *("generor_async.stores.postgres_limits", "generor_async.stores.redis_limits"),
            *("generor_async.stores.opening", "generor_async.stores.sqlite"),
            *("generor_async.api.luma.operations", "generor_async.api.generor.operations", "generor_async.simulator"),
            *("psycopg", "psycopg_pool", "redis", "obstore.store", "aiohttp"),
        ]
    )


class Program(Protocol):
    """A running program; a `subprocess.Popen` is one."""

    @property
    def pid(self) -> int:
        """Its process's id."""
        ...

    @property
    def stdin(self) -> IO[str] | None:
        """What it reads, unless its output goes into a file: then it has nothing to read."""
        ...

    @property
    def stdout(self) -> IO[str] | None:
        """What it writes, unless that goes into a file."""
        ...

    def poll(self) -> int | None:
        """Return its exit code; None while it runs."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and return its exit code."""
        ...

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        ...


@frozen
class _Fork:
    """A program that was forked."""

    process: BaseProcess
    stdin: IO[str] | None
    stdout: IO[str] | None
    _polls: threading.Lock = field(factory=threading.Lock)
    """Held while the exit code is read, which is told once."""

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def poll(self) -> int | None:
        with self._polls:
            return self.process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        wait([self.process.sentinel], timeout)
        code = self.poll()
        assert code is not None, "it doesn't end"
        return code

    def kill(self) -> None:
        self.process.kill()


def fork(
    program: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    namespace: str = "",
    out: Path | None = None,
    err: Path | None = None,
) -> Program:
    """Run a program, which is killed when this process ends; where there is no fork, an interpreter runs it.

    Args:
        program: What the interpreter would be given: `-m` and a module, or `-c` and a program, and arguments.
        env: Its environment, if that isn't ours.
        namespace: The file of the network namespace that it runs in.
        out: The file that its output is added to.
        err: The file that its errors are added to; by default they go where ours do.
    """
    environment = dict(os.environ if env is None else env)
    if sys.platform != "linux":
        assert not namespace
        return _interpreter(program, environment, out, err)
    if out is not None:
        process = FORKS.Process(target=_run, args=(program, environment, namespace, out, err, None), daemon=True)
        process.start()
        return _Fork(process, None, None)
    (given, stdin), (stdout, told) = FORKS.Pipe(duplex=False), FORKS.Pipe(duplex=False)
    pipes = given, told
    process = FORKS.Process(target=_run, args=(program, environment, namespace, out, err, pipes), daemon=True)
    with stdin, stdout, given, told:
        process.start()
        return _Fork(process, os.fdopen(os.dup(stdin.fileno()), "w"), os.fdopen(os.dup(stdout.fileno())))


def _interpreter(
    program: Sequence[str], env: Mapping[str, str], out: Path | None, err: Path | None
) -> "subprocess.Popen[str]":
    with ExitStack() as files:
        return subprocess.Popen(
            [sys.executable, *program],
            env=env,
            stdin=subprocess.PIPE if out is None else subprocess.DEVNULL,
            stdout=subprocess.PIPE if out is None else files.enter_context(out.open("a")),
            stderr=None if err is None else files.enter_context(err.open("a")),
            text=True,
        )


@contextmanager
def ended(program: Program) -> Generator[Program]:
    """Kill a program at the end of the block, and wait until it is gone."""
    try:
        yield program
    finally:
        program.kill()
        program.wait()
        for stream in (program.stdin, program.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):  # what it never read
                    stream.close()


def set_namespace(file: int) -> None:
    """Move the calling thread into a network namespace, as `os.setns` does from Python 3.12 on."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(file, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _run(
    program: Sequence[str],
    env: Mapping[str, str],
    namespace: str,
    out: Path | None,
    err: Path | None,
    pipes: "tuple[Connection[Any, Any], Connection[Any, Any]] | None",
) -> None:
    """Become the program."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if namespace:
        with Path(namespace).open() as file:
            set_namespace(file.fileno())
    os.environ.clear()
    os.environ.update(env)
    for number, path in enumerate((out, err), 1):
        if path is not None:
            os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), number)
    for number, pipe in enumerate(pipes or ()):
        os.dup2(pipe.fileno(), number)
        pipe.close()
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    option, what, *arguments = program
    sys.argv = [option if option == "-c" else what, *arguments]
    if option == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(compile(what, "<program>", "exec"), {"__name__": "__main__"})
