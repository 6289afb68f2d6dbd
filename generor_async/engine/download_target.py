"""The target of a download: a folder, in which each output becomes a file, or a single file named by the caller."""

import hashlib
import os
from pathlib import Path

from attrs import frozen

from generor_async.errors import DownloadError, InvalidRequestError
from generor_async.rules import arguments, media_types

__all__ = ["Target", "WrongSuffixError", "make_target", "safe_name"]

LONGEST_NAME = 100
"""Length of an id in a file's name, in bytes: a number, a suffix and the ETag of a part file need room as well."""


class WrongSuffixError(Exception):
    """The output has another media type than the suffix of the caller's file name."""


@frozen
class Target:
    """A folder, and the file in it where the caller has named one."""

    folder: Path
    file: Path | None = None

    def name(self, ours: str) -> str:
        """Return the name of a file without its suffix; `ours` where the caller has named none."""
        return ours if self.file is None else self.file.stem

    def existing(self, ours: str) -> Path | None:
        """Return the path of a file that exists already, with whatever suffix; None where there is none."""
        suffixes = media_types.EXTENSIONS if self.file is None else (self.file.suffix,)
        paths = (self.folder / f"{self.name(ours)}{suffix}" for suffix in suffixes)
        # Path.exists raises where the name is too long, or a folder on the way is closed.
        return next((path for path in paths if os.path.exists(path)), None)  # noqa: PTH110

    def suffix(self, media_type: str) -> str:
        """Return the suffix for a media type; raises WrongSuffixError where the caller's file name has another one."""
        if self.file is None:
            return media_types.extension(media_type)
        suffix = self.file.suffix
        if not media_types.suffix_matches(suffix, media_type):
            raise WrongSuffixError(f"it is {media_type}, and {suffix} stands for something else")
        return suffix


def make_target(to: str | os.PathLike[str], count: int) -> Target:
    """Return the target for `count` outputs, and create its folder.

    A path with a suffix of media, such as `.png`, is a file for a single output; any other path is a folder.

    Raises:
        InvalidRequestError: `to` is not a path, or names one file for several outputs.
        DownloadError: The folder can't be created.
    """
    text = arguments.path(to, "to")
    path = Path(text)
    is_folder = text.endswith(("/", os.sep)) or os.path.isdir(path)  # noqa: PTH112 - as above
    if is_folder or not media_types.is_suffix(path.suffix):
        return Target(_make_folder(path))
    if count != 1:
        raise InvalidRequestError("to", f"to is one file, and there are {count} outputs", advice="Give a folder")
    return Target(_make_folder(path.parent), path)


def _make_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(
            f"the folder {folder} cannot be created ({error.strerror})",
            url="",
            advice="Choose a folder that you may write to",
            local=True,
        ) from None
    return folder


def safe_name(text: str) -> str:
    """Return an id as a part of a file name: without separators of paths, and not longer than `LONGEST_NAME` bytes."""
    name = "".join(char if char.isalnum() or char in "-_" else "_" for char in text) or "_"
    if len(name.encode()) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]
    return f"{name.encode()[: LONGEST_NAME - len(digest) - 1].decode(errors='ignore')}-{digest}"
