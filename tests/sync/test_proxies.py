"""Blocking proxies have the classes and signatures of the async ones, apart from what blocking changes."""

import inspect
import re
import typing
from typing import Any

import pytest

import generor_async
from generor_async import AsyncGeneror, AsyncLuma, sync
from generor_async.api.generor.operations import ENDPOINTS as GENEROR
from generor_async.api.luma.operations import ENDPOINTS as LUMA
from generor_async.sync.bridge import SyncClient, SyncProxy

BASES = {SyncClient, SyncProxy}
OWN = {"Generor": AsyncGeneror, "Luma": AsyncLuma}
ASYNC_ONLY = {"__aenter__": "__enter__", "__aexit__": "__exit__", "__aiter__": "__iter__", "__await__": None}
"""What async classes have for `await`, `async with` and `async for`, and what blocking ones have for it."""


def impl_of(proxy: type) -> type:
    """Return the async class of a proxy class."""
    (impl,) = [typing.get_args(base)[0] for base in vars(proxy)["__orig_bases__"] if typing.get_origin(base) in BASES]
    found: type = typing.get_origin(impl) or impl
    return found


IMPLS = {proxy: impl_of(proxy) for name in sync.__all__ if isinstance(proxy := getattr(sync, name), type)}
PROXIES = pytest.mark.parametrize("proxy", IMPLS, ids=lambda proxy: proxy.__name__)


def shown(cls: type) -> set[str]:
    """Return the public members of a class, by their names in the blocking clients."""
    names = {name for name in dir(cls) if not name.startswith("_")}
    names |= {name for each in cls.__mro__ for name in inspect.get_annotations(each) if not name.startswith("_")}
    names |= {name for each in cls.__mro__ for name in vars(each).get("__slots__", ()) if not name.startswith("_")}
    return names | {plain for name, plain in ASYNC_ONLY.items() if plain is not None and {name, plain} & set(dir(cls))}


def told(hint: object) -> str:
    """Return a type as it is in the blocking clients."""
    text = (
        hint.__module__ + "." + hint.__qualname__
        if isinstance(hint, type) and not typing.get_args(hint)
        else repr(hint)
    )
    text = re.sub(r"Callable\[\[(.*?)\], ", r"Callable[\1, ", text)  # as it is written where a name was quoted
    for proxy, impl in IMPLS.items():
        text = re.sub(rf"\b{impl.__module__}\.{impl.__name__}\b", f"{proxy.__module__}.{proxy.__name__}", text)
    return text


def parameters(function: Any) -> list[tuple[str, object, object, str]]:
    """Return each parameter's name, kind, default and type; an iterable that may be async may also be plain."""
    hints = typing.get_type_hints(function)
    return [
        (
            each.name,
            each.kind,
            each.default,
            re.sub(r" \| \(?collections\.abc\.Iterable\[bytes\]\)?", "", told(hints.get(each.name))),
        )
        for each in inspect.signature(function).parameters.values()
    ]


def result(function: Any) -> str:
    """Return the result type of a function or property."""
    hint = typing.get_type_hints(function)["return"]
    plain = re.sub(r"collections\.abc\.AsyncGenerator\[(.*), None\]", r"collections.abc.Iterator[\1]", told(hint))
    return plain.replace("collections.abc.AsyncIterator", "collections.abc.Iterator")


def methods() -> list[Any]:
    return [
        pytest.param(getattr(proxy, name), getattr(impl, name), id=f"{proxy.__name__}.{name}")
        for proxy, impl in IMPLS.items()
        for name in sorted(shown(impl) - set(ASYNC_ONLY.values()))
        if inspect.isfunction(getattr(impl, name, None))
    ]


def properties() -> list[Any]:
    """Return the attributes with their types in the other class, where an annotation or getter has them."""
    found: list[Any] = []
    for proxy, impl in IMPLS.items():
        hints = typing.get_type_hints(impl)
        for name in sorted(shown(impl) - set(ASYNC_ONLY.values())):
            there = getattr(impl, name, None)
            hint = typing.get_type_hints(there.fget)["return"] if isinstance(there, property) else hints.get(name)
            if hint is not None:
                found.append(pytest.param(getattr(proxy, name), hint, id=f"{proxy.__name__}.{name}"))
    return found


@PROXIES
def test_a_proxy_has_the_members_of_its_async_class(proxy: type) -> None:
    assert shown(proxy) == shown(IMPLS[proxy])


@pytest.mark.parametrize(("method", "asynchronous"), methods())
def test_a_method_has_the_signature_of_the_async_one(method: Any, asynchronous: Any) -> None:
    assert parameters(method) == parameters(asynchronous)
    assert result(method) == result(asynchronous)
    assert not inspect.iscoroutinefunction(method)
    assert not inspect.isasyncgenfunction(method)


@pytest.mark.parametrize(("found", "hint"), properties())
def test_an_attribute_has_the_type_of_the_async_one(found: property, hint: object) -> None:
    assert result(found.fget) == told(hint)


@pytest.mark.parametrize("name", OWN)
def test_a_client_is_made_with_the_same_arguments(name: str) -> None:
    proxy = getattr(generor_async, name)
    assert parameters(proxy.__init__) == parameters(OWN[name].__init__)


@PROXIES
def test_docstrings_describe_blocking_calls(proxy: type) -> None:
    docs = {name: inspect.getdoc(getattr(proxy, name)) or "" for name in shown(proxy) if not name.startswith("_")}
    docs["class"] = inspect.getdoc(proxy) or ""
    for name, doc in docs.items():
        assert doc, name
        assert not re.search(r"\bawait|\basync\b|\bAsync[A-Z]", doc), (name, doc)


def test_every_operation_has_a_method() -> None:
    found = {
        f"{client.lower()}.{name}.{method}"
        for client in OWN
        for name in shown(getattr(sync, client))
        if isinstance(resource := getattr(getattr(sync, client), name), property)
        for method in shown(typing.get_type_hints(resource.fget)["return"])
    }
    assert {*GENEROR, *LUMA} <= found


def test_a_batch_is_run_with_the_same_arguments() -> None:
    assert parameters(sync.run_batch) == parameters(generor_async.run_batch)
    assert result(sync.run_batch) == result(generor_async.run_batch)
    assert parameters(sync.run_shift) == parameters(generor_async.run_shift)
    assert result(sync.run_shift) == result(generor_async.run_shift)


def test_the_package_exports_its_names() -> None:
    assert (generor_async.Generor, generor_async.Luma) == (sync.Generor, sync.Luma)
    assert {"Generor", "Luma"} <= set(dir(generor_async))
    with pytest.raises(AttributeError, match="has no attribute 'Lumen'"):
        getattr(generor_async, "Lumen")  # noqa: B009
