"""The command `generor` in a terminal of its own: what a person would see, and keys for it."""

import fcntl
import os
import pty
import select
import struct
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pyte
from support.commands import Commands

ROWS: Final = 30
PATIENCE: Final = 300.0
"""Seconds after which what was waited for does not come any more."""


class Terminal:
    """Runs the command, and keeps the screen that it draws."""

    def __init__(
        self,
        commands: Commands,
        *arguments: str,
        columns: int = 80,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        stdout: int | None = None,
    ) -> None:
        """`stdout` goes elsewhere than to the terminal."""
        self.raw = b""
        self._screen = pyte.Screen(columns, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._commands = commands
        self._end, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
        ours = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
        env = {**ours, "TERM": "xterm-256color", **(environment or {})}
        self._process = commands.start(*arguments, cwd=cwd, env=env, streams=(theirs, stdout or theirs, theirs))
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._end)

    @property
    def text(self) -> str:
        """What is on the screen."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    def until(self, *parts: str) -> str:
        """Wait until all this is on the screen at once, wherever lines break, and return the screen."""
        deadline = time.monotonic() + PATIENCE
        while not all(part in " ".join(self.text.split()) for part in parts):
            assert time.monotonic() < deadline, f"{parts} did not come; there is:\n{self.text}"
            assert self._take(), f"it ended without {parts}; there is:\n{self.text}"
        return self.text

    def pictures(self, count: int, *, whole: str) -> list[str]:
        """Take in so many pictures that are whole, as they end with this, and return them."""
        taken: list[str] = []
        while len(taken) < count:
            assert self._take(), f"it ended; there is:\n{self.text}"
            if self.text.endswith(whole):
                taken.append(self.text)
        return taken

    @property
    def pid(self) -> int:
        """The id of its process."""
        return self._process

    def press(self, keys: bytes) -> None:
        """Type something."""
        os.write(self._end, keys)

    def left(self) -> int:
        """Wait until it has ended whose terminal was closed, and return how."""
        return self._commands.wait(self._process)

    def ended(self) -> int:
        """Wait until it has ended, and return how."""
        while self._take():
            pass
        return self._commands.wait(self._process)

    def _take(self) -> bool:
        """Take in what it draws next; tell whether there may be more."""
        if not select.select([self._end], [], [], PATIENCE)[0]:
            raise AssertionError(f"nothing comes any more; there is:\n{self.text}")
        try:
            drawn = os.read(self._end, 65_536)
        except OSError:  # how Linux says that nobody has the other end any more
            return False
        self.raw += drawn
        self._stream.feed(drawn)
        return bool(drawn)
