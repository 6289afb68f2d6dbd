"""What goes out and what comes back: operations, requests and replies as values."""

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
"""The name of a header as look-ups that ignore case find it soonest."""


@frozen(kw_only=True)
class Endpoint(Generic[T]):
    """What is the same for every call of one operation."""

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
    """Seconds that one logical call may take when the caller does not say."""
    attempt_timeout: float
    """Seconds that one attempt may take when the caller does not say."""
    derive: Callable[[T, JSON], None] | None = field(default=None, repr=False)
    """Completes the result from the body that was sent."""
    shows_job: bool = False
    """Whether the answer is a job, with its state."""
    names: str = ""
    """The attribute of the result that repeats the id in the path: one with another id answers another request."""
    weighing: Weighing | None = field(default=None, repr=False, eq=False)
    """What a request weighs, and so the job that it submits or shows; one unit where nothing is said."""
    secrets: tuple[str, ...] = ()
    """Keys of the answer whose values are keys: masked wherever the answer is kept."""


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
    """One call, built and not sent: an endpoint with this call's path, query and body."""

    endpoint: Endpoint[T]
    path: str
    query: Mapping[str, str] = field(factory=_no_query, kw_only=True)
    body: JSON | Form = field(default=None, kw_only=True, repr=False)


@define(kw_only=True)
class Request:
    """One attempt, ready for the wire; the same object serves every attempt of a call, each with its X-Request-Id."""

    method: str
    url: str = field(repr=False)
    headers: MutableMapping[str, str] = field(repr=False)
    body: bytes | Form | None = field(repr=False)
    reusable: bool
    """Whether it may leave on a connection that has idled: not if it must not be sent twice."""


@define(kw_only=True)
class Reply:
    """A whole answer."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Look-ups ignore case."""
    body: bytes = field(repr=False)
    misdirected: bool = False
    """Whether it is the answer to another request, by the X-Request-Id that it echoes."""


class TransportError(Exception):
    """No whole answer came. `sent` is False only where it is certain that nothing left this machine."""

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
        """Whether trying again cannot help: a bad certificate, a URL that is none."""
        self.partial = partial
        """What came of an answer that broke off."""
        self.location = location
        """Its Location, if that came."""


def path_segment(value: str | Secret, name: str) -> str:
    """Return `value` as one segment of a path, percent-encoded: a `/` in it stays inside the segment."""
    text = arguments.text(value.reveal() if isinstance(value, Secret) else value, name)
    if text in {"", ".", ".."}:
        raise InvalidRequestError(name, f"{name} must not be {text!r}")
    return quote(text, safe="")
