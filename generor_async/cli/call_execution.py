"""One call of `generor call`: asked for where it costs credits, made, waited for, downloaded and shown."""

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
from generor_async.batch.amounts import shown
from generor_async.batch.prices import luma_quote
from generor_async.cli.clients import opened
from generor_async.cli.exit_codes import BAD_USE, FAILED, INTERRUPTED, BadUseError, printable, stop
from generor_async.cli.operation_info import Described
from generor_async.cli.parameter_values import Reader, Values
from generor_async.cli.result_view import show
from generor_async.rules.vendors import LUMA
from generor_async.values import maybe

__all__ = ["perform"]

REFUSED: Final = (BadRequestError, MissingAPIKeyError, PayloadTooLargeError, UnprocessableEntityError)
"""What says that the request itself is at fault."""
LOOK: Final = "generor call luma.generations.get --generation-id {id} --wait"
WORTH_TELLING: Final = 2.0
"""Seconds of a wait that somebody who looks on is told of."""
BODY_SHOWN: Final = 2_000
"""Characters of what came of an answer that nobody can be sure of."""


def perform(operation: Described, given: dict[str, Any]) -> None:
    """Do what a command line says; ends the command with typer.Exit or BadUseError where it can't."""
    call = Call(operation, Reader(operation).read(given, given["json_"]), given)
    try:
        operation.build(**call.values)  # what can never be right is refused before anybody is asked
        call.check_folder()
        if operation.charged and not (given["simulate"] or given["yes"]):
            call.ask()
        with call.secret_file():
            asyncio.run(call.make())
    except GenerorAsyncError as error:
        raise stop(_explained(error), BAD_USE if isinstance(error, REFUSED) else FAILED) from None
    except KeyboardInterrupt:
        raise stop(call.interrupted(), INTERRUPTED) from None


