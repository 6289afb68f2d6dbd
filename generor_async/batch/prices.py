"""What a call will cost, before it is made, in the API's own credits.

Luma's price lists are in dollars, converted here at the documented size of a credit. What they don't have needs a price
from the caller, or can't be run under a cap. Generor is asked: once for each distinct shape, which is what is left of a
row without its words.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Final, Protocol

from attrs import define, field, frozen

from generor_async.errors import BadRequestError, InvalidRequestError, NotFoundError, ResponseShapeError
from generor_async.rules.charges import valid_cost
from generor_async.rules.derived_values import Timed, longest_seconds
from generor_async.rules.luma_prices import DOLLARS_A_CREDIT
from generor_async.rules.luma_prices import price as listed_price
from generor_async.values import JSON, is_array, maybe

__all__ = ["EstimateCache", "Quote", "luma_model", "luma_quote", "price_key", "unpriced_error"]

PRICE_NEUTRAL: Final = frozenset(
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
PRICED_BY_PRESENCE: Final = frozenset(
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
PRICED_BY_COUNT: Final = frozenset({"reference_images", "reference_videos"})
"""Parameters of which it matters only how many they are (assumed)."""
QUOTES_KEPT: Final = 10_000


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
    source: str = ""
    """Where the price is from, with its date; empty where the API itself estimates it."""


def luma_quote(parameters: Mapping[str, JSON], *, price: float | None = None) -> Quote | None:
    """Return what a generation of Luma's costs; None where neither a price list nor the caller names a price.

    `price` is the caller's, in US dollars for one generation; it goes before the vendor's.
    """
    if price is not None:
        dollars, source = price, "at the price given"
    elif (listed := listed_price(parameters)) is not None:
        dollars, source = listed.dollars, f"prices of {listed.as_of}"
    else:
        return None
    return _luma_quote(luma_model(parameters), dollars, source)


@lru_cache(maxsize=64)
def _luma_quote(model: str, dollars: float, source: str) -> Quote:
    return Quote(model=model, credits=dollars / DOLLARS_A_CREDIT, longest=0.0, fixed=True, source=source)


def luma_model(parameters: Mapping[str, JSON]) -> str:
    """Return what the price of a generation of Luma's is for: its model and type."""
    return f"{parameters.get('model') or 'uni-1'} {parameters.get('type') or 'image'}"


def unpriced_error(parameters: Mapping[str, JSON]) -> InvalidRequestError:
    """Make the error of a row that has no price where there is a cap."""
    model, _, kind = luma_model(parameters).rpartition(" ")
    return InvalidRequestError(
        "max_credits",
        f"no price is known for {model}, type {kind}, with these options, so a cap could not be kept",
        advice="Name what one costs in US dollars (price, --price), or leave the cap out",
    )


def price_key(parameters: Mapping[str, JSON]) -> str:
    """Return what the price of a Generor call depends on; rows that have it in common cost the same."""
    told: dict[str, JSON] = {}
    for name, value in parameters.items():
        if name in PRICED_BY_PRESENCE:
            told[name] = True
        elif name in PRICED_BY_COUNT:
            told[name] = len(value) if is_array(value) else 1
        elif name not in PRICE_NEUTRAL:
            told[name] = value
    return json.dumps(told, sort_keys=True, separators=(",", ":"))


class EstimateAnswer(Protocol):
    """What Generor answers to an estimate."""

    @property
    def credit_cost(self) -> "EstimatedCost":
        """What it would cost."""
        ...

    @property
    def time_estimate(self) -> Timed:
        """How long it would take."""
        ...


class EstimatedCost(Protocol):
    """A price."""

    @property
    def total(self) -> float:
        """The price of all items, in credits."""
        ...


@define
class EstimateCache:
    """Generor's prices, each asked for once."""

    _ask: Callable[[Mapping[str, JSON]], Awaitable[EstimateAnswer]]
    """Asks for an estimate of a call with these parameters."""
    _quotes: dict[str, Quote] = field(factory=dict[str, Quote], init=False)
    _refused: set[str] = field(factory=set[str], init=False)
    _lock: asyncio.Lock = field(factory=asyncio.Lock, init=False)

    async def quote(self, parameters: Mapping[str, JSON]) -> Quote:
        """Return what a call costs; asks for it where no call of its shape was asked for before."""
        wanted = price_key(parameters)
        if wanted not in self._quotes:
            async with self._lock:
                if wanted not in self._quotes:
                    await self._ask_price(wanted, parameters)
        return self._quotes[wanted]

    async def price(self, parameters: Mapping[str, JSON]) -> Quote | None:
        """Return what a call costs; None where the API refuses calls of its shape."""
        wanted = price_key(parameters)
        if wanted in self._refused:
            return None
        try:
            return await self.quote(parameters)
        except (BadRequestError, NotFoundError):
            self._refused.add(wanted)
            return None

    async def _ask_price(self, wanted: str, parameters: Mapping[str, JSON]) -> None:
        estimate = await self._ask(parameters)
        price, time = maybe(estimate.credit_cost), maybe(estimate.time_estimate)
        total = None if price is None else valid_cost(maybe(price.total))
        if total is None:
            raise ResponseShapeError(
                "the estimate names no price",
                path="$.data.credit_cost.total",
                operation="generor.generators.estimate",
                advice="Nothing can be set aside for such a call, and none was made",
            )
        if len(self._quotes) >= QUOTES_KEPT:
            self._quotes.clear()
        self._quotes[wanted] = Quote(
            model=str(parameters["model_id"]),
            credits=total,
            longest=0.0 if time is None else longest_seconds(time, dict(parameters)),
            fixed=False,
            seconds=0.0 if time is None else maybe(time.seconds) or 0.0,
        )
