"""Async and blocking clients for two generative-media APIs, Generor and Luma Agents.

Each name is imported from its module when it is first used (PEP 562), so that a program loads
only what it uses.
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from generor_async import luma_resources as luma_resources
    from generor_async import luma_state as luma_state
    from generor_async.batch.outcomes import RowOutcome
    from generor_async.batch.runner import Batch, run_batch
    from generor_async.batch.runs import resume_run
    from generor_async.batch.shared_run import Submitted
    from generor_async.batch.shift import ShiftEnd, run_shift
    from generor_async.engine.call_map import MapOutcome
    from generor_async.engine.events import Events
    from generor_async.engine.limits import Limits, RateLimits
    from generor_async.engine.output_stream import OutputStream
    from generor_async.engine.pages import Page, Pages, response_of
    from generor_async.engine.state.budgets import Budget, Budgets, BudgetStatus
    from generor_async.engine.state.jobs import UnknownCall
    from generor_async.errors import (
        APIConnectionError,
        APIError,
        APIStatusError,
        APITimeoutError,
        AuthenticationError,
        BadGatewayError,
        BadRequestError,
        BudgetExceededError,
        BudgetExhaustedError,
        BuysAgainError,
        ClientClosedError,
        ClientDrainingError,
        ConcurrentJobsError,
        ConflictError,
        ContentModeratedError,
        DatabaseChangedError,
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
        StorageError,
        UnprocessableEntityError,
        UploadError,
    )
    from generor_async.generor import AsyncGeneror
    from generor_async.generor_state import GenerateJob
    from generor_async.luma import AsyncLuma
    from generor_async.luma_resources import Job
    from generor_async.rules.window import WindowState
    from generor_async.storage import Storage, StoredOutput
    from generor_async.sync import Generor, Luma
    from generor_async.values import (
        UNSET,
        AttemptEnded,
        AttemptStarted,
        CallEnded,
        CallStarted,
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
    from generor_async.values.waits import ExpectedWait, WaitingCall

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
    "Budget",
    "BudgetExceededError",
    "BudgetExhaustedError",
    "BudgetStatus",
    "Budgets",
    "BuysAgainError",
    "CallEnded",
    "CallStarted",
    "ClientClosedError",
    "ClientDrainingError",
    "Clock",
    "ConcurrentJobsError",
    "ConflictError",
    "ContentModeratedError",
    "DatabaseChangedError",
    "DeadlineExceededError",
    "DownloadError",
    "DownloadProgress",
    "Event",
    "Events",
    "ExpectedWait",
    "FolderError",
    "GatewayTimeoutError",
    "GenerateJob",
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
    "MapOutcome",
    "MediaRef",
    "MethodNotAllowedError",
    "MissingAPIKeyError",
    "NotFoundError",
    "OutcomeUnknownError",
    "OutputNotFoundError",
    "OutputStream",
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
    "ShiftEnd",
    "StaleRowError",
    "Storage",
    "StorageError",
    "StoredOutput",
    "Submitted",
    "Throttled",
    "UnknownCall",
    "UnprocessableEntityError",
    "Unset",
    "UploadError",
    "UploadProgress",
    "WaitingCall",
    "WindowState",
    "response_of",
    "resume_run",
    "run_batch",
    "run_shift",
]

__version__: str
"""The version of the installed package, from its metadata. They are read when it is first used, as this is slow."""

_NAMES_BY_MODULE: typing.Final = {
    "generor_async.batch.outcomes": ("RowOutcome",),
    "generor_async.batch.runner": ("Batch", "run_batch"),
    "generor_async.batch.runs": ("resume_run",),
    "generor_async.batch.shared_run": ("Submitted",),
    "generor_async.batch.shift": ("ShiftEnd", "run_shift"),
    "generor_async.engine.call_map": ("MapOutcome",),
    "generor_async.engine.events": ("Events",),
    "generor_async.engine.limits": ("Limits", "RateLimits"),
    "generor_async.engine.output_stream": ("OutputStream",),
    "generor_async.engine.pages": ("Page", "Pages", "response_of"),
    "generor_async.errors": (
        "APIConnectionError",
        "APIError",
        "APIStatusError",
        "APITimeoutError",
        "AuthenticationError",
        "BadGatewayError",
        "BadRequestError",
        "BudgetExceededError",
        "BudgetExhaustedError",
        "BuysAgainError",
        "ClientClosedError",
        "ClientDrainingError",
        "ConcurrentJobsError",
        "ConflictError",
        "ContentModeratedError",
        "DatabaseChangedError",
        "DeadlineExceededError",
        "DownloadError",
        "FolderError",
        "GatewayTimeoutError",
        "GenerationFailedError",
        "GenerorAsyncError",
        "InputRejectedError",
        "InsufficientCreditsError",
        "InternalServerError",
        "InvalidRequestError",
        "JournalError",
        "MethodNotAllowedError",
        "MissingAPIKeyError",
        "NotFoundError",
        "OutcomeUnknownError",
        "OutputNotFoundError",
        "PayloadTooLargeError",
        "PermissionDeniedError",
        "RateLimitError",
        "ResponseShapeError",
        "ServiceUnavailableError",
        "StaleRowError",
        "StorageError",
        "UnprocessableEntityError",
        "UploadError",
    ),
    "generor_async.engine.state.budgets": ("Budget", "BudgetStatus", "Budgets"),
    "generor_async.engine.state.jobs": ("UnknownCall",),
    "generor_async.generor": ("AsyncGeneror",),
    "generor_async.generor_state": ("GenerateJob",),
    "generor_async.luma": ("AsyncLuma",),
    "generor_async.luma_resources": ("Job",),
    "generor_async.rules.window": ("WindowState",),
    "generor_async.storage": ("Storage", "StoredOutput"),
    "generor_async.sync": ("Generor", "Luma"),
    "generor_async.values": (
        "UNSET",
        "AttemptEnded",
        "AttemptStarted",
        "CallEnded",
        "CallStarted",
        "Clock",
        "DownloadProgress",
        "Event",
        "GenerateProgress",
        "JobEnded",
        "JobPolled",
        "JobSubmitted",
        "KeyCheck",
        "MediaRef",
        "RateLimit",
        "ResponseInfo",
        "RetryScheduled",
        "Secret",
        "Throttled",
        "Unset",
        "UploadProgress",
    ),
    "generor_async.values.waits": ("ExpectedWait", "WaitingCall"),
}
"""Names of `__all__` by the module that defines them."""
_MODULE_OF: typing.Final = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names}


def __getattr__(name: str) -> object:
    """Import a name when it is first used, and make it an attribute of this module."""
    if name in {"luma_resources", "luma_state"}:  # for typing.get_type_hints: annotations of Luma name it
        return importlib.import_module(f"{__name__}.{name}")
    if name == "__version__":
        return _installed_version()
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
    found = globals()[name] = getattr(importlib.import_module(module), name)
    return found


def _installed_version() -> str:
    import importlib.metadata  # noqa: PLC0415 - takes longer than creating a client

    try:
        return importlib.metadata.version("generor-async")
    except importlib.metadata.PackageNotFoundError:
        raise AttributeError("__version__ needs an installed package, and this one is not installed") from None


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
