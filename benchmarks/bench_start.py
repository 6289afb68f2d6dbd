"""CPU of a start: creating a client, `generor --help`, and one TAB, each with its reference.

Every start is a process of its own, with its modules compiled beforehand; user and system time are summed, and the
rounds are interleaved. Figures are the medians of rounds, ratios the medians of the rounds' ratios. What each package
adds is measured in the order in which they are imported here: what two share is counted for the first.

    python benchmarks/bench_start.py [--rounds 15]
"""

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

PACKAGES: Final = ("aiohttp", "attrs", "cattrs", "anyio", "backoff")
CLIENT: Final = "from generor_async import AsyncLuma\nAsyncLuma('luma-api-start')\n"
USED: Final = CLIENT + "AsyncLuma('luma-api-start').generations\n"
COMMAND: Final = "import sys\nsys.argv[0] = 'generor'\nfrom generor_async.cli import main\nmain()\n"
TYPER: Final = '''
import sys
import typer

sys.argv[0] = "five"
app = typer.Typer(name="five", no_args_is_help=True)


def do(path: str, number: int = 3, loud: bool = False) -> None:
    """Do something with a path."""
    typer.echo(path)


for name in ("one", "two", "three", "four", "five"):
    app.command(name)(do)
app()
'''


@frozen
class Start:
    """A process: what it runs, and with what arguments and variables."""

    code: str
    arguments: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(factory=dict[str, str])

    def run(self) -> float:
        """Run it, and return its seconds of CPU."""
        process = subprocess.Popen(
            [sys.executable, "-c", self.code, *self.arguments],
            env={**os.environ, **self.variables, "PYTHONDONTWRITEBYTECODE": ""},
            stdout=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{self} ended with {process.returncode}")
        return used.ru_utime + used.ru_stime


def tab(program: str, line: str) -> Mapping[str, str]:
    """Return the variables with which bash asks what may come next."""
    return {
        f"_{program.upper()}_COMPLETE": "complete_bash",
        "COMP_WORDS": line.replace(" ", "\n"),
        "COMP_CWORD": str(line.count(" ")),
    }


STARTS: Final[Mapping[str, Start]] = {
    "Python": Start("pass"),
    **{f"and {name}": Start(f"import {', '.join(PACKAGES[: n + 1])}") for n, name in enumerate(PACKAGES)},
    "a client": Start(CLIENT),
    "a client, used": Start(USED),
    "typer: --help": Start(TYPER, ("--help",)),
    "generor --help": Start(COMMAND, ("--help",)),
    "typer: TAB": Start(TYPER, variables=tab("five", "five ")),
    "generor TAB": Start(COMMAND, variables=tab("generor", "generor ")),
    "generor call luma.g TAB": Start(COMMAND, variables=tab("generor", "generor call luma.g")),
}
RATIOS: Final = (
    ("a client", f"and {PACKAGES[-1]}", 1.15),
    ("a client, used", f"and {PACKAGES[-1]}", None),
    ("generor --help", "typer: --help", 1.3),
    ("generor TAB", "typer: TAB", 1.3),
    ("generor call luma.g TAB", "typer: TAB", None),
)
"""What is held against what, and what the ratio is to be at most."""


def main() -> None:
    """Measure, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    for start in STARTS.values():  # compiles, and reads the disk
        start.run()
    taken = [{name: start.run() for name, start in STARTS.items()} for _ in range(rounds)]
    print("| start | CPU (ms) | more than the one before (ms) |\n|---|---|---|")
    before = ""
    for name in STARTS:
        more = statistics.median(each[name] - each[before] for each in taken) if name.startswith("and ") else None
        added = "" if more is None else f"{1000 * more:.0f}"
        print(f"| {name} | {1000 * statistics.median(each[name] for each in taken):.0f} | {added} |")
        before = name
    print("\n| start | beside | ratio | to reach |\n|---|---|---|---|")
    for name, other, most in RATIOS:
        ratio = statistics.median(each[name] / each[other] for each in taken)
        print(f"| {name} | {other} | {ratio:.2f} | {'' if most is None else f'<= {most}'} |")


if __name__ == "__main__":
    main()