@define
class Call:
    """An operation with its parameters, and what else was said."""

    operation: Described
    values: Values
    given: dict[str, Any]
    _console: Console = field(factory=lambda: Console(stderr=True, highlight=False, soft_wrap=True, markup=False))
    _job: str | None = None
    """The job that was submitted."""
    _cut_off: list[str] = field(factory=list[str])
    """What is known of a request that was under way when the command was interrupted."""
    _secret: int | None = None
    """Where a new key is written to."""

    def check_folder(self) -> None:
        """Refuse a folder that can't be written to, before anything is paid for."""
        folder = self.given.get("out")
        if folder is None:
            if self.given.get("overwrite"):
                raise BadUseError("it says what to do with files of --out, which is missing", param_hint="--overwrite")
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadUseError(f"{folder} cannot be made ({error.strerror})", param_hint="--out") from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise BadUseError(f"{folder} cannot be written to", param_hint="--out")

    def ask(self) -> None:
        """Ask whether credits may be spent; where nobody can answer, they may not."""
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise BadUseError("this spends real credits: say --yes, or --simulate to try it for nothing")
        price = asyncio.run(self._price())
        try:
            if typer.confirm(f"{self.operation.name} spends real credits{price}. Go on?", err=True):
                return
        except typer.Abort:
            typer.echo(err=True)  # the line of the question ends
            raise stop("interrupted; nothing was sent", INTERRUPTED) from None
        raise stop("nothing was sent", FAILED)

    async def _price(self) -> str:
        async with self._client() as client:
            if isinstance(client, AsyncGeneror):
                estimate = await client.generators.estimate(**self.values)
                price = maybe(estimate.credit_cost)
                total = None if price is None else maybe(price.total)
                return ", and its price is not known" if total is None else f", {total:g} by the API's estimate"
        quote = luma_quote(self.values)
        if quote is None:
            return ", and its price is not known here"
        return f", about {quote.credits:.1f}{shown(quote.credits, LUMA.credit_dollars)}, {quote.source}"

    def _client(self, **options: Any) -> AbstractAsyncContextManager[AsyncGeneror | AsyncLuma]:
        simulate, address = self.given["simulate"], self.given["base_url"]
        if address is not None:
            if simulate:
                raise BadUseError("--simulate has an address of its own: leave --base-url out")
            options["base_url"] = address
        if (timeout := self.given["timeout"]) is not None:
            options["timeout"] = timeout
        return opened(self.operation.api, simulated=simulate, **options)

    @contextmanager
    def secret_file(self) -> Generator[None]:
        """Have a file ready for a key that the API shows once; nothing is left of it where none came."""
        if not self.operation.endpoint.secrets:
            yield
            return
        path = self.given["secret_to"]
        if path is None:
            raise BadUseError("missing: --secret-to")
        try:
            self._secret = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise BadUseError(f"{path} cannot be made ({error.strerror})", param_hint="--secret-to") from None
        try:
            yield
        finally:
            is_empty = not os.fstat(self._secret).st_size
            os.close(self._secret)
            if is_empty:
                path.unlink()

    async def make(self) -> None:
        """Call the API and show what it answers: what was paid for is shown, whatever becomes of its download."""
        async with self._client(on_event=self._tell) as client:
            try:
                with self._console.status(self.operation.name):
                    result = await self._result(client)
            except GenerationFailedError as error:
                show(error.generation)
                raise
            except asyncio.CancelledError as error:
                self._cut_off = getattr(error, "__notes__", [])
                raise
            if self._secret is not None:
                self._keep_secret(result)
            files: list[Path] | None = None
            try:
                if (folder := self.given.get("out")) is not None:
                    files = await self._downloaded(client, result, folder)
            finally:
                show(result, files)

    async def _result(self, client: AsyncGeneror | AsyncLuma) -> Any:
        operation, given = self.operation, self.given
        if operation.makes_job and (given["wait"] or given["out"] is not None):
            assert isinstance(client, AsyncLuma)
            if operation.charged:
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
            self._line("this is one page, and there are more: --all lists all items, --max-items so many")
        return page.items

    async def _downloaded(self, client: AsyncGeneror | AsyncLuma, result: Any, folder: Path) -> list[Path]:
        with self._console.status("downloading"):
            return await client.download(result, folder, overwrite=self.given["overwrite"])

    def _keep_secret(self, result: Any) -> None:
        assert self._secret is not None
        for name in self.operation.endpoint.secrets:
            os.write(self._secret, f"{getattr(result, name).reveal()}\n".encode())
        self._line(f"the key is in {self.given['secret_to']}")

    def _tell(self, event: Event) -> None:
        """Tell whoever looks on what is waited for; a job's id is told in any case, for it is what finds it again."""
        match event:
            case JobSubmitted():
                self._job = event.job_id
                self._line(f"job {event.job_id} was submitted")
            case Throttled() if self._console.is_terminal and event.delay >= WORTH_TELLING:
                until = f"{event.delay:.0f} s" if math.isfinite(event.delay) else "an answer"
                away, limited = "the API is away", f"the API's limit ({event.scope}) is reached"
                self._line(f"waiting for {until}: {away if event.scope == 'outage' else limited}")
            case RetryScheduled() if self._console.is_terminal and WORTH_TELLING <= event.delay < math.inf:
                self._line(f"trying again in {event.delay:.0f} s ({event.reason})")
            case _:
                pass

    def _line(self, text: str) -> None:
        self._console.print(f"generor: {printable(text)}")

    def interrupted(self) -> str:
        """Say what becomes of what was under way."""
        if self._job is not None:
            return f"interrupted; job {self._job} goes on: {LOOK.format(id=self._job)}"
        return "; ".join(["interrupted", *self._cut_off])


def _explained(error: GenerorAsyncError) -> str:
    """Return an error in a line, and what came of an answer that nobody can be sure of below it."""
    line = str(error)
    if error.job_id is not None and error.take_up:
        line = f"{line} ({LOOK.format(id=error.job_id)})"
    if isinstance(error, OutcomeUnknownError):
        ids = [f"ids in what came of the answer: {', '.join(error.ids)}"] if error.ids else []
        body = [f"what came of the answer: {str(error.body)[:BODY_SHOWN]}"] if error.body else []
        return "\n".join([line, *ids, *body])
    return line
