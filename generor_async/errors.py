"""Every exception that this package raises on purpose.

    GenerorAsyncError
    ├── APIError                              a call failed
    │   ├── APIConnectionError                no whole answer came
    │   │   ├── ClientClosedError             the client was closed before or during the call
    │   │   └── APITimeoutError               (also TimeoutError)
    │   ├── ResponseShapeError                the call took effect; its answer can't be read
    │   ├── OutcomeUnknownError               a plain or billing call that may or may not have taken effect
    │   └── APIStatusError                    the API said no
    │       ├── BadRequestError 400               InvalidRequestError (also ValueError): refused here
    │       │                                     └── BuysAgainError: of a batch
    │       ├── AuthenticationError 401           MissingAPIKeyError: refused here
    │       ├── InsufficientCreditsError 402
    │       ├── PermissionDeniedError 403, NotFoundError 404, MethodNotAllowedError 405, ConflictError 409
    │       ├── PayloadTooLargeError 413, UnprocessableEntityError 422
    │       ├── RateLimitError 429
    │       │   └── ConcurrentJobsError 429   Luma's other limit
    │       └── InternalServerError 5xx
    │           └── BadGatewayError 502, ServiceUnavailableError 503, GatewayTimeoutError 504
    ├── GenerationFailedError                 a job was accepted, and failed later
    │   ├── ContentModeratedError, BudgetExhaustedError, OutputNotFoundError
    │   └── InputRejectedError
    ├── DeadlineExceededError                 (also TimeoutError)
    ├── BudgetExceededError                   a budget has no room for the call; nothing was sent
    ├── ClientDrainingError                   the client takes no new calls; nothing was sent
    ├── DownloadError
    ├── UploadError
    ├── StorageError                          an output could not be saved in object storage
    └── JournalError                          a batch's journal can't be written
        ├── FolderError                       a batch's folder was moved, deleted or replaced
        │   └── DatabaseChangedError          the database of a run is no longer the one that it was begun in
        └── StaleRowError

`str(error)` is one line that a person can act on. It names a job or creation that is known, and says how to resume it.
No error shows a key or the query of a presigned URL, and every error survives pickle and copy. Printing one sends no
control character of a server's to a terminal, and never fails for half a surrogate.
"""

from datetime import datetime
from typing import Any, ClassVar, Literal

from generor_async.values import GenerationLike, Headers, Outcome, RateLimitScope, ResponseInfo
from generor_async.values.text import printable

__all__ = [
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
]


class GenerorAsyncError(Exception):
    """Base of every error of this package."""

    job_id: str | None = None
    """The job of Luma that was known when this was raised; None where none was."""
    creation_id: int | None = None
    """The creation of Generor that was known when this was raised; None where none was."""
    take_up: str = ""
    """How to resume it, as the rest of a sentence; empty where nothing is known, or it is over."""

    def __init__(self, message: str, *, advice: str = "") -> None:
        message = printable(message)
        super().__init__(message)
        self.message = message
        """What failed, on one line, in the server's words where there are any; without control characters."""
        self.advice = advice
        """What to do about it, in a sentence; empty where there is no useful advice."""

    def __str__(self) -> str:
        return _join_sentences(self.message, self.advice, *self._resume_and_ids())

    def _resume_and_ids(self, *known: str) -> tuple[str, str]:
        """Return a sentence on how to resume the job or creation, and the other known ids in parentheses.

        The job or creation is named once: by the message, by the sentence, or else in the parentheses.
        """
        which = "" if self.creation_id is None else f"creation {self.creation_id}"
        if self.job_id is not None:
            which = f"job {self.job_id}"
        said = (self.job_id or which) in self.message
        if which and not said and not self.take_up:
            known = (which, *known)
        subject = "It" if said else f"{which[:1].upper()}{which[1:]}"
        return f"{subject} {self.take_up}" if self.take_up else "", f"({', '.join(known)})" if known else ""

    def __reduce__(self) -> tuple[Any, ...]:
        # The default pickling of exceptions drops the cause, and an OutcomeUnknownError's says what cut it off.
        return _rebuild, (type(self), self.args, {**self.__dict__, "__cause__": self.__cause__})


