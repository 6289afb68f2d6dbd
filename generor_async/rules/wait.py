"""What a limit answers to whoever may not go yet."""

from typing import Literal, TypeAlias

from attrs import frozen

__all__ = ["LimitScope", "Wait"]

LimitScope: TypeAlias = Literal["minute", "hour", "day", "jobs"]
"""Which limit it is: of requests in a time, or of jobs at once."""


@frozen
class Wait:
    """Nobody may go before `until`; infinity where only an event can tell."""

    until: float
    scope: LimitScope
    sooner: bool = False
    """Whether an event may let somebody go before that: a job that ends."""
