"""`run_batch` and `Batch`: the public interface of batches."""

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
from generor_async.batch.journal import place_of
from generor_async.batch.outcomes import RowOutcome, is_own_file
from generor_async.batch.progress import BatchProgress
from generor_async.batch.python_rows import check_rows
from generor_async.batch.run import BatchRun
from generor_async.batch.shared_run import SharedBatchRun, Submitted, open_run
from generor_async.batch.spec import BatchSpec, OnRow
from generor_async.batch.status import Status, read_status, report
from generor_async.batch.stopping import stop_reason
from generor_async.engine import auth
from generor_async.engine.stacklevel import caller_stacklevel
from generor_async.errors import InvalidRequestError
from generor_async.generor import AsyncGeneror
from generor_async.luma import AsyncLuma
from generor_async.rules import arguments, option_checks
from generor_async.rules.budget import NO_CAP
from generor_async.rules.stop_rules import StopReason
from generor_async.storage import checked_url
from generor_async.stores.records import Reject
from generor_async.values import JSON

__all__ = ["Batch", "check_client", "run_batch"]


def run_batch(
    client: AsyncGeneror | AsyncLuma,
    rows: Rows,
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
) -> "Batch":
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
    to, media = auth.masked_url(to), auth.masked_texts(media)  # a traceback shows arguments
    check_rows(rows)
    check_client(client, on_row)
    if max_credits is not None:
        option_checks.at_least(max_credits, "max_credits", 0, above=True)
    if price is not None:
        option_checks.at_least(price, "price", 0)
    if concurrency is not None:
        option_checks.count(concurrency, "concurrency", least=1, of="rows")
    if limit is not None:
        option_checks.count(limit, "limit", least=1, of="rows")
    if arguments.boolean(tag_rows, "tag_rows") and not isinstance(client, AsyncLuma):
        raise InvalidRequestError(
            "tag_rows", "Generor's API takes no tag of its caller's", advice="Leave it out: only Luma's has `user_id`"
        )
    if prompt_column is not None:
        arguments.text(prompt_column, "prompt_column")
    spec = BatchSpec(
        client=client,
        rows=rows,
        place=place_of(to, name, lease=lease),
        cap=NO_CAP if max_credits is None else max_credits,
        price=price,
        refunds=arguments.boolean(refunds, "refunds"),
        on_row=on_row,
        concurrency=concurrency,
        limit=limit,
        tag_rows=tag_rows,
        prompt_column=prompt_column,
        common={} if common is None else arguments.mapping(common, "common"),
        allow_duplicates=arguments.boolean(allow_duplicates, "allow_duplicates"),
        keep=_column_names(keep),
        again=arguments.boolean(again, "again"),
        drain=option_checks.duration(drain, "drain"),
        media=None if media is None else _media_url(media),
        keep_prompts=arguments.boolean(keep_prompts, "keep_prompts"),
        take_over=arguments.boolean(take_over, "take_over"),
    )
    _check_names(spec)
    return Batch(spec)


def _media_url(media: str) -> str:
    url = checked_url(media, "media")
    if url.startswith("memory:"):
        raise InvalidRequestError(
            "media",
            "memory:// loses what was paid for when the program ends",
            advice="Give a bucket, or file:///folder",
        )
    return url


def _column_names(keep: Any) -> frozenset[str]:
    if isinstance(keep, str) or not hasattr(keep, "__iter__"):
        raise arguments.type_error("keep", "a list of names", keep, "Write the names in brackets")
    return frozenset(arguments.texts(list(keep), "keep"))


def check_client(client: AsyncGeneror | AsyncLuma, on_row: object) -> None:
    """Raise InvalidRequestError for a wrong client, or an `on_row` that can't be called."""
    option_checks.one_of(client, "client", (AsyncGeneror, AsyncLuma), "Make one with AsyncGeneror() or AsyncLuma()")
    if on_row is not None:
        option_checks.function(on_row, "on_row")
    if fields := client._options.extra_body:  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here
        raise InvalidRequestError(
            "extra_body",
            f"the client sends {', '.join(map(repr, fields))} in every body, which no row's id and price would show",
            advice="Put the fields into the rows, or give them for all with common=, and hand in a client without"
            " extra_body",
        )


def _check_names(spec: BatchSpec) -> None:
    """Raise InvalidRequestError for wrong names in `common` or `keep`, or for an input file that the batch writes."""
    if unknown := sorted(spec.common.keys() - spec.parameters.names):
        advice = (
            "Each row has an id of its own"
            if unknown == ["id"]
            else f"Those are {', '.join(sorted(spec.parameters.names))}"
        )
        raise InvalidRequestError("common", f"{unknown[0]!r} is no parameter of {spec.operation}", advice=advice)
    if reserved := spec.keep & spec.parameters.names:
        advice = "Leave it out of keep, or give the column another name"
        raise InvalidRequestError("keep", f"{min(reserved)!r} is a parameter of {spec.operation}", advice=advice)
    folder = spec.place.folder
    if spec.source is not None and folder is not None and is_own_file(spec.source.path, folder):
        problem = f"{spec.source.path} is a file that the batch itself writes in its folder"
        raise InvalidRequestError("rows", problem, advice="Give another folder, or the rows under another name")


