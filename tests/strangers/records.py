"""What the server notes of requests and charges, and what it answers."""

import asyncio
import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import formatdate
from random import Random
from typing import Literal, TypeAlias, cast

import attrs

Json: TypeAlias = dict[str, object]
Api: TypeAlias = Literal["luma", "generor", "storage"]


@attrs.define(kw_only=True)
class Arrival:
    """A request, noted at the moment when it was counted; ``at`` is in seconds since the server's start.

    ``status`` is 0 while it isn't answered. ``refusal`` names the limit that refused it: window, concurrent, abuse.
    """

    at: float
    api: Api
    method: str
    path: str
    request_id: str
    query: Mapping[str, str] = attrs.field(factory=dict[str, str])
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    body: bytes = attrs.field(default=b"", repr=False)
    other: bool = False
    status: int = 0
    refusal: str = ""
    charged: bool = False

    def json(self) -> Json | None:
        """Return the body, or None where it is no JSON object."""
        try:
            value: object = json.loads(self.body)
        except ValueError:
            return None
        return as_object(value)


@attrs.define(kw_only=True)
class Charge:
    """What one request cost; ``item`` is the id of the generation, or of the first creation."""

    at: float
    api: Api
    request_id: str
    credits: float
    item: str
    refunded: bool = False


@attrs.frozen(kw_only=True)
class Answer:
    """An answer: what an API gives, or what a script gives in its place.

    ``after``: the request is carried out first, and charged; this replaces its answer.
    ``delay``: seconds before it leaves.
    ``cut``: the connection breaks; what ``body`` holds is sent before that, as part of a longer one.
    ``raw``: ``body`` is all that is sent, without status and headers.
    """

    status: int = 200
    body: bytes | str | Json | Sequence[object] = b""
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    after: bool = False
    delay: float = 0.0
    cut: bool = False
    raw: bool = False

    def content(self) -> bytes:
        """Return the body's bytes."""
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()

    def content_type(self) -> str:
        """Return the media type for a body of this kind, where ``headers`` names none."""
        if isinstance(self.body, bytes):
            return "application/octet-stream"
        return "text/html; charset=utf-8" if isinstance(self.body, str) else "application/json"


Script: TypeAlias = Callable[[Arrival], Answer | None]
"""Is asked first for every request; None leaves the request to the API."""


def in_turn(answers: Iterable[Answer | None], *, method: str = "POST", path: str = "") -> Script:
    """Return a script that gives these answers to one matching request after another, then none."""
    left = iter(answers)

    def script(arrival: Arrival) -> Answer | None:
        matches = arrival.method == method and arrival.path.endswith(path)
        return next(left, None) if matches else None

    return script


@attrs.define
class Clock:
    """The loop's time since the server's start, and a wall clock that is a fixed distance from it."""

    epoch: float
    started: float = attrs.field(factory=lambda: asyncio.get_running_loop().time())

    def now(self) -> float:
        """Return the seconds since the server's start."""
        return asyncio.get_running_loop().time() - self.started

    def wall(self, now: float) -> float:
        """Return unix seconds."""
        return self.epoch + self.started + now

    def date(self, now: float) -> str:
        """Return an HTTP date."""
        return formatdate(self.wall(now), usegmt=True)

    def stamp(self, now: float, form: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
        """Return a date for JSON, as both APIs write them."""
        return datetime.fromtimestamp(self.wall(now), UTC).strftime(form)


@attrs.define
class Books:
    """What all parts of the server share: time, chance, and the lists of requests and charges."""

    clock: Clock
    rng: Random
    requests: list[Arrival]
    charges: list[Charge]

    def new_id(self) -> str:
        """Return a UUID."""
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))


def gateway_page(status: int) -> Answer:
    """Return what a gateway before the API says, without any header of the API's (assumed)."""
    title = {502: "502 Bad Gateway", 503: "503 Service Temporarily Unavailable", 504: "504 Gateway Time-out"}
    text = title.get(status, str(status))
    page = f"<html><head><title>{text}</title></head><body><center><h1>{text}</h1></center></body></html>"
    return Answer(status=status, body=page)


def as_object(value: object) -> Json | None:
    """Return a JSON object as such, and None for anything else."""
    return cast("Json", value) if isinstance(value, dict) else None


def as_list(value: object) -> list[object]:
    """Return a JSON array as such, and an empty one for anything else."""
    return cast("list[object]", value) if isinstance(value, list) else []


def whole(text: object, default: int) -> int:
    """Return an integer that stands in a query or in a body."""
    return int(text) if isinstance(text, int | str) and str(text).lstrip("-").isdigit() else default
