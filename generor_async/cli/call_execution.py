"""Runs one `generor call`: confirms the price, sends the call, waits for the job, downloads, and prints the result."""

import asyncio
import math
import os
import sys
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

import typer
from attrs import define, field
from rich.console import Console

from generor_async import (
    AsyncGeneror,
    AsyncLuma,
    BadRequestError,
    Event,
    GenerationFailedError,
    GenerorAsyncError,
    JobSubmitted,
    MissingAPIKeyError,
    OutcomeUnknownError,
    Pages,
    PayloadTooLargeError,
    RetryScheduled,
    Throttled,
    UnprocessableEntityError,
)
from generor_async.batch.amounts import format_dollars
from generor_async.cli.clients import open_client
from generor_async.cli.error_output import BadUseError, escape_controls, exit_with
from generor_async.cli.exit_codes import BAD_USE, FAILED, INTERRUPTED
from generor_async.cli.operation_info import OperationInfo
from generor_async.cli.parameter_values import ParameterReader, Values
from generor_async.cli.result_view import print_result
from generor_async.prices import luma_quote
from generor_async.rules.vendors import LUMA
from generor_async.values import maybe

__all__ = ["run_call"]

REFUSED: Final = (BadRequestError, MissingAPIKeyError, PayloadTooLargeError, UnprocessableEntityError)
"""Errors that mean that the request itself is wrong."""
RESUME_COMMAND: Final = "generor call luma.generations.get --generation-id {id} --wait"
SHORTEST_WAIT_SHOWN: Final = 2.0
"""Seconds; shorter waits are not printed."""
BODY_LENGTH_SHOWN: Final = 2_000
"""Characters of a partial answer that an error message shows."""


def run_call(operation: OperationInfo, given: dict[str, Any]) -> None:
    """Run the call of a command line; raises typer.Exit or BadUseError."""
    call = OperationCall(operation, ParameterReader(operation).read(given, given["json_"]), given)
    try:
        operation.build(**call.values)  # what can never be right is refused before anybody is asked
        call.prepare_folder()
        if operation.billable and not (given["simulate"] or given["yes"]):
            call.confirm_charge()
        with call.secret_file():
            asyncio.run(call.run())
    except GenerorAsyncError as error:
        raise exit_with(_error_text(error), BAD_USE if isinstance(error, REFUSED) else FAILED) from None
    except KeyboardInterrupt:
        raise exit_with(call.interruption_text(), INTERRUPTED) from None


