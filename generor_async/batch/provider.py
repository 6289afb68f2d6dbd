"""How each of the two APIs prices, submits, completes and stores a row."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from attrs import evolve, frozen

from generor_async.api.generor.models import GENERATED_CREATION, Creation, GeneratedCreation, GenerateResult
from generor_async.api.luma.models import Generation
from generor_async.batch.folder import advice_on
from generor_async.batch.parameters import Parameters
from generor_async.batch.row_files import check_files
from generor_async.batch.scopes import ADVICE, NEEDED, missing_scopes, missing_scopes_error
from generor_async.engine.client import Client
from generor_async.engine.download_target import safe_name
from generor_async.engine.settings import MAX_BYTES
from generor_async.engine.transfer import Output
from generor_async.engine.transport import Intent
from generor_async.errors import (
    DownloadError,
    GenerorAsyncError,
    PermissionDeniedError,
)
from generor_async.generor import AsyncGeneror
from generor_async.luma import AsyncLuma
from generor_async.luma_resources import CONCURRENT_JOBS, Job
from generor_async.prices import EstimateCache, Quote, luma_model, luma_quote, unpriced_error
from generor_async.reconciliation.account_reads import read_balance, read_latest_transaction, read_spends
from generor_async.reconciliation.clock import ServerClock
from generor_async.reconciliation.reconcile import Reconciliation
from generor_async.rules.charges import valid_cost
from generor_async.rules.poll_failures import OddPolls, classify_poll_failure
from generor_async.rules.row_states import to_api_id
from generor_async.rules.spend_attribution import SpendAmount
from generor_async.rules.vendors import GENEROR, LUMA, Vendor
from generor_async.storage import Storage, StoredOutput
from generor_async.stores.ledger import Ledger
from generor_async.stores.records import CallRecord
from generor_async.stores.threads import run_to_completion
from generor_async.values import JSON, maybe, response_to

__all__ = ["Accepted", "GenerorProvider", "LumaProvider", "MediaStorage", "Provider", "provider_for"]

CONCURRENT_SAVES: Final = 16
"""Rows whose outputs are sent to a storage at a time: up to a part of each output is in memory."""
ROWS_PER_FOLDER: Final = 1_000
"""Rows whose outputs share a folder: large folders are slow."""
UNLISTED_FIELDS: Final = frozenset({"creation_id", "text", "images"})
"""Fields of a creation that results.jsonl leaves out; URLs are left out as well."""

TAG: Final = "user_id"
"""Luma's field for an opaque tag of the caller's, of at most 256 characters; a row's id has at most 200."""

ODD_ANSWER_PAUSE: Final = 5.0
"""Seconds before a creation is requested again whose answer contradicts the journal."""


@frozen(kw_only=True)
class Accepted:
    """The answer to a paid call."""

    remote_ids: tuple[str, ...]
    cost: float | None
    """What it cost in credits, as the answer says; None if it doesn't."""
    is_complete: bool
    """Whether the call has ended, so that it costs nothing more."""
    handle: Any
    """What the same provider's `complete` goes on from: a job, or creations."""


class Provider(Protocol):
    """What a batch needs of an API."""

    vendor: Vendor
    clock: ServerClock
    """Dates the rows; learns the server's time from Generor's answers."""
    tags_rows: bool
    """Whether each row's id is sent to the API."""
    lists_transactions: bool
    """Whether the API lists the account's transactions."""
    default_concurrency: int
    """How many rows are active at once, unless the caller says otherwise."""

    def set_terms(self, *, capped: bool, price: float | None) -> None:
        """Set whether there is a cap, and the caller's price in US dollars: those of a run that was joined."""
        ...

    async def check_key(self) -> None:
        """Raise PermissionDeniedError, before anything is charged, for a key that surely lacks what a batch needs."""
        ...

    async def price(self, parameters: Mapping[str, JSON]) -> Quote | None:
        """Return what a call will cost; None if that is not known."""
        ...

    async def quote(self, row: CallRecord) -> Quote:
        """Return what a row will cost."""
        ...

    async def submit(self, row: CallRecord, call_id: str, intent: Intent) -> Accepted:
        """Make the paid call once; `intent` is awaited before it is sent, and when it waits to be sent again."""
        ...

    async def complete(self, row: CallRecord, handle: Any) -> Any:
        """Wait for the output and return it; `handle` is from `submit`, None after a restart."""
        ...

    async def store(self, row: CallRecord, output: Any, media: "Path | MediaStorage") -> JSON:
        """Store the output in the folder or the storage; return the row's fields of results.jsonl."""
        ...

    def storage(self, url: str) -> Storage:
        """Return a storage that downloads as the rows do."""
        ...

    def reconciliation(self, journal: Ledger, *, beside_calls: bool) -> Reconciliation | None:
        """Return what settles unknown rows; None if the API lists nothing to settle them by."""
        ...

    async def balance(self) -> float | None:
        """Return the account's credits; None if the API doesn't say."""
        ...

    async def latest_transaction(self) -> int | None:
        """Return the id of the latest transaction, 0 if there is none; None if transactions can't be read."""
        ...

    async def spends_since(self, since: int) -> Mapping[int, SpendAmount] | None:
        """Return what was spent after a transaction, by transaction id; None if transactions can't be read."""
        ...


