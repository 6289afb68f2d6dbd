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
from generor_async.batch.progress import Progress
from generor_async.batch.python_rows import Frame
from generor_async.batch.runner import Batch as AsyncBatch
from generor_async.batch.runner import run_batch as async_run_batch
from generor_async.batch.spec import OnRow
from generor_async.batch.status import Status
from generor_async.rules.resume_advice import Reason
from generor_async.sync.bridge import SyncProxy, impl_of, streamed
from generor_async.sync.generor import Generor
from generor_async.sync.luma import Luma
from generor_async.values import JSON

__all__ = ["Batch", "run_batch"]


class Batch(SyncProxy[AsyncBatch]):
    """A batch; `for outcome in batch` runs it, and yields each row as it ends.

    Rows that nobody takes hold up those after them. Who leaves the loop waits for what is paid for; who is cancelled,
    by a timeout or by Ctrl-C, waits `drain` seconds at the most for the answers of calls under way, and cancelled again
    for nothing. Either way the same call goes on later. What is wrong with the account, or with all rows alike, stops
    the run, and is raised when what was under way has ended.
    """

    __slots__ = ()

    def estimate(self, *, first: int | None = None) -> BatchEstimate:
        """Return what a run would do and cost; nothing is charged, and the folder stays as it is.

        `first` reads so many rows and no more. Raises InvalidRequestError for an iterator, which can be read only once.
        """
        return self._bridge.run(self._impl.estimate(first=first))

    def tell(self, tell: Callable[[str], object]) -> None:
        """Have a function told, in a sentence each, how a file is read that doesn't say so, and what is set aside.

        Where nobody is told, each is a UserWarning. It is called before any row is charged that is read later, perhaps
        in another thread.
        """
        self._impl.tell(tell)

    @property
    def set_aside(self) -> Sequence[Reject]:
        """What could not be run, each with its place and reason, in the order of reading; of very many, the first.

        rejected.jsonl in the folder has them all.
        """
        return self._impl.set_aside

    @property
    def progress(self) -> Progress | None:
        """How the run stands, told from memory; when it has ended, how it ended; None before it begins."""
        return self._impl.progress

    @property
    def reason(self) -> Reason | None:
        """Why the run has ended, also where it raised an error; None before the end.

        `done`: every row is, up to the `limit` if there is one, and none was set aside. `failed`: it ran to its end,
        and some rows failed, are unknown or were set aside; or an error without another name stopped it. What stopped
        it else: `cap`, the account's `credits`, its `key`, too many calls whose outcome is `unknown`, `downloads`, the
        `disk`, the `folder`; and `interrupted`, by `stop` or by whoever left or cancelled the loop.
        """
        return self._impl.reason

    @property
    def begun(self) -> bool:
        """Whether any paid call of the run came to anything, or one of an earlier run was taken up."""
        return self._impl.begun

    def stop(self, *, drain: float | None = None) -> None:
        """Submit nothing more, and end when what is paid for is stored; called again, stop at once.

        With `drain`, wait so many seconds, at the most, for the answers of calls under way, and for nothing else: jobs
        go on, and the next run takes them up by their ids. A call that takes longer leaves its row unknown. It is what
        a signal to end should call: `loop.add_signal_handler(signal.SIGTERM, partial(batch.stop, drain=8))`.

        Any thread may call this; it does nothing where nothing runs.
        """
        self._impl.stop(drain=drain)

    def status(self) -> Status:
        """Return how the rows stand."""
        return self._bridge.run(self._impl.status())

    def report(self) -> Path:
        """Write report.html into the folder, and return its path."""
        return self._bridge.run(self._impl.report())

    def __iter__(self) -> Iterator[RowOutcome]:
        return self._bridge.iterate(self._impl.__aiter__())


def run_batch(
    client: Generor | Luma,
    rows: str | os.PathLike[str] | Iterable[Mapping[str, Any] | str] | AsyncIterable[Mapping[str, Any] | str] | Frame,
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
    """Run rows through the API of a client, each charged at most once, into the folder `to`.

    Iterate over the batch to run it. A folder whose batch was interrupted, by whatever, is gone on with.

    Args:
        client: Generor's, for `generators.generate`, or Luma's, for `generations.create`; without `extra_body`, whose
            fields no row's price would show.
        rows: The path of a .jsonl, .csv or .tsv file; an (async) iterable of mappings of parameters, each with its
            `id` if it has one, or of strings, each a prompt; or a table that has `to_dict("records")`, such as a
            DataFrame. What is missing in a row (NaN, NA) is not given; a row of another type is set aside.
        to: The folder for the journal, the results and the media; it is made if need be.
        max_credits: What may be spent, in the API's own credits.
        price: What one generation costs, in US dollars, where Luma's price lists have none.
        refunds: Count what failed with `content_moderated`, `generation_failed` or `output_not_found` as refunded, as
            Luma's FAQ says (page); else it counts against `max_credits`. Of earlier runs in the folder, too.
        on_row: Told of every row that ends.
        concurrency: How many rows may be in work at once.
        limit: How many rows are begun, at the most, in the order of reading: those that are made already are none of
            them. The others wait for the next run.
        tag_rows: Send each row's id as its `user_id` to Luma, whose support can find by it what was lost (assumed); a
            row that has a `user_id` keeps that. Later runs in the same folder do the same.
        prompt_column: The column, or key, that holds a row's prompt, where it has another name.
        common: Parameters of every row that doesn't give them itself.
        allow_duplicates: Run a row as often as it comes, each time under an id of its own, instead of once.
        keep: What rows have beside parameters, to come out again with what came of them. Columns of a table need not
            be named, but for those whose names are within two letters of a parameter's.
        again: Buy what the folder has once more where rows ask for it under other ids, or made another way, as with
            other parameters in `common`. Without it that raises BuysAgainError.
        drain: For how many seconds a run that is cancelled waits for the answers of calls under way, as after
            `Batch.stop(drain=...)`. A paid call that takes longer leaves its row unknown.
        take_over: Go on with a folder that another process, which nobody can tell from here whether it has ended, is
            named in: one on a file system without locks, or a copy of one in use.

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
