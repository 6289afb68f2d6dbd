"""URLs of storages: what is refused, and what the errors of stores mean."""

import pytest

from generor_async.rules.storage_urls import StoreFailure, check_storage_url, classify_store_error, object_path


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/a/b@c/", "s3://bucket/a/b@c"),
        ("gs://bucket/herons", "gs://bucket/herons"),
        ("az://container/herons", "az://container/herons"),
        ("file:///srv/media", "file:///srv/media"),
        ("memory://", "memory://"),
    ],
)
def test_a_url_of_a_storage_is_returned_without_its_last_slash(url: str, checked: str) -> None:
    assert check_storage_url(url) == checked


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "not the URL of a storage"),
        ("store/", "not the URL of a storage"),
        ("https://bucket.s3.amazonaws.com/x", "not the URL of a storage"),
        ("S3://[bucket", "is no URL"),
        ("s3://key:secret@bucket/x", "credentials"),
        ("s3://key:se/cret@bucket/x", "credentials"),
        ("s3://bucket/x?X-Amz-Signature=1", "credentials"),
        ("az://container/x?sig=1", "credentials"),
        ("s3://bucket/x#y", "credentials"),
        ("s3:///x", "names no bucket"),
        ("s3:bucket", "names no bucket"),
        ("file://host/x", "names no folder"),
        ("file:///", "names no folder"),
        ("memory://x", "memory:// alone"),
    ],
)
def test_a_url_that_can_not_be_used_is_refused(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        check_storage_url(url)
    assert "secret" not in str(caught.value)
    assert "cret" not in str(caught.value).replace("credentials", "")


def test_the_path_of_a_folder_is_decoded() -> None:
    assert object_path("file:///srv/a%20b/%C3%A9") == "/srv/a b/é"


ANSWERED = "Error performing PUT https://host/bucket/x in 3ms - Server returned non-2xx status code: "


@pytest.mark.parametrize(
    ("kind", "text", "failure", "problem"),
    [
        ("FileNotFoundError", f"{ANSWERED}404: <Error><Code>NoSuchBucket</Code>", "bucket", "bucket b does not exist"),
        ("FileNotFoundError", f"{ANSWERED}404 Not Found", "bucket", "bucket b does not exist"),
        ("PermissionDeniedError", f"{ANSWERED}403: <Error><Code>AccessDenied</Code>", "denied", "refused access"),
        ("PermissionDeniedError", f"{ANSWERED}403 Forbidden", "denied", "refused access"),
        ("GenericError", f"{ANSWERED}400: <Error><Code>ExpiredToken</Code>", "expired", "have expired"),
        ("PermissionDeniedError", f"{ANSWERED}403: <Code>SignatureDoesNotMatch</Code>", "credentials", "or wrong"),
        ("PermissionDeniedError", f"{ANSWERED}403: <Code>RequestTimeTooSkewed</Code>", "clock", "clock"),
        ("UnauthenticatedError", f"{ANSWERED}401 Unauthorized", "credentials", "missing or wrong"),
        ("GenericError", "Error performing PUT http://169.254.169.254/latest/api/token", "credentials", "missing"),
        ("GenericError", "HttpError { kind: Connect, source: .. }", "connection", "could not be reached"),
        ("GenericError", f"{ANSWERED}500 Oh", "other", r"could not do it \(it answered 500\)"),
        ("GenericError", "something new", "other", "could not do it$"),
    ],
)
def test_the_error_of_a_store_is_put_in_words(kind: str, text: str, failure: StoreFailure, problem: str) -> None:
    found = classify_store_error(kind, text, "s3://b/x")
    assert found.failure == failure
    with pytest.raises(ValueError, match=problem):
        raise ValueError(found.problem)
    assert found.retryable is (failure in {"connection", "other"})
    assert found.advice


def test_an_error_of_a_folder_is_one_of_the_disk() -> None:
    found = classify_store_error("GenericError", "No space left on device", "file:///srv/a%20b")
    assert (found.failure, found.problem) == ("disk", "the folder /srv/a b cannot be used")
    assert "container c" in classify_store_error("FileNotFoundError", "ContainerNotFound", "az://c/x").problem
