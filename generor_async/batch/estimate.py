"""Estimates what a run would do and cost, before anything is spent."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import aclosing, closing
from typing import Any, Final

from attrs import Factory, define, evolve, field, frozen

from generor_async.batch.amounts import in_dollars, rounded
from generor_async.batch.costs import read_charges
from generor_async.batch.duplicates import RowDeduplicator
from generor_async.batch.inputs import read_rows
from generor_async.batch.journal import open_if_begun
from generor_async.batch.parameters import request_digest, request_key
from generor_async.batch.progress import known_rates
from generor_async.batch.rebuys import count_rebuys, is_read_once
from generor_async.batch.spec import BatchSpec
from generor_async.batch.unchanged_file import find_unchanged, repeat_notices
from generor_async.errors import InvalidRequestError
from generor_async.rules.budget import NO_CAP
from generor_async.rules.equivalence import CANONICAL_VERSION
from generor_async.rules.eta import seconds_for
from generor_async.rules.file_fingerprint import CompletedRead
from generor_async.rules.luma_prices import REFUNDED_CODES
from generor_async.rules.row_states import PAID_STATES, RowState
from generor_async.stores.ledger import LedgerReader
from generor_async.stores.records import FoundCall, NewRow, Reject
from generor_async.values import JSON

__all__ = ["BatchEstimate", "estimate"]

WAITING_STATES: Final[frozenset[RowState]] = frozenset({"ready", "leased"})
"""States of rows whose call is still to be made."""


@frozen(kw_only=True)
class BatchEstimate:
    """What a run would do and cost."""

    new: int
    """Rows that the folder doesn't have."""
    ready: int
    """Rows of earlier runs that are still to be made and still in the input."""
    under_way: int
    """Rows that are paid for, and need only be waited for and stored."""
    rejected: int
    """Lines that can't be run."""
    duplicates: int
    """Rows that repeat another, and are made once."""
    again: int
    """New rows that ask for what the folder has under another id or with other parameters."""
    whole: bool
    """Whether all rows were read."""
    unpriced: int
    """New and ready rows without a known price; under a cap they fail, uncharged."""
    credits: float
    """The estimated cost of the other new and ready rows, in the API's credits."""
    credit_dollars: float | None
    """The worth of a credit in US dollars; None if the API doesn't say."""
    price_sources: tuple[str, ...]
    """Sources of the prices, with their dates; empty if the API itself estimates."""
    seconds: float | None
    """Seconds that it takes at the least, at the key's limits; None if they are not known."""
    counted: float
    """What earlier runs of the batch have or may have spent, in credits: it counts against a cap."""
    balance: float | None
    """The account's credits; None if the API doesn't say."""

    limit: int | None
    """How many of the ready and new rows are started at most; price and time are for these."""
    columns: tuple[str, ...]
    """Columns of the new rows that are no parameters, and are exported with the results."""
    cap: float | None
    """The cap on spending, in the API's credits."""

    @property
    def rows(self) -> int:
        """Rows that would be charged."""
        return self.ready + self.new if self.limit is None else min(self.ready + self.new, self.limit)

    @property
    def dollars(self) -> float | None:
        """`credits` in US dollars; None if the API doesn't say what a credit is worth."""
        return in_dollars(self.credits, self.credit_dollars)


async def estimate(spec: BatchSpec, *, max_rows: int | None = None) -> BatchEstimate:
    """Count the rows, at most about `max_rows` of them, and sum up their prices; changes nothing."""
    assert spec.rows is not None
    if spec.source is None and is_read_once(spec.rows):
        raise InvalidRequestError(
            "rows",
            "an iterator can be read only once",
            advice="Estimate a file or a list, or a function's new iterator",
        )
    await spec.provider.check_key()
    prices = _CostSum(spec)
    reader = await open_if_begun(spec.place, key=spec.key)
    try:
        most = sys.maxsize if max_rows is None else max_rows
        under_way, counted, cap = 0, 0.0, None if spec.cap == NO_CAP else spec.cap
        if reader is not None:
            cap = await _kept_cap(spec, reader) if cap is None else cap
            under_way = sum([count for state, count in (await reader.counts()).items() if state in PAID_STATES])
            counted = (await read_charges(reader)).counted + await reader.unresolved_credits()
            if spec.refunds:
                counted -= await reader.refundable(REFUNDED_CODES)
        counts = await _read_rows(spec, reader, prices, most)
    finally:
        if reader is not None:
            await reader.close()
    balance = await spec.provider.balance()
    return BatchEstimate(
        new=counts.new,
        ready=counts.ready,
        under_way=under_way,
        rejected=counts.rejected,
        duplicates=counts.duplicates,
        again=counts.bought_before,
        whole=counts.whole,
        unpriced=prices.unpriced,
        credits=rounded(prices.credits),
        credit_dollars=spec.provider.vendor.credit_dollars,
        price_sources=tuple(prices.sources),
        seconds=_min_seconds(spec, min(counts.new + counts.ready, spec.limit or sys.maxsize), prices.seconds),
        counted=rounded(counted),
        balance=None if balance is None else rounded(balance),
        limit=spec.limit,
        columns=tuple(counts.columns),
        cap=cap,
    )


