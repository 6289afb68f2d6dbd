"""Luma's limits: the rules that the documents leave open or that public logs contradict, and the messages.

`documented`: the window, that both limits count requests, the wording "Too many concurrent jobs", X-RateLimit-Reset.
`page`: the abuse limit, and the other meaning of X-RateLimit-Reset. `measured`: weights, and the other two wordings.
`assumed`: the message of the abuse limit, and the punctuation of the message with units.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal

from attrs import field, frozen

from generor_async.simulator.luma.models import MODELS
from generor_async.simulator.luma.slots import SlotRules
from generor_async.simulator.request_windows import RequestWindow, WindowKind, WindowVerdict

__all__ = ["ConcurrencyWording", "LimitRules", "ResetMeaning", "Weights", "read_weights"]

ConcurrencyWording = Literal["limit", "units", "contract"]
ResetMeaning = Literal["oldest", "minute"]
Weights = Mapping[tuple[str, str], int]
"""Units of a request by model and type; 1 by default."""
MINUTE = 60.0
WEIGHTS: Mapping[str, Weights] = {"contract": {}, "measured": {("uni-1-max", "image_edit"): 3}}


@frozen(kw_only=True)
class LimitRules:
    """How the limits of an API client work, with their messages and headers."""

    window_kind: WindowKind = "sliding"
    count_rejected: bool = False
    """Whether a request that the minute's limit refuses counts."""
    count_errors: bool = True
    """Whether a request that is refused for another reason counts."""
    weights: Weights = WEIGHTS["contract"]
    wording: ConcurrencyWording = "limit"
    """The message when all slots are taken."""
    reset: ResetMeaning = "oldest"
    """What X-RateLimit-Reset is on a 201: when the oldest request ages out, or a minute from now."""
    abuse_limit: int | None = None
    """Requests of any kind in a minute, or None."""
    slots: SlotRules = field(factory=SlotRules)

    def window(self, limit: int) -> RequestWindow:
        """Return a new window for submissions."""
        return RequestWindow(limit, MINUTE, kind=self.window_kind, count_rejected=self.count_rejected)

    def abuse_window(self) -> RequestWindow | None:
        """Return a new window for all requests; None without an abuse limit."""
        return None if self.abuse_limit is None else RequestWindow(self.abuse_limit, MINUTE)

    def weight_of(self, body: Mapping[str, Any]) -> int:
        """Return the units of a submission, by its model and type as sent."""
        return self.weights.get((str(body.get("model") or "uni-1"), str(body.get("type") or "image")), 1)

    def message(self, limit: str, *, jobs: int, weight: int = 1) -> str:
        """Return the `detail` of a 429 for the limit `rpm`, `jobs` or `abuse`."""
        if limit != "jobs":
            return "Rate limit exceeded" if limit == "rpm" else "Too many requests"
        if self.wording == "limit":
            return f"Concurrent generation limit reached ({jobs})"
        if self.wording == "units":
            return f"Concurrent generation capacity reached (limit={jobs} weight units, needs {weight})"
        return "Too many concurrent jobs"

    def headers(self, verdict: WindowVerdict, *, now: float) -> dict[str, str]:
        """Return the headers of the minute's limit."""
        in_a_minute = self.reset == "minute" and verdict.allowed
        return {
            "X-RateLimit-Limit": str(verdict.limit),
            "X-RateLimit-Remaining": str(verdict.remaining),
            "X-RateLimit-Reset": str(math.ceil(now + MINUTE if in_a_minute else verdict.reset_at)),
        }


def read_weights(given: str | Weights) -> Weights:
    """Read a table of weights: a predefined one by name, a written one, or a mapping.

    A table is written as `uni-1-max/image_edit=3,ray-3.2/video=2`. Raises ValueError.
    """
    if isinstance(given, str):
        given = WEIGHTS[given] if given in WEIGHTS else dict(map(_read_weight, given.split(",")))
    for (model, kind), weight in given.items():
        if model not in MODELS or kind not in MODELS[model].types:
            raise ValueError(f"luma_weights names {model}/{kind}, which no model offers")
        if type(weight) is not int or weight < 1:
            raise ValueError(f"luma_weights must be whole numbers of at least 1, not {weight!r} for {model}/{kind}")
    return given


def _read_weight(text: str) -> tuple[tuple[str, str], int]:
    name, equals, weight = text.strip().partition("=")
    model, slash, kind = name.partition("/")
    if not (equals and slash and weight.isdecimal()):
        raise ValueError(f"luma_weights must be {' or '.join(WEIGHTS)}, or MODEL/TYPE=UNITS, not {text!r}")
    return (model, kind), int(weight)
