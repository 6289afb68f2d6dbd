"""Mocks of both APIs that Prism makes from nothing but the spec files, each a process of its own."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import generor_async

SPEC = Path(generor_async.__file__).parent / "spec"
APIS = ("generor", "luma")
PATIENCE = 60.0
"""Real seconds within which a mock must listen, and end when it is told to."""


@pytest.fixture(scope="session")
def mocks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The base URL of each API's mock, by the API's name."""
    command = str(request.config.getoption("--prism"))
    logs = {api: tmp_path_factory.mktemp("prism") / f"{api}.log" for api in APIS}
    running: dict[str, tuple[subprocess.Popen[bytes], int]] = {}
    try:
        for api in APIS:
            running[api] = start(command, SPEC / f"{api}.yaml", logs[api])
        for api, (process, port) in running.items():
            wait_for(process, port, logs[api])
        yield {api: f"http://127.0.0.1:{port}" for api, (_, port) in running.items()}
    finally:
        for process, _ in running.values():
            stop(process)


def start(command: str, spec: Path, log: Path) -> tuple["subprocess.Popen[bytes]", int]:
    """Start a mock on a port that is free; `--errors` makes it refuse what the spec doesn't allow."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    line = [command, "mock", "--errors", "-h", "127.0.0.1", "-p", str(port), str(spec)]
    with log.open("wb") as out:
        # In a group of its own: the command may be a script that only starts the mock.
        process = subprocess.Popen(line, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    return process, port


def wait_for(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Wait until a mock accepts connections."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the mock doesn't listen:\n{log.read_text(errors='replace')}")
            time.sleep(0.1)
        else:
            return


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a mock, and whatever its command started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(PATIENCE)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
    process.wait()
