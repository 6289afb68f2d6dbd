"""The kinds of faults: what each does, its details, and the operations that it applies to."""

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal, Protocol, TypeAlias

from attrs import field, frozen

__all__ = ["KINDS", "WHENS", "ChoiceDetail", "FaultDetail", "FaultKind", "NumberDetail", "RetryAfterDetail", "When"]

When: TypeAlias = Literal["before_charge", "after_charge"]
WHENS: tuple[When, ...] = ("before_charge", "after_charge")
LISTINGS = (
    "generor.api_keys.list",
    "generor.comments.list",
    "generor.creations.list",
    "generor.creations.list_public",
    "generor.creations.search",
    "generor.credits.list_transactions",
    "generor.feed.list",
    "generor.generators.list_creations",
    "generor.teams.list",
    "generor.teams.list_creations",
    "generor.users.list_creations",
    "luma.files.list",
)
"""Operations that list recent creations or jobs."""
LONGEST_RETRY_AFTER = 100


class FaultDetail(Protocol):
    """One detail of a fault: how its value is checked."""

    @property
    def default(self) -> Any:
        """The default."""
        ...

    def read(self, name: str, value: Any) -> Any:
        """Return a valid value; raises ValueError for any other."""
        ...


@frozen(kw_only=True)
class NumberDetail:
    """A finite number within bounds."""

    default: float | None
    above: float = -math.inf
    least: float = -math.inf
    below: float = math.inf
    most: float = math.inf
    whole: bool = False

    def read(self, name: str, value: Any) -> float:
        """Return a valid value; raises ValueError for any other."""
        kind = int if self.whole else (int, float)
        if isinstance(value, kind) and not isinstance(value, bool) and self._inside(value):
            return value
        raise ValueError(f"{name} must be {self._bounds()}, not {value!r}")

    def _inside(self, value: float) -> bool:
        return self.above < value < self.below and self.least <= value <= self.most

    def _bounds(self) -> str:
        bounds = (("above", self.above), ("at least", self.least), ("below", self.below), ("at most", self.most))
        told = " and ".join(f"{words} {bound:,.10g}" for words, bound in bounds if math.isfinite(bound))
        kind = "a whole number" if self.whole else "a number"
        return f"{kind}, {told}" if told else kind


@frozen(kw_only=True)
class ChoiceDetail:
    """One of several words."""

    default: str
    options: tuple[str, ...]

    def read(self, name: str, value: Any) -> str:
        """Return a valid value; raises ValueError for any other."""
        if value not in self.options:
            raise ValueError(f"{name} must be {' or '.join(self.options)}, not {value!r}")
        return str(value)


@frozen(kw_only=True)
class RetryAfterDetail:
    """What the Retry-After header says: `usual`, seconds, any other text (a date, say), or None for no header."""

    default: str | None

    def read(self, name: str, value: Any) -> str | float | None:
        """Return a valid header value; raises ValueError for any other."""
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            return value
        if isinstance(value, str) and value.isascii() and value.isprintable() and len(value) <= LONGEST_RETRY_AFTER:
            return value
        raise ValueError(f"{name} must be seconds, a printable text or None, not {value!r}")


@frozen(kw_only=True)
class FaultKind:
    """One kind of fault: what it does, which details it takes, and where it can strike."""

    does: str
    """What it does, in one line for `--help`."""
    details: Mapping[str, FaultDetail] = field(factory=dict[str, FaultDetail])
    operations: tuple[str, ...] = ("*",)
    """Patterns of the operations that it can strike."""
    whens: tuple[When, ...] = WHENS
    """Empty for a fault that loses no answer, so that before or after the charge makes no difference."""
    in_body: bool = False
    """Whether it changes the body, which an answer to HEAD doesn't have."""

    def can_strike(self, operation: str) -> bool:
        """Tell whether it applies to an operation."""
        if self.in_body and operation.endswith(".head"):
            return False
        return any(fnmatchcase(operation, pattern) for pattern in self.operations)


SHAPE = ChoiceDetail(default="api", options=("api", "gateway"))
BUSY: Mapping[str, FaultDetail] = {"shape": SHAPE, "retry_after": RetryAfterDetail(default=None)}
TIMES = NumberDetail(default=None, least=1, whole=True)
RATE = NumberDetail(default=None, above=0, most=1)
SEED = NumberDetail(default=None, whole=True)

