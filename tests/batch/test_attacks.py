"""Signals at random moments to the command while the API fails: nothing is charged twice, nothing is lost.

A row is unknown only if its answer was lost: on the way, or because its process was killed.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, Final, get_args

import pytest
from support.attacks import Signal
from support.books import check, made
from support.workers import run_beside

from generor_async.simulator import Simulator
from generor_async.simulator.ledger import Entry
from generor_async.stores.records import CallRecord

SPEEDS: Final = {"luma": 10.0, "generor": 200.0}
"""Slow enough for a busy machine to answer in time; the last unknown call of Generor's is given up after 900 s."""
DRAINS: Final = {"luma": 8.0, "generor": 8.0 / SPEEDS["generor"]}
"""Real seconds: Luma's answers arrive in real time, and Generor's calls take longer than the drain."""
ROWS: Final = 40
FAULTS: Final[Mapping[str, tuple[str, ...]]] = {
    "resets": ("PAID=reset:after_charge:0.06", "PAID=reset:before_charge:0.06"),
    "500s": ("PAID=500:after_charge:0.06", "PAID=500:before_charge:0.06"),
    "429s": ("PAID=429:0.1:retry_after=60",),
    "403s": ("PAID=403:0.04", "storage.*=expired_url:0.1"),
    "lag": ("PAID=reset:after_charge:0.06",),
}
"""Faults of each API's paid operation, and of downloads."""
LAG: Final = 250.0
"""Seconds after which creations are listed, if that is late."""
PAID: Final = {"luma": "luma.generations.create", "generor": "generor.generators.generate"}
ACCOUNT: Final[dict[str, Any]] = {
    "tier": "pro",
    "generor_credits": 1_000_000,
    "exact_cost": True,
    "luma_rpm": 600,
    "luma_jobs": 20,
    "luma_balance": 100_000.0,
}
CELLS: Final = tuple(product(get_args(Signal), PAID, FAULTS))
FEW: Final = (
    ("KILL", "luma", "resets"),
    ("TERM", "luma", "429s"),
    ("HUP", "generor", "lag"),
    ("INT", "luma", "403s"),
    ("STOP", "generor", "500s"),
)
"""The cells that every test run includes."""
LATE: Final = 3.0
"""Real seconds in which an answer arrives, is read and recorded, on the busiest machine."""
WRITTEN: Final = 1.0
"""Real seconds in which a refusal is recorded."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    attacks = int(str(metafunc.config.getoption("--attacks")))
    metafunc.parametrize("signal,api,faults", CELLS if attacks else FEW)
    metafunc.parametrize("times", [attacks or 1])


def test_attacked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], signal: Signal, api: str, faults: str, times: int
) -> None:
    with Simulator(speed=SPEEDS[api], listing_lag=LAG if faults == "lag" else 0.0, **ACCOUNT) as simulator:
        for spec in FAULTS[faults]:
            simulator.faults.add_spec(spec.replace("PAID", PAID[api]))
        came = attacked(simulator, tmp_path, api=api, signal=signal, times=times)
        assert not simulator.ledger.duplicates()
        everything, requests = made(simulator), simulator.ledger.requests
    rows = [row for name in came["batches"] for row in check(tmp_path / name, ROWS, everything)]
    calls = dict(calls_of(requests, api))
    killed = [at for at, code in zip(came["struck"], came["exits"], strict=False) if code < 0]
    unknown = [row for row in rows if row.state == "unknown"]
    lost = [how_lost(row, calls, killed, speed=SPEEDS[api]) for row in unknown]
    answered = [row for row, how in zip(unknown, lost, strict=True) if not how]
    assert not answered, (answered, came, [calls.get(str(row.request_id)) for row in answered])
    states, exits, why = Counter(row.state for row in rows), Counter[int](came["exits"]), Counter(lost)
    with capsys.disabled():
        print(  # noqa: T201 - figures to read
            f"\n{signal} {api} {faults}: {len(came['struck'])} signals, {len(rows)} rows,"
            f" {sum(entry.charged > 0 for entry in requests)} charges: 0 duplicates, 0 lost;"
            f" {', '.join(f'{count} {state}' for state, count in sorted(states.items()))};"
            f" lost by {dict(why)}; exits {dict(exits)}"
        )


def attacked(simulator: Simulator, folder: Path, *, api: str, signal: Signal, times: int) -> dict[str, Any]:
    """Run batches that are attacked, in processes of their own; return the outcome."""
    order: dict[str, Any] = {"rows": ROWS, "signal": signal, "times": times, "drain": DRAINS[api]}
    outcome: dict[str, Any] = run_beside("support.attacks", simulator, folder, api=api, speed=SPEEDS[api], **order)
    return outcome


def calls_of(requests: tuple[Entry, ...], api: str) -> Iterator[tuple[str, list[Entry]]]:
    """Yield the ids of paid requests, each with all requests of its call."""
    paid = [entry for entry in requests if entry.operation == PAID[api]]
    for entry in paid:
        yield entry.request_id, [other for other in paid if other.call == entry.call]


def how_lost(row: CallRecord, calls: Mapping[str, list[Entry]], killed: list[float], *, speed: float) -> str:
    """Return how the answer to a row's call was lost, on the way or with its process; empty if it was not.

    The server's ledger tells. A refusal that arrived is no lost answer, unless it arrived at the very end; one that a
    fault has replaced never did.
    """
    assert row.request_id is not None
    assert row.submitted_at is not None
    tried = calls.get(row.request_id)
    last = None if tried is None else tried[-1]
    replaced = last is not None and last.when is not None and not last.answered
    refused = last is not None and last.status is not None and 400 <= last.status < 500 and not replaced
    if last is not None and last.when is not None and not refused:
        return str(last.fault)
    # It may have been killed between the intent and the call, or before the server came to read that.
    ends = (row.submitted_at if last is None else last.at) + (WRITTEN if refused else LATE) * speed
    return "killed" if any(row.submitted_at <= at <= ends for at in killed) else ""
