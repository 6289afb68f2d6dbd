"""Looks at what Generor's account shows: its balance, its transactions since the batch began, and its creations."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from math import inf
from typing import Any, Final, TypeAlias, TypeVar

from attrs import evolve, frozen

from generor_async.api.generor.models import Creation, Transaction
from generor_async.batch.clock import BatchClock
from generor_async.batch.journal import JournalReader, Row
from generor_async.engine.pages import Page, Pages
from generor_async.errors import ResponseShapeError
from generor_async.generor import AsyncGeneror
from generor_async.rules.body_decoders import unread_items
from generor_async.rules.charges import valid_amount
from generor_async.rules.creation_matching import ListedCreation
from generor_async.rules.reconcile import Snapshot
from generor_async.rules.time_zones import ZoneReading, corrected_dates
from generor_async.rules.unexplained_spends import DatedSpend
from generor_async.values import maybe

__all__ = ["AccountView", "CreationListing", "ListedSpend", "ReadBalance", "list_back_to", "read_account"]

T = TypeVar("T")
ReadBalance: TypeAlias = Callable[[], Awaitable[float | None]]

DAY: Final = 86_400.0
EXACT: Final = 1e-6
NEAR: Final = 5.0
"""Seconds by which the server's clock is known."""


@frozen(kw_only=True)
class ListedSpend:
    """Credits that were spent since the batch began."""

    creation_id: int | None
    """On what, where the transaction says so."""
    shown: float
    """When, in Unix seconds, read as if a time without a zone were UTC."""
    zoned: bool
    """Whether the time names its zone."""

    def read(self, zone: ZoneReading) -> float:
        """Return when it was."""
        return self.shown if self.zoned else zone.read(self.shown)


@frozen(kw_only=True)
class CreationListing:
    """Creations in a listing, dated as if a time without a zone were UTC."""

    listed: Sequence[ListedCreation]
    zoned: frozenset[int]
    """The ids of those whose time names its zone."""
    whole: bool
    """Whether these are all there are."""


@frozen(kw_only=True)
class AccountView:
    """What the account showed at one moment."""

    taken_at: float
    """By our own clock."""
    at: float
    """By the server's."""
    since: float
    creations: CreationListing
    spends: Sequence[ListedSpend]
    """In the order of the transactions' ids."""
    latest: ListedSpend | None
    """The latest change of the balance, whatever it was for; None before any."""
    books: float | None
    """What the balance was, by the transactions; None where nobody can say."""
    balances: Sequence[tuple[float, float]]
    """When the balance was read, by the server's clock, and what it was: at this look, and at those before it."""

    def read(self, zone: ZoneReading) -> Snapshot:
        """Read its times by a zone."""
        return Snapshot(
            taken_at=self.taken_at,
            at=self.at,
            since=self.since,
            creations=[
                one if one.creation_id in self.creations.zoned else evolve(one, created_at=zone.read(one.created_at))
                for one in self.creations.listed
            ],
            whole=self.creations.whole,
            spends=[DatedSpend(when=one.read(zone), creation_id=one.creation_id) for one in self.spends],
            whole_until=max(self._balance_matches(zone), default=-inf),
        )

    def _balance_matches(self, zone: ZoneReading) -> Iterator[float]:
        """Yield when the balance was what the transactions add up to: now, or before what isn't listed yet.

        None of them may have been after that: one that is missing could be made up for by one that came since.
        """
        for at, balance in self.balances:
            if self.books is not None and abs(self.books - balance) < EXACT:
                may_be_later = self.latest is not None and self.latest.read(zone) > at - NEAR
                if at == self.at or not may_be_later:
                    yield at


async def read_account(
    client: AsyncGeneror,
    journal: JournalReader,
    clock: BatchClock,
    balance: ReadBalance,
    *,
    since: float,
    known: Iterable[Row],
    before: Sequence[tuple[float, float]] = (),
) -> AccountView | str:
    """Return what the account shows since a moment of the server's clock, or why nothing can be told from it.

    `known` are rows whose creations must be among those that it lists; `before` says when the balance was what.
    """
    total = await balance()
    taken_at = clock.time()
    transactions, begun = await _read_transactions(client, journal, clock)
    if total is None:
        return "the account doesn't show its balance"
    if transactions is None:
        return "a transaction of the account can't be read"
    # Times without a zone may be off by half a day, and one more half for zones of both signs.
    creations = await list_back_to(client.creations.list(per_page=100), since - DAY, clock, known)
    if creations is None:
        return "a creation in the account's list can't be read"
    return AccountView(
        taken_at=taken_at,
        at=(at := clock.server_time(taken_at)),
        since=since,
        creations=creations,
        spends=_listed_spends(transactions),
        latest=max(map(_dated_change, transactions), key=lambda one: one.shown, default=None),
        books=None if begun is None else begun + sum(one.amount or 0.0 for one in transactions),
        balances=[*before, (at, total)],
    )


