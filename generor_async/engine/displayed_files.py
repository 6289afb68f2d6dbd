"""Lets notebooks show the files that were downloaded with the models that they belong to."""

from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

from generor_async.rules import media_types
from generor_async.values import Model, display_media

__all__ = ["display_files"]


@frozen
class _DownloadedFile:
    """A file that was downloaded, which is read when it is displayed."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def media_type(self) -> str:
        return media_types.type_of_suffix(self.path.suffix)

    def size(self) -> int | None:
        try:
            return self.path.stat().st_size
        except OSError:
            return None

    def read(self) -> bytes:
        return self.path.read_bytes()


def display_files(model: Model, paths: Iterable[Path]) -> None:
    """Let notebooks show these files with a model; texts are no media."""
    display_media(model, [_DownloadedFile(path.absolute()) for path in paths if path.suffix != ".txt"])
