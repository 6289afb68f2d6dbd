# Generated from the async implementation by `python -m generor_async.codegen`: do not edit.
# pyright: reportPrivateUsage=false
# The generated classes use each other's `_impl`.
"""Blocking proxies of `engine.state.budgets`."""

from generor_async.engine.state.budgets import Budgets as AsyncBudgets
from generor_async.engine.state.budgets import BudgetStatus
from generor_async.sync.bridge import SyncProxy

__all__ = ["Budgets"]


class Budgets(SyncProxy[AsyncBudgets]):
    """The budgets of a client and its views."""

    __slots__ = ()

    def status(self, user: str | None = None) -> list[BudgetStatus]:
        """Return what is left of the budgets that apply to a user's calls.

        Args:
            user: The user; by default calls without one.

        Returns:
            The status of each of them now, in the order in which they were given to the client.

        Raises:
            InvalidRequestError: This can be no user, or the client has no state, or it can't be used.
        """
        return self._bridge.run(self._impl.status(user))
