"""Every method that clients have, and what they return: given what an argument can't be, it is refused by its name.

What can be meant, but is nonsense, is left to the server; nothing but errors of ours comes of it. The server is a port
at which nobody listens: what is sent to it would be an APIConnectionError.
"""

import inspect
import math
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from operator import attrgetter
from pathlib import Path
from types import UnionType
from typing import Any

import pytest
from api.test_arguments import admits
from support.wire import closed_port

import generor_async
from generor_async import (
    AsyncGeneror,
    AsyncLuma,
    Generor,
    GenerorAsyncError,
    InvalidRequestError,
    Job,
    Luma,
    MediaRef,
)
from generor_async.api.generor import models as generor_models
from generor_async.api.generor import operations as generor_operations
from generor_async.api.luma import models, operations
from generor_async.sync import OutputStream


async def told(_: object) -> None:
    """Stand for a coroutine function."""


VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 2.5, -2.5, math.nan, math.inf, -math.inf, 10**400, 2**63, 1 + 1j),
    *("", "text", "a\0b", "\ud800", "../x", "https://x.example/a", b"bytes", bytearray(b"x"), memoryview(b"x")),
    *([], [None], ["a"], (), range(3), {}, {"a": 1}, {1: 2}, {None: None}, {"a set"}, object(), ..., str),
    *(Path("a.png"), datetime(2026, 4, 8, tzinfo=UTC), told, print),
    *(MediaRef.url("https://x.example/a.png"), MediaRef("data", "text"), MediaRef("path", b"")),
)
GENERATION = models.decode_generation(
    {"id": "gen-1", "type": "image", "model": "uni-1", "state": "completed", "created_at": "2026-04-08T12:00:00Z"}
    | {"output": [{"type": "image", "url": "https://127.0.0.1:9/a.png"}]}
)
CREATION = generor_models.decode_generated_creation({"creation_id": 5, "text": "a heron"})
GOOD: dict[str, Any] = {
    "content": b"x",
    "jobs": [],
    "method": "GET",
    "output": GENERATION,
    "path": "/x",
    "requests": [],
    "result": GENERATION,
    "source": b"\x89PNG\r\n\x1a\n",
    "to": "out",
    "writer": BytesIO(),
}
FIRST: dict[str, dict[str, Any]] = {"luma": {"operation": operations.generations_get("gen-1")}}
FIRST["generor"] = {"operation": generor_operations.users_me(), "result": CREATION, "output": CREATION}
WAITING: frozenset[str] = frozenset({"wait", "updates"})
"""Methods that go on asking a server which doesn't answer: they are given only what is refused at once."""
ELSEWHERE: frozenset[str] = frozenset({"close", "Job.download"})
"""What has to be used up, or to be answered first: tests/sync/test_arguments.py has them."""
RESOURCES = (
    "api_keys",
    "comments",
    "creations",
    "credits",
    "feed",
    "generators",
    "models",
    "ratings",
    "teams",
    "users",
)
OWNERS: dict[str, Callable[[Any], Any]] = {
    "luma": lambda client: client,
    "luma.generations": lambda client: client.generations,
    "luma.files": lambda client: client.files,
    "luma.job": lambda client: client.generations.job("gen-1"),
    "luma.pages": lambda client: client.files.list(),
    "generor": lambda client: client,
    **{f"generor.{name}": attrgetter(name) for name in RESOURCES},
}


def methods_of(owner: object) -> list[str]:
    shown = (name for name in dir(type(owner)) if not name.startswith("_"))
    return [
        name
        for name in shown
        if inspect.isfunction(inspect.getattr_static(owner, name))
        and ELSEWHERE.isdisjoint({name, f"{type(owner).__name__}.{name}"})
    ]


def made(owner: str, *, blocking: bool) -> Any:
    known: dict[str, Any] = {"base_url": f"http://127.0.0.1:{closed_port()}", "max_retries": 0}
    if owner.startswith("luma"):
        return (Luma if blocking else AsyncLuma)("luma-api-0123456789", **known)
    return (Generor if blocking else AsyncGeneror)("gnr_live_x", **known)


def hint_admits(hint: Any, value: Any) -> bool:
    """Tell whether an annotation admits a value; what is inside of an iterable isn't looked at."""
    if hint is float and type(value) in {int, float}:
        return bool(abs(value) < 2**64 or value in {math.inf, -math.inf})  # as seconds go
    if hint is bytes and isinstance(value, bytearray | memoryview):
        return True
    origin = typing.get_origin(hint)
    if isinstance(origin, type) and not issubclass(origin, Sequence | Mapping | UnionType):
        return isinstance(value, origin)
    if origin in {typing.Union, UnionType}:
        return any(hint_admits(each, value) for each in typing.get_args(hint))
    return admits(hint, value)


def good(name: str, hints: dict[str, Any], known: dict[str, Any]) -> Any:
    return known[name] if name in known else 1 if admits(hints[name], 1) else "a"


def calls(method: Any, owner: str) -> Iterator[tuple[str, Any, Any, Callable[[], Any]]]:
    """Yield every argument with every value: its name, its annotation, the value, and the call."""
    hints = typing.get_type_hints(method)
    known = GOOD | FIRST.get(owner, {})
    parameters = [each for each in inspect.signature(method).parameters.values() if each.kind is not each.VAR_KEYWORD]
    needed = {each.name: good(each.name, hints, known) for each in parameters if each.default is each.empty}
    if method.__name__ in {"submit", "run"}:
        needed["prompt"] = "a heron"
    for each in parameters:
        for value in VALUES:
            given = {**needed, each.name: value}
            places = [
                given.pop(one.name) for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD and one.name in given
            ]
            yield each.name, hints[each.name], value, partial(method, *places, **given)


async def outcome(made: Any) -> None:
    """See the end of what a call of the async half gave."""
    if isinstance(made, Job):
        return
    if hasattr(made, "first_page"):
        made = made.first_page()
    if hasattr(made, "__anext__"):
        await anext(made, None)
    elif inspect.isawaitable(made):
        await made
        if isinstance(made, generor_async.OutputStream):
            await made.close()


def outcome_of(made: Any) -> None:
    """See the end of what a call of the blocking half gave."""
    if isinstance(made, OutputStream):
        with made:
            pass
    elif hasattr(made, "first_page"):
        made.first_page()
    elif hasattr(made, "__next__"):
        next(made, None)


def check(error: GenerorAsyncError | None, name: str, value: object) -> None:
    assert isinstance(error, InvalidRequestError), (name, value, error)
    assert name.rstrip("_") in error.field, (name, value, error)


@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.filterwarnings("ignore::UserWarning")
async def test_an_argument_of_the_async_half(owner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with made(owner, blocking=False) as client:
        methods = [getattr(OWNERS[owner](client), name) for name in methods_of(OWNERS[owner](client))]
        for method in methods:
            for name, hint, value, call in calls(method, owner):
                admitted, refused = hint_admits(hint, value), None
                if admitted and method.__name__ in WAITING:
                    continue
                try:
                    await outcome(call())
                except GenerorAsyncError as error:
                    refused = error
                if not admitted:
                    check(refused, name, value)


@pytest.mark.parametrize("owner", OWNERS)
def test_an_argument_of_the_blocking_half(owner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with made(owner, blocking=True) as client:
        methods = [getattr(OWNERS[owner](client), name) for name in methods_of(OWNERS[owner](client))]
        for method in methods:
            for name, hint, value, call in calls(method, owner):
                if hint_admits(hint, value):
                    continue
                with pytest.raises(InvalidRequestError) as refused:
                    outcome_of(call())
                check(refused.value, name, value)