class MediaStorage:
    """A storage for the outputs of a batch."""

    def __init__(self, provider: Provider, url: str) -> None:
        self._storage = provider.storage(url)
        self._gate = asyncio.Semaphore(CONCURRENT_SAVES)

    async def check_writable(self) -> None:
        """Raise StorageError where nothing can be stored."""
        await self._storage._objects.check_writable()  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here

    async def save(self, save: "Callable[[Storage], Awaitable[list[StoredOutput]]]") -> list[JSON]:
        """Save outputs, those of a few rows at a time; return their URLs."""
        async with self._gate:
            return [stored.url for stored in await save(self._storage)]


def provider_for(client: Client, parameters: Parameters, *, capped: bool, price: float | None) -> Provider:
    """Return the provider of a client's API; its calls wait in the queue without timeout, at bulk priority."""
    options = client._options  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here
    view = client._make_view(evolve(options, timeout=None, request_id=None, on_progress=None, priority="bulk"))  # pyright: ignore[reportPrivateUsage]
    if isinstance(view, AsyncLuma):
        return LumaProvider(view, parameters, capped=capped, price=price)
    assert isinstance(view, AsyncGeneror)
    return GenerorProvider(view, parameters)


def _output_folder(row: CallRecord) -> str:
    """Return the folder of a row's outputs, relative to the batch's."""
    return f"media/{row.number // ROWS_PER_FOLDER:04}"


class LumaProvider:
    """Luma: submits a job, waits for it, and downloads its outputs."""

    vendor = LUMA
    lists_transactions = False
    default_concurrency = CONCURRENT_JOBS

    def __init__(self, client: AsyncLuma, parameters: Parameters, *, capped: bool, price: float | None) -> None:
        self.clock = ServerClock(client._clock)  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here
        self.tags_rows = False
        self._client = client
        self._parameters = parameters
        self._capped = capped
        self._price = price

    def set_terms(self, *, capped: bool, price: float | None) -> None:
        """Set whether there is a cap, and the caller's price."""
        self._capped, self._price = capped, price

    async def check_key(self) -> None:
        """Do nothing: Luma's keys have no scopes."""

    async def price(self, parameters: Mapping[str, JSON]) -> Quote | None:
        """Return the caller's price, or that of the vendor's lists."""
        return luma_quote(parameters, price=self._price)

    async def quote(self, row: CallRecord) -> Quote:
        """Return what a row will cost; without a cap, a row without a price counts as free."""
        quote = await self.price(row.parameters)
        if quote is None:
            if self._capped:
                raise unpriced_error(row.parameters)
            quote = Quote(model=luma_model(row.parameters), credits=0.0, longest=0.0, fixed=True)
        return quote

    async def submit(self, row: CallRecord, call_id: str, intent: Intent) -> Accepted:
        """Submit the job."""
        if self._parameters.has_file(row.parameters):
            await run_to_completion(lambda: check_files(row.parameters))
        operation = self._parameters.build(self._tagged(row) if self.tags_rows else row.parameters)
        # By the session itself: no view of the client is made for every row.
        session, options = self._client._session, self._client._options  # pyright: ignore[reportPrivateUsage]
        generation: Generation = await session.send(operation, options, call_id=call_id, intent=intent)
        job = self._client.generations._submitted(generation)  # pyright: ignore[reportPrivateUsage]
        return Accepted(remote_ids=(generation.id,), cost=None, is_complete=False, handle=job)

    @staticmethod
    def _tagged(row: CallRecord) -> Mapping[str, JSON]:
        """Return a row's parameters with its id as the tag, unless they have a tag."""
        own = row.parameters.get(TAG)
        return {**row.parameters, TAG: row.id} if own is None else row.parameters

    async def complete(self, row: CallRecord, handle: Any) -> Generation:
        """Wait for the job."""
        self._client._jobs.job_exists(row.remote_ids[0])  # pyright: ignore[reportPrivateUsage] # the journal vouches for it
        job: Job = handle if isinstance(handle, Job) else self._client.generations.job(row.remote_ids[0])
        return await job.wait()

    async def store(self, row: CallRecord, output: Any, media: "Path | MediaStorage") -> JSON:
        """Store the job's outputs."""
        if isinstance(media, MediaStorage):
            return {"files": await media.save(lambda storage: storage.save(output))}
        place = _output_folder(row)
        paths = await self._client.download(output, media / place, overwrite=True)
        return {"files": [f"{place}/{path.name}" for path in paths]}

    def storage(self, url: str) -> Storage:
        """Return a storage that downloads with this client."""
        return Storage(url, self._client)

    def reconciliation(self, journal: Ledger, *, beside_calls: bool) -> None:
        """Return None: Luma lists no jobs."""

    async def balance(self) -> None:
        """Return None: Luma shows no balance."""

    async def latest_transaction(self) -> None:
        """Return None: Luma lists no transactions."""

    async def spends_since(self, since: int) -> None:
        """Return None: Luma lists no transactions."""