async def _kept_cap(spec: BatchSpec, reader: LedgerReader) -> float | None:
    """Return the cap that a run in a database has from an earlier submit; a folder's holds for one run alone."""
    if spec.place.lease is None:
        return None
    account = await reader.account(spec.place.account)
    return None if account is None else account.cap


@define
class _RowCounts:
    """Counts of the rows read."""

    new: int = 0
    """Rows to add."""
    ready: int = 0
    """Rows of earlier runs that wait."""
    rejected: int = 0
    """Lines that can't be run."""
    duplicates: int = 0
    bought_before: int = 0
    whole: bool = True
    """Whether all rows were read."""
    columns: dict[str, None] = field(factory=dict[str, None])
    """Names of columns that are no parameters, in order of first appearance."""


async def _read_rows(spec: BatchSpec, reader: LedgerReader | None, prices: "_CostSum", max_rows: int) -> _RowCounts:
    """Read and count all rows, or about `max_rows` of them."""
    if reader is not None and (known := await find_unchanged(spec, reader)) is not None:
        return await _count_known_file(known, spec, reader, prices, max_rows)
    counts, read_so_far = _RowCounts(), 0
    spec.first_rejects.clear()
    version: Any = CANONICAL_VERSION if reader is None else await reader.read_note("fingerprint")
    parameters = evolve(spec.parameters, version=version or 1)
    with closing(RowDeduplicator(parameters, allowed=spec.allow_duplicates)) as deduplicator:
        rows = spec.source or spec.rows
        assert rows is not None
        reading = read_rows(rows, parameters, notices=spec.notices, keep=True)
        async with aclosing(reading) as pages:
            async for page in pages:
                if read_so_far >= max_rows:
                    counts.whole = False
                    break
                read_so_far += len(page)
                await _count_page(counts, page, spec, reader, prices, deduplicator)
        counts.duplicates = deduplicator.dropped
        if reader is not None and counts.new and counts.whole:
            counts.bought_before, _ = await count_rebuys(deduplicator, reader, spec.operation)
    return counts


async def _count_known_file(
    known: CompletedRead, spec: BatchSpec, reader: LedgerReader, prices: "_CostSum", max_rows: int
) -> _RowCounts:
    """Count the rows of a file that the journal has read whole; of those that wait, at most `max_rows`."""
    counts = _RowCounts(rejected=await repeat_notices(spec, reader, known))
    async for _ in reader.duplicates():
        counts.duplicates += 1
    async for row in reader.scan(*WAITING_STATES):
        if counts.ready >= max_rows:
            counts.whole = False
            break
        counts.ready += 1
        await prices.add(row.parameters)
    return counts


async def _count_page(
    counts: _RowCounts,
    page: Sequence[NewRow | Reject],
    spec: BatchSpec,
    reader: LedgerReader | None,
    prices: "_CostSum",
    deduplicator: RowDeduplicator,
) -> None:
    entries = await deduplicator.assign_ids(page)
    known = await _known_rows(spec, reader, entries)
    for entry in entries:
        if isinstance(entry, Reject):
            counts.rejected += 1
            spec.note_rejects([entry])
        elif entry.id not in known:
            counts.new += 1
            counts.columns.update(dict.fromkeys(entry.columns))
            await prices.add(entry.parameters)
            if reader is not None:
                deduplicator.add_request(request_key(spec.operation, entry.parameters), entry.place)
        elif known[entry.id].state in WAITING_STATES:
            counts.ready += 1
            await prices.add(entry.parameters)
        elif known[entry.id].digest not in {None, request_digest(spec.operation, entry.parameters)}:
            counts.rejected += 1


async def _known_rows(
    spec: BatchSpec, reader: LedgerReader | None, entries: Sequence[NewRow | Reject]
) -> Mapping[str, FoundCall]:
    """Return the rows that the folder has, by id, with their digests; None if nothing is left of their parameters."""
    if reader is None:
        return {}
    found = await reader.find([entry.id for entry in entries if isinstance(entry, NewRow)])
    return {
        id_: evolve(call, digest=request_digest(spec.operation, call.parameters)) if call.parameters else call
        for id_, call in found.items()
    }


@define
class _CostSum:
    """Sums up the prices of the rows that would be started."""

    _spec: BatchSpec
    _remaining: int = field(init=False, default=Factory(lambda self: self._spec.limit or sys.maxsize, takes_self=True))
    """How many more rows would be started."""
    credits: float = field(default=0.0, init=False)
    seconds: float = field(default=0.0, init=False)
    unpriced: int = field(default=0, init=False)
    sources: dict[str, None] = field(factory=dict[str, None], init=False)
    """Sources of prices, in order of first appearance."""

    async def add(self, parameters: Mapping[str, JSON]) -> None:
        """Add one row's price."""
        if not self._remaining:
            return
        self._remaining -= 1
        quote = await self._spec.provider.price(parameters)
        if quote is None:
            self.unpriced += 1
        else:
            self.credits += quote.credits
            self.seconds += quote.seconds
            if quote.source:
                self.sources[quote.source] = None


def _min_seconds(spec: BatchSpec, rows: int, call_seconds: float) -> float | None:
    """Return the seconds that so many rows take at the least; `call_seconds` is the sum of their calls' seconds."""
    rates = known_rates(spec.client.rate_limits)
    bounds = [seconds_for(rows, rates)] if rates else []
    if call_seconds:
        bounds.append(call_seconds / spec.max_active_rows)
    return max(bounds, default=None)