def _rebuild(cls: type[GenerorAsyncError], args: tuple[Any, ...], state: dict[str, Any]) -> GenerorAsyncError:
    error = cls.__new__(cls, *args)
    error.args = args
    for name, value in state.items():
        setattr(error, name, value)
    return error


def _join_sentences(*parts: str) -> str:
    sentences = [sentence for part in parts if (sentence := printable(part))]
    return " ".join(part if part[-1] in ".!?" or part[0] == "(" else f"{part}." for part in sentences)


class APIError(GenerorAsyncError):
    """A call to an API failed."""

    outcome: Outcome | None
    """What became of the request: `not_sent`, `refused`, `done` or `unknown`; None where none was made."""

    def __init__(
        self,
        message: str,
        *,
        advice: str = "",
        operation: str = "",
        call_id: str | None = None,
        request_id: str | None = None,
        attempts: int = 0,
        outcome: Outcome | None = None,
    ) -> None:
        super().__init__(message, advice=advice)
        self.operation = operation
        """The operation's name, such as `luma.generations.create`."""
        self.call_id = call_id
        """The id of the logical call, as its events have it: the request id of its first attempt."""
        self.request_id = request_id
        """The X-Request-Id of the last attempt, to quote to the vendor; None where nothing was sent."""
        self.attempts = attempts
        """How many attempts were made."""
        self.outcome = outcome

    def _summary(self) -> str:
        return self.message

    def __str__(self) -> str:
        what = f"{self.operation}: {self._summary()}" if self.operation else self._summary()
        known = [f"request id {self.request_id}"] if self.request_id else []
        if self.attempts > 1:
            known.append(f"{self.attempts} attempts")
        return _join_sentences(what, self.advice, *self._resume_and_ids(*known))


class APIConnectionError(APIError):
    """No whole answer came; `outcome` is `not_sent` or `unknown`."""

    def __init__(self, message: str, *, retryable: bool = True, body: Any = None, **known: Any) -> None:
        super().__init__(message, **known)
        self.retryable = retryable
        """False where trying again cannot help, as with a bad certificate."""
        self.body = body
        """The part of an interrupted answer that came, as text; None where nothing did."""


class ClientClosedError(APIConnectionError):
    """The client was closed before or during the call. A job that the error names goes on."""


class APITimeoutError(APIConnectionError, TimeoutError):
    """An attempt got no answer in time; `outcome` is `not_sent` or `unknown`."""


class ResponseShapeError(APIError):
    """The status says success, but nothing in the answer says what the result is.

    `outcome` is `done` where the answer is JSON, and `unknown` where it isn't.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str = "$",
        body: Any = None,
        ids: tuple[str, ...] = (),
        retryable: bool = False,
        **known: Any,
    ) -> None:
        super().__init__(message, **known)
        self.path = path
        """Where the answer has another shape: `$.data.creations[0].creation_id`."""
        self.body = body
        """The decoded JSON, or the text where it isn't JSON."""
        self.ids = ids
        """All values in the answer that look like an id."""
        self.retryable = retryable

    def _summary(self) -> str:
        return f"the answer could not be read at {self.path}: {self.message}"


class OutcomeUnknownError(APIError):
    """A call that must not be repeated blindly may or may not have taken effect.

    `__cause__` is the specific error; `body` is the part of an answer that came, and `ids` are the ids found in it.
    """

    def __init__(self, message: str, *, body: Any = None, ids: tuple[str, ...] = (), **known: Any) -> None:
        super().__init__(message, **known)
        self.body = body
        self.ids = ids


