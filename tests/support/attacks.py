"""Runs `generor batch run` in processes of its own, and sends them signals at random moments until the batch has ended.

The API runs in another process, at the same speed of time. It forks, so only programs without threads may use it.

    python -m support.attacks ASSAULT    (an `Assault` as JSON; prints the outcome as JSON)
"""

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, Final, Literal, TypeAlias

from attrs import define, field, frozen
from support.batch_worker import has_ended, write_rows
from support.clock import hasten

from generor_async.cli.app import app as generor

__all__ = ["Assault", "Signal"]

Signal: TypeAlias = Literal["KILL", "TERM", "HUP", "INT", "STOP"]
STOPPED: Final = 5.0
"""Simulated seconds for which a stopped process (SIGSTOP) stands still."""
SHORTEST, LONGEST = 0.05, 4.0
"""Real seconds before a signal: from the process's start, or more often from its first output."""
EARLY = 0.2
"""Share of the runs whose signals are timed from the process's start."""
RUNS: Final = 40
"""How often a batch that stopped by itself is run again."""
ENDED: Final = frozenset({0, 3})
"""Exit codes of a run that completed."""
BY_ITSELF: Final = frozenset({*ENDED, 2, 5})
"""Exit codes of a run that completed, or was stopped by an error."""


@frozen(kw_only=True)
class Assault:
    """What to run, against which server, and how to attack it."""

    api: str
    base_url: str
    key: str
    speed: float
    epoch: float
    folder: str
    rows: int
    """Rows of a batch; when one has ended, another begins."""
    signal: Signal
    times: int
    """How many signals a running process must get in all."""
    drain: float
    """The command's `--drain`, in real seconds."""
    seed: int = 7


@define
class Attack:
    """Attacks the batches in one folder."""

    order: Assault
    dice: Random
    struck: list[float] = field(factory=list[float])
    """When each signal was sent, in simulated Unix seconds."""
    exits: list[int] = field(factory=list[int])
    """Exit codes of the processes that got a signal."""
    batches: list[str] = field(factory=list[str])

    def carry_out(self) -> None:
        """Send the signals, and run each batch to its end."""
        while len(self.struck) < self.order.times:
            name = f"batch-{len(self.batches)}"
            rows = write_rows(self.order.folder, name, api=self.order.api, rows=self.order.rows)
            self.batches.append(rows.stem)
            for _ in range(RUNS + self.order.times):
                ended = has_ended(rows.with_suffix(""), unknown=self.order.api == "luma")
                if self.run(rows, signals=0 if ended else self.order.times - len(self.struck)) in ENDED and ended:
                    break
            else:
                raise AssertionError(f"{rows} never ended")

    def run(self, rows: Path, *, signals: int) -> int:
        """Run the command, with at most so many signals; return its exit code."""
        log = rows.with_suffix(".log")
        said, begun = log.stat().st_size if log.exists() else 0, self.dice.random() < EARLY
        process, before = self.begin(rows), len(self.struck)
        while len(self.struck) - before < signals:
            time.sleep(self.dice.uniform(SHORTEST, LONGEST) if begun else SHORTEST)
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                return self.ended(status, struck=len(self.struck) > before)
            if not begun:
                begun = log.exists() and log.stat().st_size > said
                continue
            self.strike(process)
            if self.order.signal != "STOP":
                break
        return self.ended(os.waitpid(process, 0)[1], struck=len(self.struck) > before)

    def strike(self, process: int) -> None:
        """Send the signal; continue a stopped process after a while."""
        os.kill(process, getattr(signal, f"SIG{self.order.signal}"))
        self.struck.append(self.order.epoch + time.monotonic() * self.order.speed)
        if self.order.signal == "STOP":
            time.sleep(STOPPED / self.order.speed)
            os.kill(process, signal.SIGCONT)

    def ended(self, status: int, *, struck: bool) -> int:
        """Check a process's exit code against the signals it got, and return it."""
        code = os.waitstatus_to_exitcode(status)
        number: int = getattr(signal, f"SIG{self.order.signal}")
        allowed = BY_ITSELF | {-number, 128 + number} if struck else BY_ITSELF
        assert code in allowed, f"it ended with {code}"
        if struck:
            self.exits.append(code)
        return code

    def begin(self, rows: Path) -> int:
        """Fork a process that runs the command; return its id."""
        process = os.fork()
        if not process:
            code = 1
            try:
                self.become(rows)
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 0
            finally:
                with suppress(OSError):
                    sys.stderr.flush()
                os._exit(code)
        return process

    def become(self, rows: Path) -> None:
        """Run the command in this process."""
        order, log = self.order, os.open(rows.with_suffix(".log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.dup2(log, 1)
        os.dup2(log, 2)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        prefix = "LUMA" if order.api == "luma" else "GENEROR"
        os.environ[f"{prefix}_BASE_URL"] = order.base_url
        os.environ["LUMA_AGENTS_API_KEY" if order.api == "luma" else "GENEROR_API_KEY"] = order.key
        os.environ["XDG_CACHE_HOME"] = order.folder
        hasten(order.speed, order.epoch)
        out = rows.with_suffix("")
        given = ["--out", str(out), "--api", order.api, "--yes", "--drain", str(order.drain)]
        sys.argv = ["generor", "batch", "run", str(rows), *given]
        generor()


def main() -> None:
    """Attack as the argument says, and print the outcome."""
    order = Assault(**json.loads(sys.argv[1]))
    attack = Attack(order, Random(f"{order.signal} {order.seed}"))
    attack.carry_out()
    told: dict[str, Any] = {"struck": attack.struck, "exits": attack.exits, "batches": attack.batches}
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
