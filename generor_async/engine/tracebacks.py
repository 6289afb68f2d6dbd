"""What a traceback may not show: the locals of frames that hold headers, or presigned URLs."""

from typing import TypeVar

__all__ = ["bare"]

E = TypeVar("E", bound=BaseException)


def bare(error: E) -> E:
    """Return an exception without the frames that it came through, and without what was under way in them.

    Cancellations come through the frames of other libraries, with all that these were handed.
    """
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)
