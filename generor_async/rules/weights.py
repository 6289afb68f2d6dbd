"""What a request weighs: rate limits and concurrency limits may count units instead of requests.

The specification has a table of weights. What the server says goes before it: a refusal that names what the request
needs, and by how much `X-RateLimit-Remaining` fell from one answer to the next, as far as our own requests explain it.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from attrs import Factory, define, field, frozen

from generor_async.rules import state_json
from generor_async.values import is_object

__all__ = ["DEFAULT_TYPE", "RefusalNumbers", "RequestType", "Weighing", "Weights", "parse_refusal_numbers"]

HEAVIEST: Final = 100
"""Units that no request weighs: a greater fall is that of others."""
FALLS_KEPT: Final = 8
"""How many falls of a kind are remembered; the smallest of them is its weight."""
ENOUGH_FALLS: Final = 3
"""How many falls show a weight, where no two of them agree on it."""
LARGEST_CEILING: Final = 10_000
"""Units at once that no account has: a larger number in a refusal means something else."""
TEXT_READ: Final = 1_000
"""How much of a refusal's text is read."""

_WEIGHT: Final = state_json.int_reader(1, HEAVIEST)
_LIMIT = re.compile(r"\blimit\s*[=:]\s*([0-9]{1,6})(?!\.?[0-9])|\(([0-9]{1,6})\)", re.IGNORECASE)
_NEEDS = re.compile(r"\bneeds?\s*[=:]?\s*([0-9]{1,6})(?!\.?[0-9])", re.IGNORECASE)
_UNITS = re.compile(r"\bunits?\b", re.IGNORECASE)


class RequestType(NamedTuple):
    """Requests that weigh the same: a tuple, because what is counted by kind is looked up often."""

    model: str
    type: str
    weight: int = 1
    """What they weigh by the specification."""

    @classmethod
    def of(cls, model: Any, type: Any, weight: Any) -> "RequestType":  # noqa: A002 - the API's own name
        """Make it of what a state says. Raises ValueError or TypeError for what is none."""
        return cls(state_json.read_text(model, 0), state_json.read_text(type, 0), _WEIGHT(weight, 0))

    @property
    def is_video(self) -> bool:
        """Whether its jobs make videos."""
        return self.type.startswith("video")


DEFAULT_TYPE: Final = RequestType("", "")
"""Requests of which nobody says what they weigh: one unit each."""


@frozen
class Weighing:
    """How the requests of an operation are told apart by weight: by two fields of the body."""

    model: str
    """The model where the body names none."""
    type: str
    """The type where the body names none."""
    table: Mapping[tuple[str, str], int]
    """The weights of models and types that are not 1."""

    _usual: RequestType = field(
        init=False,
        default=Factory(
            lambda self: RequestType(self.model, self.type, self.table.get((self.model, self.type), 1)), True
        ),
    )
    """The kind of a request that names neither."""

    def request_type_of(self, body: object) -> RequestType:
        """Return the kind of a request with this body, or of a job that is shown so."""
        if not is_object(body) or ("model" not in body and "type" not in body):
            return self._usual
        return self.request_type(body.get("model"), body.get("type"))

    def request_type(self, model: object, type: object) -> RequestType:  # noqa: A002 - the API's own name
        """Return the kind of a model and a type; what is no text is the default."""
        if model is None and type is None:
            return self._usual
        model = model if isinstance(model, str) and model else self.model
        type = type if isinstance(type, str) and type else self.type  # noqa: A001 - see above
        return RequestType(model, type, self.table.get((model, type), 1))


@frozen
class RefusalNumbers:
    """The numbers in a refusal for want of a slot."""

    limit: int | None = None
    """How much may run at once."""
    needs: int | None = None
    """What the refused request weighs."""
    in_units: bool = False
    """Whether the limit counts units; else jobs, so far as the text says."""


def parse_refusal_numbers(text: str) -> RefusalNumbers:
    """Read the numbers in a refusal's text; a number that can't be meant is left out.

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
class Weights:
    """What each kind of request weighs: by the specification, until answers of the server say otherwise."""

    changes: int = field(default=0, init=False)
    """How often a weight has changed."""
    seen: bool = field(default=False, init=False)
    """Whether the server has shown that it weighs anything other than 1."""
    _shown: dict[RequestType, int] = field(factory=dict[RequestType, int], init=False)
    """The weights that the server has shown."""
    _falls: dict[RequestType, list[int]] = field(factory=dict[RequestType, list[int]], init=False)
    """What one request of each kind took at most, by the latest answers."""

    def of(self, request_type: RequestType) -> int:
        """Return what a request of this kind weighs, in units."""
        return self._shown.get(request_type, request_type.weight)

    def believe_refusal(self, request_type: RequestType, units: int) -> None:
        """Believe a refusal that names what the request weighs. Falls from before don't count against it."""
        if 1 <= units <= HEAVIEST:
            self._falls.pop(request_type, None)
            self._set_weight(request_type, units)

    def observe(self, request_type: RequestType, fall: int) -> None:
        """Learn from two successive answers between which one request of ours was counted, and by what Remaining fell.

        Give it the fall as it would be if nothing had left the window in between: whoever knows what aged out of it
        adds that, and an answer that doesn't tell is better left out. What others used adds to a fall, so the smallest
        of several is the weight: one fall below the weight that is believed corrects it at once; for a greater weight
        it takes two falls that agree, or three. A fall of less than 1 says nothing.
        """
        self.observe_all({request_type: 1}, fall)

    def observe_all(self, counts: Mapping[RequestType, int], fall: int) -> None:
        """Learn from two successive answers between which several requests of ours were counted.

        `counts` says how many of each kind. Where they are of several kinds, only one that the server hasn't shown the
        weight of can be learned: the weights of the others are subtracted.
        """
        counts = {kind: count for kind, count in counts.items() if count > 0}
        unsure = [kind for kind in counts if kind not in self._shown] if len(counts) > 1 else list(counts)
        if len(unsure) != 1:
            return
        (kind,) = unsure
        others = sum(self.of(each) * count for each, count in counts.items() if each != kind)
        self._record_fall(kind, (fall - others) // counts[kind])

    def _record_fall(self, request_type: RequestType, units: int) -> None:
        """Note what a request of a kind took at most."""
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
        """Return what was learned as JSON data."""
        return {
            "shown": [[*kind, units] for kind, units in self._shown.items()],
            "falls": [[*kind, falls] for kind, falls in self._falls.items()],
        }

    def load(self, data: Mapping[str, Any]) -> None:
        """Take over what `dump` returned, here or in another process. Raises ValueError for anything else."""
        try:
            shown = {RequestType.of(*kind): _WEIGHT(units, 0) for *kind, units in data["shown"]}
            falls = {RequestType.of(*kind): [_WEIGHT(fall, 0) for fall in falls] for *kind, falls in data["falls"]}
        except (KeyError, TypeError) as error:
            raise ValueError(f"not the data of weights: {error!r}") from None
        self._shown, self._falls = shown, falls
        self._count_change()
