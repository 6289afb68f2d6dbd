"""A database as the place of runs: each has a name, and any number of processes work on it together.

There is no folder: outputs go to a storage, and everything else is in the database.
"""

import re
from typing import Final

from attrs import field, frozen

from generor_async.batch.run_key import KEEP_PROMPTS, OperationRequests, RunKey, keeps_prompts, write_key
from generor_async.engine import auth
from generor_async.errors import InvalidRequestError
from generor_async.rules import arguments, option_checks
from generor_async.rules.database_urls import without_password
from generor_async.stores.ledger import Ledger, LedgerReader, UnusableLedgerError
from generor_async.stores.opening import open_ledger
from generor_async.stores.opening import open_reader as open_ledger_reader
from generor_async.stores.records import AccountKey

__all__ = ["LEASE", "DatabasePlace"]

LEASE: Final = 30.0
"""For how many seconds a process may be out of reach of the database before others take its calls over."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@frozen
class DatabasePlace:
    """A run in a database."""

    url: str = field(repr=False)
    name: str
    lease: float = LEASE
    folder: None = None
    noun: str = "name"
    belongs: str = "was begun otherwise: its"

    @classmethod
    def of(cls, url: str, name: str | None, lease: float | None) -> "DatabasePlace":
        """Return the place of a run; raise InvalidRequestError for what can't be its name, or a lease."""
        if name is None:
            raise InvalidRequestError(
                "name", "a run in a database needs a name", advice="Give one, such as name='herons'"
            )
        if not NAME.fullmatch(arguments.text(name, "name")):
            advice = "Write up to 100 letters, digits, dots, dashes and underscores, a letter or digit first"
            raise InvalidRequestError("name", f"{name!r} is not a valid name of a run", advice=advice)
        seconds = LEASE if lease is None else option_checks.at_least(lease, "lease", 1)
        return cls(auth.masked_url(url), name, seconds)

    @property
    def account(self) -> AccountKey:
        """The account of the run."""
        return f"run:{self.name}", ""

    def __str__(self) -> str:
        return f"the run {self.name!r} in {without_password(self.url)}"

    def title(self) -> str:
        """Return the name of the run."""
        return self.name

    def invalid(self, problem: str, advice: str) -> InvalidRequestError:
        """Return the error for a run that can't be used."""
        return InvalidRequestError("to", problem, advice=advice)

    def nothing(self) -> InvalidRequestError:
        """Return the error for a name without a run."""
        problem = f"{without_password(self.url)} has no run {self.name!r}"
        return InvalidRequestError("name", problem, advice="Submit its rows first, or correct the name")

    async def open_journal(self, key: RunKey, *, take_over: bool, keep_prompts: bool) -> Ledger:  # noqa: ARG002 - a folder's
        """Join the run, or begin it; whoever works on its rows takes over what others have left."""
        try:
            ledger = await open_ledger(
                self.url, run=self.name, rules=OperationRequests(key.operation), lease=self.lease
            )
        except UnusableLedgerError as error:
            raise self._unusable(error) from None
        try:
            await write_key(ledger, self, key)
            if not keep_prompts or not await keeps_prompts(ledger):
                await ledger.leave_out_parameters()
                await ledger.write_note(KEEP_PROMPTS, False)
        except BaseException:
            await ledger.close()
            raise
        return ledger

    async def open_reader(self) -> LedgerReader | None:
        """Open the run for reading; return None if the database has no runs."""
        try:
            return await open_ledger_reader(self.url, run=self.name)
        except UnusableLedgerError as error:
            raise self._unusable(error) from None

    async def check_is_current(self, reader: LedgerReader) -> None:
        """Do nothing: no other file tells of the run."""

    def _unusable(self, error: UnusableLedgerError) -> InvalidRequestError:
        return self.invalid(error.problem, error.advice or "Give the URL of another database")
