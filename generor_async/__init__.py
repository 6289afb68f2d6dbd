"""Async clients for two generative-media APIs, Generor and Luma Agents, and their blocking twins."""

import importlib
import typing

from generor_async.engine.limits import Limits, RateLimits
from generor_async.engine.pages import Page, Pages, response_of
from generor_async.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadGatewayError,
    BadRequestError,
    BudgetExhaustedError,
    BuysAgainError,
    ClientClosedError,
    ConcurrentJobsError,
    ConflictError,
    ContentModeratedError,
    DeadlineExceededError,
    DownloadError,
    FolderError,
    GatewayTimeoutError,
    GenerationFailedError,
    GenerorAsyncError,
    InputRejectedError,
    InsufficientCreditsError,
    InternalServerError,
    InvalidRequestError,
    JournalError,
    MethodNotAllowedError,
    MissingAPIKeyError,
    NotFoundError,
    OutcomeUnknownError,
    OutputNotFoundError,
    PayloadTooLargeError,
    PermissionDeniedError,
    RateLimitError,
    ResponseShapeError,
    ServiceUnavailableError,
    StaleRowError,
    UnprocessableEntityError,
    UploadError,
)
from generor_async.generor import AsyncGeneror
from generor_async.luma import AsyncLuma, Job
from generor_async.rules.window import WindowState
from generor_async.values import (
    UNSET,
    AttemptEnded,
    AttemptStarted,
    Clock,
    DownloadProgress,
    Event,
    GenerateProgress,
    JobEnded,
    JobPolled,
    JobSubmitted,
    KeyCheck,
    MediaRef,
    RateLimit,
    ResponseInfo,
    RetryScheduled,
    Secret,
    Throttled,
    Unset,
    UploadProgress,
)

if typing.TYPE_CHECKING:
    from generor_async.batch.outcomes import RowOutcome
    from generor_async.batch.runner import Batch, run_batch
    from generor_async.sync import Generor, Luma

__all__ = [
    "UNSET",
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncGeneror",
    "AsyncLuma",
    "AttemptEnded",
    "AttemptStarted",
    "AuthenticationError",
    "BadGatewayError",
    "BadRequestError",
    "Batch",
    "BudgetExhaustedError",
    "BuysAgainError",
    "ClientClosedError",
    "Clock",
    "ConcurrentJobsError",
    "ConflictError",
    "ContentModeratedError",
    "DeadlineExceededError",
    "DownloadError",
    "DownloadProgress",
    "Event",
    "FolderError",
    "GatewayTimeoutError",
    "GenerateProgress",
    "GenerationFailedError",
    "Generor",
    "GenerorAsyncError",
    "InputRejectedError",
    "InsufficientCreditsError",
    "InternalServerError",
    "InvalidRequestError",
    "Job",
    "JobEnded",
    "JobPolled",
    "JobSubmitted",
    "JournalError",
    "KeyCheck",
    "Limits",
    "Luma",
    "MediaRef",
    "MethodNotAllowedError",
    "MissingAPIKeyError",
    "NotFoundError",
    "OutcomeUnknownError",
    "OutputNotFoundError",
    "Page",
    "Pages",
    "PayloadTooLargeError",
    "PermissionDeniedError",
    "RateLimit",
    "RateLimitError",
    "RateLimits",
    "ResponseInfo",
    "ResponseShapeError",
    "RetryScheduled",
    "RowOutcome",
    "Secret",
    "ServiceUnavailableError",
    "StaleRowError",
    "Throttled",
    "UnprocessableEntityError",
    "Unset",
    "UploadError",
    "UploadProgress",
    "WindowState",
    "response_of",
    "run_batch",
]

_LATER: typing.Final = {
    "Batch": "generor_async.batch.runner",
    "Generor": "generor_async.sync",
    "Luma": "generor_async.sync",
    "RowOutcome": "generor_async.batch.outcomes",
    "run_batch": "generor_async.batch.runner",
}


def __getattr__(name: str) -> object:
    """Import the blocking half and the batch when they are asked for: most programs want one thing alone."""
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
