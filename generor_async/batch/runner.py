"""Batches for whoever has rows to run: what is asked for, and what there is to ask of it."""

import asyncio
import os
import warnings
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

from generor_async.batch.estimate import BatchEstimate, estimate
from generor_async.batch.inputs import Rows
from generor_async.batch.journal import Reject
from generor_async.batch.outcomes import RowOutcome, is_own_file
from generor_async.batch.progress import Progress
from generor_async.batch.python_rows import check_rows
from generor_async.batch.run import BatchRun
from generor_async.batch.spec import BatchSpec, OnRow
from generor_async.batch.status import Status, read_status, report
from generor_async.batch.stopping import stop_reason
from generor_async.engine.stacklevel import caller_stacklevel
from generor_async.errors import InvalidRequestError
from generor_async.generor import AsyncGeneror
from generor_async.luma import AsyncLuma
from generor_async.rules import arguments
from generor_async.rules.budget import NO_CAP
from generor_async.rules.resume_advice import Reason
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
    limit: int | None = None,
    tag_rows: bool = False,
    prompt_column: str | None = None,
    common: Mapping[str, JSON] | None = None,
    allow_duplicates: bool = False,
    keep: Iterable[str] = (),
    again: bool = False,
    drain: float = 8.0,
    take_over: bool = False,
) -> "Batch":
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
    _check(client, rows, on_row)
    if max_credits is not None:
        arguments.at_least(max_credits, "max_credits", 0, above=True)
    if price is not None:
        arguments.at_least(price, "price", 0)
    if concurrency is not None:
        arguments.count(concurrency, "concurrency", least=1, of="rows")
    if limit is not None:
        arguments.count(limit, "limit", least=1, of="rows")
    if arguments.truth(tag_rows, "tag_rows") and not isinstance(client, AsyncLuma):
        raise InvalidRequestError(
            "tag_rows", "Generor's API takes no tag of its caller's", advice="Leave it out: only Luma's has `user_id`"
        )
    if prompt_column is not None:
        arguments.text(prompt_column, "prompt_column")
    spec = BatchSpec(
        client=client,
        rows=rows,
        folder=Path(arguments.path(to, "to")),
        cap=NO_CAP if max_credits is None else max_credits,
        price=price,
        refunds=arguments.truth(refunds, "refunds"),
        on_row=on_row,
        concurrency=concurrency,
        limit=limit,
        tag_rows=tag_rows,
        prompt_column=prompt_column,
        common={} if common is None else arguments.mapping(common, "common"),
        allow_duplicates=arguments.truth(allow_duplicates, "allow_duplicates"),
        keep=_kept(keep),
        again=arguments.truth(again, "again"),
        drain=arguments.duration(drain, "drain"),
        take_over=arguments.truth(take_over, "take_over"),
    )
    if unknown := sorted(spec.common.keys() - spec.parameters.names):
        advice = (
            "Each row has an id of its own"
            if unknown == ["id"]
            else f"Those are {', '.join(sorted(spec.parameters.names))}"
        )
        raise InvalidRequestError("common", f"{unknown[0]!r} is no parameter of {spec.operation}", advice=advice)
    if taken := spec.keep & spec.parameters.names:
        advice = "Leave it out of keep, or give the column another name"
        raise InvalidRequestError("keep", f"{min(taken)!r} is a parameter of {spec.operation}", advice=advice)
    if spec.source is not None and is_own_file(spec.source.path, spec.folder):
        problem = f"{spec.source.path} is a file that the batch itself writes in its folder"
        raise InvalidRequestError("rows", problem, advice="Give another folder, or the rows under another name")
    return Batch(spec)


def _kept(keep: Any) -> frozenset[str]:
    if isinstance(keep, str) or not hasattr(keep, "__iter__"):
        raise arguments.refused("keep", "a list of names", keep, "Write the names in brackets")
    return frozenset(arguments.texts(list(keep), "keep"))