KINDS: Mapping[str, FaultKind] = {
    "refuse": FaultKind(
        does="the port is closed for so many simulated seconds, to both APIs: connections are refused by the system",
        details={"seconds": NumberDetail(default=10.0, above=0)},
        whens=(),
    ),
    "reset": FaultKind(does="the connection is reset (RST) instead of an answer"),
    "close": FaultKind(does="the connection is closed (FIN) instead of an answer"),
    "early_reset": FaultKind(
        does="the connection is reset (RST) at once; the work goes on, and is done so many simulated seconds later",
        details={"seconds": NumberDetail(default=600.0, above=0)},
        operations=("generor.generators.generate",),
        whens=("after_charge",),
    ),
    "truncate": FaultKind(
        does="Content-Length promises a whole body; this part of it is sent, and the connection closed",
        details={"keep": NumberDetail(default=0.5, least=0, below=1)},
        in_body=True,
    ),
    "broken_chunk": FaultKind(
        does="a chunked body is cut inside a chunk, or has a chunk header that is no number",
        details={"how": ChoiceDetail(default="cut", options=("cut", "header"))},
        in_body=True,
    ),
    "drip": FaultKind(
        does="the body comes whole, in so many pieces with a pause of simulated seconds between them",
        details={"pieces": NumberDetail(default=8, least=2, whole=True), "pause": NumberDetail(default=1.0, above=0)},
        in_body=True,
    ),
    "stall": FaultKind(
        does="nothing is sent, or the headers alone, until the client leaves",
        details={"sent": ChoiceDetail(default="nothing", options=("nothing", "headers"))},
    ),
    "429": FaultKind(
        does="a limit is reached, of Luma's rpm, jobs or abuse; Retry-After is usual, seconds, any text, or none",
        details={
            "limit": ChoiceDetail(default="rpm", options=("rpm", "jobs", "abuse")),
            "shape": SHAPE,
            "retry_after": RetryAfterDetail(default="usual"),
        },
    ),
    "403": FaultKind(
        does="403 in the API's own shape, or as a gateway's HTML: nothing was done",
        details=BUSY,
        whens=("before_charge",),
    ),
    "500": FaultKind(does="500 in the API's own shape, or as a gateway's HTML", details=BUSY),
    "502": FaultKind(does="502 in the API's own shape, or as a gateway's HTML", details=BUSY),
    "503": FaultKind(does="503 in the API's own shape, or as a gateway's HTML", details=BUSY),
    "504": FaultKind(does="504 in the API's own shape, or as a gateway's HTML", details=BUSY),
    "wrong_type": FaultKind(does="200 with an HTML page where the answer should be"),
    "wrong_json": FaultKind(does="JSON of a shape that nobody documents: the true answer inside another object"),
    "invalid_json": FaultKind(does="a whole answer that is not JSON: the true one, cut in the middle"),
    "gzip_bomb": FaultKind(
        does="a gzip body of some hundred kilobytes that opens to so many megabytes of valid JSON",
        details={"megabytes": NumberDetail(default=512, least=1, most=4096, whole=True)},
    ),
    "deep": FaultKind(
        does="arrays nested so many deep",
        details={"depth": NumberDetail(default=100_000, least=1, most=10_000_000, whole=True)},
    ),
    "huge": FaultKind(
        does="valid JSON of so many megabytes, streamed",
        details={"megabytes": NumberDetail(default=100, least=1, most=4096, whole=True)},
        in_body=True,
    ),
    "expired_url": FaultKind(
        does="a presigned URL, however fresh, is answered by the 403 of one that has expired",
        operations=("storage.*",),
        whens=(),
    ),
    "stale_listing": FaultKind(
        does="a listing lacks what was made in the last so many simulated seconds",
        details={"seconds": NumberDetail(default=60.0, above=0)},
        operations=LISTINGS,
        whens=(),
    ),
    "lossy_listing": FaultKind(
        does="a listing lacks this share of its items, the same ones each time, as the seed has it",
        details={"share": NumberDetail(default=0.2, above=0, most=1)},
        operations=LISTINGS,
        whens=(),
    ),
    "limits_down": FaultKind(
        does="what counts submissions is down: none is counted or refused by a limit, and X-RateLimit-* are missing",
        operations=("luma.generations.create",),
        whens=(),
    ),
    "skewed_clock": FaultKind(
        does="Date and X-RateLimit-Reset are off by so many seconds",
        details={"seconds": NumberDetail(default=3600.0, least=-1e9, most=1e9)},
        whens=(),
    ),
}
