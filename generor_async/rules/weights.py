"""Weights of requests: rate limits and concurrency limits may count units instead of requests (measured).

The specification has a table of weights. The server's answers take precedence: a refusal that names the units of the
request, and the fall of `X-RateLimit-Remaining` between two responses, as far as our own requests explain it. What
others use adds to a fall, so the smallest of several falls is the weight.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from attrs import Factory, define, field, frozen

from generor_async.rules import state_json
from generor_async.values import is_object

__all__ = ["DEFAULT_TYPE", "LearnedWeights", "RefusalNumbers", "RequestType", "Weighing", "parse_refusal_numbers"]

HEAVIEST: Final = 100
"""Largest weight that is believed; a greater fall is caused by others."""
FALLS_KEPT: Final = 8
"""Number of falls that are kept for each request type."""
ENOUGH_FALLS: Final = 3
"""Number of falls that show a weight where no two agree."""
LARGEST_CEILING: Final = 10_000
"""Largest limit that is believed; a larger number in a refusal means something else."""
TEXT_READ: Final = 1_000
"""Characters of a refusal's text that are searched."""

_WEIGHT: Final = state_json.int_reader(1, HEAVIEST)
_LIMIT = re.compile(r"\blimit\s*[=:]\s*([0-9]{1,6})(?!\.?[0-9])|\(([0-9]{1,6})\)", re.IGNORECASE)
_NEEDS = re.compile(r"\bneeds?\s*[=:]?\s*([0-9]{1,6})(?!\.?[0-9])", re.IGNORECASE)
_UNITS = re.compile(r"\bunits?\b", re.IGNORECASE)


class RequestType(NamedTuple):
    """Model and type of requests that weigh the same; a tuple, because it is often looked up."""

    model: str
    type: str
    weight: int = 1
    """Their weight by the specification."""

    @classmethod
    def of(cls, model: Any, type: Any, weight: Any) -> "RequestType":  # noqa: A002 - the API's own name
        """Parse a request type in stored state; raises ValueError or TypeError."""
        return cls(state_json.read_text(model, 0), state_json.read_text(type, 0), _WEIGHT(weight, 0))

    @property
    def is_video(self) -> bool:
        """Whether its jobs make videos."""
        return self.type.startswith("video")


DEFAULT_TYPE: Final = RequestType("", "")
"""The type of requests without weights: one unit each."""


@frozen
class Weighing:
    """The weights of an operation's requests, by two fields of the body."""

    model: str
    """The default model."""
    type: str
    """The default type."""
    table: Mapping[tuple[str, str], int]
    """Weights other than 1, by model and type."""

    _usual: RequestType = field(
        init=False,
        default=Factory(
            lambda self: RequestType(self.model, self.type, self.table.get((self.model, self.type), 1)), True
        ),
    )
    """The type of a request that names neither."""

    def request_type_of(self, body: object) -> RequestType:
        """Return the request type of a body, or of a job in that form."""
        if not is_object(body) or ("model" not in body and "type" not in body):
            return self._usual
        return self.request_type(body.get("model"), body.get("type"))

    def request_type(self, model: object, type: object) -> RequestType:  # noqa: A002 - the API's own name
        """Return the request type of a model and a type; values other than text mean the default."""
        if model is None and type is None:
            return self._usual
        model = model if isinstance(model, str) and model else self.model
        type = type if isinstance(type, str) and type else self.type  # noqa: A001 - see above
        return RequestType(model, type, self.table.get((model, type), 1))


@frozen
class RefusalNumbers:
    """The numbers in a refusal because of the concurrency limit."""

    limit: int | None = None
    """The limit."""
    needs: int | None = None
    """The units of the refused request."""
    in_units: bool = False
    """Whether the text mentions units; else the limit counts jobs."""


