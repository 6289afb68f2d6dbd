"""Holds: which calls of a key are blocked after a 429, and until when.

A 429 holds the whole limit once, instead of every waiting call meeting its own. Calls are then let go in order, not as
a herd. A long hold is a warning in the log, once, also where several processes share the limits: so the holds of
another process are compared before they are adopted.
"""

from typing import Any, Final, Literal, TypeAlias

from attrs import define, field, frozen

from generor_async.rules.state_json import read_text, time_reader
from generor_async.rules.wait_headers import LONGEST_BELIEVED_WAIT
from generor_async.rules.window import Scope
from generor_async.values import JSON, RateLimitScope

__all__ = ["LONG_HOLD", "Hold", "HoldScope", "Holds"]

LONG_HOLD: Final = 60.0
"""Least length of a hold, in seconds, for which there is a warning."""

TOLERANCE: Final = 0.001
"""Tolerance for rounding, in seconds."""

HoldScope: TypeAlias = Scope | Literal["jobs", "abuse"]
_SCOPES: Final[dict[str, HoldScope]] = {
    "minute": "minute",
    "hour": "hour",
    "day": "day",
    "jobs": "jobs",
    "abuse": "abuse",
}
_UNTIL: Final = time_reader(LONGEST_BELIEVED_WAIT)


@frozen(kw_only=True)
class Hold:
    """Some calls are blocked, because of a 429."""

    until: float
    """When it ends."""
    scope: HoldScope
    """Which calls are blocked: those of a window, those that submit jobs, or all of the key (`abuse`)."""
    reason: str
    """What the API said."""

    @property
    def rate_limit_scope(self) -> RateLimitScope:
        """The window as an error names it."""
        return "unknown" if self.scope == "jobs" or self.scope == "abuse" else self.scope  # noqa: PLR1714 - for mypy


@define
class Holds:
    """The holds of a key, at most one for each limit."""

    by_scope: dict[HoldScope, Hold] = field(factory=dict[HoldScope, Hold], init=False)
    """The last hold of each limit; it may have ended."""
    news: int = field(default=0, init=False)
    """Number of changes so far."""

    def add(self, hold: Hold, now: float) -> bool:
        """Add a hold; return whether there is to be a warning: it is long, and longer than the last one."""
        known = self.by_scope.get(hold.scope)
        if known is not None and known.until >= hold.until:
            return False
        self.by_scope[hold.scope] = hold
        self.news += 1
        return _needs_warning(hold, known, now)

    def load(self, dumped: Any, now: float, ahead: float) -> list[Hold]:
        """Add the holds that another process has dumped; the store's time is `ahead` seconds of this process's time.

        Returns those of which there is to be a warning. Raises LookupError, TypeError or ValueError for invalid data.
        """
        holds = [
            Hold(
                until=_UNTIL(until, now + ahead) - ahead,
                scope=_SCOPES[read_text(scope, now)],
                reason=read_text(why, now),
            )
            for scope, until, why in dumped
        ]
        news = [hold for hold in holds if _needs_warning(hold, self.by_scope.get(hold.scope), now)]
        by_scope: dict[HoldScope, Hold] = {hold.scope: hold for hold in holds}
        if by_scope != self.by_scope:
            self.by_scope.clear()
            self.by_scope.update(by_scope)
            self.news += 1
        return news

    def dump(self, now: float, ahead: float) -> JSON:
        """Return the holds that have not ended, to a tenth of a second, so that they are equal in every process."""
        held = [hold for hold in self.by_scope.values() if hold.until > now]
        return [[hold.scope, round(hold.until + ahead, 1), hold.reason] for hold in held]

    def longest(self, now: float, *, but: HoldScope | None = None) -> Hold | None:
        """Return the hold that ends last, ignoring one limit; None where nothing is blocked."""
        held = [hold for hold in self.by_scope.values() if hold.until > now and hold.scope != but]
        return max(held, key=_until) if held else None


def _needs_warning(hold: Hold, known: Hold | None, now: float) -> bool:
    """Tell whether a hold is long, and longer than the one that was reported."""
    told_until = now if known is None or known.until - now <= LONG_HOLD else known.until
    return hold.until - told_until > LONG_HOLD + TOLERANCE


def _until(hold: Hold) -> float:
    return hold.until
