"""Reads a view of Generor's account: its balance, the transactions since the batch began, and the creations."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from math import inf
from typing import Any, Final, TypeAlias, TypeVar

from attrs import evolve, frozen

from generor_async.api.generor.models import Creation, Transaction
from generor_async.engine.pages import Page, Pages
from generor_async.errors import ResponseShapeError
from generor_async.reconciliation.clock import ServerClock
from generor_async.reconciliation.kept_calls import AccountClient, KeptCalls
from generor_async.rules.body_decoders import unread_items
from generor_async.rules.charges import valid_amount
from generor_async.rules.creation_matching import ListedCreation
from generor_async.rules.reconcile import Snapshot
from generor_async.rules.time_zones import ZoneReading, corrected_dates
from generor_async.rules.unexplained_spends import DatedSpend
from generor_async.stores.records import CallRecord
from generor_async.values import maybe

__all__ = ["AccountView", "CreationListing", "ListedSpend", "ReadBalance", "list_creations", "read_account"]

T = TypeVar("T")
ReadBalance: TypeAlias = Callable[[], Awaitable[float | None]]

DAY: Final = 86_400.0
EXACT: Final = 1e-6
NEAR: Final = 5.0
"""Seconds by which our estimate of the server's clock may be off."""


@frozen(kw_only=True)
class ListedSpend:
    """A spend in the account's list of transactions."""

    creation_id: int | None
    """The creation it was for, if the transaction names one."""
    shown: float
    """Its time in Unix seconds; a time without a zone is read as UTC."""
    zoned: bool
    """Whether the time has a zone."""

    def time_in(self, zone: ZoneReading) -> float:
        """Return its time if the account's times are in this zone."""
        return self.shown if self.zoned else zone.read(self.shown)


@frozen(kw_only=True)
class CreationListing:
    """Creations as listed; a time without a zone is read as UTC."""

    listed: Sequence[ListedCreation]
    zoned: frozenset[int]
    """Ids of the creations whose time has a zone."""
    whole: bool
    """Whether the list is complete."""


@frozen(kw_only=True)
class AccountView:
    """What the account showed at one moment, before its time zone is known."""

    taken_at: float
    """By our own clock."""
    at: float
    """By the server's clock."""
    since: float
    creations: CreationListing
    spends: Sequence[ListedSpend]
    """In order of the transactions' ids."""
    latest_change: ListedSpend | None
    """The latest change of the balance, of any type; None if there is none."""
    transactions_balance: float | None
    """The balance by the transactions' sum; None if that is not known."""
    balances: Sequence[tuple[float, float]]
    """Pairs of time (by the server's clock) and balance, of this view and earlier ones."""

    def in_zone(self, zone: ZoneReading) -> Snapshot:
        """Return the view with its times read in a zone."""
        return Snapshot(
            taken_at=self.taken_at,
            at=self.at,
            since=self.since,
            creations=[
                one if one.creation_id in self.creations.zoned else evolve(one, created_at=zone.read(one.created_at))
                for one in self.creations.listed
            ],
            whole=self.creations.whole,
            spends=[DatedSpend(when=one.time_in(zone), creation_id=one.creation_id) for one in self.spends],
            whole_until=max(self._balance_matches(zone), default=-inf),
        )

    def _balance_matches(self, zone: ZoneReading) -> Iterator[float]:
        """Yield times at which the balance equalled the transactions' sum: now, or before some that were listed late.

        A transaction after such a time rules the time out: it could stand in for a missing one.
        """
        for at, balance in self.balances:
            if self.transactions_balance is not None and abs(self.transactions_balance - balance) < EXACT:
                may_be_later = self.latest_change is not None and self.latest_change.time_in(zone) > at - NEAR
                if at == self.at or not may_be_later:
                    yield at


async def read_account(
    client: AccountClient,
    journal: KeptCalls,
    clock: ServerClock,
    balance: ReadBalance,
    *,
    since: float,
    known_rows: Iterable[CallRecord],
    earlier_balances: Sequence[tuple[float, float]] = (),
) -> AccountView | str:
    """Return what the account shows since a moment of the server's clock, or why it says nothing.

    `known_rows` have creations that must be in the list; `earlier_balances` are of earlier views, with their times.
    """
    total = await balance()
    taken_at = clock.time()
    transactions, initial_balance = await _read_transactions(client, journal, clock)
    if total is None:
        return "the account doesn't show its balance"
    if transactions is None:
        return "a transaction of the account can't be read"
    # Times without a zone may be off by half a day, and one more half for zones of both signs.
    creations = await list_creations(client.creations.list(per_page=100), since - DAY, clock, known_rows)
    if creations is None:
        return "a creation in the account's list can't be read"
    return AccountView(
        taken_at=taken_at,
        at=(at := clock.server_time(taken_at)),
        since=since,
        creations=creations,
        spends=_listed_spends(transactions),
        latest_change=max(map(_dated_change, transactions), key=lambda one: one.shown, default=None),
        transactions_balance=None
        if initial_balance is None
        else initial_balance + sum(one.amount or 0.0 for one in transactions),
        balances=[*earlier_balances, (at, total)],
    )


