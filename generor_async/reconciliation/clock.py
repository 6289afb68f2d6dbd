"""The clock that dates calls, and that learns the server's time."""

from typing import TYPE_CHECKING, Any

from generor_async.rules.server_time import ServerTime
from generor_async.rules.wait_headers import http_date
from generor_async.values import Clock, ResponseInfo

if TYPE_CHECKING:
    from generor_async.reconciliation.kept_calls import KeptCalls

__all__ = ["ServerClock"]

NOTE = "clock"
"""Name of the journal's note."""


class ServerClock:
    """A clock that never runs backwards, within a run or from one run to the next.

    Unknown calls are settled by comparing when they were made with the dates in the account. The machine's time of day
    may be wrong, or be set during a run or between two. So this clock reads it once and then adds the monotonic clock;
    and if it was set back since the last run, this clock goes on from that run's end.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.time() - clock.monotonic()
        """Unix time at the monotonic clock's zero."""
        self._server = ServerTime()
        self._server.begin(self.time())
        self._follows_server = self._is_aligned = False

    @property
    def speed(self) -> float:
        """How many of this clock's seconds pass per real second."""
        return self._clock.speed

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        return self._clock.monotonic()

    def time(self) -> float:
        """Return Unix seconds."""
        return self._began + self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for so many of this clock's seconds."""
        await self._clock.sleep(seconds)

    def follow_server(self) -> None:
        """Take the server's time for ours, once it is known: other processes date rows as well, on other machines."""
        self._follows_server = True

    async def resume(self, journal: "KeptCalls") -> None:
        """Go on from where the folder's last run ended, before anything is dated."""
        if self._follows_server:
            return
        moments: Any = [await journal.read_note("began"), await journal.read_note("ended")]
        async for row in journal.scan("unknown"):
            moments += (row.submitted_at, row.ended_at)
        self._began += max(0.0, max(moment or 0.0 for moment in moments) - self.time())
        self._server = ServerTime.from_json(await journal.read_note(NOTE))
        self._server.begin(self.time())

    @property
    def wants_date(self) -> bool:
        """Whether it is to follow the server, and the dates so far don't agree on its time."""
        return self._follows_server and not self._is_aligned and self._server.is_disputed(self.time())

    async def save(self, journal: "KeptCalls") -> None:
        """Save what is known of the server's time for later runs."""
        if self._follows_server:
            self._align()
            return
        await journal.write_note(NOTE, self._server.to_json())

    def _align(self) -> None:
        """Set this clock to the server's time, which nothing was dated by before."""
        if not self._is_aligned:
            now = self.time()
            self._began += self._server.at(now) - now
            self._server = ServerTime()
            self._server.begin(self.time())
            self._is_aligned = True

    def learn_server_time(self, response: ResponseInfo | None) -> None:
        """Learn the server's time from a response's Date header, if it has one."""
        date = None if response is None else http_date(response.headers.get("Date", ""))
        if date is not None:
            self._server.learn(self.time(), date)

    def server_time(self, at: float) -> float:
        """Convert a time of this clock to the server's, both in Unix seconds."""
        return self._server.at(at)