class GenerorProvider:
    """Generor: one long call whose answer has the creations, and a download."""

    vendor = GENEROR
    tags_rows = False
    lists_transactions = True
    default_concurrency = 100
    """A client's number of connections: with more rows, some would wait for a connection after their admission."""

    def __init__(self, client: AsyncGeneror, parameters: Parameters) -> None:
        self.clock = ServerClock(client._clock)  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here
        self._client = client
        self._normal_client = client.with_options(priority="normal")
        """For the few calls that rows wait for, such as estimates: they go before the bulk."""
        self._parameters = parameters
        self._estimates = EstimateCache(self._estimate)

    async def _estimate(self, parameters: Mapping[str, JSON]) -> Any:
        estimate = await self._normal_client.generators.estimate(**parameters)
        self.clock.learn_server_time(response_to(estimate))
        return estimate

    def set_terms(self, *, capped: bool, price: float | None) -> None:
        """Do nothing: the API itself says what a call costs."""

    async def check_key(self) -> None:
        """Look up the key in the account's list of keys, which proves that the key may read.

        The documentation says that the list shows prefixes; that it shows scopes is assumed. A key that the list
        doesn't identify passes: its first call is then refused, uncharged, and stops the run.
        """
        try:
            listed = await self._normal_client.api_keys.list()
        except PermissionDeniedError as error:
            error.advice = ADVICE
            raise
        key = self._client._session.key  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here
        if missing := missing_scopes(NEEDED, key=key, listed=listed):
            raise missing_scopes_error(missing)

    async def price(self, parameters: Mapping[str, JSON]) -> Quote | None:
        """Return the API's estimate; None if it refuses such a call."""
        return await self._estimates.price(parameters)

    async def quote(self, row: CallRecord) -> Quote:
        """Return the API's estimate, requested once for rows that cost the same."""
        return await self._estimates.quote(row.parameters)

    async def submit(self, row: CallRecord, call_id: str, intent: Intent) -> Accepted:
        """Generate."""
        operation = self._client._with_estimated_timeout(self._parameters.build(row.parameters))  # pyright: ignore[reportPrivateUsage]
        session, options = self._client._session, self._client._options  # pyright: ignore[reportPrivateUsage]
        result: GenerateResult = await session.send(operation, options, call_id=call_id, intent=intent)
        self.clock.learn_server_time(response_to(result))
        ids = tuple(str(id_) for creation in result.creations if (id_ := maybe(creation.creation_id)) is not None)
        cost = valid_cost(maybe(result.credit_cost))
        return Accepted(remote_ids=ids, cost=cost, is_complete=True, handle=result.creations)

    async def complete(self, row: CallRecord, handle: Any) -> list[GeneratedCreation]:
        """Return the creations; after a restart, fetch them."""
        return handle if handle is not None else [await self._fetch(to_api_id(id_)) for id_ in row.remote_ids]

    async def _fetch(self, creation_id: int) -> GeneratedCreation:
        creation = await self._get_creation(creation_id)
        # What `generate` shows at the top stands in the generator's own data here.
        return GENERATED_CREATION.lenient({**(maybe(creation.generator_data) or {}), **creation.raw}, "$.data", [])

    async def _get_creation(self, creation_id: int) -> Creation:
        """Fetch a creation that the journal knows; an answer that denies it is believed at the second time."""
        odd, clock = OddPolls(), self._client._clock  # pyright: ignore[reportPrivateUsage]
        while True:
            try:
                return await self._client.creations.get(creation_id)
            except GenerorAsyncError as error:
                says = classify_poll_failure(error, GENEROR)
                if says == "says_nothing" or odd.end_with(says, clock.monotonic(), seen=True):
                    raise
            await clock.sleep(ODD_ANSWER_PAUSE)

    async def store(self, row: CallRecord, output: Any, media: "Path | MediaStorage") -> JSON:
        """Store the creations' media and texts."""
        files = await (
            self._store_objects(row, output, media)
            if isinstance(media, MediaStorage)
            else self._store_files(row, output, media)
        )
        fields: list[JSON] = [
            {name: value for name, value in creation.raw.items() if _is_listed(name)} for creation in output
        ]
        return {"files": files, **({"creations": fields} if any(fields) else {})}

    def storage(self, url: str) -> Storage:
        """Return a storage that downloads with this client."""
        return Storage(url, self._client)

    async def _store_objects(
        self, row: CallRecord, creations: list[GeneratedCreation], media: "MediaStorage"
    ) -> list[JSON]:
        outputs = list[Output]()
        for index, creation in enumerate(creations):
            known = maybe(creation.creation_id)
            # Other batches may use the same storage: a creation without an id is named by its call.
            name = f"{row.request_id}-{index}" if known is None else safe_name(str(known))
            outputs += self._client._media(creation.raw, name, known)  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here
            if creation.text:
                outputs.append(Output(name=name, text=creation.text))
        named = [evolve(output, owner_id=output.owner_id or output.name) for output in outputs]
        client = self._client
        return await media.save(lambda storage: storage._save_outputs(client, named))  # pyright: ignore[reportPrivateUsage] # the same

    async def _store_files(self, row: CallRecord, creations: list[GeneratedCreation], folder: Path) -> list[JSON]:
        place, paths = _output_folder(row), list[Path]()
        for index, creation in enumerate(creations):
            known = maybe(creation.creation_id)
            name = f"row-{row.number}-{index}" if known is None else safe_name(str(known))
            outputs = self._client._media(creation.raw, name, known)  # pyright: ignore[reportPrivateUsage]
            paths += await self._client._download(  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here
                outputs, to=folder / place, overwrite=True, max_bytes=MAX_BYTES, on_progress=None
            )
            if creation.text:
                paths.append(folder / place / f"{name}.txt")
                await run_to_completion(partial(_write_text, paths[-1], creation.text))
        return [f"{place}/{path.name}" for path in paths]

    def reconciliation(self, journal: Ledger, *, beside_calls: bool) -> Reconciliation:
        """Return what settles unknown rows by the account's creations and transactions."""
        return Reconciliation(self._client, journal, self.clock, self.balance, beside_calls=beside_calls)

    async def balance(self) -> float | None:
        """Return the account's credits; None if the answer doesn't say."""
        return await read_balance(self._normal_client, self.clock)

    async def latest_transaction(self) -> int | None:
        """Return the id of the latest transaction, 0 if there is none; None if transactions can't be read."""
        return await read_latest_transaction(self._normal_client)

    async def spends_since(self, since: int) -> Mapping[int, SpendAmount] | None:
        """Return what was spent after a transaction, by transaction id; None if transactions can't be read."""
        return await read_spends(self._normal_client, since)


def _is_listed(name: str) -> bool:
    return name not in UNLISTED_FIELDS and not name.endswith("url")


def _write_text(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
        temporary.replace(path)
    except OSError as error:
        problem = f"{path} cannot be written ({error.strerror})"
        raise DownloadError(problem, url="", advice=advice_on(error), local=True) from None
