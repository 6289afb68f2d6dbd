"""Tells the user how the rows of a batch are read, and which are rejected."""

from collections.abc import Callable, Sequence
from typing import Final

from attrs import define, field

from generor_async.errors import InvalidRequestError

__all__ = ["MAX_REJECTS_NAMED", "ReadingNotices", "rows_error"]

MAX_REJECTS_NAMED: Final = 5
"""Rejects that are named one by one."""


@define
class ReadingNotices:
    """Sentences to the user about how the rows are read, each once.

    They are kept until somebody listens, and for the next run, which may find the file unchanged and not read it.
    """

    _sentences: dict[str, None] = field(init=False, factory=dict[str, None])
    _listener: Callable[[str], object] | None = field(init=False, default=None)
    _reject_places: set[str] = field(init=False, factory=set[str])
    """The rejects that were named."""

    def add(self, sentence: str) -> None:
        """Add a sentence, unless it is there."""
        if sentence not in self._sentences:
            self._sentences[sentence] = None
            self.emit(sentence)

    def emit(self, sentence: str) -> None:
        """Tell the listener a sentence that is not kept, as it is true of this run alone."""
        if self._listener is not None:
            self._listener(sentence)

    def add_reject(self, place: str, reason: str) -> None:
        """Add the sentence about a reject; of many, the first are named."""
        if len(self._reject_places) < MAX_REJECTS_NAMED:
            self._reject_places.add(place)
            self.add(f"{place} was set aside: {reason}")

    @property
    def sentences(self) -> Sequence[str]:
        """All sentences so far."""
        return list(self._sentences)

    @property
    def has_listener(self) -> bool:
        """Whether somebody listens."""
        return self._listener is not None

    def listen(self, listener: Callable[[str], object]) -> None:
        """Tell a listener all sentences so far, and each later one before the rows read after it are charged."""
        self._listener = listener
        for sentence in self._sentences:
            listener(sentence)


def rows_error(problem: str, advice: str) -> InvalidRequestError:
    """Return the error for rows that can't be read."""
    return InvalidRequestError("rows", problem, advice=advice)
