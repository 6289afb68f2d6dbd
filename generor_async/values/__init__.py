"""The ground that everything stands on: values without behaviour of their own, and the seams."""

from generor_async.values.events import (
    AttemptEnded,
    AttemptStarted,
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
from generor_async.values.media import MediaRef
from generor_async.values.model import (
    JSON,
    UNSET,
    Misshapen,
    Model,
    Unset,
    forget_headers,
    is_array,
    is_object,
    misfit,
    read_datetime,
    read_datetime_or_none,
    remember_response,
    response_to,
)
from generor_async.values.protocols import Clock, GenerationLike
from generor_async.values.response import Headers, RateLimit, ResponseInfo, read_rate_limit
from generor_async.values.secret import Secret
from generor_async.values.terms import Conduct, Outcome, Priority, RateLimitScope

__all__ = [
    "JSON",
    "UNSET",
    "AttemptEnded",
    "AttemptStarted",
    "Clock",
    "Conduct",
    "DownloadProgress",
    "Event",
    "GenerateProgress",
    "GenerationLike",
    "Headers",
    "JobEnded",
    "JobPolled",
    "JobSubmitted",
    "MediaRef",
    "Misshapen",
    "Model",
    "Outcome",
    "Priority",
    "RateLimit",
    "RateLimitScope",
    "ResponseInfo",
    "RetryScheduled",
    "Secret",
    "Throttled",
    "Unset",
    "UploadProgress",
    "forget_headers",
    "is_array",
    "is_object",
    "misfit",
    "read_datetime",
    "read_datetime_or_none",
    "read_rate_limit",
    "remember_response",
    "response_to",
]