class APIStatusError(APIError):
    """The API answered with an error."""

    status: ClassVar[int | None] = None
    """The status this class stands for; None where it stands for several."""

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        code: str | None = None,
        body: Any = None,
        retryable: bool = False,
        retry_after: float | None = None,
        response: ResponseInfo | None = None,
        **known: Any,
    ) -> None:
        super().__init__(message, **known)
        self.status_code = status_code
        self.code = code
        """Generor's error code, such as `NOT_FOUND`; None on Luma, which has none."""
        self.body = body
        """The decoded JSON of the answer, or its text where it isn't JSON."""
        self.retryable = retryable
        """Whether the vendor's documents say that the same request may succeed later."""
        self.retry_after = retry_after
        """Seconds that the server asked to wait, or None."""
        self.response = response
        """Status and headers of the answer; None where the request was refused before anything was sent."""

    @property
    def headers(self) -> Headers:
        """The answer's headers; look-ups ignore case."""
        return self.response.headers if self.response else Headers()

    def _summary(self) -> str:
        return f"{self.status_code} {self.code}: {self.message}" if self.code else f"{self.status_code}: {self.message}"


class BadRequestError(APIStatusError):
    """The request's parameters are invalid."""

    status = 400


class InvalidRequestError(BadRequestError, ValueError):
    """Refused here, before anything was sent: `field` names the parameter, `problem` what is wrong with it."""

    def __init__(self, field: str, problem: str, *, operation: str = "", advice: str = "") -> None:
        super().__init__(problem, status_code=400, operation=operation, advice=advice, outcome="not_sent")
        self.field = field
        self.problem = problem

    def _summary(self) -> str:
        return self.problem if self.field in self.problem else f"{self.field}: {self.problem}"


class BuysAgainError(InvalidRequestError):
    """Refused here: a batch would buy again, by other ids or other parameters, what its folder has."""


class AuthenticationError(APIStatusError):
    """The API key is missing, wrong, revoked or expired."""

    status = 401


class MissingAPIKeyError(AuthenticationError):
    """Refused here, before anything was sent: a key is needed, and there is none that can be used."""

    def __init__(self, message: str, *, advice: str = "", operation: str = "") -> None:
        super().__init__(message, status_code=401, advice=advice, operation=operation, outcome="not_sent")

    def _summary(self) -> str:
        return self.message


class InsufficientCreditsError(APIStatusError):
    """The account has not enough credits."""

    status = 402


class PermissionDeniedError(APIStatusError):
    """The key is valid but may not do this."""

    status = 403


class NotFoundError(APIStatusError):
    """There is no such thing, or it is another key's."""

    status = 404


class MethodNotAllowedError(APIStatusError):
    """The endpoint does not take this HTTP method."""

    status = 405


class ConflictError(APIStatusError):
    """The request conflicts with the state of the resource."""

    status = 409


class PayloadTooLargeError(APIStatusError):
    """An image exceeds the API's limit."""

    status = 413


class UnprocessableEntityError(APIStatusError):
    """An image reference could not be processed."""

    status = 422


class RateLimitError(APIStatusError):
    """Too many requests in one of the API's windows; `scope` says in which."""

    status = 429

    def __init__(self, message: str, *, scope: RateLimitScope = "unknown", **known: Any) -> None:
        super().__init__(message, **known)
        self.scope: RateLimitScope = scope


class ConcurrentJobsError(RateLimitError):
    """Too many of the caller's jobs run at once."""


class InternalServerError(APIStatusError):
    """The server failed."""


class BadGatewayError(InternalServerError):
    """A service behind the API is unavailable."""

    status = 502


class ServiceUnavailableError(InternalServerError):
    """The API, or a part of it, is unavailable."""

    status = 503


class GatewayTimeoutError(InternalServerError):
    """A gateway gave up waiting for the API."""

    status = 504


class GenerationFailedError(GenerorAsyncError):
    """A job was accepted and failed later; `generation` is its last state."""

    def __init__(
        self,
        message: str,
        *,
        generation: GenerationLike,
        retryable: bool = False,
        refunded: bool = False,
        advice: str = "",
    ) -> None:
        super().__init__(message, advice=advice)
        self.generation = generation
        self.job_id = generation.id
        self.code = generation.failure_code
        """The API's `failure_code`."""
        self.reason = generation.failure_reason
        """The API's `failure_reason`, for people."""
        self.retryable = retryable
        """Whether the documents say that the same request may succeed."""
        self.refunded = refunded
        """Whether the vendor's FAQ says that such a job is refunded (page); False where nobody says so."""