@define
class OperationCall:
    """One call: an operation, its parameters, and the options of the command."""

    operation: OperationInfo
    values: Values
    given: dict[str, Any]
    _console: Console = field(factory=lambda: Console(stderr=True, highlight=False, soft_wrap=True, markup=False))
    _job: str | None = None
    """The id of the submitted job."""
    _cancel_notes: list[str] = field(factory=list[str])
    """What is known of a request that the interruption of the command cut off."""
    _secret_file: int | None = None
    """The open file for a new key."""

    def prepare_folder(self) -> None:
        """Create the folder for downloads; refuse one that can't be written to before anything is charged."""
        folder = self.given.get("out")
        if folder is None:
            if self.given.get("overwrite"):
                raise BadUseError("it says what to do with files of --out, which is missing", param_hint="--overwrite")
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadUseError(f"the folder {folder} cannot be created ({error.strerror})", param_hint="--out") from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise BadUseError(f"the folder {folder} cannot be written to", param_hint="--out")

    def confirm_charge(self) -> None:
        """Ask whether credits may be spent. Without a terminal, refuse."""
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise BadUseError("this spends real credits: confirm with --yes, or try it for free with --simulate")
        price = asyncio.run(self._price_text())
        try:
            if typer.confirm(f"{self.operation.name} spends real credits{price}. Continue?", err=True):
                return
        except typer.Abort:
            typer.echo(err=True)  # the line of the question ends
            raise exit_with("interrupted; nothing was sent", INTERRUPTED) from None
        raise exit_with("nothing was sent", FAILED)

    async def _price_text(self) -> str:
        async with self._client() as client:
            if isinstance(client, AsyncGeneror):
                estimate = await client.generators.estimate(**self.values)
                price = maybe(estimate.credit_cost)
                total = None if price is None else maybe(price.total)
                return ", and its price is not known" if total is None else f", {total:g} by the API's estimate"
        quote = luma_quote(self.values)
        if quote is None:
            return ", and its price is not known here"
        return f", about {quote.credits:.1f}{format_dollars(quote.credits, LUMA.credit_dollars)}, {quote.source}"

    def _client(self, **options: Any) -> AbstractAsyncContextManager[AsyncGeneror | AsyncLuma]:
        simulate, address = self.given["simulate"], self.given["base_url"]
        if address is not None:
            if simulate:
                raise BadUseError("--simulate has its own address: leave --base-url out")
            options["base_url"] = address
        if (timeout := self.given["timeout"]) is not None:
            options["timeout"] = timeout
        return open_client(self.operation.api, simulated=simulate, **options)

    @contextmanager
    def secret_file(self) -> Generator[None]:
        """Open the file for a key that the API shows only once; remove it if no key was written."""
        if not self.operation.endpoint.secrets:
            yield
            return
        path = self.given["secret_to"]
        if path is None:
            raise BadUseError("missing: --secret-to")
        try:
            self._secret_file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise BadUseError(f"{path} cannot be created ({error.strerror})", param_hint="--secret-to") from None
        try:
            yield
        finally:
            is_empty = not os.fstat(self._secret_file).st_size
            os.close(self._secret_file)
            if is_empty:
                path.unlink()

    async def run(self) -> None:
        """Send the call, download its files, and print the result even if the download fails."""
        async with self._client(on_event=self._print_event) as client:
            try:
                with self._console.status(self.operation.name):
                    result = await self._call_api(client)
            except GenerationFailedError as error:
                print_result(error.generation)
                raise
            except asyncio.CancelledError as error:
                self._cancel_notes = getattr(error, "__notes__", [])
                raise
            if self._secret_file is not None:
                self._write_secret(result)
            files: list[Path] | None = None
            try:
                if (folder := self.given.get("out")) is not None:
                    files = await self._download(client, result, folder)
            finally:
                print_result(result, files)

    async def _call_api(self, client: AsyncGeneror | AsyncLuma) -> Any:
        operation, given = self.operation, self.given
        if operation.makes_job and (given["wait"] or given["out"] is not None):
            assert isinstance(client, AsyncLuma)
            if operation.billable:
                return await client.generations.run(**self.values)
            return await client.generations.job(**self.values).wait(timeout=given["timeout"] or math.inf)
        found = operation.method(client)(**self.values)
        if not operation.paged:
            return await found
        pages: Pages[Any] = found
        if given["all_"] or given["max_items"] is not None:
            return await pages.collect(max_items=given["max_items"])
        page = await pages.first_page()
        if page.has_next:
            self._print("this is the first page of several: --all lists all items, --max-items a number of them")
        return page.items

    async def _download(self, client: AsyncGeneror | AsyncLuma, result: Any, folder: Path) -> list[Path]:
        with self._console.status("downloading"):
            return await client.download(result, folder, overwrite=self.given["overwrite"])

    def _write_secret(self, result: Any) -> None:
        assert self._secret_file is not None
        for name in self.operation.endpoint.secrets:
            os.write(self._secret_file, f"{getattr(result, name).reveal()}\n".encode())
        self._print(f"the key is in {self.given['secret_to']}")

    def _print_event(self, event: Event) -> None:
        """Print a job's id, and on a terminal what the call waits for."""
        match event:
            case JobSubmitted():
                self._job = event.job_id
                self._print(f"job {event.job_id} was submitted")
            case Throttled() if self._console.is_terminal and event.delay >= SHORTEST_WAIT_SHOWN:
                until = f"{event.delay:.0f} s" if math.isfinite(event.delay) else "an answer"
                away, limited = "the API is unavailable", f"the API's limit ({event.scope}) is reached"
                self._print(f"waiting for {until}: {away if event.scope == 'outage' else limited}")
            case RetryScheduled() if self._console.is_terminal and SHORTEST_WAIT_SHOWN <= event.delay < math.inf:
                self._print(f"retrying in {event.delay:.0f} s ({event.reason})")
            case _:
                pass

    def _print(self, text: str) -> None:
        self._console.print(f"generor: {escape_controls(text)}")

    def interruption_text(self) -> str:
        """Return the message of an interrupted call, with the job's id or what is known of the request."""
        if self._job is not None:
            return f"interrupted; job {self._job} continues; wait for it with {RESUME_COMMAND.format(id=self._job)}"
        return "; ".join(["interrupted", *self._cancel_notes])


def _error_text(error: GenerorAsyncError) -> str:
    """Return an error's message; below it, if the outcome is unknown, what arrived of the answer."""
    line = str(error)
    if error.job_id is not None and error.take_up:
        line = f"{line} ({RESUME_COMMAND.format(id=error.job_id)})"
    if isinstance(error, OutcomeUnknownError):
        ids = [f"ids in what came of the answer: {', '.join(error.ids)}"] if error.ids else []
        body = [f"what came of the answer: {str(error.body)[:BODY_LENGTH_SHOWN]}"] if error.body else []
        return "\n".join([line, *ids, *body])
    return line
