"""The error tree: its shape, its words, and that every error survives pickle and copy."""

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.calls import KEY, REQUEST_ID, Generation
from support.leaks import leaks

from generor_async import errors
from generor_async.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    DeadlineExceededError,
    DownloadError,
    GenerationFailedError,
    GenerorAsyncError,
    InvalidRequestError,
    MissingAPIKeyError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitError,
    ResponseShapeError,
    StorageError,
    UploadError,
)
from generor_async.values import Headers, ResponseInfo, Secret

TREE: dict[str, set[str]] = {
    "GenerorAsyncError": {"Exception"},
    "APIError": {"GenerorAsyncError"},
    "APIConnectionError": {"APIError"},
    "APITimeoutError": {"APIConnectionError", "TimeoutError"},
    "ResponseShapeError": {"APIError"},
    "OutcomeUnknownError": {"APIError"},
    "APIStatusError": {"APIError"},
    "BadRequestError": {"APIStatusError"},
    "ClientClosedError": {"APIConnectionError"},
    "BudgetExceededError": {"GenerorAsyncError"},
    "ClientDrainingError": {"GenerorAsyncError"},
    "InvalidRequestError": {"BadRequestError", "ValueError"},
    "BuysAgainError": {"InvalidRequestError"},
    "AuthenticationError": {"APIStatusError"},
    "MissingAPIKeyError": {"AuthenticationError"},
    "InsufficientCreditsError": {"APIStatusError"},
    "PermissionDeniedError": {"APIStatusError"},
    "NotFoundError": {"APIStatusError"},
    "MethodNotAllowedError": {"APIStatusError"},
    "ConflictError": {"APIStatusError"},
    "PayloadTooLargeError": {"APIStatusError"},
    "UnprocessableEntityError": {"APIStatusError"},
    "RateLimitError": {"APIStatusError"},
    "ConcurrentJobsError": {"RateLimitError"},
    "InternalServerError": {"APIStatusError"},
    "BadGatewayError": {"InternalServerError"},
    "ServiceUnavailableError": {"InternalServerError"},
    "GatewayTimeoutError": {"InternalServerError"},
    "GenerationFailedError": {"GenerorAsyncError"},
    "ContentModeratedError": {"GenerationFailedError"},
    "BudgetExhaustedError": {"GenerationFailedError"},
    "OutputNotFoundError": {"GenerationFailedError"},
    "InputRejectedError": {"GenerationFailedError"},
    "DeadlineExceededError": {"GenerorAsyncError", "TimeoutError"},
    "DownloadError": {"GenerorAsyncError"},
    "UploadError": {"GenerorAsyncError"},
    "StorageError": {"GenerorAsyncError"},
    "JournalError": {"GenerorAsyncError"},
    "FolderError": {"JournalError"},
    "DatabaseChangedError": {"FolderError"},
    "StaleRowError": {"JournalError"},
}


def everyone(root: type[GenerorAsyncError] = GenerorAsyncError) -> Iterator[type[GenerorAsyncError]]:
    yield root
    for cls in root.__subclasses__():
        yield from everyone(cls)


CLASSES = {cls.__name__: cls for cls in everyone()}


def make(cls: type[GenerorAsyncError]) -> GenerorAsyncError:
    """Make one with every field that the class has filled in."""
    known: dict[str, Any] = {
        "operation": "luma.things.create",
        "request_id": REQUEST_ID,
        "attempts": 3,
        "outcome": "unknown",
        "advice": "Do something",
    }
    body = {"id": "gen-1", "api_key": Secret(KEY), "list": [1, None]}
    error: GenerorAsyncError
    if issubclass(cls, InvalidRequestError):
        error = cls("prompt", "prompt is too long", operation="luma.things.create", advice="Shorten it")
    elif issubclass(cls, MissingAPIKeyError):
        error = cls("no API key was given", advice="Set it", operation="luma.things.create")
    elif issubclass(cls, APIStatusError):
        headers = Headers([("Retry-After", "12"), ("X-Request-Id", REQUEST_ID)])
        known.update(
            status_code=cls.status or 500,
            code="NOPE",
            body=body,
            retryable=True,
            retry_after=12.0,
            response=ResponseInfo(status=cls.status or 500, headers=headers, request_id=REQUEST_ID, attempts=3),
        )
        if issubclass(cls, RateLimitError):
            known["scope"] = "hour"
        error = cls("no", **known)
    elif issubclass(cls, ResponseShapeError):
        error = cls("expected a string", path="$.data.id", body=body, **known)
    elif issubclass(cls, OutcomeUnknownError):
        error = cls("it may or may not", body=body, ids=("gen-1",), **known)
    elif issubclass(cls, APIConnectionError):
        error = cls("reset", retryable=False, **known)
    elif issubclass(cls, APIError):
        error = cls("broken", **known)
    elif issubclass(cls, GenerationFailedError):
        error = cls("failed", generation=Generation(), retryable=True, advice="Do something")
    elif issubclass(cls, DeadlineExceededError):
        error = cls("too late", waited_for="poll", job_id="gen-1", request_id=REQUEST_ID, advice="Wait")
    elif issubclass(cls, DownloadError):
        error = cls("broke off", url=f"https://x.example/a.png?X-Amz-Signature={KEY}", advice="Again")
    elif issubclass(cls, StorageError):
        error = cls("broke off", url="s3://bucket/x", advice="Again")
    elif issubclass(cls, UploadError):
        error = cls("broke off", file_id="file-1", advice="Again")
    else:
        error = cls("broken", advice="Do something")
    return error


