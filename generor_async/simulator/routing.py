"""Finds the operation that a request is for."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from urllib.parse import unquote

from attrs import define, field, frozen

from generor_async.simulator.messages import Answer, DeferredAnswer, IncomingCall, Route

__all__ = ["Mount", "RouteMatch", "Router"]

PATHS_REMEMBERED = 1_024
Handler = Callable[[IncomingCall], Answer | DeferredAnswer]


def _no_headers(_: IncomingCall) -> Mapping[str, str]:
    return {}


def _no_words(_: str) -> str:
    return "Rate limit exceeded"


@frozen(kw_only=True)
class Mount:
    """An API on the server: where it lives, and how it words what none of its operations is for."""

    api: str
    """The name under which the ledger has it."""
    prefix: str
    """Where it lives, such as `/v1`; empty for the root."""
    routes: Sequence[Route]
    not_found: Handler
    not_allowed: Handler
    too_large: Handler
    """Answers a request whose body is longer than `max_body` bytes."""
    malformed: Handler
    """Answers a request whose body could not be read as HTTP describes it."""
    max_body: int
    limits_told: Callable[[IncomingCall], Mapping[str, str]] = _no_headers
    """Gives the headers that tell a caller of its limits, for answers that the API's own code never comes to."""
    limit_words: Callable[[str], str] = _no_words
    """Gives the words of a refusal for the limit `rpm`, `jobs` or `abuse`."""
    recorded: bool = True
    """Whether its requests are part of what is simulated: in the ledger, and struck by faults."""


@frozen
class RouteMatch:
    """What a request is for; without an operation, `handle` refuses it."""

    mount: Mount
    operation: str
    handle: Handler
    params: Mapping[str, str]
    headers: Mapping[str, str] = {}
    """Headers that the answer must carry, whoever gives it."""


@define
class _Node:
    """What may follow a part of a path, and what may be done there."""

    literal: "dict[str, _Node]" = field(factory=dict[str, "_Node"])
    named: "_Node | None" = None
    rest: "dict[str, _Target]" = field(factory=dict[str, "_Target"])
    """What takes all segments that follow, by method."""
    targets: "dict[str, _Target]" = field(factory=dict[str, "_Target"])
    """What takes a path that ends here, by method."""


_Target = tuple[Mount, Route, tuple[str, ...]]
"""A route, and the names of its path parameters."""
_Found = tuple[Mapping[str, _Target], tuple[str, ...]]
"""The targets of a path, by method, and its path parameters' values."""


class Router:
    """A tree of path segments, in which a literal segment goes before a parameter."""

    def __init__(self, mounts: Iterable[Mount]) -> None:
        self._root = _Node()
        self._mounts = sorted(mounts, key=lambda mount: -len(mount.prefix))
        for mount in self._mounts:
            for route in mount.routes:
                self._add(mount, route)

    def _add(self, mount: Mount, route: Route) -> None:
        node, names = self._root, list[str]()
        for segment in (mount.prefix + route.template).split("/")[1:]:
            if not segment.startswith("{"):
                node = node.literal.setdefault(segment, _Node())
                continue
            names.append(segment.strip("{.}"))
            if segment.endswith("...}"):
                node.rest[route.method] = (mount, route, tuple(names))
                return
            node.named = node.named or _Node()
            node = node.named
        node.targets[route.method] = (mount, route, tuple(names))

        self.find = lru_cache(PATHS_REMEMBERED)(self._find)

    def _find(self, method: str, path: str) -> RouteMatch:
        """Find what a request is for; `path` is percent-encoded, as it was sent."""
        found = _walk(self._root, path.split("/")[1:], ())
        if found is None:
            mount = next(mount for mount in self._mounts if _within(path, mount.prefix))
            return RouteMatch(mount, "", mount.not_found, {})
        targets, values = found
        target = targets.get(method)
        if target is None:
            mount = next(iter(targets.values()))[0]
            return RouteMatch(mount, "", mount.not_allowed, {}, {"Allow": ", ".join(sorted(targets))})
        mount, route, names = target
        params = {name: unquote(value) for name, value in zip(names, values, strict=True)}
        return RouteMatch(mount, route.operation, route.handle, params)


def _within(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/") or not prefix


def _walk(node: _Node, segments: list[str], values: tuple[str, ...]) -> _Found | None:
    """Go down the tree, and back up where a literal segment led nowhere."""
    if not segments:
        return (node.targets, values) if node.targets else None
    segment, following = segments[0], segments[1:]
    found = None
    if segment in node.literal:
        found = _walk(node.literal[segment], following, values)
    if found is None and node.named is not None and segment:
        found = _walk(node.named, following, (*values, segment))
    if found is None and node.rest:
        found = (node.rest, (*values, "/".join(segments)))
    return found
