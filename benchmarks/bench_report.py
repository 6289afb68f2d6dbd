"""A batch's report: how fast it is written, and how much memory and disk it takes, beside making the thumbnails alone.

The bare loop opens, shrinks and encodes the same pictures one after the other, as Pillow's documentation has it. Every
count of rows is written by a process of its own, which tells how much memory it needed at most; the pictures are 60 of
the simulator's, 1024 pixels wide, over and over. Rows beyond 2,000 link their pictures.

    python benchmarks/bench_report.py [--rows 200 2000 20000] [--bare 200]
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from pathlib import Path

from PIL import Image

from generor_async.batch.report import ReportFile, ReportRow, ReportSummary, write_report
from generor_async.batch.report.page import MAX_INLINE_ROWS
from generor_async.simulator import outputs

PICTURES = 60
BEGAN = 1_763_770_440.0


def draw(folder: Path) -> None:
    """Store the pictures."""
    for n in range(PICTURES):
        content = outputs.image(f"a lake, number {n}", seed=n, ratio="16:9", format="png", size=1024)
        (folder / f"{n}.png").write_bytes(content)


def rows(count: int) -> Iterator[ReportRow]:
    """Make as many rows as are asked for, one a second."""
    for n in range(count):
        yield ReportRow(
            id=f"row-{n}",
            state="done",
            prompt=f"a lake, number {n % PICTURES}, " + "with mountains behind it, " * 8,
            type="image",
            model="uni-1",
            cost=6.0,
            started=BEGAN + n,
            ended=BEGAN + n + 20,
            files=(ReportFile(path=f"{n % PICTURES}.png", media_type="image/png"),),
        )


def write(folder: Path, count: int) -> tuple[float, float, float]:
    """Write a report; return seconds, megabytes on disk and megabytes of memory."""
    summary = ReportSummary(
        title="A run",
        api="Luma Agents",
        unit="credits",
        rows=count,
        spent=6.0 * count,
        runs=[(BEGAN, BEGAN + count + 20)],
    )
    before = time.perf_counter()
    write_report(folder / "report.html", summary, rows(count), folder=folder)
    seconds = time.perf_counter() - before
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return seconds, (folder / "report.html").stat().st_size / 1e6, most


def bare(folder: Path, count: int) -> float:
    """Make the thumbnails alone; return seconds a picture."""
    before = time.perf_counter()
    for n in range(count):
        with Image.open(folder / f"{n % PICTURES}.png") as picture:
            picture.thumbnail((400, 400))
            picture.save(BytesIO(), "WEBP", quality=75, method=2)
    return (time.perf_counter() - before) / count


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[200, 2000, 20000])
    parser.add_argument("--bare", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw(folder)
        alone = bare(folder, options.bare)
        print(f"bare Pillow: {1000 * alone:.1f} ms a thumbnail\n")
        print("| rows | seconds | beside bare Pillow | page, MB | memory, MB |\n|---|---|---|---|---|")
        for count in options.rows:
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
                seconds, size, most = process.submit(write, folder, count).result()
            ratio = seconds / (alone * min(count, MAX_INLINE_ROWS))
            print(f"| {count:,} | {seconds:.1f} | {ratio:.2f} | {size:.1f} | {most:.0f} |", flush=True)


if __name__ == "__main__":
    main()
