"""Where a batch is: the folder that was given to `run`, or a run in a database that was given to `submit`."""

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from attrs import evolve, frozen

from generor_async.batch.runs import RunInfo, list_runs
from generor_async.errors import InvalidRequestError
from generor_async.rules.database_urls import has_password, is_database_url, is_redis_url, without_password
from generor_async.values import Masked

__all__ = [
    "DATABASE_VARIABLE",
    "REDIS_VARIABLE",
    "DatabaseArgument",
    "NameOption",
    "Place",
    "PlaceArgument",
    "choose_run",
    "database_url",
    "find_place",
    "refuse_password",
    "shared_limits_url",
]

DATABASE_VARIABLE: Final = "GENEROR_DATABASE_URL"
REDIS_VARIABLE: Final = "GENEROR_REDIS_URL"
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""What begins like a URL, perhaps with a slash too few."""
MOST_NAMES: Final = 20
"""Runs that are named where one has to be chosen."""

DatabaseArgument = Annotated[
    str | None,
    typer.Argument(metavar="URL", help=f"The database; by default {DATABASE_VARIABLE}.", show_default=False),
]
PlaceArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="FOLDER|URL",
        help=f"The folder that was given to `run`, or the URL of the database; by default {DATABASE_VARIABLE}.",
        show_default=False,
    ),
]
NameOption = Annotated[
    str | None, typer.Option("--name", help="The run's name in a database, if it has several.", show_default=False)
]


@frozen
class Place:
    """A folder, or a run in a database."""

    to: Path | Masked
    name: str | None = None
    """The run's name; None in a folder, and before it is chosen."""
    is_given: bool = True
    """Whether it stands on the command line, and not in the environment."""

    @property
    def url(self) -> Masked:
        """The database's URL, of a run in one."""
        assert isinstance(self.to, Masked)
        return self.to

    @property
    def run(self) -> str:
        """The run's name, once it is chosen."""
        assert self.name is not None
        return self.name

    def __str__(self) -> str:
        """Return it as a message shows it: without password."""
        if isinstance(self.to, Path):
            return str(self.to)
        return without_password(self.to) if self.name is None else f"{self.name} in {without_password(self.to)}"

    def command(self, name: str, *options: str) -> str:
        """Return the command to type for this batch."""
        words = ["generor", "batch", name]
        if self.is_given:
            words.append(str(self.to) if isinstance(self.to, Path) else without_password(self.to))
        if self.name is not None:
            words += ["--name", self.name]
        return shlex.join([*words, *options])


def find_place(place: str | None, name: str | None) -> Place:
    """Return the batch that the command line or the environment names.

    Raises:
        typer.BadParameter: It names none, or its URL holds a password.
    """
    if place is None or is_database_url(place):
        return Place(database_url(place, or_folder=True), name, is_given=place is not None)
    refuse_password(place)
    if _URL.match(place):
        raise typer.BadParameter("it is neither a folder nor the URL of a PostgreSQL database, postgresql://host/name")
    if name is not None:
        raise typer.BadParameter(
            f"a folder has one run alone, without a name: leave it out of {place}", param_hint="--name"
        )
    return Place(Path(place))


def database_url(given: str | None, *, or_folder: bool = False) -> Masked:
    """Return the database's URL, of the command line or else of the environment.

    Raises:
        typer.BadParameter: There is none, it is none of PostgreSQL, or a password stands on the command line.
    """
    if given is not None:
        refuse_password(given)
    url = os.environ.get(DATABASE_VARIABLE, "") if given is None else given
    if not url:
        what = "the folder, or the URL of the database" if or_folder else "the URL of the database"
        raise typer.BadParameter(f"name {what}, postgresql://user@host/name, or set {DATABASE_VARIABLE}")
    if not is_database_url(url):
        source = f"{DATABASE_VARIABLE} is" if given is None else "it is"
        raise typer.BadParameter(f"{source} no URL of a PostgreSQL database, which is postgresql://user@host/name")
    return Masked(url)


def refuse_password(given: str) -> None:
    """Raise typer.BadParameter for a URL on the command line that holds a password."""
    if has_password(given):
        raise typer.BadParameter(
            "the URL holds a password, which `ps` shows to everybody on this machine: set the whole URL as"
            f" {DATABASE_VARIABLE}, or leave the password out of it and write it into ~/.pgpass"
        )


def shared_limits_url(database: Masked) -> Masked:
    """Return where machines share the limits of a key: in Redis if the environment names it, or else in the database.

    Raises:
        typer.BadParameter: What the environment names is no URL of Redis.
    """
    url = os.environ.get(REDIS_VARIABLE, "")
    if url and not is_redis_url(url):
        raise typer.BadParameter(f"{REDIS_VARIABLE} is no URL of Redis or Valkey, which is redis://host/0")
    return Masked(url) if url else database


async def choose_run(place: Place) -> Place:
    """Return a place with the name of a run that there is: the given one, or that of the only run in the database.

    Raises:
        InvalidRequestError: It has none, or several, or not this one.
    """
    if isinstance(place.to, Path):
        return place
    runs = await list_runs(place.to)
    if place.name is None and len(runs) == 1:
        return evolve(place, name=runs[0].name)
    if place.name in {run.name for run in runs}:
        return place
    where = without_password(place.to)
    if not runs:
        raise InvalidRequestError("name", f"{where} has no runs", advice="Begin one with `generor batch submit`")
    missing = "several runs" if place.name is None else f"no run {place.name!r}"
    raise InvalidRequestError("name", f"{where} has {missing}", advice=f"Choose one with --name: {_names(runs)}")


def _names(runs: Sequence[RunInfo]) -> str:
    """Return the names of the latest runs, unfinished ones first."""
    ordered = sorted(runs, key=lambda run: (not run.unfinished, -(run.created or 0.0)))
    more = f", and {len(runs) - MOST_NAMES:,} more" if len(runs) > MOST_NAMES else ""
    return ", ".join(run.name for run in ordered[:MOST_NAMES]) + more
