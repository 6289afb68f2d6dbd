"""Generor's parameters are checked before they are paid for, on the simulator."""

from typing import Any

import pytest

from generor_async import AsyncGeneror, Generor, InvalidRequestError
from generor_async.simulator import Simulator


async def refused(work: Any) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as caught:
        await work
    return caught.value


async def test_a_parameter_that_would_be_dropped_is_refused_before_it_is_paid_for(simulator: Simulator) -> None:
    async with AsyncGeneror(**simulator.generor_options) as generor:
        checking = generor.with_options(check_parameters=True)
        error = await refused(
            checking.generators.generate("horoscope", model_id=37, prompt="x", parameters={"zodiac-sing": "aries"})
        )
        assert "Did you mean 'zodiac-sign'?" in str(error)
        await refused(
            checking.generators.estimate("horoscope", model_id=37, prompt="x", parameters={"horoscope-count": 99})
        )
        assert not simulator.ledger.charges
        made = await checking.generators.generate(
            "horoscope", model_id=37, prompt="x", parameters={"zodiac-sign": "leo"}
        )
        assert made.credit_cost
        await generor.generators.generate("horoscope", model_id=37, prompt="x", parameters={"zodiac-sing": "aries"})


def test_the_blocking_half_does_the_same(simulator: Simulator) -> None:
    with Generor(**simulator.generor_options) as generor:
        view = generor.with_options(check_parameters=True)
        with pytest.raises(InvalidRequestError, match="no parameter 'x'"):
            view.generators.generate("horoscope", model_id=37, prompt="x", parameters={"x": 1})
