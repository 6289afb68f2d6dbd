"""The key of a run: what it is for. Its journal is refused to any other."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from attrs import asdict, frozen

from generor_async.batch.parameters import request_digest, request_key
from generor_async.errors import InvalidRequestError
from generor_async.rules.equivalence import CANONICAL_VERSION, SETTINGS
from generor_async.rules.quotes import texts_in, without_quotes
from generor_async.rules.vendors import vendor_of
from generor_async.stores.ledger import Ledger, LedgerReader
from generor_async.values import JSON

__all__ = [
    "KEEP_PROMPTS",
    "SIMULATED",
    "Named",
    "OperationRequests",
    "RunKey",
    "check_key",
    "keeps_prompts",
    "read_key",
    "simulation_mismatch",
    "write_key",
]

SIMULATED: Final = "simulated"
"""The address of every simulator, whose port may change with each start."""
KEEP_PROMPTS: Final = "keep_prompts"
"""The note that prompts are left out, if it is false."""


@frozen(kw_only=True)
class RunKey:
    """What a run is for."""

    operation: str
    """The operation's name, such as `luma.generations.create`."""
    address: str
    """The API's base URL, or SIMULATED."""
    source: str
    """The name of the file that the rows come from; `rows` if they come from Python."""

    @property
    def api(self) -> str:
        """The API, `luma` or `generor`."""
        return self.operation.partition(".")[0]

    @property
    def is_simulated(self) -> bool:
        """Whether a simulator is asked, so that nothing is paid."""
        return self.address == SIMULATED


class Named(Protocol):
    """The place of a run, as error messages name it."""

    @property
    def noun(self) -> str:
        """What it is, for advice: `folder` or `name`."""
        ...

    @property
    def belongs(self) -> str:
        """How a sentence about another run there goes on."""
        ...

    def invalid(self, problem: str, advice: str) -> InvalidRequestError:
        """Return the error for a place that can't be used."""
        ...


@frozen
class OperationRequests:
    """Tells which requests of an operation are the same."""

    operation: str

    def request_key(self, parameters: Mapping[str, JSON], /) -> int:
        """Return a signed hash of 64 bits that is equal for requests of the same content."""
        return request_key(self.operation, parameters)

    def digest(self, parameters: Mapping[str, JSON], /) -> int:
        """Return a signed hash of 64 bits that is equal for the same requests, settings included."""
        return request_digest(self.operation, parameters)

    def without_quotes(self, value: JSON, parameters: Mapping[str, JSON], /) -> JSON:
        """Return a value without what it quotes of prompts and other content."""
        content = {name: member for name, member in parameters.items() if name not in SETTINGS}
        return without_quotes(value, list(texts_in(content)))


async def read_key(reader: LedgerReader) -> RunKey | None:
    """Return the key of the run in a journal; None if none was begun."""
    note: Any = await reader.read_note("key")
    return None if note is None else RunKey(**note)


async def write_key(ledger: Ledger, place: Named, key: RunKey) -> None:
    """Write the key of a new journal; raise InvalidRequestError for another run's, and take over one without rows."""
    if await ledger.read_note("key") is None:
        await ledger.write_note("fingerprint", CANONICAL_VERSION)  # before the key, without which nothing was begun
        await ledger.write_note("key", asdict(key))
    elif not await check_key(ledger, place, key):
        await ledger.begin_reading()
        await ledger.replace_notes({"key": asdict(key), "fingerprint": CANONICAL_VERSION})


async def check_key(reader: LedgerReader, place: Named, key: RunKey) -> bool:
    """Tell whether a journal belongs to a run; raise InvalidRequestError if it belongs to another run and has rows."""
    found = await read_key(reader)
    assert found is not None
    if found == key:
        return True
    if not any((await reader.counts()).values()):  # what was refused at once is no run
        return False
    if key.is_simulated is not found.is_simulated:
        raise simulation_mismatch(place, simulated=key.is_simulated)
    what, here, there = next(
        (what, here, there)
        for what, here, there in (
            ("operation is", key.operation, found.operation),
            ("API is", key.address, found.address),
            ("rows are those of", key.source, found.source),
        )
        if here != there
    )
    advice = f"Go on with that run, or give another {place.noun} for this one: what both have is bought twice"
    if what == "API is":
        variable = vendor_of(key.operation).url_variable
        advice = f"To go on with it, set {variable} (base_url=) to that; another {place.noun} is for another run"
    raise place.invalid(f"{place} {place.belongs} {what} {there}, not {here}", advice)


def simulation_mismatch(place: Named, *, simulated: bool) -> InvalidRequestError:
    """Return the error for a simulated run in the place of a real one, or the reverse."""
    holds, wanted = ("real", "simulated") if simulated else ("simulated", "real")
    return place.invalid(f"{place} holds a {holds} run", f"Give another {place.noun} for the {wanted} one")


async def keeps_prompts(reader: LedgerReader) -> bool:
    """Tell whether the prompts of a run are kept: no longer once they were left out."""
    return await reader.read_note(KEEP_PROMPTS) is not False
