"""Values that every other part of the package uses: the base of the models, events, and the Protocol of a clock."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from generor_async.values.check import KeyCheck
from generor_async.values.media import MediaRef
from generor_async.values.model import (
    JSON,
    UNSET,
    DecodeError,
    Model,
    Problem,
    Unset,
    display_media,
    forget_headers,
    is_array,
    is_object,
    maybe,
    remember_response,
    remember_whole,
    response_to,
    type_mismatch,
    whole_of,
)
from generor_async.values.protocols import Clock, GenerationLike
from generor_async.values.response import Headers, RateLimit, ResponseInfo, read_rate_limit
from generor_async.values.secret import Masked, Secret, Unseen
from generor_async.values.terms import Outcome, Priority, RateLimitScope, RetrySafety, ThrottleScope

if TYPE_CHECKING:
    from generor_async.values.events import (
        AttemptEnded,
        AttemptStarted,
        CallEnded,
        CallStarted,
        DownloadProgress,
        Event,
        GenerateProgress,
        JobEnded,
        JobPolled,
        JobSubmitted,
        RetryScheduled,
        Throttled,
        UploadProgress,
    )

__all__ = [
    "JSON",
    "UNSET",
    "AttemptEnded",
    "AttemptStarted",
    "CallEnded",
    "CallStarted",
    "Clock",
    "DecodeError",
    "DownloadProgress",
    "Event",
    "GenerateProgress",
    "GenerationLike",
    "Headers",
    "JobEnded",
    "JobPolled",
    "JobSubmitted",
    "KeyCheck",
    "Masked",
    "MediaRef",
    "Model",
    "Outcome",
    "Priority",
    "Problem",
    "RateLimit",
    "RateLimitScope",
    "ResponseInfo",
    "RetrySafety",
    "RetryScheduled",
    "Secret",
    "ThrottleScope",
    "Throttled",
    "Unseen",
    "Unset",
    "UploadProgress",
    "display_media",
    "forget_headers",
    "is_array",
    "is_object",
    "maybe",
    "read_rate_limit",
    "remember_response",
    "remember_whole",
    "response_to",
    "type_mismatch",
    "whole_of",
]

_EVENTS: Final = frozenset(
    {
        "AttemptEnded",
        "AttemptStarted",
        "CallEnded",
        "CallStarted",
        "DownloadProgress",
        "Event",
        "GenerateProgress",
        "JobEnded",
        "JobPolled",
        "JobSubmitted",
        "RetryScheduled",
        "Throttled",
        "UploadProgress",
    }
)


def __getattr__(name: str) -> object:
    """Import the events when one is first asked for: a client that is only made has none to tell."""
    if name not in _EVENTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
    found = globals()[name] = getattr(import_module("generor_async.values.events"), name)
    return found