def _check(client: AsyncGeneror | AsyncLuma, rows: object, on_row: object) -> None:
    """Raise InvalidRequestError for what can't be asked for rows, are no rows, or can't be told of them."""
    arguments.one_of(client, "client", (AsyncGeneror, AsyncLuma), "Make one with AsyncGeneror() or AsyncLuma()")
    check_rows(rows)
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

    Rows that nobody takes hold up those after them. Who leaves the loop waits for what is paid for; who is cancelled,
    by a timeout or by Ctrl-C, waits `drain` seconds at the most for the answers of calls under way, and cancelled again
    for nothing. Either way the same call goes on later. What is wrong with the account, or with all rows alike, stops
    the run, and is raised when what was under way has ended.
    """

    def __init__(self, spec: BatchSpec) -> None:
        self._spec = spec
        self._run: BatchRun | None = None
        self._progress: Progress | None = None
        self._reason: Reason | None = None
        self._begun = False
        self._opening: asyncio.Task[BatchRun] | None = None

    async def estimate(self, *, first: int | None = None) -> BatchEstimate:
        """Return what a run would do and cost; nothing is charged, and the folder stays as it is.

        `first` reads so many rows and no more. Raises InvalidRequestError for an iterator, which can be read only once.
        """
        return await estimate(self._spec, max_rows=first)

    def tell(self, tell: Callable[[str], object]) -> None:
        """Have a function told, in a sentence each, how a file is read that doesn't say so, and what is set aside.

        Where nobody is told, each is a UserWarning. It is called before any row is charged that is read later, perhaps
        in another thread.
        """
        self._spec.notes.tell(tell)

    @property
    def set_aside(self) -> Sequence[Reject]:
        """What could not be run, each with its place and reason, in the order of reading; of very many, the first.

        rejected.jsonl in the folder has them all.
        """
        return tuple(self._spec.set_aside)

    @property
    def progress(self) -> Progress | None:
        """How the run stands, told from memory; when it has ended, how it ended; None before it begins."""
        return self._progress if self._run is None else self._run.progress()

    @property
    def reason(self) -> Reason | None:
        """Why the run has ended, also where it raised an error; None before the end.

        `done`: every row is, up to the `limit` if there is one, and none was set aside. `failed`: it ran to its end,
        and some rows failed, are unknown or were set aside; or an error without another name stopped it. What stopped
        it else: `cap`, the account's `credits`, its `key`, too many calls whose outcome is `unknown`, `downloads`, the
        `disk`, the `folder`; and `interrupted`, by `stop` or by whoever left or cancelled the loop.
        """
        return self._reason

    @property
    def begun(self) -> bool:
        """Whether any paid call of the run came to anything, or one of an earlier run was taken up."""
        return self._begun if self._run is None else self._run.monitor.begun

    def stop(self, *, drain: float | None = None) -> None:
        """Submit nothing more, and end when what is paid for is stored; called again, stop at once.

        With `drain`, wait so many seconds, at the most, for the answers of calls under way, and for nothing else: jobs
        go on, and the next run takes them up by their ids. A call that takes longer leaves its row unknown. It is what
        a signal to end should call: `loop.add_signal_handler(signal.SIGTERM, partial(batch.stop, drain=8))`.

        Any thread may call this; it does nothing where nothing runs.
        """
        if drain is not None:
            arguments.duration(drain, "drain")
        opening, run = self._opening, self._run
        if opening is not None:
            self._reason = "interrupted"
            _in_loop(opening.get_loop(), opening.cancel)
        elif run is not None:
            stop = run.stopping.stop if drain is None else partial(run.stopping.drain, drain)
            _in_loop(run.loop, stop)

    async def status(self) -> Status:
        """Return how the rows stand."""
        return await read_status(self._spec.folder)

    async def report(self) -> Path:
        """Write report.html into the folder, and return its path."""
        return await report(self._spec.folder)

    async def __aiter__(self) -> AsyncGenerator[RowOutcome, None]:
        if self._run is not None or self._opening is not None:
            raise RuntimeError("this batch runs already: make another with run_batch(...)")
        self._reason, self._begun = None, False
        if not self._spec.notes.is_told:
            self.tell(_warn)
        if (run := await self._opened()) is None:
            return
        try:
            async with aclosing(run.outcomes()) as outcomes:
                async for outcome in outcomes:
                    yield outcome
        finally:
            self._progress, self._reason, self._begun = run.progress(), run.reason, run.monitor.begun
            self._run = None

    async def _opened(self) -> BatchRun | None:
        """Open the folder, and begin; None where it was stopped meanwhile."""
        self._opening = opening = asyncio.ensure_future(BatchRun.open(self._spec))
        try:
            self._run = await opening
        except asyncio.CancelledError:
            if self._reason is None:
                self._reason = "interrupted"
                raise
            return None
        except BaseException as error:
            self._reason = stop_reason(error)
            raise
        finally:
            self._opening = None
        return self._run


def _warn(sentence: str) -> None:
    warnings.warn(f"{sentence.removesuffix('.')}.", UserWarning, stacklevel=caller_stacklevel())


def _in_loop(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    """Have a function called in an event loop: at once, where that is the one that runs here."""
    try:
        here = asyncio.get_running_loop() is loop
    except RuntimeError:
        here = False
    if here:
        call()
    else:
        loop.call_soon_threadsafe(call)
