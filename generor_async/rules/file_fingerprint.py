"""Whether a file of rows must be read again, or is known: it was read whole before, and is what it was.

What is in the file decides, by its SHA-256. Dates and inodes don't: `git checkout`, `cp` and `touch` give the same rows
another date, and an edit in place may leave size, inode and date as they were, as after `touch -r` or where a file
system counts whole seconds. A digest of 200 MB takes a fraction of a second, and a row too many is bought for money.
"""

from collections.abc import Sequence

from attrs import asdict, frozen

from generor_async.values import JSON

__all__ = ["CompletedRead", "FileFingerprint", "parse_completed_read"]


@frozen(kw_only=True)
class FileFingerprint:
    """What is in a file."""

    size: int
    """In bytes."""
    digest: str
    """Its SHA-256, in hexadecimal digits."""


@frozen(kw_only=True)
class CompletedRead:
    """A file that was read to its end, and how."""

    content: FileFingerprint
    terms: str
    """What its rows depend on beside the file: the options of the reading, and the version of the reader."""
    said: Sequence[str] = ()
    """What was said of how it is read."""

    def is_known(self, terms: str, content: FileFingerprint | None) -> bool:
        """Tell whether to read it again on these terms would find the same; None is a content that nobody can tell."""
        return self.terms == terms and self.content == content

    def as_json(self) -> JSON:
        """Return it as it is noted."""
        return {**asdict(self), "said": list(self.said)}


def parse_completed_read(note: JSON) -> CompletedRead | None:
    """Return the reading that was noted; None where none was, or not so that it can be understood."""
    match note:
        case {"content": {"size": int(size), "digest": str(digest)}, "terms": str(terms), "said": [*said]}:
            return CompletedRead(
                content=FileFingerprint(size=size, digest=digest), terms=terms, said=tuple(map(str, said))
            )
        case _:
            return None
