"""The settings of a run in a database, which belong to the run: whoever works on it needs none but its own key."""

from typing import Any, Final

from attrs import asdict, fields, frozen

from generor_async.batch.journal import RunPlace
from generor_async.stores.ledger import Ledger, LedgerReader

__all__ = ["RunSettings", "join_settings", "read_settings"]

NOTE: Final = "settings"
"""Name of the journal's note."""


@frozen(kw_only=True)
class RunSettings:
    """Arguments of `run_batch` that are the same for all who work on a run."""

    price: float | None = None
    refunds: bool = False
    tag_rows: bool = False


async def read_settings(reader: LedgerReader) -> RunSettings | None:
    """Return the settings of a run; None before it has any."""
    noted: Any = await reader.read_note(NOTE)
    return None if noted is None else RunSettings(**noted)


async def join_settings(journal: Ledger, place: RunPlace, given: RunSettings) -> RunSettings:
    """Return the settings of a run: those that it was begun with, or else these.

    Raises:
        InvalidRequestError: It was begun with others.
    """
    noted = await read_settings(journal)
    if noted is None or not any((await journal.counts()).values()):  # what was refused at once is no run
        await journal.write_note(NOTE, asdict(given))
        return given
    for name in (each.name for each in fields(RunSettings)):
        here, there = getattr(given, name), getattr(noted, name)
        if here not in {None, False, there}:
            was = f"{name}={there!r}" if there else f"no {name}"
            raise place.invalid(
                f"{place} {place.belongs} settings have {was}, not {name}={here!r}",
                f"Leave {name} out to go on with that run, or give another {place.noun} for this one",
            )
    return noted
