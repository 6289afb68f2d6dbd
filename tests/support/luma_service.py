"""A simulated Luma API to be called without a server: routes a request to its handler, and keeps the time."""

import json
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from attrs import fields
from multidict import CIMultiDict

from generor_async.simulator.luma.api import LumaApi
from generor_async.simulator.luma.limit_rules import LimitRules
from generor_async.simulator.luma.slots import SlotRules
from generor_async.simulator.messages import Answer, IncomingCall, Route
from generor_async.simulator.storage import Bucket

ORIGIN = "http://127.0.0.1:8080"
START = 1775649600.0
REQUEST_ID = "550e8400-e29b-41d4-a716-446655440000"


def ask(
    routes: list[Route],
    method: str,
    url: str,
    *,
    now: float,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    limits_down: bool = False,
) -> Answer:
    """Send one request to the route that it matches."""
    parts = urlsplit(url)
    for route in routes:
        params = match(route.template, parts.path) if route.method == method else None
        if params is not None:
            answer = route.handle(
                IncomingCall(
                    operation=route.operation,
                    method=method,
                    path=parts.path,
                    params=params,
                    query=dict(parse_qsl(parts.query)),
                    headers=CIMultiDict(headers or {}),
                    body=body,
                    request_id=REQUEST_ID,
                    now=now,
                    origin=ORIGIN,
                    limits_down=limits_down,
                )
            )
            assert isinstance(answer, Answer)
            return answer
    raise LookupError(f"no route for {method} {url}")


def match(template: str, path: str) -> dict[str, str] | None:
    """Match a path against a template, whose last segment may take the rest."""
    wanted, given = template.split("/"), path.split("/")
    if wanted[-1] == "{path...}":
        given = [*given[: len(wanted) - 1], "/".join(given[len(wanted) - 1 :])]
    if len(wanted) != len(given):
        return None
    params: dict[str, str] = {}
    for segment, value in zip(wanted, given, strict=True):
        if segment.startswith("{"):
            params[segment.strip("{.}")] = unquote(value)
        elif segment != value:
            return None
    return params


class Service:
    """One API with its storage and a clock that stands still until it is moved."""

    def __init__(self, **options: Any) -> None:
        self.storage = Bucket()
        settings: dict[str, Any] = {"seed": 7, **options}
        slots = SlotRules(**_taken(settings, "release_at", "release_lag", "expiry"))
        rules = LimitRules(slots=slots, **_taken(settings, *(field.name for field in fields(LimitRules))))
        self.api = LumaApi(storage=self.storage, rules=rules, **settings)
        self.now = START
        self.limits_down = False

    def call(
        self,
        method: str,
        url: str,
        *,
        json_body: Any = None,
        body: bytes = b"",
        key: str | None = "main",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a request with one of the API's named keys, another key as it is, or none."""
        sent = dict(headers or {})
        if key is not None:
            sent["Authorization"] = f"Bearer {self.api.keys.get(key, key)}"
        if json_body is not None:
            body = json.dumps(json_body).encode()
        return ask(self.api.routes, method, url, now=self.now, headers=sent, body=body, limits_down=self.limits_down)

    def unrouted(self, *, headers: dict[str, str]) -> Answer:
        """Send a request for a path that there isn't."""
        route = Route("", "GET", "/nothing", self.api.refuse(404, "Not Found"))
        return ask([route], "GET", "/nothing", now=self.now, headers=headers)

    def create(self, *, key: str | None = "main", prompt: str = "A sunset", **fields: Any) -> Answer:
        """Submit a generation."""
        return self.call("POST", "/generations", json_body={"prompt": prompt, **fields}, key=key)

    def submitted(self, *, prompt: str = "A sunset", **fields: Any) -> str:
        """Submit a generation that must be taken, and return its id."""
        answer = self.create(prompt=prompt, **fields)
        assert answer.status == 201, answer.json
        return str(answer.json["id"])

    def generation(self, generation_id: str, *, key: str = "main") -> Any:
        """Look at a generation."""
        answer = self.call("GET", f"/generations/{generation_id}", key=key)
        assert answer.status == 200, answer.json
        return answer.json

    def finished(self, *, prompt: str = "A sunset", **fields: Any) -> Any:
        """Submit a generation, let an hour pass, and look at it."""
        generation_id = self.submitted(prompt=prompt, **fields)
        self.now += 3600
        return self.generation(generation_id)

    def fetch(self, url: str, *, method: str = "GET", headers: dict[str, str] | None = None) -> Answer:
        """Ask the storage for a URL of its own."""
        return ask(self.storage.routes, method, url, now=self.now, headers=headers)

    def put(self, upload: dict[str, Any], content: bytes) -> Answer:
        """Send a file to a presigned upload URL."""
        routes, url = self.storage.routes, upload["url"]
        return ask(routes, upload["method"], url, now=self.now, headers=upload["headers"], body=content)


def _taken(settings: dict[str, Any], *names: str) -> dict[str, Any]:
    """Take the settings of these names, as far as they are given."""
    return {name: settings.pop(name) for name in names if name in settings}


def refused(answer: Answer) -> tuple[int, str]:
    """Status and detail of an answer that must be an error of the vendor's shape."""
    assert answer.json is not None
    assert list(answer.json) == ["detail"], answer.json
    return answer.status, answer.json["detail"]
