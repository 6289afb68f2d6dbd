"""The answer of a limit to a call that has to wait."""

import math
from typing import Literal, TypeAlias

from attrs import frozen

__all__ = ["LimitScope", "Wait"]

LimitScope: TypeAlias = Literal["minute", "hour", "day", "jobs"]
"""The limit: a rate limit's window, or concurrent jobs."""


@frozen
class Wait:
    """No call is admitted before `until`; infinite where only an event can end the wait."""

    until: float
    scope: LimitScope | Literal["outage"]
    sooner: bool = False
    """Whether an event, such as the end of a job, may end the wait sooner."""
    ask_at: float = math.inf
    """When to ask again, where other processes share the limit: sooner, as they may have changed the state, or later,
    as they have the first turns. Infinite where that is `until`."""
