"""Nothing that was paid for is lost, whatever is cut, killed or expires, and no file is ever half a file.

Real sockets, real processes, real kills: at every step of submit, poll and download. Each job that was charged is found
again by its id, is charged once, and becomes a file that is the host's, byte for byte.
"""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest
from support.examples import runs
from support.faulty import CREATE, simulated
from support.worker import SPEED

import generor_async
from generor_async import AsyncLuma, MediaRef, OutcomeUnknownError, UnprocessableEntityError
from generor_async.simulator import Simulator

LOOK, FETCH, PUT = "luma.generations.get", "storage.get", "storage.put"
CUTS = ["reset", "close", "truncate", "truncate:keep=0.9", "broken_chunk", "broken_chunk:how=header"]
PROMPT = "a heron"


def patient(simulator: Simulator) -> AsyncLuma:
    """Make a client that no pause of this machine can hurry: its time is a thousand times as fast."""
    return AsyncLuma(**simulator.luma_options, timeout=math.inf, attempt_timeout=math.inf)


def charged_once(simulator: Simulator) -> str:
    """Return the id of the one job that was paid for."""
    assert len(simulator.ledger.charges) == 1
    assert not simulator.ledger.duplicates()
    (job,) = simulator.luma.generations
    return job


def seen(folder: Path) -> list[str]:
    """Name what a user sees in a folder."""
    return [path.name for path in folder.iterdir() if not path.name.startswith(".")]


def left(folder: Path) -> list[Path]:
    """Name what is left of unfinished downloads."""
    return [path for path in folder.iterdir() if path.name.startswith(".")]


async def the_hosts(luma: AsyncLuma, job: str) -> bytes:
    """Fetch a job's output by other means than ours."""
    (output,) = (await luma.generations.get(job)).output
    async with aiohttp.ClientSession() as session, session.get(output.url) as response:
        return await response.read()


async def found_again(simulator: Simulator, folder: Path, job: str) -> None:
    """Take a job up by its id, in a client that knows nothing else, and hold its file against the host's."""
    simulator.faults.clear()
    async with patient(simulator) as luma:
        taken_up = luma.generations.job(job)
        await taken_up
        paths = await taken_up.download(folder, overwrite=True)
        assert seen(folder) == [path.name for path in paths] == [f"{job}-0.png"]
        assert left(folder) == []
        assert paths[0].read_bytes() == await the_hosts(luma, job)


# The connection is cut.


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("when", ["before_charge", "after_charge"])
async def test_a_submission_that_is_cut_off_is_told_never_repeated_and_found_again(
    tmp_path: Path, cut: str, when: str
) -> None:
    async with simulated(f"{CREATE}={cut}:{when}") as simulator, patient(simulator) as luma:
        with pytest.raises(OutcomeUnknownError) as raised:
            await luma.generations.run(prompt=PROMPT)
        assert len(simulator.ledger.requests) == 1
        if when == "before_charge":
            assert not simulator.ledger.charges
            return
        job = charged_once(simulator)
        assert raised.value.request_id == simulator.ledger.charges[0].request_id, "for the vendor to find it by"
        if cut == "truncate:keep=0.9":
            assert raised.value.ids == (job,), "the answer came as far as the id"
            assert raised.value.job_id == job
            assert f"generations.job('{job}')" in str(raised.value)
        await found_again(simulator, tmp_path, job)
        charged_once(simulator)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("step", [LOOK, FETCH])
async def test_a_look_or_a_download_that_is_cut_off_twice_ends_well(tmp_path: Path, step: str, cut: str) -> None:
    async with simulated(f"{step}={cut}:2x:after_charge") as simulator, patient(simulator) as luma:
        done = await luma.generations.run(prompt=PROMPT)
        (path,) = await luma.download(done, tmp_path)
        assert path.read_bytes() == await the_hosts(luma, charged_once(simulator))
        assert left(tmp_path) == []
        assert sum(fault.struck for fault in simulator.faults) == 2


@pytest.mark.parametrize("cut", CUTS)
async def test_a_download_that_is_always_cut_off_leaves_no_file_and_is_found_again(tmp_path: Path, cut: str) -> None:
    async with simulated(f"{FETCH}={cut}:after_charge") as simulator, patient(simulator) as luma:
        done = await luma.generations.run(prompt=PROMPT)
        with pytest.raises(generor_async.DownloadError):
            await luma.with_options(max_retries=1).download(done, tmp_path)
        assert seen(tmp_path) == []
        await found_again(simulator, tmp_path, charged_once(simulator))


# The URL expires.


async def test_a_source_that_expires_before_the_submission_costs_nothing_and_is_renewed(tmp_path: Path) -> None:
    async with simulated() as simulator, patient(simulator) as luma:
        first = await luma.generations.run(prompt=PROMPT)
        simulator.advance(3_600)
        edit: dict[str, Any] = {"prompt": PROMPT, "type": "image_edit"}
        with pytest.raises(UnprocessableEntityError, match="HTTP 403"):
            await luma.generations.create(**edit, source=MediaRef.url(first.output[0].url))
        assert len(simulator.ledger.charges) == 1
        fresh = await luma.generations.get(first.id)
        await luma.generations.create(**edit, source=MediaRef.url(fresh.output[0].url))


async def test_an_upload_whose_url_expires_is_whole(tmp_path: Path) -> None:
    data = b"\x89PNG\r\n\x1a\n" + Random(7).randbytes(100_000)
    async with simulated(f"{PUT}=expired_url:1x") as simulator, patient(simulator) as luma:
        file = await luma.files.upload(data)
        assert simulator.storage.uploaded(f"uploads/{file.id}") == data
        assert [found.id async for found in luma.files.list()] == [file.id], "the other record is gone"


