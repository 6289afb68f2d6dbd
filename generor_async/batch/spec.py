"""What a batch was asked to do, in the form in which its rooms share it."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from attrs import Factory, field, frozen

from generor_async.batch.inputs import Rows
from generor_async.batch.journal import SIMULATED, Reject, RunKey, canonical_json
from generor_async.batch.outcomes import RowOutcome
from generor_async.batch.parameters import OPERATIONS, Parameters
from generor_async.batch.provider import Provider, provider_for
from generor_async.batch.python_rows import as_json
from generor_async.batch.source import Notes, Source
from generor_async.engine.client import Client
from generor_async.rules.budget import NO_CAP
from generor_async.values import JSON
from generor_async.values.version import VERSION

__all__ = ["BatchSpec", "OnRow", "address_of", "operation_of"]

SET_ASIDE_KEPT: Final = 1_000
"""How many of the rows that were set aside are kept in memory; the journal has them all."""

OnRow: TypeAlias = Callable[[RowOutcome], object]
"""Told of every row that ends; what it returns is awaited if it can be."""


@frozen(kw_only=True)
class BatchSpec:
    """What was asked for."""

    client: Client
    rows: Rows
    folder: Path
    cap: float
    price: float | None
    refunds: bool
    """Whether to believe the vendor where it says that a failed job is refunded."""
    on_row: OnRow | None
    concurrency: int | None
    limit: int | None
    """How many rows are begun, at the most; None for all."""
    tag_rows: bool
    """Whether Luma is told each row's id, as its `user_id`."""
    prompt_column: str | None
    common: Mapping[str, JSON]
    allow_duplicates: bool
    keep: frozenset[str]
    """What rows may have beside parameters, and comes out again with what came of them."""
    again: bool
    """Whether rows may ask for what the folder has under other ids, or made another way."""
    drain: float
    """For how many seconds a cancelled run waits for answers, at the most."""
    take_over: bool
    """Whether to believe that the process which the folder names has ended, where nothing tells."""
    set_aside: list[Reject] = field(init=False, factory=list[Reject])
    """The first of what the latest reading could not make rows of."""
    notes: Notes = field(init=False, factory=Notes)
    """What is said of how the rows are read."""
    source: Source | None = field(init=False, default=Factory(lambda self: self._make_source(), takes_self=True))
    """The file or pipe that the rows are in; None where Python hands them in."""
    parameters: Parameters = field(init=False, default=Factory(lambda self: self._make_parameters(), takes_self=True))
    provider: Provider = field(init=False, default=Factory(lambda self: self._make_provider(), takes_self=True))
    """The API's way with a row; prices that were asked for are known to the run as well."""

    @property
    def operation(self) -> str:
        """The operation that every row is a call of."""
        return operation_of(self.client)

    @property
    def key(self) -> RunKey:
        """What its folder is for."""
        return RunKey(
            operation=self.operation,
            address=address_of(self.client),
            source="rows" if self.source is None else self.source.name,
        )

    def note_rejects(self, rejects: Sequence[Reject]) -> None:
        """Keep the first rows that can't be run, and say of all why."""
        for reject in rejects:
            self.notes.set_aside(reject.place, reject.reason)
        self.set_aside.extend(rejects[: SET_ASIDE_KEPT - len(self.set_aside)])

    @property
    def reading_options(self) -> str:
        """What its rows depend on, beside the file that they are in and those that they name."""
        return canonical_json(
            {
                "version": VERSION,
                "prompt_column": self.prompt_column,
                "common": as_json(dict(self.common)),
                "keep": sorted(self.keep),
                "allow_duplicates": self.allow_duplicates,
            }
        )

    @property
    def is_file(self) -> bool:
        """Whether the rows are in a file, all of which can be read at once."""
        return self.source is not None and not self.source.is_pipe

    @property
    def max_active_rows(self) -> int:
        """How many rows may be in work at once."""
        return self.concurrency or self.provider.default_concurrency

    def _make_source(self) -> Source | None:
        return Source(Path(self.rows)) if isinstance(self.rows, str | os.PathLike) else None

    def _make_parameters(self) -> Parameters:
        folder = Path.cwd() if self.source is None else self.source.folder
        return Parameters(
            self.operation, folder=folder, common=self.common, keep=self.keep, prompt_column=self.prompt_column
        )

    def _make_provider(self) -> Provider:
        return provider_for(self.client, self.parameters, capped=self.cap < NO_CAP, price=self.price)


def operation_of(client: Client) -> str:
    """Return the operation that a client's batches are calls of."""
    return OPERATIONS[client._vendor.name]  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here


def address_of(client: Client) -> str:
    """Return whom a client asks: an address, or SIMULATED where it goes by a simulator's clock."""
    if getattr(client._clock, "is_simulated", False):  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here
        return SIMULATED
    return client._session.base_url  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here
