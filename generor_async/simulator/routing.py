"""Routes requests to operations."""

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
    """An API on the server: its path prefix, its routes, and its answers to unknown paths and bad requests."""

    api: str
    """The API's name in the ledger."""
    prefix: str
    """Path prefix, such as `/v1`; empty for the root."""
    routes: Sequence[Route]
    not_found: Handler
    not_allowed: Handler
    too_large: Handler
    """Answers a request whose body is longer than `max_body` bytes."""
    malformed: Handler
    """Answers a request with a malformed body."""
    max_body: int
    limit_headers: Callable[[IncomingCall], Mapping[str, str]] = _no_headers
    """Returns the rate limit headers for answers that don't come from the API's own code."""
    limit_message: Callable[[str], str] = _no_words
    """Returns the message of a 429 for the limit `rpm`, `jobs` or `abuse`."""
    recorded: bool = True
    """Whether its requests are in the ledger and meet faults."""


@frozen
class RouteMatch:
    """The route of a request; without an operation, `handle` refuses it."""

    mount: Mount
    operation: str
    handle: Handler
    params: Mapping[str, str]
    headers: Mapping[str, str] = {}
    """Headers that every answer must have."""


@define
class _Node:
    """A node of the route tree."""

    literal: "dict[str, _Node]" = field(factory=dict[str, "_Node"])
    named: "_Node | None" = None
    rest: "dict[str, _Target]" = field(factory=dict[str, "_Target"])
    """Routes that match all following segments, by method."""
    targets: "dict[str, _Target]" = field(factory=dict[str, "_Target"])
    """Routes of a path that ends here, by method."""


_Target = tuple[Mount, Route, tuple[str, ...]]
"""A route, and the names of its path parameters."""
_Found = tuple[Mapping[str, _Target], tuple[str, ...]]
"""The targets of a path, by method, and its path parameters' values."""


class Router:
    """A tree of path segments; a literal segment takes precedence over a parameter."""

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
        """Return the route of a request; `path` is percent-encoded, as sent."""
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
    """Find the node of a path; go back where a literal segment leads nowhere."""
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