class ContentModeratedError(GenerationFailedError):
    """The prompt, an input or the output violated the content guidelines."""


class BudgetExhaustedError(GenerationFailedError):
    """The account ran out of credits during the generation."""


class OutputNotFoundError(GenerationFailedError):
    """The generated output could not be retrieved."""


class InputRejectedError(GenerationFailedError):
    """An input was too large, of the wrong format, corrupt or otherwise invalid."""


class DeadlineExceededError(GenerorAsyncError, TimeoutError):
    """A logical call ran out of time."""

    def __init__(
        self,
        message: str,
        *,
        waited_for: Literal["pace", "slot", "attempt", "retry", "poll"],
        job_id: str | None = None,
        call_id: str | None = None,
        request_id: str | None = None,
        advice: str = "",
    ) -> None:
        super().__init__(message, advice=advice)
        self.waited_for = waited_for
        """What the call was waiting for when time was up."""
        self.job_id = job_id
        self.call_id = call_id
        """The id of the logical call, as its events have it: the request id of its first attempt."""
        self.request_id = request_id
        """The X-Request-Id of the last attempt, or of the first one where none was sent."""


class BudgetExceededError(GenerorAsyncError):
    """A budget of the client's has no room for the call; nothing was sent."""

    def __init__(
        self,
        message: str,
        *,
        user: str | None = None,
        remaining: float = 0.0,
        resets_at: datetime | None = None,
        advice: str = "",
    ) -> None:
        when = "" if resets_at is None else f"It begins anew at {resets_at:%Y-%m-%d %H:%M} UTC"
        super().__init__(message, advice=advice or when)
        self.user = user
        """Whose call it was, as `with_options(user=)` says; None for nobody's."""
        self.remaining = remaining
        """What the budget has left, in credits."""
        self.resets_at = resets_at
        """When it begins anew, in UTC; None for never."""


class ClientDrainingError(GenerorAsyncError):
    """The client is being drained, and takes no new calls; nothing was sent."""

    def __init__(self, message: str, *, operation: str = "", advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.operation = operation
        """The operation's name, such as `luma.generations.create`."""


class DownloadError(GenerorAsyncError):
    """An output or an image could not be downloaded; `url` is shown without its query or other credentials."""

    def __init__(
        self, message: str, *, url: str, retryable: bool = True, advice: str = "", local: bool = False
    ) -> None:
        super().__init__(message, advice=advice)
        self.url = _without_credentials(url)
        self.retryable = retryable
        """False where there is no such file: the host, or the API, has said so."""
        self.local = local
        """True where the file could not be written on this machine."""


def _without_credentials(url: str) -> str:
    before, slashes, after = url.partition("?")[0].partition("://")
    host, slash, path = after.partition("/")
    return before + slashes + host.rpartition("@")[2] + slash + path


class UploadError(GenerorAsyncError):
    """A file could not be uploaded, or the API could not take it in."""

    def __init__(self, message: str, *, file_id: str | None = None, advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.file_id = file_id
        """The id of the file's record at the API, which never becomes ready; None where there is none."""


class StorageError(GenerorAsyncError):
    """An output could not be saved in object storage, or the storage can't be used; the same may be tried again."""

    def __init__(self, message: str, *, url: str, retryable: bool = True, advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.url = url
        """The URL of the object or, where there is none yet, of the storage; without credentials."""
        self.retryable = retryable
        """False where the same would fail again: something must be set up first."""


class JournalError(GenerorAsyncError):
    """A batch's journal, or a client's state, could not be written or read; the same may be tried again."""


class FolderError(JournalError):
    """The folder of a batch, or the file of a client's state, was moved, deleted or replaced while it was in use.

    No paid call was made after that was noticed.
    """

    is_deleted: bool = False
    """Whether it was deleted, with the journal that knows what was paid for."""


class DatabaseChangedError(FolderError):
    """The database of a run is another one than before: after a failover, or restored from a backup.

    What was written last may be lost in it, paid calls included. Nothing more is bought in the run until somebody says
    that it may go on.
    """


class StaleRowError(JournalError):
    """Another process has changed a row of a batch since it was claimed; nothing was written."""
