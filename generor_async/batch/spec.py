"""What a batch was asked to do: the checked arguments of `run_batch`, and what follows from them."""

import asyncio
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from attrs import Factory, field, frozen

from generor_async.batch.inputs import Rows
from generor_async.batch.journal import RunPlace
from generor_async.batch.notices import ReadingNotices
from generor_async.batch.outcomes import RowOutcome
from generor_async.batch.parameters import OPERATIONS, Parameters
from generor_async.batch.provider import Provider, provider_for
from generor_async.batch.python_rows import as_json
from generor_async.batch.run_key import SIMULATED, RunKey
from generor_async.batch.source import RowSource
from generor_async.engine.client import Client
from generor_async.rules.budget import NO_CAP
from generor_async.stores.records import Reject, canonical_json
from generor_async.values import JSON
from generor_async.values.version import VERSION

__all__ = ["BatchSpec", "OnRow", "address_of", "operation_of"]

SET_ASIDE_KEPT: Final = 1_000
"""How many rejected rows are kept in memory; the journal has them all."""

OnRow: TypeAlias = Callable[[RowOutcome], object]
"""Called with each row's outcome; an awaitable that it returns is awaited."""


@frozen(kw_only=True)
class BatchSpec:
    """The checked arguments of `run_batch`."""

    client: Client
    rows: Rows | None
    """None for a run in a database that has its rows already."""
    place: RunPlace
    cap: float
    price: float | None
    refunds: bool
    """Whether to count a failed job as refunded where the vendor's FAQ says so."""
    on_row: OnRow | None
    concurrency: int | None
    limit: int | None
    """How many rows to start at most; None for all."""
    tag_rows: bool
    """Whether to send each row's id to Luma as its `user_id`."""
    prompt_column: str | None
    common: Mapping[str, JSON]
    allow_duplicates: bool
    keep: frozenset[str]
    """Names of columns that are no parameters, and are exported with the results."""
    again: bool
    """Whether to buy again what the folder has under other ids or with other parameters."""
    drain: float
    """Seconds for which a cancelled run waits for answers of calls under way."""
    media: str | None
    """The checked URL of the storage for outputs; None for that of earlier runs, or the folder."""
    keep_prompts: bool
    """Whether parameters of rows that have ended are kept in the folder."""
    take_over: bool
    """Whether to assume that the process named in the folder's lock file has ended, if that can't be told."""
    noted_source: str | None = None
    """Where the rows of a run were read that has them already."""
    look: asyncio.Event | None = None
    """Set to have the run look at once whether somebody has stopped it."""
    first_rejects: list[Reject] = field(init=False, factory=list[Reject])
    """The first rejects of the latest reading."""
    notices: ReadingNotices = field(init=False, factory=ReadingNotices)
    """Notes to the user on how the rows are read."""
    source: RowSource | None = field(init=False, default=Factory(lambda self: self._make_source(), takes_self=True))
    """The file or pipe that holds the rows; None if they come from Python."""
    parameters: Parameters = field(init=False, default=Factory(lambda self: self._make_parameters(), takes_self=True))
    provider: Provider = field(init=False, default=Factory(lambda self: self._make_provider(), takes_self=True))
    """Made once, so that a run knows the prices that an estimate has asked for."""

    @property
    def operation(self) -> str:
        """The operation that every row calls."""
        return operation_of(self.client)

    @property
    def key(self) -> RunKey:
        """What the folder is for; another run of it must have the same key."""
        return RunKey(
            operation=self.operation,
            address=address_of(self.client),
            source=self.noted_source or ("rows" if self.source is None else self.source.name),
        )

    def note_rejects(self, rejects: Sequence[Reject]) -> None:
        """Tell the user why rows are rejected, and keep the first of them."""
        for reject in rejects:
            self.notices.add_reject(reject.place, reject.reason)
        self.first_rejects.extend(rejects[: SET_ASIDE_KEPT - len(self.first_rejects)])

    @property
    def reading_options(self) -> str:
        """A hash of the options that change how a file is read into rows."""
        options = canonical_json(
            {
                "version": VERSION,
                "prompt_column": self.prompt_column,
                "common": as_json(dict(self.common)),
                "keep": sorted(self.keep),
                "allow_duplicates": self.allow_duplicates,
            }
        )
        return hashlib.sha256(options.encode()).hexdigest()  # `common` may have a prompt

    @property
    def is_file(self) -> bool:
        """Whether the rows are in a file, which can be read at once."""
        return self.source is not None and not self.source.is_pipe

    @property
    def max_active_rows(self) -> int:
        """How many rows may be active at once."""
        return self.concurrency or self.provider.default_concurrency

    def _make_source(self) -> RowSource | None:
        return RowSource(Path(self.rows)) if isinstance(self.rows, str | os.PathLike) else None

    def _make_parameters(self) -> Parameters:
        folder = Path.cwd() if self.source is None else self.source.folder
        return Parameters(
            self.operation, folder=folder, common=self.common, keep=self.keep, prompt_column=self.prompt_column
        )

    def _make_provider(self) -> Provider:
        return provider_for(self.client, self.parameters, capped=self.cap < NO_CAP, price=self.price)


def operation_of(client: Client) -> str:
    """Return the operation that a client's batches call."""
    return OPERATIONS[client._vendor.name]  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here


def address_of(client: Client) -> str:
    """Return a client's base URL, or SIMULATED if it runs by a simulator's clock."""
    if getattr(client._clock, "is_simulated", False):  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here
        return SIMULATED
    return client._session.base_url  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here
