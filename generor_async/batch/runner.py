"""Batches for whoever has rows to run: what is asked for, and what there is to ask of it."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping
from contextlib import aclosing
from pathlib import Path

from generor_async.batch.estimate import BatchEstimate, estimate
from generor_async.batch.inputs import Rows
from generor_async.batch.order import OnRow, Order
from generor_async.batch.outcomes import RowOutcome
from generor_async.batch.progress import Progress
from generor_async.batch.run import BatchRun
from generor_async.batch.status import Status, read_status, report
from generor_async.errors import InvalidRequestError
from generor_async.generor import AsyncGeneror
from generor_async.luma import AsyncLuma
from generor_async.rules import arguments
from generor_async.rules.spending import NO_CAP
from generor_async.values import JSON

__all__ = ["Batch", "run_batch"]


def run_batch(
    client: AsyncGeneror | AsyncLuma,
    rows: Rows,
    *,
    to: str | os.PathLike[str],
    max_credits: float | None = None,
    price: float | None = None,
    refunds: bool = False,
    on_row: OnRow | None = None,
    concurrency: int | None = None,
    prompt_column: str | None = None,
    common: Mapping[str, JSON] | None = None,
    allow_duplicates: bool = False,
) -> "Batch":
    """Run rows through the API of a client, each charged at most once, into the folder `to`.

    Iterate over the batch to run it. A folder whose batch was interrupted, by whatever, is gone on with.

    Args:
        client: Generor's, for `generators.generate`, or Luma's, for `generations.create`; without `extra_body`, whose
            fields no row's price would show.
        rows: The path of a .jsonl, .csv or .tsv file, or an (async) iterable of parameters, each row's with its `id`
            if it has one.
        to: The folder for the journal, the results and the media; it is made if need be.
        max_credits: What may be spent, in the API's own credits.
        price: What one generation costs, in US dollars, where Luma's price lists have none.
        refunds: Count what failed with `content_moderated`, `generation_failed` or `output_not_found` as refunded, as
            Luma's FAQ says (page); else it counts against `max_credits`. Of earlier runs in the folder, too.
        on_row: Told of every row that ends.
        concurrency: How many rows may be in work at once.
        prompt_column: The column of a table that holds the prompt, where it has another name.
        common: Parameters of every row that doesn't give them itself.
        allow_duplicates: Run a row as often as it comes, each time under an id of its own, instead of once.

    Raises:
        InvalidRequestError: An argument that can never be right.
    """
    _check(client, rows, on_row)
    if max_credits is not None:
        arguments.at_least(max_credits, "max_credits", 0, above=True)
    if price is not None:
        arguments.at_least(price, "price", 0)
    if concurrency is not None:
        arguments.count(concurrency, "concurrency", least=1, of="rows")
    if prompt_column is not None:
        arguments.text(prompt_column, "prompt_column")
    order = Order(
        client=client,
        rows=rows,
        folder=Path(arguments.path(to, "to")),
        cap=NO_CAP if max_credits is None else max_credits,
        price=price,
        refunds=arguments.truth(refunds, "refunds"),
        on_row=on_row,
        concurrency=concurrency,
        prompt_column=prompt_column,
        common={} if common is None else arguments.mapping(common, "common"),
        allow_duplicates=arguments.truth(allow_duplicates, "allow_duplicates"),
    )
    return Batch(order)


def _check(client: AsyncGeneror | AsyncLuma, rows: object, on_row: object) -> None:
    """Raise InvalidRequestError for what can't be asked for rows, are no rows, or can't be told of them."""
    arguments.one_of(client, "client", (AsyncGeneror, AsyncLuma), "Make one with AsyncGeneror() or AsyncLuma()")
    if isinstance(rows, str) or arguments.is_pathlike(rows):
        arguments.path(rows, "rows", "a file")
    elif isinstance(rows, bytes) or arguments.is_mapping(rows) or not isinstance(rows, Iterable | AsyncIterable):
        instead = "Write [row], with brackets around it" if arguments.is_mapping(rows) else ""
        raise arguments.refused("rows", "a file's path or an iterable of mappings", rows, instead)
    if on_row is not None:
        arguments.function(on_row, "on_row")
    if fields := client._options.extra_body:  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here
        raise InvalidRequestError(
            "extra_body",
            f"the client sends {', '.join(map(repr, fields))} in every body, which no row's id and price would show",
            advice="Put the fields into the rows, or give them for all with common=, and hand in a client without"
            " extra_body",
        )


class Batch:
    """A batch; `async for outcome in batch` runs it, and yields each row as it ends.

    Rows that nobody takes hold up those after them. Who leaves the loop, or is cancelled, waits for what is paid for;
    cancelled again, it stops at once. Either way the same call goes on later. An error of the account stops the run,
    and is raised when what was under way has ended.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self._run: BatchRun | None = None
        self._progress: Progress | None = None

    async def estimate(self) -> BatchEstimate:
        """Return what a run would do and cost; nothing is charged, and the folder stays as it is.

        Raises InvalidRequestError for rows that can be read only once.
        """
        return await estimate(self._order)

    @property
    def progress(self) -> Progress | None:
        """How the run stands, told from memory; when it has ended, how it ended; None before it begins."""
        return self._progress if self._run is None else self._run.progress()

    def stop(self) -> None:
        """Submit nothing more, and end when what runs has ended; called again, stop at once.

        Any thread may call this.
        """
        run = self._run
        if run is not None:
            if _running_loop() is run.loop:
                run.stop()
            else:
                run.loop.call_soon_threadsafe(run.stop)

    async def status(self) -> Status:
        """Return how the rows stand."""
        return await read_status(self._order.folder)

    async def report(self) -> Path:
        """Write report.html into the folder, and return its path."""
        return await report(self._order.folder)

    async def __aiter__(self) -> AsyncGenerator[RowOutcome, None]:
        if self._run is not None:
            raise RuntimeError("this batch runs already: make another with run_batch(...)")
        self._run = run = await BatchRun.open(self._order)
        try:
            async with aclosing(run.outcomes()) as outcomes:
                async for outcome in outcomes:
                    yield outcome
        finally:
            self._progress = run.progress()
            self._run = None


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
