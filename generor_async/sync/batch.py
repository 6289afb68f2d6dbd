# Generated from the async implementation by `python -m generor_async.codegen`: do not edit.
# pyright: reportPrivateUsage=false
# The generated classes use each other's `_impl`.
"""Blocking proxies of `generor_async.batch.runner`."""

import os
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from generor_async.batch.estimate import BatchEstimate
from generor_async.batch.journal import Reject
from generor_async.batch.outcomes import RowOutcome
from generor_async.batch.progress import BatchProgress
from generor_async.batch.python_rows import DataFrame
from generor_async.batch.runner import Batch as AsyncBatch
from generor_async.batch.runner import run_batch as async_run_batch
from generor_async.batch.spec import OnRow
from generor_async.batch.status import Status
from generor_async.rules.stop_rules import StopReason
from generor_async.sync.bridge import SyncProxy, impl_of, streamed
from generor_async.sync.generor import Generor
from generor_async.sync.luma import Luma
from generor_async.values import JSON

__all__ = ["Batch", "run_batch"]


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
        `unknown`, `downloads`, the `disk`, the `folder`; and `interrupted`, by `stop` or by leaving or cancelling the
        loop.
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

    def status(self) -> Status:
        """Return the status of all rows in the folder."""
        return self._bridge.run(self._impl.status())

    def report(self) -> Path:
        """Write report.html into the folder, and return its path."""
        return self._bridge.run(self._impl.report())

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
    take_over: bool = False,
) -> Batch:
    """Run rows through a client's API, each charged at most once, into the folder `to`.

    Iterate over the batch to run it. The same call continues a batch in its folder, however it was interrupted.

    Args:
        client: Generor's, for `generators.generate`, or Luma's, for `generations.create`; without `extra_body`, whose
            fields no row's price would include.
        rows: The path of a .jsonl, .csv or .tsv file; an (async) iterable of mappings of parameters, each with an
            optional `id`, or of strings, each a prompt; or a table that has `to_dict("records")`, such as a DataFrame.
            Missing values (NaN, NA) are left out; a row of another type is rejected.
        to: The folder for the journal, the results and the media; created if need be.
        max_credits: The cap on spending, in the API's own credits.
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
        take_over: Use a folder that names another process of which this machine can't tell whether it has ended: one on
            a file system without locks, or a copy of one in use.

    Raises:
        InvalidRequestError: An argument that can never be right.
    """
    impl = async_run_batch(
        impl_of(client, "client", Generor, Luma),
        streamed(rows),
        to=to,
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
        take_over=take_over,
    )
    return Batch(client._bridge, impl)
