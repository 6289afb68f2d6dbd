"""Use of a key's limits beside foreign users, after a restart, through an outage, and with weighted jobs.

Time is virtual, sockets and our client are real. The servers are written for this benchmark alone, from the documents.
A cell is the median of a row's worlds, and the worst of them. What our last admission is held against is a naive loop
in the same world (`worlds.py`): it sends everything at once, and sleeps Retry-After where it is refused. It needs no
sockets. It leaves others nothing, so what is fair stands beside it: the soonest last admission of whoever leaves others
the places that they ask for (`fair_last`). `over` counts the runs that are later than aimed at, and those of them in
which what is fair is not: these are listed below the table. Where the table names seconds, the last job's end is held
against these.

    python benchmarks/bench_shared_key.py [--quick] [--only TEXT] [--seeds 1] [--out FOLDER] [--json FILE]

`--only` leaves out worlds whose row and description have not all the texts that stand between semicolons. All worlds
take about five minutes a seed, the quick ones ten seconds.
"""

import argparse
import json
import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias

from attrs import evolve, field, fields, frozen
from shared_jobs import Outage, Slots, outages, play_outage, play_slots, slots
from shared_pace import play
from stage import prepare
from worlds import STORED, TARGETS, Naive, World, bursts_begun, fair_last, run_naive, worlds

AnyWorld: TypeAlias = World | Outage | Slots


@frozen(kw_only=True)
class Record:
    """What came of one world; moments are seconds from our start."""

    row: str
    world: str
    seed: int
    ours_last: float | None
    """None where a call failed."""
    naive_last: float | None
    """None of an outage; of slots, the seconds in which it can be done."""
    refused: float
    """Of bursts, for each of them; of an outage, POSTs a call."""
    failed: int
    calls: int
    fair_last: float | None = None
    """When whoever leaves others the places that they ask for can be done; None where there are none."""
    more: dict[str, Any] = field(factory=dict[str, Any])

    @property
    def fair(self) -> float | None:
        """That over the naive loop's last admission."""
        return None if self.fair_last is None or self.naive_last is None else self.fair_last / self.naive_last

    @property
    def ratio(self) -> float | None:
        """Our last admission over the naive loop's; None where there is nothing to compare."""
        if self.naive_last is None:
            return None
        return math.inf if self.ours_last is None else self.ours_last / self.naive_last

    def as_json(self) -> dict[str, Any]:
        """Return what a program reads: a ratio is null where calls failed."""
        flat = {field.name: getattr(self, field.name) for field in fields(type(self)) if field.name != "more"}
        ratio = self.ratio
        return {**self.more, **flat, "ratio": None if ratio is None or math.isinf(ratio) else round(ratio, 4)}


@frozen
class Row:
    """A line of the table: what is aimed at, and how a cell's refusals are to be read."""

    name: str
    ratio: float | None
    refused: float
    unit: str = ""

    def excuses(self, record: Record) -> bool:
        """Tell whether what is fair is later than aimed at, too."""
        return self.ratio is not None and record.fair is not None and record.fair > self.ratio


ROWS: dict[str, Row] = {
    row.name: row
    for row in (
        *(Row(name, *aim, unit=" a burst" if "bursts" in name else "") for name, aim in TARGETS.items()),
        Row("an outage of 1 s", None, 2, " POSTs a call"),
        Row("an outage of 20 s", None, 3, " POSTs a call"),
        Row("uni-1-max edits and others", 1.10, 2),
        Row("10 slots, named", 1.06, 1),
        Row("10 slots, not named", None, 30),
        Row("2 of 4 slots in foreign use for 300 s", 1.10, 30),
    )
}


class Naives:
    """The naive loop's runs, each of which serves all worlds that differ in headers alone."""

    def __init__(self) -> None:
        self._known: dict[tuple[World, int, tuple[float, ...]], Naive] = {}

    def beside(self, world: World, seed: int, before: tuple[float, ...]) -> Naive:
        """Run the naive loop in a world, or remember how it ran."""
        share = 0.0 if world.row == STORED else world.share
        world = evolve(world, row="", api="luma", reset="oldest", answer_seconds=0.0, share=share)
        key = (world, seed, before)
        if key not in self._known:
            self._known[key] = run_naive(world, seed, before)
        return self._known[key]


def pace(world: World, seed: int, naives: Naives) -> Record:
    """Run a world of a limit that others use too."""
    ours = play(world, seed)
    naive = naives.beside(world, seed, ours.before)
    refused = float(len(ours.refused))
    if world.who == "bursts":
        refused /= bursts_begun(seed, ours.last)
    return Record(
        row=world.row,
        world=world.label(),
        seed=seed,
        ours_last=None if ours.failed else round(ours.last, 3),
        naive_last=round(naive.last, 3),
        refused=refused,
        failed=ours.failed,
        calls=world.calls,
        fair_last=fair_last(world, seed),
        more={"window": world.kind, "naive_refused": naive.refused}
        | {"refused_at": [round(moment, 2) for moment in ours.refused]}
        | {name: getattr(world, name) for name in ("api", "limit", "boundary", "reset", "who", "share", "seconds_ago")},
    )


