"""The ledger: every request that reached the simulator, and what it cost."""

import json
import os
from collections import Counter
from collections.abc import Hashable
from pathlib import Path

from attrs import asdict, define, field

from generor_async.simulator.messages import Answer

__all__ = ["Entry", "Ledger"]


@define(kw_only=True)
class Entry:
    """One request and its outcome."""

    number: int
    """Position in the order of arrival, from 1."""
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
    """The answer's status; None while the request is under way, or if a fault cut it off before."""
    charged: float = 0.0
    """Cost (Generor: credits, Luma: US dollars), whether or not the answer was delivered."""
    answered: bool = False
    """Whether the whole answer was written to the caller's connection."""
    fault: str | None = None
    """The kind of fault that struck, such as `reset`."""
    when: str | None = None
    """When it struck: `before_charge`, `after_charge`, or None for a fault that loses no answer."""
    abandoned: bool = False
    """Whether the caller disconnected before the answer."""

    @property
    def succeeded(self) -> bool | None:
        """Whether the caller got a successful answer; None while the request is under way."""
        if self.abandoned or self.when is not None:
            return False
        return None if self.status is None else self.answered and self.status < 400

    def note_answer(self, answer: Answer) -> None:
        """Enter the operation's answer."""
        self.caller, self.status, self.charged = answer.caller, answer.status, answer.charged

    def abandon(self) -> None:
        """Note that the caller disconnected before the answer."""
        self.abandoned = True


@define
class Ledger:
    """All requests in order of arrival.

    Nothing marks the attempts of one call: each has its own X-Request-Id. So a request counts as another attempt of a
    call if it is identical, and from the same caller, to a failed request that no other has repeated yet. Two calls
    with the same parameters can be taken for one: where that matters, use different parameters.
    """

    _entries: list[Entry] = field(factory=list[Entry], init=False)
    _repeatable: dict[int, list[Entry]] = field(factory=dict[int, list[Entry]], init=False, repr=False)
    """Requests that a later one may repeat, by content."""

    @property
    def requests(self) -> tuple[Entry, ...]:
        """All requests that arrived."""
        return tuple(self._entries)

    @property
    def charges(self) -> tuple[Entry, ...]:
        """The requests that cost something."""
        return tuple(entry for entry in self._entries if entry.charged > 0)

    def duplicates(self) -> tuple[int, ...]:
        """Return the calls that were charged more than once; none, if the client is correct."""
        counts = Counter(entry.call for entry in self.charges)
        return tuple(call for call, count in counts.items() if count > 1)

    def unanswered(self) -> tuple[Entry, ...]:
        """Return the requests whose answer never reached the caller, without those under way."""
        return tuple(
            entry
            for entry in self._entries
            if not entry.answered and (entry.status is not None or entry.when == "before_charge")
        )

    def open(
        self, *, at: float, api: str, operation: str, method: str, path: str, request_id: str, content: Hashable
    ) -> Entry:
        """Add a request; the server fills in its outcome later.

        `content`: what attempts of the same call have in common, beside method and path.
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
        """Remove all requests, those under way included."""
        self._entries.clear()
        self._repeatable.clear()

    def to_jsonl(self) -> str:
        """Return all requests as JSON Lines: one object per line, with the fields of `Entry`."""
        return "".join(f"{json.dumps(asdict(entry))}\n" for entry in self.requests)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write all requests to a file, as JSON Lines; an existing file is replaced.

        Args:
            path: The file.
        """
        Path(path).write_text(self.to_jsonl(), encoding="utf-8")
