"""Prices of calls before they are made, in the API's credits.

Luma's price lists are in dollars, converted here at the documented worth of a credit. A call that they don't list needs
a price from the caller, or can't run under a cap. Generor is asked for an estimate, once for all rows with the same
price key: the parameters without those that don't change a price, such as the prompt.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Final

from attrs import define, field, frozen

from generor_async.api.generor.models import Estimate
from generor_async.errors import BadRequestError, InvalidRequestError, NotFoundError, ResponseShapeError
from generor_async.rules.charges import valid_cost
from generor_async.rules.derived_values import longest_seconds
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
"""Generor's parameters that don't change an estimate (assumed)."""
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
"""Parameters that matter only by being given (assumed)."""
PRICED_BY_COUNT: Final = frozenset({"reference_images", "reference_videos"})
"""Parameters that matter only by their number of items (assumed)."""
QUOTES_KEPT: Final = 10_000


@frozen(kw_only=True)
class Quote:
    """What a call is expected to cost and to take."""

    model: str
    """What the price is for: charges of the same model are compared with it."""
    credits: float
    longest: float
    """Seconds that it may take at most; 0 if not known."""
    fixed: bool
    """Whether the charge can't differ from it."""
    seconds: float = 0.0
    """Seconds that it is likely to take; 0 if not known."""
    source: str = ""
    """Where the price is from, with its date; empty for the API's own estimate."""


def luma_quote(parameters: Mapping[str, JSON], *, price: float | None = None) -> Quote | None:
    """Return what one of Luma's generations costs; None if neither the caller nor a price list says.

    `price` is the caller's, in US dollars per generation, and takes precedence.
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
    """Return the model and type that a Luma price is for."""
    return f"{parameters.get('model') or 'uni-1'} {parameters.get('type') or 'image'}"


def unpriced_error(parameters: Mapping[str, JSON]) -> InvalidRequestError:
    """Make the error for a row without a price in a run with a cap."""
    model, _, kind = luma_model(parameters).rpartition(" ")
    return InvalidRequestError(
        "max_credits",
        f"no price is known for {model}, type {kind}, with these options, so a cap could not be kept",
        advice="Name what one costs in US dollars (price, --price), or leave the cap out",
    )


def price_key(parameters: Mapping[str, JSON]) -> str:
    """Return the part of a Generor call that its price depends on; rows with equal keys cost the same."""
    key_fields: dict[str, JSON] = {}
    for name, value in parameters.items():
        if name in PRICED_BY_PRESENCE:
            key_fields[name] = True
        elif name in PRICED_BY_COUNT:
            key_fields[name] = len(value) if is_array(value) else 1
        elif name not in PRICE_NEUTRAL:
            key_fields[name] = value
    return json.dumps(key_fields, sort_keys=True, separators=(",", ":"))


@define
class EstimateCache:
    """Generor's estimates, each requested once."""

    _ask: Callable[[Mapping[str, JSON]], Awaitable[Estimate]]
    """Requests an estimate of a call with these parameters."""
    _quotes: dict[str, Quote] = field(factory=dict[str, Quote], init=False)
    _refused: set[str] = field(factory=set[str], init=False)
    _lock: asyncio.Lock = field(factory=asyncio.Lock, init=False)

    async def quote(self, parameters: Mapping[str, JSON]) -> Quote:
        """Return what a call costs; request an estimate if its price key is new."""
        key = price_key(parameters)
        if key not in self._quotes:
            async with self._lock:
                if key not in self._quotes:
                    await self._request(key, parameters)
        return self._quotes[key]

    async def price(self, parameters: Mapping[str, JSON]) -> Quote | None:
        """Return what a call costs; None if the API refuses calls with its price key."""
        key = price_key(parameters)
        if key in self._refused:
            return None
        try:
            return await self.quote(parameters)
        except (BadRequestError, NotFoundError):
            self._refused.add(key)
            return None

    async def _request(self, key: str, parameters: Mapping[str, JSON]) -> None:
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
        self._quotes[key] = Quote(
            model=str(parameters["model_id"]),
            credits=total,
            longest=0.0 if time is None else longest_seconds(time, dict(parameters)),
            fixed=False,
            seconds=0.0 if time is None else maybe(time.seconds) or 0.0,
        )
