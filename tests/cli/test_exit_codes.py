"""Every way in which `generor batch run` ends: the `reason` in its JSON, its exit code, and one sentence on stderr."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import pytest
from attrs import frozen
from support.commands import Commands, Running, hastened
from support.commands import commands as have_commands
from support.programs import environment, until
from support.small_disk import full, run_on_small_disk
from support.terminal import Terminal

from generor_async import Generor
from generor_async.simulator import Simulator

API: TypeAlias = Literal["luma", "generor"]
BOTH: Final[tuple[API, ...]] = ("luma", "generor")
PAID: Final = {"luma": "luma.generations.create", "generor": "generor.generators.generate"}
ACCOUNT: Final[dict[str, Any]] = {"tier": "enterprise", "exact_cost": True, "luma_rpm": 1_000, "luma_jobs": 50}
FEW_JOBS: Final[dict[str, Any]] = {**ACCOUNT, "luma_jobs": 5}
SLOW: Final = 30.0
"""A simulator that is no faster is for seconds that are counted: the command's are the machine's, too."""
PATIENCE: Final = 300.0
"""Seconds after which what is waited for does not come any more."""


def rows_of(api: API, count: int, **more: Any) -> list[dict[str, Any]]:
    common = {} if api == "luma" else {"slug": "joke", "model_id": 37}
    return [{"id": f"row-{number}", "prompt": f"heron {number}", **common, **more} for number in range(count)]


@frozen
class Stage:
    """A batch command in a process, with an API that outlives it."""

    commands: Commands
    simulator: Simulator
    folder: Path
    api: API

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def environment(self, key: str | None = None) -> dict[str, str]:
        simulator = self.simulator
        return {
            **os.environ,
            **(hastened() if simulator.clock.speed > SLOW else {}),
            "GENEROR_BASE_URL": simulator.generor_url,
            "GENEROR_API_KEY": key or simulator.generor_key,
            "LUMA_BASE_URL": simulator.luma_url,
            "LUMA_AGENTS_API_KEY": key or simulator.luma_key,
        }

    def arguments(self, rows: list[dict[str, Any]], *options: str) -> list[str]:
        path, text = self.folder / "rows.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
        return ["batch", "run", str(path), "--out", str(self.out), "--api", self.api, "--yes", *options]

    def run(
        self, rows: list[dict[str, Any]], *options: str, key: str | None = None
    ) -> "subprocess.CompletedProcess[str]":
        return self.commands.run(*self.arguments(rows, *options), env=self.environment(key) | hastened())

    @contextmanager
    def running(self, rows: list[dict[str, Any]], *options: str, key: str | None = None) -> Generator[Running]:
        yield self.commands.begin(*self.arguments(rows, *options), env=self.environment(key))

    @property
    def charges(self) -> int:
        return len(self.simulator.ledger.charges)

    @property
    def done(self) -> int:
        """Rows whose outputs are stored."""
        results = self.out / "results.jsonl"
        return len(results.read_text().splitlines()) if results.exists() else 0

    def fault(self, spec: str) -> None:
        self.simulator.faults.add_spec(f"{PAID[self.api]}={spec}")


@pytest.fixture
def stage(request: pytest.FixtureRequest, commands: Commands, tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    started: list[Simulator] = []

    def begin(api: API, **options: Any) -> Stage:
        chosen: dict[str, Any] = {"speed": 60, **ACCOUNT, **options}
        simulator = Simulator(**chosen)
        simulator.__enter__()
        started.append(simulator)
        return Stage(commands, simulator, tmp_path, api)

    yield begin
    for simulator in started:
        simulator.__exit__(None, None, None)


def begun_fast(at: Stage, rows: list[dict[str, Any]]) -> "subprocess.Popen[str]":
    """Start it with a clock as fast as the simulator's."""
    speed = at.simulator.clock.speed
    epoch = at.simulator.clock.time() - time.monotonic() * speed
    return subprocess.Popen(
        [sys.executable, "-m", "support.fast_command", str(speed), str(epoch), *at.arguments(rows)],
        env=environment(at.simulator),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def completed(process: "subprocess.Popen[str]") -> "subprocess.CompletedProcess[str]":
    """Wait for the end of a process."""
    out, err = process.communicate(timeout=PATIENCE)
    return subprocess.CompletedProcess((), process.returncode, out, err)


def fast(at: Stage, rows: list[dict[str, Any]]) -> "subprocess.CompletedProcess[str]":
    """Run it with a clock as fast as the simulator's."""
    return completed(begun_fast(at, rows))


def finished(running: Running) -> "subprocess.CompletedProcess[str]":
    """Wait for the end of a run."""
    code, out, err = running.end()
    return subprocess.CompletedProcess((), code, out, err)


def check(ended: "subprocess.CompletedProcess[str]", reason: str, code: int, said: str = "") -> dict[str, Any]:
    """Check how a run ended; return the rows by state."""
    told = json.loads(ended.stdout)
    assert (told["reason"], ended.returncode) == (reason, code), ended.stderr
    assert said in ended.stderr
    lines = [line for line in ended.stderr.splitlines() if line.startswith("generor: ")]
    assert len(lines) == bool(code), ended.stderr
    rows: dict[str, Any] = told["rows"]
    return rows


# --- to its end -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", BOTH)
def test_the_reason_is_done_when_all_rows_are_done(stage: Callable[..., Stage], api: API) -> None:
    at = stage(api)
    assert check(at.run(rows_of(api, 3)), "done", 0) == {"done": 3}
    assert check(at.run(rows_of(api, 3)), "done", 0) == {"done": 3}
    assert at.charges == 3


@pytest.mark.parametrize("api", BOTH)
def test_the_reason_is_failed_when_rows_failed_or_were_set_aside(stage: Callable[..., Stage], api: API) -> None:
    at = stage(api)
    rows = [*rows_of(api, 2), {**rows_of(api, 3)[2], "prompt": "[[moderate]] no"}]
    ended = at.run(rows)
    assert check(ended, "failed", 3, "1 failed (`generor batch retry") == {"done": 2, "failed": 1}
    assert json.loads(at.commands.run("batch", "status", str(at.out)).stdout)["reason"] == "failed"
    ended = at.run([*rows_of(api, 2), {"promt": "a heron"}])
    assert check(ended, "failed", 3, "1 set aside (correct those lines")["done"] == 2


def test_the_reason_is_failed_when_few_rows_are_unknown(stage: Callable[..., Stage]) -> None:
    at = stage("luma")
    at.fault("504:after_charge:2x:shape=gateway")
    assert check(at.run(rows_of("luma", 6)), "failed", 3, "2 unknown (") == {"done": 4, "unknown": 2}


# --- money ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", BOTH)
def test_the_reason_is_cap_when_the_cap_is_reached(stage: Callable[..., Stage], api: API) -> None:
    at = stage(api)
    cap = {"luma": "60", "generor": "5"}[api]
    rows = check(at.run(rows_of(api, 12), "--max-credits", cap), "cap", 4, "a higher --max-credits")
    assert rows["ready"] > 0
    assert rows["done"] == at.charges > 0


@pytest.mark.parametrize("api", BOTH)
def test_the_reason_is_credits_when_the_account_is_empty_also_at_the_start(
    stage: Callable[..., Stage], api: API
) -> None:
    at = stage(api, luma_balance=0.1, generor_credits=5)
    rows = check(at.run(rows_of(api, 12)), "credits", 4, "Add credits")
    assert rows["done"] == at.charges > 0
    assert check(at.run(rows_of(api, 12)), "credits", 4, "Add credits") == rows


# --- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", BOTH)
def test_a_key_that_is_refused_at_the_start_exits_with_2(stage: Callable[..., Stage], api: API) -> None:
    at = stage(api)
    for _ in range(2):
        ended = at.run(rows_of(api, 8), key={"luma": "luma-api-nobody", "generor": "gnr_live_nobody"}[api])
        assert check(ended, "key", 2, "401") in ({}, {"ready": 8})
    assert not at.charges
    assert check(at.run(rows_of(api, 8)), "done", 0) == {"done": 8}


@pytest.mark.parametrize("api", BOTH)
def test_the_reason_is_key_when_it_is_refused_during_the_run(stage: Callable[..., Stage], api: API) -> None:
    at = stage(api)
    with Generor(**at.simulator.generor_options) as owner:
        made = owner.api_keys.create(name="batch", scopes=["read", "generate"])
        key = made.api_key.reveal() if api == "generor" else at.simulator.luma_key
        with at.running(rows_of(api, 200), key=key) as running:
            until(lambda: at.done > 2)
            if api == "generor":
                owner.api_keys.revoke(made.key_id)
            else:
                at.simulator.luma.client.standing = "suspended"
            rows = check(finished(running), "key", 5, "Mend the key or its account")
    at.simulator.luma.client.standing = "active"
    assert rows["ready"] > 0
    assert "failed" not in rows
    assert at.charges == sum(count for state, count in rows.items() if state != "ready")


@pytest.mark.parametrize(
    ("api", "fault"),
    [
        ("luma", "504:after_charge:shape=gateway"),
        ("luma", "reset:after_charge"),
        ("generor", "500:after_charge"),
        ("generor", "close:after_charge"),
    ],
)
def test_a_few_unknown_outcomes_stop_the_run(stage: Callable[..., Stage], api: API, fault: str) -> None:
    at = stage(api)
    at.fault(fault)
    rows = check(at.run(rows_of(api, 200)), "unknown", 5, "the outcome of 5 calls in a row is unknown")
    assert 5 <= at.charges <= 10
    assert rows == {"ready": 200 - at.charges, "unknown": at.charges}


def test_failing_downloads_stop_the_run_and_cost_nothing_later(stage: Callable[..., Stage]) -> None:
    at = stage("luma", luma_jobs=5)
    at.simulator.faults.add_spec("storage.get=expired_url")
    rows = check(fast(at, rows_of("luma", 60)), "downloads", 5, "the host refused the URL (403)")
    assert rows["ready"] > 0
    paid = at.charges
    at.simulator.faults.clear()
    assert check(at.run(rows_of("luma", 60)), "done", 0) == {"done": 60}
    assert at.charges == 60 > paid


def test_a_folder_in_use_exits_with_2(stage: Callable[..., Stage]) -> None:
    at = stage("luma", luma_jobs=5)
    with at.running(rows_of("luma", 200)) as running:
        until(lambda: at.done > 0)
        assert check(at.run(rows_of("luma", 200)), "folder", 2, "is in use by process")["done"] > 0
        running.interrupt()
        check(finished(running), "interrupted", 130)


@pytest.mark.parametrize("how", ["moved", "deleted"])
def test_the_reason_is_folder_when_it_disappears_during_the_run(stage: Callable[..., Stage], how: str) -> None:
    at = stage("luma", luma_jobs=5)
    with at.running(rows_of("luma", 40)) as running:
        until(lambda: at.done > 2)
        elsewhere = at.out.rename(at.folder / "elsewhere")
        if how == "deleted":
            shutil.rmtree(elsewhere)
        rows = check(finished(running), "folder", 5, "again")
    assert sum(rows.values()) == 40
    assert rows["ready"] >= 40 - at.charges > 0
    if how == "moved":
        elsewhere.rename(at.out)
        assert check(at.run(rows_of("luma", 40)), "done", 0) == {"done": 40}
        assert at.charges == 40


def fills_up(disk: Path) -> None:
    """Fill the folder's disk during a batch, and before another one."""
    # So slow that a busy machine gives up no answer, whose row would be unknown.
    with Simulator(speed=30, **FEW_JOBS) as simulator, have_commands() as commands:
        at = Stage(commands, simulator, disk, "luma")
        process = begun_fast(at, rows_of("luma", 60))
        until(lambda: at.done > 2)
        with full(disk):
            assert check(completed(process), "disk", 5, "again")["ready"] > 0
        with full(disk, spare=16):
            assert check(at.run(rows_of("luma", 60)), "disk", 2, "Free some space")["ready"] > 0
        check(at.run(rows_of("luma", 60)), "done", 0)
        assert at.charges == 60


def test_the_reason_is_disk_when_it_is_full() -> None:
    run_on_small_disk(fills_up, kilobytes=20_000)


# --- signals ----------------------------------------------------------------------------------------------------------

SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("api", BOTH)
def test_a_signal_leaves_no_charged_row_unknown(stage: Callable[..., Stage], api: API, number: int) -> None:
    """Each answer comes two seconds after the charge: the signal meets calls that are charged and not answered."""
    at = stage(api, speed=20)
    at.fault("drip:after_charge:pieces=2:pause=40")
    with at.running(rows_of(api, 24)) as running:
        until(lambda: at.charges >= 2)
        assert not at.done
        running.send(number)
        rows = check(finished(running), "interrupted", 128 + number, "nothing is lost: run the same command again")
    assert "unknown" not in rows
    assert rows.pop("ready") == 24 - at.charges
    assert sum(rows.values()) == at.charges <= 4
    assert (rows == {"done": at.charges}) == (number == signal.SIGINT)
    at.simulator.faults.clear()
    assert check(at.run(rows_of(api, 24)), "done", 0) == {"done": 24}
    assert at.charges == 24


def test_a_call_that_takes_longer_than_the_drain_is_unknown_and_found_by_the_next_run(
    stage: Callable[..., Stage],
) -> None:
    at = stage("generor")
    assert check(at.run(rows_of("generor", 4)), "done", 0) == {"done": 4}
    at.fault("stall:after_charge")
    with at.running(rows_of("generor", 7), "--drain", "0.2") as running:
        until(lambda: at.charges == 7)
        running.send(signal.SIGTERM)
        rows = check(finished(running), "interrupted", 143)
    assert rows == {"done": 4, "unknown": 3}
    at.simulator.faults.clear()
    assert check(fast(at, rows_of("generor", 7)), "done", 0) == {"done": 7}
    assert at.charges == 7


def test_a_closed_terminal_ends_the_run_in_order(stage: Callable[..., Stage]) -> None:
    at = stage("luma", speed=20)
    at.fault("drip:after_charge:pieces=2:pause=40")
    with Terminal(at.commands, *at.arguments(rows_of("luma", 24)), environment=at.environment()) as terminal:
        terminal.until("running")
        until(lambda: at.charges >= 2)
    assert terminal.left() == 129
    status = json.loads(at.commands.run("batch", "status", str(at.out)).stdout)
    assert (status["reason"], status["rows"].get("unknown")) == ("interrupted", None)
    assert status["rows"]["ready"] == 24 - at.charges


def test_an_ignored_hangup_stays_ignored(stage: Callable[..., Stage]) -> None:
    at = stage("luma")
    at.fault("drip:after_charge:pieces=2:pause=60")
    command = [sys.executable, "-c", "from generor_async.cli import main; main()", *at.arguments(rows_of("luma", 3))]
    process = subprocess.Popen(
        ["sh", "-c", f"trap '' HUP; exec {shlex.join(command)}"],
        env=at.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: at.charges >= 1)
    process.send_signal(signal.SIGHUP)
    assert check(completed(process), "done", 0) == {"done": 3}


@pytest.mark.parametrize("order", [(signal.SIGTERM, signal.SIGHUP), (signal.SIGHUP, signal.SIGTERM)])
def test_several_signals_stop_the_run_once(stage: Callable[..., Stage], order: tuple[signal.Signals, ...]) -> None:
    """As systemd does, which sends SIGHUP right after SIGTERM: the drain continues, and the exit code is SIGTERM's."""
    at = stage("luma", speed=20)
    at.fault("drip:after_charge:pieces=2:pause=40")
    with at.running(rows_of("luma", 24)) as running:
        until(lambda: at.charges >= 2)
        for number in order:
            running.send(number)
        assert "unknown" not in check(finished(running), "interrupted", 143)


def test_ctrl_c_ends_a_drain(stage: Callable[..., Stage]) -> None:
    at = stage("luma")
    at.fault("stall:after_charge")
    with at.running(rows_of("luma", 24), "--drain", "600") as running:
        until(lambda: at.charges >= 1)
        for _ in range(2):
            running.send(signal.SIGTERM)
        while "waiting up to 600 s for answers" not in running.stderr.readline():
            pass
        running.interrupt()
        rows = check(finished(running), "interrupted", 143)
        assert rows == {"ready": 24 - at.charges, "unknown": at.charges}


@pytest.mark.parametrize("api", BOTH)
def test_docker_stop_leaves_no_charged_row_unknown(stage: Callable[..., Stage], api: API) -> None:
    """SIGTERM, ten seconds, SIGKILL; each answer comes five real seconds after the charge, the drain is the default."""
    at = stage(api, speed=1.0)
    at.fault("drip:after_charge:pieces=2:pause=5")
    with at.running(rows_of(api, 24)) as running:
        until(lambda: at.charges >= 4)
        running.send(signal.SIGTERM)
        killing = threading.Timer(10.0, running.send, (signal.SIGKILL,))
        killing.start()
        code, _, err = running.end()
        killing.cancel()
    assert code in {143, -signal.SIGKILL}, err
    status = json.loads(at.commands.run("batch", "status", str(at.out)).stdout)
    assert "unknown" not in status["rows"]
    assert status["rows"]["ready"] == 24 - at.charges == 20


def test_two_ctrl_c_stop_at_once_and_report_unknown_rows(stage: Callable[..., Stage]) -> None:
    at = stage("luma")
    at.fault("stall:after_charge")
    with at.running(rows_of("luma", 24)) as running:
        until(lambda: at.charges >= 1)
        running.interrupt()
        while "Ctrl-C again stops at once" not in running.stderr.readline():
            pass
        running.interrupt()
        rows = check(finished(running), "interrupted", 130)
        assert rows == {"ready": 24 - at.charges, "unknown": at.charges}


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_before_the_first_row_starts_nothing(stage: Callable[..., Stage], number: int) -> None:
    at = stage("generor")
    at.simulator.faults.add_spec("generor.api_keys.list=stall")
    with at.running(rows_of("generor", 5)) as running:
        until(lambda: any(entry.operation == "generor.api_keys.list" for entry in at.simulator.ledger.requests))
        running.send(number)
        assert check(finished(running), "interrupted", 128 + number) == {}
    assert not at.charges


@pytest.mark.parametrize("number", SIGNALS)
def test_a_drain_does_not_wait_for_retries(stage: Callable[..., Stage], number: int) -> None:
    at = stage("luma")
    at.fault("429:before_charge:retry_after=3600")
    with at.running(rows_of("luma", 5)) as running:
        until(lambda: any(entry.operation == PAID["luma"] for entry in at.simulator.ledger.requests))
        time.sleep(0.2)
        running.send(number)
        assert check(finished(running), "interrupted", 128 + number) == {"ready": 5}
    assert not at.charges
