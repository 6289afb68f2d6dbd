"""Where a secret shows in an error: in its words, in what it carries, or in the locals of our frames."""

import traceback
from collections.abc import Iterator

__all__ = ["leaks"]

OURS = "generor_async"


def leaks(error: BaseException, secret: str) -> list[str]:
    """Name every place where the secret can be read, over the whole chain of causes and contexts."""
    return list(_places(error, secret, set()))


def _places(error: BaseException, secret: str, seen: set[int]) -> Iterator[str]:
    if id(error) in seen:
        return
    seen.add(id(error))
    name = type(error).__name__
    shown = {"str": str(error), "repr": repr(error), "args": repr(error.args), "fields": repr(error.__dict__)}
    yield from (f"{name}: {where}" for where, text in shown.items() if secret in text)
    for frame, line in traceback.walk_tb(error.__traceback__):
        if OURS in frame.f_code.co_filename.replace("tests", ""):
            for variable, value in frame.f_locals.items():
                if secret in _shown(value):
                    yield f"{name}: {variable} in {frame.f_code.co_name}, line {line}"
    for other in (error.__cause__, error.__context__):
        if other is not None:
            yield from _places(other, secret, seen)


def _shown(value: object) -> str:
    try:
        return repr(value)
    except AttributeError:
        return ""  # it was not complete when the error was raised
