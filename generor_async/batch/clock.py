"""The time by which a batch dates its rows: this machine's, over all its runs, beside which it learns the API's."""

from typing import TYPE_CHECKING, Any

from generor_async.rules.server_time import ServerTime
from generor_async.rules.wait_headers import http_date
from generor_async.values import Clock, ResponseInfo

if TYPE_CHECKING:
    from generor_async.batch.journal import Journal

__all__ = ["BatchClock"]

NOTE = "clock"
"""What the journal remembers it by."""


class BatchClock:
    """A clock that never runs backwards, in a run or from one to the next.

    What became of an unknown call is told by when it was made and when the account shows something. The machine's time
    of day may be wrong, or set in the middle of a run or between two: so it is carried on by what nobody can set, and
    where it was set back since the last run, it goes on from there.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.time() - clock.monotonic()
        """What this clock showed when the other one was at zero."""
        self._server = ServerTime()
        self._server.begin(self.time())

    @property
    def speed(self) -> float:
        """How many of this clock's seconds pass in one real second."""
        return self._clock.speed

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        return self._clock.monotonic()

    def time(self) -> float:
        """Return Unix seconds."""
        return self._began + self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait so many of this clock's seconds."""
        await self._clock.sleep(seconds)

    async def resume(self, journal: "Journal") -> None:
        """Go on from where the folder's last run left it, before anything is dated."""
        noted: Any = [await journal.read_note("began"), await journal.read_note("ended")]
        async for row in journal.rows("unknown"):
            noted += (row.submitted_at, row.ended_at)
        self._began += max(0.0, max(moment or 0.0 for moment in noted) - self.time())
        self._server = ServerTime.from_json(await journal.read_note(NOTE))
        self._server.begin(self.time())

    async def save(self, journal: "Journal") -> None:
        """Write down what is known of the API's time, for a run to come."""
        await journal.write_note(NOTE, self._server.to_json())

    def learn_server_time(self, response: ResponseInfo | None) -> None:
        """Take note of when the API has just given an answer, if it says so."""
        date = None if response is None else http_date(response.headers.get("Date", ""))
        if date is not None:
            self._server.learn(self.time(), date)

    def server_time(self, at: float) -> float:
        """Return the API's time at a moment of this clock, both in Unix seconds."""
        return self._server.at(at)
