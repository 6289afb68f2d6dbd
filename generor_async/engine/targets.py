"""Where downloads go: a folder, in which each file has a name of its own, or one file that the caller has named."""

import hashlib
import os
from pathlib import Path

from attrs import frozen

from generor_async.errors import DownloadError, InvalidRequestError
from generor_async.rules import arguments, media_types

__all__ = ["MisnamedError", "Target", "safe_name", "target"]

LONGEST_NAME = 100
"""Bytes of an id that a file's name has room for, beside a number, a suffix and a part's ETag."""


class MisnamedError(Exception):
    """What has arrived is of another type than the caller's name for it says."""


@frozen
class Target:
    """The folder, and the file where the caller has named one."""

    folder: Path
    file: Path | None = None

    def name(self, ours: str) -> str:
        """Return a file's name without its suffix; `ours` is what it is where nobody says."""
        return ours if self.file is None else self.file.stem

    def existing(self, ours: str) -> Path | None:
        """Return the file that is there already, of whatever type; None where there is none."""
        suffixes = media_types.EXTENSIONS if self.file is None else (self.file.suffix,)
        paths = (self.folder / f"{self.name(ours)}{suffix}" for suffix in suffixes)
        # Path.exists raises where the name is too long, or a folder on the way is closed.
        return next((path for path in paths if os.path.exists(path)), None)  # noqa: PTH110

    def suffix(self, media_type: str) -> str:
        """Return how the file's name ends; raises MisnamedError where the caller's name says something else."""
        if self.file is None:
            return media_types.extension(media_type)
        suffix = self.file.suffix
        if not media_types.stands_for(suffix, media_type):
            raise MisnamedError(f"it is {media_type}, and {suffix} stands for something else")
        return suffix


def target(to: str | os.PathLike[str], count: int) -> Target:
    """Return where so many outputs go: a path that ends in a suffix of media is a file's, for a single one.

    The folder is made if need be. Raises InvalidRequestError for what is no path, and DownloadError where the folder
    can't be made.
    """
    text = arguments.path(to, "to")
    path = Path(text)
    is_folder = text.endswith(("/", os.sep)) or os.path.isdir(path)  # noqa: PTH112 - as above
    if is_folder or not media_types.is_suffix(path.suffix):
        return Target(_made(path))
    if count != 1:
        raise InvalidRequestError("to", f"to is one file, and there are {count} outputs", advice="Give a folder")
    return Target(_made(path.parent), path)


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(
            f"the folder {folder} cannot be made ({error.strerror})",
            url="",
            advice="Choose a folder that you may write to",
            local=True,
        ) from None
    return folder


def safe_name(text: str) -> str:
    """Return an id as part of a file's name: nothing in it leads to another folder, and there is room for it."""
    name = "".join(char if char.isalnum() or char in "-_" else "_" for char in text) or "_"
    if len(name.encode()) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]
    return f"{name.encode()[: LONGEST_NAME - len(digest) - 1].decode(errors='ignore')}-{digest}"
