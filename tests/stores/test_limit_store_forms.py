"""Every form of store does what the protocol says: one suite, over models in memory, SQLite, and servers."""

import os
import subprocess
import sys
import tempfile
import textwrap
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import define
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from support.clock import FakeClock, SetClock
from support.examples import runs
from support.forked_programs import ended, fork
from support.limit_stores import Place, StoreForm

from generor_async.stores.limit_store import LimitStore

SCOPES: Final = ["a", "b"]


@define
class Lost(Exception):  # noqa: N818 - a decision that fails
    """Raised by a decision."""

    what: str


def kept(store: LimitStore, scope: str = "a") -> str | None:
    return store.update(scope, lambda text, _: (None, text))


def increment(store: LimitStore, scope: str = "a") -> int:
    def decide(text: str | None, _: float) -> tuple[str, int]:
        number = int(text or "0") + 1
        return str(number), number

    return store.update(scope, decide)


def test_the_text_is_read_decided_upon_and_written_in_one_step(place: Place) -> None:
    one, other = place.open(FakeClock()), place.open(FakeClock())
    assert [increment(store) for store in (one, other, one)] == [1, 2, 3]
    assert kept(other) == "3"
    assert kept(other, "b") is None


def test_a_decision_that_fails_writes_nothing_and_locks_nobody_out(place: Place) -> None:
    one, other = place.open(FakeClock()), place.open(FakeClock())
    increment(one)

    def fail(text: str | None, _: float) -> tuple[str | None, None]:
        raise Lost(str(text))

    with pytest.raises(Lost, match="1"):
        one.update("a", fail)
    assert [increment(store) for store in (other, one)] == [2, 3]


def test_a_store_that_lost_everything_is_filled_again(place: Place) -> None:
    one, other = place.open(FakeClock()), place.open(FakeClock())
    increment(one)
    place.lose()
    assert kept(other) is None
    assert [increment(store) for store in (one, other)] == [1, 2]


def test_a_store_that_was_closed_is_opened_by_its_next_use(place: Place) -> None:
    one = place.open(FakeClock())
    increment(one)
    one.close()
    one.close()
    assert increment(one) == 2


@pytest.mark.parametrize("ahead", [-3_600.0, -0.5, 0.5, 3_600.0, -40 * 365 * 86_400.0])
def test_all_processes_have_the_same_time_which_goes_on_although_clocks_are_set(place: Place, ahead: float) -> None:
    clock = FakeClock()
    skewed = SetClock(clock, ahead)
    stores = [place.open(clock), place.open(skewed)]

    def decide(_: str | None, now: float) -> tuple[str, float]:
        return "x", now

    for store in stores:
        store.update("a", decide)
    began = clock.now
    times: list[float] = []
    for step in range(6):
        times.append(stores[step % 2].update("a", decide))
        clock.now += 1.0
        clock.epoch -= 1_000.0
        skewed.ahead = -ahead
    assert times == [pytest.approx(times[0] + step, abs=1e-3) for step in range(6)]
    assert times[0] >= began + 1_775_649_600.0 - 1e-3