def parse_refusal_numbers(text: str) -> RefusalNumbers:
    """Parse the numbers in a refusal's text; numbers out of range are ignored.

    Two wordings with numbers are known (measured): "Concurrent generation limit reached (10)", and "Concurrent
    generation capacity reached" with "limit=10 weight units" and "needs 3".
    """
    text = text[:TEXT_READ]
    limit, needs = _LIMIT.search(text), _NEEDS.search(text)
    most = 0 if limit is None else int(limit[1] or limit[2])
    units = 0 if needs is None else int(needs[1])
    return RefusalNumbers(
        limit=most if 1 <= most <= LARGEST_CEILING else None,
        needs=units if 1 <= units <= HEAVIEST else None,
        in_units=_UNITS.search(text) is not None,
    )


@define
class LearnedWeights:
    """The weight of each request type: by the specification, until responses show another."""

    changes: int = field(default=0, init=False)
    """Number of changes so far."""
    seen: bool = field(default=False, init=False)
    """Whether the server has shown a weight other than 1."""
    _shown: dict[RequestType, int] = field(factory=dict[RequestType, int], init=False)
    """The weights that the server has shown."""
    _falls: dict[RequestType, list[int]] = field(factory=dict[RequestType, list[int]], init=False)
    """The latest falls by request type: what one request took at most."""

    def of(self, request_type: RequestType) -> int:
        """Return the weight of a request type in units."""
        return self._shown.get(request_type, request_type.weight)

    def believe_refusal(self, request_type: RequestType, units: int) -> None:
        """Believe the weight that a refusal names; earlier falls are forgotten."""
        if 1 <= units <= HEAVIEST:
            self._falls.pop(request_type, None)
            self._set_weight(request_type, units)

    def observe(self, request_type: RequestType, fall: int) -> None:
        """Learn from the fall of Remaining between two successive responses, with one request of ours in between.

        `fall` is without what left the window in between. A fall below the current weight corrects it at once; for a
        greater weight, two equal falls are needed, or three. Falls of less than 1 are ignored.
        """
        self.observe_all({request_type: 1}, fall)

    def observe_all(self, counts: Mapping[RequestType, int], fall: int) -> None:
        """Learn from the fall between two successive responses, with several requests of ours in between.

        `counts` has their number by request type. Of several types, the weight of one that the server hasn't shown yet
        can be learned: the weights of the others are subtracted.
        """
        counts = {request_type: count for request_type, count in counts.items() if count > 0}
        unsure = (
            [request_type for request_type in counts if request_type not in self._shown]
            if len(counts) > 1
            else list(counts)
        )
        if len(unsure) != 1:
            return
        (request_type,) = unsure
        others = sum(self.of(each) * count for each, count in counts.items() if each != request_type)
        self._record_fall(request_type, (fall - others) // counts[request_type])

    def _record_fall(self, request_type: RequestType, units: int) -> None:
        """Record the most units that one request can have taken."""
        if not 1 <= units <= HEAVIEST:
            return
        falls = self._falls.setdefault(request_type, [])
        falls.append(units)
        del falls[:-FALLS_KEPT]
        smallest = min(falls)
        if smallest < self.of(request_type) or falls.count(smallest) > 1 or len(falls) >= ENOUGH_FALLS:
            self._set_weight(request_type, smallest)

    def _set_weight(self, request_type: RequestType, units: int) -> None:
        if self._shown.get(request_type) != units:
            self._shown[request_type] = units
            self._count_change()

    def _count_change(self) -> None:
        self.changes += 1
        self.seen = any(weight != 1 for weight in self._shown.values())

    def dump(self) -> dict[str, Any]:
        """Return the learned weights as JSON data."""
        return {
            "shown": [[*request_type, units] for request_type, units in self._shown.items()],
            "falls": [[*request_type, falls] for request_type, falls in self._falls.items()],
        }

    def load(self, data: Mapping[str, Any]) -> None:
        """Restore what `dump` returned, here or in another process; raises ValueError for anything else."""
        try:
            shown = {RequestType.of(*parts): _WEIGHT(units, 0) for *parts, units in data["shown"]}
            falls = {RequestType.of(*parts): [_WEIGHT(fall, 0) for fall in falls] for *parts, falls in data["falls"]}
        except (KeyError, TypeError) as error:
            raise ValueError(f"not the data of weights: {error!r}") from None
        self._shown, self._falls = shown, falls
        self._count_change()
