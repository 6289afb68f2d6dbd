# Generated from the async implementation by `python -m generor_async.codegen`: do not edit.
# pyright: reportPrivateUsage=false
# The generated classes use each other's `_impl`.
"""Blocking proxies of `batch.runner`."""

import os
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from generor_async.batch.estimate import BatchEstimate
from generor_async.batch.outcomes import RowOutcome
from generor_async.batch.progress import BatchProgress
from generor_async.batch.python_rows import DataFrame
from generor_async.batch.runner import Batch as AsyncBatch
from generor_async.batch.runner import run_batch as async_run_batch
from generor_async.batch.shared_run import Submitted
from generor_async.batch.shift import ShiftEnd
from generor_async.batch.shift import run_shift as async_run_shift
from generor_async.batch.spec import OnRow
from generor_async.batch.status import Status
from generor_async.engine.auth import masked_texts, masked_url
from generor_async.rules.stop_rules import StopReason
from generor_async.stores.records import Reject
from generor_async.sync.bridge import SyncProxy, impl_of, streamed
from generor_async.sync.generor import Generor
from generor_async.sync.luma import Luma
from generor_async.values import JSON

__all__ = ["Batch", "run_batch", "run_shift"]


class Batch(SyncProxy[AsyncBatch]):
    """A batch; `for outcome in batch` runs it, and yields each row as it ends.

    Outcomes that are not taken hold up later rows. Leaving the loop waits for what is paid for. Cancelling it, by a
    timeout or by Ctrl-C, waits at most `drain` seconds for answers of calls under way, and cancelling it again for
    nothing. Either way, the same call continues the batch later. An error that concerns the account, or all rows alike,
    stops the run and is raised when what was under way has ended.
    """

    __slots__ = ()

    def estimate(self, *, first: int | None = None) -> BatchEstimate:
        """Return what a run would do and cost; nothing is charged, and the folder is not changed.

        Args:
            first: How many rows are read at most; by default all.

        Returns:
            The numbers of rows, the price and the time.

        Raises:
            InvalidRequestError: The rows are an iterator, which can be read only once, or they can't be read.
        """
        return self._bridge.run(self._impl.estimate(first=first))

    def tell(self, tell: Callable[[str], object]) -> None:
        """Call a function with notes, each a sentence, on assumptions about the input file and on rejected rows.

        Args:
            tell: A plain function, called before any later row is charged, perhaps in another thread. Without one, each
                note is a UserWarning.
        """
        self._impl.tell(tell)

    @property
    def set_aside(self) -> Sequence[Reject]:
        """The first rejected lines, each with its place and reason, in the order of reading.

        rejected.jsonl in the folder has all of them.
        """
        return self._impl.set_aside

    @property
    def progress(self) -> BatchProgress | None:
        """The run's current progress, or its last once it has ended; None before it begins."""
        return self._impl.progress

    @property
    def reason(self) -> StopReason | None:
        """Why the run ended, also if it raised an error; None before its end.

        `done`: all rows are done, up to the `limit` if there is one, and none was rejected. `failed`: the run
        completed, and some rows failed, are unknown or were rejected; or an error without a reason of its own stopped
        it. The other reasons stopped it: `cap`, the account's `credits`, its `key`, too many calls whose outcome is
        `unknown`, `downloads`, the `storage`, the `disk`, the `folder`, the `database`; and `interrupted`, by `stop`
        or by leaving or cancelling the loop.
        """
        return self._impl.reason

    @property
    def begun(self) -> bool:
        """Whether any paid call of the run had an outcome, or one of an earlier run was resumed."""
        return self._impl.begun

    def stop(self, *, drain: float | None = None) -> None:
        """Submit nothing more, and end when what is paid for is stored; a second call stops at once.

        Any thread may call this; it does nothing if nothing runs. A handler of signals should call it:
        `loop.add_signal_handler(signal.SIGTERM, partial(batch.stop, drain=8))`.

        Args:
            drain: Seconds to wait at most, and only for answers of calls under way: jobs go on, and the next run
                resumes them by their ids. A call that takes longer leaves its row unknown.

        Raises:
            InvalidRequestError: `drain` is no number of seconds.
        """
        self._impl.stop(drain=drain)

    def submit(self) -> Submitted:
        """Add the rows to a run in a database, and make no paid call: workers work on them (`run_shift`).

        Returns:
            How many rows were added.

        Raises:
            InvalidRequestError: The rows can't be read, the run belongs to other rows or was begun with other settings,
                or the batch is in a folder.
            BuysAgainError: Rows ask for what the run has, under other ids or to be made another way. None was added,
                unless the rows are an iterator: it is read as they are added, and what workers have begun stays.
            JournalError: The database can't be reached.
        """
        return self._bridge.run(self._impl.submit())

    def status(self) -> Status:
        """Return the status of all rows, whoever works on them."""
        return self._bridge.run(self._impl.status())

    def report(self, *, signed_links: float | None = None) -> Path:
        """Write report.html into the folder, and return its path.

        Args:
            signed_links: Link to outputs in object storage by signed links, by which whoever has the page can open
                them for so many seconds, at most seven days; by default it has their URLs.

        Raises:
            InvalidRequestError: `signed_links` is no such number, or the page can't be written.
        """
        return self._bridge.run(self._impl.report(signed_links=signed_links))

    def __iter__(self) -> Iterator[RowOutcome]:
        return self._bridge.iterate(self._impl.__aiter__())


