"""Small endpoints, operations and clients to try the rules and the engine on."""

from typing import Any, ClassVar, Literal

from attrs import define, frozen

from generor_async.engine.client import Client
from generor_async.engine.jobs import JobType, JobWaiter
from generor_async.luma_resources import make_job_waiter
from generor_async.rules.body_decoders import Decoder, as_it_is
from generor_async.rules.http_types import Endpoint, Operation, Reply
from generor_async.rules.outcome import CallContext
from generor_async.rules.vendors import GENEROR, LUMA, Vendor
from generor_async.values import JSON, Headers, Model, RetrySafety
from generor_async.values.decoding import read_fields, read_int, read_list, read_str
from generor_async.values.shapes import Attribute, Shape, as_int, as_str, list_of

__all__ = [
    "KEY",
    "REQUEST_ID",
    "RETRY_SAFETIES",
    "THING",
    "BareGeneror",
    "BareLuma",
    "Generation",
    "Thing",
    "context",
    "endpoint",
    "operation",
    "reply",
]

KEY = "luma-api-0123456789abcdefghijklmnopqrstuvwxyz"
REQUEST_ID = "550e8400-e29b-41d4-a716-446655440000"
RETRY_SAFETIES: tuple[RetrySafety, ...] = ("read", "idempotent", "plain", "bills")
METHODS: dict[RetrySafety, str] = {"read": "GET", "idempotent": "PUT", "plain": "POST", "bills": "POST"}


@define(kw_only=True)
class Thing(Model):
    """A small answer: an id, and perhaps a size and names."""

    wire_names: ClassVar[frozenset[str]] = frozenset({"id", "size", "names"})

    id: str
    size: int | None = None
    names: list[str] | None = None


def decode_thing(source: JSON) -> Thing:
    """Read one as a generated decoder does."""
    get = read_fields(source).get
    names = get("names")
    size = get("size")
    return Thing(
        id=read_str(get("id")),
        size=None if size is None else read_int(size),
        names=None if names is None else read_list(read_str, names),
        raw=source,
    )


THING = Shape(
    strict=decode_thing,
    cls=Thing,
    attributes=(
        Attribute("id", "id", "a string", as_str, promised=True),
        Attribute("size", "size", "an integer", as_int),
        Attribute("names", "names", "an array", list_of(as_str)),
    ),
)


def endpoint(
    retry_safety: RetrySafety = "read",
    *,
    vendor: Vendor = LUMA,
    method: str | None = None,
    name: str | None = None,
    auth: Literal["required", "optional"] = "optional",
    scope: Literal["none", "read", "write", "generate"] = "none",
    decode: Decoder[Any] = as_it_is,
    timeout: float = 60.0,
    attempt_timeout: float = 30.0,
    secrets: tuple[str, ...] = (),
) -> Endpoint[Any]:
    """Make an endpoint of which only one thing or two matter."""
    return Endpoint(
        name=name or f"{vendor.name}.things.{retry_safety}",
        vendor=vendor,
        method=method or METHODS[retry_safety],
        template="/things",
        retry_safety=retry_safety,
        auth=auth,
        scope=scope,
        quota=(),
        decode=decode,
        timeout=timeout,
        attempt_timeout=attempt_timeout,
        secrets=secrets,
    )


def operation(retry_safety: RetrySafety = "read", *, path: str = "/things", **known: Any) -> Operation[Any]:
    """Make a call of such an endpoint, with a body where the method takes one."""
    target = endpoint(retry_safety, **known)
    body = None if target.method in {"GET", "DELETE"} else {"prompt": "a heron"}
    return Operation(target, path, body=body)


def context(retry_safety: RetrySafety = "read", **known: Any) -> CallContext:
    """Make the context of a call after its first attempt."""
    made = CallContext(endpoint(retry_safety, **known), REQUEST_ID)
    made.attempts = 1
    return made


def reply(status: int = 200, body: bytes = b"{}", **headers: str) -> Reply:
    """Make a reply; underscores in the headers' names stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, headers=Headers({"Content-Type": "application/json", **named}.items()), body=body)


@frozen
class Generation:
    """As much of a generation as an error or a wait looks at."""

    id: str = "gen-1"
    state: str = "failed"
    failure_code: str | None = "generation_failed"
    failure_reason: str | None = "the model gave up"


class BareLuma(Client):
    """A client of Luma without resources."""

    _vendor: ClassVar[Vendor] = LUMA

    _make_job_waiter = staticmethod(make_job_waiter)

    def _bind(self, jobs: JobWaiter[Any]) -> None:
        pass

    def watch(self, kind: JobType[Any], **options: Any) -> JobWaiter[Any]:
        """Make a watch over this client's jobs."""
        return JobWaiter(self._session, self._options, kind, **options)

    def shown(self) -> str:
        """Everything of it that a debugger or a careless log would show."""
        return f"{self!r} {self._session!r} {self._options!r} {self._session.events!r} {self._downloads!r}"


class BareGeneror(BareLuma):
    """A client of Generor without resources."""

    _vendor: ClassVar[Vendor] = GENEROR
