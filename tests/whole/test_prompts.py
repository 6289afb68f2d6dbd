"""A file of prompts through each API by the command, killed on the way: every row, credit and picture is there.

`--prompts` names a .tsv file with the column `Prompt`, such as PartiPrompts.tsv, or is `generated`.
"""

import csv
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from attrs import frozen
from support.browser import browse

import generor_async
from generor_async.batch.journal import open_reader
from generor_async.batch.status import read_status
from generor_async.stores.records import CallRecord

SPEED = 20.0
KILLS = 5
GENERATED = 1_632
PATIENCE = 600.0
"""Real seconds after which a run hangs."""
DOLLARS_A_CREDIT = 0.003
COMMAND = [sys.executable, "-c", "from generor_async.cli import main; main()"]
PARAMETERS = {
    "luma": ["aspect_ratio=1:1"],
    "generor": ["slug=image", "model_id=10003"],
}
NAMES = {"luma": ("LUMA_BASE_URL", "LUMA_AGENTS_API_KEY"), "generor": ("GENEROR_BASE_URL", "GENEROR_API_KEY")}
LOADED = """Promise.all([...document.querySelectorAll('#rows img')].map(image => {
    image.loading = 'eager';  // a lazy one that isn't in sight is never loaded
    return image.decode().then(() => image.naturalWidth > 0);
}))"""


@frozen
class Running:
    """A simulator in a process of its own."""

    url: str
    epoch: float
    """Unix seconds when the machine's monotonic time was zero, at the simulator's speed."""


def ask(url: str, what: str) -> Any:
    """Ask a simulator how it stands."""
    with urlopen(f"{url}/__sim__/{what}") as answer:
        return json.load(answer)


def plain(prompt: str) -> str:
    """Leave out what readers of tables make different things of."""
    return prompt.replace('"', "").strip()


