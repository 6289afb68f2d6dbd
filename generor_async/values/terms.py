"""The few words that rules, errors and events share."""

from typing import Literal, TypeAlias

__all__ = ["Conduct", "Outcome", "Priority", "RateLimitScope", "ThrottleScope"]

Outcome: TypeAlias = Literal["not_sent", "refused", "done", "unknown"]
"""What one attempt came to: never left this machine; refused without effect; took effect; or nobody can say."""

Conduct: TypeAlias = Literal["read", "idempotent", "plain", "bills"]
"""What repeating a call does: nothing; nothing more; maybe a second effect; a second charge."""

Priority: TypeAlias = Literal["interactive", "normal", "bulk"]
"""Whose turn it is when calls have to queue."""

RateLimitScope: TypeAlias = Literal["minute", "hour", "day", "unknown"]
"""Which limit of requests a 429 is about."""

ThrottleScope: TypeAlias = Literal["minute", "hour", "day", "jobs", "abuse", "outage", "unknown"]
"""What a call waits for: a window of requests, a slot for its job, the ceiling against abuse that holds all calls of a
key, the end of an outage of the API, or a limit that nobody has named."""