async def _read_transactions(
    client: AsyncGeneror, journal: JournalReader, clock: BatchClock
) -> tuple[list[Transaction] | None, float | None]:
    """Return the changes of the balance since the batch began, and what it was then, where that is known.

    The changes are None where one of them can't be read: it may be the spend that is looked for.
    """
    noted: Any = await journal.read_note("account")
    transactions: dict[int, Transaction] = {}  # a list that shifts shows some of them again
    if noted["transaction"] is None:
        return [], None
    async for page in _by_page(client.credits.list_transactions(per_page=100), clock):
        if page is None:
            return list(transactions.values()), None
        if unread_items(page.problems):
            return None, None
        for one in page.items:
            if not isinstance(one.transaction_id, int):
                return list(transactions.values()), None
            if one.transaction_id <= noted["transaction"]:
                return list(transactions.values()), noted["balance"]
            if one.type is None or one.created_at is None or valid_amount(one.amount) is None:
                return None, None
            transactions[one.transaction_id] = one
    return list(transactions.values()), noted["balance"]


def _dated_change(one: Transaction) -> ListedSpend:
    """Return when a change of the balance was; it has been seen to be dated."""
    assert one.created_at is not None
    return ListedSpend(creation_id=one.creation_id, shown=_as_utc(one.created_at), zoned=_has_zone(one.created_at))


def _listed_spends(transactions: Iterable[Transaction]) -> list[ListedSpend]:
    spent = {one.transaction_id or 0: one for one in transactions if one.type == "spend"}
    shown = corrected_dates({id_: _as_utc(one.created_at) for id_, one in spent.items() if one.created_at is not None})
    return [
        ListedSpend(creation_id=spent[id_].creation_id, shown=when, zoned=_has_zone(spent[id_].created_at))
        for id_, when in shown.items()
    ]


async def list_back_to(
    pages: Pages[Creation], since: float, clock: BatchClock, known: Iterable[Row] = ()
) -> CreationListing | None:
    """Return what is listed, newest first, until it is older.

    None stands for a list where one of them can't be told from others.
    """
    found: dict[int, Creation] = {}
    ends = whole = True
    async for page in _by_page(pages, clock):
        if page is None:
            whole = False
            break
        if unread_items(page.problems):
            return None
        for one in page.items:
            when = maybe(one.created_at)
            if when is None or maybe(one.creation_id) is None or maybe(one.generator) is None:
                return None
            if _as_utc(when) < since:
                ends = False
                break
            found[one.creation_id] = one
        if not ends:
            break
    return _creations(found, whole=whole and not (ends and _is_cut_short(found, known)))


def _is_cut_short(found: Iterable[int], known: Iterable[Row]) -> bool:
    """Tell whether a list ends before what must be in it: the first creation that a row is known to have made."""
    made = [int(id_) for row in known for id_ in row.remote_ids if id_.isdecimal()]
    return bool(made) and min(made) < min(found, default=max(made) + 1)


def _creations(found: dict[int, Creation], *, whole: bool) -> CreationListing:
    shown = corrected_dates({id_: _as_utc(one.created_at) for id_, one in found.items()})
    return CreationListing(
        listed=[_listed(one, shown[id_]) for id_, one in found.items()],
        zoned=frozenset(id_ for id_, one in found.items() if _has_zone(one.created_at)),
        whole=whole,
    )


def _listed(creation: Creation, shown: float) -> ListedCreation:
    traits = {"privacy_mode": maybe(creation.privacy_mode), "username": maybe(creation.username)}
    return ListedCreation(
        creation_id=creation.creation_id,
        generator=creation.generator,
        prompt=creation.prompt or "",
        created_at=shown,
        traits={name: value for name, value in traits.items() if value is not None},
    )


async def _by_page(pages: Pages[T], clock: BatchClock) -> AsyncIterator[Page[T] | None]:
    """Walk a list page by page; None comes last where it ends, and has shown less than it counts."""
    page: Page[T] | None = await pages.first_page()
    while page is not None:
        clock.learn_server_time(page.response)
        yield page
        announced = page.has_next
        try:
            page = await page.next_page()
        except ResponseShapeError:
            if announced:
                raise
            yield None
            return


def _as_utc(when: datetime) -> float:
    """Return a time in Unix seconds, as if it were UTC where it names no zone."""
    return (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp()


def _has_zone(when: datetime | None) -> bool:
    return when is not None and when.tzinfo is not None