class Batch:
    """A batch; `async for outcome in batch` runs it, and yields each row as it ends.

    Outcomes that are not taken hold up later rows. Leaving the loop waits for what is paid for. Cancelling it, by a
    timeout or by Ctrl-C, waits at most `drain` seconds for answers of calls under way, and cancelling it again for
    nothing. Either way, the same call continues the batch later. An error that concerns the account, or all rows alike,
    stops the run and is raised when what was under way has ended.
    """

    def __init__(self, spec: BatchSpec) -> None:
        self._spec = spec
        self._run: BatchRun | None = None
        self._progress: BatchProgress | None = None
        self._reason: StopReason | None = None
        self._begun = False
        self._opening: asyncio.Task[BatchRun] | None = None

    async def estimate(self, *, first: int | None = None) -> BatchEstimate:
        """Return what a run would do and cost; nothing is charged, and the folder is not changed.

        Args:
            first: How many rows are read at most; by default all.

        Returns:
            The numbers of rows, the price and the time.

        Raises:
            InvalidRequestError: The rows are an iterator, which can be read only once, or they can't be read.
        """
        return await estimate(self._spec, max_rows=first)

    def tell(self, tell: Callable[[str], object]) -> None:
        """Call a function with notes, each a sentence, on assumptions about the input file and on rejected rows.

        Args:
            tell: A plain function, called before any later row is charged, perhaps in another thread. Without one, each
                note is a UserWarning.
        """
        self._spec.notices.listen(tell)

    @property
    def set_aside(self) -> Sequence[Reject]:
        """The first rejected lines, each with its place and reason, in the order of reading.

        rejected.jsonl in the folder has all of them.
        """
        return tuple(self._spec.first_rejects)

    @property
    def progress(self) -> BatchProgress | None:
        """The run's current progress, or its last once it has ended; None before it begins."""
        return self._progress if self._run is None else self._run.progress()

    @property
    def reason(self) -> StopReason | None:
        """Why the run ended, also if it raised an error; None before its end.

        `done`: all rows are done, up to the `limit` if there is one, and none was rejected. `failed`: the run
        completed, and some rows failed, are unknown or were rejected; or an error without a reason of its own stopped
        it. The other reasons stopped it: `cap`, the account's `credits`, its `key`, too many calls whose outcome is
        `unknown`, `downloads`, the `storage`, the `disk`, the `folder`, the `database`; and `interrupted`, by `stop`
        or by leaving or cancelling the loop.
        """
        return self._reason

    @property
    def begun(self) -> bool:
        """Whether any paid call of the run had an outcome, or one of an earlier run was resumed."""
        return self._begun if self._run is None else self._run.monitor.begun

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
        if drain is not None:
            option_checks.duration(drain, "drain")
        opening, run = self._opening, self._run
        if opening is not None:
            self._reason = "interrupted"
            _call_in_loop(opening.get_loop(), opening.cancel)
        elif run is not None:
            stop = run.stopping.stop if drain is None else partial(run.stopping.drain, drain)
            _call_in_loop(run.loop, stop)

    async def submit(self) -> Submitted:
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
        if self._spec.place.lease is None:
            problem = "rows are submitted to a run in a database, on which others work"
            raise InvalidRequestError("to", problem, advice="Iterate over the batch to run it in its folder")
        run = await SharedBatchRun.open(self._spec)
        try:
            return await run.submit()
        finally:
            await run.journal.close()

    async def status(self) -> Status:
        """Return the status of all rows, whoever works on them."""
        return await read_status(self._spec.place)

    async def report(self, *, signed_links: float | None = None) -> Path:
        """Write report.html into the folder, and return its path.

        Args:
            signed_links: Link to outputs in object storage by signed links, by which whoever has the page can open
                them for so many seconds, at most seven days; by default it has their URLs.

        Raises:
            InvalidRequestError: `signed_links` is no such number, or the page can't be written.
        """
        return await report(self._spec.place, signed_links=signed_links)

    async def __aiter__(self) -> AsyncGenerator[RowOutcome, None]:
        if self._run is not None or self._opening is not None:
            raise RuntimeError("this batch runs already: make another with run_batch(...)")
        self._reason, self._begun = None, False
        if not self._spec.notices.has_listener:
            self.tell(_warn)
        if (run := await self._open()) is None:
            return
        try:
            async with aclosing(run.outcomes()) as outcomes:
                async for outcome in outcomes:
                    yield outcome
        finally:
            self._progress, self._reason, self._begun = run.progress(), run.reason, run.monitor.begun
            self._run = None

    async def _open(self) -> BatchRun | None:
        """Open the folder and prepare the run; return None if it was stopped meanwhile."""
        self._opening = opening = asyncio.ensure_future(open_run(self._spec))
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


def _call_in_loop(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    """Call a function in an event loop: at once if that loop runs in this thread."""
    try:
        here = asyncio.get_running_loop() is loop
    except RuntimeError:
        here = False
    if here:
        call()
    else:
        loop.call_soon_threadsafe(call)
