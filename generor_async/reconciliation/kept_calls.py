"""What reconciliation needs of the calls that it settles, and of the account."""

from collections.abc import AsyncIterator
from typing import Protocol

from generor_async.api.generor.resources import CreationsResource, CreditsResource
from generor_async.rules.row_states import Accept, Release, RowState
from generor_async.stores.records import CallRecord
from generor_async.values import JSON

__all__ = ["AccountClient", "KeptCalls"]


class KeptCalls(Protocol):
    """The calls of one account, such as a batch's journal."""

    def scan(self, *states: RowState) -> AsyncIterator[CallRecord]:
        """Yield the calls in these states, or all calls, in the order of their beginning."""
        ...

    async def accept(self, call: CallRecord, step: Accept) -> None:
        """Write that the call was found."""
        ...

    async def release(self, call: CallRecord, step: Release) -> None:
        """Write that the call had no effect."""
        ...

    async def read_note(self, name: str) -> JSON:
        """Return the note with this name; None if there is none."""
        ...

    async def write_note(self, name: str, value: JSON) -> None:
        """Store a fact about the calls."""
        ...


class AccountClient(Protocol):
    """A client that reads the account."""

    @property
    def creations(self) -> CreationsResource:
        """Reads creations."""
        ...

    @property
    def credits(self) -> CreditsResource:
        """Reads balance and transactions."""
        ...
