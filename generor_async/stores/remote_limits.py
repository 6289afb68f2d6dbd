"""Limits on a server: compare-and-swap in as few round trips as there can be.

What was seen last is remembered. A rule decides on it first, and the server confirms the decision and writes its text
if nobody has written since; else it answers with the present text, and the rule decides again. So an update takes one
round trip, or two where another process has written meanwhile.

The time is that of the server's clock, in the same answers. Where that is set back, as by a failover to a host with
another clock, the time of a scope goes on from what was written last.
"""

import secrets
import time
from typing import Final, Protocol, TypeVar

from attrs import evolve, frozen

from generor_async.stores.limit_store import Decide, StoreBusyError, StoreError
from generor_async.stores.shared_clock import LATEST_TIME
from generor_async.values import Clock

__all__ = [
    "CONNECT_SECONDS",
    "EARLY_SECONDS",
    "FORMAT",
    "KEPT_SECONDS",
    "LATE_SECONDS",
    "READ_SECONDS",
    "Answer",
    "Kept",
    "LimitServer",
    "RemoteLimitStore",
    "as_time",
    "reason_of",
]

T = TypeVar("T")

CONNECT_SECONDS: Final = 1
"""Seconds in which a server has to accept a connection; PostgreSQL's driver waits for two at least."""
READ_SECONDS: Final = 1.0
"""Seconds in which it has to answer."""
UPDATE_SECONDS: Final = 1.5
"""Seconds after which an update is not decided again, and the server counts as busy."""
KEPT_SECONDS: Final = 30 * 3600
"""Seconds for which a server keeps what nobody writes any more: some hours more than the longest window, a day."""
LATE_SECONDS: Final = 1.0
"""The most seconds by which the time of a decision may be behind the server's clock when it is written."""
EARLY_SECONDS: Final = 0.1
"""The most seconds by which it may be ahead."""
EPOCH: Final = 1_767_225_600.0
"""When the time of a clock that runs faster was that of the server, in Unix seconds: the beginning of 2026."""
FORMAT: Final = 1
"""The version of what is kept, apart from the rules' own text."""


@frozen
class Kept:
    """What a server keeps for a scope."""

    version: str = ""
    """Differs each time that something is written; empty where nothing is kept."""
    at: float = 0.0
    """When it was written, by the store's time."""
    ahead: float = 0.0
    """Seconds by which the store's time is ahead of the server's clock, because that was set back."""
    text: str | None = None
    format: int = FORMAT


@frozen
class Answer:
    """A server's answer."""

    now: float
    """Its clock, in Unix seconds."""
    kept: Kept | None
    """What it keeps; None where it keeps what was seen, or what was to be written."""


class LimitServer(Protocol):
    """Keeps texts, and swaps them; its methods raise StoreError."""

    @property
    def name(self) -> str:
        """Where it is, without user and password."""
        ...

    def swap(self, scope: str, seen: Kept, now: float, new: Kept | None) -> Answer:
        """Write what is new if the server keeps what was seen, and `now` is its time; one round trip.

        Args:
            scope: What it is about.
            seen: What the server is to have, by its version.
            now: The time by the server's clock at which it was decided upon.
            new: What to write; None where nothing is to be written.
        """
        ...

    def read(self, scope: str) -> Answer:
        """Read what is kept; one round trip."""
        ...

    def reset_after_fork(self) -> None:
        """Forget the parent's connections in a forked child, without closing them."""
        ...

    def close(self) -> None:
        """Close the connections; the next use opens others."""
        ...


class RemoteLimitStore:
    """A store of limits on a server.

    Args:
        server: Keeps them.
        clock: Tells how much time has passed since the server's clock was read, and how fast that of the store passes.
    """

    remote = True

    def __init__(self, server: LimitServer, clock: Clock) -> None:
        self._server = server
        self._clock = clock
        self._seen: dict[str, Kept] = {}
        """What the server kept when this process used it last."""
        self._read: tuple[float, float] | None = None
        """The server's clock as it was in the last answer, and this process's monotonic one when that came."""

    @property
    def name(self) -> str:
        """Where the server is, without user and password."""
        return self._server.name

    def update(self, scope: str, decide: Decide[T]) -> T:
        """Decide on what was seen last, and again while the server has something else."""
        until = time.monotonic() + UPDATE_SECONDS
        seen = self._seen.get(scope)
        if seen is None or self._read is None:
            now, seen = self._learn(scope, self._server.read(scope))
        else:
            now = self._read[0] + (self._clock.monotonic() - self._read[1]) / self._clock.speed
        while True:
            at, ahead = self._store_time(seen, now)
            text, result = decide(seen.text, at)
            new = None if text is None else Kept(secrets.token_hex(8), at, ahead, text)
            answer = self._server.swap(scope, seen, now, new)
            now, found = self._learn(scope, answer if answer.kept is not None else evolve(answer, kept=new or seen))
            if answer.kept is None:
                return result
            seen = found
            if time.monotonic() > until:
                raise StoreBusyError(f"{self.name} is written to by others all the time")

    def _learn(self, scope: str, answer: Answer) -> tuple[float, Kept]:
        """Remember what a server has answered; return its time and what it keeps."""
        kept, before = answer.kept, self._seen.get(scope)
        assert kept is not None
        if kept.format > FORMAT:
            raise StoreError(f"{self.name} is used by a newer version of this package")
        if kept.format < FORMAT:
            kept = evolve(kept, text=None)
        if not kept.version and before is not None:  # it was lost, but the time goes on
            kept = evolve(kept, at=before.at, ahead=before.ahead)
        self._seen[scope], self._read = kept, (answer.now, self._clock.monotonic())
        return answer.now, kept

    def _store_time(self, seen: Kept, now: float) -> tuple[float, float]:
        """Return the time that the server's clock stands for, and by how much it is ahead of that clock."""
        at, ahead = EPOCH + (now - EPOCH) * self._clock.speed + seen.ahead, seen.ahead
        if (back := seen.at - at) > LATE_SECONDS:  # by less it is behind where the time was estimated
            ahead += back
        return max(at, seen.at), ahead

    def reset_after_fork(self) -> None:
        """Forget the parent's connections in a forked child."""
        self._server.reset_after_fork()

    def close(self) -> None:
        """Close the connections; the next update opens others."""
        self._server.close()


def as_time(found: str | bytes | float | None) -> float:
    """Return seconds that were kept; zero for anything that can't be right."""
    try:
        seconds = float(found or 0.0)
    except ValueError:
        return 0.0
    return seconds if -LATEST_TIME <= seconds <= LATEST_TIME else 0.0


def reason_of(error: BaseException) -> str:
    """Return what the system said of a connection that failed; empty where it said nothing."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            return cause.strerror or ("timed out" if isinstance(cause, TimeoutError) else str(cause))
        cause = cause.__cause__ or cause.__context__
    return ""
