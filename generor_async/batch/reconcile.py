"""Finds out what became of Generor's unknown rows, by looking at what the account shows.

`rules.reconcile` judges; here the looks are taken and what was found is written down. Luma lists no jobs: its unknown
rows stay as they are.
"""

import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from generor_async.api.generor.models import Creation, Transaction
from generor_async.batch.journal import Journal, Row
from generor_async.batch.server_clock import ServerClock
from generor_async.engine.pages import Page, Pages
from generor_async.errors import (
    APIConnectionError,
    ClientClosedError,
    DeadlineExceededError,
    InternalServerError,
    RateLimitError,
    ResponseShapeError,
)
from generor_async.generor import AsyncGeneror
from generor_async.rules.envelope import unread_items
from generor_async.rules.reconcile import (
    BETWEEN_LOOKS,
    Absent,
    Charge,
    Doubtful,
    Found,
    Held,
    Listed,
    Look,
    absent_after,
    learned_offset,
    reconcile,
)
from generor_async.rules.rows import OPEN, Accept, Release, as_sent
from generor_async.rules.spending import countable
from generor_async.values import maybe

__all__ = ["Reconciliation"]

T = TypeVar("T")

LAG: Final = 300.0
"""Seconds by which listings may be late (assumed)."""
BEFORE: Final = 3_600.0
"""Seconds before the oldest doubtful call from which on the account is looked at."""
LOOKS_KEPT: Final = 3
FAILED_LOOKS: Final = 5
"""Looks in succession that come to nothing, the client having tried again each time, before it is given up."""
_MAY_PASS: Final = (APIConnectionError, DeadlineExceededError, InternalServerError, RateLimitError, ResponseShapeError)
"""What a look may come to that says nothing of the next one; a list that doesn't end is among it."""
ENOUGH: Final = 1_800.0
"""Seconds after which an account that still contradicts itself is looked at no more."""
EXACT: Final = 1e-6


class Reconciliation:
    """Looks at the account as often as it takes, and settles what can be settled."""

    def __init__(
        self, client: AsyncGeneror, journal: Journal, clock: ServerClock, balance: Callable[[], Awaitable[float | None]]
    ) -> None:
        self._client = client
        self._balance = balance
        self._journal = journal
        self._clock = clock
        self._first = math.inf
        """When the first look was taken."""
        self._failed = 0
        """Looks in succession that came to nothing."""
        self._looks: list[Look] = []
        self.look_at: float | None = None
        """When the next look may tell more, in Unix seconds; None where none will."""

    async def settle(self) -> Sequence[Row]:
        """Look once; return the rows that are settled: accepted, or ready."""
        self.look_at = None
        unknown = [
            row async for row in self._journal.rows("unknown") if row.submitted_at is not None and not row.remote_ids
        ]
        if not unknown:
            return ()
        if self._looks and (earliest := self._looks[-1].at + BETWEEN_LOOKS) > self._clock.time():
            # Of looks that follow each other closely no two that are kept would be far enough apart to agree.
            self.look_at = earliest
            return ()
        since = min(row.submitted_at or 0.0 for row in unknown) - BEFORE
        known = [
            row
            async for row in self._journal.rows(*OPEN, "done", "unknown")
            if (row.submitted_at or 0.0) >= since - BEFORE and (row.remote_ids or row.state != "unknown")
        ]
        try:
            look = await self._look(since, known)
        except ClientClosedError:
            raise
        except _MAY_PASS:
            self._failed += 1
            if self._failed == FAILED_LOOKS:
                raise
            self.look_at = self._clock.time() + BETWEEN_LOOKS
            return ()
        self._failed = 0
        if look is None:
            return ()
        self._first = min(self._first, look.at)
        self._looks = [*self._looks[1 - LOOKS_KEPT :], look]
        findings = reconcile(
            [_doubtful(row) for row in unknown],
            looks=self._looks,
            charges=[_charge(row) for row in known],
            taken={as_sent(id_) for row in known for id_ in row.remote_ids},
            lag=LAG,
        )
        settled: list[Row] = []
        due = max(absent_after(row, lag=LAG) for row in map(_doubtful, unknown))
        last = max(due, self._first) + ENOUGH
        for row in unknown:
            match findings[row.number]:
                case Found(ids):
                    await self._journal.step(row, Accept(remote_ids=tuple(map(str, ids))))
                    settled.append(row)
                case Absent():
                    message = "its call had no effect: the account shows neither creation nor spend"
                    await self._journal.step(row, Release(at=self._clock.time(), problem={"message": message}))
                    settled.append(row)
                case Held(look_at=again) if again is not None and again < last:
                    self.look_at = again if self.look_at is None else min(self.look_at, again)
                case _:
                    pass
        return settled

    async def _look(self, since: float, known: Sequence[Row]) -> Look | None:
        """Read what the account shows; None where nobody can say when anything was."""
        balance = await self._balance()
        at = self._clock.time()  # by the answer that has just come
        # Times without a zone may be off by half a day, and one more half for zones of both signs.
        far = since - 86_400.0
        transactions, begun = await self._since_the_batch_began()
        creations, whole = await _back_to(self._client.creations.list(per_page=100), far)
        if balance is None or transactions is None or creations is None:
            return None
        offset = _offset(creations, known)
        if offset is None:
            return None
        spends = [
            (one.creation_id, when)
            for one in transactions
            if one.type == "spend" and (when := _moment(one.created_at, offset)) is not None and when >= since
        ]
        return Look(
            at=at,
            since=since,
            creations=[listed for one in creations if (listed := _listed(one, offset)).created_at >= since],
            spends=[when for creation_id, when in spends if creation_id is None],
            whole=whole,
            named=[(creation_id, when) for creation_id, when in spends if creation_id is not None],
            balanced=begun is not None
            and abs(begun + sum(one.amount or 0.0 for one in transactions) - balance) < EXACT,
        )

    async def _since_the_batch_began(self) -> tuple[list[Transaction] | None, float | None]:
        """Return the changes of the balance since the batch began, and what it was then, where that is known.

        The changes are None where one of them can't be read: it may be the spend that is looked for.
        """
        noted: Any = await self._journal.recall("account")
        transactions: list[Transaction] = []
        seen = set[int]()  # a list that shifts shows some of them again
        if noted["transaction"] is None:
            return transactions, None
        async for page in _by_page(self._client.credits.list_transactions(per_page=100)):
            if page is None:
                return transactions, None
            if unread_items(page.problems):
                return None, None
            for one in page.items:
                if not isinstance(one.transaction_id, int):
                    return transactions, None
                if one.transaction_id <= noted["transaction"]:
                    return transactions, noted["balance"]
                if one.type is None or one.created_at is None or countable(one.amount) is None:
                    return None, None
                if one.transaction_id not in seen:
                    seen.add(one.transaction_id)
                    transactions.append(one)
        return transactions, noted["balance"]


