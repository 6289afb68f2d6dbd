"""What the account has spent since a batch began, as far as the API says."""

from contextlib import suppress
from typing import Any

from generor_async.batch.journal import Journal
from generor_async.batch.work import Work
from generor_async.errors import APIError, DeadlineExceededError
from generor_async.rules.spending import likely

__all__ = ["Account"]


class Account:
    """The account, held against what the journal knows of it."""

    def __init__(self, work: Work, journal: Journal) -> None:
        self._work = work
        self._journal = journal

    async def begin(self) -> float | None:
        """Note where it stands before the batch's first call; later, return what it has spent since."""
        if await self._journal.recall("account") is not None:
            return await self.spent()
        balance = await self._work.balance()
        added = await self._work.added(None)
        latest = None if added is None else added[1] or 0  # where there is none, every one is new
        await self._journal.remember("account", {"balance": balance, "transaction": latest})
        return None

    async def spent(self) -> float | None:
        """Return what it has spent since, at the most; None where nobody can say."""
        noted: Any = await self._journal.recall("account")
        if noted["transaction"] is None or noted["balance"] is None:
            return None
        balance, added = await self._work.balance(), await self._work.added(noted["transaction"])
        return None if balance is None or added is None else noted["balance"] + added[0] - balance

    async def sum_up(self) -> None:
        """Note what it has spent, beside what the calls have likely cost."""
        sums = await self._journal.spent()
        with suppress(APIError, DeadlineExceededError):
            spent = await self.spent()
            if spent is not None:
                most = sum(one.settled for one in sums)  # what is spent beyond is somebody else's
                await self._journal.remember("spent", {"told": likely(sums), "spent": min(spent, most)})