def run_batch(
    client: Generor | Luma,
    rows: str
    | os.PathLike[str]
    | Iterable[Mapping[str, Any] | str]
    | AsyncIterable[Mapping[str, Any] | str]
    | DataFrame,
    *,
    to: str | os.PathLike[str],
    name: str | None = None,
    max_credits: float | None = None,
    price: float | None = None,
    refunds: bool = False,
    on_row: OnRow | None = None,
    concurrency: int | None = None,
    limit: int | None = None,
    tag_rows: bool = False,
    prompt_column: str | None = None,
    common: Mapping[str, JSON] | None = None,
    allow_duplicates: bool = False,
    keep: Iterable[str] = (),
    again: bool = False,
    drain: float = 8.0,
    media: str | None = None,
    keep_prompts: bool = True,
    take_over: bool = False,
    lease: float | None = None,
) -> Batch:
    """Run rows through a client's API, each charged at most once, into a folder or a database.

    Iterate over the batch to run it. The same call continues a batch, however it was interrupted. In a database, any
    number of processes on any machines work on a run together: the same call joins those at work, `run_shift` works
    without the rows, and `Batch.submit` adds the rows alone. What is charged, they count together under one cap.

    Args:
        client: Generor's, for `generators.generate`, or Luma's, for `generations.create`; without `extra_body`, whose
            fields no row's price would include.
        rows: The path of a .jsonl, .csv or .tsv file; an (async) iterable of mappings of parameters, each with an
            optional `id`, or of strings, each a prompt; or a table that has `to_dict("records")`, such as a DataFrame.
            Missing values (NaN, NA) are left out; a row of another type is rejected.
        to: The folder for the journal, the results and the media; created if need be. Or the URL of a PostgreSQL
            database, such as `postgresql://host/app`, for a run that several processes work on; it needs a `name`, and
            `media` for the outputs.
        name: The name of the run in a database that has many: up to 100 letters, digits, dots, dashes and underscores.
        max_credits: The cap on spending, in the API's own credits. In a database it is that of the whole run, and stays
            as it is if this is not given.
        price: The price of one generation, in US dollars, if Luma's price lists have none.
        refunds: Count failures with `content_moderated`, `generation_failed` or `output_not_found` as refunded, as
            Luma's FAQ says (page), also those of earlier runs in the folder; else they count against `max_credits`.
        on_row: Called with each row's outcome; an awaitable that it returns is awaited.
        concurrency: How many rows may be active at once.
        limit: How many rows to start at most, in the order of reading; the others wait for the next run. Rows that are
            already made don't count.
        tag_rows: Send each row's id to Luma as its `user_id`, by which support can find lost jobs (assumed), unless the
            row has one. Later runs in the same folder do the same.
        prompt_column: The column, or key, of a row's prompt, if it has another name.
        common: Parameters of every row that doesn't have them itself.
        allow_duplicates: Run a repeated row as often as it comes, each time under its own id, instead of once.
        keep: Names of columns that are no parameters, and are exported with the results. A table's columns need not be
            named, except if their names are within two letters of a parameter's.
        again: Buy again what the folder has, for rows that ask for it under other ids or with other parameters, such as
            those in `common`. Without it, such rows raise BuysAgainError.
        drain: Seconds for which a cancelled run waits for answers of calls under way, as `Batch.stop(drain=...)` does.
            A paid call that takes longer leaves its row unknown.
        media: The URL of object storage for the outputs, such as `s3://bucket/herons`, instead of the folder: see
            `Storage`. Later runs in the folder need not repeat it; with another URL, the outputs of further rows go
            there, and those that are stored stay where they are.
        keep_prompts: Keep the parameters of rows in the folder. Without it, those of rows that are done or failed are
            replaced by hashes, by which the same rows are still known; so they are in all later runs in the folder.
        take_over: Use a folder that names another process of which this machine can't tell whether it has ended: one on
            a file system without locks, or a copy of one in use.
        lease: In a database, for how many seconds this process may be cut off or frozen before others take its rows
            over; by default 30. Until it is back within that time, it sends no paid call.

    Raises:
        InvalidRequestError: An argument that can never be right.
    """
    media = masked_texts(media)
    to = masked_url(to)
    impl = async_run_batch(
        impl_of(client, "client", Generor, Luma),
        streamed(rows),
        to=to,
        name=name,
        max_credits=max_credits,
        price=price,
        refunds=refunds,
        on_row=on_row,
        concurrency=concurrency,
        limit=limit,
        tag_rows=tag_rows,
        prompt_column=prompt_column,
        common=common,
        allow_duplicates=allow_duplicates,
        keep=keep,
        again=again,
        drain=drain,
        media=media,
        keep_prompts=keep_prompts,
        take_over=take_over,
        lease=lease,
    )
    return Batch(client._bridge, impl)


def run_shift(
    client: Generor | Luma,
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
    url = masked_texts(url)
    impl = async_run_shift(
        impl_of(client, "client", Generor, Luma),
        url,
        name,
        concurrency=concurrency,
        drain=drain,
        on_row=on_row,
        lease=lease,
    )
    return client._bridge.run(impl)
