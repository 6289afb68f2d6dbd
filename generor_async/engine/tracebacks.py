"""Keeps credentials out of tracebacks: the locals of frames may hold headers and presigned URLs."""

from typing import TypeVar

__all__ = ["bare"]

E = TypeVar("E", bound=BaseException)


def bare(error: E) -> E:
    """Return an exception without its traceback, cause and context.

    A cancellation passes through frames of other libraries, whose locals hold what they were given.
    """
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)
