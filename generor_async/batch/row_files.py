"""Files of this machine in the parameters of a row, which are kept as `{"path", "sha256"}`."""

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path

from generor_async.errors import InvalidRequestError
from generor_async.values import JSON, MediaRef, is_array, is_object

__all__ = ["check_files", "contains_file", "hash_file", "is_file", "restore_media", "without_paths"]


def contains_file(value: JSON) -> bool:
    """Tell whether a file is anywhere in a value."""
    if is_object(value):
        return is_file(value) or any(map(contains_file, value.values()))
    return is_array(value) and any(map(contains_file, value))


def is_file(kept: Mapping[str, JSON]) -> bool:
    """Tell whether an object stands for a file."""
    return "sha256" in kept and isinstance(kept.get("path"), str)


def check_files(kept: JSON) -> None:
    """Raise InvalidRequestError for a file that has changed since its row was read; blocks."""
    if is_object(kept):
        if is_file(kept) and hash_file(Path(kept["path"]), "file") != kept["sha256"]:
            raise InvalidRequestError(
                "file", f"{kept['path']} has changed since its row was read", advice="Run the row again as a new one"
            )
        for value in kept.values():
            check_files(value)
    elif is_array(kept):
        for value in kept:
            check_files(value)


def hash_file(path: Path, name: str) -> str:
    """Return the SHA-256 of a file, cached while its date and size stay the same; raise InvalidRequestError."""
    try:
        found = path.stat()
        return _hash_cached(path, found.st_mtime_ns, found.st_size)
    except OSError as error:
        raise InvalidRequestError(
            name, f"{path} cannot be read ({error.strerror})", advice="Correct the path"
        ) from None


@functools.lru_cache(maxsize=1_000)
def _hash_cached(path: Path, changed: int, size: int) -> str:  # noqa: ARG001 - part of the cache's key
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def restore_media(value: JSON) -> JSON:
    """Return a value with a MediaRef for each file in it."""
    if is_object(value):
        if is_file(value):
            return MediaRef.file(value["path"], media_type=value.get("media_type"))
        return {key: restore_media(item) for key, item in value.items()}
    return [restore_media(item) for item in value] if is_array(value) else value


def without_paths(value: JSON) -> JSON:
    """Return a value whose files are identified by their hash alone."""
    if is_object(value):
        left_out = "path" if is_file(value) else None
        return {key: without_paths(item) for key, item in value.items() if key != left_out}
    return [without_paths(item) for item in value] if is_array(value) else value
