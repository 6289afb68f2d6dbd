"""Checks the URL of a storage, and tells what an object store's error means.

Credentials belong into the environment: a URL is shown in logs, in `ps` and in tracebacks. An object store's own words
are never shown, since they may have signed URLs.
"""

import re
from typing import Final, Literal, TypeAlias
from urllib.parse import unquote, urlsplit

from attrs import frozen

__all__ = [
    "SCHEMES",
    "StoreFailure",
    "StoreProblem",
    "check_storage_url",
    "classify_store_error",
    "is_object_url",
    "object_path",
]

SCHEMES: Final = {
    "s3": "s3://bucket/folder",
    "gs": "gs://bucket/folder",
    "az": "az://container/folder",
    "file": "file:///folder",
    "memory": "memory://",
}
"""The schemes of storages, each with an example."""

StoreFailure: TypeAlias = Literal["bucket", "denied", "expired", "credentials", "clock", "connection", "disk", "other"]
"""Why a store could not do something: there is no such `bucket`, its access was `denied`, credentials have `expired` or
are missing or wrong (`credentials`), the `clock` is wrong, it could not be reached (`connection`), or a `disk` is full
or closed."""

_CODE = re.compile(r"<Code>(\w{1,60})</Code>|x-ms-error-code: (\w{1,60})")
_STATUS = re.compile(r"status code: (\d{3})|status: (\d{3})")
_BY_CODE: Final[dict[str, StoreFailure]] = {
    "NoSuchBucket": "bucket",
    "ContainerNotFound": "bucket",
    "AccessDenied": "denied",
    "AllAccessDisabled": "denied",
    "AuthorizationFailure": "denied",
    "AuthorizationPermissionMismatch": "denied",
    "ExpiredToken": "expired",
    "TokenRefreshRequired": "expired",
    "InvalidToken": "credentials",
    "InvalidAccessKeyId": "credentials",
    "SignatureDoesNotMatch": "credentials",
    "AuthenticationFailed": "credentials",
    "InvalidAuthenticationInfo": "credentials",
    "RequestTimeTooSkewed": "clock",
}
_OF_CREDENTIALS = re.compile(
    r"169\.254\.169\.254|latest/api/token|metadata\.google|token request|MissingAccount|Account must be specified"
    r"|oauth2/token|AssumeRole|OpenCredentials|DecodeCredentials|InvalidCredentials"
)
_OF_CONNECTIONS = re.compile(r"HttpError|kind: (?:Connect|Timeout|Request|Interrupted)|client error|timed out")


@frozen
class StoreProblem:
    """What went wrong in a store, and whether the same may succeed later without any change."""

    failure: StoreFailure
    problem: str
    advice: str
    retryable: bool


def check_storage_url(url: str) -> str:
    """Return the URL of a storage without a trailing slash.

    Raises:
        ValueError: It can't be used; the message shows nothing of it but its scheme.
    """
    examples = ", ".join(SCHEMES.values())
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        raise ValueError(f"is no URL; storages are {examples}") from None
    if parts.scheme not in SCHEMES:
        raise ValueError(f"is not the URL of a storage; storages are {examples}")
    if "@" in parts.netloc or "?" in url or "#" in url or (parts.scheme != "file" and ":" in parts.netloc):
        raise ValueError("has credentials, a query or a fragment, which others could read: set them in the environment")
    if parts.scheme == "memory" and (host or parts.path.strip("/")):
        raise ValueError("is to be memory:// alone")
    if parts.scheme == "file" and (host or not parts.path.strip("/")):
        raise ValueError("names no folder: file:///folder")
    if parts.scheme in {"s3", "gs", "az"} and not host:
        raise ValueError(f"names no bucket: {SCHEMES[parts.scheme]}")
    return url if parts.scheme == "memory" else url.rstrip("/")


def is_object_url(file: str) -> bool:
    """Tell whether a file of a result is an object's URL; otherwise it is a path in a results folder."""
    return "://" in file


def object_path(url: str) -> str:
    """Return the path in a checked URL, decoded."""
    return unquote(urlsplit(url).path)


def classify_store_error(kind: str, text: str, url: str) -> StoreProblem:
    """Tell what the error of an object store means.

    Args:
        kind: The name of the error's class.
        text: Its message, which is not shown.
        url: The URL of the storage.
    """
    parts = urlsplit(url)
    bucket = f"{'container' if parts.scheme == 'az' else 'bucket'} {parts.netloc}"
    failure = _failure(kind, text, parts.scheme)
    status = _STATUS.search(text)
    answered = f" (it answered {next(filter(None, status.groups()))})" if status else ""
    match failure:
        case "bucket":
            return StoreProblem(failure, f"the {bucket} does not exist", "Create it, or correct its name", False)
        case "denied":
            advice = "Permit these credentials to read and write there"
            return StoreProblem(failure, f"the {bucket} refused access to these credentials", advice, False)
        case "expired":
            return StoreProblem(failure, f"the credentials for the {bucket} have expired", "Renew them", False)
        case "credentials":
            advice = f"Set {_VARIABLES.get(parts.scheme, 'them')} in the environment"
            return StoreProblem(failure, f"the credentials for the {bucket} are missing or wrong", advice, False)
        case "clock":
            advice = "Set the clock"
            return StoreProblem(failure, f"the {bucket} refused the time of this machine's clock", advice, False)
        case "connection":
            return StoreProblem(failure, f"the {bucket} could not be reached", "Save it again later", True)
        case "disk":
            advice = "Choose a folder with room that you may write to"
            return StoreProblem(failure, f"the folder {object_path(url)} cannot be used", advice, True)
        case "other":
            return StoreProblem(failure, f"the {bucket} could not do it{answered}", "Save it again later", True)


_VARIABLES: Final = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}


def _failure(kind: str, text: str, scheme: str) -> StoreFailure:
    if scheme == "file":
        return "disk"
    code = _CODE.search(text)
    if code is not None and (known := _BY_CODE.get(next(filter(None, code.groups())))) is not None:
        return known
    if _OF_CREDENTIALS.search(text) or kind == "UnauthenticatedError":
        return "credentials"
    if kind == "PermissionDeniedError":
        return "denied"
    if kind in {"FileNotFoundError", "NotFoundError"}:
        return "bucket"
    return "connection" if _OF_CONNECTIONS.search(text) else "other"