async def _back_to(pages: Pages[Creation], since: float) -> tuple[list[Creation] | None, bool]:
    """Return what is listed, newest first, until it is older, and whether that is all there is.

    None stands for a list where one of them can't be told from others.
    """
    found: dict[int, Creation] = {}
    async for page in _by_page(pages):
        if page is None:
            return list(found.values()), False
        if unread_items(page.problems):
            return None, False
        for one in page.items:
            when = _moment(maybe(one.created_at), 0.0)
            if when is None or maybe(one.creation_id) is None or maybe(one.generator) is None:
                return None, False
            if when < since:
                return list(found.values()), True
            found[one.creation_id] = one
    return list(found.values()), True


async def _by_page(pages: Pages[T]) -> AsyncIterator[Page[T] | None]:
    """Walk a list page by page; None comes last where it ends, and has shown less than it counts."""
    page: Page[T] | None = await pages.first_page()
    while page is not None:
        yield page
        announced = page.has_next
        try:
            page = await page.next_page()
        except ResponseShapeError:
            if announced:
                raise
            yield None
            return


def _moment(shown: datetime | None, offset: float) -> float | None:
    """Return a time in Unix seconds; `offset` is how far the server's are ahead of UTC where they name no zone."""
    if shown is None:
        return None
    return shown.timestamp() if shown.tzinfo is not None else shown.replace(tzinfo=UTC).timestamp() - offset


def _offset(creations: Sequence[Creation], known: Sequence[Row]) -> float | None:
    if all(one.created_at.tzinfo is not None for one in creations):
        return 0.0
    made = {id_: row.submitted_at for row in known for id_ in row.remote_ids}
    return learned_offset(
        (_moment(one.created_at, 0.0) or 0.0, when)
        for one in creations
        if (when := made.get(str(one.creation_id))) is not None
    )


def _listed(creation: Creation, offset: float) -> Listed:
    privacy_mode = maybe(creation.privacy_mode)
    return Listed(
        creation_id=creation.creation_id,
        generator=creation.generator,
        prompt=creation.prompt or "",
        created_at=_moment(creation.created_at, offset) or 0.0,
        traits={} if privacy_mode is None else {"privacy_mode": privacy_mode},
    )


def _doubtful(row: Row) -> Doubtful:
    given: Any = row.parameters
    traits = {name: given[name] for name in ("privacy_mode",) if name in given}
    return Doubtful(
        number=row.number,
        generator=given["slug"],
        prompt=given.get("prompt", ""),
        shape=json.dumps({**given, "prompt": ""}, sort_keys=True),
        submitted_at=row.submitted_at or 0.0,
        longest=row.longest,
        count=given.get("count", 1),
        traits=traits,
    )


def _charge(row: Row) -> Charge:
    # What is taken up again after a restart ended long ago; until it is stored nobody knows when.
    return Charge(began=row.submitted_at or 0.0, ended=math.inf if row.ended_at is None else row.ended_at)
