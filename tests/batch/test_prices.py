"""Prices of calls: Luma's documented ones, and Generor's estimates, requested once per price key."""

import asyncio
import math
from collections.abc import Mapping
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from generor_async import AsyncGeneror
from generor_async.errors import ResponseShapeError
from generor_async.prices import EstimateCache, luma_quote, price_key, unpriced_error
from generor_async.rules.luma_prices import DOLLARS_A_CREDIT
from generor_async.simulator import Simulator

REFERENCE = {"url": "https://x.example/a.png"}


@pytest.mark.parametrize(
    ("parameters", "dollars"),
    [
        ({}, 0.0404),
        ({"model": "uni-1", "type": "image"}, 0.0404),
        ({"image_ref": [REFERENCE]}, 0.0434),
        ({"image_ref": [REFERENCE] * 3}, 0.0494),
        ({"type": "image_edit", "source": REFERENCE}, 0.0434),
        ({"type": "image_edit", "source": REFERENCE, "image_ref": [REFERENCE]}, 0.0464),
        ({"model": "uni-1-max"}, 0.1000),
        ({"model": "uni-1-max", "type": "image_edit", "source": REFERENCE}, 0.1030),
    ],
)
def test_lumas_prices_are_the_documented_ones(parameters: dict[str, Any], dollars: float) -> None:
    quote = luma_quote({"prompt": "x", **parameters})
    assert quote is not None
    assert quote.credits * DOLLARS_A_CREDIT == pytest.approx(dollars)
    assert quote.fixed


def test_a_call_without_a_listed_price_needs_the_callers() -> None:
    video = {"prompt": "x", "model": "ray-3.2", "type": "video", "video": {"duration": "10s", "hdr": True}}
    assert luma_quote(video) is None
    assert luma_quote({"prompt": "x", "type": "layering"}) is None
    quote = luma_quote(video, price=1.5)
    assert quote is not None
    assert quote.credits == pytest.approx(500)
    assert str(unpriced_error(video)) == (
        "max_credits: no price is known for ray-3.2, type video, with these options, so a cap could not be kept."
        " Name what one costs in US dollars (price, --price), or leave the cap out."
    )


WORDS = st.fixed_dictionaries(
    {}, optional={"prompt": st.text(), "user_text": st.text(), "item_index": st.integers(0, 9)}
)
MEDIA = st.fixed_dictionaries(
    {}, optional={"image_url": st.text(), "reference_images": st.lists(st.text(), max_size=2)}
)
PRICED = st.fixed_dictionaries({"model_id": st.integers(1, 3)}, optional={"count": st.integers(1, 2)})


@given(PRICED, MEDIA, MEDIA, WORDS, WORDS)
def test_price_keys_ignore_texts_and_count_media(
    priced: dict[str, Any], media: dict[str, Any], others: dict[str, Any], some: dict[str, Any], more: dict[str, Any]
) -> None:
    def counted(given: dict[str, Any]) -> tuple[bool, int | None]:
        images = given.get("reference_images")
        return "image_url" in given, None if images is None else len(images)

    alike = price_key({**priced, **media, **some}) == price_key({**more, **others, **priced})
    assert alike == (counted(media) == counted(others))
    assert price_key(priced) != price_key({**priced, "model_id": 4})


@frozen
class Answer:
    """An estimate."""

    @frozen
    class Cost:
        total: Any = 6.0

    @frozen
    class Time:
        seconds: Any = 10.0
        max_seconds: Any = 14.0

    credit_cost: Any = Cost()
    time_estimate: Any = Time()


async def test_concurrent_quotes_request_one_estimate_per_price_key() -> None:
    asked: list[Mapping[str, Any]] = []

    async def ask(parameters: Mapping[str, Any]) -> Any:
        asked.append(parameters)
        await asyncio.sleep(0.01)
        return Answer()

    estimates = EstimateCache(ask)
    rows = [{"slug": "image", "model_id": 10_003 + n % 2, "prompt": str(n), "count": 2} for n in range(50)]
    quotes = await asyncio.gather(*map(estimates.quote, rows))
    assert len(asked) == 2
    assert {(quote.model, quote.credits, quote.longest, quote.fixed) for quote in quotes} == {
        ("10003", 6.0, 28.0, False),
        ("10004", 6.0, 28.0, False),
    }


async def test_a_failed_estimate_is_requested_again() -> None:
    times = 0

    async def ask(parameters: Mapping[str, Any]) -> Any:
        nonlocal times
        times += 1
        if times == 1:
            raise ConnectionError
        return Answer()

    estimates = EstimateCache(ask)
    with pytest.raises(ConnectionError):
        await estimates.quote({"model_id": 1})
    assert (await estimates.quote({"model_id": 1})).credits == 6.0


@pytest.mark.parametrize("cost", [None, Answer.Cost(None), Answer.Cost(math.inf), Answer.Cost(-1)])
async def test_an_estimate_without_a_price_is_an_error(cost: Any) -> None:
    async def ask(_: Mapping[str, Any]) -> Any:
        return Answer(cost)

    with pytest.raises(ResponseShapeError, match="names no price"):
        await EstimateCache(ask).quote({"model_id": 1})


@pytest.mark.parametrize("time", [None, Answer.Time(None, None)])
async def test_an_estimate_without_a_time_still_has_a_price(time: Any) -> None:
    async def ask(_: Mapping[str, Any]) -> Any:
        return Answer(time_estimate=time)

    quote = await EstimateCache(ask).quote({"model_id": 1})
    assert (quote.credits, quote.longest, quote.seconds) == (6.0, 0.0, 0.0)


async def test_a_quote_has_the_estimates_price() -> None:
    async with Simulator() as simulator, AsyncGeneror(simulator.generor_key, base_url=simulator.generor_url) as client:
        estimates = EstimateCache(lambda parameters: client.generators.estimate(**parameters))
        quote = await estimates.quote({"slug": "joke", "model_id": 37, "prompt": "x", "count": 5})
        told = await client.generators.estimate("joke", model_id=37, prompt="y", count=5)
    assert quote.credits == told.credit_cost.total
    assert quote.longest >= told.time_estimate.seconds
