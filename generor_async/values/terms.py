"""Types that rules, errors and events share."""

from typing import Literal, TypeAlias

__all__ = ["Outcome", "Priority", "RateLimitScope", "RetrySafety", "ThrottleScope"]

Outcome: TypeAlias = Literal["not_sent", "refused", "done", "unknown"]
"""The outcome of an attempt: never sent; refused without effect; took effect; or unknown."""

RetrySafety: TypeAlias = Literal["read", "idempotent", "plain", "bills"]
"""The effect of repeating a call: none; none beyond the first; perhaps a second effect; a second charge."""

Priority: TypeAlias = Literal["interactive", "normal", "bulk"]
"""The priority of a call in a queue."""

RateLimitScope: TypeAlias = Literal["minute", "hour", "day", "unknown"]
"""The rate limit that a 429 is about."""

ThrottleScope: TypeAlias = Literal["minute", "hour", "day", "jobs", "abuse", "outage", "unknown"]
"""What a call waits for: a rate limit's window, a slot for its job, the limit against abuse that blocks all calls of a
key, the end of an outage of the API, or an unknown limit."""
