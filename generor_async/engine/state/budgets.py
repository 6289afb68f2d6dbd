"""Budgets: what a user, a group of users, or all of them may spend in a period.

Each is an account of the state's ledger. The price of a call is reserved there in the transaction of its intent, which
is refused where it would exceed the limit of any of them: also over threads, processes and machines of one state.

Accounts hold what their calls count, so users always add up to all. Fixed prices are exact. At Generor, a call that ran
alone counts what its answer says, and one that overlapped with others its estimate times the learned ratio, until the
account's transactions show its cost (`reconciliation/settlement.py`). So the sum is off from what was really charged by
no more than the calls whose transactions were not read yet, or can't be: each by how far it is from that price.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from attrs import field, frozen

from generor_async.errors import BudgetExceededError, InvalidRequestError
from generor_async.rules import arguments, kept_names, option_checks
from generor_async.rules.budget_periods import BudgetPeriod, Every, period_at
from generor_async.rules.luma_prices import DOLLARS_A_CREDIT
from generor_async.stores.ledger import Ledger
from generor_async.stores.records import Account, AccountKey

if TYPE_CHECKING:
    from generor_async.engine.state.calls import StateCalls
    from generor_async.engine.state.opened import OpenedState

__all__ = ["ROOM", "Budget", "BudgetStatus", "Budgets", "applicable", "exceeded_error"]

ROOM: Final = 1e-6
"""Rounding error of sums, in credits."""
MOST_OPENED: Final = 10_000
"""How many accounts are remembered, beside those of one call, to have their limit already."""
PERIODS: Final = ("day", "hour")
SHORTEST: Final = 1.0
LONGEST: Final = 100 * 365.25 * 86_400.0
"""The shortest and the longest period, in seconds."""


def _every(value: object, name: str) -> Every:
    if value is None or isinstance(value, str):
        return None if value is None else option_checks.choice(value, name, PERIODS)  # type: ignore[return-value] # it was looked up
    wanted, advice = f"{name} must be 'day', 'hour', or {SHORTEST:g} to {LONGEST:g} seconds", "None is for never"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidRequestError(name, f"{wanted}, not {type(value).__name__}", advice=advice)
    if not SHORTEST <= value <= LONGEST:
        raise InvalidRequestError(name, f"{wanted}, not {str(value)[:20]}", advice=advice)
    return value


def _zone(value: object) -> ZoneInfo:
    try:
        return ZoneInfo(arguments.text(value, "timezone"))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        problem = f"timezone {value!r} is not known on this machine"
        advice = "Write one of the IANA database, such as Europe/Berlin; the package tzdata brings it"
        raise InvalidRequestError("timezone", problem, advice=advice) from None


@frozen(kw_only=True)
class Budget:
    """What may be spent: by all calls of a client's state, by a user, or by a group of users.

    Args:
        credits: The limit in credits.
        dollars: The limit in US dollars, at the documented worth of a credit; give one of both.
        every: How often it begins anew: `"day"`, `"hour"`, or after so many seconds (at least 1, at most
            100 years); None for never.
        timezone: The time zone of its days and hours.
        user: The user whose calls count: those of `with_options(user=)`.
        group: The users whose calls count together: those whose names begin so, such as `guild:42/`.
        each_user: Whether each user (of the group, if there is one) has this limit for themselves.

    Calls without a user count only where none of `user`, `group` and `each_user` is given. Give all processes of a
    state the same budgets: where their limits for the same calls differ, the one that was given last holds for all.

    Raises:
        InvalidRequestError: An argument can never be right.
    """

    credits: float | None = None
    dollars: float | None = None
    every: Every = field(default=None)
    timezone: str = "UTC"
    user: str | None = None
    group: str | None = None
    each_user: bool = False
    _zone: ZoneInfo = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        limits = [name for name in ("credits", "dollars") if getattr(self, name) is not None]
        if len(limits) != 1:
            raise InvalidRequestError("credits", "a budget has a limit in credits or in dollars", advice="Give one")
        option_checks.at_least(getattr(self, limits[0]), limits[0], 0)
        _every(self.every, "every")
        object.__setattr__(self, "_zone", _zone(self.timezone))
        arguments.boolean(self.each_user, "each_user")
        for name in ("user", "group"):
            if (value := getattr(self, name)) is not None and not arguments.text(value, name):
                raise InvalidRequestError(name, f"{name} is empty", advice="Leave it out for all calls")
        if self.user is not None and (self.group is not None or self.each_user):
            raise InvalidRequestError(
                "user", "a budget of one user has no group, and no other users", advice="Give one"
            )

    @property
    def limit(self) -> float:
        """The limit in credits."""
        return self.credits if self.credits is not None else (self.dollars or 0.0) / DOLLARS_A_CREDIT

    def applies_to(self, user: str | None) -> bool:
        """Tell whether calls of this user count."""
        if self.user is not None:
            return user == self.user
        if self.group is not None or self.each_user:
            return user is not None and user.startswith(self.group or "")
        return True

    def period_at(self, now: float) -> BudgetPeriod:
        """Return its period at a moment in Unix seconds."""
        return period_at(self.every, self._zone, now)

    def scope_of(self, user: str | None) -> str:
        """Return the scope of its account for calls of this user."""
        if self.user is not None or self.each_user:
            return f"user {user}"
        return "all" if self.group is None else f"group {self.group}"


@frozen(kw_only=True)
class BudgetStatus:
    """What is left of a budget in its present period, in credits."""

    budget: Budget
    limit: float
    """What holds now: the budget's own limit, or the one that another budget or process has set for the same calls."""
    spent: float
    """What calls have cost whose price is final."""
    reserved: float
    """What is set aside for calls that are under way, or of which nobody knows what they have cost, such as jobs that
    failed: that these are refunded is what the vendor's FAQ says."""
    resets_at: datetime | None
    """When the next period begins, in UTC; None for never."""

    @property
    def remaining(self) -> float:
        """What is left."""
        return max(0.0, self.limit - self.spent - self.reserved)


