"""Keeps credentials out of tracebacks: the local variables of frames may have headers and presigned URLs."""

from typing import TypeVar

__all__ = ["without_traceback"]

E = TypeVar("E", bound=BaseException)


def without_traceback(error: E) -> E:
    """Return an exception without its traceback, cause and context.

    This holds for cancellations too: they pass through aiohttp's frames, whose local variables have the request.
    """
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)