def fields(error: BaseException) -> dict[str, Any]:
    """Everything that an error carries, in comparable form."""
    found = dict(error.__dict__)
    response = found.pop("response", None)
    if response is not None:
        found["response"] = (response.status, dict(response.headers), response.request_id, response.attempts)
    if "body" in found:
        found["body"] = repr(found["body"])  # a pickled secret is another one, that shows the same
    return found


def copied(error: GenerorAsyncError) -> GenerorAsyncError:
    return copy.copy(error)


def copied_deeply(error: GenerorAsyncError) -> GenerorAsyncError:
    return copy.deepcopy(error)


def pickled(error: GenerorAsyncError) -> GenerorAsyncError:
    again: GenerorAsyncError = pickle.loads(pickle.dumps(error))
    return again


def test_the_tree_is_the_one_that_is_promised() -> None:
    assert {name: {base.__name__ for base in cls.__bases__} for name, cls in CLASSES.items()} == TREE


def test_every_error_is_exported_and_drawn() -> None:
    assert set(errors.__all__) == set(TREE)
    assert all(name in (errors.__doc__ or "") for name in TREE)


@pytest.mark.parametrize("again", [copied, copied_deeply, pickled])
@pytest.mark.parametrize("name", CLASSES)
def test_an_error_comes_back_with_every_field(
    name: str, again: Callable[[GenerorAsyncError], GenerorAsyncError]
) -> None:
    error = make(CLASSES[name])
    error.add_note("seen in a test")
    twin = again(error)
    assert type(twin) is type(error)
    assert fields(twin) == fields(error)
    assert twin.args == error.args
    assert str(twin) == str(error)
    assert repr(twin) == repr(error)
    assert getattr(twin, "__notes__", None) == ["seen in a test"]


@pytest.mark.parametrize("again", [copied, copied_deeply, pickled])
def test_the_cause_comes_along(again: Callable[[GenerorAsyncError], GenerorAsyncError]) -> None:
    error = make(OutcomeUnknownError)
    error.__cause__ = make(APITimeoutError)
    twin = again(error)
    assert isinstance(twin.__cause__, APITimeoutError)
    assert fields(twin.__cause__) == fields(error.__cause__)


@pytest.mark.parametrize("name", CLASSES)
def test_an_error_reads_as_one_line_and_shows_no_secret(name: str) -> None:
    error = make(CLASSES[name])
    assert "\n" not in str(error)
    assert str(error)[-1] in ".)"
    assert error.advice in str(error)
    assert not leaks(error, KEY)
    assert KEY.encode() not in pickle.dumps(error)


@pytest.mark.parametrize("name", CLASSES)
def test_the_line_of_an_api_error_has_operation_attempts_and_request_id(name: str) -> None:
    error = make(CLASSES[name])
    if isinstance(error, APIError):
        assert str(error).startswith("luma.things.create: ")
        if error.request_id:
            assert str(error).endswith(f"(request id {REQUEST_ID}, 3 attempts)")


def test_words_of_a_server_that_span_lines_become_one() -> None:
    error = NotFoundError("no\n\n  such\tthing\r\n", status_code=404, advice="Look\nagain")
    assert str(error) == "404: no such thing. Look again."


@pytest.mark.parametrize("message", ["", " ", "\n", "\r\n\t"])
def test_an_error_without_words_still_has_a_line(message: str) -> None:
    assert "\n" not in str(NotFoundError(message, status_code=404, advice=message))
    assert "\n" not in str(GenerorAsyncError(message, advice=message))


def test_what_was_refused_here_has_no_response() -> None:
    for error in (make(InvalidRequestError), make(MissingAPIKeyError)):
        assert isinstance(error, APIStatusError)
        assert (error.response, error.outcome, error.attempts) == (None, "not_sent", 0)
        assert dict(error.headers) == {}


def test_a_refused_parameter_is_named_once() -> None:
    assert str(InvalidRequestError("prompt", "prompt is too long")) == "prompt is too long."
    assert str(InvalidRequestError("prompt", "it is too long")) == "prompt: it is too long."


def test_status_errors_are_caught_as_other_clients_catch_them() -> None:
    error = make(RateLimitError)
    assert isinstance(error, RateLimitError)
    assert error.response is not None
    assert error.response.headers.get("retry-after") == "12"
    assert error.response.status_code == 429
    assert error.headers["Retry-After"] == "12"


def test_a_presigned_query_is_cut_off_before_it_is_kept() -> None:
    error = make(DownloadError)
    assert isinstance(error, DownloadError)
    assert error.url == "https://x.example/a.png"


def test_nor_are_other_credentials_of_a_url_kept() -> None:
    for url in (
        f"https://user:{KEY}@x.example/a@2.png",
        f"https://{KEY}@x.example/a@2.png?b=c",
        "https://x.example/a@2.png",
    ):
        assert DownloadError("no", url=url).url == "https://x.example/a@2.png"
    assert DownloadError("no", url="/users/42/a.png").url == "/users/42/a.png"


def test_timeouts_are_timeouts_of_the_language_too() -> None:
    assert isinstance(make(APITimeoutError), TimeoutError)
    assert isinstance(make(DeadlineExceededError), TimeoutError)
