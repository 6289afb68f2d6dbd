"""`run_shift`: what a worker does. It works on a run that is in a database, together with any number of others."""

import asyncio
from collections import Counter
from contextlib import aclosing

from attrs import frozen

from generor_async.batch.database_place import DatabasePlace
from generor_async.batch.journal import open_reader
from generor_async.batch.run_key import read_key
from generor_async.batch.runner import Batch, check_client
from generor_async.batch.spec import BatchSpec, OnRow
from generor_async.engine import auth
from generor_async.generor import AsyncGeneror
from generor_async.luma import AsyncLuma
from generor_async.rules import option_checks
from generor_async.rules.budget import NO_CAP
from generor_async.rules.row_states import RowState
from generor_async.rules.stop_rules import StopReason

__all__ = ["ShiftEnd", "run_shift", "work_shift"]


@frozen(kw_only=True)
class ShiftEnd:
    """How a shift ended, and how many rows ended in it."""

    reason: StopReason
    """`done`: every row of the run is done, and none was rejected. `failed`: every row has ended. `cap`: the cap is
    reached, and no call under way can leave room under it. `interrupted`: it was stopped."""
    done: int
    failed: int
    unknown: int


async def run_shift(
    client: AsyncGeneror | AsyncLuma,
    url: str,
    name: str,
    *,
    concurrency: int | None = None,
    drain: float = 8.0,
    on_row: OnRow | None = None,
    lease: float | None = None,
) -> ShiftEnd:
    """Work on a run in a database until every row of it has ended, whoever did it.

    Any number of processes, on any machines, may do so at the same time; each row is charged at most once. The run has
    its settings, such as its cap and where outputs go, from whoever submitted it (`Batch.submit`): a worker needs this
    address and a key of its own.

    Cancelling it submits nothing more and waits at most `drain` seconds for answers of calls under way; accepted jobs
    are left to the other workers. Cancelling it again ends it at once. While somebody has stopped the run (`generor
    batch stop`), it makes no new call; once the outputs of all that is paid for are stored, it ends. A worker that
    dies, or is cut off for longer than its lease, loses its rows to the others within two leases.

    Args:
        client: Of the API that the run was submitted for.
        url: The database, such as `postgresql://host/app`.
        name: The run.
        concurrency: How many rows may be active at once.
        drain: Seconds for which a cancelled shift waits for answers of calls under way. A paid call that takes longer
            leaves its row unknown.
        on_row: Called with the outcome of each row that ends in this shift; an awaitable that it returns is awaited.
        lease: For how many seconds this process may be cut off or frozen before others take its rows over; by default
            30. Until it is back within that time, it sends no paid call.

    Returns:
        Why the shift ended, and how many rows ended in it.

    Raises:
        InvalidRequestError: There is no such run, it belongs to another API, or an argument can't be right.
        DatabaseChangedError: The database is another one than before: see `resume_run`.
        GenerorAsyncError: An error that concerns the account, or all rows alike, as with a bad key.
    """
    return await work_shift(
        client, url, name, concurrency=concurrency, drain=drain, on_row=on_row, lease=lease, look=None
    )


async def work_shift(
    client: AsyncGeneror | AsyncLuma,
    url: str,
    name: str,
    *,
    concurrency: int | None,
    drain: float,
    on_row: OnRow | None,
    lease: float | None,
    look: asyncio.Event | None,
) -> ShiftEnd:
    """Work as `run_shift` does; `look` is set to have it look at once whether somebody has stopped the run."""
    url = auth.masked_texts(url)  # a traceback shows arguments
    check_client(client, on_row)
    if concurrency is not None:
        option_checks.count(concurrency, "concurrency", least=1, of="rows")
    place = DatabasePlace.of(url, name, lease)
    reader = await open_reader(place)
    try:
        key = await read_key(reader)
    finally:
        await reader.close()
    assert key is not None
    batch = Batch(
        BatchSpec(
            client=client,
            rows=None,
            place=place,
            cap=NO_CAP,
            price=None,
            refunds=False,
            on_row=on_row,
            concurrency=concurrency,
            limit=None,
            tag_rows=False,
            prompt_column=None,
            common={},
            allow_duplicates=False,
            keep=frozenset(),
            again=False,
            drain=option_checks.duration(drain, "drain"),
            media=None,
            keep_prompts=True,
            take_over=False,
            noted_source=key.source,
            look=look,
        )
    )
    return await _ended(batch)


async def _ended(batch: Batch) -> ShiftEnd:
    ended = Counter[RowState]()
    async with aclosing(batch.__aiter__()) as outcomes:
        async for outcome in outcomes:
            ended[outcome.state] += 1
    return ShiftEnd(
        reason=batch.reason or "failed", done=ended["done"], failed=ended["failed"], unknown=ended["unknown"]
    )
