"""Batches in blocking code."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.clock import patient
from support.programs import begin, finished

from generor_async import ClientClosedError, Generor, InvalidRequestError, Luma
from generor_async.batch.status import read_status
from generor_async.simulator import Simulator
from generor_async.sync import run_batch

PROGRAM = """
    from generor_async import Luma
    from generor_async.sync import run_batch
    from support.clock import FastClock

    rows = [{{"prompt": f"heron {{number}}", "id": str(number)}} for number in range({rows})]
    with Luma(clock=FastClock({speed}, {epoch})) as luma:
        outcomes = run_batch(luma, rows, to={folder!r}, concurrency={concurrency})
        for number, outcome in enumerate(outcomes):
            if not number:  # what interrupts it later finds it waiting for the next
                print(outcome.id, outcome.state, flush=True)
"""


def pictures(count: int) -> list[dict[str, Any]]:
    return [{"prompt": f"heron {number}", "id": str(number)} for number in range(count)]


def test_rows_become_files(simulator: Simulator, tmp_path: Path) -> None:
    with Luma(**patient(simulator.luma_options)) as luma:
        batch = run_batch(luma, pictures(5), to=tmp_path)
        assert batch.estimate().rows == 5
        outcomes = list(batch)
        assert batch.progress is not None
        assert batch.progress.done == 5
        assert batch.status().counts["done"] == 5
        assert batch.report() == tmp_path / "report.html"
    assert sorted(outcome.id for outcome in outcomes) == list("01234")
    assert all(path.stat().st_size for outcome in outcomes for path in outcome.files)
    assert len(simulator.ledger.charges) == 5


def test_rows_are_read_in_a_thread_that_may_block(simulator: Simulator, tmp_path: Path) -> None:
    with Generor(**patient(simulator.generor_options)) as generor:

        def rows() -> Iterator[dict[str, Any]]:
            for number in range(3):
                generor.credits.balance()
                yield {"slug": "joke", "model_id": 37, "prompt": f"heron {number}"}

        assert [outcome.state for outcome in run_batch(generor, rows(), to=tmp_path)] == ["done"] * 3


def test_leaving_the_loop_waits_for_paid_rows_and_a_later_run_continues(simulator: Simulator, tmp_path: Path) -> None:
    with Luma(**patient(simulator.luma_options)) as luma:
        for outcome in run_batch(luma, pictures(12), to=tmp_path, concurrency=4):
            assert outcome.state == "done"
            break
        batch = run_batch(luma, pictures(12), to=tmp_path)
        counts = batch.status().counts
        assert counts["done"] == len(simulator.ledger.charges) < 12
        assert counts["done"] + counts["ready"] == 12
        assert len(list(batch)) == counts["ready"]
    assert len(simulator.ledger.charges) == 12


def test_closing_the_client_waits_for_paid_rows(simulator: Simulator, tmp_path: Path) -> None:
    with Luma(**patient(simulator.luma_options)) as luma:
        walk = iter(run_batch(luma, pictures(12), to=tmp_path, concurrency=4))
        assert next(walk).state == "done"
    with pytest.raises(ClientClosedError, match="was closed in the middle"):
        next(walk)
    with Luma(**patient(simulator.luma_options)) as luma:
        batch = run_batch(luma, pictures(12), to=tmp_path)
        counts = batch.status().counts
        assert counts["done"] == len(simulator.ledger.charges) < 12
        assert counts["done"] + counts["ready"] == 12


def test_another_thread_may_stop_it(simulator: Simulator, tmp_path: Path) -> None:
    with Luma(**patient(simulator.luma_options)) as luma:
        batch = run_batch(luma, pictures(12), to=tmp_path, concurrency=4)
        stopping = threading.Thread(target=batch.stop)
        ended = 0
        for outcome in batch:
            ended += outcome.state == "done"
            if ended == 1:
                stopping.start()
                stopping.join()
        assert ended == len(simulator.ledger.charges) < 12


def test_errors_are_raised_by_the_call_that_causes_them(simulator: Simulator, tmp_path: Path) -> None:
    with Luma(**patient(simulator.luma_options)) as luma, pytest.raises(InvalidRequestError, match="max_credits"):
        run_batch(luma, pictures(1), to=tmp_path, max_credits=-1)
    rows = tmp_path / "none.jsonl"
    rows.write_text("")
    with Luma(**patient(simulator.luma_options)) as luma, pytest.raises(InvalidRequestError, match="no rows"):
        list(run_batch(luma, rows, to=tmp_path / "out"))


@pytest.mark.simulator(speed=40)
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_loses_nothing(simulator: Simulator, tmp_path: Path, times: int) -> None:
    speed, rows, folder = simulator.clock.speed, 24, tmp_path / "out"
    plan = {"rows": rows, "folder": str(folder), "speed": speed}
    plan["epoch"] = simulator.clock.time() - time.monotonic() * speed
    process = begin(simulator, PROGRAM.format(concurrency=4, **plan), "-Wd")
    assert process.stdout is not None
    process.stdout.readline()
    threading.Event().wait(0.2)  # until it waits for the next
    for _ in range(times):
        process.send_signal(2)
        threading.Event().wait(0.3)
    _, _, err = finished(process)
    assert 1 <= err.count("KeyboardInterrupt") <= times, err  # the second one may come when all has ended
    # Where the signal came before the wait, or after an item, nothing was cancelled, and nothing is noted of it.
    assert "run it again" in err or "the call had finished" in err or "in _admit" in err, err
    assert "ResourceWarning" not in err
    assert "asynchronous generator" not in err
    assert len(simulator.ledger.charges) < rows
    code, _, err = finished(begin(simulator, PROGRAM.format(concurrency=10, **plan), "-Wd"))
    assert code == 0, err
    assert len(simulator.ledger.charges) == rows
    assert not simulator.ledger.duplicates()
    counts = asyncio.run(read_status(folder)).counts
    assert counts["done"] + counts["unknown"] == rows
    assert counts["unknown"] == 0 or times == 2  # stopped at once, while a call was under way
    assert len((folder / "results.jsonl").read_text().splitlines()) == counts["done"]