async def _read_transactions(
    client: AccountClient, journal: KeptCalls, clock: ServerClock
) -> tuple[list[Transaction] | None, float | None]:
    """Return the changes of the balance since the batch began, and the balance at that time, if known.

    The changes are None if one of them can't be read: it may be the spend in question.
    """
    note: Any = await journal.read_note("account")
    transactions: dict[int, Transaction] = {}  # a list that shifts shows some of them again
    if note["transaction"] is None:
        return [], None
    async for page in _by_page(client.credits.list_transactions(per_page=100), clock):
        if page is None:
            return list(transactions.values()), None
        if unread_items(page.problems):
            return None, None
        for transaction in page.items:
            if not isinstance(transaction.transaction_id, int):
                return list(transactions.values()), None
            if transaction.transaction_id <= note["transaction"]:
                return list(transactions.values()), note["balance"]
            if transaction.type is None or transaction.created_at is None or valid_amount(transaction.amount) is None:
                return None, None
            transactions[transaction.transaction_id] = transaction
    return list(transactions.values()), note["balance"]


def _dated_change(transaction: Transaction) -> ListedSpend:
    """Return a change of the balance with its time, which `_read_transactions` has checked."""
    assert transaction.created_at is not None
    return ListedSpend(
        creation_id=transaction.creation_id,
        shown=_as_utc(transaction.created_at),
        zoned=_has_zone(transaction.created_at),
    )


def _listed_spends(transactions: Iterable[Transaction]) -> list[ListedSpend]:
    spends = {one.transaction_id or 0: one for one in transactions if one.type == "spend"}
    dates = corrected_dates({id_: _as_utc(one.created_at) for id_, one in spends.items() if one.created_at is not None})
    return [
        ListedSpend(creation_id=spends[id_].creation_id, shown=when, zoned=_has_zone(spends[id_].created_at))
        for id_, when in dates.items()
    ]


async def list_creations(
    pages: Pages[Creation], since: float, clock: ServerClock, known: Iterable[CallRecord] = ()
) -> CreationListing | None:
    """Return the listed creations, newest first, back to a time; None if one has no id, time or generator."""
    creations: dict[int, Creation] = {}
    reaches_end = is_whole = True
    async for page in _by_page(pages, clock):
        if page is None:
            is_whole = False
            break
        if unread_items(page.problems):
            return None
        for creation in page.items:
            created_at = maybe(creation.created_at)
            if created_at is None or maybe(creation.creation_id) is None or maybe(creation.generator) is None:
                return None
            if _as_utc(created_at) < since:
                reaches_end = False
                break
            creations[creation.creation_id] = creation
        if not reaches_end:
            break
    return _creations(creations, is_whole=is_whole and not (reaches_end and _is_cut_short(creations, known)))


def _is_cut_short(listed_ids: Iterable[int], known_rows: Iterable[CallRecord]) -> bool:
    """Return whether a list ends before the first creation that a row is known to have made."""
    made_ids = [int(id_) for row in known_rows for id_ in row.remote_ids if id_.isdecimal()]
    return bool(made_ids) and min(made_ids) < min(listed_ids, default=max(made_ids) + 1)


def _creations(creations: dict[int, Creation], *, is_whole: bool) -> CreationListing:
    dates = corrected_dates({id_: _as_utc(creation.created_at) for id_, creation in creations.items()})
    return CreationListing(
        listed=[_listed(creation, dates[id_]) for id_, creation in creations.items()],
        zoned=frozenset(id_ for id_, creation in creations.items() if _has_zone(creation.created_at)),
        whole=is_whole,
    )


def _listed(creation: Creation, created_at: float) -> ListedCreation:
    traits = {"privacy_mode": maybe(creation.privacy_mode), "username": maybe(creation.username)}
    return ListedCreation(
        creation_id=creation.creation_id,
        generator=creation.generator,
        prompt=creation.prompt or "",
        created_at=created_at,
        traits={name: value for name, value in traits.items() if value is not None},
    )


async def _by_page(pages: Pages[T], clock: ServerClock) -> AsyncIterator[Page[T] | None]:
    """Yield a list page by page, and None at the end if it shows less than it counts."""
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
    """Return a time in Unix seconds; one without a zone is read as UTC."""
    return (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp()


def _has_zone(when: datetime | None) -> bool:
    return when is not None and when.tzinfo is not None
