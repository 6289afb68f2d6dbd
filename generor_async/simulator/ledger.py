"""The ledger: the truth about every request that reached the simulator, and about the money it cost."""

import json
import os
from collections import Counter
from collections.abc import Hashable
from pathlib import Path

from attrs import asdict, define, field

__all__ = ["Entry", "Ledger"]


@define(kw_only=True)
class Entry:
    """One request that arrived, and what became of it."""

    number: int
    """Counts arrivals from 1."""
    at: float
    """Simulated Unix time of arrival, in seconds."""
    api: str
    """`generor`, `luma`, `storage` (either API's files), or empty for a path that belongs to none."""
    operation: str
    """The operation's dotted name, such as `luma.generations.create`; empty for a path that has none."""
    method: str
    path: str
    """The path as it was sent, without the query."""
    request_id: str
    """The caller's X-Request-Id, or the one that the server made up."""
    call: int
    """The number of the first attempt of the call that this request belongs to, as far as a server can tell."""
    attempt: int
    """Which attempt of that call it is, counted from 1."""
    caller: str | None = None
    """The account or API client, once known; never a key."""
    status: int | None = None
    """The status that was decided on; None while the request is under way, and when a fault cut it off before."""
    charged: float = 0.0
    """What it cost (Generor: credits, Luma: US dollars), whether or not the answer was delivered."""
    answered: bool = False
    """Whether the answer that was decided on was handed to the caller's connection, whole."""
    fault: str | None = None
    """The kind of fault that struck, such as `reset`."""
    when: str | None = None
    """Where it struck: `before_charge`, `after_charge`, or None if it is one that loses no answer."""
    abandoned: bool = False
    """Whether the caller left while it was under way."""

    @property
    def succeeded(self) -> bool | None:
        """Whether the caller got what was asked for; None while that is open."""
        if self.abandoned or self.when is not None:
            return False
        return None if self.status is None else self.answered and self.status < 400

    def abandon(self) -> None:
        """Note that the caller left while it was under way."""
        self.abandoned = True


@define
class Ledger:
    """What arrived, in order of arrival.

    Callers send a new X-Request-Id with each attempt, and nothing else marks those of one call. So a request is another
    attempt of a call where it is the same, byte for byte and from the same caller, as one that came to nothing and that
    no other has repeated. Two calls that ask for the same can be taken for one: where it matters, ask for different
    things.
    """

    _entries: list[Entry] = field(factory=list[Entry], init=False)
    _repeatable: dict[int, list[Entry]] = field(factory=dict[int, list[Entry]], init=False, repr=False)
    """The requests that another may turn out to repeat, by what they say."""

    @property
    def requests(self) -> tuple[Entry, ...]:
        """All requests that arrived."""
        return tuple(self._entries)

    @property
    def charges(self) -> tuple[Entry, ...]:
        """The requests that cost something."""
        return tuple(entry for entry in self._entries if entry.charged > 0)

    def duplicates(self) -> tuple[int, ...]:
        """List the calls that were charged more than once: empty, if the client does its work."""
        counts = Counter(entry.call for entry in self.charges)
        return tuple(call for call, count in counts.items() if count > 1)

    def unanswered(self) -> tuple[Entry, ...]:
        """List the requests whose answer never reached the caller, or which a fault cut off before there was one.

        Those that are still under way aren't among them.
        """
        return tuple(
            entry
            for entry in self._entries
            if not entry.answered and (entry.status is not None or entry.when == "before_charge")
        )

    def open(
        self, *, at: float, api: str, operation: str, method: str, path: str, request_id: str, content: Hashable
    ) -> Entry:
        """Write down a request that has just arrived; the server fills in the rest as it goes.

        `content` is what it shares with other attempts of the same call, beside method and path.
        """
        number = len(self._entries) + 1
        said = hash((method, path, content))
        open_ = [entry for entry in self._repeatable.get(said, ()) if entry.succeeded is not True]
        before = next((entry for entry in open_ if entry.succeeded is False), None)
        if before is not None:
            open_.remove(before)
        entry = Entry(
            number=number,
            at=at,
            api=api,
            operation=operation,
            method=method,
            path=path,
            request_id=request_id,
            call=number if before is None else before.call,
            attempt=1 if before is None else before.attempt + 1,
        )
        self._entries.append(entry)
        self._repeatable[said] = [*open_, entry]
        return entry

    def clear(self) -> None:
        """Forget everything; what is under way won't be remembered either."""
        self._entries.clear()
        self._repeatable.clear()

    def to_jsonl(self) -> str:
        """Give all requests as JSON Lines: an object a line, with the fields of `Entry`."""
        return "".join(f"{json.dumps(asdict(entry))}\n" for entry in self.requests)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write all requests to a file, as JSON Lines; one that is there is replaced."""
        Path(path).write_text(self.to_jsonl(), encoding="utf-8")
