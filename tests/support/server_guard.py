"""Runs a server for tests, and ends it when the tests' process is gone, however that one ended.

    python server_guard.py FOLDER USER COMMAND...

Prints the server's process id, and ends when the server does. The tests hold the other end of the standard input: when
it closes, the server is ended and FOLDER deleted. USER may be empty. Needs the standard library alone, and starts fast.
"""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading

PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Have the kernel end this process when its parent ends, and so the server when this guard is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)


def watch(server: "subprocess.Popen[bytes]", gone: threading.Event) -> None:
    """Wait until the tests' process is gone, and end the server."""
    os.read(0, 1)
    gone.set()
    server.send_signal(signal.SIGQUIT)


def main(folder: str, user: str, *command: str) -> int:
    """Run the server, and return its exit code."""
    entry = pwd.getpwnam(user) if user else None
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=2,
        cwd=folder,
        preexec_fn=end_with_parent,  # noqa: PLW1509 - there are no threads yet
        user=None if entry is None else entry.pw_uid,
        group=None if entry is None else entry.pw_gid,
        extra_groups=None if entry is None else [],
    )
    print(server.pid, flush=True)  # noqa: T201
    gone = threading.Event()
    threading.Thread(target=watch, args=(server, gone), daemon=True).start()
    code = server.wait()
    if gone.is_set():
        shutil.rmtree(folder, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
