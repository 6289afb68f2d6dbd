"""Says what a batch waits for while nothing moves, and until when."""

from collections.abc import Iterable, Mapping
from typing import Final

from attrs import frozen

from generor_async.rules.holds import Hold, HoldScope
from generor_async.rules.slots import SlotState
from generor_async.rules.window import WindowState

__all__ = ["NO_WAIT", "WaitReason", "next_call_wait", "running_rows_wait"]

BLOCKED_BY: Final[Mapping[HoldScope, str]] = {
    "minute": "the minute's limit, as the API said",
    "hour": "the hour's limit, as the API said",
    "day": "the day's limit, as the API said",
    "jobs": "others' jobs to end, as the API said",
    "abuse": "the API to let this key in again",
}


@frozen
class WaitReason:
    """What a batch waits for."""

    what: str
    """The rest of a sentence that begins with "waiting for"."""
    until: float | None = None
    """The end of the wait in Unix seconds; None for an unknown end."""


NO_WAIT: Final = WaitReason("")


def next_call_wait(
    now: float,
    *,
    held: Hold | None,
    paused: float,
    away: str,
    windows: Iterable[WindowState],
    share: float,
    jobs: SlotState | None,
    running: int,
) -> WaitReason:
    """Return what blocks the next call; NO_WAIT where nothing is known to. All times are Unix seconds.

    `paused` is the moment before which no row begins, because a response asked for that.
    """
    if held is not None and held.until > now:
        return WaitReason(BLOCKED_BY[held.scope], held.until)
    if paused > now:
        return WaitReason("the time that the API asked for", paused)
    if away:
        return WaitReason(f"the API to answer again ({away})")
    full = [window for window in windows if _is_full(window, share)]
    if full:
        last = max(full, key=lambda window: window.resets_at or 0.0)
        return WaitReason(f"the {last.scope}'s limit of {last.limit:,} calls", last.resets_at)
    if jobs is not None and jobs.ceiling is not None and jobs.used >= jobs.ceiling:
        whose = "jobs" if running else "others' jobs"
        return WaitReason(f"{whose} to end: {jobs.ceiling:,} may run at once")
    return NO_WAIT


def _is_full(window: WindowState, share: float) -> bool:
    return window.limit is not None and window.used >= max(1, int(window.limit * share))


def running_rows_wait(running: int) -> WaitReason:
    """Return the wait for the rows under way, or for the next call where there are none."""
    if not running:
        return WaitReason("the next call's turn")
    return WaitReason("the row that is under way" if running == 1 else f"the {running:,} rows that are under way")
