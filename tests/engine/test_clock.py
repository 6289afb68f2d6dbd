"""The real clock."""

import time

import pytest

from generor_async.engine.clock import REAL_CLOCK


async def test_the_real_clock_is_the_machines() -> None:
    assert REAL_CLOCK.speed == 1
    assert REAL_CLOCK.time() == pytest.approx(time.time(), abs=1)
    before = REAL_CLOCK.monotonic()
    await REAL_CLOCK.sleep(0.02)
    assert 0.01 < REAL_CLOCK.monotonic() - before < 1
