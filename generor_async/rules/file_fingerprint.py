"""Tells by SHA-256 whether a file of rows has changed since it was read to its end.

Dates and inodes would not do: `git checkout`, `cp` and `touch` give the same rows another date, and an edit in place
may keep size, inode and date, as after `touch -r` or on a file system that counts whole seconds. A digest of 200 MB
takes a fraction of a second, and every row that is run twice costs money.
"""

from collections.abc import Sequence

from attrs import asdict, frozen

from generor_async.values import JSON

__all__ = ["CompletedRead", "FileFingerprint", "parse_completed_read"]


@frozen(kw_only=True)
class FileFingerprint:
    """Size and SHA-256 of a file."""

    size: int
    """In bytes."""
    digest: str
    """Its SHA-256, in hexadecimal digits."""


@frozen(kw_only=True)
class CompletedRead:
    """A file that was read to its end."""

    content: FileFingerprint
    terms: str
    """What its rows depend on besides the file: the options and the version of the reader."""
    said: Sequence[str] = ()
    """The notices about how it is read."""
    rows: int | None = None
    """Its rows, each repeated one counted once; None where an earlier version has read it."""

    def is_known(self, terms: str, content: FileFingerprint | None) -> bool:
        """Tell whether reading it again with these options would give the same rows; None is an unknown fingerprint."""
        return self.terms == terms and self.content == content

    def as_json(self) -> JSON:
        """Return the JSON that the journal keeps."""
        noted = {**asdict(self), "said": list(self.said)}
        return {name: value for name, value in noted.items() if value is not None}


def parse_completed_read(note: JSON) -> CompletedRead | None:
    """Parse what `as_json` returned; None for anything else."""
    match note:
        case {"content": {"size": int(size), "digest": str(digest)}, "terms": str(terms), "said": [*said], **others}:
            rows = others.get("rows")
            return CompletedRead(
                content=FileFingerprint(size=size, digest=digest),
                terms=terms,
                said=tuple(map(str, said)),
                rows=rows if isinstance(rows, int) else None,
            )
        case _:
            return None
