"""The command `generor`, many times: each run is a process of its own, forked from one that has imported it already."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from attrs import frozen

import generor_async

__all__ = ["Commands", "commands"]


@frozen
class Commands:
    """Where runs are forked from."""

    process: subprocess.Popen[str]
    folder: Path
    """For what they print."""

    def run(
        self, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        streams = [self.folder / name for name in ("stdin", "stdout", "stderr")]
        streams[0].write_text(stdin)
        asked = {"arguments": arguments, "cwd": str(cwd), "env": dict(env), "streams": list(map(str, streams))}
        self.process.stdin.write(f"{json.dumps(asked)}\n")
        self.process.stdin.flush()
        code = int(self.process.stdout.readline())
        return subprocess.CompletedProcess(arguments, code, streams[1].read_text(), streams[2].read_text())


@contextmanager
def commands(folder: Path) -> Generator[Commands]:
    """Have commands run; what they print is kept in `folder` until the next one is."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(generor_async.__file__).parents[1])},
    )
    with process:
        yield Commands(process, folder)
        assert process.stdin is not None
        process.stdin.close()


def _serve() -> None:
    from generor_async.cli.app import app

    with redirect_stdout(io.StringIO()):
        app(["call"], standalone_mode=False)  # imports all that a run does

    with os.fdopen(os.dup(0)) as requests:  # so that nothing is read ahead into what a child inherits
        for line in requests:
            child = os.fork()
            if not child:
                requests.close()
                _become(**json.loads(line))
            _, status = os.waitpid(child, 0)
            os.write(1, f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _become(arguments: list[str], cwd: str, env: dict[str, str], streams: list[str]) -> None:
    """Run the command, and end as it does."""
    from generor_async.cli import main

    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for number, path in enumerate(streams):
        os.dup2(os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.argv = ["generor", *arguments]
    main()
    sys.exit()


if __name__ == "__main__":
    _serve()
