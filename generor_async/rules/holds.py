"""What 429s have the calls of a key wait for, and until when."""

from typing import Final, Literal, TypeAlias

from attrs import define, field, frozen

from generor_async.rules.window import Scope
from generor_async.values import RateLimitScope

__all__ = ["LONG_HOLD", "SCOPES", "Hold", "HoldScope", "Holds"]

LONG_HOLD: Final = 60.0
"""Seconds of a hold from which on people are told of it."""

MOMENT: Final = 0.001
"""Seconds that rounding may add to a hold of just so long."""

HoldScope: TypeAlias = Scope | Literal["jobs", "abuse"]
SCOPES: Final[dict[str, HoldScope]] = {
    "minute": "minute",
    "hour": "hour",
    "day": "day",
    "jobs": "jobs",
    "abuse": "abuse",
}


@frozen(kw_only=True)
class Hold:
    """Calls wait, because a 429 said so."""

    until: float
    """When it is over."""
    scope: HoldScope
    """Which calls wait: those that draw on a window, those that submit jobs, or all of the key (`abuse`)."""
    reason: str
    """What the API said."""

    @property
    def rate_limit_scope(self) -> RateLimitScope:
        """The window as an error names it."""
        return "unknown" if self.scope == "jobs" or self.scope == "abuse" else self.scope  # noqa: PLR1714 - for mypy


@define
class Holds:
    """The holds of one key, at most one for each limit."""

    by_scope: dict[HoldScope, Hold] = field(factory=dict[HoldScope, Hold], init=False)
    """The last hold of each limit, which may be over."""
    news: int = field(default=0, init=False)
    """How often they have changed."""

    def add(self, hold: Hold, now: float) -> bool:
        """Note a hold; return whether it is a long one that people haven't been told of."""
        known = self.by_scope.get(hold.scope)
        if known is not None and known.until >= hold.until:
            return False
        self.by_scope[hold.scope] = hold
        self.news += 1
        return _is_news(hold, known, now)

    def replace(self, holds: list[Hold], now: float) -> list[Hold]:
        """Take over the holds that another process knows; return the long ones that nobody has been told of here."""
        news = [hold for hold in holds if _is_news(hold, self.by_scope.get(hold.scope), now)]
        by_scope = {hold.scope: hold for hold in holds}
        if by_scope != self.by_scope:
            self.by_scope.clear()
            self.by_scope.update(by_scope)
            self.news += 1
        return news

    def all(self, now: float) -> list[Hold]:
        """Return those that are not over."""
        return [hold for hold in self.by_scope.values() if hold.until > now]

    def longest(self, now: float, *, but: HoldScope | None = None) -> Hold | None:
        """Return the hold that ends last, of all limits but one; None where nothing is held."""
        held = [hold for hold in self.by_scope.values() if hold.until > now and hold.scope != but]
        return max(held, key=_until) if held else None


def _is_news(hold: Hold, known: Hold | None, now: float) -> bool:
    """Tell whether a hold is a long one, and longer than the one that people know of."""
    told_until = now if known is None or known.until - now <= LONG_HOLD else known.until
    return hold.until - told_until > LONG_HOLD + MOMENT


def _until(hold: Hold) -> float:
    return hold.until
