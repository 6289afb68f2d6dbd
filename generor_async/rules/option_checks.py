"""Checks the types of options, such as timeouts, counts and callbacks, in the manner of `rules.arguments`."""

import inspect
from collections.abc import Callable, Iterable
from math import inf, isnan
from typing import Any

from generor_async.errors import InvalidRequestError
from generor_async.rules.arguments import LARGEST_WHOLE, number, number_advice, type_error

__all__ = ["at_least", "choice", "count", "duration", "function", "listener_or_none", "one_of", "seconds"]


def duration(value: object, name: str) -> float:
    """Return a number of seconds, 0 or more."""
    return at_least(seconds(value, name, positive=False), name, 0)


def seconds(value: object, name: str, *, positive: bool = True) -> float:
    """Return a number of seconds; `positive` refuses 0 and less."""
    wanted = "a positive number of seconds" if positive else "a number of seconds"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise type_error(name, wanted, value, "No end is spelled math.inf")
    try:
        given = float(value)
    except OverflowError:
        raise InvalidRequestError(
            name, f"{name} is larger than any number of seconds", advice="No end is spelled math.inf"
        ) from None
    if isnan(given) or (positive and given <= 0):
        raise InvalidRequestError(name, f"{name} must be {wanted}, not {given:g}", advice="No end is spelled math.inf")
    return value


def count(value: object, name: str, *, least: int = 0, of: str = "") -> int:
    """Return a whole number of at least `least`."""
    wanted = f"a whole number{f' of {of}' if of else ''} from {least} up"
    if isinstance(value, bool) or not isinstance(value, int):
        raise type_error(name, wanted, value, number_advice(value, "a whole number"))
    if not least <= value < LARGEST_WHOLE:
        raise InvalidRequestError(name, f"{name} must be {wanted}", advice=f"Give {least} or more")
    return value


def at_least(value: object, name: str, least: float, *, above: bool = False, at_most: float = inf) -> float:
    """Return a number of at least `least`, or greater than `above`, and at most `at_most`."""
    given = value if value == inf and isinstance(value, float) else number(value, name)
    if not (given > least if above else given >= least) or given > at_most:
        bounds = f"above {least:g}" if above else f"at least {least:g}"
        upper = "" if at_most == inf else f", and at most {at_most:g}"
        raise InvalidRequestError(name, f"{name} must be {bounds}{upper}", advice=f"It is {given:g}")
    return given


def choice(value: object, name: str, options: Iterable[str]) -> str:
    """Return one of some texts."""
    known = tuple(options)
    if isinstance(value, str) and value in known:
        return value
    if not isinstance(value, str):
        raise type_error(name, f"one of {', '.join(known)}", value)
    problem = f"{name} must be one of {', '.join(known)}, not {value[:40]!r}"
    raise InvalidRequestError(name, problem, advice="Write one of them")


def one_of(value: object, name: str, classes: tuple[type[Any], ...], instead: str) -> None:
    """Raise InvalidRequestError for anything but an object of these classes; `instead` says how to get one."""
    if not isinstance(value, classes):
        named = [f"{'an' if cls.__name__[0] in 'AEIO' else 'a'} {cls.__name__}" for cls in classes]
        wanted = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} or {named[-1]}"
        raise type_error(name, wanted, value, instead)


def function(value: object, name: str) -> Callable[..., Any]:
    """Return a function, which may be a coroutine function."""
    if callable(value):
        return value
    raise type_error(name, "a function", value)


def listener_or_none(value: object, name: str) -> Any:
    """Return a callback or None; a coroutine function is refused, because nobody would await it."""
    if value is None:
        return None
    function(value, name)
    if _is_async(value) or _is_async(getattr(value, "__call__", None)):  # noqa: B004 - of an object that can be called
        raise InvalidRequestError(
            name,
            f"{name} must be a plain function, not a coroutine function: it is called as things happen, not awaited",
            advice="Write def instead of async def; hand what must be awaited to asyncio.create_task or a queue in it",
        )
    return value


def _is_async(called: Any) -> bool:
    return inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called)