@contextmanager
def simulating(environment: dict[str, str]) -> Generator[Running, None, None]:
    """Begin `generor simulate`, and end it."""
    options = ["--port", "0", "--speed", str(SPEED), "--luma-rpm", "600", "--luma-jobs", "50"]
    account = ["--generor-credits", "1000000", "--luma-balance", "100000"]
    process = subprocess.Popen(
        [*COMMAND, "simulate", *options, *account], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        told = ""
        while "To see what has happened" not in told:
            line = process.stdout.readline()
            assert line, told
            told += line
        url = told.partition("export LUMA_BASE_URL=")[2].split()[0].removesuffix("/v1")
        yield Running(url, ask(url, "state")["time"] - time.monotonic() * SPEED)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def prompts(pytestconfig: pytest.Config, tmp_path: Path) -> Path:
    """The file of prompts."""
    named = str(pytestconfig.getoption("--prompts"))
    if named != "generated":
        return Path(named).absolute()
    path = tmp_path / "generated.tsv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["Prompt", "Category"])
        writer.writerows([f'heron {number}, "the {number}th"', "Animals"] for number in range(GENERATED))
    return path


@pytest.mark.parametrize("api", ["luma", "generor"])
async def test_killed_five_times_every_row_credit_and_picture_is_there(
    tmp_path: Path, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str], prompts: Path, api: str
) -> None:
    with prompts.open(newline="", encoding="utf-8") as file:
        wanted = {plain(line["Prompt"]) for line in csv.DictReader(file, delimiter="\t")}
    out = tmp_path / "out"
    places = [Path(generor_async.__file__).parents[1], Path(__file__).parents[1]]
    environment = {**os.environ, "PYTHONPATH": ":".join(map(str, places)), "PYTHONUNBUFFERED": "1"}
    with simulating(environment) as simulator:
        state = ask(simulator.url, "state")[api]
        environment |= zip(NAMES[api], (state["base_url"], state["api_key"]), strict=True)
        clock = [str(SPEED), str(simulator.epoch)]
        given = [argument for one in PARAMETERS[api] for argument in ("--param", one)]
        options = ["--out", str(out), "--api", api, "--prompt-column", "Prompt", "--yes", *given]
        command = [sys.executable, "-m", "support.fast_command", *clock, "batch", "run", str(prompts), *options]
        killed_at = [kill(command, environment, out, len(wanted) * (number + 1) // 6) for number in range(KILLS)]
        ended = finish(command, environment)
        ledger = ask(simulator.url, "ledger")
    assert ended.returncode in {0, 3}, ended.stderr
    rows = await rows_of(out)
    assert Counter(plain(str(row.parameters["prompt"])) for row in rows) == dict.fromkeys(wanted, 1)
    states = Counter(row.state for row in rows)
    assert states["done"] + states["unknown"] == len(rows)
    money = await check_money(out, api, rows, ledger)
    shown = await look_at_report(out, str(pytestconfig.getoption("--chromium")), tmp_path)
    assert shown == states["done"]
    assert ended.returncode == (0 if states["done"] == len(rows) else 3)
    with capsys.disabled():
        print(  # noqa: T201 - figures to read
            f"\n{api}: {len(rows):,} rows, killed with {killed_at} results: {dict(states)}; {money}; "
            f"{shown:,} pictures shown; {tmp_path}"
        )


def kill(command: list[str], environment: dict[str, str], out: Path, results: int) -> int:
    """Run until there are so many results, then kill; return how many there are."""
    said = out.with_suffix(".log")
    with said.open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    path, deadline = out / "results.jsonl", time.monotonic() + PATIENCE
    while not path.exists() or path.read_bytes().count(b"\n") < results:
        assert process.poll() is None, f"it ended before it was killed: {said.read_text()}"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    return path.read_bytes().count(b"\n")


def finish(command: list[str], environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run to the end."""
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE)


async def rows_of(out: Path) -> list[CallRecord]:
    """Read all rows."""
    reader = await open_reader(out)
    try:
        return [row async for row in reader.scan()]
    finally:
        await reader.close()


async def check_money(out: Path, api: str, rows: list[CallRecord], ledger: dict[str, Any]) -> str:
    """Hold what the batch says it spent against what the server charged, and tell of it."""
    unit = DOLLARS_A_CREDIT if api == "luma" else 1.0
    by_number = {entry["number"]: entry for entry in ledger["requests"]}
    charges = [by_number[number] for number in ledger["charges"]]
    charged = {by_number[entry["call"]]["request_id"]: entry["charged"] / unit for entry in charges}
    assert len(charged) == len(charges), "nothing is charged twice"
    by_call = {row.request_id: row for row in rows}  # a call is known by the request id of its first attempt
    assert charged.keys() <= by_call.keys(), "every charge belongs to a row"
    done = {row.request_id for row in rows if row.state == "done"}
    assert done <= charged.keys()
    status = await read_status(out)
    in_doubt = sum(cost for request, cost in charged.items() if request not in done)
    assert status.spent + in_doubt == pytest.approx(sum(charged.values()))
    assert status.doubtful >= in_doubt - 1e-6
    return (
        f"{len(charges):,} charges of {sum(charged.values()):,.2f} credits: {status.spent:,.2f} told as spent, "
        f"{in_doubt:,.2f} of {status.doubtful:,.2f} in doubt"
    )


async def look_at_report(out: Path, chromium: str, folder: Path) -> int:
    """Open the report in a browser, take its picture at two widths, and count the pictures that it shows."""
    async with browse(chromium, folder / "profile") as page:
        for width in (1280, 400):
            await page.resize(width, 900)
            await page.open(out / "report.html")
            loaded = await page.value(LOADED)
            assert all(loaded)
            (folder / f"report-{width}.png").write_bytes(await page.screenshot())
            await page.value("document.querySelector('#rows').scrollIntoView()")
            (folder / f"rows-{width}.png").write_bytes(await page.screenshot())
    return len(loaded)
