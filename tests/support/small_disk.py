"""A disk that is really full, or really read-only: a tmpfs of so many KB, in a mount namespace of its own.

    def program(disk: Path) -> None: ...        # at the module's top level, with assertions

    def test_it() -> None:
        run_on_small_disk(program, kilobytes=400)

The program runs in a process of its own: only that process sees the mount, which ends with it. If namespaces are not
permitted, the test fails and says so; a skipped test would show nothing.
"""

import errno
import importlib.util
import inspect
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import generor_async
from generor_async.testing import run

__all__ = ["full", "make_read_only", "run_on_small_disk"]

PATIENCE: Final = 300.0
"""Seconds after which a program counts as hanging."""
NAMESPACES: Final = (["unshare", "--map-root-user", "--mount"], ["unshare", "--mount"])
"""Commands that make a mount namespace: the first for any user, the second for root if users may not."""
FILLER: Final = "filler"
PIECE: Final = bytes(4_096)


def run_on_small_disk(program: Callable[[Path], object], *, kilobytes: int) -> None:
    """Run a function in a process that sees a disk of this size, and pass it the disk's folder.

    An async function runs in virtual time. Raises AssertionError, with its output, if it fails.
    """
    file = inspect.getsourcefile(program)
    assert file is not None
    places = [Path(generor_async.__file__).parents[1], Path(__file__).parents[1]]
    with tempfile.TemporaryDirectory() as disk:
        ended = subprocess.run(
            [*_namespace(), sys.executable, "-m", "support.small_disk", file, program.__name__, disk, str(kilobytes)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert ended.returncode == 0, f"{program.__name__} on a disk of {kilobytes} KB:\n{ended.stdout}{ended.stderr}"


def _namespace() -> Sequence[str]:
    """Return the command that makes a mount namespace on this machine."""
    refusals: list[str] = []
    for command in NAMESPACES:
        try:
            ended = subprocess.run(
                [*command, "mount", "-t", "tmpfs", "tmpfs", tempfile.gettempdir()],
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError as error:
            refusals.append(str(error))
        else:
            if ended.returncode == 0:
                return command
            refusals.append(ended.stderr.strip())
    raise AssertionError(f"no small disk can be mounted here: allow user namespaces, or run as root ({refusals})")


@contextmanager
def full(disk: Path, *, spare: int = 0) -> Generator[None]:
    """Fill a small disk except for `spare` pages of 4 KB, and free it afterwards."""
    filler = disk / FILLER
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(PIECE)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        file.truncate(max(0, file.tell() // len(PIECE) - spare) * len(PIECE))
    try:
        yield
    finally:
        filler.unlink()


def make_read_only(disk: Path) -> None:
    """Make a small disk read-only."""
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


def _main(file: str, name: str, disk: str, kilobytes: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", disk], check=True)
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    result = getattr(module, name)(Path(disk))
    if inspect.iscoroutine(result):
        run(result)


if __name__ == "__main__":
    _main(*sys.argv[1:])
