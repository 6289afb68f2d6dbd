"""What a call will cost, before it is made, in the API's own credits.

Luma documents dollars for some models and types, converted here at the documented size of a credit. What has no
documented price needs one from the caller, or can't be run under a cap. Generor is asked: once for each distinct shape,
which is what is left of a row without its words.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

from attrs import define, field, frozen

from generor_async.errors import BadRequestError, InvalidRequestError, NotFoundError
from generor_async.rules.derived import Timed, longest_seconds
from generor_async.values import JSON, is_array

__all__ = ["AS_OF", "DOLLARS_A_CREDIT", "Estimates", "Quote", "luma_quote", "shape", "unpriced"]

AS_OF: Final = "mid-2026"
"""When the vendor's prices were read."""
DOLLARS_A_CREDIT: Final = 0.003
"""What a credit of Luma's is worth (documented: about)."""
DOLLARS: Final = {"uni-1": 0.0404, "uni-1-max": 0.1000}
"""An image from text, by model (documented)."""
DOLLARS_AN_INPUT: Final = 0.0030
"""Each image that goes in, a source or a reference, beside it (documented)."""
PRICED_TYPES: Final = frozenset({"image", "image_edit"})

WORDS: Final = frozenset(
    {
        "prompt",
        "user_text",
        "user_text_two",
        "story_context",
        "character_context",
        "character_name",
        "privacy_mode",
        "item_index",
        "total_count",
    }
)
"""Parameters of Generor that change no estimate (assumed)."""
NAMES: Final = frozenset(
    {
        "image_url",
        "ending_frame_url",
        "reference_audio",
        "video_url",
        "team_id",
        "character_id",
        "support_for",
        "translation_of",
    }
)
"""Parameters of which it matters only whether they are there (assumed)."""
LISTS: Final = frozenset({"reference_images", "reference_videos"})
"""Parameters of which it matters only how many they are (assumed)."""
SHAPES_KEPT: Final = 10_000


@frozen(kw_only=True)
class Quote:
    """What a call is expected to cost and to take."""

    model: str
    """What the price is for, and what drift is learned for."""
    credits: float
    longest: float
    """Seconds that it may take; 0 where nobody knows."""
    fixed: bool
    """Whether it can't cost anything else."""
    seconds: float = 0.0
    """Seconds that it is likely to take; 0 where nobody knows."""


def luma_quote(parameters: Mapping[str, JSON], *, price: float | None = None) -> Quote | None:
    """Return what a generation of Luma's costs; None where neither the documents nor the caller name a price.

    `price` is the caller's, in US dollars for one generation; it goes before the documented one.
    """
    model, kind = parameters.get("model", "uni-1"), parameters.get("type", "image")
    if price is None:
        if model not in DOLLARS or kind not in PRICED_TYPES:
            return None
        inputs = len(parameters.get("image_ref") or ()) + (parameters.get("source") is not None)
        price = DOLLARS[model] + DOLLARS_AN_INPUT * inputs
    return Quote(model=f"{model} {kind}", credits=price / DOLLARS_A_CREDIT, longest=0.0, fixed=True)


def unpriced(parameters: Mapping[str, JSON]) -> InvalidRequestError:
    """Make the error of a row that has no price where there is a cap."""
    model, kind = parameters.get("model", "uni-1"), parameters.get("type", "image")
    return InvalidRequestError(
        "max_credits",
        f"the price of {model} for type {kind} is not documented, so a cap could not be kept",
        advice="Name what one costs in US dollars (price, --price), or leave the cap out",
    )


def shape(parameters: Mapping[str, JSON]) -> str:
    """Return what the price of a Generor call depends on; rows that have it in common cost the same."""
    told: dict[str, JSON] = {}
    for name, value in parameters.items():
        if name in NAMES:
            told[name] = True
        elif name in LISTS:
            told[name] = len(value) if is_array(value) else 1
        elif name not in WORDS:
            told[name] = value
    return json.dumps(told, sort_keys=True, separators=(",", ":"))


class Estimated(Protocol):
    """What Generor answers to an estimate."""

    @property
    def credit_cost(self) -> "Costs":
        """What it would cost."""
        ...

    @property
    def time_estimate(self) -> Timed:
        """How long it would take."""
        ...


class Costs(Protocol):
    """A price."""

    @property
    def total(self) -> float:
        """The price of all items, in credits."""
        ...


@define
class Estimates:
    """Generor's prices, each asked for once."""

    _ask: Callable[[Mapping[str, JSON]], Awaitable[Estimated]]
    """Asks for an estimate of a call with these parameters."""
    _quotes: dict[str, Quote] = field(factory=dict[str, Quote], init=False)
    _refused: set[str] = field(factory=set[str], init=False)
    _turn: asyncio.Lock = field(factory=asyncio.Lock, init=False)

    async def quote(self, parameters: Mapping[str, JSON]) -> Quote:
        """Return what a call costs; asks for it where no call of its shape was asked for before."""
        wanted = shape(parameters)
        if wanted not in self._quotes:
            async with self._turn:
                if wanted not in self._quotes:
                    await self._learn(wanted, parameters)
        return self._quotes[wanted]

    async def price(self, parameters: Mapping[str, JSON]) -> Quote | None:
        """Return what a call costs; None where the API refuses calls of its shape."""
        wanted = shape(parameters)
        if wanted in self._refused:
            return None
        try:
            return await self.quote(parameters)
        except (BadRequestError, NotFoundError):
            self._refused.add(wanted)
            return None

    async def _learn(self, wanted: str, parameters: Mapping[str, JSON]) -> None:
        estimate = await self._ask(parameters)
        if len(self._quotes) >= SHAPES_KEPT:
            self._quotes.clear()
        self._quotes[wanted] = Quote(
            model=str(parameters["model_id"]),
            credits=estimate.credit_cost.total,
            longest=longest_seconds(estimate.time_estimate, dict(parameters)),
            fixed=False,
            seconds=estimate.time_estimate.seconds,
        )