class Histories(RuleBasedStateMachine):
    """Several processes that use one store, and a dictionary that says what it holds."""

    form: StoreForm

    @initialize()
    def begin(self) -> None:
        self.exits = ExitStack()
        folder = self.exits.enter_context(tempfile.TemporaryDirectory())
        place = self.form.begin(Path(folder))
        self.lose, self.clock = place.lose, FakeClock()
        self.clocks = [SetClock(self.clock) for _ in range(3)]
        self.stores = [place.open(clock) for clock in self.clocks]
        self.texts: dict[str, str] = {}
        self.last: dict[str, float] = {}

    processes = st.integers(0, 2)
    scopes = st.sampled_from(SCOPES)

    @rule(process=processes, scope=scopes, text=st.one_of(st.none(), st.text(max_size=5)))
    def update(self, process: int, scope: str, text: str | None) -> None:
        def decide(before: str | None, now: float) -> tuple[str | None, tuple[str | None, float]]:
            assert before == self.texts.get(scope)
            assert now >= self.last.get(scope, now) - 1e-3
            return text, (before, now)

        before, now = self.stores[process].update(scope, decide)
        assert before == self.texts.get(scope)
        if text is not None:
            self.texts[scope], self.last[scope] = text, now

    @rule(process=processes, scope=scopes)
    def fail(self, process: int, scope: str) -> None:
        def decide(_: str | None, __: float) -> tuple[str, None]:
            raise Lost("on purpose")

        with pytest.raises(Lost):
            self.stores[process].update(scope, decide)

    @rule(process=processes, ahead=st.sampled_from([-1e9, -3_600.0, 0.0, 70.0]))
    def set_clock(self, process: int, ahead: float) -> None:
        self.clocks[process].ahead = ahead

    @rule(seconds=st.sampled_from([0.0, 0.001, 61.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def lose_everything(self) -> None:
        self.lose()
        self.texts.clear()
        self.last.clear()

    @rule(process=processes)
    def close(self, process: int) -> None:
        self.stores[process].close()

    @invariant()
    def all_processes_read_what_was_written_last(self) -> None:
        for store in self.stores:
            assert [kept(store, scope) for scope in SCOPES] == [self.texts.get(scope) for scope in SCOPES]

    def teardown(self) -> None:
        if hasattr(self, "exits"):
            for store in self.stores:
                store.close()
            self.exits.close()


def test_any_history_of_several_processes_is_as_one_after_the_other(form: StoreForm) -> None:
    machine: Any = type("OfOneForm", (Histories,), {"form": form})
    run_state_machine_as_test(machine, settings=settings(max_examples=runs(40)))


# --- real processes -------------------------------------------------------------------------------------------------

PROGRAM: Final = """
import os, sys, time
from pathlib import Path
from generor_async.engine.clock import REAL_CLOCK
from generor_async.stores.limit_store import StoreBusyError
from generor_async.stores.opening import open_limit_store
from generor_async.stores.places import ServerUrl

def decide(text, now):
    number = int(text or "0") + 1
    return str(number), number

def increment():
    while True:
        try:
            return store.update("a", decide)
        except StoreBusyError:
            time.sleep(0.001)

place = ServerUrl(sys.argv[1]) if "://" in sys.argv[1] else Path(sys.argv[1])
store = open_limit_store(place, REAL_CLOCK)
"""


@pytest.fixture
def path(shared_form: StoreForm, tmp_path: Path) -> str:
    """The path or URL of an empty store."""
    shared_form.begin(tmp_path)
    assert shared_form.path is not None
    return shared_form.path(tmp_path)


def program(path: str, text: str) -> list[str]:
    return ["-c", PROGRAM + textwrap.dedent(text), path]


def command(path: str, text: str) -> list[str]:
    return [sys.executable, "-W", "error", *program(path, text)]


def count(path: str) -> int:
    with ended(fork(program(path, "print(increment() - 1)"))) as counting:
        assert counting.stdout is not None
        found = int(counting.stdout.read())
        assert counting.wait(300) == 0
        return found


def test_processes_that_write_at_the_same_time_lose_nothing(path: str) -> None:
    with ExitStack() as ends:
        writers = [ends.enter_context(ended(fork(program(path, "for _ in range(200): increment()")))) for _ in range(4)]
        assert [writer.wait(300) for writer in writers] == [0] * 4
    assert count(path) == 800


def test_processes_that_create_the_same_files_at_the_same_time_all_open_them(tmp_path: Path) -> None:
    text = """
    for number in range(100):
        opened = open_limit_store(Path(f"{sys.argv[1]}.{number}"), REAL_CLOCK)
        opened.close()
    """
    writers = [subprocess.Popen(command(str(tmp_path / "limits"), text)) for _ in range(4)]
    assert [writer.wait(300) for writer in writers] == [0] * 4


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_processes_that_are_killed_leave_a_whole_text_and_block_nobody(path: str) -> None:
    told, begun = 0, 0
    for _ in range(5):
        loop = program(path, "while True: print(increment(), flush=True)")
        writers = [fork(loop) for _ in range(2)]
        lines: list[str] = []
        for writer in writers:
            with ended(writer):
                assert writer.stdout is not None
                lines += [writer.stdout.readline() for _ in range(20)]
                writer.kill()
                lines += writer.stdout.read().splitlines(keepends=True)
        told = max([told, *(int(line) for line in lines if line.endswith("\n"))])
        begun += 2
        # Each of them may have written one more before it could tell.
        assert told <= count(path) <= told + begun
        begun += 1  # the count itself


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is nothing to fork here")
def test_a_forked_child_has_a_connection_of_its_own(path: str) -> None:
    text = """
        increment()
        child = os.fork()
        if not child:
            store.reset_after_fork()
        for _ in range(100):
            increment()
        if child:
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        store.close()
    """
    assert subprocess.run(command(path, text), timeout=300, check=False).returncode == 0
    assert count(path) == 201
