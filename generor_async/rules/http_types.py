"""Values for HTTP: endpoints, operations, requests, replies and transport errors."""

from collections.abc import Callable, Mapping, MutableMapping
from typing import Final, Generic, Literal, TypeVar
from urllib.parse import quote

from attrs import define, field, frozen
from multidict import istr

from generor_async.errors import InvalidRequestError
from generor_async.rules import arguments
from generor_async.rules.body_decoders import Decoder
from generor_async.rules.vendors import Vendor
from generor_async.rules.weights import Weighing
from generor_async.values import JSON, RetrySafety, Secret

__all__ = ["REQUEST_ID", "Endpoint", "Form", "Operation", "Reply", "Request", "TransportError", "path_segment"]

T = TypeVar("T")

REQUEST_ID: Final = istr("X-Request-Id")
"""The header's name, of the type that multidict looks up fastest."""


@frozen(kw_only=True)
class Endpoint(Generic[T]):
    """The properties that all calls of one operation have in common."""

    name: str
    """Dotted: `luma.generations.create`."""
    vendor: Vendor
    method: str
    template: str
    retry_safety: RetrySafety
    auth: Literal["required", "optional"]
    scope: Literal["none", "read", "write", "generate"]
    quota: tuple[str, ...]
    """The windows that a request draws on."""
    decode: Decoder[T] = field(repr=False)
    """Reads the decoded body of a success."""
    timeout: float
    """Default timeout of one logical call, in seconds."""
    attempt_timeout: float
    """Default timeout of one attempt, in seconds."""
    derive: Callable[[T, JSON], None] | None = field(default=None, repr=False)
    """Completes the result from the body that was sent."""
    shows_job: bool = False
    """Whether the answer is a job, with its state."""
    names: str = ""
    """The attribute of the result that repeats the id in the path; another id means that it answers another request."""
    weighing: Weighing | None = field(default=None, repr=False, eq=False)
    """The weights of requests, and of the jobs that they submit or show; None for one unit each."""
    takes_user: bool = False
    """Whether the body has a field `user_id`, for the caller's end user."""
    secrets: tuple[str, ...] = ()
    """Fields of the response whose values are API keys: they are masked wherever the response is kept."""


@frozen(kw_only=True)
class Form:
    """A multipart body: one file part, and plain text parts."""

    content: bytes = field(repr=False)
    filename: str
    media_type: str
    fields: Mapping[str, str] = field(factory=dict[str, str])


def _no_query() -> dict[str, str]:
    return {}  # `dict[str, str]()` takes ten times as long


@define
class Operation(Generic[T]):
    """One call that was built and not sent: an endpoint with path, query and body."""

    endpoint: Endpoint[T]
    path: str
    query: Mapping[str, str] = field(factory=_no_query, kw_only=True)
    body: JSON | Form = field(default=None, kw_only=True, repr=False)


@define(kw_only=True)
class Request:
    """A request ready to be sent. All attempts of a call share it, each with its own X-Request-Id."""

    method: str
    url: str = field(repr=False)
    headers: MutableMapping[str, str] = field(repr=False)
    body: bytes | Form | None = field(repr=False)
    reusable: bool
    """Whether it may be sent on an idle connection: False where it must not be sent twice."""


@define(kw_only=True)
class Reply:
    """A complete response."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Look-ups ignore case."""
    body: bytes = field(repr=False)
    misdirected: bool = False
    """Whether its X-Request-Id shows that it answers another request."""


class TransportError(Exception):
    """No complete response arrived. `sent` is False only where it is certain that nothing was sent."""

    def __init__(
        self,
        problem: str,
        *,
        sent: bool,
        timed_out: bool = False,
        permanent: bool = False,
        partial: bytes = b"",
        location: str = "",
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.sent = sent
        self.timed_out = timed_out
        self.permanent = permanent
        """Whether a retry can't help, as after a bad certificate or URL."""
        self.partial = partial
        """The bytes that arrived of a response that broke off."""
        self.location = location
        """The Location header of that response, if it arrived."""


def path_segment(value: str | Secret, name: str) -> str:
    """Return `value` as one segment of a path, percent-encoded: a `/` in it stays inside the segment."""
    text = arguments.text(value.reveal() if isinstance(value, Secret) else value, name)
    if text in {"", ".", ".."}:
        raise InvalidRequestError(name, f"{name} must not be {text!r}")
    return quote(text, safe="")
