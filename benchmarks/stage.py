"""Shared code of the benchmarks in virtual time: a clock, connections, the folder of tables, and a plot."""

import argparse
import asyncio
import logging
import math
import resource
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import aiohttp
from attrs import frozen

__all__ = [
    "EPOCH",
    "OURS",
    "RESULT",
    "Curve",
    "LoopClock",
    "Steps",
    "converse",
    "keep",
    "options",
    "plain_session",
    "plot",
    "prepare",
]

EPOCH = 1_700_000_000.0
OURS = "**generor_async**"
RESULT: dict[str, object] = {
    "generator": "joke",
    "model_id": 37,
    "model_type": "text",
    "model_name": "x",
    "creations": [],
    "credit_cost": 1,
    "credit_cost_estimated": 1,
    "credits_remaining": 1,
    "time_taken_seconds": 8,
}
"""What a call of Generor comes to."""


class LoopClock:
    """The running loop's time, for our client."""

    speed = 1.0

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def monotonic(self) -> float:
        """Return the loop's time."""
        return self._loop.time()

    def time(self) -> float:
        """Return Unix seconds of a clock that is right."""
        return EPOCH + self._loop.time()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


def plain_session(key: str) -> aiohttp.ClientSession:
    """Open aiohttp with enough connections."""
    return aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {key}"},
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=None),
    )


async def converse(
    answer: Callable[[bytes], Awaitable[bytes]], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Serve one connection of a server that answers a request by its head and body."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            body = await reader.readexactly(int(length or b"0"))
            writer.write(await answer(head + body))
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        pass
    finally:
        writer.close()


def prepare() -> None:
    """Make the machine ready: refusals are counted, not logged; connections are many."""
    logging.disable(logging.CRITICAL)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def options(about: str | None, *, calls: int, seeds: int) -> argparse.Namespace:
    """Read the command line, and make the machine ready."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--calls", type=int, default=calls)
    parser.add_argument("--only", default="", help="leave out contenders that have not this in their name")
    parser.add_argument("--out", type=Path, help="a folder for the tables and the plot")
    prepare()
    return parser.parse_args()


def keep(folder: Path, name: str, tables: Sequence[str], drawing: str) -> None:
    """Write the tables and the plot."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text("\n".join(tables), encoding="utf-8")
    (folder / f"{name}.svg").write_text(drawing, encoding="utf-8")


COLOURS = ("#9e9e9e", "#8d6e63", "#fb8c00", "#8e24aa", "#1e88e5", "#43a047", "#d81b60")
WIDTH, HEIGHT, LEFT, TOP, ROOM = 860, 480, 60, 50, 250
WIDE, HIGH = WIDTH - LEFT - ROOM, HEIGHT - TOP - 50


@frozen
class Curve:
    """A contender's line: by which moments something had happened."""

    name: str
    moments: Sequence[float]
    note: str


@frozen
class Steps:
    """Where a moment and a count stand in the plot."""

    seconds: float
    most: int

    def x(self, moment: float) -> float:
        """Place a moment."""
        return round(LEFT + moment / self.seconds * WIDE, 1)

    def y(self, count: float) -> float:
        """Place a count."""
        return round(TOP + HIGH - count / self.most * HIGH, 1)

    def grid(self) -> list[str]:
        """Draw the lines behind the curves."""
        parts: list[str] = []
        right, bottom = LEFT + WIDE, TOP + HIGH
        minutes = math.ceil(self.seconds / 60)
        for minute in range(0, minutes + 1, 2 if minutes <= 30 else 10):
            x = self.x(minute * 60)
            parts.append(f'<path d="M{x} {TOP}V{bottom}" stroke="#eee"/>')
            parts.append(f'<text x="{x}" y="{bottom + 20}" font-size="12" text-anchor="middle">{minute} min</text>')
        for count in range(0, self.most + 1, max(1, self.most // 6)):
            y = self.y(count)
            parts.append(f'<path d="M{LEFT} {y}H{right}" stroke="#eee"/>')
            parts.append(f'<text x="{LEFT - 8}" y="{y + 4}" font-size="12" text-anchor="end">{count}</text>')
        return parts

    def draw(self, row: int, curve: Curve) -> list[str]:
        """Draw one contender's line, and its place in the legend."""
        points = " ".join(
            f"{self.x(moment)},{self.y(number)} {self.x(moment)},{self.y(number + 1)}"
            for number, moment in enumerate(curve.moments)
        )
        style = f'stroke="{COLOURS[row]}" stroke-width="{3 if curve.name == OURS else 1.5}"'
        x, y = LEFT + WIDE + 16, TOP + 16 + row * 34
        return [
            f'<polyline points="{points}" fill="none" {style}/>',
            f'<path d="M{x} {y - 4}h20" {style}/>',
            f'<text x="{x + 26}" y="{y}" font-size="13">{curve.name.strip("*")}</text>',
            f'<text x="{x + 26}" y="{y + 14}" font-size="11" fill="#666">{curve.note}</text>',
        ]


def plot(title: str, curves: Sequence[Curve]) -> str:
    """Draw how many were through by when, as SVG."""
    steps = Steps(max(max(curve.moments) for curve in curves), max(len(curve.moments) for curve in curves))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            f'<text x="{LEFT}" y="28" font-size="16">{title}</text>',
            *steps.grid(),
            *(part for row, curve in enumerate(curves) for part in steps.draw(row, curve)),
            "</svg>\n",
        ]
    )