class Budgets:
    """The budgets of a client and its views."""

    __slots__ = ("_calls",)

    def __init__(self, calls: "StateCalls | None") -> None:
        self._calls = calls

    async def status(self, user: str | None = None) -> list[BudgetStatus]:
        """Return what is left of the budgets that apply to a user's calls.

        Args:
            user: The user; by default calls without one.

        Returns:
            The status of each of them now, in the order in which they were given to the client.

        Raises:
            InvalidRequestError: This can be no user, or the client has no state, or it can't be used.
        """
        if user is not None:
            kept_names.user(user, "user")
        if self._calls is None:
            raise InvalidRequestError(
                "state", "this client keeps no calls, and has no budgets", advice="Give it a state and budgets"
            )
        calls = self._calls

        async def status(state: "OpenedState") -> list[BudgetStatus]:
            await calls.settle_costs()
            return await _read_status(state, user)

        return await calls.while_open("budgets.status", status)


async def _read_status(state: "OpenedState", user: str | None) -> list[BudgetStatus]:
    ledger = await state.ledger()
    found = list[BudgetStatus]()
    for budget in applicable(state.settings.budgets, user):
        key, period = account_key(state, budget, user)
        account = await ledger.account(key)
        opened = key in state.opened_accounts  # else the next call sets the limit
        found.append(_status(budget, period, account, account.cap if account is not None and opened else None))
    return found


def applicable(budgets: Iterable[Budget], user: str | None) -> Sequence[Budget]:
    """Return the budgets that apply to calls of this user."""
    return [budget for budget in budgets if budget.applies_to(user)]


def account_key(state: "OpenedState", budget: Budget, user: str | None) -> tuple[AccountKey, BudgetPeriod]:
    """Return the account of a budget for calls of this user now, and its period."""
    period = budget.period_at(state.time())
    return (f"{state.address} {budget.scope_of(user)}", period.name), period


async def open_accounts(
    state: "OpenedState", ledger: Ledger, budgets: Iterable[Budget], user: str | None
) -> dict[AccountKey, tuple[Budget, BudgetPeriod]]:
    """Return the accounts of budgets for calls of this user now; those that are new here get their limit.

    Of budgets for the same users and periods, which have one account, the smallest counts.
    """
    keys = dict[AccountKey, tuple[Budget, BudgetPeriod]]()
    for budget in sorted(budgets, key=lambda budget: -budget.limit):
        key, period = account_key(state, budget, user)
        keys[key] = budget, period
    if len(state.opened_accounts) > MOST_OPENED:
        state.opened_accounts.clear()
    for key, (budget, _) in keys.items():
        if state.opened_accounts.get(key) != budget.limit:
            await ledger.open_account(key, budget.limit)
            state.opened_accounts[key] = budget.limit
    return keys


def exceeded_error(
    budget: Budget, period: BudgetPeriod, account: Account | None, user: str | None, needed: float
) -> BudgetExceededError:
    """Return the error of a call that a budget has no room for."""
    status = _status(budget, period, account, None if account is None else account.cap)
    whose = budget.scope_of(user)
    return BudgetExceededError(
        f"the budget of {whose if whose != 'all' else 'all calls'} has {_shown(budget, status.remaining)} of"
        f" {_shown(budget, status.limit)} left, and the call needs {_shown(budget, needed)}",
        user=user,
        remaining=status.remaining,
        resets_at=status.resets_at,
    )


def _shown(budget: Budget, amount: float) -> str:
    """Return a number of credits as a text, in the unit in which the budget was given."""
    return f"{amount:g} credits" if budget.dollars is None else f"${amount * DOLLARS_A_CREDIT:.4g}"


def _status(budget: Budget, period: BudgetPeriod, account: Account | None, cap: float | None) -> BudgetStatus:
    """Return the status of a budget; `cap` is its limit if another budget or process has set another one since."""
    return BudgetStatus(
        budget=budget,
        limit=budget.limit if cap is None else cap,
        spent=0.0 if account is None else account.spent,
        reserved=0.0 if account is None or account.reserved < ROOM else account.reserved,
        resets_at=None if period.ends_at is None else datetime.fromtimestamp(period.ends_at, UTC),
    )