def outage(world: Outage, seed: int) -> Record:
    """Run an outage."""
    ended = play_outage(world, seed)
    return Record(
        row=world.row,
        world=world.label(),
        seed=seed,
        ours_last=None if ended.failed else round(ended.last, 3),
        naive_last=None,
        refused=ended.posts / world.calls,
        failed=ended.failed,
        calls=world.calls,
    )


def ceiling(world: Slots, seed: int) -> Record:
    """Run a world of slots."""
    ours, naive = play_slots(world, seed)
    return Record(
        row=world.row,
        world=world.label(),
        seed=seed,
        ours_last=None if ours.failed else round(ours.last, 3),
        naive_last=world.bound,
        refused=ours.refused,
        failed=ours.failed,
        calls=len(world.jobs),
        more={"naive": round(naive.last, 3), "naive_refused": naive.refused},
    )


def played(world: AnyWorld, seed: int, naives: Naives) -> Record:
    """Run a world of any sort."""
    if isinstance(world, World):
        return pace(world, seed, naives)
    return outage(world, seed) if isinstance(world, Outage) else ceiling(world, seed)


def records(given: argparse.Namespace) -> Iterator[Record]:
    """Run all worlds that are wanted."""
    naives, texts = Naives(), given.only.split(";")
    every: list[AnyWorld] = [*worlds(quick=given.quick), *outages(quick=given.quick), *slots()]
    for world in every:
        if all(text in f"{world.row}, {world.label()}" for text in texts):
            for seed in range(given.seeds):
                yield played(world, seed, naives)


def cell(values: Sequence[float], write: Callable[[float], str]) -> str:
    """Write the median and, where it differs, the worst."""
    middle, worst = write(statistics.median(values)), write(max(values))
    return middle if middle == worst else f"{middle} (worst {worst})"


def line(row: Row, found: Sequence[Record]) -> str:
    """Write a row of the table."""
    ratios = [record.ratio for record in found if record.ratio is not None]
    last = cell(ratios, "{:.2f}".format) if ratios else ""
    fairs = [record.fair for record in found if record.fair is not None]
    fair = cell(fairs, "{:.2f}".format) if fairs else ""
    over = [record for record in found if record.ratio is not None and row.ratio and record.ratio > row.ratio]
    many = sum(record.refused > row.refused for record in found)
    refused = cell([record.refused for record in found], "{:.3g}".format) + (f", {many} over" if many else "")
    aims = [f"<= {row.ratio:.2f}" if row.ratio else "", f"<= {row.refused:g}{row.unit}"]
    failed = sum(record.failed for record in found)
    calls = sum(record.calls for record in found)
    counts = f"{len(over)}, {sum(not row.excuses(record) for record in over)}" if over else "0"
    times = f"{last} | {aims[0]} | {counts if ratios and row.ratio else ''} | {fair}"
    return f"| {row.name} | {len(found)} | {times} | {refused} | {aims[1]} | {failed} of {calls} |"


def table(found: Iterable[Record]) -> Iterator[str]:
    """Yield the lines of a Markdown table, each as soon as its row has been run."""
    yield "| | runs | last admission / naive's | to reach | over | fair / naive's | refusals | to reach | failed |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for name, some in groupby(found, key=lambda record: record.row):
        yield line(ROWS[name], list(some))


def late(found: Iterable[Record]) -> Iterator[str]:
    """Yield what to say of each run that was later than aimed at where what is fair is not."""
    for record in found:
        row, ratio = ROWS[record.row], record.ratio
        if row.ratio is not None and ratio is not None and ratio > row.ratio and not row.excuses(record):
            fair = "" if record.fair is None else f" (fair: {record.fair:.3f})"
            yield f"- {record.row}: {ratio:.3f}{fair}: {record.world}, seed {record.seed}"


def kept(every: Iterable[Record], found: list[Record]) -> Iterator[Record]:
    """Pass records on, and keep them."""
    for record in every:
        found.append(record)
        yield record


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="60 a minute, 2.5 windows, few boundaries")
    parser.add_argument("--only", default="", help="texts that a world's row and description have, with semicolons")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, help="a folder for the table")
    parser.add_argument("--json", type=Path, help="a file for what came of every world")
    return parser.parse_args()


def main() -> None:
    """Print the table; write it and the single worlds where they are wanted."""
    given = parsed()
    prepare()
    found: list[Record] = []
    lines: list[str] = []
    for text in table(kept(records(given), found)):
        print(text, flush=True)
        lines.append(text)
    for text in ("", *late(found)):
        print(text)
        lines.append(text)
    if given.json is not None:
        every = ",\n".join(json.dumps(record.as_json()) for record in found)
        given.json.write_text(f"[\n{every}\n]\n", encoding="utf-8")
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "shared_key.md").write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
