"""What a batch waits for, in words."""

import pytest

from generor_async.rules.holds import Hold, HoldScope
from generor_async.rules.slots import SlotState
from generor_async.rules.wait_reason import NO_WAIT, next_call_wait, running_rows_wait
from generor_async.rules.window import Scope, WindowState

NOW = 1_775_649_600.0


def window(scope: Scope, used: int, resets_at: float | None = None, limit: int | None = 100) -> WindowState:
    return WindowState(scope=scope, limit=limit, used=used, remaining=None, resets_at=resets_at)


def awaits(
    *windows: WindowState,
    held: Hold | None = None,
    paused: float = NOW,
    away: str = "",
    share: float = 1.0,
    jobs: SlotState | None = None,
    running: int = 0,
) -> tuple[str, float | None]:
    found = next_call_wait(
        NOW, held=held, paused=paused, away=away, windows=windows, share=share, jobs=jobs, running=running
    )
    return found.what, found.until


@pytest.mark.parametrize(
    ("scope", "said"), [("hour", "the hour's limit"), ("jobs", "others' jobs"), ("abuse", "let this key in")]
)
def test_a_hold_goes_before_all_else_until_it_is_over(scope: HoldScope, said: str) -> None:
    hold = Hold(until=NOW + 7_200.0, scope=scope, reason="slow down")
    what, until = awaits(window("minute", 100, NOW + 30.0), held=hold, away="502")
    assert said in what
    assert until == NOW + 7_200.0
    assert awaits(held=Hold(until=NOW, scope=scope, reason="slow down")) == ("", None)


def test_a_pause_then_an_outage_then_windows_then_slots() -> None:
    full, slots = window("minute", 100, NOW + 30.0), SlotState(ceiling=5, used=5)
    assert awaits(full, paused=NOW + 9.0, away="502", jobs=slots) == ("the time that the API asked for", NOW + 9.0)
    assert awaits(full, away="502", jobs=slots) == ("the API to answer again (502)", None)
    assert awaits(full, jobs=slots) == ("the minute's limit of 100 calls", NOW + 30.0)
    assert awaits(window("minute", 99), jobs=slots) == ("others' jobs to end: 5 may run at once", None)
    assert awaits(jobs=slots, running=3) == ("jobs to end: 5 may run at once", None)
    assert awaits(jobs=SlotState(ceiling=5, used=4)) == (NO_WAIT.what, NO_WAIT.until)
    assert awaits(jobs=SlotState(ceiling=None, used=4)) == ("", None)


def test_of_full_windows_the_one_that_lasts_longest_is_named_by_the_part_that_is_ours() -> None:
    minute, hour = window("minute", 100, NOW + 30.0), window("hour", 50, NOW + 3_000.0)
    assert awaits(minute, hour) == ("the minute's limit of 100 calls", NOW + 30.0)
    assert awaits(minute, hour, share=0.5) == ("the hour's limit of 100 calls", NOW + 3_000.0)
    assert awaits(window("day", 5, limit=None)) == ("", None)


def test_where_nothing_keeps_calls_rows_are_waited_for() -> None:
    told = [running_rows_wait(running).what for running in (0, 1, 1_200)]
    assert told == ["the next call's turn", "the row that is under way", "the 1,200 rows that are under way"]
