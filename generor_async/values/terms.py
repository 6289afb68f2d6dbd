"""The few words that rules, errors and events share."""

from typing import Literal, TypeAlias

__all__ = ["Conduct", "Outcome", "Priority", "RateLimitScope"]

Outcome: TypeAlias = Literal["not_sent", "refused", "done", "unknown"]
"""What one attempt came to: never left this machine; refused without effect; took effect; or nobody can say."""

Conduct: TypeAlias = Literal["read", "idempotent", "plain", "bills"]
"""What repeating a call does: nothing; nothing more; maybe a second effect; a second charge."""

Priority: TypeAlias = Literal["interactive", "normal", "bulk"]
"""Whose turn it is when calls have to queue."""

RateLimitScope: TypeAlias = Literal["minute", "hour", "day", "unknown"]
"""Which limit of requests a 429 is about."""