@pytest.mark.parametrize("cut", [cut for cut in CUTS if "truncate" not in cut and "chunk" not in cut])
@pytest.mark.parametrize("when", ["before_charge", "after_charge"])
async def test_an_upload_that_is_cut_off_is_whole(tmp_path: Path, cut: str, when: str) -> None:
    data = b"\x89PNG\r\n\x1a\n" + Random(7).randbytes(3_000_000)
    path = tmp_path / "heron.png"
    path.write_bytes(data)
    async with simulated(f"{PUT}={cut}:{when}:2x") as simulator, patient(simulator) as luma:
        file = await luma.files.upload(path)
        assert simulator.storage.uploaded(f"uploads/{file.id}") == data


async def test_a_url_that_expired_since_the_last_look_is_renewed_before_it_is_used(tmp_path: Path) -> None:
    async with simulated() as simulator, patient(simulator) as luma:
        done = await luma.generations.run(prompt=PROMPT)
        simulator.advance(3_400)
        (path,) = await luma.download(done, tmp_path)
        fetched = [entry.status for entry in simulator.ledger.requests if entry.operation == FETCH]
        assert fetched == [200], "nobody was asked with the old one"
        assert path.read_bytes() == await the_hosts(luma, charged_once(simulator))


@pytest.mark.parametrize("before", [[], [f"{FETCH}=truncate:1x:after_charge"]])
async def test_a_url_that_expires_at_or_during_a_download_is_renewed(tmp_path: Path, before: list[str]) -> None:
    async with simulated(*before, f"{FETCH}=expired_url:1x") as simulator, patient(simulator) as luma:
        done = await luma.generations.run(prompt=PROMPT)
        (path,) = await luma.download(done, tmp_path)
        assert all(fault.struck for fault in simulator.faults)
        assert path.read_bytes() == await the_hosts(luma, charged_once(simulator))
        assert left(tmp_path) == []


# The process is killed.


@contextmanager
def worker(simulator: Simulator, folder: Path, journal: Path, *job: str) -> Generator[subprocess.Popen[bytes]]:
    """Run a process that does the work; it is killed at the end, if not before."""
    paths = [str(Path(generor_async.__file__).parents[1]), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    command = [sys.executable, "-m", "support.worker", simulator.luma_url, simulator.luma_key]
    process = subprocess.Popen(
        [*command, str(folder), str(journal), *job], env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        process.wait()


def until(condition: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert process.poll() is None, "the worker has ended"
        assert time.monotonic() < deadline
        time.sleep(0.002)


def noted(journal: Path, key: str) -> list[str]:
    """Read what the worker has written down; a line that it was killed in does not count."""
    lines = journal.read_text().splitlines(keepends=True) if journal.exists() else []
    return [found[key] for line in lines if line.endswith("\n") and key in (found := json.loads(line))]


def downloads(journal: Path, count: int) -> bool:
    """Tell whether the worker has made so many."""
    return len(noted(journal, "downloaded")) >= count


KILLS = {
    "submit, before it arrives": (f"{CREATE}=stall:before_charge", CREATE),
    "submit, before the answer": (f"{CREATE}=stall:after_charge", CREATE),
    "poll": (f"{LOOK}=stall", LOOK),
    "download, before the answer": (f"{FETCH}=stall", FETCH),
    "download, before the first byte": (f"{FETCH}=stall:sent=headers:after_charge", FETCH),
    "download, in the middle": (f"{FETCH}=drip:pieces=5:pause=1000000:after_charge", FETCH),
}


@pytest.mark.parametrize("kill", KILLS)
async def test_a_process_that_is_killed_loses_no_job_and_leaves_no_half_file(tmp_path: Path, kill: str) -> None:
    spec, operation = KILLS[kill]
    folder, journal = tmp_path / "out", tmp_path / "journal"
    folder.mkdir()
    with Simulator(speed=SPEED) as simulator:
        simulator.faults.add_spec(spec)
        with worker(simulator, folder, journal) as process:
            until(lambda: any(entry.operation == operation for entry in simulator.ledger.requests), process)
            if "middle" in kill:
                until(lambda: any(path.stat().st_size for path in left(folder)), process)
        assert seen(folder) == []
        if kill == "submit, before it arrives":
            assert not simulator.ledger.charges
            return
        job = charged_once(simulator)
        if kill == "submit, before the answer":
            assert noted(journal, "job") == []
            assert noted(journal, "request") == [simulator.ledger.charges[0].request_id], "for the vendor to find it by"
        else:
            assert noted(journal, "job") == [job]
        began = len(simulator.ledger.requests)
        await found_again(simulator, folder, job)
        charged_once(simulator)
        fetched = [entry.status for entry in simulator.ledger.requests[began:] if entry.operation == FETCH]
        assert fetched[0] == (206 if "middle" in kill else 200), "what was here was gone on with"


def test_a_process_that_is_killed_at_any_moment_of_a_download_leaves_a_file_whole_or_absent(tmp_path: Path) -> None:
    folder, dice = tmp_path / "out", Random(7)
    folder.mkdir()
    with Simulator(speed=SPEED) as simulator:
        with worker(simulator, folder, tmp_path / "first") as process:
            process.wait(300)
        job = charged_once(simulator)
        (name,) = seen(folder)
        whole = (folder / name).read_bytes()
        for turn in range(runs(3)):
            journal = tmp_path / f"journal-{turn}"
            with worker(simulator, folder, journal, job) as process:
                until(partial(downloads, journal, 3), process)
                time.sleep(dice.random() / 50)
            assert seen(folder) == [name]
            assert (folder / name).read_bytes() == whole
            assert len(left(folder)) <= 1
            if turn % 2:
                (folder / name).unlink()
